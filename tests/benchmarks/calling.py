"""The outgoing wing: calling Webex."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from httpcore._synchronization import current_async_library

from tests.benchmarks.harness import Case, Round, counted, peer
from tests.benchmarks.server import ITEMS, PAGES, WEBHOOK
from webex_webhooks_async import AiohttpTransport, Client

TOKEN = "a-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ID = WEBHOOK["id"]


def calls(call: Callable[[], Awaitable[object]], *, tasks: int = 1) -> Round:
    """A round is this many calls, divided among the tasks."""

    async def share(numbers: range) -> None:
        for _ in numbers:
            await call()

    async def play(count: int) -> None:
        await asyncio.gather(*(share(range(first, count, tasks)) for first in range(tasks)))

    return play


@asynccontextmanager
async def own_gets(base_url: str, *, tasks: int = 1) -> AsyncGenerator[Round]:
    """One by one, or from many more tasks than the limit admits."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield calls(lambda: client.webhooks.get(ID), tasks=tasks)


@asynccontextmanager
async def own_gets_without_sniffio(base_url: str) -> AsyncGenerator[Round]:
    """One by one, where httpcore looks for sniffio in vain."""
    searching: Any = current_async_library
    code = searching.__code__
    names = tuple(name.replace("sniffio", "not_installed") for name in code.co_names)
    searching.__code__ = code.replace(co_names=names)
    try:
        async with own_gets(base_url) as play:
            yield play
    finally:
        searching.__code__ = code


@asynccontextmanager
async def over_aiohttp(
    base_url: str, call: Callable[[Client], Awaitable[object]]
) -> AsyncGenerator[Round]:
    """One by one, with the extra."""
    async with (
        AiohttpTransport() as transport,
        Client(TOKEN, base_url=base_url, http_client=transport) as client,
    ):
        yield calls(lambda: call(client))


async def through(items: AsyncIterable[object]) -> None:
    """Iterate over all items, and keep none."""
    async for _item in items:
        pass


@asynccontextmanager
async def own_peak(base_url: str, *, pages: int) -> AsyncGenerator[Round]:
    """The cost is the memory that a list of so many pages takes at most while it is iterated."""
    async with Client(TOKEN, base_url=base_url) as client:

        async def play(_: int) -> float:
            first = PAGES - pages + 1
            tracemalloc.start()
            await through(
                client.webhooks.list(start_url=f"{base_url}/webhooks?max={ITEMS}&page={first}")
            )
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return peak / 1e6

        yield play


@asynccontextmanager
async def httpx_gets(base_url: str) -> AsyncGenerator[Round]:
    """Bare httpx with a relative URL, and parsed JSON without a model."""
    async with httpx.AsyncClient(base_url=base_url, headers=HEADERS) as client:

        async def get() -> None:
            json.loads((await client.get(f"webhooks/{ID}")).content)

        yield calls(get)


@asynccontextmanager
async def wxc_sdk_lists(base_url: str) -> AsyncGenerator[Round]:
    """All items of all pages."""
    peer("wxc_sdk.as_rest").AsRestSession.BASE = base_url
    async with peer("wxc_sdk.as_api").AsWebexSimpleApi(tokens=TOKEN) as api:
        yield calls(lambda: through(api.webhook.list_gen(max=ITEMS)))


CASES = (
    counted("get / httpx", own_gets, httpx_gets, 50, 1.03),
    Case(
        "get with sniffio / without it",
        own_gets,
        own_gets_without_sniffio,
        count=200,
        at_most=0.75,
        processes=1,
    ),
    Case(
        "get over aiohttp / over the default transport",
        lambda url: over_aiohttp(url, lambda client: client.webhooks.get(ID)),
        own_gets,
        count=200,
        at_most=0.75,
        processes=1,
    ),
    Case(
        "growth: get from 1000 tasks / sequential",
        lambda url: own_gets(url, tasks=1000),
        own_gets,
        count=1000,
        at_most=0.90,
        rounds=5,
        processes=1,
    ),
    counted(
        "list over aiohttp / wxc-sdk",
        lambda url: over_aiohttp(url, lambda client: through(client.webhooks.list(max=ITEMS))),
        wxc_sdk_lists,
        count=1,
        at_most=1.00,
    ),
    Case(  # at this length all caches of the standard library are full
        "growth: memory of 100 pages / of 50",
        lambda url: own_peak(url, pages=100),
        lambda url: own_peak(url, pages=50),
        count=1,
        at_most=1.10,
        processes=1,
        rounds=3,
    ),
)
