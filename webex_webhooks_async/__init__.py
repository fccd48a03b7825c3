"""The asyncio library for Webex webhooks.

A name's module is imported on first use: a program that only receives never imports httpx, and
pytest, which loads our plugin wherever the package is installed, imports nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webex_webhooks_async.bot.bot import Bot
    from webex_webhooks_async.bot.contexts import MessageContext, SubmissionContext
    from webex_webhooks_async.bot.router import BotRouter
    from webex_webhooks_async.client.auth import (
        RefreshingToken,
        StaticToken,
        TokenProvider,
        Tokens,
        authorization_url,
    )
    from webex_webhooks_async.client.client import Client
    from webex_webhooks_async.client.pagination import AsyncPaginator, Page
    from webex_webhooks_async.client.planning import (
        Action,
        Change,
        Plan,
        Result,
        WebhookPlanWarning,
        plan,
    )
    from webex_webhooks_async.client.retries import RetryPolicy
    from webex_webhooks_async.client.transports.aiohttp import AiohttpTransport
    from webex_webhooks_async.client.webhooks import Webhooks
    from webex_webhooks_async.converters import from_json, make_converter, to_json
    from webex_webhooks_async.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        DecodeError,
        GoneError,
        LockedError,
        NotFoundError,
        NotificationError,
        PaginationError,
        PayloadError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ResponseTooLargeError,
        ServerError,
        SignatureError,
        TransportError,
        WebexError,
    )
    from webex_webhooks_async.models.files import File
    from webex_webhooks_async.models.messages import AttachmentAction, Message
    from webex_webhooks_async.models.notifications import (
        AttachmentActionData,
        MeetingData,
        MeetingParticipantData,
        MeetingTranscriptData,
        MembershipData,
        MessageData,
        Notification,
        NotificationData,
        RecordingData,
        RemoteParty,
        RoomData,
        ServiceAppData,
        TelephonyCallData,
    )
    from webex_webhooks_async.models.people import Person
    from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource, Status
    from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate
    from webex_webhooks_async.notifications.deduplication import (
        Claim,
        Deduplicator,
        MemoryDeduplicator,
        RedisDeduplicator,
    )
    from webex_webhooks_async.notifications.dispatch import CallNext, Handler
    from webex_webhooks_async.notifications.inbox import Inbox, InboxEntry
    from webex_webhooks_async.notifications.parsing import (
        parse_notification,
        parse_unverified_notification,
    )
    from webex_webhooks_async.notifications.receiver import Receiver
    from webex_webhooks_async.notifications.router import Router
    from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, sign, verify
    from webex_webhooks_async.notifications.sqlite_inbox import SQLiteInbox

    __version__: str
else:
    _MODULES = {
        "APIError": "errors",
        "Action": "client.planning",
        "AiohttpTransport": "client.transports.aiohttp",
        "AsyncPaginator": "client.pagination",
        "AttachmentAction": "models.messages",
        "AttachmentActionData": "models.notifications",
        "AuthenticationError": "errors",
        "BadRequestError": "errors",
        "Bot": "bot.bot",
        "BotRouter": "bot.router",
        "CallNext": "notifications.dispatch",
        "Change": "client.planning",
        "Claim": "notifications.deduplication",
        "Client": "client.client",
        "ConflictError": "errors",
        "DecodeError": "errors",
        "Deduplicator": "notifications.deduplication",
        "Event": "models.vocabulary",
        "File": "models.files",
        "GoneError": "errors",
        "Handler": "notifications.dispatch",
        "Inbox": "notifications.inbox",
        "InboxEntry": "notifications.inbox",
        "LockedError": "errors",
        "MeetingData": "models.notifications",
        "MeetingParticipantData": "models.notifications",
        "MeetingTranscriptData": "models.notifications",
        "MembershipData": "models.notifications",
        "MemoryDeduplicator": "notifications.deduplication",
        "Message": "models.messages",
        "MessageContext": "bot.contexts",
        "MessageData": "models.notifications",
        "NewWebhook": "models.webhooks",
        "NotFoundError": "errors",
        "Notification": "models.notifications",
        "NotificationData": "models.notifications",
        "NotificationError": "errors",
        "OwnedBy": "models.vocabulary",
        "Page": "client.pagination",
        "PaginationError": "errors",
        "PayloadError": "errors",
        "PermissionDeniedError": "errors",
        "Person": "models.people",
        "Plan": "client.planning",
        "RateLimitError": "errors",
        "Receiver": "notifications.receiver",
        "RecordingData": "models.notifications",
        "RedisDeduplicator": "notifications.deduplication",
        "RefreshingToken": "client.auth",
        "RemoteParty": "models.notifications",
        "RequestTimeoutError": "errors",
        "ResponseTooLargeError": "errors",
        "Resource": "models.vocabulary",
        "Result": "client.planning",
        "RetryPolicy": "client.retries",
        "RoomData": "models.notifications",
        "Router": "notifications.router",
        "SQLiteInbox": "notifications.sqlite_inbox",
        "ServerError": "errors",
        "ServiceAppData": "models.notifications",
        "SignatureAlgorithm": "notifications.signatures",
        "SignatureError": "errors",
        "StaticToken": "client.auth",
        "Status": "models.vocabulary",
        "SubmissionContext": "bot.contexts",
        "TelephonyCallData": "models.notifications",
        "TokenProvider": "client.auth",
        "Tokens": "client.auth",
        "TransportError": "errors",
        "WebexError": "errors",
        "Webhook": "models.webhooks",
        "WebhookPlanWarning": "client.planning",
        "WebhookUpdate": "models.webhooks",
        "Webhooks": "client.webhooks",
        "__version__": "version",
        "authorization_url": "client.auth",
        "from_json": "converters",
        "make_converter": "converters",
        "parse_notification": "notifications.parsing",
        "parse_unverified_notification": "notifications.parsing",
        "plan": "client.planning",
        "sign": "notifications.signatures",
        "to_json": "converters",
        "verify": "notifications.signatures",
    }

    def __getattr__(name: str) -> object:
        """Import a public name from its module."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        """All public names, imported or not."""
        return __all__


__all__ = [
    "APIError",
    "Action",
    "AiohttpTransport",
    "AsyncPaginator",
    "AttachmentAction",
    "AttachmentActionData",
    "AuthenticationError",
    "BadRequestError",
    "Bot",
    "BotRouter",
    "CallNext",
    "Change",
    "Claim",
    "Client",
    "ConflictError",
    "DecodeError",
    "Deduplicator",
    "Event",
    "File",
    "GoneError",
    "Handler",
    "Inbox",
    "InboxEntry",
    "LockedError",
    "MeetingData",
    "MeetingParticipantData",
    "MeetingTranscriptData",
    "MembershipData",
    "MemoryDeduplicator",
    "Message",
    "MessageContext",
    "MessageData",
    "NewWebhook",
    "NotFoundError",
    "Notification",
    "NotificationData",
    "NotificationError",
    "OwnedBy",
    "Page",
    "PaginationError",
    "PayloadError",
    "PermissionDeniedError",
    "Person",
    "Plan",
    "RateLimitError",
    "Receiver",
    "RecordingData",
    "RedisDeduplicator",
    "RefreshingToken",
    "RemoteParty",
    "RequestTimeoutError",
    "Resource",
    "ResponseTooLargeError",
    "Result",
    "RetryPolicy",
    "RoomData",
    "Router",
    "SQLiteInbox",
    "ServerError",
    "ServiceAppData",
    "SignatureAlgorithm",
    "SignatureError",
    "StaticToken",
    "Status",
    "SubmissionContext",
    "TelephonyCallData",
    "TokenProvider",
    "Tokens",
    "TransportError",
    "WebexError",
    "Webhook",
    "WebhookPlanWarning",
    "WebhookUpdate",
    "Webhooks",
    "authorization_url",
    "from_json",
    "make_converter",
    "parse_notification",
    "parse_unverified_notification",
    "plan",
    "sign",
    "to_json",
    "verify",
]
