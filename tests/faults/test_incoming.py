"""What a receiver does about broken requests, failing handlers, real servers."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from attrs import frozen

from tests.examples.serving import Application, serve_with_hypercorn, serve_with_uvicorn
from tests.examples.serving import Server as ServeOn
from tests.notifications.doubles import (
    ReceiverUnderTest,
    body_of,
    chunked,
    distinct,
    exchange,
    posted,
    request,
)
from tests.support.wire import PATIENCE, nothing_left, until
from webex_webhooks_async import MessageData, Notification, Receiver

BODY = body_of()
GOOD = posted(BODY)
SIZE = len(BODY)
MAX_BODY = 10_000
CHUNKED = "Transfer-Encoding: chunked"

BROKEN: Mapping[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no length": request(body=BODY),
    "a length that is too small": request(f"Content-Length: {SIZE - 5}", body=BODY),
    "a length that is too large": request(f"Content-Length: {SIZE + 5}", body=BODY),
    "a length that is negative": request("Content-Length: -5", body=BODY),
    "a length that isn't a number": request("Content-Length: five", body=BODY),
    "two lengths": request(f"Content-Length: {SIZE}", "Content-Length: 5", body=BODY),
    "a chunk that is longer": request(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE - 5, BODY)),
    "a chunk that is shorter": request(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE + 5, BODY)),
    "a chunk without a size": request(CHUNKED, body=b"zz\r\n%s" % BODY),
    "a chunk of a huge size": request(CHUNKED, body=b"%s\r\n%s" % (b"f" * 30, BODY)),
    "chunks without an end": request(CHUNKED, body=chunked(BODY)),
    "an unknown encoding": request("Transfer-Encoding: gzip", body=BODY),
    "a body that says it is too large": request(
        f"Content-Length: {MAX_BODY + 1}", body=BODY.ljust(MAX_BODY + 1)
    ),
    "a body that is too large": request(CHUNKED, body=chunked(*[BODY.ljust(1000)] * 11)),
    "an endless header": request(f"X-Long: {'a' * 200_000}", f"Content-Length: {SIZE}", body=BODY),
    "a header with a NUL": request("X-Nul: a\0b", f"Content-Length: {SIZE}", body=BODY),
    "no signature": posted(BODY).replace(b"Signature", b"Autograph"),
    "another's signature": request(f"Content-Length: {SIZE}", body=BODY, of=BODY + b" "),
}
"""Requests with the notification `BODY` in them, which must not be handled."""


Act = Callable[[], Coroutine[Any, Any, object]]


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
    "no ordinary exception": raising(BaseException()),
}
"""How a handler may end."""

FATAL: Mapping[str, Act] = {
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "SystemExit": raising(SystemExit(1)),
}
"""What ends the event loop, unless the server catches it."""


class Acting(ReceiverUnderTest):
    """A bot whose next run acts first."""

    act: Act | None = None

    async def run(self, notification: Notification[MessageData]) -> None:
        act, self.act = self.act, None
        if act is not None:
            await act()
        await super().run(notification)


serve_on_uvicorn = partial(serve_with_uvicorn, http="h11")


async def serve_with_eager_tasks(
    application: Application, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Serve an ASGI application on an event loop that starts tasks at once, where Python can."""
    eager = getattr(asyncio, "eager_task_factory", None)  # Python 3.11 lacks it
    asyncio.get_running_loop().set_task_factory(eager)
    await serve_on_uvicorn(application, listener, stop)


serve_without_grace: ServeOn = partial(serve_on_uvicorn, timeout_graceful_shutdown=0)
"""Cancels all requests as soon as it stops."""


@frozen(kw_only=True)
class Served:
    """A receiver on loopback."""

    port: int
    stop: asyncio.Event  # set it to stop the server
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


SERVERS = [
    pytest.param(serve_on_uvicorn, id="uvicorn"),
    pytest.param(serve_with_hypercorn, id="hypercorn", marks=pytest.mark.once),
]
EAGER_TASKS = pytest.param(serve_with_eager_tasks, id="eager tasks", marks=pytest.mark.once)

each_server = pytest.mark.parametrize("serve", SERVERS)
each_server_and_loop = pytest.mark.parametrize("serve", [*SERVERS, EAGER_TASKS])


@each_server
async def test_a_broken_request_is_not_handled(serve: ServeOn) -> None:
    """The response is never 2xx, alone or with others; after each one the receiver works."""
    bot = ReceiverUnderTest(max_body=MAX_BODY)
    async with served_by(serve, bot.receiver) as served:
        for number, (name, broken) in enumerate(BROKEN.items()):
            refused = await served.responses_to_part(broken)
            assert (name, [each for each in refused if each < 400]) == (name, [])
            assert await served.responses(posted(distinct(number))) == [204]
        await asyncio.gather(*(served.responses_to_part(each) for each in [*BROKEN.values()] * 5))

        assert bot.done == [f"MESSAGE-{number}" for number in range(len(BROKEN))]
        assert await served.responses(GOOD) == [204]
        assert bot.done[-1] == "MESSAGE"


@each_server
@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_a_request_may_be_cut_off_anywhere(serve: ServeOn, *, reset: bool) -> None:
    """A client that goes away before its request is complete has sent no notification."""
    bot = ReceiverUnderTest()
    parts = [GOOD[:length] for length in range(1, len(GOOD), 7)]
    async with served_by(serve, bot.receiver) as served:
        await asyncio.gather(*(served.responses_to_part(each, reset=reset) for each in parts))

        assert bot.started == []
        assert await served.responses(GOOD) == [204]

    assert bot.done == ["MESSAGE"]


@each_server
async def test_slow_senders_delay_nobody(serve: ServeOn) -> None:
    """A hundred senders that never finish delay no other request, not even a slow one."""
    bot = ReceiverUnderTest()
    async with served_by(serve, bot.receiver) as served:
        never_done = await asyncio.gather(*(served.begin(GOOD[:-1]) for _ in range(100)))
        slow = await served.begin(b"")
        for number, byte in enumerate(GOOD):
            slow.write(bytes([byte]))
            await slow.drain()
            if number % 100 == 0:
                assert await served.responses(posted(distinct(number))) == [204]
        await until(lambda: bot.done[-1] == "MESSAGE")
        for each in (slow, *never_done):
            each.close()


async def test_slow_senders_dont_outlast_the_server() -> None:
    """A server that stops waits for them no longer than its settings say."""
    bot = ReceiverUnderTest()
    async with served_by(serve_without_grace, bot.receiver) as served:
        never_done = [await served.begin(GOOD[:-1]), await served.begin(GOOD[:20])]
        assert await served.responses(GOOD) == [204]
        served.stop.set()
        await served.ended
        for each in never_done:
            each.close()

    assert bot.done == ["MESSAGE"]


@each_server
async def test_requests_may_share_a_connection(serve: ServeOn) -> None:
    """Each of several requests in one packet gets its own response."""
    bot = ReceiverUnderTest()
    unsigned = GOOD.replace(b"Signature", b"Autograph")
    one, two, three = (posted(distinct(each)) for each in range(3))
    several = b"".join(map(kept_alive, [one, unsigned, GOOD.replace(b"POST", b"GET"), two]))
    async with served_by(serve, bot.receiver) as served:
        assert await served.responses(several + three) == [204, 401, 405, 204, 204]

    assert len(bot.done) == 3


@each_server
async def test_a_large_body_is_not_a_request(serve: ServeOn) -> None:
    """A body that was refused unread is never parsed as the next request."""
    bot = ReceiverUnderTest(max_body=MAX_BODY)
    body = GOOD * 20
    async with served_by(serve, bot.receiver) as served:
        large = kept_alive(request(f"Content-Length: {len(body)}", body=body))
        refused = await served.responses_to_part(large)

    assert refused[:1] == [413]
    assert bot.started == []


@each_server_and_loop
async def test_a_flood(serve: ServeOn) -> None:
    """Beyond `max_pending` the response is 503; delivered again, each is handled, and once."""
    bot = ReceiverUnderTest(respond_within=0, max_pending=10)
    bot.may_end.clear()
    flood = [posted(distinct(number)) for number in range(25)]
    async with served_by(serve, bot.receiver) as served:
        assert sorted(await served.responses(*flood)) == [204] * 10 + [503] * 15
        await until(lambda: len(bot.started) == 10)
        bot.may_end.set()
        rounds = 0
        while (responses := await served.responses(*flood)) != [204] * 25:
            rounds += 1
            assert set(responses) == {204, 503}
            assert rounds < 50

    assert sorted(bot.done) == sorted(f"MESSAGE-{number}" for number in range(25))


@each_server_and_loop
async def test_clients_that_hang_up(serve: ServeOn) -> None:
    """Handlers go on when their clients hang up, and don't run again for copies."""
    bot = ReceiverUnderTest()
    bot.may_end.clear()
    requests = [posted(distinct(number)) for number in range(20)]
    async with served_by(serve, bot.receiver) as served:
        clients = [await served.begin(each) for each in requests]
        await until(lambda: len(bot.started) == 20)
        for each in clients:
            each.transport.abort()
        assert await served.responses(*requests) == [204] * 20
        bot.may_end.set()
        await until(lambda: len(bot.done) == 20)

    assert len(bot.started) == 20


@pytest.mark.parametrize(
    ("serve", "failures", "seconds"),
    [
        (serve_on_uvicorn, {**FAILURES, **FATAL}, None),
        (serve_with_hypercorn, FAILURES, None),
        (serve_on_uvicorn, FAILURES, 0),
    ],
    ids=["uvicorn", "hypercorn", "background"],
)
async def test_handlers_may_fail_in_any_way(
    serve: ServeOn, failures: Mapping[str, Act], *, seconds: float | None
) -> None:
    """The response is 500, or 204 in the background; the next delivery is handled."""
    bot = Acting(respond_within=seconds)
    async with served_by(serve, bot.receiver) as served:
        for number, (name, fail) in enumerate(failures.items()):
            again = posted(distinct(number))
            bot.act = fail
            assert (name, await served.responses(again)) == (
                name,
                [500 if seconds is None else 204],
            )
            await until(lambda: not bot.receiver._direct._pending)  # pyright: ignore[reportPrivateUsage] - nothing public says so
            assert (name, await served.responses(again, again)) == (name, [204, 204])

    assert bot.done == [f"MESSAGE-{number}" for number in range(len(failures))]


@each_server
async def test_a_server_that_stops_in_the_middle(serve: ServeOn) -> None:
    """A server that stops responds to the requests in progress, and accepts no others."""
    bot = ReceiverUnderTest()
    bot.may_end.clear()
    async with served_by(serve, bot.receiver) as served, asyncio.TaskGroup() as group:
        under_way = group.create_task(served.responses(*map(posted, map(distinct, range(20)))))
        await until(lambda: len(bot.started) == 20)
        served.stop.set()
        await served.stopped_listening()
        bot.may_end.set()

        assert await under_way == [204] * 20

    assert len(bot.done) == 20


@each_server_and_loop
async def test_a_server_that_stops_with_a_queue(serve: ServeOn) -> None:
    """A server that stops handles what it accepted before it ends."""
    bot = ReceiverUnderTest(respond_within=0)
    bot.may_end.clear()
    async with served_by(serve, bot.receiver) as served:
        assert await served.responses(*map(posted, map(distinct, range(100)))) == [204] * 100
        served.stop.set()
        await until(lambda: bot.receiver._direct._is_closing)  # pyright: ignore[reportPrivateUsage] - nothing public says so
        for _ in range(100):
            await asyncio.sleep(0)
        assert not served.ended.done()
        bot.may_end.set()
        await served.ended

    assert len(bot.done) == 100


async def test_a_server_that_cancels_its_requests() -> None:
    """What a server cancelled is handled when it comes again."""
    bot = ReceiverUnderTest()
    bot.may_end.clear()
    requests = [posted(distinct(number)) for number in range(20)]
    async with served_by(serve_without_grace, bot.receiver) as served:
        clients = [await served.begin(each) for each in requests]
        await until(lambda: len(bot.started) == 20)
        served.stop.set()
        await served.ended
        for each in clients:
            each.close()
    assert bot.done == []
    bot.may_end.set()
    async with served_by(serve_on_uvicorn, bot.receiver) as served:
        assert await served.responses(*requests, *requests) == [204] * 40

    assert sorted(bot.done) == sorted(f"MESSAGE-{number}" for number in range(20))
