"""Lists that come in pages, and the links from one page to the next.

Facts: RFC 8288, and "Pagination" on https://developer.webex.com/docs/basics
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Generic, TypeVar
from urllib.parse import SplitResult, unquote_plus, urljoin, urlsplit, urlunsplit

from attrs import frozen

from webex_webhooks_async.errors import PaginationError

T = TypeVar("T")


@frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: Its items; an empty page may still have a next one.
        next_url: The absolute URL of the next page, `None` on the last one. Keep it to continue
            from there later, with ``list(start_url=next_url)``.
    """

    items: tuple[T, ...]
    next_url: str | None


class AsyncPaginator(ABC, Generic[T]):
    """A list that is fetched page by page, as it is consumed. `Client.list` returns one.

    Iterate it for the items of all pages, await it for the first page, or iterate `pages`. Each
    begins with the first page, and nothing is held open between two pages.

    While iterating or awaiting, the errors of the request are raised, and `PaginationError` for a
    next link to another origin or to a page that was already fetched; nothing is sent to those.
    """

    async def __aiter__(self) -> AsyncGenerator[T]:
        """Every item of every page."""
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    @abstractmethod
    def __await__(self) -> Generator[Any, Any, Page[T]]:
        """The first page."""

    @abstractmethod
    def pages(self) -> AsyncGenerator[Page[T]]:
        """Every page, up to the one that has no next."""


class Paginator(AsyncPaginator[T]):
    """Makes an `AsyncPaginator` of a function that fetches a page."""

    def __init__(
        self, fetch: Callable[[str], Awaitable[Page[T]]], start: str, *, prefetch: bool
    ) -> None:
        self._fetch = fetch
        self._start = start
        self._prefetch = prefetch

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self._page(self._start, set()).__await__()

    async def pages(self) -> AsyncGenerator[Page[T]]:
        followed: set[str] = set()
        page = await self._page(self._start, followed)
        while (url := page.next_url) is not None:
            if self._prefetch:
                async with _in_progress(self._page(url, followed)) as following:
                    yield page
                    page = await following
            else:
                yield page
                page = await self._page(url, followed)
        yield page

    async def _page(self, url: str, followed: set[str]) -> Page[T]:
        if url in followed:
            raise PaginationError("the next link leads back to a page that was already fetched")
        followed.add(url)
        return await self._fetch(url)


@asynccontextmanager
async def _in_progress(fetch: Coroutine[Any, Any, T]) -> AsyncGenerator["asyncio.Task[T]"]:
    """A fetch that runs meanwhile, and ends with the block: it leaves no request and no error."""
    task = asyncio.create_task(fetch)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_TARGET = re.compile(r"<([^<>]*)>")
_PARAMETER = re.compile(
    r"""
    \s*+;\s*+ (?P<name>[^\s=;,<>"]*+) \s*+
    (?:=\s*+ (?: "(?P<quoted>(?:[^"\\]|\\.)*+)" | (?P<token>[^\s;,"]*+) ))?+
    """,
    re.VERBOSE | re.DOTALL,
)

_POSITIONS = ("before", "beforeMessage", "offset", "cursor", "start")

_MAX_LENGTH = 65_536  # httpx sends no longer URL

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def next_link(headers: Iterable[str]) -> str | None:
    """Return the target of the first link with the relation ``next`` in these Link header lines.

    It is unchanged, so it may be relative. Anything but a link is skipped.
    """
    for header in headers:
        position = 0
        while target := _TARGET.search(header, position):
            relations, position = _relations(header, target.end())
            if "next" in relations:
                return target[1]
    return None


def _relations(header: str, position: int) -> tuple[list[str], int]:
    """Return the relations of the link whose parameters start here, and where they end."""
    relations: list[str] | None = None
    while parameter := _PARAMETER.match(header, position):
        position = parameter.end()
        if parameter["name"].lower() == "rel" and relations is None:  # only the first one counts
            relations = (parameter["quoted"] or parameter["token"] or "").lower().split()
    return relations or [], position


def absolute_link(link: str, request_url: str) -> str:
    """Return the next link in the response to a request, absolute and corrected.

    Two mistakes of the service were seen: a link that lost parameters of the request, such as
    ``ownedBy`` and ``mentionedPeople``, and one with ``max=null``, which the service then refuses.
    The rest is unchanged, parameters without a value included.
    """
    try:
        parts = urlsplit(urljoin(request_url, link))
    except ValueError:
        return link  # `target_on` refuses it when it is followed
    parameters = [each for each in _parameters(parts) if each != "max=null"]
    kept = {*map(_name, parameters), *_POSITIONS}
    parameters.extend(
        each for each in _parameters(urlsplit(request_url)) if _name(each) not in kept
    )
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(parameters), ""))


def _parameters(parts: SplitResult) -> list[str]:
    return parts.query.split("&") if parts.query else []


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])


def target_on(
    base_url: str, url: str, name: str = "the next link", error: type[Exception] = PaginationError
) -> str:
    """Return the path and query of a URL that has the origin of `base_url`.

    The requester appends them to the origin of its own `base_url`, so the token is never sent to
    another host, whatever the URL looks like. `name` is what the error calls the URL.

    Raises:
        Exception: An `error`: it has another origin or credentials, or isn't a URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise error(f"{name} isn't a URL") from None
    if len(url) > _MAX_LENGTH:
        raise error(f"{name} is longer than {_MAX_LENGTH} characters")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", url):
        raise error(f"{name} has a character that no URL can have")
    if _origin(parts) != _origin(urlsplit(base_url)):
        raise error(
            f"{name} has another origin than {base_url}, or has credentials; nothing was sent to it"
        )
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _origin(parts: SplitResult) -> tuple[str, str]:
    # The whole authority, because a URL with credentials or another port has another origin, too.
    return parts.scheme, parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
