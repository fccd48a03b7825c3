"""A server on loopback that speaks raw bytes, so that tests see what a client does on the wire.

Its script has one step a request; the last step is taken again and again.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from attrs import frozen

PATIENCE = 20.0
"""Seconds that a test waits for what happens at once; longer means never."""

WEBHOOK: dict[str, Any] = {
    "id": "W1",
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}
"""A webhook as the service sends it."""


@frozen(kw_only=True)
class Received:
    """A request as it came.

    Attributes:
        method: As it stands in the request line.
        target: Likewise.
        headers: By lower-case name.
        body: The content.
        connection: The number of the connection that it came over, from 1.
    """

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
        """The request that is to be answered."""
        self._number = number
        self._reader = reader
        self._writer = writer

    @property
    def is_gone(self) -> bool:
        """Whether the connection was closed from here."""
        return self._writer.is_closing()

    async def read(self) -> Received:
        """The next request.

        Raises:
            asyncio.IncompleteReadError: The client has closed the connection.
        """
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
        """Send these bytes, and no others."""
        self._writer.write(data)
        await self._writer.drain()

    async def hangs_up(self) -> None:
        """Wait until the client closes the connection."""
        await self._reader.read()

    def hang_up(self) -> None:
        """Close the connection in good order."""
        self._writer.close()

    def finish(self) -> None:
        """Send a FIN, and keep reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Break the connection off."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Act = Callable[[Peer], Awaitable[None]]
Step = bytes | Act
"""What a server does about a request: it sends these bytes, or something of its own."""


class Wire:
    """A server, as long as the block runs.

    Args:
        script: The steps, which may be set later too.
        tls: Speak TLS, with the certificate that this has when a connection comes.

    Attributes:
        port: Where it listens.
        script: The steps that are left.
        requests: What was received, in the order in which it came.
        connections: How many were accepted.
        most_open: How many of them were open at one time at most.
    """

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None) -> None:
        self.script: list[Step] = list(script)
        self.requests: list[Received] = []
        self.connections = 0
        self.most_open = 0
        self._tls = tls
        self._open: dict[asyncio.Task[None], Peer] = {}

    async def __aenter__(self) -> Self:
        self._socket = bound_socket()
        self.port: int = self._socket.getsockname()[1]
        await self.listen()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        self._socket.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def listen(self) -> None:
        """Take connections again; from the start it does."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket, ssl=self._tls)

    def refuse(self) -> None:
        """Take no more connections. Those that are open stay, and so does the port."""
        self._server.close()
        self._socket = bound_socket(self.port)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client takes."""
        return f"{self.origin}/v1"

    @property
    def targets(self) -> list[str]:
        """The target of each request."""
        return [each.target for each in self.requests]

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def received(self, count: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.requests) >= count)

    async def closed(self) -> None:
        """Wait until no connection is open."""
        await until(lambda: not self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        peer = self._open[task] = Peer(self.connections, reader, writer)
        self.most_open = max(self.most_open, self.open)
        try:
            await self._answer(peer)
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has gone
            pass
        except asyncio.CancelledError:  # the server has; older Pythons log a cancelled task
            pass
        finally:
            del self._open[task]
            if not peer.is_gone:
                writer.transport.abort()

    async def _answer(self, peer: Peer) -> None:
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


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the event loop is about to bring.

    Raises:
        TimeoutError: It doesn't come.
    """
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - an event for each condition would say no more
            await asyncio.sleep(0)


def answer(status: int = 200, body: object = b"", *headers: str) -> bytes:
    """An answer with this body, bytes or what becomes JSON, and these further header lines."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw_answer(status, content, *headers, f"Content-Length: {len(content)}")


def raw_answer(status: int, content: bytes, *headers: str) -> bytes:
    """An answer with these header lines alone."""
    head = "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *headers])
    return head.encode() + b"\r\n\r\n" + content


def page(*ids: str, links: tuple[str, ...] = ()) -> bytes:
    """A page of webhooks, with a Link header for each of these values."""
    items = [{**WEBHOOK, "id": each} for each in ids]
    return answer(200, {"items": items}, *(f"Link: {link}" for link in links))


FOUND = answer(200, WEBHOOK)
DELETED = answer(204)


def by_target(answers: Mapping[str, Step]) -> Act:
    """Answer what stands for the target of the request, else 404."""

    async def look_up(peer: Peer) -> None:
        step = answers.get(peer.request.target, answer(404))
        await (peer.send(step) if isinstance(step, bytes) else step(peer))

    return look_up


def after(event: asyncio.Event, data: bytes) -> Act:
    """Answer once this has happened."""

    async def wait_and_send(peer: Peer) -> None:
        await event.wait()
        await peer.send(data)

    return wait_and_send


def broken_off(data: bytes) -> Act:
    """Send half of this, and close."""

    async def send_half(peer: Peer) -> None:
        await peer.send(data[: len(data) // 2])
        peer.hang_up()

    return send_half


def then_hang_up(data: bytes) -> Act:
    """Send this, and close."""

    async def send_and_close(peer: Peer) -> None:
        await peer.send(data)
        peer.hang_up()

    return send_and_close


def in_single_bytes(data: bytes) -> Act:
    """Send this a byte at a time."""

    async def send_each(peer: Peer) -> None:
        for byte in data:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)

    return send_each


async def hang_up(peer: Peer) -> None:
    """Close without an answer."""
    peer.hang_up()


async def reset(peer: Peer) -> None:
    """Break off once the request was read."""
    peer.reset()


async def reset_unread(peer: Peer) -> None:
    """Break off before the request was read; the server does this when it accepts."""
    peer.reset()


async def silence(peer: Peer) -> None:
    """Never answer."""
    await peer.hangs_up()


def unused_port() -> int:
    """A port on which nobody listens."""
    with bound_socket() as probe:
        port: int = probe.getsockname()[1]
        return port


def bound_socket(port: int = 0) -> socket.socket:
    """A socket that has a port, and refuses connections as long as it doesn't listen."""
    # asyncio switches Nagle's algorithm off where it sees that a socket speaks TCP.
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
