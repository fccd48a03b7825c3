"""Replicas on PostgreSQL, while they are killed and replaced, and while the database restarts.

CHAOS_NOTIFICATIONS says how many notifications come.
"""

import asyncio
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import psycopg
import pytest
from attrs import define

from tests.chaos.sending import Sender
from tests.examples.serving import settings_of
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.services import Service, Services, running_services
from tests.support.stage import SECRET
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "50"))
IS_LARGE = NOTIFICATIONS > 100
KILLS = max(1, NOTIFICATIONS // 100)
RESTARTS = 2 if IS_LARGE else 1
REPLICAS = 3 if IS_LARGE else 2
ROOMS = max(5, NOTIFICATIONS // 50)
MEMBERSHIPS = 50 if IS_LARGE else 0  # which only the second version handles, half a minute later
RESPONSE_TIME = 0.05  # seconds of Webex

_TABLES = """
CREATE TABLE events (number int GENERATED ALWAYS AS IDENTITY, what text, message_id text, room text,
    time timestamptz DEFAULT clock_timestamp());
CREATE TABLE rows (message_id text);
CREATE TABLE stored (number bigint, message_id text, xid text DEFAULT pg_current_xact_id());
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO stored VALUES (NEW.number, convert_from(NEW.body, 'UTF8')::json->'data'->>'id');
    RETURN NEW;
END $$;
CREATE TRIGGER note AFTER INSERT ON webex_webhooks.notifications
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE leases (number bigint, has_begun bool, due timestamptz,
    time timestamptz DEFAULT statement_timestamp(), snapshot text DEFAULT pg_current_snapshot());
CREATE FUNCTION note_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.token IS NOT NULL OR NEW.due IS NULL OR NEW.failures = OLD.failures THEN
        INSERT INTO leases VALUES (NEW.number, NEW.token IS NOT NULL, NEW.due);
    END IF; -- what has failed, and is tried again, doesn't wait aside
    RETURN NEW;
END $$;
CREATE TRIGGER note_lease AFTER UPDATE ON webex_webhooks.notifications
    FOR EACH ROW WHEN (NEW.token IS DISTINCT FROM OLD.token) EXECUTE FUNCTION note_lease();
"""


@define
class Replicas:
    """A bot with all its processes, each of a machine of its own, and who calls it."""

    webex: Sandbox
    postgres: PostgresServer
    services: Services
    running: dict[int, Service]
    sender: Sender

    def start(self, port: int, version: int) -> None:
        """Start a process."""
        uvicorn = "uvicorn --no-access-log --app-dir ../../tests/chaos postgres_bot:bot --port"
        self.running[port] = self.services.start(f"env VERSION={version} {uvicorn} {port}")

    async def starts(self, port: int) -> None:
        """Wait until a process has started."""
        await self.services.until(lambda: self.running[port].says("Uvicorn running"))

    async def reaches(self, acknowledged: float) -> None:
        """Wait until so many notifications are accepted."""
        await self.services.until(lambda: self.sender.acknowledged >= acknowledged)

    async def kill_at_random(self) -> None:
        moments = random.Random(NOTIFICATIONS).sample(range(NOTIFICATIONS), KILLS)  # noqa: S311 - no secret
        for moment, place in zip(sorted(moments), cycle(range(REPLICAS)), strict=False):
            await self.reaches(moment)
            [*self.running.values()][place].kill()

    async def restart_the_database(self) -> None:
        for number in range(1, RESTARTS + 1):
            await self.reaches(NOTIFICATIONS * number / (RESTARTS + 1))
            self.postgres.crash()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self.postgres.restart)

    async def replace_each(self) -> None:
        """Replace one version by the other, one process after the other."""
        await self.reaches(NOTIFICATIONS / 2)
        for port, old in [*self.running.items()]:
            old.stop()
            await self.services.until(lambda old=old: old.is_over)  # type: ignore[misc] # its default has a type
            self.start(port, 2)
            await self.starts(port)

    async def send(self) -> None:
        bodies: list[bytes] = []
        for number in range(NOTIFICATIONS):
            data = {"id": f"M{number:05}", "roomId": f"ROOM-{number % ROOMS}", "personId": "PERSON"}
            await self.webex.emit("messages", "created", data=data)
            bodies.append(sample_notification("messages", "created", data=data))
        every = NOTIFICATIONS // (MEMBERSHIPS or 1)
        for number in range(MEMBERSHIPS):
            data = {"id": f"N{number:05}"}
            bodies.insert(number * every, sample_notification("memberships", "created", data=data))
        await self.sender.send(bodies)

    async def finish(self) -> int:
        """Wait until nothing is left in the inbox; return how many were tried again by hand.

        What was killed five times is kept as failed, as what may have killed its process.
        """
        retried, left = 0, -1
        async with aclosing(PostgresInbox(self.postgres.url)) as inbox:
            while left:
                async with asyncio.timeout(PATIENCE):
                    before = left
                    while left == before:
                        await asyncio.sleep(0.1)
                        counts = await inbox.counts()
                        left = counts.waiting + counts.running + counts.retrying + counts.failed
                failed = [each async for each in inbox.unfinished() if each.state == "failed"]
                assert all(each.expiries == 5 for each in failed), failed
                retried += await inbox.retry(each.key for each in failed)
        return retried

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url) as connection:
            return connection.execute(query.encode()).fetchall()


@asynccontextmanager
async def running_replicas() -> AsyncGenerator[Replicas]:
    """Run replicas on a database, with a Webex that takes a moment to respond."""
    webex = Sandbox()
    webex.fail(delay=RESPONSE_TIME, times=None, method="POST")
    with running_postgres(settings={"track_commit_timestamp": "on"}) as postgres:
        async with aclosing(PostgresInbox(postgres.url)) as inbox:
            await inbox.counts()
        with psycopg.connect(postgres.url) as connection:
            connection.execute(_TABLES)
        async with webex.serve() as base_url:
            of_bot = {"DATABASE": postgres.url, "LEASE": "2", "WEBEX_TARGET_URL": ""}
            settings = settings_of(base_url, WEBEX_WEBHOOK_SECRET=SECRET, **of_bot)
            async with running_services(settings) as services:
                ports = [unused_port() for _ in range(REPLICAS)]
                sender = Sender(
                    cycle([f"http://127.0.0.1:{port}/" for port in ports]), services.happened
                )
                replicas = Replicas(webex, postgres, services, {}, sender)
                for port in ports:
                    replicas.start(port, 1)
                for port in ports:
                    await replicas.starts(port)
                yield replicas


def out_of_order(
    events: list[tuple[str, str, str, datetime]],
    stored: dict[str, tuple[int, int, datetime]],
    leases: list[tuple[int, bool, datetime | None, datetime, str]],
) -> list[tuple[str, str]]:
    """Return which messages began before which one of their room that was due or running.

    Args:
        events: What happened, which message, which room and when, in this order.
        stored: The numbers of the messages, and in which transaction and when they were stored.
        leases: When leases of which number began, or ended without a failure that is tried again,
            until when that then waited aside, and the snapshot of that moment.
    """
    found: list[tuple[str, str]] = []
    begun: dict[str, dict[str, datetime]] = defaultdict(dict)
    taken: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    aside: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for number, has_begun, due, time, snapshot in leases:
        if has_begun:
            taken[number].append((time, snapshot))
        else:
            aside[number].append((time, due or _NEVER))
    for what, message_id, room, time in events:
        if what != "begins":
            continue
        number, transaction, committed = stored[message_id]
        for other, since in begun[room].items():
            moment, snapshot = max(each for each in taken[stored[other][0]] if each[0] <= since)
            waits_aside = any(ended <= moment < due for ended, due in aside[number])
            # PostgreSQL notes the moment of a commit before it flushes the commit to the disk, and
            # shows it after that.
            is_seen = committed <= moment and is_visible(transaction, snapshot)
            if stored[other][0] > number and is_seen and not waits_aside:
                found.append((other, message_id))
        begun[room].setdefault(message_id, time)
    return found


_NEVER = datetime.max.replace(tzinfo=UTC)  # what was killed five times is kept as failed


def is_visible(transaction: int, snapshot: str) -> bool:
    """Whether a transaction that was committed is visible in a snapshot."""
    _, end, running = snapshot.split(":")
    return transaction < int(end) and str(transaction) not in running.split(",")


async def test_replicas() -> None:
    """Nothing is lost, nothing is out of order, and what is written within comes exactly once."""
    async with running_replicas() as replicas:
        async with asyncio.TaskGroup() as group:
            group.create_task(replicas.kill_at_random())
            group.create_task(replicas.restart_the_database())
            if IS_LARGE:
                group.create_task(replicas.replace_each())
            group.create_task(replicas.send())
        retried = await replicas.finish()
        events: Any = replicas.ask(
            "SELECT what, message_id, room, time FROM events ORDER BY number"
        )
        stored: Any = replicas.ask(
            "SELECT message_id, number, xid::bigint, pg_xact_commit_timestamp(xmin) FROM stored"
        )
        leases: Any = replicas.ask("SELECT * FROM leases ORDER BY time")
        rows: Any = replicas.ask("SELECT message_id FROM rows")
        bot_id = replicas.webex.bot.id
        texts = [each.text for each in replicas.webex.messages if each.person_id == bot_id]
        refused = dict(replicas.sender.refused)

    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for what, message_id, _, _ in events:
        counted[what][message_id] += 1
    within, replies = Counter(message_id for (message_id,) in rows), Counter(texts)
    late = out_of_order(events, {each[0]: each[1:] for each in stored}, leases)
    print(  # noqa: T201 - the figures are for people
        f"{REPLICAS} replicas, {KILLS} SIGKILLs, {RESTARTS} restarts of the database, "
        f"{'a rolling deploy, ' if IS_LARGE else ''}{NOTIFICATIONS} notifications and "
        f"{MEMBERSHIPS} of the second version alone: lost "
        f"{NOTIFICATIONS + MEMBERSHIPS - len(counted['handled'])}, out of order {len(late)}, begun "
        f"more than once {repeated(counted['begins'])}, failed {counted['fails'].total()}, killed "
        f"five times {retried}; came "
        f"twice: replies {repeated(replies)} of {len(replies)}, once {repeated(counted['row'])}, "
        f"within {repeated(within)}; refused {refused}"
    )
    ids = [f"M{number:05}" for number in range(NOTIFICATIONS)]
    of_second = [f"N{number:05}" for number in range(MEMBERSHIPS)]
    assert sorted(counted["handled"]) == [*ids, *of_second]
    assert late == []
    assert sorted(within.elements()) == ids
    assert sorted(counted["row"]) == ids
    assert len(replies) == 2 * NOTIFICATIONS


def repeated(counter: Counter[Any]) -> int:
    """How many were counted more than once."""
    return sum(each > 1 for each in counter.values())
