"""An outage of Webex, which uses up no attempt of what a bot handles."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import SECRET, URL, Webex
from tests.support.clocks import Time, let_pass, timed
from tests.support.inboxes import stored_in
from tests.support.logs import Log
from tests.support.wire import idle_loop, until
from webex_webhooks_async import (
    Bot,
    Client,
    JobContext,
    MessageContext,
    RetryPolicy,
    SQLiteInbox,
    TransportError,
    attempt,
)
from webex_webhooks_async.types import Attempt, InboxEntry, StoredNotification

pytestmark = pytest.mark.once

PLACE = "ann@example.com"


class Shift:
    """Bots that share an inbox, and say what a job tells them to, in a time that is set."""

    def __init__(self, webex: Webex, path: Path) -> None:
        self.webex = webex
        self.path = path
        self.time = Time()
        self.inbox = SQLiteInbox
        self.attempts: list[Attempt] = []
        self.errors: list[Exception] = []

    def bot(self, **options: Any) -> Bot:  # noqa: ANN401 - any option
        """A process."""
        client = Client(
            "sandbox-token", http_client=self.webex.sandbox.http_client(), retry=RetryPolicy.none()
        )
        inbox = self.inbox(self.path, clock=self.time.now_in_seconds)
        bot = timed(Bot, clock=self.time, sleep=self.time.sleep)(
            client,
            SECRET,
            target_url=URL,
            inbox=inbox,
            watch_every=None,
            catch_up=None,
            on_error=lambda error, _: self.errors.append(error),
            **options,
        )

        @bot.job("say")
        async def say(context: JobContext) -> None:
            self.attempts.append(attempt())
            await context.send(context.value, to_person_email=PLACE)

        bot.message()(self.echo)
        return bot

    async def echo(self, context: MessageContext) -> None:
        self.attempts.append(attempt())
        await context.reply(f"You said: {context.text}")

    async def until(self, condition: Callable[[], bool], *, hangs: bool) -> None:
        """Wait until something is so; if Webex hangs, without the time that requests wait."""
        if hangs:
            while not condition():
                await idle_loop()
                let_pass(31)
        await until(condition)

    async def recover(self) -> None:
        """End the outage, and let time pass until everything is completed."""
        self.webex.sandbox.clear_faults()
        while self.stored:
            await self.time.pass_(1)

    @property
    def stored(self) -> list[StoredNotification]:
        return stored_in(self.path, self.time.now_in_seconds)

    @property
    def probes(self) -> int:
        """How often somebody has asked for `people/me`."""
        return sum(each.path == "/v1/people/me" for each in self.webex.sandbox.requests)

    @asynccontextmanager
    async def running(self, bot: Bot) -> AsyncGenerator[int]:
        """Run a bot that hears what is said; yield how many have asked who they are by then."""
        async with self.webex.running(bot):
            yield self.probes


@pytest.fixture
def shift(webex: Webex, tmp_path: Path) -> Shift:
    """Bots that share an inbox."""
    webex.sandbox.raise_handler_errors = False
    return Shift(webex, tmp_path / "inbox.db")


def lines(caplog: Log, part: str) -> list[str]:
    """The levels of the log records that say this."""
    return [each.levelname for each in caplog.records if part in each.getMessage()]


@pytest.mark.parametrize(
    "fault",
    [{"drop": True}, {"delay": 600}, {"status": 429}, {"status": 500}, {"status": 503}],
    ids=["no connection", "no response", "429", "500", "503"],
)
async def test_an_outage_uses_up_no_attempt(
    fault: dict[str, Any], shift: Shift, caplog: Log
) -> None:
    """What fails is given back, and nothing begins until `people/me` responds: after 1, 4, 16 s."""
    caplog.set_level(logging.DEBUG)
    sandbox = shift.webex.sandbox
    bot = shift.bot()
    hangs = "delay" in fault
    async with shift.running(bot) as before:
        sandbox.fail(**fault, times=None)
        await bot.enqueue("say", "Lunch!")
        await shift.until(lambda: lines(caplog, "Webex is out") == ["WARNING"], hangs=hangs)
        assert shift.probes == before + 1
        await bot.enqueue("say", "Coffee!")
        for pause, following in ((1, 4.0), (4, 16.0)):
            await shift.time.pass_(pause)
            await shift.until(lambda: following in shift.time.slept, hangs=hangs)  # noqa: B023 - used at once
        assert shift.probes == before + 3
        await shift.recover()

    assert set(shift.webex.texts) == {"Coffee!", "Lunch!"}
    attempts = sorted((each.number, each.is_first) for each in shift.attempts)
    assert attempts == [(1, False), (1, True), (1, True)]
    assert shift.errors == []
    assert lines(caplog, "Webex is back after 21 s: 1 were given back") == ["INFO"]
    assert lines(caplog, "a handler failed in an outage of Webex") == ["DEBUG"]
    assert lines(caplog, "a handler of") == []


async def test_what_cannot_be_fetched(shift: Shift, caplog: Log) -> None:
    """A message that a bot can't fetch is handled after the outage, in its turn."""
    bot = shift.bot()
    sandbox = shift.webex.sandbox
    async with shift.running(bot):
        sandbox.fail(status=502, times=None, method="GET")
        for text in ("one", "two"):
            await sandbox.say(text, person=PLACE)
        await until(lambda: lines(caplog, "Webex is out") == ["WARNING"])
        await shift.recover()

    assert shift.webex.texts == ["one", "two", "You said: one", "You said: two"]


@pytest.mark.parametrize(
    "fault", [None, {"status": 401}, {"status": 404}], ids=["works", "401", "404"]
)
async def test_it_is_no_outage_if_webex_responds(
    fault: dict[str, Any] | None, shift: Shift, caplog: Log
) -> None:
    """When only the writes fail, or the token is refused, it is a failure like any other."""
    bot = shift.bot(attempts=1)
    async with shift.running(bot) as before:
        shift.webex.sandbox.fail(status=503, times=None, path="/messages")
        if fault is not None:
            shift.webex.sandbox.fail(**fault, times=None, path="/people/me")
        await bot.enqueue("say", "Lunch!")
        await until(lambda: [each.state for each in shift.stored] == ["failed"])
        assert shift.probes == before + 1

    assert len(shift.errors) == 1
    assert lines(caplog, "Webex is out") == []


async def test_one_probe_is_for_all_that_fail(shift: Shift) -> None:
    """Handlers that fail at the same time, and those that fail during the outage, ask once."""
    bot = shift.bot()
    begun: list[str] = []
    go_on, go_on_later = asyncio.Event(), asyncio.Event()
    group = ExceptionGroup("both", [TransportError("a"), ExceptionGroup("b", [OUT, OUT])])

    @bot.job("fail")
    async def fail(context: JobContext) -> None:
        begun.append(context.value)
        if attempt().is_first:
            await (go_on_later if context.value == "later" else go_on).wait()
            raise group if context.value == "group" else OUT

    async with shift.running(bot) as before:
        for value in ("alone", "group", "later"):
            await bot.enqueue("fail", value)
        await until(lambda: len(begun) == 3)
        shift.webex.sandbox.fail(drop=True, times=None)
        go_on.set()
        await until(lambda: [each.state for each in shift.stored].count("waiting") == 2)
        go_on_later.set()
        await until(lambda: {each.state for each in shift.stored} == {"waiting"})
        assert shift.probes == before + 1
        await shift.recover()

    assert shift.errors == []


async def test_what_is_taken_as_it_begins_is_given_back(shift: Shift, caplog: Log) -> None:
    """Nothing begins in an outage, not even an entry whose lease was on its way: it waits."""
    begun: list[tuple[str, bool]] = []
    fail_now, is_taken, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(SQLiteInbox):
        async def take(self) -> InboxEntry | None:
            entry = await super().take()
            if entry is not None and b"second" in entry.body:
                is_taken.set()
                await go_on.wait()
            return entry

    shift.inbox = Slow
    bot = shift.bot()

    @bot.job("fail")
    async def fail(context: JobContext) -> None:
        begun.append((context.value, attempt().is_first))
        if begun == [("first", True)]:
            await fail_now.wait()
            raise OUT

    async with shift.running(bot):
        await bot.enqueue("fail", "first")
        await until(lambda: len(begun) == 1)
        await bot.enqueue("fail", "second")
        await is_taken.wait()
        shift.webex.sandbox.fail(drop=True, times=None)
        fail_now.set()
        await until(lambda: lines(caplog, "Webex is out") == ["WARNING"])
        go_on.set()
        await until(lambda: {each.state for each in shift.stored} == {"waiting"})
        assert len(begun) == 1
        await shift.recover()

    assert sorted(begun) == [("first", False), ("first", True), ("second", True)]


OUT = TransportError("no response")


async def test_another_error_beside_it_is_a_failure(shift: Shift) -> None:
    """A group with another error, and an error of another kind, are failures; nobody asks."""
    bot = shift.bot(attempts=1)

    @bot.job("fail")
    async def fail(context: JobContext) -> None:
        raise ExceptionGroup("both", [OUT, KeyError()]) if context.value else KeyError()

    async with shift.running(bot) as before:
        for value in (True, False):
            await bot.enqueue("fail", value)
        await until(lambda: [each.state for each in shift.stored] == ["failed", "failed"])
        assert shift.probes == before


async def test_a_longer_retry_after(shift: Shift, caplog: Log) -> None:
    """After a 429 nobody asks until `Retry-After` is over, and until then nothing begins."""
    bot = shift.bot()
    async with shift.running(bot) as before:
        for retry_after in (100, 200):  # of the message, and of the first question
            shift.webex.sandbox.fail(status=429, retry_after=retry_after)
        await bot.enqueue("say", "Lunch!")
        await until(lambda: len(shift.attempts) == 1)
        await bot.enqueue("say", "Coffee!")
        times = [shift.time.now() + timedelta(seconds=each) for each in (100, 300)]
        await shift.time.pass_(99)
        assert (shift.probes, len(shift.attempts)) == (before, 1)
        await shift.time.pass_(1)
        await until(lambda: lines(caplog, "Webex is out") == ["WARNING"])
        await shift.time.pass_(199)
        assert shift.probes == before + 1
        while shift.stored:
            await shift.time.pass_(1)

    assert sorted(map(str, shift.webex.texts)) == ["Coffee!", "Lunch!"]
    assert [each for each in caplog.messages if each.startswith("Webex wants no request")] == [
        f"Webex wants no request until {each:%Y-%m-%d %H:%M:%S} UTC" for each in times
    ]


async def test_a_bot_that_ends_in_an_outage(shift: Shift) -> None:
    """It gives back what has failed, waits for nobody, and handles it after its next start."""
    bot = shift.bot()
    going_on = asyncio.Event()

    @bot.job("last")
    async def last(_: JobContext) -> None:
        if attempt().is_first:
            await going_on.wait()
            raise OUT

    async with shift.running(bot):
        shift.webex.sandbox.fail(status=429, retry_after=1000, path="/messages")
        await bot.enqueue("say", "Lunch!")
        await until(lambda: len(shift.attempts) == 1)
        await bot.enqueue("last", None)
        await until(lambda: len(shift.stored) == 2)
    assert [each.holder for each in shift.stored] == [None, None]
    async with shift.running(bot):
        await until(lambda: len(shift.stored) == 1)
        shift.webex.sandbox.fail(drop=True, times=None)
        ending = asyncio.create_task(bot.aclose())
        await asyncio.sleep(0)
        going_on.set()
        await ending
        shift.webex.sandbox.clear_faults()
    async with shift.running(bot):
        await until(lambda: shift.stored == [])

    assert shift.webex.texts == ["Lunch!"]
    assert shift.errors == []


async def test_the_eleventh_return_is_a_failure(shift: Shift) -> None:
    """Returns of an entry within a minute count as one; after ten, the error is a failure."""
    bot = shift.bot(attempts=1)
    outages: list[int] = []

    @bot.job("fail")
    async def fail(_: JobContext) -> None:
        outages.append(len(outages))
        shift.webex.sandbox.fail(drop=True, times=1, path="/people/me")
        shift.time.advance(59 if len(outages) % 2 else 2)
        raise OUT

    async with shift.running(bot):
        await bot.enqueue("fail", None)
        while [each.state for each in shift.stored] != ["failed"]:
            await shift.time.pass_(1)

    assert len(outages) == 20
    assert len(shift.errors) == 1


async def test_three_processes(shift: Shift, caplog: Log) -> None:
    """Each process finds out by itself, so a handler begins once in each; all is said once."""
    caplog.set_level(logging.INFO)
    bots = [shift.bot() for _ in range(3)]
    async with shift.running(bots[0]), bots[1], bots[2]:
        shift.webex.sandbox.fail(status=503, times=None)
        await bots[0].enqueue("say", "Lunch!")
        while len(lines(caplog, "Webex is out")) < 3:
            await shift.time.pass_(1, processes=3)
        assert len(shift.attempts) == 3
        shift.webex.sandbox.clear_faults()
        while shift.stored:
            await shift.time.pass_(1, processes=3)

    assert shift.webex.texts == ["Lunch!"]
    assert shift.errors == []
