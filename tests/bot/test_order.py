"""The order in which a bot handles the messages of a room."""

# pyright: reportPrivateUsage=false

import asyncio
import logging
from base64 import b64encode
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from tests.bot.doubles import CARD, SECRET, Webex
from tests.support.clocks import Time
from tests.support.refusals import refused
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    JobContext,
    MessageContext,
    SQLiteInbox,
    SubmissionContext,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.handling import inbox_worker
from webex_webhooks_async.testing import sample_notification

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


async def test_one_room_after_the_other(webex: Webex, tmp_path: Path) -> None:
    """What happens in a room waits for what came before, not for other rooms or a failed one."""
    webex.sandbox.raise_handler_errors = False
    bot = webex.bot(in_order=True, inbox=SQLiteInbox(tmp_path / "inbox.db"), attempts=1)
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


UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def room_in(cluster: str) -> str:
    """The id of a room that names a cluster."""
    return b64encode(f"ciscospark://{cluster}/ROOM/{UUID}".encode()).decode().rstrip("=")


@pytest.mark.parametrize("line", [UUID, UUID.upper(), room_in("urn:TEAM:us-west-2_r")])
async def test_a_room_has_several_ids(line: str, webex: Webex, tmp_path: Path) -> None:
    """A room is one line, also where its id names another cluster or is a bare UUID; so of jobs."""
    bot = webex.bot(in_order=True, inbox=SQLiteInbox(tmp_path / "inbox.db"))
    slow = Slow(bot)
    ran: list[object] = []

    @bot.job("note")
    async def note(context: JobContext) -> None:
        ran.append(context.value)

    async with webex.running(bot):
        data = {"roomId": room_in("us"), "text": "one"}
        await webex.sandbox.emit("messages", "created", data=data)
        await until(lambda: slow.began == ["one"])
        await bot.enqueue("note", "in line", line=line)
        await bot.enqueue("note", "elsewhere")
        await until(lambda: ran == ["elsewhere"])
        slow.may_end.set()
        await until(lambda: ran == ["elsewhere", "in line"])


async def test_dispatch_is_not_in_line(webex: Webex, tmp_path: Path) -> None:
    """What comes from a task queue runs at once; that queue keeps its own order."""
    bot = webex.bot(in_order=True, inbox=SQLiteInbox(tmp_path / "inbox.db"))
    slow = Slow(bot)
    async with webex.running(bot), asyncio.TaskGroup() as group:
        group.create_task(webex.sandbox.say("one"))
        await until(lambda: slow.began == ["one"])
        webex.sandbox.deliver_to(None)
        (delivery,) = await webex.sandbox.say("two")
        group.create_task(bot.dispatch(parse_unverified_notification(delivery.body)))
        await until(lambda: slow.began == ["one", "two"])
        slow.may_end.set()


def test_an_order_needs_an_inbox(webex: Webex) -> None:
    """Without one, `in_order` is an error that says what to pass."""
    with refused("ValueError: in_order needs an inbox, which keeps the order: pass one, such as"):
        webex.bot(in_order=True)
