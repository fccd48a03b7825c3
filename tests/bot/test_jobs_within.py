"""Jobs that are committed with a transaction of the user's own, or rolled back with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from sqlite3 import connect
from typing import Any

import aiosqlite
import psycopg
import pytest

from tests.bot.doubles import Webex, noting
from tests.support.clocks import let_pass, timed
from tests.support.inboxes import taken
from tests.support.postgres_inboxes import Database
from tests.support.transactions import ALL_WAYS, WAYS, Place, opened
from tests.support.wire import until
from webex_webhooks_async import Bot

pytestmark = pytest.mark.once


@pytest.fixture(params=WAYS)
async def place(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> AsyncIterator[Place]:
    """An inbox and the user's table, in each database."""
    async with opened(request.param, database, tmp_path) as found:
        await found.inbox.counts()  # which makes the tables
        yield found


of_postgres = pytest.mark.parametrize("place", ["PostgreSQL"], indirect=True)


class Notes:
    """A bot whose jobs note their values."""

    def __init__(self, webex: Webex, place: Place) -> None:
        self.values: list[Any] = []
        often = timed(Bot, sleep=lambda _: asyncio.sleep(0.02))
        self.bot: Bot = often(webex.client, inbox=place.inbox)
        self.bot.job("note")(noting(self.values, lambda context: context.value))


@pytest.mark.parametrize(("place", "way"), ALL_WAYS, indirect=["place"])
async def test_every_driver(place: Place, way: str, webex: Webex) -> None:
    """A job is there if the transaction is committed, and only then."""
    notes = Notes(webex, place)
    async with notes.bot:
        with suppress(ConnectionError):
            async with place.within(way)() as given:
                assert await notes.bot.enqueue("note", 1, transaction=given)
                raise ConnectionError("it is rolled back")
        async with place.within(way)() as given:
            await place.write(given)
            assert await notes.bot.enqueue("note", 2, transaction=given)
        await until(lambda: bool(notes.values))
    assert (notes.values, place.rows()) == ([2], 1)


async def test_a_process_that_ends_after_the_commit(webex: Webex, place: Place) -> None:
    """Another process runs what was committed; a line has the jobs in their order."""
    first, second = Notes(webex, place), Notes(webex, place)
    async with place.within()() as given, first.bot:
        for value in range(5):
            await first.bot.enqueue("note", value, line="a line", transaction=given)
    async with second.bot:
        await until(lambda: len(second.values) == 5)
    assert (first.values, second.values) == ([], [0, 1, 2, 3, 4])


async def test_keys(webex: Webex, place: Place) -> None:
    """Of two jobs with one key the first one runs; a later call replaces or removes it."""
    notes = Notes(webex, place)
    enqueue, cancel = notes.bot.enqueue, notes.bot.cancel
    async with notes.bot:
        async with place.within()() as given:
            results = [
                await enqueue("note", 1, key="a", transaction=given),
                await enqueue("note", 2, key="a", transaction=given),
                await enqueue("note", 3, key="b", transaction=given),
                await cancel("note", key="b", transaction=given),
                await cancel("note", key="b", transaction=given),
                await enqueue("note", 4, key="c", after=3600, transaction=given),
                await enqueue("note", 5, key="d", transaction=given),
                await enqueue("note", 6, key="d", replace=True, transaction=given),
            ]
            assert results == [True] * 8
        assert await cancel("note", key="c") is True
        await until(lambda: len(notes.values) == 2)
    assert sorted(notes.values) == [1, 6]
    assert (await place.inbox.counts()).scheduled == 0


async def test_what_runs(place: Place) -> None:
    """A job with the key of one that runs, and is replaced or stopped, succeeds it."""
    inbox = place.inbox
    for way in ("replaced", "stopped"):
        await inbox.put("job:1", b"first")
        entry = await taken(inbox)
        if way == "stopped":
            await inbox.stop("job:1")
        async with place.within()() as given:
            await inbox.put_within(given, "job:1", way.encode(), replace=way == "replaced")
        assert await inbox.take() is None
        await inbox.complete(entry)
        let_pass(1)  # so that it looks for what was committed
        entry = await taken(inbox)
        assert entry.body == way.encode()
        await inbox.complete(entry)
        await inbox.put("job:1", b"", replace=True)  # so that the key is free again
        await inbox.cancel("job:1")


async def test_when_it_is_due(place: Place) -> None:
    """The seconds count from the call; what is committed is counted before anybody has taken it."""
    inbox = place.inbox
    async with place.within()() as given:
        before = await inbox.now()
        await inbox.put_within(given, "job:1", b"{}", after=60.0)
        await inbox.put_within(given, "job:2", b"{}", at=before)
        after = await inbox.now()
    counts = await inbox.counts()
    assert (counts.waiting, counts.scheduled) == (1, 1)
    assert (await taken(inbox)).key == "job:2"
    (due,) = [each.due async for each in inbox.unfinished() if each.key == "job:1"]
    assert due is not None
    assert 60 <= (due - before).total_seconds() <= (after - before).total_seconds() + 60


@of_postgres
async def test_an_open_transaction(webex: Webex, place: Place) -> None:
    """On PostgreSQL, nobody waits for a transaction that has enqueued and isn't over."""
    notes = Notes(webex, place)
    async with notes.bot:
        await notes.bot.enqueue("note", 1, key="b", after=3600)
        async with place.within()() as given:
            await notes.bot.enqueue("note", 2, key="a", line="a line", transaction=given)
            await notes.bot.cancel("note", key="b", transaction=given)
            assert await notes.bot.enqueue("note", 3, key="a", line="a line")
            assert await notes.bot.cancel("note", key="b")
            assert await notes.bot.enqueue("note", 4, line="a line")
            await until(lambda: notes.values == [3, 4])
        await notes.bot.enqueue("note", 5, line="a line")
        await until(lambda: notes.values == [3, 4, 5])


@of_postgres
async def test_together(place: Place, database: Database) -> None:
    """On PostgreSQL, what one transaction has left isn't torn apart, and others take meanwhile."""
    other = database.inbox()
    await other.counts()
    with psycopg.connect(place.url) as blocking:
        known = f"INSERT INTO {database.schema}.known VALUES ('job:2', gen_random_uuid())"
        async with place.within()() as given:
            for number in range(1, 4):
                await place.inbox.put_within(given, f"job:{number}", b"{}", line="a line")
        blocking.execute(known.encode())
        taking = asyncio.create_task(taken(place.inbox))
        await until(lambda: database.server.blocked() > 0)
        assert [each async for each in other.unfinished()] == []
        await other.put("job:4", b"{}")
        assert (await taken(other)).key == "job:4"
        blocking.rollback()
        assert (await taking).key == "job:1"
    await other.aclose()


async def test_what_is_no_transaction(webex: Webex, place: Place, tmp_path: Path) -> None:
    """What `once` refuses is refused, and nothing is stored."""
    notes, engine = Notes(webex, place), place.engine
    other = tmp_path / "other.db"
    with closing(connect(other)):
        pass
    async with notes.bot, aiosqlite.connect(other) as elsewhere, engine.connect() as unused:
        for given, error, words in (
            (5, TypeError, "pass a connection or a session in a transaction"),
            (engine, TypeError, "no transaction is in .*transaction=session"),
            (unused, RuntimeError, "this is .* in which no transaction is"),
            (elsewhere, RuntimeError, "this is a connection to another database"),
        ):
            with pytest.raises(error, match=words):
                await notes.bot.enqueue("note", 1, transaction=given)
            with pytest.raises(error, match=words):
                await notes.bot.cancel("note", key="a", transaction=given)
    assert (await place.inbox.counts()).waiting == 0
