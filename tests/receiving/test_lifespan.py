"""What starts and ends with a receiver."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import SECRET, Webex, noting
from tests.notifications.doubles import Conversation
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    Client,
    MessageContext,
    Notification,
    Receiver,
    ReceiverThread,
    SQLiteInbox,
    TransportError,
    lifespan_of,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = pytest.mark.once

BODY = sample_notification("messages", "created")
HEADERS = sign(BODY, SECRET)
MESSAGE = parse_unverified_notification(BODY)


class Lifespan:
    """A lifespan that notes what happens in which order.

    Args:
        yields: What it yields.
        at_start: What it raises when it is entered.
        at_end: What it raises when it is left.
    """

    def __init__(
        self,
        yields: Any = None,  # noqa: ANN401 - also what is wrong
        *,
        at_start: BaseException | None = None,
        at_end: Exception | None = None,
    ) -> None:
        self.events: list[str] = []
        self._yields = yields
        self._at_start = at_start
        self._at_end = at_end

    @asynccontextmanager
    async def __call__(self, receiver: Receiver) -> AsyncGenerator[Any]:
        if isinstance(receiver, Bot):
            with pytest.raises(RuntimeError, match="doesn't know itself"):
                _ = receiver.me
        self.events.append("begin")
        if self._at_start is not None:
            raise self._at_start
        try:
            yield self._yields
        finally:
            self.events.append("end")
        if self._at_end is not None:
            raise self._at_end


@pytest.fixture
def webex(webex_sandbox: Sandbox, webex_client: Client) -> Webex:
    """A local Webex, and a client that calls it."""
    return Webex(webex_sandbox, webex_client)


Make = Callable[..., Receiver]


@pytest.fixture(params=["receiver", "bot"])
def make(request: pytest.FixtureRequest, webex: Webex) -> Make:
    """Makes a receiver, or a bot, with a handler of new messages that isn't to run."""

    def made(**options: Any) -> Receiver:  # noqa: ANN401 - any option
        receiver = webex.bot(**options) if request.param == "bot" else Receiver(SECRET, **options)
        receiver.on("messages", "created")(handle)
        return receiver

    return made


async def test_a_lifespan_is_around_all_handlers(make: Make) -> None:
    """At each start it is entered first, and left last; what it yields is in `state`."""
    lifespan, release = Lifespan({"number": 7}), asyncio.Event()
    receiver = make(lifespan=lifespan, respond_within=0)

    @receiver.on("messages", "deleted")
    async def handle(_: Notification[Any]) -> None:
        await release.wait()
        lifespan.events.append(f"handler {receiver.state.number}")

    body = sample_notification("messages", "deleted")
    for _ in range(2):
        async with receiver:
            assert await receiver.handle(body, sign(body, SECRET)) == 204
            dispatching = asyncio.create_task(
                receiver.dispatch(parse_unverified_notification(body))
            )
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(release.set)
        await dispatching
        body += b" "
        release.clear()

    assert lifespan.events == ["begin", "handler 7", "handler 7", "end"] * 2
    with pytest.raises(AttributeError, match="the state has no 'number': yield"):
        _ = receiver.state.number


async def test_nothing_is_handled_before_the_lifespan(make: Make, caplog: Log) -> None:
    """Neither a request nor `dispatch`; without a lifespan, a receiver needs no start."""
    receiver = make(lifespan=Lifespan())
    assert await receiver.handle(BODY, HEADERS) == 503
    assert "isn't running: " in caplog.text
    with pytest.raises(RuntimeError, match="isn't running: "):
        await receiver.dispatch(MESSAGE)


async def handle(_: object) -> None:
    """Fail."""
    raise AssertionError("nothing may be handled")


@pytest.mark.parametrize(
    ("options", "error", "events"),
    [
        ({"at_start": TransportError("no database")}, TransportError("no database"), "begin"),
        (
            {"yields": [1]},
            TypeError("lifespan must yield a mapping, whose keys are names in the state, or nothi"),
            "begin end",
        ),
    ],
)
async def test_a_lifespan_that_fails_ends_the_start(
    options: dict[str, Any],
    error: Exception,
    events: str,
    make: Make,
    webex: Webex,
) -> None:
    """The start raises its error, also that of an outage, and leaves nothing open."""
    lifespan = Lifespan(**options)
    receiver = make(lifespan=lifespan)
    for _ in range(2):  # it isn't "started" already
        with pytest.raises(type(error), match=str(error)):
            await receiver.start()
    assert webex.sandbox.requests == ()
    assert " ".join(lifespan.events) == f"{events} {events}"


async def test_a_lifespan_that_swallows_errors_fails_all_the_same(make: Make) -> None:
    """The error for what it yields isn't raised inside of it, where it could be lost."""
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[Any]:
        with suppress(TypeError):
            yield "a pool"
        events.append("end")

    receiver = make(lifespan=lifespan)
    with pytest.raises(TypeError, match=r'got str: write yield \{"name": ...\}'):
        await receiver.start()
    assert events == ["end"]


async def test_a_lifespan_is_an_async_context_manager() -> None:
    """Something else that the function returns is an error that says what to write."""
    receiver = Receiver(SECRET, lifespan=lambda _: {"number": 7})  # type: ignore[arg-type,return-value] # it is refused
    with refused("TypeError: lifespan must return an async context manager, got dict: decorate "):
        await receiver.start()


async def test_what_a_lifespan_raises_at_its_end_is_raised(make: Make) -> None:
    """Everything else has ended by then, and the receiver can be started again."""
    lifespan = Lifespan(at_end=ConnectionError("the pool is broken"))
    receiver = make(lifespan=lifespan)
    for _ in range(2):
        await receiver.start()
        with pytest.raises(ConnectionError, match="the pool is broken"):
            await receiver.aclose()
    assert lifespan.events == ["begin", "end"] * 2


async def test_an_inbox_is_open_until_the_lifespan_has_ended(webex: Webex, tmp_path: Path) -> None:
    """What is enqueued at its end is stored, and nothing stays open."""
    inbox = SQLiteInbox(tmp_path / "inbox.db")

    @asynccontextmanager
    async def lifespan(bot: Bot) -> AsyncGenerator[None]:
        yield
        assert await bot.enqueue("remind", 1)

    bot = webex.bot(lifespan=lifespan, inbox=inbox)
    bot.job("remind")(handle)
    async with bot:
        pass
    assert inbox._thread is None  # pyright: ignore[reportPrivateUsage] - nothing public says so
    assert (await inbox.counts()).waiting == 1
    await inbox.aclose()


async def test_the_server_learns_what_a_lifespan_raises_at_its_end(make: Make) -> None:
    """It logs that; after an exception alone it would log that lifespans aren't supported."""
    server = Conversation({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    receiver = make(lifespan=Lifespan(at_end=ConnectionError("the pool is broken")))
    with pytest.raises(ConnectionError):
        await receiver({"type": "lifespan"}, server.receive, server.send)

    assert server.sent[-1]["type"] == "lifespan.shutdown.failed"
    assert server.sent[-1]["message"].endswith("ConnectionError: the pool is broken")


async def test_the_server_learns_what_fails_in_the_background() -> None:
    """The task group of a lifespan cancels what waits for the server, which isn't the reason."""

    async def fail() -> None:
        raise ConnectionError("the feed is broken")

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            yield

    class RunningServer(Conversation):
        async def receive(self) -> dict[str, Any]:
            if not self.unread:
                await asyncio.Event().wait()
            return await super().receive()

    server = RunningServer({"type": "lifespan.startup"})
    with pytest.raises(ExceptionGroup):
        await Receiver(SECRET, lifespan=lifespan)({"type": "lifespan"}, server.receive, server.send)
    assert "ConnectionError: the feed is broken" in server.sent[-1]["message"]


async def test_a_start_that_fails_leaves_the_lifespan(webex: Webex) -> None:
    """What Webex refuses ends the start, and the lifespan with it."""
    lifespan = Lifespan()
    bot = webex.bot(lifespan=lifespan, target_url=None)
    webex.sandbox.fail(status=401)
    with pytest.raises(Exception, match="401"):
        await bot.start()
    assert lifespan.events == ["begin", "end"]


async def test_what_is_closed_while_it_starts_does_not_run(make: Make) -> None:
    """The start raises an error, and leaves nothing open; the next one works."""
    events: list[str] = []
    release = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[None]:
        events.append("begin")
        await release.wait()
        yield
        events.append("end")

    receiver = make(lifespan=lifespan)
    starting = asyncio.create_task(receiver.start())
    await until(lambda: bool(events))
    await receiver.aclose()
    release.set()
    with pytest.raises(RuntimeError, match="was closed while it started"):
        await starting
    assert events == ["begin", "end"]
    async with receiver:
        assert await receiver.claim("report", 1.0)
    assert events == ["begin", "end"] * 2


@pytest.mark.parametrize("wrong", [7, "lifespan"])
def test_a_lifespan_is_a_function(wrong: Any) -> None:  # noqa: ANN401 - what is wrong
    """Anything else is an error at once."""
    with refused("TypeError: lifespan must be a function that takes the bot, got "):
        Receiver(SECRET, lifespan=wrong)


async def test_handlers_of_messages_get_a_copy_of_the_state(webex: Webex) -> None:
    """What one sets isn't seen by the next one, nor in `bot.state`."""
    yielded = {"sessions": "a pool", "copy": "any name"}
    bot = webex.bot(lifespan=Lifespan(yielded))
    seen: list[dict[str, object]] = []

    @bot.message()
    async def note(context: MessageContext) -> None:
        seen.append(dict(vars(context.state)))
        context.state.sessions = None

    await webex.hear(bot, "Hello", "Hello")
    assert seen == [yielded] * 2


def test_a_thread_enters_and_leaves_the_lifespan() -> None:
    """A receiver in a thread has one, too."""
    lifespan = Lifespan({"number": 7})
    receiver = Receiver(SECRET, lifespan=lifespan)
    receiver.on()(noting(lifespan.events, lambda _: f"handler {receiver.state.number}"))
    with ReceiverThread(receiver) as thread:
        assert thread.handle(BODY, HEADERS) == 204
    assert lifespan.events == ["begin", "handler 7", "end"]


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (ConnectionError("no database"), nullcontext(), "Traceback "),
        (SystemExit("no database"), pytest.raises(SystemExit), "SystemExit: "),
    ],
)
async def test_a_server_that_runs_the_lifespan_learns_what_fails(
    error: BaseException, raised: AbstractContextManager[object], message: str
) -> None:
    """So it doesn't serve, and shows where that is; a `SystemExit` is in a line."""
    server = Conversation({"type": "lifespan.startup"})
    with raised:
        await Receiver(SECRET, lifespan=Lifespan(at_start=error))(
            {"type": "lifespan"}, server.receive, server.send
        )
    (sent,) = server.sent
    assert sent["type"] == "lifespan.startup.failed"
    assert sent["message"].startswith(message)
    assert sent["message"].endswith(f"{type(error).__name__}: no database")


async def test_an_application_is_around_its_parts(make: Make) -> None:
    """They are entered in order, and left in the opposite one; its state is what they yield."""
    events: list[str] = []

    def named(name: str, **yields: int) -> Any:  # noqa: ANN401 - a lifespan function
        @asynccontextmanager
        async def lifespan(of: object) -> AsyncGenerator[dict[str, int] | None]:
            events.append(f"begin {name} of {'a receiver' if isinstance(of, Receiver) else of}")
            yield yields or None
            events.append(f"end {name}")

        return lifespan

    receiver = make(lifespan=named("its own", number=7))
    parts = named("sessions", sessions=1), receiver, named("watch"), named("cache", cache=2)
    lifespan = lifespan_of(*parts)
    for _ in range(2):
        async with lifespan("it") as state:
            events.append("serving")
        assert state == {"sessions": 1, "cache": 2}

    begins = "begin sessions of it", "begin its own of a receiver", "begin watch of it"
    ends = "end cache", "end watch", "end its own", "end sessions"
    assert events == [*begins, "begin cache of it", "serving", *ends] * 2


async def test_an_application_without_a_state() -> None:
    """A server that has no place for one still starts it."""
    async with lifespan_of(Receiver(SECRET))(None) as state:
        pass

    assert state is None


async def test_two_names_of_one_thing() -> None:
    """A name that is yielded twice ends the start; what has begun is left."""
    first, second = Lifespan({"a": 1, "b": 1}), Lifespan({"b": 2})
    with pytest.raises(ValueError, match="two lifespans yield 'b': rename one"):
        async with lifespan_of(first, second)(None):
            pass

    assert first.events == second.events == ["begin", "end"]


def test_what_is_no_part_of_an_application() -> None:
    """No parts at all, and what neither is entered nor called, are errors at once."""
    wrong: Any = "bot"
    with refused("TypeError: lifespan_of takes what starts with"):
        lifespan_of()
    with refused("TypeError: lifespan_of takes bots, receivers and functions"):
        lifespan_of(wrong)
