"""The program docs/examples/taskiq_bot.py while its processes, and its Redis, die.

It runs as an operator runs it: receivers, workers and a scheduler, each started again when it ends,
and a redis-server. CHAOS_NOTIFICATIONS says how many notifications come, each twice.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from itertools import cycle

import pytest
from attrs import frozen

from tests.chaos.sending import SENDERS, Sender
from tests.support.redis_server import RedisServer
from tests.support.services import Service, Services
from tests.support.stage import stage
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async.testing import sample_notification

pytest.importorskip("taskiq_redis", reason="it is in a group of its own")

from redis.asyncio import Redis

pytestmark = pytest.mark.once
NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "100"))
KILLS = max(1, NOTIFICATIONS // 200)
RECEIVERS, WORKERS = (2, 3) if NOTIFICATIONS > 100 else (1, 1)


@frozen(kw_only=True)
class BotProcesses:
    """The bot with all its processes, and who calls it."""

    services: Services
    receivers: list[Service]
    workers: list[Service]
    redis: RedisServer
    sender: Sender

    def worked_on(self) -> Counter[str]:
        said = (line.split() for worker in self.workers for line in worker.lines)
        return Counter(words[2] for words in said if words[:2] == ["replied", "to"])

    async def suffer(self, copies: int) -> None:
        """Kill processes while so many copies arrive."""
        for kill in range(KILLS):
            await self._acknowledged(copies * (kill + 1) // (2 * KILLS + 2))
            self.workers[kill % len(self.workers)].kill()
            self.receivers[kill % len(self.receivers)].kill()
        await self._acknowledged(copies // 2)
        self.redis.freeze()
        await asyncio.sleep(2)  # the test is about how long it is frozen
        self.redis.thaw()
        await self._acknowledged(copies * 3 // 4)
        self.redis.stop()
        refused = self.sender.refused.total()
        await self.services.until(lambda: self.sender.refused.total() > refused + SENDERS)
        self.redis.restart()

    async def _acknowledged(self, copies: int) -> None:
        await self.services.until(lambda: self.sender.acknowledged >= copies)

    async def finished(self) -> None:
        async with Redis(port=self.redis.port) as redis, asyncio.timeout(PATIENCE):
            while True:
                stream = await redis.xinfo_stream("taskiq")
                (group,) = await redis.xinfo_groups("taskiq")
                is_taken = group["last-delivered-id"] == stream["last-generated-id"]
                if is_taken and not group["pending"]:
                    return
                await asyncio.sleep(0.1)  # Redis doesn't notify


@asynccontextmanager
async def running_bot(ids: Iterable[str]) -> AsyncGenerator[BotProcesses]:
    """Start the bot with all its processes, and a Webex that takes a moment to respond."""
    async with stage(LONGEST_TASK="3", REDIS_TIMEOUT="1") as empty:
        for each in ids:
            await empty.webex.emit("messages", "created", data={"id": each})
        empty.webex.fail(delay=0.05, times=None)
        start = empty.services.start
        workers = [start("taskiq worker --workers 1 taskiq_bot:broker") for _ in range(WORKERS)]
        start("taskiq scheduler taskiq_bot:scheduler --update-interval 1")
        ports = [unused_port() for _ in range(RECEIVERS)]
        async with asyncio.TaskGroup() as group:
            starting = [
                group.create_task(empty.start_receiver("taskiq_bot:app", port)) for port in ports
            ]
        await empty.services.until(lambda: all(each.says("Listening started") for each in workers))
        urls = cycle([f"http://127.0.0.1:{port}/webex" for port in ports])
        yield BotProcesses(
            services=empty.services,
            receivers=[each.result() for each in starting],
            workers=workers,
            redis=empty.redis,
            sender=Sender(urls, empty.services.happened),
        )


@pytest.mark.timeout(300)
async def test_none_is_lost() -> None:
    """Each notification is acknowledged and processed, whatever dies; some are processed twice."""
    ids = [f"M{number}" for number in range(NOTIFICATIONS)]
    async with running_bot(ids) as bot:
        bodies = 2 * [sample_notification("messages", "created", data={"id": each}) for each in ids]
        random.Random(NOTIFICATIONS).shuffle(bodies)  # noqa: S311 - the same order each time
        async with asyncio.TaskGroup() as group:
            group.create_task(bot.suffer(len(bodies)))
            group.create_task(bot.sender.send(bodies))
        await bot.services.until(lambda: len(bot.worked_on()) >= len(ids))
        await bot.finished()

    lives = [len(each.statuses) for each in (*bot.receivers, *bot.workers)]
    print(  # noqa: T201 - the figures are for people
        f"{len(ids)} notifications, {len(bodies)} copies, refused {dict(bot.sender.refused)}; "
        f"worked on {bot.worked_on().total()} times, with {lives} lives"
    )
    assert bot.sender.acknowledged == len(bodies)
    assert sorted(bot.worked_on()) == sorted(ids)
