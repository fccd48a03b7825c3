"""What type checkers know of the errors. They check this file; nothing runs it.

An ignored error here is an error that has to be: both checkers complain about one that isn't.
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


def an_answer_is_told_whole(error: APIError) -> None:
    """What Webex said is typed."""
    assert_type(error.status_code, int)
    assert_type(error.message, str)
    assert_type(error.errors, tuple[str, ...])
    assert_type(error.tracking_id, str | None)
    assert_type((error.method, error.path), tuple[str | None, str | None])
    assert_type(error.retry_after, float | None)


def a_missing_answer_is_told_by_its_request(error: TransportError) -> None:
    """Without an answer, the request is what is known."""
    assert_type(error.message, str)
    assert_type((error.method, error.path), tuple[str | None, str | None])
    assert_type(error.tracking_id, str | None)


def problems_are_listed(decoding: DecodeError, payload: PayloadError) -> None:
    """What doesn't fit is a tuple of lines."""
    assert_type(decoding.problems, tuple[str, ...])
    assert_type((decoding.method, decoding.path), tuple[str | None, str | None])
    assert_type(decoding.tracking_id, str | None)
    assert_type(payload.problems, tuple[str, ...])


def a_reason_can_be_told_apart(error: SignatureError) -> str:
    """A checker knows all reasons that there are."""
    assert_type(error.reason, Literal["missing", "malformed", "mismatch", "too_weak"])
    match error.reason:
        case "missing" | "malformed":
            return "not from Webex"
        case "mismatch":
            return "another secret"
        case "too_weak":
            return "an old signature"


def each_status_has_a_class() -> None:
    """Every answer that isn't a success can be caught as an `APIError`."""
    answers: list[type[APIError]] = [
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
    others: list[type[WebexError]] = [*answers, DecodeError, PaginationError, TransportError]
    incoming: list[type[NotificationError]] = [InProgressError, PayloadError, SignatureError]
    others += incoming


def a_timeout_is_a_builtin_one(error: RequestTimeoutError) -> TimeoutError:
    """Who catches timeouts catches those of requests."""
    transport: TransportError = error
    assert_type(transport.message, str)
    return error


def what_cannot_be_is_an_error(error: WebexError) -> None:
    """What only some errors have takes a look at which it is."""
    error.status_code += 1  # type: ignore[attr-defined] # not of all
    SignatureError("late")  # type: ignore[arg-type] # no such reason
    APIError("404")  # type: ignore[arg-type] # no number
    catchable: type[APIError] = TransportError  # type: ignore[assignment] # no answer came
    raise catchable(status_code=0)
