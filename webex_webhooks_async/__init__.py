"""The asyncio library for Webex webhooks.

The module of a name is imported when the name is asked for: what only receives waits for no HTTP
client, and pytest, which loads a plugin of ours wherever we are installed, for nothing at all.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webex_webhooks_async.aiohttp_transport import AiohttpTransport
    from webex_webhooks_async.client import Client
    from webex_webhooks_async.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        DecodeError,
        GoneError,
        InProgressError,
        LockedError,
        NotFoundError,
        NotificationError,
        PaginationError,
        PayloadError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ServerError,
        SignatureError,
        TransportError,
        WebexError,
    )
    from webex_webhooks_async.models import (
        Event,
        NewWebhook,
        OwnedBy,
        Resource,
        Status,
        Webhook,
        WebhookUpdate,
    )
    from webex_webhooks_async.notifications.deduplication import (
        Deduplicator,
        LeasingDeduplicator,
        MemoryDeduplicator,
        RedisDeduplicator,
    )
    from webex_webhooks_async.notifications.models import (
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
    from webex_webhooks_async.notifications.parsing import (
        parse_notification,
        parse_unverified_notification,
    )
    from webex_webhooks_async.notifications.receiver import Receiver
    from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, sign, verify
    from webex_webhooks_async.pagination import AsyncPaginator, Page
    from webex_webhooks_async.reconciliation import (
        Action,
        Change,
        Plan,
        Result,
        WebhookPlanWarning,
        plan,
    )
    from webex_webhooks_async.retries import RetryPolicy
    from webex_webhooks_async.serialization import from_json, to_json
    from webex_webhooks_async.tokens import RefreshingToken, StaticToken, TokenProvider, Tokens
    from webex_webhooks_async.webhooks import Webhooks
else:
    # In this order, so that what needs httpx is imported only for a name that no other module has.
    _MODULES = (
        "errors",
        "models",
        "serialization",
        "notifications.models",
        "notifications.signatures",
        "notifications.parsing",
        "notifications.deduplication",
        "notifications.receiver",
        "retries",
        "tokens",
        "pagination",
        "reconciliation",
        "webhooks",
        "client",
        "aiohttp_transport",
    )

    def __getattr__(name: str) -> object:
        """Import a public name from the first module that has it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        modules = (vars(import_module(f"{__name__}.{module}")) for module in _MODULES)
        globals()[name] = found = next(module[name] for module in modules if name in module)
        return found

    def __dir__() -> list[str]:
        """The public names, also those that nobody has asked for yet."""
        return __all__


__all__ = [
    "APIError",
    "Action",
    "AiohttpTransport",
    "AsyncPaginator",
    "AttachmentActionData",
    "AuthenticationError",
    "BadRequestError",
    "Change",
    "Client",
    "ConflictError",
    "DecodeError",
    "Deduplicator",
    "Event",
    "GoneError",
    "InProgressError",
    "LeasingDeduplicator",
    "LockedError",
    "MeetingData",
    "MeetingParticipantData",
    "MeetingTranscriptData",
    "MembershipData",
    "MemoryDeduplicator",
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
    "Plan",
    "RateLimitError",
    "Receiver",
    "RecordingData",
    "RedisDeduplicator",
    "RefreshingToken",
    "RemoteParty",
    "RequestTimeoutError",
    "Resource",
    "Result",
    "RetryPolicy",
    "RoomData",
    "ServerError",
    "ServiceAppData",
    "SignatureAlgorithm",
    "SignatureError",
    "StaticToken",
    "Status",
    "TelephonyCallData",
    "TokenProvider",
    "Tokens",
    "TransportError",
    "WebexError",
    "Webhook",
    "WebhookPlanWarning",
    "WebhookUpdate",
    "Webhooks",
    "from_json",
    "parse_notification",
    "parse_unverified_notification",
    "plan",
    "sign",
    "to_json",
    "verify",
]
