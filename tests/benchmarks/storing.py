"""Inboxes on PostgreSQL, against a file, and against statements written by hand.

Each contender has a server of its own, which waits for the disk.
"""

import asyncio
import os
import pty
import statistics
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psycopg

from tests.benchmarks.harness import Case, Contender, Round
from tests.benchmarks.receiving import inbox_with
from tests.benchmarks.sender import body_of
from tests.support.postgres_server import running_postgres
from webex_webhooks_async import (
    Inbox,
    Notification,
    PostgresInbox,
    Receiver,
    SQLiteInbox,
    once,
    parse_unverified_notification,
)
from webex_webhooks_async.handling.dispatch import Execution
from webex_webhooks_async.handling.records import Records
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import NotificationData

TASKS = 64
BODY = bytes(900)
LARGE = 1_000_000
CONNECTIONS = 16


async def put_each(put: Callable[[str, bytes], Awaitable[object]], count: int) -> None:
    """Put so many from all tasks."""
    keys = iter([os.urandom(32).hex() for _ in range(count)])

    async def work() -> None:
        for key in keys:
            await put(key, BODY)

    await asyncio.gather(*(work() for _ in range(TASKS)))


def timed(play: Callable[[int], Awaitable[object]]) -> Round:
    """A round whose cost is its time."""

    async def round_(count: int) -> float:
        started = time.perf_counter()
        await play(count)
        return time.perf_counter() - started

    return round_


@contextmanager
def server() -> Generator[str]:
    """Run a server that waits for the disk, and give its URL."""
    with running_postgres(durable=True) as postgres:
        yield postgres.url


@asynccontextmanager
async def putting(_: str) -> AsyncGenerator[Round]:
    """Store in an inbox on PostgreSQL."""
    with server() as url:
        async with aclosing(PostgresInbox(url)) as inbox:
            yield lambda count: put_each(inbox.put, count)


@asynccontextmanager
async def putting_in_time(url: str) -> AsyncGenerator[Round]:
    """The same, and the cost is time."""
    async with putting(url) as play:
        yield timed(play)


@asynccontextmanager
async def inserting_in_time(_: str) -> AsyncGenerator[Round]:
    """Store with asyncpg, an insert for each from a pool."""
    with server() as url:
        async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
            await pool.execute(
                "CREATE TABLE stored (key text PRIMARY KEY, body bytea NOT NULL, "
                "stored timestamptz NOT NULL DEFAULT now())"
            )

            async def insert(key: str, body: bytes) -> object:
                statement = "INSERT INTO stored VALUES ($1, $2) ON CONFLICT DO NOTHING"
                return await pool.execute(statement, key, body)

            yield timed(lambda count: put_each(insert, count))


@asynccontextmanager
async def putting_into_a_file(_: str) -> AsyncGenerator[Round]:
    """Store in a file."""
    with TemporaryDirectory() as folder:
        async with aclosing(SQLiteInbox(Path(folder, "inbox.db"))) as inbox:
            yield lambda count: put_each(inbox.put, count)


@asynccontextmanager
async def taking_beside_known_keys(_: str) -> AsyncGenerator[Round]:
    """Take what waits, beside a million keys of what is completed."""
    with server() as url:
        async with aclosing(PostgresInbox(url)) as inbox:
            await inbox.counts()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "INSERT INTO webex_webhooks.known SELECT md5(n::text) || md5(n::text), "
                    "gen_random_uuid(), now() + interval '1 day' FROM generate_series(1, %s) n",
                    [LARGE],
                )
                connection.execute("VACUUM ANALYZE webex_webhooks.known")
                connection.execute("CHECKPOINT")  # else it is written during the rounds
            yield lambda count: take_each(inbox, count)


@asynccontextmanager
async def taking_beside_known_keys_in_a_file(_: str) -> AsyncGenerator[Round]:
    """The same in a file."""
    async with inbox_with(LARGE) as (inbox, _path):
        yield lambda count: take_each(inbox, count)


@asynccontextmanager
async def taking_beside_an_old_transaction(_: str) -> AsyncGenerator[Round]:
    """Take what waits, beside a transaction that is as old as 60,000 notifications."""
    with server() as url:
        async with aclosing(PostgresInbox(url, timeout=60)) as inbox:
            await inbox.counts()
            with psycopg.connect(url) as old:
                old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                old.execute("SELECT count(*) FROM webex_webhooks.known")
                for _round in range(300):
                    await put_each(inbox.put, 200)
                    entries = await asyncio.gather(*(inbox.take() for _ in range(200)))
                    await asyncio.gather(*(inbox.complete(each) for each in entries if each))
                yield lambda count: take_each(inbox, count)


@asynccontextmanager
async def in_a_file() -> AsyncGenerator[Inbox]:
    """An inbox in a file."""
    with TemporaryDirectory() as folder:
        async with aclosing(SQLiteInbox(Path(folder, "inbox.db"), lease=3600)) as inbox:
            yield inbox


@asynccontextmanager
async def on_postgres() -> AsyncGenerator[Inbox]:
    """An inbox on PostgreSQL."""
    with server() as url:
        async with aclosing(PostgresInbox(url, lease=3600, timeout=60)) as inbox:
            yield inbox


Made = Callable[[], AbstractAsyncContextManager[Inbox]]


def taking_beside_busy_lines(make: Made) -> Contender:
    """Take what waits, beside 100,000 that wait in 1,000 lines whose first runs."""

    @asynccontextmanager
    async def taking(_: str) -> AsyncGenerator[Round]:
        async with make() as inbox:
            lines = [f"room {number}" for number in range(1_000)]
            await put_in_lines(inbox, lines)
            for _line in lines:
                assert await inbox.take() is not None
            for _round in range(99):
                await put_in_lines(inbox, lines)
            yield lambda count: take_each(inbox, count)

    return taking


def taking_behind_failed_ones(make: Made) -> Contender:
    """Take from a line in which 10,000 have failed, and 2,000 are due."""

    @asynccontextmanager
    async def taking(_: str) -> AsyncGenerator[Round]:
        async with make() as inbox:
            await put_in_lines(inbox, ["room 0"] * 10_000)
            for _failed in range(10_000):
                entry = await inbox.take()
                assert entry is not None
                await inbox.fail(entry, error="it failed", retry_in=None)
            await put_in_lines(inbox, ["room 0"] * 2_000)
            yield lambda count: take_each(inbox, count, line="room 0")

    return taking


async def put_in_lines(inbox: Inbox, lines: list[str]) -> None:
    """Put one into each."""
    await asyncio.gather(*(inbox.put(os.urandom(32).hex(), BODY, line=line) for line in lines))


async def take_each(inbox: Inbox, count: int, *, line: str | None = None) -> float:
    """Take so many, one after the other; the cost of each is the median time of a take."""
    times: list[float] = []
    for _ in range(count):
        await inbox.put(os.urandom(32).hex(), BODY, line=line)
        started = time.perf_counter()
        entry = await inbox.take()
        times.append(time.perf_counter() - started)
        assert entry is not None
        await inbox.complete(entry)
    return count * statistics.median(times)


@asynccontextmanager
async def listing_a_file(_: str) -> AsyncGenerator[Round]:
    """Start ``inbox list`` on a terminal, with 10,000 in a file, and wait for its end."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "inbox.db")
        await fill(SQLiteInbox(path))
        yield listing(str(path))


@asynccontextmanager
async def listing_from_postgres(_: str) -> AsyncGenerator[Round]:
    """The same with 10,000 on PostgreSQL."""
    with server() as url:
        await fill(PostgresInbox(url))
        yield listing(url)


async def fill(inbox: Inbox) -> None:
    """Put 10,000 messages."""
    keys = (os.urandom(32).hex() for _ in range(10_000))
    async with aclosing(inbox):
        await asyncio.gather(*(inbox.put(key, body_of(n)) for n, key in enumerate(keys)))


def listing(database: str) -> Round:
    """A round that lists, and whose cost is the time."""

    async def play(count: int) -> float:
        return sum(seconds_of_list(database) for _ in range(count))

    return play


def seconds_of_list(database: str) -> float:
    """Return how long ``inbox list`` takes on a terminal."""
    program = Path(sys.executable).with_name("webex-webhooks")
    terminal, inside = pty.openpty()
    started = time.perf_counter()
    with subprocess.Popen([program, "inbox", "list", database], stdout=inside):
        os.close(inside)
        shown = b"".join(pieces(terminal))
    seconds = time.perf_counter() - started
    os.close(terminal)
    assert b"10000 waiting" in shown
    return seconds


def pieces(terminal: int) -> Generator[bytes]:
    """Yield what a terminal shows, until nothing has it open any more."""
    with suppress(OSError):
        while piece := os.read(terminal, 65_536):
            yield piece


@asynccontextmanager
async def handing_over(_: str) -> AsyncGenerator[Round]:
    """Pass on a room of which two processes take: from an end to the next beginning, the median."""
    program = "from tests.benchmarks import storing; storing.work()"
    with server() as url:
        async with aclosing(PostgresInbox(url)) as inbox:
            await inbox.counts()

            async def play(count: int) -> float:
                for _ in range(count + 1):
                    body = sample_notification("messages", "created")
                    await inbox.put(os.urandom(32).hex(), body, line="a room")
                command = (sys.executable, "-c", program, url)
                workers = [
                    await asyncio.create_subprocess_exec(*command, stdout=PIPE) for _ in range(2)
                ]
                counts = await inbox.counts()
                while counts.waiting + counts.running:
                    await asyncio.sleep(0.1)
                    counts = await inbox.counts()
                spans: list[tuple[float, float]] = []
                for each in workers:
                    each.terminate()
                    printed, _ = await each.communicate()
                    for line in printed.splitlines():
                        began, ended = line.split()
                        spans.append((float(began), float(ended)))
                spans.sort()
                gaps = [later - ended for (_, ended), (later, _) in pairwise(spans)]
                return count * statistics.median(gaps)

            yield play


def work() -> None:
    """Handle what is in the inbox on PostgreSQL whose URL is the argument, and print when."""
    receiver = Receiver("a secret", inbox=PostgresInbox(sys.argv[1]))

    @receiver.on()
    async def handle(_: Notification[NotificationData]) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        print(began, time.monotonic(), flush=True)  # noqa: T201 - what it is for

    async def run() -> None:
        async with receiver:
            await asyncio.Event().wait()

    asyncio.run(run())


def within(name: str, seconds: float, ours: Contender, *, count: int) -> Case:
    """Compare the time of each with its target, for which one process and ten rounds are enough."""

    @asynccontextmanager
    async def target(_: str) -> AsyncGenerator[Round]:
        async def play(count: int) -> float:
            return count * seconds

        yield play

    limit = "1 s" if seconds == 1 else f"{1000 * seconds:g} ms"
    full = f"{name} / {limit} (time)"
    return Case(full, ours, target, count=count, at_most=1, processes=1, rounds=10)


def transactions(*, with_record: bool) -> Contender:
    """A contender that writes in transactions, with the record of `once` or without it."""

    @asynccontextmanager
    async def writing(_: str) -> AsyncGenerator[Round]:
        with server() as url:
            async with aclosing(PostgresInbox(url)) as inbox:
                connection = await psycopg.AsyncConnection.connect(url)
                await connection.execute("CREATE TABLE orders (amount int)")
                await connection.commit()

                @asynccontextmanager
                async def begin() -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
                    async with connection.transaction():
                        yield connection

                async def create(given: psycopg.AsyncConnection[Any]) -> int:
                    await given.execute("INSERT INTO orders VALUES (7)")
                    return 7

                await inbox.put("a key", sample_notification("rooms", "created"))
                entry = await inbox.take()
                assert entry is not None
                execution = Execution(parse_unverified_notification(entry.body))
                execution.key = entry.key
                execution.records = Records(execution.notification, (inbox, entry))

                async def play(count: int) -> None:
                    with execution:
                        for _ in range(count):
                            if with_record:
                                await once(os.urandom(8).hex(), create, within=begin)
                                continue
                            async with begin() as given:
                                await create(given)

                yield timed(play)
                await connection.close()

    return writing


CASES = (
    Case(
        "PostgreSQL: stored from 64 tasks / asyncpg by hand (time)",
        putting_in_time,
        inserting_in_time,
        count=2_000,
        at_most=1 / 3,
        processes=1,
    ),
    Case(
        "PostgreSQL: stored from 64 tasks / SQLiteInbox",
        putting,
        putting_into_a_file,
        count=2_000,
        at_most=1.5,
        processes=1,
    ),
    within(
        "SQLite: take beside 1,000,000 known keys",
        0.002,
        taking_beside_known_keys_in_a_file,
        count=100,
    ),
    within(
        "PostgreSQL: take beside 1,000,000 known keys", 0.002, taking_beside_known_keys, count=100
    ),
    within(
        "PostgreSQL: take beside an old transaction",
        0.030,
        taking_beside_an_old_transaction,
        count=20,
    ),
    *(
        within(f"{database}: {name}", 0.050, taking(make), count=20)
        for database, make in (("SQLite", in_a_file), ("PostgreSQL", on_postgres))
        for name, taking in (
            ("take beside 100,000 in busy lines", taking_beside_busy_lines),
            ("take behind 10,000 failed, 2,000 due", taking_behind_failed_ones),
        )
    ),
    within("PostgreSQL: next in a room of two processes", 0.025, handing_over, count=50),
    within("SQLite: inbox list of 10,000", 1.0, listing_a_file, count=1),
    within("PostgreSQL: inbox list of 10,000", 1.0, listing_from_postgres, count=1),
    Case(
        "PostgreSQL: transaction with the record of once / without (time)",
        transactions(with_record=True),
        transactions(with_record=False),
        count=100,
    ),
)
