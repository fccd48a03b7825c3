"""Receivers that share the file of an inbox, while they are killed, stopped and frozen.

CHAOS_NOTIFICATIONS says how many notifications come.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from itertools import cycle
from pathlib import Path

import pytest
from attrs import frozen

from tests.chaos.sending import Sender
from tests.examples.serving import settings_of
from tests.support.inboxes import stored_in
from tests.support.services import Service, Services, running_services
from tests.support.stage import SECRET
from tests.support.wire import unused_port
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "50"))
SIGNALS = max(1, NOTIFICATIONS // 100)
WORKERS = [1, 2, 3] if NOTIFICATIONS > 50 else [2]
IDS = [f"M{each:05}" for each in range(NOTIFICATIONS)]
RESPONSE_TIME = 0.05  # seconds of Webex, in which a reply is there and not yet recorded


@frozen(kw_only=True)
class BotProcesses:
    """A bot with all its processes, and who calls it."""

    path: Path
    webex: Sandbox
    services: Services
    receivers: list[Service]
    sender: Sender

    async def get(self, ids: list[str]) -> None:
        """Let messages with these ids be written, and the bot be notified of them."""
        data = [{"id": each, "roomId": "ROOM", "personId": "PERSON"} for each in ids]
        for each in data:
            await self.webex.emit("messages", "created", data=each)
        await self.sender.send(
            [sample_notification("messages", "created", data=each) for each in data]
        )

    def said(self, what: str) -> Counter[str]:
        """How often the receivers have said this of each notification."""
        said = (line.split() for each in self.receivers for line in each.lines)
        # A kill may cut a line behind its first word.
        return Counter(words[1] for words in said if words[:1] == [what] and words[1:])

    def replies(self) -> Counter[str]:
        """How often each reply came."""
        own = (each for each in self.webex.messages if each.person_id == self.webex.bot.id)
        return Counter(str(each.text) for each in own)

    def rows(self) -> Counter[str]:
        with closing(sqlite3.connect(self.path.with_name("rows.db"))) as rows:
            return Counter(message_id for (message_id,) in rows.execute("SELECT * FROM rows"))

    async def finishes(self, ids: list[str]) -> None:
        """Wait until all notifications are handled, and until the file says so."""
        for tenth in range(1, 11):  # one after the other, because patience has an end
            await self.services.until(
                lambda tenth=tenth: 10 * len(self.said("handled")) >= tenth * len(ids)  # type: ignore[misc] # its default has a type
            )
        async with asyncio.timeout(30):
            while self.states():  # noqa: ASYNC110 - the file doesn't notify
                await asyncio.sleep(0.05)

    def states(self) -> list[str]:
        return [each.state for each in stored_in(self.path)]

    async def signal_at_random(self, number: signal.Signals) -> None:
        """Send a signal to one receiver after the other, at random moments."""
        moments = random.Random(NOTIFICATIONS).sample(range(NOTIFICATIONS), SIGNALS)  # noqa: S311 - no secret
        for moment, receiver in zip(sorted(moments), cycle(self.receivers), strict=False):
            await self.services.until(lambda moment=moment: self.sender.acknowledged >= moment)  # type: ignore[misc] # its default has a type
            starts = self.starts(receiver)
            receiver.signal(number)
            await self.services.until(
                lambda each=receiver, starts=starts: self.starts(each) > starts  # type: ignore[misc] # its default has a type
            )

    def starts(self, receiver: Service) -> int:
        return sum("Uvicorn running" in line for line in receiver.lines)


@asynccontextmanager
async def running_bot(
    path: Path, workers: int, *, lease: float = 2, work: float = 0.02
) -> AsyncGenerator[BotProcesses]:
    """Run so many receivers on one file, and a Webex that takes a moment to respond."""
    webex = Sandbox()
    webex.fail(delay=RESPONSE_TIME, times=None, method="POST")
    ports = [unused_port() for _ in range(workers)]
    async with webex.serve() as base_url:
        bot = {"INBOX": str(path), "LEASE": str(lease), "WORK": str(work)}
        settings = settings_of(base_url, WEBEX_TARGET_URL="", WEBEX_WEBHOOK_SECRET=SECRET, **bot)
        async with running_services(settings) as services:
            uvicorn = "uvicorn --no-access-log --app-dir ../../tests/chaos inbox_bot:bot --port"
            receivers = [services.start(f"{uvicorn} {port}") for port in ports]
            await services.until(lambda: all(each.says("Uvicorn running") for each in receivers))
            urls = cycle([f"http://127.0.0.1:{port}/" for port in ports])
            sender = Sender(urls, services.happened)
            yield BotProcesses(
                path=path, webex=webex, services=services, receivers=receivers, sender=sender
            )


async def exposed(bot: BotProcesses, number: signal.Signals) -> set[int]:
    """Send signals while notifications arrive; return how often replies came, and rows."""
    async with asyncio.TaskGroup() as group:
        group.create_task(bot.signal_at_random(number))
        group.create_task(bot.get(IDS))
    await bot.finishes(IDS)
    handled, replies, rows = bot.said("handled"), bot.replies(), bot.rows()
    print(  # noqa: T201 - the figures are for people
        f"{len(bot.receivers)} receivers, {SIGNALS} times {number.name}: {len(IDS)} notifications, "
        f"refused {dict(bot.sender.refused)}; handled more than once: {repeated(handled)}, begun "
        f"more than once: {repeated(bot.said('begins'))}; of {len(replies)} replies "
        f"{repeated(replies)} came twice, and of {len(rows)} rows {repeated(rows)}"
    )
    assert bot.sender.acknowledged == len(IDS)
    assert sorted(handled) == IDS
    assert sorted(rows) == IDS
    assert sorted(replies) == [f"{each} {what}" for each in IDS for what in ("has come", "is done")]
    return {*handled.values(), *replies.values(), *rows.values()}


def repeated(counted: Counter[str]) -> int:
    """How many were counted more than once."""
    return sum(each > 1 for each in counted.values())


@pytest.mark.parametrize("workers", WORKERS)
async def test_kill(tmp_path: Path, workers: int) -> None:
    """Whatever got 204 is handled, however often processes are killed; little comes twice."""
    async with running_bot(tmp_path / "inbox.db", workers, work=0.2) as bot:
        await exposed(bot, signal.SIGKILL)


async def test_terminate(tmp_path: Path) -> None:
    """Processes that are asked to end lose nothing, and handle nothing twice."""
    async with running_bot(tmp_path / "inbox.db", 2, lease=60) as bot:
        times = await exposed(bot, signal.SIGTERM)

    assert times == {1}


async def test_freeze(tmp_path: Path) -> None:
    """Another process takes over from one that is frozen, and that one changes nothing later."""
    async with running_bot(tmp_path / "inbox.db", 2, lease=1, work=0.5) as bot:
        await bot.get(["M1"])
        await bot.services.until(lambda: bot.said("begins").total() == 1)
        (frozen_one,) = (each for each in bot.receivers if each.says("begins M1"))
        (other,) = (each for each in bot.receivers if each is not frozen_one)
        frozen_one.signal(signal.SIGSTOP)
        await bot.services.until(lambda: other.says("handled M1"))
        await bot.finishes(["M1"])
        frozen_one.signal(signal.SIGCONT)
        await bot.services.until(lambda: frozen_one.says("may be handled twice"))

        assert bot.states() == []
