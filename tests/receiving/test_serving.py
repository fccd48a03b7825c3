import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from unittest.mock import Mock

import httpx
import pytest
import uvicorn

from tests.notifications.doubles import SECRET, body_of, exchange, posted
from tests.support.logs import Log
from tests.support.programs import read_until, running
from tests.support.wire import PATIENCE
from webex_webhooks_async.receiving import serving
from webex_webhooks_async.receiving.receiver import Receiver

BODY = body_of()


async def test_its_own_server() -> None:
    """`run` serves a receiver until SIGTERM, and then ends its lifespan."""
    program = "from webex_webhooks_async import Receiver; Receiver('a-secret').run(port=0)"
    async with running(sys.executable, "-c", program, settings={}) as process:
        started = await read_until(process, " (Press")
        origin = started.rpartition("running on ")[2].removesuffix(" (Press")
        async with httpx.AsyncClient(trust_env=False) as http_client:
            response = await http_client.post(origin, content=b"{}")
        process.terminate()
        await read_until(process, "Application shutdown complete.")

    assert response.status_code == 401


async def test_its_own_server_ends_beside_half_a_request() -> None:
    """A client that never sends the rest of its request doesn't keep it running."""
    program = """
from datetime import timedelta

from webex_webhooks_async import Receiver

Receiver("a-secret").run(port=0, graceful_timeout=timedelta(seconds=0.1))
"""
    async with running(sys.executable, "-c", program, settings={}) as process:
        started = await read_until(process, " (Press")
        port = int(started.rpartition(":")[2].removesuffix(" (Press"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST / HTTP/1.1", "Host: a", "Content-Length: 9", "Expect: 100-continue", "", ""
        writer.write("\r\n".join(head).encode())
        await reader.readuntil(b"100 Continue")
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
        writer.close()


HANGS = f"""
import asyncio
from webex_webhooks_async import Receiver

receiver = Receiver("{SECRET}", respond_within=0)


@receiver.on()
async def hang(_):
    try:
        await asyncio.Event().wait()
    finally:
        print("it is cancelled", flush=True)


receiver.run(port=0)
"""


async def test_its_own_server_ends_beside_a_handler_that_hangs() -> None:
    """After Ctrl-C it waits for the handlers; a second one cancels them, and it ends."""
    async with running(sys.executable, "-c", HANGS, settings={}) as process:
        started = await read_until(process, " (Press")
        port = int(started.rpartition(":")[2].removesuffix(" (Press"))
        assert (await exchange(port, posted(BODY)))[9:12] == b"204"
        process.send_signal(signal.SIGINT)
        await read_until(process, "Waiting for application shutdown.")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            end = (await process.stdout.read()).decode()
            await process.wait()

    assert process.returncode == 0
    assert "it is cancelled" in end


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: Log) -> Log:
    """What uvicorn logs, which doesn't set up logging itself."""
    monkeypatch.setattr(uvicorn.Config, "configure_logging", Mock())
    caplog.set_level("INFO", "uvicorn.error")
    return caplog


def test_its_own_server_ends_beside_a_lifespan_that_hangs(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two Ctrl-C end it, also where the lifespan doesn't end when it is cancelled."""

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[None]:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        yield
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3600)

    monkeypatch.setattr(serving, "_PATIENCE", 0.01)
    Receiver(SECRET, lifespan=lifespan).run(port=0)
    gc.collect()  # what was abandoned logs its end

    assert "Uvicorn running on http://127.0.0.1:" in log.text
    assert "gave up what hasn't ended 0.01 s after it was cancelled" in log.text


def test_a_port_that_is_taken_is_noticed_before_anything_starts(log: Log) -> None:
    """A bot changes its webhooks in its start, so `run` takes the port first."""
    starts: list[Receiver] = []

    def lifespan(receiver: Receiver) -> AbstractAsyncContextManager[None]:
        starts.append(receiver)
        raise LookupError("no database")

    receiver = Receiver(SECRET, lifespan=lifespan)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port: int = busy.getsockname()[1]
        with pytest.raises(SystemExit, match="3"):
            receiver.run(port=port)
    assert f"can't serve on 127.0.0.1:{port}: " in log.text
    assert starts == []

    with pytest.raises(SystemExit, match="3"):
        receiver.run(port=port)
    assert "no database" in log.text
    assert starts == [receiver]


def test_where_its_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` listens where it is asked to, by default on loopback; it names its extra's absence."""
    servers: list[uvicorn.Server] = []

    def start(server: uvicorn.Server) -> None:
        servers.append(server)
        server.started = True

    async def interrupt(server: uvicorn.Server, _sockets: object) -> None:
        for _ in range(2):
            server.handle_exit(signal.SIGINT, None)

    receiver = Receiver(SECRET)
    with monkeypatch.context() as patched:
        patched.setattr(uvicorn.Server, "run", start)
        receiver.run()
        receiver.run("127.0.0.2", port=8001, graceful_timeout=0.5)

    settings = [(each.config.host, each.config.port) for each in servers]
    assert settings == [("127.0.0.1", 8000), ("127.0.0.2", 8001)]
    assert [each.config.timeout_graceful_shutdown for each in servers] == [30.0, 0.5]
    assert {each.config.app for each in servers} == {receiver}
    monkeypatch.setattr(uvicorn.Server, "serve", interrupt)
    with pytest.raises(SystemExit, match="3"):  # while it starts
        receiver.run()
    for wrong in (0, -1, float("inf")):
        with pytest.raises(ValueError, match="graceful_timeout must be a positive number"):
            receiver.run(graceful_timeout=wrong)
    with pytest.raises(ValueError, match="port must be from 0 "):
        receiver.run(port=65_536)
    with pytest.raises(TypeError, match="port must be int, got str"):
        receiver.run(port="8000")  # type: ignore[arg-type] # as os.environ has it

    monkeypatch.delitem(sys.modules, serving.__name__)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"webex-webhooks-async\[cli\]"):
        receiver.run()
