"""The incoming wing's faults: broken requests, failing handlers and deduplicators, real servers."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from attrs import frozen

from tests.examples.serving import Application, serve_with_uvicorn
from tests.examples.serving import Server as ServeOn
from tests.faults.leaks import nothing_left
from tests.notifications.doubles import Bot, body_of, chunked, exchange, posted, request
from tests.support.wire import PATIENCE
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.deduplication import Claim
from webex_webhooks_async.notifications.receiver import Receiver

BODY = body_of()
SIZE = len(BODY)
MAX_BODY = 10_000

BROKEN: Mapping[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no length": request(body=BODY),
    "a length that is too small": request(f"Content-Length: {SIZE - 5}", body=BODY),
    "a length that is too large": request(f"Content-Length: {SIZE + 5}", body=BODY),
    "a length that is negative": request("Content-Length: -5", body=BODY),
    "a length that isn't a number": request("Content-Length: five", body=BODY),
    "two lengths": request(f"Content-Length: {SIZE}", "Content-Length: 5", body=BODY),
    "a chunk that is longer": request(
        "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE - 5, BODY)
    ),
    "a chunk that is shorter": request(
        "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE + 5, BODY)
    ),
    "a chunk without a size": request("Transfer-Encoding: chunked", body=b"zz\r\n%s" % BODY),
    "a chunk of a huge size": request(
        "Transfer-Encoding: chunked", body=b"%s\r\n%s" % (b"f" * 30, BODY)
    ),
    "chunks without an end": request("Transfer-Encoding: chunked", body=chunked(BODY)),
    "an unknown encoding": request("Transfer-Encoding: gzip", body=BODY),
    "a body that says it is too large": request(
        f"Content-Length: {MAX_BODY + 1}", body=BODY.ljust(MAX_BODY + 1)
    ),
    "a body that is too large": request(
        "Transfer-Encoding: chunked", body=chunked(*[BODY.ljust(1000)] * 11)
    ),
    "an endless header": request(f"X-Long: {'a' * 200_000}", f"Content-Length: {SIZE}", body=BODY),
    "a header with a NUL": request("X-Nul: a\0b", f"Content-Length: {SIZE}", body=BODY),
    "no signature": posted(BODY).replace(b"Signature", b"Autograph"),
    "another's signature": request(f"Content-Length: {SIZE}", body=BODY, of=BODY + b" "),
}
"""Requests with the notification `BODY` in them, which must not be handled."""


Act = Callable[[], Coroutine[Any, Any, object]]


class StopError(BaseException):
    """An exception that isn't an `Exception`."""


class Trouble:
    """A deduplicator whose next `claim` or `release` acts before it returns."""

    def __init__(self) -> None:
        self.acts: dict[str, Act] = {}
        self.claimed: set[str] = set()

    async def claim(self, key: str) -> Claim:
        """Remember the key."""
        await self._act("claim")
        claim = Claim.DONE if key in self.claimed else Claim.GRANTED
        self.claimed.add(key)
        return claim

    async def confirm(self, key: str) -> None:
        """Keep the key."""

    async def release(self, key: str) -> None:
        """Forget the key."""
        await self._act("release")
        self.claimed.discard(key)

    async def _act(self, method: str) -> None:
        act = self.acts.pop(method, None)
        if act is not None:
            await act()


def raising(error: BaseException) -> Act:
    """Return an act that raises this."""

    async def fail() -> None:
        raise error

    return fail


async def fail_in_a_group() -> None:
    """Start several tasks, one of which fails."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait())
        group.create_task(raising(LookupError())())


async def be_left_waiting() -> None:
    """Wait for something that is cancelled."""
    waiting = asyncio.get_running_loop().create_future()
    waiting.cancel()
    await waiting


async def give_itself_up() -> None:
    """Cancel the request."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


async def recurse() -> None:
    """Recurse without end."""
    await recurse()


FAILURES: Mapping[str, Act] = {
    "an exception": raising(ValueError()),
    "a timeout": raising(TimeoutError()),
    "a StopIteration": raising(StopIteration()),
    "endless recursion": recurse,
    "a failed group": fail_in_a_group,
    "something cancelled": be_left_waiting,
    "its own end": give_itself_up,
    "no ordinary exception": raising(StopError()),
}
"""How a handler or a deduplicator may end."""

FATAL: Mapping[str, Act] = {
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "SystemExit": raising(SystemExit(1)),
}
"""What ends the event loop, unless the server catches it."""


class Acting(Bot):
    """A bot whose next run acts first."""

    act: Act | None = None

    async def run(self, notification: Notification[MessageData]) -> None:
        """Handle a message."""
        act, self.act = self.act, None
        if act is not None:
            await act()
        await super().run(notification)


serve_on_uvicorn = partial(serve_with_uvicorn, http="h11")


EAGER = getattr(asyncio, "eager_task_factory", None)
"""Makes tasks that start at once; Python 3.11 lacks it."""


async def serve_with_eager_tasks(
    application: Application, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Serve an ASGI application on an event loop that starts tasks at once, where Python can."""
    asyncio.get_running_loop().set_task_factory(EAGER)
    await serve_on_uvicorn(application, listener, stop)


serve_without_grace: ServeOn = partial(serve_on_uvicorn, timeout_graceful_shutdown=0)
"""Cancels all requests as soon as it stops."""


@frozen(kw_only=True)
class Served:
    """A receiver on loopback.

    Attributes:
        port: Where it listens.
        stop: Set to stop the server.
        ended: Done when the server has stopped.
    """

    port: int
    stop: asyncio.Event
    ended: asyncio.Task[None]

    async def responses(self, *requests: bytes) -> list[int]:
        """Send these requests at once, and return the status of each response."""
        async with asyncio.TaskGroup() as group:
            exchanges = [group.create_task(exchange(self.port, each)) for each in requests]
        return [status for each in exchanges for status in statuses(each.result())]

    async def responses_to_part(self, part: bytes, *, reset: bool = False) -> list[int]:
        """Send this and no more, and return the statuses of the responses."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with suppress(OSError):
            writer.write(part)
            await writer.drain()
            if reset:
                writer.transport.abort()
            else:
                writer.write_eof()
        received = b""
        with suppress(ConnectionError):
            while chunk := await reader.read(10_000):
                received += chunk
        writer.close()
        return statuses(received)

    async def stopped_listening(self) -> None:
        """Wait until no more connections are accepted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    writer = await self.begin(b"")
                except OSError:
                    return
                writer.close()

    async def begin(self, part: bytes) -> asyncio.StreamWriter:
        """Send this, and leave the connection open."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(part)
        await writer.drain()
        return writer


def kept_alive(request: bytes) -> bytes:
    """Return the request without its ``Connection: close``."""
    return request.replace(b"Connection: close\r\n", b"")


def statuses(received: bytes) -> list[int]:
    """Return the statuses in what a server sent."""
    return [int(status) for status in re.findall(rb"^HTTP/1.1 (\d+)", received, re.MULTILINE)]


@asynccontextmanager
async def served_by(serve: ServeOn, receiver: Receiver) -> AsyncGenerator[Served]:
    """Serve a receiver during the block, and assert that nothing is left of it."""
    stop = asyncio.Event()
    async with nothing_left(), asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        port = listener.getsockname()[1]
        ended = group.create_task(serve(receiver, listener, stop))
        try:
            yield Served(port=port, stop=stop, ended=ended)
        finally:
            stop.set()
