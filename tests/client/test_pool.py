import asyncio
from typing import cast

import httpx
import pytest

from tests.support.clients import client_on
from tests.support.clocks import let_pass
from tests.support.wire import FOUND, Peer, Wire, after, until
from webex_webhooks_async import Client
from webex_webhooks_async.client.pool import ConnectionPool, pool_size

TWO_MINUTES = 120.0


async def burst(wire: Wire, client: Client, size: int) -> None:
    """Send so many requests at the same time."""
    received, release = len(wire.requests), asyncio.Event()
    wire.script = [after(release, FOUND)]
    tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(size)]
    await wire.received(received + size)
    release.set()
    await asyncio.gather(*tasks)


async def test_idle_connections_are_closed_after_two_minutes() -> None:
    """After a burst, without any further request, every connection is closed in two minutes."""
    async with client_on(FOUND) as (wire, client):
        await burst(wire, client, 20)
        let_pass(TWO_MINUTES - 10)  # a pause of the machine may be longer than a second
        await client.webhooks.get("W1")
        open_before = wire.open

        let_pass(10)
        await until(lambda: wire.open == 1)
        let_pass(TWO_MINUTES - 10)
        await wire.closed()

    assert open_before == 20
    assert wire.connections == 20


async def test_connections_that_the_server_closed_are_closed_here_too() -> None:
    """After the server's FIN no socket stays half open for longer than the keep-alive."""

    async def respond_and_finish(peer: Peer) -> None:
        await everyone_is_here.wait()
        await peer.send(FOUND)
        await peer.finish()
        await peer.hangs_up()

    everyone_is_here = asyncio.Event()
    async with client_on(respond_and_finish) as (wire, client):
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(20)]
        await wire.received(20)
        everyone_is_here.set()
        await asyncio.gather(*tasks)
        open_before = wire.open

        let_pass(TWO_MINUTES)
        await wire.closed()

    assert open_before == 20


async def test_a_busy_connection_is_not_closed() -> None:
    """A connection in use doesn't expire; its keep-alive starts when its request has ended."""
    async with client_on(FOUND, timeout=2 * TWO_MINUTES) as (wire, client):
        await client.webhooks.get("W1")
        release = asyncio.Event()
        wire.script = [after(release, FOUND)]
        busy = asyncio.create_task(client.webhooks.get("W1"))
        await wire.received(2)
        let_pass(TWO_MINUTES)
        release.set()
        await busy
        await client.webhooks.get("W1")

    assert wire.connections == 1


REQUEST = httpx.Request("GET", "https://webexapis.com/v1/webhooks")


class Connection(httpx.MockTransport):
    """A connection that responds without a body, and takes a moment to close."""

    is_closed = False

    def __init__(self) -> None:
        super().__init__(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"")))

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.is_closed = True


async def test_a_pool_closes_what_is_expiring() -> None:
    """Closing a pool waits for connections that are being closed already."""
    connection = Connection()
    pool = ConnectionPool(lambda: connection)
    await (await pool.handle_async_request(REQUEST)).aread()
    let_pass(TWO_MINUTES)
    await asyncio.sleep(0)
    await pool.aclose()

    assert connection.is_closed


async def test_a_response_that_is_closed_twice_frees_its_connection_once() -> None:
    """Two requests at the same time never share a connection."""
    made: list[Connection] = []

    def connect() -> Connection:
        made.append(Connection())
        return made[-1]

    pool = ConnectionPool(connect)
    response = await pool.handle_async_request(REQUEST)
    await response.aread()
    await cast("httpx.AsyncByteStream", response.stream).aclose()
    await asyncio.gather(*(pool.handle_async_request(REQUEST) for _ in range(2)))
    await pool.aclose()

    assert len(made) == 2


@pytest.mark.parametrize("size", [1, 100])
async def test_the_size_of_a_given_pool_is_seen(size: int) -> None:
    """This holds for the installed httpx, which shows the size nowhere."""
    limits = httpx.Limits(max_connections=size)
    async with httpx.AsyncClient(limits=limits) as limited, httpx.AsyncClient() as default:
        assert pool_size(limited) == size
        assert pool_size(default) == 100
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200))
    ) as any_:
        assert pool_size(any_) == float("inf")


def test_a_pool_belongs_to_one_event_loop() -> None:
    """In another one a request raises `RuntimeError`, and nothing is sent; so does closing it."""
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    async def send() -> int:
        return (await pool.handle_async_request(REQUEST)).status_code

    pool = ConnectionPool(lambda: httpx.MockTransport(respond))

    assert asyncio.run(send()) == 200
    for call in (send, pool.aclose):
        with pytest.raises(RuntimeError, match="belongs to the event loop"):
            asyncio.run(call())
    assert len(requests) == 1
