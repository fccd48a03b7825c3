"""Every exception of the package.

::

    WebexError
    ├── APIError                    Webex responded with an error status
    │   ├── BadRequestError         400
    │   ├── AuthenticationError     401
    │   ├── PermissionDeniedError   403
    │   ├── NotFoundError           404
    │   ├── ConflictError           409
    │   ├── GoneError               410
    │   ├── LockedError             423
    │   ├── RateLimitError          429
    │   └── ServerError             5xx
    ├── TransportError              no response
    │   ├── RequestTimeoutError     no response in time; also a builtin TimeoutError
    │   └── ResponseTooLargeError   more bytes than allowed
    ├── DecodeError                 JSON that doesn't fit the model
    ├── PaginationError             a next link that must not be followed
    ├── NotConnectedError           somebody who isn't connected to an integration
    └── NotificationError           a request that isn't a valid notification
        ├── SignatureError          it doesn't prove that it comes from Webex
        └── PayloadError            verified, but not a notification

Its warnings are of the class `WebexWarning`. A handler of yours raises `GiveUpError`, or
`RetryLaterError` while a service is out. A question of a handler raises `HandlerSuspended` while it
is open, and `NoAnswerError` without an answer. Invalid arguments raise the builtin ``ValueError``
and ``TypeError`` before anything is sent.

Every error survives ``pickle`` and ``copy``, and ``type(error)(*error.args)`` rebuilds it, as task
queues do.
"""

# So every __init__ here takes positional arguments with plain values, and passes all of them to
# args.

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from webex_webhooks_async.formatting import describe_failure, describe_status, short_id
from webex_webhooks_async.validation import check_type, seconds_of


class WebexWarning(UserWarning):
    """Base class of all warnings of this package: something is valid, but probably not meant."""


class WebexError(Exception):
    """Base class of all errors raised by this package."""

    def __init__(self, *args: object) -> None:
        # Not super(): OSError, a base of RequestTimeoutError, keeps only two arguments.
        Exception.__init__(self, *args)


def _short(tracking_id: str | None) -> str | None:
    return None if tracking_id is None else short_id(tracking_id)


class APIError(WebexError):
    """Webex responded with an error status.

    Attributes:
        status_code: The HTTP status.
        message: Webex's message. If it relays the error of an inner service, that error alone.
            Empty when the body has no readable message (an HTML page, say).
        errors: The descriptions in the body, 20 at most.
        tracking_id: Webex's own id of the request, from the body or the header; without one, the id
            that the request carried. Cisco's support asks for it.
        method: The HTTP method of the request.
        path: The path of the request, without the query.
        retry_after: Seconds after which Webex allows the next attempt.
        from_webex: Whether the body has a ``trackingId`` or ``errors``, as Webex's has. Without
            them, a 404 may be a proxy's, and doesn't say that anything is gone.
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
        from_webex: bool = True,  # noqa: FBT001, FBT002 - as above
    ) -> None:
        self.status_code = status_code
        self.message = message
        self.errors: tuple[str, ...] = tuple(errors)
        self.tracking_id: str | None = _short(tracking_id)
        self.method = method
        self.path = path
        self.retry_after = retry_after
        self.from_webex = from_webex
        super().__init__(
            status_code,
            message,
            self.errors,
            self.tracking_id,
            method,
            path,
            retry_after,
            from_webex,
        )

    def __str__(self) -> str:
        details = [error for error in self.errors if error != self.message]
        when = "" if self.retry_after is None else f", retry after {self.retry_after:.10g} s"
        return describe_failure(
            self.method,
            self.path,
            describe_status(self.status_code) + when,
            "; ".join(part for part in (self.message, *details) if part),
            tracking_id=self.tracking_id,
        )


class BadRequestError(APIError):
    """400: the request is malformed. The message says what to correct."""


class AuthenticationError(APIError):
    """401: the access token is wrong, expired or revoked."""


class PermissionDeniedError(APIError):
    """403: the token lacks the required scope or role."""


class NotFoundError(APIError):
    """404: it doesn't exist, or the token's owner may not see it."""


class ConflictError(APIError):
    """409: it conflicts with something that exists, such as an equal webhook."""


class GoneError(APIError):
    """410: it existed and was removed."""


class LockedError(APIError):
    """423: it is temporarily unavailable."""


class RateLimitError(APIError):
    """429: too many requests. Try again after `retry_after` seconds."""


class ServerError(APIError):
    """5xx: the service failed. It may have processed a POST or PATCH all the same."""


class TransportError(WebexError):
    """No response: the connection was refused, reset or broken off.

    Its cause is the HTTP library's error, unless that shows a secret.

    Attributes:
        message: The failure, with the host, and with the environment's proxy if there is one.
        method: The HTTP method of the request.
        path: The path of the request, without the query.
        tracking_id: The tracking id that the request carried.
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
        self.tracking_id: str | None = _short(tracking_id)
        super().__init__(message, method, path, self.tracking_id)

    def __str__(self) -> str:
        return describe_failure(self.method, self.path, self.message, tracking_id=self.tracking_id)


class RequestTimeoutError(TransportError, TimeoutError):
    """No response in time."""


class ResponseTooLargeError(TransportError):
    """A response has more bytes than allowed, and was left while it was read.

    The request isn't repeated. Webex may have processed it.
    """


class DecodeError(WebexError):
    """JSON that doesn't fit its model.

    Attributes:
        problems: Every problem with its path, such as ``$.items[3].targetUrl: missing``, of an
            array the first 100. They show no values, since a value may be a secret.
        method: The HTTP method of the request, if the JSON is a response.
        path: The path of that request, without the query.
        tracking_id: Webex's own id of that request, or the one that it carried.
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
        self.tracking_id: str | None = _short(tracking_id)
        super().__init__(self.problems, method, path, self.tracking_id)

    def __str__(self) -> str:
        advice = ""
        if all(problem.startswith(("$.", "$[")) for problem in self.problems):
            advice = (
                " (if the class is yours, correct the type, or give a default to what can be "
                "absent or null)"
            )
        elif self.method:
            advice = " (a proxy may have responded in Webex's place)"
        problems = "; ".join(self.problems) + advice
        return describe_failure(self.method, self.path, problems, tracking_id=self.tracking_id)


class PaginationError(WebexError):
    """A next link that must not be followed. Nothing was sent to it."""


NotConnectedReason = Literal["lost", "leaving", "unknown"]
"""Why somebody isn't connected; `NotConnectedError` explains each word."""


class NotConnectedError(WebexError):
    """Somebody isn't connected to an `Integration`, so that there is no token to send.

    Attributes:
        person_id: The id of the person.
        reason: ``lost``: the person has taken back the permission, or it has ended. ``leaving``:
            the person leaves. ``unknown``: the person has never connected, or has left.
    """

    def __init__(self, person_id: str, reason: NotConnectedReason) -> None:
        self.person_id = person_id
        self.reason: NotConnectedReason = reason
        super().__init__(person_id, reason)

    def __str__(self) -> str:
        why = {
            "lost": "the permission was taken back or has ended, and the person has to connect "
            "again",
            "leaving": "the person leaves",
            "unknown": "the person has never connected, or has left",
        }.get(self.reason, self.reason)
        return f"{short_id(self.person_id)} isn't connected: {why}"


class NotificationError(WebexError):
    """A request that isn't a valid notification."""


SignatureReason = Literal["missing", "malformed", "mismatch", "too_weak"]
"""Why a signature isn't valid; `SignatureError` explains each word."""


class SignatureError(NotificationError):
    """A request doesn't prove that it comes from Webex.

    Attributes:
        reason: ``missing``: the request has no signature. ``malformed``: the header holds no
            signature in a known form, or is too long for one. ``mismatch``: the signature is of
            another body or made with another secret. ``too_weak``: its algorithm is weaker than the
            required minimum.
    """

    def __init__(self, reason: SignatureReason) -> None:
        self.reason: SignatureReason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return {
            "missing": "the request has no signature: give the webhook a secret",
            "malformed": "the signature header holds no signature in a known form: look for what "
            "changes it between Webex and this program",
            "mismatch": "the signature is of another body or made with another secret: use the "
            "webhook's secret, and pass the body on unchanged",
            "too_weak": "the signature's algorithm is weaker than the required minimum: lower the "
            "minimum, unless Webex sends a stronger one",
        }.get(self.reason, self.reason)


class PayloadError(NotificationError):
    """A body that isn't a notification.

    Attributes:
        problems: Every problem with its path, as in `DecodeError`; they show no values.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        advice = "look at what sends this with the webhook's secret"
        if all(problem.startswith("$.data.") for problem in self.problems):
            advice = "a handler of on() without a resource gets the data as it came"
        return f"{'; '.join(self.problems)} ({advice})"


class RetryLaterError(Exception):
    """A service that a handler needs is out for a while: raise it, and the handler runs later.

    ::

        raise RetryLaterError("the model is out", after=30)

    With an inbox, the handler runs again after that time and up to a quarter more, an hour at most.
    It counts as no failure, so `on_error` isn't called, and ``attempt().number`` stays. A message
    or a submission that hasn't asked lets what its person wrote later go first. An hour after the
    first of a row of these, it is a failure like any other, which waits at least for `after`.
    Without an inbox, it is one at once.

    Args:
        message: Why, for the log.
        after: After how many seconds, or which `timedelta`, the handler runs again.

    Attributes:
        after: The same, in seconds.

    Raises:
        ValueError: `after` isn't positive and finite.
        TypeError: An argument has a wrong type.
    """

    def __init__(self, message: str = "", after: float | timedelta = 0.0) -> None:
        check_type("message", message, str)
        self.after: float = seconds_of("after", after)
        super().__init__(message, self.after)

    def __str__(self) -> str:
        return str(self.args[0])


class GiveUpError(Exception):
    """A failure that can't get better: raise it in a handler, and it isn't tried again.

    ::

        raise GiveUpError("there is no such room")

    With an inbox, the notification is kept as failed at once. Without one, it is a failure like any
    other.
    """
