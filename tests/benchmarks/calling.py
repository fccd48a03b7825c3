"""The outgoing wing: calling Webex."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from httpcore._synchronization import current_async_library

from tests.benchmarks.harness import Case, Round, peer
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
async def own_gets(base_url: str) -> AsyncGenerator[Round]:
    """One by one."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield calls(lambda: client.webhooks.get(ID))


@asynccontextmanager
async def own_gets_without_sniffio(base_url: str) -> AsyncGenerator[Round]:
    """One by one, where httpcore looks for sniffio in vain."""
    searching: Any = current_async_library
    code = searching.__code__
    names = tuple(name.replace("sniffio", "not_installed") for name in code.co_names)
    searching.__code__ = code.replace(co_names=names)
    try:
        async with Client(TOKEN, base_url=base_url) as client:
            yield calls(lambda: client.webhooks.get(ID))
    finally:
        searching.__code__ = code


@asynccontextmanager
async def own_gets_from_1000_tasks(base_url: str) -> AsyncGenerator[Round]:
    """From many more tasks than the limit admits."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield calls(lambda: client.webhooks.get(ID), tasks=1000)


@asynccontextmanager
async def own_gets_over_aiohttp(base_url: str) -> AsyncGenerator[Round]:
    """One by one, with the extra."""
    async with (
        AiohttpTransport() as transport,
        Client(TOKEN, base_url=base_url, http_client=transport) as client,
    ):
        yield calls(lambda: client.webhooks.get(ID))


@asynccontextmanager
async def own_lists_over_aiohttp(base_url: str) -> AsyncGenerator[Round]:
    """All items of all pages, with the extra."""
    async with (
        AiohttpTransport() as transport,
        Client(TOKEN, base_url=base_url, http_client=transport) as client,
    ):
        yield calls(lambda: through(client.webhooks.list(max=ITEMS)))


async def through(items: AsyncIterable[object]) -> None:
    """Iterate over all items, and keep none."""
    async for _item in items:
        pass


@asynccontextmanager
async def own_peak_of_pages(base_url: str) -> AsyncGenerator[Round]:
    """How much memory a list takes while it is iterated."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield peak_memory(lambda count: client.webhooks.list(start=last_pages(base_url, count)))


@asynccontextmanager
async def own_peak_of_twice_the_pages(base_url: str) -> AsyncGenerator[Round]:
    """How much memory a list of twice the length takes."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield peak_memory(lambda count: client.webhooks.list(start=last_pages(base_url, 2 * count)))


def last_pages(base_url: str, count: int) -> str:
    """The URL at which the last pages begin."""
    return f"{base_url}/webhooks?max={ITEMS}&page={PAGES - count + 1}"


def peak_memory(items: Callable[[int], AsyncIterable[object]]) -> Round:
    """The cost is the memory that was allocated at most while going through so many pages."""

    async def play(count: int) -> float:
        tracemalloc.start()
        await through(items(count))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak / 1e6

    return play


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
    Case(name="get / httpx", ours=own_gets, peer=httpx_gets, count=200, at_most=1.03),
    Case(
        name="get with sniffio / without it",
        ours=own_gets,
        peer=own_gets_without_sniffio,
        count=200,
        at_most=0.75,
    ),
    Case(
        name="get over aiohttp / over the default transport",
        ours=own_gets_over_aiohttp,
        peer=own_gets,
        count=200,
        at_most=0.75,
    ),
    Case(
        name="growth: get from 1000 tasks / sequential",
        ours=own_gets_from_1000_tasks,
        peer=own_gets,
        count=1000,
        at_most=0.90,
    ),
    Case(
        name="list over aiohttp / wxc-sdk",
        ours=own_lists_over_aiohttp,
        peer=wxc_sdk_lists,
        count=2,
        at_most=1.35,
    ),
    Case(  # at this length all caches of the standard library are full
        name="growth: memory of 100 pages / of 50",
        ours=own_peak_of_twice_the_pages,
        peer=own_peak_of_pages,
        count=50,
        at_most=1.10,
    ),
)
