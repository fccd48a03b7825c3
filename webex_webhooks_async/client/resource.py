"""The base of every resource of the API: send one request, or paginate a list.

A typed resource is a subclass with one line per operation::

    class Rooms(APIResource):
        async def get(self, room_id: str) -> Room:
            return await self._send("GET", "rooms", room_id, into=Room)
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import quote, urlencode

from webex_webhooks_async.client.bodies import multipart
from webex_webhooks_async.client.requester import JSON_TYPE, Request, Requester
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.formatting import SECRET_NAMES
from webex_webhooks_async.models import format_datetime
from webex_webhooks_async.serialization.converter import check_into, unstructure
from webex_webhooks_async.serialization.strict_json import JSON, dump_json
from webex_webhooks_async.validation import check_not_empty, check_text, check_type

if TYPE_CHECKING:
    import typing_extensions

    from webex_webhooks_async.client.pagination import AsyncPaginator, Page
    from webex_webhooks_async.models.files import File

    T = typing_extensions.TypeVar("T", default=JSON)
    """The class of a result; parsed JSON, unless another one is asked for."""
else:  # a default at run time takes Python 3.13
    T = TypeVar("T")

Params = Mapping[str, object]
"""Query parameters: `None` is left out, a boolean is true or false, a sequence repeats the key."""


class APIResource:
    """A part of the API, reached through one requester."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def _send(  # noqa: PLR0913 - the parts of a request; most have a default
        self,
        method: str,
        path: str,
        *segments: str,
        params: Params | None = None,
        json: object = None,
        file: "File | None" = None,
        into: type[T] | Callable[[Any], T] | None = None,
    ) -> T:
        """Send a request, and return what the response holds, as `Client.get` and `post` do."""
        if into is not None:  # before a POST has been processed
            check_into(into)
        request = self._request(method, path, segments, params, json=json, file=file)
        return (await self._requester.send(request)).to(into)

    async def _delete(self, path: str, *segments: str, params: Params | None = None) -> None:
        """Send a DELETE, whatever the body of its response holds."""
        await self._requester.send(self._request("DELETE", path, segments, params))

    def _target(self, path: str, segments: Sequence[str], params: Params | None) -> str:
        """Path and query of a path, percent-encoded."""
        return self._requester.target(_below_base_url(path, segments, params))

    def _paginate(  # noqa: PLR0913 - most are those of `Client.list`
        self,
        read: Callable[[Response], tuple[T, ...]],
        path: str,
        *segments: str,
        params: Params | None = None,
        start_url: str | None = None,
        prefetch: bool = False,
        is_repeated: bool = True,
    ) -> "AsyncPaginator[T]":
        """Return a list as `Client.list` does, whose pages `read` reads."""
        from webex_webhooks_async.client import pagination  # noqa: PLC0415 - attrs takes a while to make its class

        base_url = self._requester.base_url
        first_target = self._target(path, segments, params)
        first_url = f"{self._requester.origin}{first_target}"
        if start_url is not None:
            check_text("start_url", start_url)
            if not start_url:
                raise ValueError(
                    "start_url is empty; pass a next_url that isn't None, or leave it out to begin "
                    "with the first page"
                )

        async def fetch(url: str) -> "Page[T]":
            target = first_target
            if url != first_url:
                given = "start_url, which must be a kept next_url,"
                name = given if url == start_url else "the next link"
                target = pagination.target_on(base_url, url, name)
            request = Request(method="GET", target=target, is_repeated=is_repeated)
            response = await self._requester.send(request)
            link = pagination.next_link(response.headers.get_list("link"))
            return pagination.Page(
                items=read(response), next_url=link and pagination.absolute_link(link, url)
            )

        return pagination.Paginator(fetch, start_url or first_url, prefetch=prefetch)

    def _request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        segments: Sequence[str],
        params: Params | None,
        *,
        json: object = None,
        file: "File | None" = None,
    ) -> Request:
        body = unstructure(json)
        content, content_type = None, JSON_TYPE
        if file is not None:
            content, content_type = multipart(body, file)
        elif body is not None:
            content = dump_json(body)
        return Request(
            method=method,
            target=self._target(path, segments, params),
            content=content,
            content_type=content_type,
            secrets=tuple(_secrets(body)),
        )


class InternalRequests(APIResource):
    """The requests of a client that the rest of this package makes, and users don't."""

    def __init__(self, requester: Requester) -> None:
        super().__init__(requester)
        self.requester: Requester = requester

    @classmethod
    def of(cls, client: APIResource) -> Self:
        """Return those of a client."""
        return cls(client._requester)  # noqa: SLF001 - the one place outside of a resource

    async def send_for_record(  # noqa: PLR0913 - as `_send`
        self,
        method: str,
        path: str,
        *segments: str,
        json: object,
        file: "File | None" = None,
        into: type[T],
        is_repeated: bool = True,
    ) -> tuple[T, bytes]:
        """Send a request; return what the response holds, and its body, which holds all of it."""
        request = self._request(method, path, segments, None, json=json, file=file)
        request = request._replace(is_repeated=is_repeated)
        response = await self._requester.send(request)
        return response.to(into), response.body

    def list_once(
        self,
        read: Callable[[Response], tuple[T, ...]],
        path: str,
        *,
        params: Params,
        start_url: str | None,
    ) -> "AsyncPaginator[T]":
        """Return a list whose pages `read` reads, each with a request without retries."""
        return self._paginate(read, path, params=params, start_url=start_url, is_repeated=False)

    async def send_once(self, method: str, path: str) -> None:
        """Send a request without retries, whatever the body of its response holds."""
        target = self._requester.target(_below_base_url(path, (), None))
        await self._requester.send(Request(method=method, target=target, is_repeated=False))


_QUERY = "a query or a fragment: pass params="
_REFUSED_IN_A_PATH = {
    "?": _QUERY,
    "#": _QUERY,
    "%": "a percent sign: pass an id as a further argument, which is percent-encoded",
    "\\": "a backslash",
    "//": "an empty segment",  # in front, it would name another host
}


def _below_base_url(path: str, segments: Sequence[str], params: Params | None) -> str:
    encoded = quote(_checked_path(path), safe="/")
    for each in segments:
        encoded = f"{encoded.removesuffix('/')}/{_encoded(check_not_empty('a path segment', each))}"
    query = _query(params)
    return f"/{encoded}?{query}" if query else f"/{encoded}"


def _checked_path(path: str) -> str:
    check_text("path", path)
    relative = path.removeprefix("/")
    if not relative:
        raise ValueError("path is empty; write it as in Webex's reference, such as 'messages'")
    if what := next(_refused_in(path), None):
        raise ValueError(f"path must not have {what}; got {path!r}")
    return relative


def _refused_in(path: str) -> Iterator[str]:
    """Yield each part of a path that it must not have, one after the other."""
    if re.search(r"^/?[A-Za-z][A-Za-z0-9+.-]*:", path):
        yield "a scheme"
    yield from (what for part, what in _REFUSED_IN_A_PATH.items() if part in path)
    if {".", ".."}.intersection(path.split("/")):
        yield "a dot segment"
    if re.search(r"[\x00-\x1f\x7f-\x9f]", path):
        yield "a control character"


def _encoded(segment: str) -> str:
    encoded = quote(segment, safe="")
    # Dot segments would be resolved on their way.
    return encoded.replace(".", "%2E") if segment in {".", ".."} else encoded


def _query(params: Params | None) -> str:
    if params is None:
        return ""
    check_type("params", params, Mapping)
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        check_text("a name in params", name)
        pairs.extend((name, _parameter(name, each)) for each in _values(value) if each is not None)
    return urlencode(pairs)


def _values(value: object) -> Sequence[object]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return cast("Sequence[object]", value)
    return (value,)


def _parameter(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return format_datetime(value)
        case _:
            check_type(f"params[{name!r}]", value, str, int, float, datetime)
            text = str(value)
            check_text(f"params[{name!r}]", text)
            return text


def _secrets(body: object) -> Iterator[str]:
    if isinstance(body, dict):
        for name, value in cast("dict[object, object]", body).items():
            if name in SECRET_NAMES and isinstance(value, str):
                yield value
            yield from _secrets(value)
    elif isinstance(body, list):
        for each in cast("Sequence[object]", body):
            yield from _secrets(each)
