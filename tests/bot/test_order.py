"""The order in which a bot handles the messages of a room."""

# pyright: reportPrivateUsage=false

import asyncio
import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import pytest

from tests.bot.doubles import CARD, SECRET, Webex
from tests.notifications.doubles import lose
from tests.support.clocks import Time
from tests.support.wire import PATIENCE, until
from webex_webhooks_async import (
    Bot,
    Claim,
    MemoryDeduplicator,
    MessageContext,
    MessageData,
    Notification,
    SQLiteInbox,
    SubmissionContext,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.handling import inbox_worker
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import CallNext

if TYPE_CHECKING:
    from webex_webhooks_async.types import BotOptions

pytestmark = pytest.mark.once


class Slow:
    """Handlers that note what they get, and end when a test lets them."""

    def __init__(self, bot: Bot) -> None:
        self.began: list[str] = []
        self.may_end = asyncio.Event()
        bot.message()(self._said)
        bot.submission()(self._submitted)

    async def _said(self, context: MessageContext) -> None:
        self.began.append(context.text)
        await self.may_end.wait()
        if context.text == "fail":
            raise ConnectionError("the database is down")

    async def _submitted(self, context: SubmissionContext) -> None:
        self.began.append(context.inputs["dish"])
        await self.may_end.wait()


@pytest.mark.parametrize("kind", ["plain", "background", "inbox"])
async def test_one_room_after_the_other(kind: str, webex: Webex, tmp_path: Path) -> None:
    """What happens in a room waits for what came before, not for other rooms or a failed one."""
    webex.sandbox.raise_handler_errors = False
    options: BotOptions = {"in_order": True}
    if kind == "background":
        options["respond_within"] = 0
    if kind == "inbox":
        options |= {"inbox": SQLiteInbox(tmp_path / "inbox.db"), "attempts": 1}
    bot = webex.bot(**options)
    slow = Slow(bot)
    async with webex.running(bot), asyncio.TaskGroup() as group:
        card = await bot.send("A card", card=CARD, to_person_email="ann@example.com")
        said = [("ann", "fail"), ("ann", "two"), ("bob", "other room"), ("ann", "three")]
        for name, text in said:
            group.create_task(webex.sandbox.say(text, person=f"{name}@example.com"))
            await asyncio.sleep(0)
        group.create_task(webex.sandbox.submit(card.id, {"dish": "four"}, person="ann@example.com"))
        await until(lambda: len(slow.began) == 2)
        assert sorted(slow.began) == ["fail", "other room"]
        slow.may_end.set()
        await until(lambda: len(slow.began) == 5)

    assert [each for each in slow.began if each != "other room"] == ["fail", "two", "three", "four"]


async def test_what_waits_does_not_hang(
    webex: Webex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two messages of a room, the log says after a while that the first one may hang."""
    caplog.set_level(logging.WARNING)
    time = Time()
    monkeypatch.setattr(inbox_worker, "_sleep", time.sleep)
    inbox = SQLiteInbox(tmp_path / "inbox.db", clock=time.now_in_seconds)
    bot = webex.bot(in_order=True, inbox=inbox)
    slow = Slow(bot)
    async with webex.running(bot):
        for text in ("one", "two"):
            await webex.sandbox.say(text)
        await until(lambda: slow.began == ["one"])
        await time.pass_(250)
        slow.may_end.set()
        await until(lambda: slow.began == ["one", "two"])

    assert sum("does it hang?" in each for each in caplog.messages) == 1


async def test_a_busy_room(webex: Webex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in line takes no place of other rooms, and begins when the one before it ends."""
    monkeypatch.setattr(inbox_worker, "_sleep", Time().sleep)  # in which no time passes
    inbox = SQLiteInbox(tmp_path / "inbox.db")
    bot = webex.bot(in_order=True, inbox=inbox, max_pending=2)
    slow = Slow(bot)
    async with webex.running(bot):
        for number in range(20):
            await webex.sandbox.say(f"{number}")
        await webex.sandbox.say("other room", person="bob@example.com")
        await until(lambda: len(slow.began) == 2)
        assert (await inbox.counts()).waiting == 19
        slow.may_end.set()
        await until(lambda: len(slow.began) == 21)

    assert slow.began == ["0", "other room", *map(str, range(1, 20))]


async def test_an_odd_room(webex: Webex, tmp_path: Path) -> None:
    """A notification of a room whose id no storage holds as it is, is accepted all the same."""
    bot = webex.bot(in_order=True, inbox=SQLiteInbox(tmp_path / "inbox.db"))
    bot.message()(AsyncMock())
    data = {"id": "M1", "roomId": "\ud800", "personId": "P1"}
    body = sample_notification("messages", "created", data=data)
    async with webex.running(bot):
        assert await bot.handle(body, sign(body, SECRET)) == 204


async def test_dispatch_is_not_in_line(webex: Webex) -> None:
    """What comes from a task queue runs at once; that queue keeps its own order."""
    bot = webex.bot(in_order=True)
    slow = Slow(bot)
    async with webex.running(bot), asyncio.TaskGroup() as group:
        group.create_task(webex.sandbox.say("one"))
        await until(lambda: slow.began == ["one"])
        webex.sandbox.deliver_to(None)
        (delivery,) = await webex.sandbox.say("two")
        group.create_task(bot.dispatch(parse_unverified_notification(delivery.body)))
        await until(lambda: slow.began == ["one", "two"])
        slow.may_end.set()


async def test_waiting_counts(webex: Webex) -> None:
    """What waits for its room gets its response after the seconds of `respond_within`, too."""
    bot = webex.bot(in_order=True, respond_within=0.01)
    slow = Slow(bot)
    async with webex.running(bot):
        for text in ("one", "two"):
            (delivery,) = await webex.sandbox.say(text)
            assert delivery.ok
        assert slow.began == ["one"]
        slow.may_end.set()
        await until(lambda: slow.began == ["one", "two"])


class Backwards(MemoryDeduplicator):
    """Responds to the first one when it has responded to the second one."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[asyncio.Event] = []

    async def claim(self, key: str) -> Claim:
        self.claims.append(mine := asyncio.Event())
        if len(self.claims) == 1:
            await mine.wait()
        else:
            self.claims[0].set()
        return await super().claim(key)


async def test_a_slow_deduplicator(webex: Webex) -> None:
    """A notification takes its place before the deduplicator is asked."""
    bot = webex.bot(in_order=True, deduplicator=Backwards())
    slow = Slow(bot)
    slow.may_end.set()
    async with webex.running(bot), asyncio.TaskGroup() as group:
        for text in ("one", "two"):
            group.create_task(webex.sandbox.say(text))
            await asyncio.sleep(0)

    assert slow.began == ["one", "two"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seconds", [PATIENCE, None])
async def test_an_event_loop_that_ended(webex: Webex, seconds: float | None) -> None:
    """What was handled there, or waited, never ends, and leaves its place in the line."""
    bot = webex.bot(in_order=True, respond_within=seconds)
    began: list[str] = []

    @bot.middleware
    async def hang(notification: Notification[MessageData], _: CallNext) -> None:
        began.append(notification.data.id)
        if len(began) == 1:
            await asyncio.Event().wait()

    bot.message()(AsyncMock())
    async with bot:
        words = ("one", "waits for it", "two", "three")
        deliveries = [(await webex.sandbox.say(text))[0] for text in words]
        lost, waits, *requests = [bot.handle(each.body, each.headers) for each in deliveries]

        async def both() -> None:
            await asyncio.gather(lost, waits)

        await asyncio.to_thread(
            lose, both(), lambda: any(each._end is not None for each in bot._handlings._unended)
        )
        assert [await each for each in requests] == [204, 204]

    assert len(began) == 3
    gc.collect()  # asyncio reports the task that was lost


async def test_a_request_that_gives_up_leaves_the_line(webex: Webex) -> None:
    """A request that is cancelled while it waits lets the others keep their order."""
    bot = webex.bot(in_order=True, respond_within=None)
    slow = Slow(bot)
    async with webex.running(bot):
        words = ("one", "two", "three", "four")
        tasks = [asyncio.create_task(webex.sandbox.say(each)) for each in words]
        await until(lambda: len(bot._handlings._unended) == 4)
        for number in (1, 3):
            tasks[number].cancel()
            await asyncio.wait({tasks[number]})
        tasks.append(asyncio.create_task(webex.sandbox.say("five")))
        await until(lambda: len(bot._handlings._unended) == 3)
        assert slow.began == ["one"]
        slow.may_end.set()
        await until(lambda: slow.began == ["one", "three", "five"])
        await asyncio.wait(tasks)


async def let_all_run() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Holding(MemoryDeduplicator):
    """Responds when a test lets it, but to the first one at once."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[asyncio.Event] = []

    async def claim(self, key: str) -> Claim:
        self.calls.append(may_return := asyncio.Event())
        if len(self.calls) > 1:
            await may_return.wait()
        return await super().claim(key)


async def test_a_request_that_gives_up_before_it_waits(webex: Webex) -> None:
    """So does one that is cancelled while the deduplicator is asked."""
    deduplicator = Holding()
    bot = webex.bot(in_order=True, deduplicator=deduplicator)
    slow = Slow(bot)
    async with webex.running(bot):
        tasks = [asyncio.create_task(webex.sandbox.say(each)) for each in ("one", "two", "three")]
        await until(lambda: len(deduplicator.calls) == 3 and slow.began == ["one"])
        _, second, third = deduplicator.calls
        tasks[1].cancel()
        second.set()
        await asyncio.wait({tasks[1]})
        third.set()
        await let_all_run()
        assert slow.began == ["one"]
        slow.may_end.set()
        await until(lambda: slow.began == ["one", "three"])
        await asyncio.wait(tasks)
