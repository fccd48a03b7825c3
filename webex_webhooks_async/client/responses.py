"""Turns a response into a model, or into the error of its status; no I/O.

Facts: "Errors" on https://developer.webex.com/docs/basics, and further shapes that were seen
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import GenericAlias
from typing import Any, NamedTuple, TypeVar, cast

import httpx

from webex_webhooks_async import errors
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.serialization.converter import from_json, is_function, structure
from webex_webhooks_async.serialization.strict_json import JSON, parse_json

T = TypeVar("T")

_ERRORS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.GoneError,
    423: errors.LockedError,
    429: errors.RateLimitError,
}

_OF_WEBEX = ("trackingId", "errors")  # members of each of its errors, of none of a proxy's
_MAX_DETAILS = 20  # Webex sends a few; nobody reads thousands


class Response(NamedTuple):
    """The response to one request."""

    method: str
    path: str
    status_code: int
    headers: httpx.Headers
    body: bytes  # decompressed
    sent_tracking_id: str  # for a response without one
    redact: Redactor  # of the secrets of the request

    def __repr__(self) -> str:
        """The request and the status: the rest may have secrets."""
        return f"Response({self.status_code} to {self.method} {self.path})"

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status_code // 100 == 2  # noqa: PLR2004 - as HTTP has it

    def json(self) -> object:
        """The body as parsed JSON."""
        return self._decoded(lambda: parse_json(self.body))

    def to(self, into: type[T] | Callable[[Any], T] | None) -> T | JSON:
        """The body as an instance of a class, or what a function makes of its JSON.

        Without either it is parsed JSON, and `None` where it is empty.
        """
        if into is None:
            return self.json() if self.body else None
        if is_function(into):
            return into(self.json())
        return self._decoded(lambda: from_json(self.body, cast("type[T]", into)))

    def items(self, key: str, into: type[T] | Callable[[Any], T] | None) -> tuple[T | JSON, ...]:
        """The items of a page, each as `to` makes it of its JSON."""
        if is_function(into):
            items: tuple[JSON, ...] = self.items(key, None)
            return tuple(map(into, items))
        return self._decoded(lambda: _items(self.body, key, cast("type[T] | None", into)))

    def error(self, retry_after: float | None) -> errors.APIError:
        """The error of this response; `retry_after` is in seconds."""
        try:
            body = parse_json(self.body)
        except errors.DecodeError:  # HTML, or an empty body: seen on 429 and 5xx
            body = None
        members = _object(body)
        # Redacted first: in a text that was cut, a part of a secret wouldn't be found.
        details = [_inner(self.redact(each)) for each in islice(_details(members), _MAX_DETAILS)]
        message = _inner(self.redact(_message(members)))
        return api_error_type(self.status_code)(
            self.status_code,
            message or (details[0] if details else ""),
            details,
            self._tracking_id(_text(members.get("trackingId"))),
            self.method,
            self.path,
            retry_after,
            not members.keys().isdisjoint(_OF_WEBEX),
        )

    def _decoded(self, decode: Callable[[], T]) -> T:
        """The result of `decode`; its error gets the request."""
        try:
            return decode()
        except errors.DecodeError as error:
            problems = error.problems
        raise errors.DecodeError(problems, self.method, self.path, self._tracking_id())

    def _tracking_id(self, from_body: str = "") -> str:
        """Webex's own id of the request, if the response has one."""
        return self.redact(from_body or self.headers.get("trackingid") or self.sent_tracking_id)


def is_gone(error: errors.APIError) -> bool:
    """Whether what a GET asked for is gone: Webex says so, and not a proxy that can't reach it."""
    return isinstance(error, errors.GoneError) or (
        isinstance(error, errors.NotFoundError) and error.from_webex
    )


def api_error_type(status_code: int) -> type[errors.APIError]:
    """The class of the error of a status."""
    is_5xx = status_code // 100 == 5  # noqa: PLR2004 - as HTTP has it
    return _ERRORS.get(status_code, errors.ServerError if is_5xx else errors.APIError)


def _items(body: bytes, key: str, cls: type[T] | None) -> tuple[T | JSON, ...]:
    page = structure(parse_json(body), _Page)
    if key not in page:
        lacks = f"$: lacks {key!r}; if the list is in another member, pass that as items_key"
        raise errors.DecodeError((lacks,))
    items = cast("type[tuple[T | JSON, ...]]", GenericAlias(tuple, (cls or JSON, ...)))
    return structure(page[key], items, f"$.{key}")


_Page = cast("type[dict[str, object]]", Mapping[str, object])


def _message(members: dict[str, object]) -> str:
    # The token endpoint uses the latter two (RFC 6749, section 5.2).
    for name in ("message", "error_description", "error"):
        if text := _text(members.get(name)):
            return text
    return ""


def _details(members: dict[str, object]) -> Iterator[str]:
    descriptions = (error.get("description") for error in _all_descriptions(members))
    yield from filter(None, map(_text, descriptions))
    if word := _text(members.get("error")):  # of the token endpoint, such as invalid_grant
        yield word
    if isinstance(code := members.get("errorCode"), int | str):
        yield f"errorCode {code}"


def _all_descriptions(members: dict[str, object]) -> Iterator[dict[str, object]]:
    yield from _objects(members.get("errors"))
    for error in _objects(members.get("error")):
        yield from _objects(error.get("message"))


def _inner(message: str) -> str:
    """The inner error alone, if the message relays the error of an inner service.

    Seen: ``POST failed: HTTP/1.1 400 Bad Request (url = ..., error = 'Invalid value for ...')``
    """
    _, _, envelope = message.partition("failed: HTTP/")
    _, _, relayed = envelope.partition("error = '")
    inner, quote_mark, _ = relayed.rpartition("'")
    return inner if quote_mark else message


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[dict[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return map(_object, items)
