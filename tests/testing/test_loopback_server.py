import asyncio
import errno
import gc
import logging
import signal
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.support.wire import PATIENCE
from webex_webhooks_async.testing import Sandbox

GET = b"GET /v1/webhooks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\r\n"


async def connect(base_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to a server."""
    parts = urlsplit(base_url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def get(base_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Get no webhooks over a new connection, and keep that."""
    reader, writer = await connect(base_url)
    writer.write(GET)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b'{"items":[]}')
    return reader, writer


async def read_rest(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection ends."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_port_of_ones_own(webex_sandbox: Sandbox, unused_tcp_port: int) -> None:
    """It listens on the given port of loopback, and again after it has stopped."""
    for _ in range(2):
        async with webex_sandbox.serve(port=unused_tcp_port) as base_url:
            assert base_url == f"http://127.0.0.1:{unused_tcp_port}/v1"
            _, writer = await get(base_url)
            writer.close()


async def test_a_port_that_is_taken(webex_sandbox: Sandbox) -> None:
    """A taken port is an error that says what to do."""
    async with webex_sandbox.serve() as base_url:
        port = urlsplit(base_url).port
        assert port is not None
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port} .*port 0") as raised:
            async with webex_sandbox.serve(port=port):
                pass

    assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("port", [-1, 65536])
async def test_no_port(webex_sandbox: Sandbox, port: int) -> None:
    """A number that isn't a port is refused."""
    with pytest.raises(ValueError, match="port"):
        async with webex_sandbox.serve(port=port):
            pass


async def test_the_end_breaks_kept_connections_off(webex_sandbox: Sandbox) -> None:
    """The end doesn't wait for a client that keeps its connection open."""
    async with webex_sandbox.serve() as base_url:
        reader, writer = await get(base_url)

    assert await read_rest(reader) == b""
    writer.close()


async def test_the_end_breaks_waiting_requests_off(caplog: pytest.LogCaptureFixture) -> None:
    """A request that waits for its response is cancelled, and nothing is logged."""
    waiting = asyncio.Event()

    async def for_ever(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    sandbox = Sandbox(sleep=for_ever)
    sandbox.fail(delay=1)
    with caplog.at_level(logging.INFO):
        async with sandbox.serve() as base_url:
            reader, writer = await connect(base_url)
            writer.write(GET)
            await asyncio.wait_for(waiting.wait(), PATIENCE)

    assert await read_rest(reader) == b""
    assert [each.status_code for each in sandbox.requests] == [None]
    assert caplog.records == []
    writer.close()


async def test_nothing_is_left_at_the_end(webex_sandbox: Sandbox) -> None:
    """No task and no socket is left after the block, even after an error."""
    before = asyncio.all_tasks()

    async def fail_while_a_request_comes() -> None:
        async with webex_sandbox.serve() as base_url:
            _, writer = await connect(base_url)
            writer.write(GET[:10])
            writer.close()
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await fail_while_a_request_comes()

    gc.collect()  # a socket that wasn't closed would warn now
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", range(5))
async def test_a_connection_at_the_end(webex_sandbox: Sandbox, turns: int) -> None:
    """A connection that comes as the server ends is closed: left open, it would be a warning."""
    with socket.socket() as connection:
        async with webex_sandbox.serve() as base_url:
            connection.connect(("127.0.0.1", urlsplit(base_url).port))
            for _ in range(turns):
                await asyncio.sleep(0)
        gc.collect()

        connection.settimeout(PATIENCE)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


async def test_a_request_that_is_broken_off(
    webex_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that disconnects while it sends leaves no trace."""
    async with webex_sandbox.serve() as base_url:
        reader, writer = await connect(base_url)
        writer.write(
            b"POST /v1/webhooks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        await reader.readuntil(b"100 Continue")  # it is waiting for the body now
        writer.write_eof()
        writer.transport.abort()
        _, writer = await get(base_url)
        writer.close()

    assert [each.method for each in webex_sandbox.requests] == ["GET"]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_signals_stay_with_the_program(webex_sandbox: Sandbox) -> None:
    """Serving leaves the signal handlers alone."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    async with webex_sandbox.serve():
        meanwhile = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    assert meanwhile == before


async def test_responses_are_not_delayed(
    webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response is sent at once, not when the client has acknowledged its first half."""
    accepted: list[socket.socket] = []

    def note(protocol: H11Protocol, transport: asyncio.Transport) -> None:
        accepted.append(transport.get_extra_info("socket"))
        made(protocol, transport)

    made = H11Protocol.connection_made
    monkeypatch.setattr(H11Protocol, "connection_made", note)

    async with webex_sandbox.serve() as base_url:
        _, writer = await get(base_url)
        no_delay = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in accepted]
        writer.close()

    assert [bool(each) for each in no_delay] == [True]
