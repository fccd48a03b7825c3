"""Receivers that share the file of an inbox, while they are killed, stopped and frozen.

CHAOS_NOTIFICATIONS says how many notifications come.
"""

import asyncio
import os
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from itertools import cycle
from pathlib import Path

import pytest
from attrs import frozen

from tests.chaos.sending import Sender
from tests.support.redis_server import free_port
from tests.support.services import Service, Services, running_services
from tests.support.stage import SECRET
from webex_webhooks_async.notifications.inbox_file import InboxFile
from webex_webhooks_async.testing import sample_notification

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "200"))
SIGNALS = max(2, NOTIFICATIONS // 100)
WORKERS = [1, 2, 3] if NOTIFICATIONS > 200 else [2]


@frozen(kw_only=True)
class Bot:
    """A bot with all its processes, and who calls it."""

    path: Path
    services: Services
    receivers: list[Service]
    sender: Sender

    def handled(self) -> Counter[str]:
        """How often each notification was handled."""
        return self.said("handled")

    def said(self, what: str) -> Counter[str]:
        """How often the receivers have said this of each notification."""
        said = (line.split() for each in self.receivers for line in each.lines)
        return Counter(words[1] for words in said if words[:1] == [what])

    async def finishes(self, ids: list[str]) -> None:
        """Wait until all notifications are handled, and until the file says so."""
        await self.services.until(lambda: len(self.handled()) >= len(ids))
        async with asyncio.timeout(30):
            while self.states():  # noqa: ASYNC110 - the file doesn't notify
                await asyncio.sleep(0.05)

    def states(self) -> list[str]:
        """The state of each notification that isn't completed."""
        with closing(InboxFile.look_into(self.path, change=False)) as file:
            return [each.state for each in file.unfinished()]

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
        """How often a receiver has begun to serve."""
        return sum("Uvicorn running" in line for line in receiver.lines)


@asynccontextmanager
async def running_bot(
    path: Path, workers: int, *, lease: float = 2, work: float = 0.02, limit: str = "unlimited"
) -> AsyncGenerator[Bot]:
    """Run so many receivers on one file."""
    settings = {
        "INBOX": str(path),
        "LEASE": str(lease),
        "WEBEX_WEBHOOK_SECRET": SECRET,
        "WORK": str(work),
    }
    ports = [free_port() for _ in range(workers)]
    async with running_services(settings) as services:
        uvicorn = f"uvicorn --no-access-log --app-dir {Path(__file__).parent} inbox_bot:app --port"
        receivers = [
            services.start("bash", "-c", f"ulimit -Sf {limit}; exec {uvicorn} {port}")
            for port in ports
        ]
        await services.until(lambda: all(each.says("Uvicorn running") for each in receivers))
        urls = cycle([f"http://127.0.0.1:{port}/" for port in ports])
        sender = Sender(urls, services.happened)
        yield Bot(path=path, services=services, receivers=receivers, sender=sender)


async def exposed(bot: Bot, number: signal.Signals) -> Counter[str]:
    """How often each notification is handled while signals arrive."""
    ids = [f"M{each}" for each in range(NOTIFICATIONS)]
    async with asyncio.TaskGroup() as group:
        group.create_task(bot.signal_at_random(number))
        group.create_task(bot.sender.send([body(each) for each in ids]))
    await bot.finishes(ids)
    handled = bot.handled()
    print(  # noqa: T201 - the figures are for people
        f"{len(bot.receivers)} receivers, {SIGNALS} times {number.name}: {len(ids)} notifications, "
        f"refused {dict(bot.sender.refused)}; handled {handled.total()} times, "
        f"{sum(each > 1 for each in handled.values())} of them more than once"
    )
    assert bot.sender.acknowledged == len(ids)
    assert sorted(handled) == sorted(ids)
    return handled


@pytest.mark.parametrize("workers", WORKERS)
async def test_kill(tmp_path: Path, workers: int) -> None:
    """Whatever got 204 is handled, however often processes are killed; some of it twice."""
    async with running_bot(tmp_path / "inbox.db", workers) as bot:
        await exposed(bot, signal.SIGKILL)


async def test_terminate(tmp_path: Path) -> None:
    """Processes that are asked to end lose nothing, and handle nothing twice."""
    async with running_bot(tmp_path / "inbox.db", 2, lease=60) as bot:
        handled = await exposed(bot, signal.SIGTERM)

    assert set(handled.values()) == {1}


async def test_freeze(tmp_path: Path) -> None:
    """Another process takes over from one that is frozen, and that one changes nothing later."""
    async with running_bot(tmp_path / "inbox.db", 2, lease=1, work=0.5) as bot:
        await bot.sender.send([body("M1")])
        await bot.services.until(lambda: bot.said("begins").total() == 1)
        (frozen_one,) = (each for each in bot.receivers if each.says("begins M1"))
        (other,) = (each for each in bot.receivers if each is not frozen_one)
        frozen_one.signal(signal.SIGSTOP)
        await bot.services.until(lambda: other.says("handled M1"))
        await bot.finishes(["M1"])
        frozen_one.signal(signal.SIGCONT)
        await bot.services.until(lambda: frozen_one.says("may be handled twice"))

        assert bot.states() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets limits of other processes")
async def test_full(tmp_path: Path) -> None:
    """While the disk is full nothing is accepted; afterwards all of it is, and is handled."""
    ids = [f"M{each}" for each in range(NOTIFICATIONS)]
    blocks = 100  # of 1,024 bytes, for each file
    async with running_bot(tmp_path / "inbox.db", 1, limit=str(blocks)) as bot:
        (receiver,) = bot.receivers
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(bot.sender.send([body(each) for each in ids]))
            await bot.services.until(lambda: bot.sender.refused["503"] >= 1)
            assert not sending.done()
            _, hard = resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await bot.finishes(ids)

    assert bot.sender.acknowledged == len(ids)
    assert {*bot.sender.refused} == {"503"}
    assert sorted(bot.handled()) == sorted(ids)


def body(message_id: str) -> bytes:
    """The body of a notification about a message."""
    return sample_notification("messages", "created", data={"id": message_id})
