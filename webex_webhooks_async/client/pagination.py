"""Lists that come in pages: awaited for one page, iterated for all items."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Generic, TypeVar

from attrs import frozen

from webex_webhooks_async.errors import PaginationError

T = TypeVar("T")


@frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: Its items; an empty page may still have a next one.
        next_url: The absolute URL of the next page, `None` on the last one. Keep it to continue
            from there later, with ``list(start=next_url)``.
    """

    items: tuple[T, ...]
    next_url: str | None


class AsyncPaginator(Generic[T]):
    """A list that is fetched page by page, as it is consumed.

    Iterate it for the items of all pages, await it for the first page, or iterate `pages`. Each
    begins with the first page, and nothing is held open between two pages.

    While iterating or awaiting, the errors of the request are raised, and `PaginationError` for a
    next link to another origin or to a page that was already fetched; nothing is sent to those.

    Args:
        fetch: Returns the page at an absolute URL.
        start: The URL of the first page.
        prefetch: Request the next page while the caller works on this one.
    """

    def __init__(
        self, fetch: Callable[[str], Awaitable[Page[T]]], start: str, *, prefetch: bool = False
    ) -> None:
        self._fetch = fetch
        self._start = start
        self._prefetch = prefetch

    async def __aiter__(self) -> AsyncGenerator[T]:
        """Every item of every page."""
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        """The first page."""
        return self._page(self._start, set()).__await__()

    async def pages(self) -> AsyncGenerator[Page[T]]:
        """Every page, up to the one that has no next."""
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
