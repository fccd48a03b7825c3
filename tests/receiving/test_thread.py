"""A receiver in a thread, for programs without an event loop."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.bot.doubles import echo, noting, texts
from tests.examples.serving import settings_of
from tests.support.logs import Log
from tests.support.programs import printed_by
from tests.support.wire import PATIENCE, until
from webex_webhooks_async import (
    Bot,
    MessageContext,
    PermissionDeniedError,
    Receiver,
    ReceiverThread,
    SQLiteInbox,
    sign,
)
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
async def served(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    """Serve the sandbox, which the bot calls from another event loop."""
    async with webex_sandbox.serve() as base_url:
        settings = settings_of(base_url, WEBEX_TARGET_URL="", WEBEX_WEBHOOK_SECRET="a-secret")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        await webex_sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
        yield


def echoing(**options: Any) -> Bot:  # noqa: ANN401 - a bot's
    """A bot that says back what it hears."""
    bot = Bot.from_env(**options)
    bot.message()(echo)
    return bot


def handle(bot_thread: ReceiverThread, id_: str = "N1") -> int:
    """Receive a signed notification of the message."""
    body = sample_notification("messages", "created", id=id_, data={"id": "M1"})
    return bot_thread.handle(body, sign(body, "a-secret"))


async def test_it_starts_with_the_first_request(webex_sandbox: Sandbox) -> None:
    """Several requests at once start it once; each gets the status when its handlers have run."""
    bot = echoing()
    bot_thread = ReceiverThread(bot)
    statuses = await asyncio.gather(
        *(asyncio.to_thread(handle, bot_thread, f"N{number}") for number in range(3))
    )
    me = await asyncio.to_thread(bot_thread.run, bot.client.get("people/me"))
    await asyncio.to_thread(bot_thread.close)

    assert statuses == [204, 204, 204]
    assert texts(webex_sandbox)[1:] == ["You said: Hello"] * 3
    assert isinstance(me, dict)
    assert [each.path for each in webex_sandbox.requests].count("/v1/people/me") == 2
    assert bot.client.http_client.is_closed


async def test_a_start_that_fails_is_tried_again(webex_sandbox: Sandbox) -> None:
    """The caller gets the error, and the next request finds a bot that works."""
    bot_thread = ReceiverThread(echoing())
    webex_sandbox.fail(status=403)
    with pytest.raises(PermissionDeniedError, match="people/me"):
        await asyncio.to_thread(handle, bot_thread)
    status = await asyncio.to_thread(handle, bot_thread)
    await asyncio.to_thread(bot_thread.close)

    assert status == 204
    assert texts(webex_sandbox)[1:] == ["You said: Hello"]


async def test_what_was_accepted_is_finished_at_the_end(webex_sandbox: Sandbox) -> None:
    """`close` waits for the handlers; each start of a bot in a thread has the same event loop."""
    bot = echoing(respond_within=0)
    bot_thread = ReceiverThread(bot)
    loops: list[object] = []
    bot.on("messages")(noting(loops, lambda _: asyncio.get_running_loop()))
    for number in range(2):
        await asyncio.to_thread(handle, bot_thread, f"N{number}")
        await asyncio.to_thread(bot_thread.close)
        await asyncio.to_thread(bot_thread.close)
        assert texts(webex_sandbox)[1:] == ["You said: Hello"] * (number + 1)

    assert len(loops) == 2
    assert loops[0] is loops[1]


async def test_an_error_at_the_end_is_raised(tmp_path: Path) -> None:
    """What closes it gets to know it."""

    class Failing(SQLiteInbox):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError("the disk is gone")

    bot_thread = ReceiverThread(echoing(inbox=Failing(tmp_path / "inbox.db")))
    await asyncio.to_thread(bot_thread.start)
    with pytest.raises(OSError, match="the disk is gone"):
        await asyncio.to_thread(bot_thread.close)


async def test_a_thread_of_a_handler_may_wait(webex_sandbox: Sandbox) -> None:
    """Also for what it runs while the bot is being closed, which waits for the handler."""
    bot = Bot.from_env(respond_within=0)
    bot_thread = ReceiverThread(bot)
    closing = threading.Event()
    errors: list[str] = []

    def business(context: MessageContext) -> None:
        for call in (bot_thread.close, bot_thread.start):
            with pytest.raises(RuntimeError) as caught:
                call()
            errors.append(str(caught.value))
            closing.wait()
        bot_thread.run(context.send("Done"))

    @bot.message()
    async def handler(context: MessageContext) -> None:
        await asyncio.to_thread(business, context)

    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(handle, bot_thread)
        closers = [asyncio.create_task(asyncio.to_thread(bot_thread.close)) for _ in range(2)]
        await until(lambda: bot._direct._is_closing)  # pyright: ignore[reportPrivateUsage] - nothing public says so
        closing.set()
        await asyncio.gather(*closers)

    assert texts(webex_sandbox)[1:] == ["Done"]
    assert ["close its own" in errors[0], "is being closed" in errors[1]] == [True, True]


async def test_a_callback_ends_no_loop(webex_sandbox: Sandbox, caplog: Log) -> None:
    """What asyncio would end it with is logged, and neither this call nor the next one hangs."""
    bot = Bot.from_env()
    bot_thread = ReceiverThread(bot)

    @bot.message()
    async def leave(context: MessageContext) -> None:
        asyncio.get_running_loop().call_soon(sys.exit, 2)
        await context.reply("Done")

    for number in range(2):
        assert await asyncio.to_thread(handle, bot_thread, f"N{number}") == 204
    await asyncio.to_thread(bot_thread.close)

    assert texts(webex_sandbox)[1:] == ["Done", "Done"]
    assert caplog.text.count("a callback in the thread of a receiver raised this exception") == 2
    assert "SystemExit: 2" in caplog.text


class InterruptionError(BaseException):
    """As Ctrl-C, an alarm, or the time limit of a task queue."""


class Slow(Receiver):
    """Interrupts the main thread, which waits for its start, and goes on when it may."""

    def __init__(self) -> None:
        super().__init__("a-secret")
        self.may_go_on = threading.Event()
        self.starts = self.ends = self.interruptions = 0
        signal.signal(signal.SIGUSR1, self._interrupt_once)

    async def start(self) -> Self:
        self.starts += 1
        await until(self._has_interrupted)
        await asyncio.to_thread(self.may_go_on.wait)
        return await super().start()

    async def aclose(self) -> None:
        self.ends += 1
        await super().aclose()

    def _has_interrupted(self) -> bool:
        """Send the signal again: one that comes just before the thread waits doesn't wake it."""
        if not self.interruptions:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return self.interruptions > 0

    def _interrupt_once(self, number: int, frame: object) -> None:
        if not self.interruptions:
            self.interruptions += 1
            raise InterruptionError


@pytest.fixture
def handler_of_signals() -> Iterator[None]:
    """Let the signal do afterwards what it did before."""
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals don't interrupt a lock there")
@pytest.mark.usefixtures("handler_of_signals")
def test_an_interrupted_start_goes_on() -> None:
    """The next call waits for it, and `close` ends the receiver, in each of 20 rounds."""
    receivers: list[Slow] = []
    statuses: list[int] = []
    for _ in range(20):
        receivers.append(receiver := Slow())
        thread = ReceiverThread(receiver)
        with pytest.raises(InterruptionError):
            thread.start()
        receiver.may_go_on.set()
        statuses.append(thread.handle(b"", {}))
        thread.close()

    assert statuses == [401] * 20
    assert [(each.starts, each.ends) for each in receivers] == [(1, 1)] * 20


@pytest.mark.skipif(sys.platform == "win32", reason="signals don't interrupt a lock there")
@pytest.mark.usefixtures("handler_of_signals")
def test_an_interrupted_start_is_closed() -> None:
    """`close` waits for the start, and ends the receiver; `with` does that, too."""
    receiver = Slow()
    thread = ReceiverThread(receiver)
    with pytest.raises(InterruptionError):
        thread.start()
    receiver.may_go_on.set()
    thread.close()
    entered = Slow()
    entered.may_go_on.set()
    with pytest.raises(InterruptionError), ReceiverThread(entered):
        pytest.fail("it was interrupted")

    assert [(each.starts, each.ends) for each in (receiver, entered)] == [(1, 1)] * 2


async def test_it_is_a_context_manager(webex_sandbox: Sandbox) -> None:
    """`with` starts the receiver, and ends it."""
    bot = echoing()

    def serve() -> int:
        with ReceiverThread(bot) as bot_thread:
            assert bot.is_ready
            return handle(bot_thread)

    assert await asyncio.to_thread(serve) == 204
    assert texts(webex_sandbox)[1:] == ["You said: Hello"]
    assert bot.client.http_client.is_closed


def test_the_start_and_the_end_are_in_one_task() -> None:
    """Some lifespans need it, as one with a task group of anyio."""
    tasks: list[object] = []

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[None]:
        tasks.append(asyncio.current_task())
        yield
        tasks.append(asyncio.current_task())

    with ReceiverThread(Receiver("a-secret", lifespan=lifespan)):
        pass
    begun, ended = tasks
    assert begun is ended


async def test_a_start_that_fails_while_it_is_closed() -> None:
    """Only what started it gets the error."""
    may_fail = threading.Event()

    class Failing(Receiver):
        async def start(self) -> Self:
            await asyncio.to_thread(may_fail.wait)
            raise LookupError("no start")

    thread = ReceiverThread(Failing("a-secret"))
    starting = asyncio.create_task(asyncio.to_thread(thread.start))
    await until(lambda: thread._life is not None)  # pyright: ignore[reportPrivateUsage] - nothing public says so
    closing = asyncio.create_task(asyncio.to_thread(thread.close))
    await until(lambda: thread._life is None)  # pyright: ignore[reportPrivateUsage] - the same
    may_fail.set()

    with pytest.raises(LookupError, match="no start"):
        await starting
    await closing


async def test_a_handler_cannot_wait_for_its_own_thread() -> None:
    """It would wait forever, so it is an error that says what to write."""
    bot = Bot.from_env()
    bot_thread = ReceiverThread(bot)
    errors: list[str] = []

    @bot.message()
    async def wait(context: MessageContext) -> None:
        for call in (lambda: bot_thread.run(context.send("Hello")), bot_thread.close):
            with pytest.raises(RuntimeError) as caught:
                call()
            errors.append(str(caught.value))

    await asyncio.to_thread(handle, bot_thread)
    await asyncio.to_thread(bot_thread.close)

    assert errors == ["a handler can't wait for its own event loop: use await there"] * 2


WITHOUT_A_CLOSE = """
import asyncio, logging, os, sys, threading
from webex_webhooks_async import Receiver, ReceiverThread, SQLiteInbox, sign
logging.disable()  # of the request that is refused
os.dup2(1, 2)  # so that all that is printed comes
receiver = Receiver("a-secret", inbox=SQLiteInbox(sys.argv[1]))
thread = ReceiverThread(receiver)
body = sys.stdin.buffer.read()
signature = sign(body, "a-secret")
started = threading.Event()

@receiver.on("messages")
async def finish(notification):
    started.set()
    while await receiver.handle(body, signature) != 503:  # until the receiver ends
        await asyncio.sleep(0)
    print("finished")

thread.handle(body, signature)
started.wait()
"""


async def test_it_ends_with_the_process(tmp_path: Path) -> None:
    """The notifications that were accepted are finished, and nothing else is printed."""
    body = sample_notification("messages", "created", data={"id": "M1"})
    printed = await printed_by("-c", WITHOUT_A_CLOSE, tmp_path / "inbox.db", sent=body)

    assert printed == ["finished"]


AFTER_A_FORK = """
import os, warnings
from webex_webhooks_async import Receiver, ReceiverThread
warnings.simplefilter("ignore")  # newer Pythons warn of what this is about
closed, thread = (ReceiverThread(Receiver("a-secret")) for _ in range(2))
closed.start()
closed.close()
thread.start()
if os.fork() == 0:
    thread.close()  # there is nothing to close
    try:
        thread.handle(b"", {})
    except RuntimeError as error:
        print(error)
        print(closed.handle(b"", {}))
else:
    os.wait()
"""


async def test_a_fork_leaves_the_thread_behind() -> None:
    """One that was started before is an error that says where to start it; a closed one works."""
    error, status = await printed_by("-c", AFTER_A_FORK)

    assert "was started before the process was forked" in error
    assert status == "401"


def test_it_takes_a_receiver() -> None:
    """Anything else is an error at once."""
    with pytest.raises(TypeError, match="receiver must be Receiver, got the class Bot: pass an"):
        ReceiverThread(Bot)  # type: ignore[arg-type] # it is refused


def test_it_runs_a_coroutine() -> None:
    """Anything else is an error that says so, such as a function that wasn't called."""
    with pytest.raises(TypeError, match="what calling an async function returns, got method"):
        ReceiverThread(Receiver("a-secret")).run(Bot.from_env().aclose)  # type: ignore[arg-type] # it is refused
