"""The asyncio library for Webex webhooks."""

from webex_webhooks_async.client import Client
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
from webex_webhooks_async.pagination import AsyncPaginator, Page
from webex_webhooks_async.retries import RetryPolicy
from webex_webhooks_async.serialization import from_json, to_json
from webex_webhooks_async.tokens import RefreshingToken, StaticToken, TokenProvider, Tokens
from webex_webhooks_async.webhooks import Webhooks

__all__ = [
    "APIError",
    "AsyncPaginator",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "DecodeError",
    "Event",
    "GoneError",
    "LockedError",
    "NewWebhook",
    "NotFoundError",
    "NotificationError",
    "OwnedBy",
    "Page",
    "PaginationError",
    "PayloadError",
    "PermissionDeniedError",
    "RateLimitError",
    "RefreshingToken",
    "RequestTimeoutError",
    "Resource",
    "RetryPolicy",
    "ServerError",
    "SignatureError",
    "StaticToken",
    "Status",
    "TokenProvider",
    "Tokens",
    "TransportError",
    "WebexError",
    "Webhook",
    "WebhookUpdate",
    "Webhooks",
    "from_json",
    "to_json",
]
