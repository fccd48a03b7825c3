"""What type checkers know about the errors. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Literal, assert_type

from webex_webhooks_async import (
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


def a_response_is_described(error: APIError) -> None:
    """The attributes of an `APIError` are typed."""
    assert_type(error.status_code, int)
    assert_type(error.message, str)
    assert_type(error.errors, tuple[str, ...])
    assert_type(error.tracking_id, str | None)
    assert_type((error.method, error.path), tuple[str | None, str | None])
    assert_type(error.retry_after, float | None)


def a_missing_response_is_described_by_its_request(error: TransportError) -> None:
    """A `TransportError` describes the request."""
    assert_type(error.message, str)
    assert_type((error.method, error.path), tuple[str | None, str | None])
    assert_type(error.tracking_id, str | None)


def problems_are_listed(decoding: DecodeError, payload: PayloadError) -> None:
    """What doesn't fit is a tuple of lines."""
    assert_type(decoding.problems, tuple[str, ...])
    assert_type((decoding.method, decoding.path), tuple[str | None, str | None])
    assert_type(decoding.tracking_id, str | None)
    assert_type(payload.problems, tuple[str, ...])


def reasons_can_be_distinguished(error: SignatureError) -> str:
    """A type checker knows all reasons."""
    assert_type(error.reason, Literal["missing", "malformed", "mismatch", "too_weak"])
    match error.reason:
        case "missing" | "malformed":
            return "not from Webex"
        case "mismatch":
            return "another secret"
        case "too_weak":
            return "an old signature"


def each_status_has_a_class() -> None:
    """Every error status can be caught as an `APIError`."""
    responses: list[type[APIError]] = [
        AuthenticationError,
        BadRequestError,
        ConflictError,
        GoneError,
        LockedError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
    ]
    others: list[type[WebexError]] = [*responses, DecodeError, PaginationError, TransportError]
    incoming: list[type[NotificationError]] = [PayloadError, SignatureError]
    others += incoming


def a_timeout_is_a_builtin_one(error: RequestTimeoutError) -> TimeoutError:
    """A request that took too long is a builtin `TimeoutError`."""
    transport: TransportError = error
    assert_type(ResponseTooLargeError("too large", "GET").message, str)
    assert_type(transport.message, str)
    return error


def what_cannot_be_is_an_error(error: WebexError) -> None:
    """Attributes that only some errors have need a check of the class."""
    error.status_code += 1  # type: ignore[attr-defined] # not of all
    SignatureError("late")  # type: ignore[arg-type] # no such reason
    APIError("404")  # type: ignore[arg-type] # no number
    catchable: type[APIError] = TransportError  # type: ignore[assignment] # no response came
    raise catchable(status_code=0)
