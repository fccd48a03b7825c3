"""A server on loopback that sends raw bytes, so that tests see what a client does on the wire.

Its script has one step for each request; the last step is repeated.
"""

import asyncio
import json
import random
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from webex_webhooks_async import Webhook

PATIENCE = 100.0
"""Seconds after which a test gives up waiting, be it for a process on a busy machine."""

WEBHOOK: dict[str, Any] = {
    "id": "W1",
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}
"""A webhook as the service sends it."""
MODEL = Webhook(
    id="W1",
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)
"""The same, as it is read."""


@frozen(kw_only=True)
class Received:
    """A request as it arrived; its headers by lower-case name, its connection counted from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class Peer:
    """The client at the other end of one connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.request: Received
        """The request that needs a response."""
        self._number = number
        self._reader = reader
        self._writer = writer

    @property
    def is_gone(self) -> bool:
        """Whether the server closed the connection."""
        return self._writer.is_closing()

    async def read(self) -> Received:
        """The next request; an `IncompleteReadError` if the client has closed the connection."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").rstrip().split("\r\n")
        method, target, _version = request_line.split(" ")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        self.request = Received(
            method=method, target=target, headers=headers, body=body, connection=self._number
        )
        return self.request

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hangs_up(self) -> None:
        await self._reader.read()

    async def hang_up(self) -> None:
        """Close the connection with a FIN."""
        self._writer.close()

    async def finish(self) -> None:
        """Send a FIN, and keep reading."""
        self._writer.write_eof()

    async def reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Act = Callable[[Peer], Awaitable[None]]
Step = bytes | Act
"""What the server does with a request: send these bytes, or call this function."""


class Wire:
    """A server that runs as long as its block."""

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None) -> None:
        self.script: list[Step] = list(script)
        self.requests: list[Received] = []
        self.connections = 0
        self.most_open = 0
        self.tls = tls  # its certificate counts at each new connection
        self._open: dict[asyncio.Task[None], Peer] = {}

    async def __aenter__(self) -> Self:
        self._socket = bound_socket()
        self.port: int = self._socket.getsockname()[1]
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await idle_loop(5)  # asyncio leaks a connection that it accepts while it closes
        self._server.close()
        self._socket.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def listen(self) -> None:
        """Accept connections again; the server accepts them from the start."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket, ssl=self.tls)

    def refuse(self) -> None:
        """Refuse new connections. Open ones stay open, and the port stays the same."""
        self._server.close()
        self._socket = bound_socket(self.port)

    @property
    def origin(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def targets(self) -> list[str]:
        return [each.target for each in self.requests]

    @property
    def tokens(self) -> list[str | None]:
        """The token of each request, None where it has none."""
        headers = [each.headers.get("authorization", "") for each in self.requests]
        return [each.removeprefix("Bearer ") or None for each in headers]

    @property
    def open(self) -> int:
        return len(self._open)

    async def received(self, count: int) -> None:
        await until(lambda: len(self.requests) >= count)

    async def closed(self) -> None:
        await until(lambda: not self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        peer = self._open[task] = Peer(self.connections, reader, writer)
        self.most_open = max(self.most_open, self.open)
        try:
            await self._respond(peer)
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has gone
            pass
        except asyncio.CancelledError:  # closed by the server; older Pythons log it
            pass
        finally:
            del self._open[task]
            if not peer.is_gone:
                writer.transport.abort()

    async def _respond(self, peer: Peer) -> None:
        if self.script[0] is reset_unread:
            await self._next_step(peer)
        while not peer.is_gone:
            self.requests.append(await peer.read())
            await self._next_step(peer)

    async def _next_step(self, peer: Peer) -> None:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, bytes):
            await peer.send(step)
        else:
            await step(peer)


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """Make sure that the block leaves no task, no socket and no file behind."""

    def open_files() -> int:
        return sum(1 for _ in Path("/dev/fd").iterdir())

    tasks, files = asyncio.all_tasks(), open_files()
    yield
    await until(lambda: asyncio.all_tasks() <= tasks and open_files() <= files)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; a `TimeoutError` if it takes too long.

    A process, or anything else that takes some milliseconds, gets the core meanwhile.
    """
    async with asyncio.timeout(PATIENCE):
        for pause in chain([0.0] * 500, repeat(0.002)):
            if condition():
                break
            await asyncio.sleep(pause)


async def idle_loop(turns: int = 100) -> None:
    """Let the event loop run everything that needs no time."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def cancelled_after(steps: int, doing: Coroutine[Any, Any, object]) -> bool:
    """Cancel after so many steps of the event loop; whether it was still running."""
    task = asyncio.create_task(doing)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


def http_response(status: int = 200, body: object = b"", *headers: str) -> bytes:
    """A response with this body, as bytes or as JSON, and these further header lines."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw_http_response(status, content, *headers, f"Content-Length: {len(content)}")


def raw_http_response(status: int, content: bytes, *headers: str) -> bytes:
    """A response with only these header lines."""
    head = "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *headers])
    return head.encode() + b"\r\n\r\n" + content


def page(*ids: str, links: tuple[str, ...] = ()) -> bytes:
    """A page of webhooks, with one Link header for each of these values."""
    items = [{**WEBHOOK, "id": each} for each in ids]
    return http_response(200, {"items": items}, *(f"Link: {link}" for link in links))


FOUND = http_response(200, WEBHOOK)
DELETED = http_response(204)


def by_target(responses: Mapping[str, Step]) -> Act:
    """Respond by the target of the request; 404 for any other."""

    async def look_up(peer: Peer) -> None:
        step = responses.get(peer.request.target, http_response(404))
        await (peer.send(step) if isinstance(step, bytes) else step(peer))

    return look_up


def after(event: asyncio.Event, data: bytes) -> Act:
    """Respond once this event is set."""

    async def wait_and_send(peer: Peer) -> None:
        await event.wait()
        await peer.send(data)

    return wait_and_send


def broken_off(data: bytes) -> Act:
    """Send half of this, and close."""
    return then_hang_up(data[: len(data) // 2])


def then_hang_up(data: bytes) -> Act:
    """Send this, and close."""

    async def send_and_close(peer: Peer) -> None:
        await peer.send(data)
        await peer.hang_up()

    return send_and_close


def in_single_bytes(data: bytes) -> Act:
    """Send this a byte at a time."""

    async def send_each(peer: Peer) -> None:
        for byte in data:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)

    return send_each


hang_up = Peer.hang_up  # without a response
reset = Peer.reset
silence = Peer.hangs_up


async def reset_unread(peer: Peer) -> None:
    """Reset the connection as soon as it is accepted, before the request is read."""
    await peer.reset()


def unused_port() -> int:
    """A port without a listener, of those that the kernel assigns to nobody else meanwhile."""
    for port in random.sample(range(20_000, 30_000), 100):
        with suppress(OSError), bound_socket(port):
            return port
    raise OSError("no free port among 100 tried")


def bound_socket(port: int = 0) -> socket.socket:
    """A socket with a port, which refuses connections until it listens."""
    # asyncio switches Nagle's algorithm off where it sees that a socket speaks TCP.
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound
