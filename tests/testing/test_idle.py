"""Waiting until everything that was said has been handled."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.bot.doubles import SECRET, Webex
from tests.support.wire import PATIENCE, until
from tests.testing.doubles import ANN, BOT, NEW, Api, created
from webex_webhooks_async import (
    Bot,
    JobContext,
    MessageContext,
    Receiver,
    ReceiverThread,
    SQLiteInbox,
)
from webex_webhooks_async.receiving.activity import activities
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import InboxCounts, InboxEntry


@pytest.fixture(params=["background", "inbox"])
def bot(request: pytest.FixtureRequest, webex: Webex, tmp_path: Path) -> Bot:
    """A bot that responds before its handlers run."""
    if request.param == "inbox":
        return webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"))
    return webex.bot(respond_within=0)


async def test_nothing_to_wait_for(webex_sandbox: Sandbox) -> None:
    """It returns at once where nothing happens; a negative time is refused."""
    await webex_sandbox.idle(timeout=timedelta(0))
    with pytest.raises(ValueError, match="not negative, of a century at most, got -1"):
        await webex_sandbox.idle(timeout=-1)


async def test_handlers(webex: Webex, bot: Bot) -> None:
    """It waits for each handler, and for what the handlers say and do."""
    done: list[str] = []

    @bot.message()
    async def echo(context: MessageContext) -> None:
        await context.reply("Wait")
        await asyncio.sleep(0.02)
        done.append(context.text)

    async with webex.running(bot):
        for text in ("one", "two", "three"):
            await webex.sandbox.say(text)
        await webex.sandbox.idle(PATIENCE)
        assert sorted(done) == ["one", "three", "two"]
        assert len(webex.sandbox.messages) == 6


async def test_jobs(webex: Webex, tmp_path: Path) -> None:
    """It waits for jobs that are due, and for those that they enqueue, not for later ones."""
    bot = webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"))
    done: list[object] = []

    @bot.job("count")
    async def count(context: JobContext) -> None:
        done.append(context.value)
        if context.value < 3:
            await context.enqueue("count", context.value + 1)

    @bot.message()
    async def begin(context: MessageContext) -> None:
        await context.enqueue("count", 0)
        await context.enqueue("count", 100, after=3600)

    async with webex.running(bot):
        await webex.sandbox.say("Go")
        await webex.sandbox.idle(PATIENCE)

    assert done == [0, 1, 2, 3]


async def test_what_fails(webex: Webex, bot: Bot) -> None:
    """What a handler raises is raised, once; another attempt later isn't waited for."""
    may_fail = asyncio.Event()

    @bot.message()
    async def fail(context: MessageContext) -> None:
        await may_fail.wait()
        raise TimeoutError(context.text)  # as `idle` itself does

    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        asyncio.get_running_loop().call_later(0.05, may_fail.set)  # while `idle` waits
        with pytest.raises(TimeoutError, match=r"\AHello\Z"):
            await webex.sandbox.idle(PATIENCE)
        await webex.sandbox.idle(PATIENCE)


async def test_too_long(webex: Webex, bot: Bot) -> None:
    """The error names what runs, and where it was in time."""
    may_end, has_begun = asyncio.Event(), asyncio.Event()

    @bot.message()
    async def wait(_context: MessageContext) -> None:
        has_begun.set()
        await may_end.wait()

    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        await has_begun.wait()
        with pytest.raises(TimeoutError, match=r"not idle within 0\.05 seconds: messages created "):
            await webex.sandbox.idle(timeout=0.05)
        may_end.set()
        await webex.sandbox.idle(PATIENCE)


async def test_deliveries(webex_sandbox: Sandbox, api: Api) -> None:
    """It waits for deliveries, also for those that follow from a request after its response."""
    may_respond = asyncio.Event()

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await may_respond.wait()
        await Response(status_code=204)(scope, receive, send)

    webex_sandbox.deliver_to(respond)
    await created(api, "/webhooks", BOT, **NEW)
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url, headers=ANN, trust_env=False) as ann,
    ):
        await created(ann, "messages", ANN, toPersonEmail="sandbox@webex.bot", text="Hello")
        with pytest.raises(
            TimeoutError, match=r"seconds: .*a delivery to https://example\.com/hook"
        ):
            await webex_sandbox.idle(timeout=0.05)
        may_respond.set()
        await webex_sandbox.idle(PATIENCE)

    assert [each.status_code for each in webex_sandbox.deliveries] == [204]


class SlowInbox(SQLiteInbox):
    """An inbox in which it takes a while to take an entry."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_end = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.before_counts: Callable[[], Awaitable[object]] | None = None

    async def take(self) -> InboxEntry | None:
        entry = await super().take()
        if entry is not None:
            self.has_begun.set()
            await self.may_end.wait()
        return entry

    async def counts(self) -> InboxCounts:
        if self.before_counts is not None:
            await self.before_counts()
        return await super().counts()


@pytest.fixture
def slow(tmp_path: Path) -> SlowInbox:
    """A slow inbox."""
    return SlowInbox(tmp_path / "inbox.db")


async def test_what_is_being_taken(webex: Webex, slow: SlowInbox) -> None:
    """It waits for an entry that is taken already, and has no handler that runs yet."""
    bot = webex.bot(inbox=slow)
    bot.message()(_nothing)
    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        await slow.has_begun.wait()
        await until(lambda: ["an entry of the inbox"] in [each.running() for each in activities])
        slow.may_end.set()
        await webex.sandbox.idle(PATIENCE)


async def test_what_is_taken_while_it_looks(webex: Webex, slow: SlowInbox) -> None:
    """It waits for an entry that is taken between its look at the worker and that at the inbox."""
    bot = webex.bot(inbox=slow)
    done: list[object] = []

    @bot.job("order")
    async def order(context: JobContext) -> None:
        done.append(context.value)

    async def enqueue() -> None:
        slow.before_counts = None
        await bot.enqueue("order", "Soup")
        await slow.has_begun.wait()

    async with webex.running(bot):
        await webex.sandbox.idle(PATIENCE)
        slow.before_counts = enqueue
        try:
            with pytest.raises(TimeoutError, match="an entry of the inbox"):
                await webex.sandbox.idle(timeout=0.05)
        finally:
            slow.may_end.set()
        await webex.sandbox.idle(PATIENCE)
        assert done == ["Soup"]


async def test_an_inbox_that_fails(webex: Webex, slow: SlowInbox) -> None:
    """An inbox that can't be read isn't idle, and the error says why."""
    bot = webex.bot(inbox=slow)
    bot.message()(_nothing)

    async def fail() -> None:
        raise OSError("the disk is full")

    async with webex.running(bot):
        slow.before_counts = fail
        with pytest.raises(TimeoutError, match=r"an inbox that can't be read .*the disk is full"):
            await webex.sandbox.idle(timeout=0.05)


async def _nothing(_context: MessageContext) -> None:
    """Do nothing."""


@asynccontextmanager
async def in_a_thread(sandbox: Sandbox, bot: Bot) -> AsyncGenerator[None]:
    """Let a bot run in a thread of its own, as under Flask."""
    thread = ReceiverThread(bot)

    async def wsgi(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        status = await asyncio.to_thread(thread.handle, body, dict(scope["headers"]))
        await Response(status_code=status)(scope, receive, send)

    sandbox.deliver_to(wsgi)
    await asyncio.to_thread(thread.start)
    try:
        yield
    finally:
        await asyncio.to_thread(thread.close)


async def test_a_bot_in_a_thread(
    webex_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a bot with its own event loop and inbox, and raises what fails there."""
    done: list[str] = []
    async with webex_sandbox.serve() as base_url:
        monkeypatch.setenv("WEBEX_BASE_URL", base_url)
        monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "any-token")
        monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("WEBEX_TARGET_URL", "https://bot.example.com/webex")
        bot = Bot.from_env(inbox=SQLiteInbox(tmp_path / "inbox.db"))

        @bot.message()
        async def note(context: MessageContext) -> None:
            await asyncio.sleep(0.02)
            done.append(context.text)
            if context.text == "fail":
                raise LookupError("dish")

        async with in_a_thread(webex_sandbox, bot):
            await webex_sandbox.say("Hello")
            await webex_sandbox.idle(PATIENCE)
            assert done == ["Hello"]
            await webex_sandbox.say("fail")
            with pytest.raises(LookupError, match="dish"):
                await webex_sandbox.idle(PATIENCE)


async def test_something_else(webex: Webex) -> None:
    """Other work of a receiver counts as a handler, by its name, until its end."""
    bot = webex.bot()
    bot.message()(_nothing)
    before = set(activities)
    async with webex.running(bot):
        (activity,) = set(activities) - before
        with (
            activity.of("a catch-up"),
            pytest.raises(TimeoutError, match=r"not idle within 0 seconds: a catch-up$"),
        ):
            await webex.sandbox.idle(timeout=0)
        await webex.sandbox.idle(timeout=PATIENCE)
    assert activity not in activities


async def test_a_receiver_that_was_left(webex_sandbox: Sandbox, tmp_path: Path) -> None:
    """A receiver whose event loop has ended, without its own end, does nothing any more."""
    receiver = Receiver(SECRET, inbox=SQLiteInbox(tmp_path / "inbox.db"))
    await asyncio.to_thread(asyncio.run, receiver.start())

    await webex_sandbox.idle(timeout=0)

    await receiver.aclose()
