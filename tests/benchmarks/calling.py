"""The outgoing wing: calling Webex."""

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx

from tests.benchmarks.harness import Case, Round, peer
from tests.benchmarks.server import ITEMS, PAGES, WEBHOOK
from webex_webhooks_async import AiohttpTransport, Client

TOKEN = "a-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ID = WEBHOOK["id"]
SLOTS = 20
WAIT = 0.02
"""Seconds that a slow page takes, on the network and in the consumer."""


def calls(call: Callable[[], Awaitable[object]], *, tasks: int = 1) -> Round:
    """A round is so many calls, of which each task makes its share, one by one."""

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
async def own_gets_from_1000_tasks(base_url: str) -> AsyncGenerator[Round]:
    """From many more tasks than slots."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield calls(lambda: client.webhooks.get(ID), tasks=1000)


@asynccontextmanager
async def own_gets_over_aiohttp(base_url: str) -> AsyncGenerator[Round]:
    """From 50 tasks, with the extra."""
    async with (
        AiohttpTransport() as transport,
        Client(TOKEN, base_url=base_url, http_client=transport) as client,
    ):
        yield calls(lambda: client.webhooks.get(ID), tasks=50)


@asynccontextmanager
async def own_lists_over_aiohttp(base_url: str) -> AsyncGenerator[Round]:
    """All items of all pages, with the extra."""
    async with (
        AiohttpTransport() as transport,
        Client(TOKEN, base_url=base_url, http_client=transport) as client,
    ):
        yield calls(lambda: through(client.webhooks.list(max=ITEMS)))


async def through(items: AsyncIterable[object]) -> None:
    """Go through all items, and keep none."""
    async for _item in items:
        pass


@asynccontextmanager
async def own_connections(base_url: str) -> AsyncGenerator[Round]:
    """How many connections gets from 100 tasks take; the first one is that of who counts."""

    async def connections() -> float:
        async with httpx.AsyncClient() as client:
            counted: float = (await client.get(f"{base_url}/connections")).json()["connections"]
            return counted

    async def play(count: int) -> float:
        before = await connections()
        async with Client(TOKEN, base_url=base_url, max_concurrency=SLOTS) as client:
            await calls(lambda: client.webhooks.get(ID), tasks=100)(count)
        return await connections() - before - 1

    yield play


@asynccontextmanager
async def slots(_: str) -> AsyncGenerator[Round]:
    """How many connections there may be."""

    async def play(_: int) -> float:
        return float(SLOTS)

    yield play


@asynccontextmanager
async def own_new_clients(base_url: str) -> AsyncGenerator[Round]:
    """Further clients of a process that has made its first one."""

    async def make_and_close() -> None:
        await Client(TOKEN, base_url=base_url).aclose()

    yield calls(make_and_close)


@asynccontextmanager
async def httpx_aiohttp_gets(base_url: str) -> AsyncGenerator[Round]:
    """From 50 tasks, with the client of httpx-aiohttp, and JSON that becomes no model."""
    make = peer("httpx_aiohttp").HttpxAiohttpClient
    async with make(base_url=base_url, headers=HEADERS) as client:

        async def get() -> None:
            json.loads((await client.get(f"webhooks/{ID}")).content)

        yield calls(get, tasks=50)


@asynccontextmanager
async def aiohttp_gets(base_url: str) -> AsyncGenerator[Round]:
    """From 50 tasks, with bare aiohttp, and JSON that becomes no model."""
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def get() -> None:
            async with session.get(f"{base_url}/webhooks/{ID}") as answer:
                json.loads(await answer.read())

        yield calls(get, tasks=50)


@asynccontextmanager
async def httpx_new_clients(_: str) -> AsyncGenerator[Round]:
    """Clients of httpx, of which each reads the certificates."""

    async def make_and_close() -> None:
        await httpx.AsyncClient().aclose()

    yield calls(make_and_close)


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
    """Where the last so many pages begin."""
    return f"{base_url}/webhooks?max={ITEMS}&page={PAGES - count + 1}"


def peak_memory(items: Callable[[int], AsyncIterable[object]]) -> Round:
    """The cost is the memory that was allocated at most while going through so many pages."""

    async def play(count: int) -> float:
        tracemalloc.start()
        await through(items(count))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return float(peak)

    return play


@asynccontextmanager
async def own_slow_pages(base_url: str) -> AsyncGenerator[Round]:
    """Each page takes its time on the network and then the same time in the consumer."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield time_of_slow_pages(client, base_url, prefetch=False)


@asynccontextmanager
async def own_slow_pages_in_advance(base_url: str) -> AsyncGenerator[Round]:
    """The network has its turn while the consumer works."""
    async with Client(TOKEN, base_url=base_url) as client:
        yield time_of_slow_pages(client, base_url, prefetch=True)


def time_of_slow_pages(client: Client, base_url: str, *, prefetch: bool) -> Round:
    """The cost is the time on the clock; a round is so many pages."""

    async def play(count: int) -> float:
        start = f"{last_pages(base_url, count)}&wait={round(WAIT * 1000)}"
        pages = client.webhooks.list(start=start, prefetch=prefetch)
        started = time.perf_counter()
        async for _page in pages.pages():
            await asyncio.sleep(WAIT)
        return time.perf_counter() - started

    return play


@asynccontextmanager
async def httpx_gets(base_url: str) -> AsyncGenerator[Round]:
    """Bare httpx with a relative URL, and JSON that becomes no model."""
    async with httpx.AsyncClient(base_url=base_url, headers=HEADERS) as client:

        async def get() -> None:
            json.loads((await client.get(f"webhooks/{ID}")).content)

        yield calls(get)


@asynccontextmanager
async def wxc_sdk_gets(base_url: str) -> AsyncGenerator[Round]:
    """One by one, with the asyncio half of wxc-sdk."""
    async with _wxc_sdk(base_url) as api:
        yield calls(lambda: api.webhook.details(ID))


@asynccontextmanager
async def wxc_sdk_gets_from_50_tasks(base_url: str) -> AsyncGenerator[Round]:
    """From 50 tasks, with as many slots as ours."""
    async with _wxc_sdk(base_url) as api:
        yield calls(lambda: api.webhook.details(ID), tasks=50)


@asynccontextmanager
async def wxc_sdk_lists(base_url: str) -> AsyncGenerator[Round]:
    """All items of all pages."""
    async with _wxc_sdk(base_url) as api:
        yield calls(lambda: through(api.webhook.list_gen(max=ITEMS)))


def _wxc_sdk(base_url: str) -> Any:  # noqa: ANN401 - as `peer`
    peer("wxc_sdk.as_rest").AsRestSession.BASE = base_url
    return peer("wxc_sdk.as_api").AsWebexSimpleApi(tokens=TOKEN, concurrent_requests=SLOTS)


@asynccontextmanager
async def webexpythonsdk_gets(base_url: str) -> AsyncGenerator[Round]:
    """It isn't asynchronous."""
    api = peer("webexpythonsdk").WebexAPI(TOKEN, base_url=base_url)

    async def play(count: int) -> None:
        for _ in range(count):
            api.webhooks.get(ID)

    yield play


@asynccontextmanager
async def webexpythonsdk_async_gets(base_url: str) -> AsyncGenerator[Round]:
    """Its asynchronous fork."""
    api = peer("webexpythonsdk_async").AsyncWebexAPI(TOKEN, base_url=base_url)
    yield calls(lambda: api.webhooks.get(ID))


CASES = (
    Case(name="get / httpx", ours=own_gets, peer=httpx_gets, count=200, at_most=1.05),
    Case(name="get / webexpythonsdk", ours=own_gets, peer=webexpythonsdk_gets, count=200),
    Case(
        name="get / webexpythonsdk-async", ours=own_gets, peer=webexpythonsdk_async_gets, count=200
    ),
    Case(name="get / wxc-sdk", ours=own_gets, peer=wxc_sdk_gets, count=200),
    Case(
        name="get from 1000 tasks / one by one",
        ours=own_gets_from_1000_tasks,
        peer=own_gets,
        count=1000,
        at_most=1.15,
    ),
    Case(
        name="connections of 100 tasks / slots",
        ours=own_connections,
        peer=slots,
        count=1000,
        at_most=1.0,
    ),
    Case(
        name="get over aiohttp / httpx-aiohttp",
        ours=own_gets_over_aiohttp,
        peer=httpx_aiohttp_gets,
        count=500,
        at_most=0.85,
    ),
    Case(
        name="get over aiohttp / wxc-sdk",
        ours=own_gets_over_aiohttp,
        peer=wxc_sdk_gets_from_50_tasks,
        count=500,
    ),
    Case(
        name="get over aiohttp / aiohttp", ours=own_gets_over_aiohttp, peer=aiohttp_gets, count=500
    ),
    Case(
        name="list over aiohttp / wxc-sdk",
        ours=own_lists_over_aiohttp,
        peer=wxc_sdk_lists,
        count=2,
        at_most=1.0,
    ),
    Case(
        name="another client / httpx",
        ours=own_new_clients,
        peer=httpx_new_clients,
        count=10,
        at_most=0.10,
    ),
    Case(  # by then all caches of the standard library are full
        name="memory of 100 pages / of 50",
        ours=own_peak_of_twice_the_pages,
        peer=own_peak_of_pages,
        count=50,
        at_most=1.10,
    ),
    Case(
        name="pages in advance / not",
        ours=own_slow_pages_in_advance,
        peer=own_slow_pages,
        count=10,
        at_most=0.70,
    ),
)
