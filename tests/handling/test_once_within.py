"""`once` within a transaction of the user's own, over every driver."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import aiosqlite
import asyncpg
import psycopg
import pytest
from attrs import evolve
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import AsyncAdaptedQueuePool

from tests.notifications.doubles import SECRET, deliver, distinct
from tests.support.logs import Log
from tests.support.postgres_inboxes import Database
from tests.support.transactions import ALL_WAYS, WAYS, Place, Within, opened
from webex_webhooks_async import (
    MessageData,
    Notification,
    PostgresInbox,
    Receiver,
    Resource,
    once,
    parse_unverified_notification,
)
from webex_webhooks_async.handling.dispatch import Execution
from webex_webhooks_async.handling.records import Records
from webex_webhooks_async.types import InboxEntry

pytestmark = pytest.mark.once

Call = Callable[[Any], Awaitable[object]]


@pytest.fixture(params=WAYS)
async def place(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> AsyncIterator[Place]:
    """An inbox and the user's table, in each database."""
    async with opened(request.param, database, tmp_path) as found:
        yield found


@pytest.fixture
async def entry(place: Place) -> InboxEntry:
    """Something that is being handled."""
    return await place.entry()


def only(kind: str) -> pytest.MarkDecorator:
    """Test with one of the databases."""
    return pytest.mark.parametrize("place", [kind], indirect=True)


async def attempt(
    place: Place, entry: InboxEntry, call: Call, within: Within, *, is_first: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Call `once` as a handler does in an attempt."""
    execution = Execution(parse_unverified_notification(entry.body))
    execution.key = entry.key
    execution.records = Records(execution.notification, (place.inbox, entry), is_first=is_first)
    with execution:
        return await once("order", call, within=within)


@pytest.mark.parametrize(("place", "way"), ALL_WAYS, indirect=["place"])
async def test_every_driver(place: Place, entry: InboxEntry, way: str) -> None:
    """What is written and its record are committed together, and rolled back together."""
    within, calls = place.within(way), 0

    async def create(given: object) -> int:
        nonlocal calls
        calls += 1
        await place.write(given)
        if calls == 1:
            raise ConnectionError("the process is killed")
        return 40 + calls

    with pytest.raises(ConnectionError):
        await attempt(place, entry, create, within, is_first=True)
    assert place.rows() == 0
    assert await attempt(place, entry, create, within) == 42
    assert await attempt(place, entry, create, within) == 42
    assert (calls, place.rows()) == (2, 1)
    assert await place.inbox.complete(entry) is True


def no_row(*_: object) -> Mapping[str, str]:
    """What the function of a user's makes of a row."""
    return {"all": "lost"}


async def test_connections_that_are_set_up_differently(place: Place, entry: InboxEntry) -> None:
    """Neither what a row is made of matters, nor how the transaction begins, nor a pipeline."""

    @asynccontextmanager
    async def of_aiosqlite(url: str) -> AsyncGenerator[Any]:
        async with aiosqlite.connect(url, isolation_level=None) as connection:
            given: Any = connection
            given.row_factory = no_row
            given.text_factory = bytes
            await connection.execute("BEGIN")
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def of_psycopg(url: str) -> AsyncGenerator[Any]:
        given: Any = await psycopg.AsyncConnection.connect(url)
        given.row_factory = dict_row
        async with given, given.pipeline():
            yield given

    within = partial(of_psycopg if place.database == "PostgreSQL" else of_aiosqlite, place.url)
    both = (entry, evolve(entry, token="f" * 32))
    tries = (attempt(place, each, place_writer(place), within) for each in both)
    assert await asyncio.gather(*tries) == [1, 1]
    assert place.rows() == 1


async def test_in_a_receiver(place: Place) -> None:
    """In a handler that fails after it, the second attempt gets the result of the first."""
    results: list[int] = []
    is_over = asyncio.Event()
    receiver = Receiver(SECRET, inbox=place.inbox)

    async def create(given: object) -> int:
        await place.write(given)
        return len(results) + 1

    @receiver.on(Resource.MESSAGES)
    async def handler(_: Notification[MessageData]) -> None:
        results.append(await once("order", create, within=place.within()))
        if len(results) == 1:
            raise ConnectionError("something else fails")
        is_over.set()

    async with receiver:
        await deliver(receiver, distinct(1))
        await is_over.wait()
    assert results == [1, 1]
    assert place.rows() == 1


async def test_two_processes(place: Place, entry: InboxEntry) -> None:
    """Of two processes that hold the same notification, one calls, and both get its result."""
    both = (entry, evolve(entry, token="f" * 32))
    calls = 0

    async def create(given: object) -> int:
        nonlocal calls
        calls += 1
        await place.write(given)
        await asyncio.sleep(0.05)
        return calls

    within = place.within()
    tries = (attempt(place, each, create, within, is_first=True) for each in both)
    assert await asyncio.gather(*tries) == [1, 1]
    assert place.rows() == 1


async def test_result_that_json_can_not_hold(place: Place, entry: InboxEntry) -> None:
    """A result that JSON can't hold is an error, and rolled back."""

    async def create(given: object) -> object:
        await place.write(given)
        return object()

    for _ in range(2):
        with pytest.raises(TypeError, match="isn't JSON"):
            await attempt(place, entry, create, place.within())
    assert place.rows() == 0


@pytest.mark.parametrize(
    ("word", "error", "counts"),
    [
        ("commit", "has committed the transaction by itself", (1, 1)),
        ("rollback", "has ended the transaction by itself", (2, 0)),
    ],
)
@pytest.mark.parametrize(
    ("place", "way"),
    [each for each in ALL_WAYS if each[1] != "psycopg, autocommit"],  # which psycopg refuses
    indirect=["place"],
)
async def test_a_call_that_ends_the_transaction(  # noqa: PLR0913, PLR0917 - parameters
    place: Place, entry: InboxEntry, way: str, word: str, error: str, counts: tuple[int, int]
) -> None:
    """A call that commits by itself isn't called again; if it rolls back, nothing is recorded."""
    calls = 0

    async def create(given: Any) -> int:  # noqa: ANN401 - of any driver
        nonlocal calls
        calls += 1
        await place.write(given)
        await (given.execute(word) if way == "asyncpg" else getattr(given, word)())
        return 1

    for _ in range(2):
        with pytest.raises(RuntimeError, match=error):
            await attempt(place, entry, create, place.within(way))
    assert (calls, place.rows()) == counts


async def test_a_context_without_a_commit(place: Place, entry: InboxEntry) -> None:
    """A context that ends without a commit is an error."""

    @asynccontextmanager
    async def within() -> AsyncGenerator[Any]:
        async with place.within()() as given:
            yield given
            await given.rollback()

    with pytest.raises(RuntimeError, match="ended without a commit"):
        await attempt(place, entry, place_writer(place), within)
    assert place.rows() == 0


async def test_a_completion_meanwhile(place: Place, entry: InboxEntry) -> None:
    """What was committed is returned, also if the notification was completed by then."""

    @asynccontextmanager
    async def within() -> AsyncGenerator[Any]:
        async with place.within()() as given:
            yield given
        assert await place.inbox.complete(entry) is True

    assert await attempt(place, entry, place_writer(place), within) == 1
    assert place.rows() == 1


def place_writer(place: Place) -> Call:
    """A call that writes a row."""

    async def create(given: object) -> int:
        await place.write(given)
        return 1

    return create


async def test_cancellation(place: Place, entry: InboxEntry) -> None:
    """Calls that are cancelled leave nothing, and the pool has its connections back."""
    begun = asyncio.Event()

    async def create(given: object) -> int:
        begun.set()
        await place.write(given)
        await asyncio.Event().wait()
        return 1

    for steps in range(100):
        begun.clear()
        task = asyncio.create_task(attempt(place, entry, create, place.engine.begin))
        if place.database == "SQLite":  # a connection whose opening is cancelled stays open there
            await begun.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert isinstance(place.engine.pool, AsyncAdaptedQueuePool)
    assert place.engine.pool.checkedout() == 0
    assert place.rows() == 0
    assert await attempt(place, entry, place_writer(place), place.engine.begin) == 1


class TestRefusals:
    async def refused(
        self,
        place: Place,
        within: Any,  # noqa: ANN401 - wrong
        error: type[Exception],
        match: str,
    ) -> None:
        """Check that `once` refuses, and that nothing is written."""
        entry = await place.entry()

        async def create(given: object) -> int:
            raise AssertionError(f"called with {given!r}")

        with pytest.raises(error, match=match):
            await attempt(place, entry, create, within)
        assert await place.inbox.recall(entry, "once:order") is None

    async def test_what_within_is(self, place: Place) -> None:
        """What isn't a function that returns an async context manager is a `TypeError`."""
        engine = place.engine
        for manager in (async_sessionmaker(engine).begin(), engine.begin()):
            await self.refused(place, manager, TypeError, "within=sessions.begin")
        await self.refused(place, engine, TypeError, "must be a function")
        conninfo = "host=db password=canary"  # which isn't shown
        await self.refused(place, conninfo, TypeError, "must be a function, got str: pass")
        await self.refused(place, lambda: 5, TypeError, "must return an async context manager")

        async def function() -> None: ...

        await self.refused(place, function, TypeError, "it returned coroutine")

    async def test_what_is_yielded(self, place: Place) -> None:
        """What is no connection in a transaction is refused."""
        engine, sessions = place.engine, async_sessionmaker(place.engine)
        with closing(sqlite3.connect(":memory:")) as plain, Session() as session:
            for given, error, match in (
                (5, TypeError, "got builtins.int"),
                (engine, TypeError, "pass its method begin"),
                (sessions, TypeError, "pass its method begin"),
                (session, TypeError, "would block the event loop"),
                (plain, TypeError, "would block the event loop"),
            ):
                await self.refused(place, lambda given=given: yielding(given), error, match)
        await self.refused(place, sessions, RuntimeError, "in which no transaction is")
        await self.refused(place, engine.connect, RuntimeError, "in which no transaction is")

    async def test_autocommit(self, place: Place) -> None:
        """A connection in autocommit is refused, whatever the driver."""
        given: list[Any] = []
        if place.database == "PostgreSQL":
            given.append(await psycopg.AsyncConnection.connect(place.url, autocommit=True))
            given.append(await asyncpg.connect(place.url))
        else:
            given.append(await aiosqlite.connect(place.url, isolation_level=None))
            if sys.version_info >= (3, 12):
                given.append(await aiosqlite.connect(place.url, autocommit=True))
        for each in given:
            await self.refused(place, partial(yielding, each), RuntimeError, "no transaction")
            await each.close()
        for engine in place.engines.values():
            automatic = engine.execution_options(isolation_level="AUTOCOMMIT")
            await self.refused(place, automatic.begin, RuntimeError, "no transaction")

    @only("PostgreSQL")
    async def test_synchronous_psycopg(self, place: Place) -> None:
        """A synchronous connection of psycopg is refused."""
        with psycopg.connect(place.url) as given:
            await self.refused(place, lambda: yielding(given), TypeError, "psycopg.AsyncConnection")

    async def test_another_database(self, place: Place, database: Database, tmp_path: Path) -> None:
        """Another database is refused: another kind, one without tables, one of another inbox."""
        other = tmp_path / "other.db"
        await self.refused(
            place, lambda: aiosqlite.connect(other), RuntimeError, "another database"
        )
        if place.database == "SQLite":
            return
        execute = psycopg.connect(place.url, autocommit=True)
        name = f"other_{database.schema}"
        execute.execute(f"CREATE DATABASE {name}".encode())
        execute.close()
        url = place.url.removesuffix("postgres") + name

        @asynccontextmanager
        async def within() -> AsyncGenerator[Any]:
            async with await psycopg.AsyncConnection.connect(url) as connection:
                yield connection

        await self.refused(place, within, RuntimeError, "another database")
        theirs = database.inbox(url)
        await theirs.counts()
        await self.refused(place, within, RuntimeError, "another database")
        await theirs.aclose()

    @only("PostgreSQL")
    async def test_missing_rights(
        self, place: Place, database: Database, entry: InboxEntry
    ) -> None:
        """A role that lacks rights on the inbox's tables, or one of them, gets the GRANT."""
        role = f"role_{database.schema}"
        with psycopg.connect(place.url) as owner:
            owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        engine = create_async_engine(
            place.url.replace("postgresql://postgres@", f"postgresql+asyncpg://{role}@")
        )
        await self.refused(place, engine.begin, RuntimeError, "GRANT USAGE ON SCHEMA")
        with psycopg.connect(place.url) as owner:
            for right in (
                f"USAGE ON SCHEMA {database.schema}",
                f"SELECT, INSERT ON ALL TABLES IN SCHEMA {database.schema}",
                f"INSERT ON {place.orders}",
            ):
                owner.execute(f"GRANT {right} TO {role}".encode())
        with pytest.raises(RuntimeError, match="GRANT USAGE ON SCHEMA"):
            await attempt(place, entry, place_writer(place), engine.begin)
        await engine.dispose()

    async def test_after_the_completion(self, place: Place, entry: InboxEntry) -> None:
        """What is completed can't be recorded for."""
        await place.inbox.complete(entry)
        with pytest.raises(RuntimeError, match="isn't in the inbox any more"):
            await attempt(place, entry, place_writer(place), place.within(), is_first=True)
        assert place.rows() == 0

    @only("PostgreSQL")
    async def test_a_completion_meanwhile(
        self, place: Place, database: Database, entry: InboxEntry
    ) -> None:
        """What is completed between the check and the record can't be recorded for either."""

        class Unchecked(PostgresInbox):
            _check = AsyncMock()

        await place.inbox.complete(entry)
        async with aclosing(Unchecked(place.url, schema=database.schema)) as inbox:
            place = evolve(place, inbox=inbox)
            with pytest.raises(RuntimeError, match="isn't in the inbox any more"):
                await attempt(place, entry, place_writer(place), place.within())

    async def test_without_a_transactional_inbox(self, place: Place, entry: InboxEntry) -> None:
        """Without an inbox that can write in a transaction, the error says so."""
        execution = Execution(parse_unverified_notification(entry.body))
        execution.key = entry.key
        with execution, pytest.raises(RuntimeError, match="pass inbox= to the receiver"):
            await once("order", place_writer(place), within=place.within())
        inbox: Any = object()
        execution.records = Records(execution.notification, (inbox, entry), is_first=True)
        with execution, pytest.raises(TypeError, match="a TransactionalInbox, and object isn't"):
            await once("order", place_writer(place), within=place.within())
        assert place.rows() == 0

    async def test_inside_of_the_call(self, place: Place, entry: InboxEntry) -> None:
        """Inside of the call, nothing is said, and nothing else is done once."""

        async def create(given: object) -> int:
            async def other() -> int:
                return 1

            return int(await once("other", other))

        with pytest.raises(RuntimeError, match=r"within the transaction of once\('order'\)"):
            await attempt(place, entry, create, place.within())


@asynccontextmanager
async def yielding(given: object) -> AsyncGenerator[Any]:
    """A context that yields something."""
    yield given


async def test_dispatch(place: Place) -> None:
    """In `dispatch`, the call is made in the transaction, and nothing is recorded."""
    receiver = Receiver(SECRET)
    results: list[int] = []

    @receiver.on(Resource.MESSAGES)
    async def handler(notification: Notification[MessageData]) -> None:
        for _ in range(2):
            result = await once("order", place_writer(place), within=place.within())
            results.append(result)

    for _ in range(2):
        await receiver.dispatch(parse_unverified_notification(distinct(1)))
    assert results == [1, 1, 1, 1]
    assert place.rows() == 2


async def test_dispatch_without_a_transaction(place: Place) -> None:
    """In `dispatch`, too, a call isn't made where nothing would be committed together."""
    receiver = Receiver(SECRET)

    @asynccontextmanager
    async def automatic() -> AsyncGenerator[Any]:
        async with await psycopg.AsyncConnection.connect(place.url, autocommit=True) as connection:
            yield connection

    wrong: list[Within] = [
        *(async_sessionmaker(place.engine), place.engine.connect, lambda: yielding(5))
    ]
    if place.database == "PostgreSQL":
        wrong.append(automatic)
    refused: list[Exception] = []

    @receiver.on(Resource.MESSAGES)
    async def handler(_: Notification[MessageData]) -> None:
        for within in wrong:
            with pytest.raises((RuntimeError, TypeError), match="in a transaction") as caught:
                await once("order", place_writer(place), within=within)
            refused.append(caught.value)

    await receiver.dispatch(parse_unverified_notification(distinct(1)))
    assert len(refused) == len(wrong)


@only("SQLite")
async def test_a_long_lock(place: Place, entry: InboxEntry, caplog: Log) -> None:
    """A call that locks the file of a `SQLiteInbox` for more than a second is warned about."""

    async def create(_: object) -> int:
        inbox: Any = place.inbox
        inbox._locked_at -= 1.1  # as if it had taken that long
        return 1

    await attempt(place, entry, create, place.within())
    assert "once('order') has locked the inbox" in caplog.text


@only("PostgreSQL")
async def test_a_commit_that_fails(place: Place, entry: InboxEntry) -> None:
    """When the commit fails, nothing is recorded, and the next attempt calls again."""
    within = place.engines["psycopg"].begin
    unique = f"ALTER TABLE {place.orders} ADD UNIQUE (amount) DEFERRABLE INITIALLY DEFERRED"
    with psycopg.connect(place.url) as connection:
        connection.execute(unique.encode())
        connection.execute(f"INSERT INTO {place.orders} (amount) VALUES (7)".encode())
    with pytest.raises(DBAPIError, match="duplicate key"):
        await attempt(place, entry, place_writer(place), within)
    assert await place.inbox.recall(entry, "once:order") is None
    with psycopg.connect(place.url) as connection:
        connection.execute(f"DELETE FROM {place.orders}".encode())
    assert await attempt(place, entry, place_writer(place), within) == 1
    assert place.rows() == 1


@only("PostgreSQL")
async def test_repeatable_read(place: Place, entry: InboxEntry) -> None:
    """Under REPEATABLE READ, the second process gets an error, and the result in its next try."""
    engine = place.engines["psycopg"].execution_options(isolation_level="REPEATABLE READ")
    goes_on = asyncio.Event()

    @asynccontextmanager
    async def within() -> AsyncGenerator[Any]:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))  # from here on, it sees nothing new
            await goes_on.wait()
            yield connection

    late = asyncio.create_task(attempt(place, entry, place_writer(place), within))
    await asyncio.sleep(0.1)
    assert await attempt(place, entry, place_writer(place), place.within()) == 1
    goes_on.set()
    with pytest.raises(DBAPIError, match="could not serialize"):
        await late
    assert await attempt(place, entry, place_writer(place), within) == 1
    assert place.rows() == 1
