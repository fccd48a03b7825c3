"""Every exception of the package.

::

    WebexError
    ├── APIError                    Webex answered with an error status
    │   ├── BadRequestError         400
    │   ├── AuthenticationError     401
    │   ├── PermissionDeniedError   403
    │   ├── NotFoundError           404
    │   ├── ConflictError           409
    │   ├── GoneError               410
    │   ├── LockedError             423
    │   ├── RateLimitError          429
    │   └── ServerError             5xx
    ├── TransportError              no answer came
    │   └── RequestTimeoutError     no answer came in time; also a builtin TimeoutError
    ├── DecodeError                 JSON that doesn't fit the model
    ├── PaginationError             a next link that must not be followed
    └── NotificationError           a request that is no notification to act on
        ├── SignatureError          it doesn't prove that it comes from Webex
        ├── PayloadError            verified, but no notification
        └── InProgressError         someone is handling it, and isn't done with it

Bad arguments are the builtin ``ValueError`` and ``TypeError``, raised before anything is sent.

Task queues carry exceptions between processes, as a pickle or as the class and its ``args``. So
every ``__init__`` here takes positional arguments, each with a plain value, and hands all of them
to ``args``.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Literal

from webex_webhooks_async.formatting import on_one_line


class WebexError(Exception):
    """The base of all errors that this package raises for what the outside world did."""

    def __init__(self, *args: object) -> None:
        # Not super(): OSError, a base of RequestTimeoutError, keeps only two arguments.
        Exception.__init__(self, *args)


_type_of_status: dict[int, type["APIError"]] = {}


class APIError(WebexError):
    """Webex answered with an error status.

    Attributes:
        status_code: The HTTP status.
        message: What the service says, of a relayed message only the inner error. Empty when it
            says nothing readable (an HTML page, say).
        errors: The descriptions that the service adds.
        tracking_id: Webex's own id of the request, from the body or the header. Its support asks
            for it.
        method: The HTTP method of the request.
        path: The path of the request, without the query.
        retry_after: Seconds after which the service wants to be asked again.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - an error is rebuilt from its args, so they are positional
        self,
        status_code: int,
        message: str = "",
        errors: Iterable[str] = (),
        tracking_id: str | None = None,
        method: str | None = None,
        path: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status_code = status_code
        self.message = message
        self.errors: tuple[str, ...] = tuple(errors)
        self.tracking_id = tracking_id
        self.method = method
        self.path = path
        self.retry_after = retry_after
        super().__init__(status_code, message, self.errors, tracking_id, method, path, retry_after)

    def __init_subclass__(cls, *, status: int | None = None) -> None:
        if status is not None:
            _type_of_status[status] = cls

    def __str__(self) -> str:
        details = [error for error in self.errors if error != self.message]
        told = "; ".join(part for part in (self.message, *details) if part)
        return _sentence(
            _request(self.method, self.path), _status(self.status_code), told, self.tracking_id
        )


class BadRequestError(APIError, status=400):
    """400: the request is malformed; the message says what to mend."""


class AuthenticationError(APIError, status=401):
    """401: the access token is wrong, expired or revoked."""


class PermissionDeniedError(APIError, status=403):
    """403: the token lacks the scope or the role that this needs."""


class NotFoundError(APIError, status=404):
    """404: there is no such thing, or the token's owner may not see it."""


class ConflictError(APIError, status=409):
    """409: it conflicts with what is there, an equal webhook for one."""


class GoneError(APIError, status=410):
    """410: it was there and is gone."""


class LockedError(APIError, status=423):
    """423: it is temporarily unavailable."""


class RateLimitError(APIError, status=429):
    """429: too many requests. Ask again after `retry_after` seconds."""


class ServerError(APIError):
    """5xx: the service failed. A POST that met it may have been carried out all the same."""


def api_error_type(status_code: int) -> type[APIError]:
    """The class of the error that a status stands for."""
    is_5xx = status_code // 100 == 5  # noqa: PLR2004 - as HTTP has it
    return _type_of_status.get(status_code, ServerError if is_5xx else APIError)


class TransportError(WebexError):
    """No answer came: refused, reset, broken off. Its cause is the HTTP library's error.

    Attributes:
        message: What happened.
        method: The HTTP method of the request.
        path: The path of the request, without the query.
        tracking_id: The id that the request carried.
    """

    def __init__(
        self,
        message: str,
        method: str | None = None,
        path: str | None = None,
        tracking_id: str | None = None,
    ) -> None:
        self.message = message
        self.method = method
        self.path = path
        self.tracking_id = tracking_id
        super().__init__(message, method, path, tracking_id)

    def __str__(self) -> str:
        return _sentence(_request(self.method, self.path), None, self.message, self.tracking_id)


class RequestTimeoutError(TransportError, TimeoutError):
    """No answer came in time."""


class DecodeError(WebexError):
    """JSON that doesn't fit the model that it should be.

    Attributes:
        problems: Every problem with its path, such as ``$.items[3].targetUrl: missing``. They
            show no values, for a value may be a secret.
        method: The HTTP method of the request whose answer this is, if it is one's.
        path: The path of that request, without the query.
        tracking_id: Webex's own id of that request.
    """

    def __init__(
        self,
        problems: Iterable[str],
        method: str | None = None,
        path: str | None = None,
        tracking_id: str | None = None,
    ) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        self.method = method
        self.path = path
        self.tracking_id = tracking_id
        super().__init__(self.problems, method, path, tracking_id)

    def __str__(self) -> str:
        told = "; ".join(self.problems)
        return _sentence(_request(self.method, self.path), None, told, self.tracking_id)


class PaginationError(WebexError):
    """A next link that must not be followed; nothing was sent to it."""


class NotificationError(WebexError):
    """A request that is no notification to act on."""


SignatureReason = Literal["missing", "malformed", "mismatch", "too_weak"]
"""Why a signature proves nothing; `SignatureError` explains each word."""


class SignatureError(NotificationError):
    """A request doesn't prove that it comes from Webex.

    Attributes:
        reason: ``missing``: there is no signature. ``malformed``: there is a header, but no
            signature in it. ``mismatch``: it was made of another body or with another secret.
            ``too_weak``: it is of a weaker algorithm than asked for.
    """

    def __init__(self, reason: SignatureReason) -> None:
        self.reason: SignatureReason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return {
            "missing": "the request has no signature: has the webhook a secret?",
            "malformed": "the signature header holds no signature that is known",
            "mismatch": "the signature was made of another body or with another secret",
            "too_weak": "the signature is of a weaker algorithm than is asked for",
        }.get(self.reason, self.reason)


class PayloadError(NotificationError):
    """A body that is no notification.

    Attributes:
        problems: Every problem with its path, as in `DecodeError`; they show no values.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "; ".join(self.problems)


class InProgressError(NotificationError):
    """A notification that someone is handling, who isn't done with it.

    Only a `LeasingDeduplicator` raises it, to its receiver.
    """

    def __init__(self, message: str = "someone is handling it, and isn't done with it") -> None:
        super().__init__(message)


def _request(method: str | None, path: str | None) -> str:
    return " ".join(part for part in (method, path) if part)


def _status(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)


def _sentence(request: str, status: str | None, told: str, tracking_id: str | None) -> str:
    sentence = ": ".join(part for part in (_cut(request), status, _cut(told)) if part)
    text = f"{sentence} (tracking id {tracking_id})" if tracking_id else sentence
    return on_one_line(text)


def _cut(told: str) -> str:
    return told if len(told) <= _MAX_TOLD else f"{told[:_MAX_TOLD]}..."


_MAX_TOLD = 1_000  # characters
