"""The asyncio library for Webex bots and webhooks.

Begin with `Bot` for a bot, with `Receiver` for notifications alone, with `Client` to call Webex.

A name's module is imported on first use: a program that only receives never imports httpx, and
pytest, which loads our plugin wherever the package is installed, imports nothing.
"""

from typing import TYPE_CHECKING

from webex_webhooks_async.lazy_names import on_first_use

# Type checkers read the imports, and Python the names below them; a test compares the two.
if TYPE_CHECKING:
    from webex_webhooks_async.bot.bot import Bot as Bot
    from webex_webhooks_async.bot.contexts.contexts import Context as Context
    from webex_webhooks_async.bot.contexts.contexts import JobContext as JobContext
    from webex_webhooks_async.bot.contexts.contexts import MessageContext as MessageContext
    from webex_webhooks_async.bot.contexts.contexts import SubmissionContext as SubmissionContext
    from webex_webhooks_async.bot.router import BotRouter as BotRouter
    from webex_webhooks_async.client.aiohttp_transport import AiohttpTransport as AiohttpTransport
    from webex_webhooks_async.client.auth import TokenProvider as TokenProvider
    from webex_webhooks_async.client.client import Client as Client
    from webex_webhooks_async.client.oauth import RefreshingToken as RefreshingToken
    from webex_webhooks_async.client.oauth import Tokens as Tokens
    from webex_webhooks_async.client.oauth import authorization_url as authorization_url
    from webex_webhooks_async.client.planning import WebhookPlanWarning as WebhookPlanWarning
    from webex_webhooks_async.client.planning import plan_webhooks as plan_webhooks
    from webex_webhooks_async.client.retries import RetryPolicy as RetryPolicy
    from webex_webhooks_async.client.webhooks import Webhooks as Webhooks
    from webex_webhooks_async.errors import APIError as APIError
    from webex_webhooks_async.errors import AuthenticationError as AuthenticationError
    from webex_webhooks_async.errors import BadRequestError as BadRequestError
    from webex_webhooks_async.errors import ConflictError as ConflictError
    from webex_webhooks_async.errors import DecodeError as DecodeError
    from webex_webhooks_async.errors import GiveUpError as GiveUpError
    from webex_webhooks_async.errors import GoneError as GoneError
    from webex_webhooks_async.errors import LockedError as LockedError
    from webex_webhooks_async.errors import NotConnectedError as NotConnectedError
    from webex_webhooks_async.errors import NotFoundError as NotFoundError
    from webex_webhooks_async.errors import NotificationError as NotificationError
    from webex_webhooks_async.errors import PaginationError as PaginationError
    from webex_webhooks_async.errors import PayloadError as PayloadError
    from webex_webhooks_async.errors import PermissionDeniedError as PermissionDeniedError
    from webex_webhooks_async.errors import RateLimitError as RateLimitError
    from webex_webhooks_async.errors import RequestTimeoutError as RequestTimeoutError
    from webex_webhooks_async.errors import ResponseTooLargeError as ResponseTooLargeError
    from webex_webhooks_async.errors import RetryLaterError as RetryLaterError
    from webex_webhooks_async.errors import ServerError as ServerError
    from webex_webhooks_async.errors import SignatureError as SignatureError
    from webex_webhooks_async.errors import TransportError as TransportError
    from webex_webhooks_async.errors import WebexError as WebexError
    from webex_webhooks_async.errors import WebexWarning as WebexWarning
    from webex_webhooks_async.handling.log_context import LogContext as LogContext
    from webex_webhooks_async.handling.once import attempt as attempt
    from webex_webhooks_async.handling.once import once as once
    from webex_webhooks_async.handling.router import Router as Router
    from webex_webhooks_async.handling.suspension import HandlerStopped as HandlerStopped
    from webex_webhooks_async.handling.suspension import HandlerSuspended as HandlerSuspended
    from webex_webhooks_async.handling.suspension import NoAnswerError as NoAnswerError
    from webex_webhooks_async.inbox.base import Inbox as Inbox
    from webex_webhooks_async.inbox.postgres.inbox import PostgresInbox as PostgresInbox
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox as SQLiteInbox
    from webex_webhooks_async.integration.contexts import UserContext as UserContext
    from webex_webhooks_async.integration.contexts import UserJobContext as UserJobContext
    from webex_webhooks_async.integration.integration import Integration as Integration
    from webex_webhooks_async.integration.postgres_store import (
        PostgresUserStore as PostgresUserStore,
    )
    from webex_webhooks_async.integration.sqlite_store import SQLiteUserStore as SQLiteUserStore
    from webex_webhooks_async.models.files import File as File
    from webex_webhooks_async.models.messages import AttachmentAction as AttachmentAction
    from webex_webhooks_async.models.messages import Message as Message
    from webex_webhooks_async.models.messages import Person as Person
    from webex_webhooks_async.models.notification_data import (
        AttachmentActionData as AttachmentActionData,
    )
    from webex_webhooks_async.models.notification_data import MeetingData as MeetingData
    from webex_webhooks_async.models.notification_data import (
        MeetingParticipantData as MeetingParticipantData,
    )
    from webex_webhooks_async.models.notification_data import (
        MeetingTranscriptData as MeetingTranscriptData,
    )
    from webex_webhooks_async.models.notification_data import MembershipData as MembershipData
    from webex_webhooks_async.models.notification_data import MessageData as MessageData
    from webex_webhooks_async.models.notification_data import RecordingData as RecordingData
    from webex_webhooks_async.models.notification_data import RoomData as RoomData
    from webex_webhooks_async.models.notification_data import ServiceAppData as ServiceAppData
    from webex_webhooks_async.models.notification_data import TelephonyCallData as TelephonyCallData
    from webex_webhooks_async.models.notifications import Notification as Notification
    from webex_webhooks_async.models.vocabulary import Event as Event
    from webex_webhooks_async.models.vocabulary import OwnedBy as OwnedBy
    from webex_webhooks_async.models.vocabulary import Resource as Resource
    from webex_webhooks_async.models.vocabulary import WebhookStatus as WebhookStatus
    from webex_webhooks_async.models.webhooks import NewWebhook as NewWebhook
    from webex_webhooks_async.models.webhooks import Webhook as Webhook
    from webex_webhooks_async.models.webhooks import WebhookUpdate as WebhookUpdate
    from webex_webhooks_async.notifications.identity import notification_key as notification_key
    from webex_webhooks_async.notifications.parsing import parse_notification as parse_notification
    from webex_webhooks_async.notifications.parsing import (
        parse_unverified_notification as parse_unverified_notification,
    )
    from webex_webhooks_async.notifications.signatures import (
        SignatureAlgorithm as SignatureAlgorithm,
    )
    from webex_webhooks_async.notifications.signatures import sign as sign
    from webex_webhooks_async.notifications.signatures import verify as verify
    from webex_webhooks_async.receiving.lifespan import lifespan_of as lifespan_of
    from webex_webhooks_async.receiving.receiver import Receiver as Receiver
    from webex_webhooks_async.receiving.thread import ReceiverThread as ReceiverThread
    from webex_webhooks_async.serialization.converter import from_json as from_json
    from webex_webhooks_async.serialization.converter import to_json as to_json

    __version__: str
else:
    _NAMES = {
        "bot.bot": "Bot",
        "bot.contexts.contexts": "Context JobContext MessageContext SubmissionContext",
        "bot.router": "BotRouter",
        "client.auth": "TokenProvider",
        "client.client": "Client",
        "client.oauth": "RefreshingToken Tokens authorization_url",
        "client.planning": "WebhookPlanWarning plan_webhooks",
        "client.retries": "RetryPolicy",
        "client.aiohttp_transport": "AiohttpTransport",
        "client.webhooks": "Webhooks",
        "serialization.converter": "from_json to_json",
        "errors": (
            "APIError AuthenticationError BadRequestError ConflictError DecodeError GiveUpError "
            "GoneError LockedError NotConnectedError NotFoundError NotificationError "
            "PaginationError PayloadError PermissionDeniedError RateLimitError "
            "RequestTimeoutError ResponseTooLargeError RetryLaterError ServerError SignatureError "
            "TransportError WebexError WebexWarning"
        ),
        "integration.contexts": "UserContext UserJobContext",
        "integration.integration": "Integration",
        "integration.postgres_store": "PostgresUserStore",
        "integration.sqlite_store": "SQLiteUserStore",
        "models.files": "File",
        "models.messages": "AttachmentAction Message Person",
        "models.notification_data": (
            "AttachmentActionData MeetingData MeetingParticipantData MeetingTranscriptData "
            "MembershipData MessageData RecordingData RoomData "
            "ServiceAppData TelephonyCallData"
        ),
        "models.notifications": "Notification",
        "models.vocabulary": "Event OwnedBy Resource WebhookStatus",
        "models.webhooks": "NewWebhook Webhook WebhookUpdate",
        "handling.once": "attempt once",
        "handling.suspension": "HandlerStopped HandlerSuspended NoAnswerError",
        "inbox.base": "Inbox",
        "notifications.identity": "notification_key",
        "notifications.parsing": "parse_notification parse_unverified_notification",
        "inbox.postgres.inbox": "PostgresInbox",
        "receiving.lifespan": "lifespan_of",
        "receiving.receiver": "Receiver",
        "handling.log_context": "LogContext",
        "handling.router": "Router",
        "notifications.signatures": "SignatureAlgorithm sign verify",
        "inbox.sqlite": "SQLiteInbox",
        "receiving.thread": "ReceiverThread",
        "version": "__version__",
    }
    __getattr__, __dir__ = on_first_use(__name__, _NAMES)
    __all__ = list(__dir__())
