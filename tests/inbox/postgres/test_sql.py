# pyright: reportPrivateUsage=false

"""What PostgreSQL is asked: what it costs, what it locks, and whose functions it calls."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.inboxes import taken
from tests.support.postgres_inboxes import BODY, Database
from tests.support.wire import until
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.inbox.postgres import questions, sql

pytestmark = pytest.mark.once

_CALL = re.compile(r"([\w.]+)\(")
_CONSTANT = re.compile(r"('(?:[^']|'')*')(::)?")
# What is no function: parts of the grammar, and `unnest` of several arrays.
_GRAMMAR = {"EXTRACT", "COALESCE", "GREATEST", "LEAST", "NULLIF", "ANY", "unnest"}


def statements() -> list[str]:
    """Each SQL text."""
    written = [
        each.decode() if isinstance(each, bytes) else each
        for module in (sql, questions)
        for name, each in vars(module).items()
        if name.isupper() and isinstance(each, (str, bytes))
    ]
    return [*written, sql.script("the schema")]


class TestSearchPath:
    def test_only_functions_of_postgres_are_called(self) -> None:
        """Another role's functions are never called: each call names its schema."""
        for text in statements():
            # What defines tables and columns has words with parentheses, too.
            calls = {each for each in _CALL.findall(text) if each not in _GRAMMAR}
            assert all(each.startswith("pg_catalog.") for each in calls), (calls, text)

    def test_constants_have_types(self) -> None:
        """A constant has a type, so that no other function fits better."""
        for text in statements():
            body = text.replace("SET LOCAL search_path = ''", "")
            assert [each for each, typed in _CONSTANT.findall(body) if not typed] == [], text
            assert set(re.findall(r"\$\d+(?!::)\b(?!:)", body)) == set(), text

    def test_script(self) -> None:
        """The script looks into no schema but those that it names."""
        assert sql.script("the schema").splitlines()[1] == "SET LOCAL search_path = '';"

    async def test_functions_that_fit_better(self, database: Database) -> None:
        """What another role puts into the search path isn't called by the inbox."""
        called = "RETURNS {} LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$"
        functions = {
            "unnest(text[])": "SETOF text",
            "unnest(uuid[])": "SETOF uuid",
            "to_timestamp(real)": "timestamptz",
            "make_interval(secs real)": "interval",
            "count(bigint)": "bigint",
            "substr(bytea, bigint)": "bytea",
            "pg_advisory_xact_lock(integer)": "void",
            "cardinality(uuid[])": "int",
            "starts_with(text, varchar)": "boolean",
        }
        made = [
            f"CREATE FUNCTION {database.schema}_public.{name} {called.format(result)}"
            for name, result in functions.items()
        ]
        database.execute(f"CREATE SCHEMA {database.schema}_public", *made)
        options = f"?options=-csearch_path%3D{database.schema}_public"
        async with database.inboxes(1, f"{database.url}{options}") as (inbox,):
            await inbox.put("key", BODY, line="a room")
            entry = await taken(inbox)
            await inbox.put("key", BODY, replace=True)
            await inbox.fail(entry, error="it failed", retry_in=None)
            await inbox.retry(["key"])
            await inbox.drop(["key"])
            assert await inbox.claim("a name", 1) is True
            assert [each.key async for each in inbox.unfinished()] == ["key"]

    async def test_a_schema_before_those_of_postgres(self, database: Database) -> None:
        """A search path in which another schema comes before PostgreSQL's own is refused."""
        url = f"{database.url}?options=-csearch_path%3D"
        async with aclosing(database.inbox(f"{url}public,pg_catalog")) as inbox:
            with pytest.raises(RuntimeError, match="'public' before pg_catalog"):
                await inbox.counts()
        async with database.inboxes(1, f"{url}pg_catalog,public") as (inbox,):
            assert await inbox.put("key", BODY)


Shape = Callable[[PostgresInbox, int], Awaitable[None]]


async def failed(inbox: PostgresInbox, number: int) -> None:
    """So many of a room have failed."""
    await put(inbox, number, line="a room")
    await inbox._rows("UPDATE <notifications> SET stage = 0, due = NULL")


async def due_later(inbox: PostgresInbox, number: int) -> None:
    """So many of a room are due later."""
    await put(inbox, number, line="a room", after=60)


async def behind(inbox: PostgresInbox, number: int) -> None:
    """So many wait behind ten that run."""
    for place in range(10):
        await inbox.put(f"first {place}", BODY, line=f"room {place}")
        await taken(inbox)
    for place in range(10):
        await put(inbox, number // 10, line=f"room {place}")
    assert await inbox.take() is None


async def in_other_rooms(inbox: PostgresInbox, number: int) -> None:
    """Each of so many waits in a room of its own."""
    await asyncio.gather(
        *(inbox.put(f"room {place}", BODY, line=f"room {place}") for place in range(number))
    )


async def put(inbox: PostgresInbox, number: int, *, line: str, after: float = 0.0) -> None:
    """Store so many."""
    await asyncio.gather(
        *(inbox.put(f"{line} {n}", BODY, line=line, after=after) for n in range(number))
    )


class TestCosts:
    @pytest.mark.parametrize("shape", [failed, due_later, behind, in_other_rooms])
    async def test_take(self, database: Database, shape: Shape) -> None:
        """How much a take reads doesn't grow with what can't be taken, or waits elsewhere."""
        pages: list[int] = []
        for number in (100, 1_000):
            of_number = Database(database.server, f"{database.schema}_{number}")
            async with of_number.inboxes() as (inbox,):
                await shape(inbox, number)
                await put(inbox, 20, line="a room")
                of_number.execute(*(f"VACUUM ANALYZE {each}" for each in sql.TABLES))
                pages.append(self.pages_read(of_number, inbox))
        assert pages[1] < 1.5 * pages[0], pages

    def pages_read(self, database: Database, inbox: PostgresInbox) -> int:
        """How many pages a take reads."""
        query = inbox._query(sql.TAKE).text  # pyright: ignore[reportPrivateUsage] - what it asks
        token = "00000000-0000-0000-0000-000000000001"
        with psycopg.connect(database.url, cursor_factory=psycopg.RawCursor) as connection:
            cursor = connection.execute(
                b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, [token, "", 0.0, 8, True]
            )
            plan: Any = cursor.fetchall()[0][0]
            connection.rollback()
        top = plan[0]["Plan"]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


class TestSameMoment:
    """Two statements at the same moment: the one that isn't committed, and the other."""

    async def test_a_put_and_an_end(self, database: Database) -> None:
        """A put and an end that don't see each other leave a line its first."""
        async with database.inboxes(3) as (one, other, taker):
            await one.put("running", BODY, line="a room")
            entry = await taken(one)
            with database.holding("INSERT INTO lines VALUES ('a room', now())"):
                # Both statements wait for the row of the line, and have seen what they see.
                putting = asyncio.create_task(one.put("next", BODY, line="a room"))
                ending = asyncio.create_task(other.complete(entry))
                await until(lambda: database.server.blocked() == 2)
                assert await taker.take() is None
            assert all(await asyncio.gather(putting, ending))
            assert (await taken(taker)).key == "next"

    async def test_a_successor_and_an_end(self, database: Database) -> None:
        """What replaces a running entry at the moment of its end is stored once."""
        async with database.inboxes(2) as (one, other):
            for first in (False, True):
                await one.put("a key", BODY, replace=True)
                entry = await taken(one)
                with database.holding("SELECT 1 FROM known FOR UPDATE"):
                    ending = asyncio.create_task(one.complete(entry)) if first else None
                    if ending is not None:
                        await until(lambda: database.server.blocked() == 1)
                    replacing = asyncio.create_task(other.put("a key", BODY, replace=True))
                    await until(lambda n=1 + first: database.server.blocked() == n)  # type: ignore[misc] # its default has a type
                assert await replacing is True
                assert await (ending or one.complete(entry)) is True
                await one.complete(await taken(one))
                assert await one.take() is None

    async def test_a_cancellation_and_an_end(self, database: Database) -> None:
        """A successor that takes its place at the moment of a cancellation is removed."""
        async with database.inboxes(2) as (one, other):
            await one.put("a key", BODY)
            entry = await taken(one)
            await one.put("a key", BODY, replace=True)
            with database.holding("LOCK TABLE records IN EXCLUSIVE MODE"):
                ending = asyncio.create_task(one.complete(entry))
                await until(lambda: database.server.blocked() == 1)
                cancelling = asyncio.create_task(other.cancel("a key"))
                await until(lambda: database.server.blocked() == 2)
            assert await ending is True
            assert await cancelling is True
            assert await one.take() is None


class TestTransactionsOfUsers:
    async def test_what_is_frozen_within_is_taken_over(self, database: Database) -> None:
        """An entry whose process is frozen within a transaction is taken over, and its room."""
        async with database.inboxes(lease=0.001) as (frozen,):
            await frozen.put("a key", BODY, line="a room")
            entry = await taken(frozen)
            async with database.inboxes() as (inbox,):
                connection = await psycopg.AsyncConnection.connect(database.url)
                await frozen.remember_within(connection, entry, "a name", b"")
                again = await taken(inbox)
                assert (again.key, again.expiries) == ("a key", 1)
                await connection.close()

    async def test_what_outlives_its_handler_holds_up_no_other(self, database: Database) -> None:
        """While transactions are open in which records are, others' outcomes are recorded."""
        async with database.inboxes(timeout=60) as (inbox,):
            for number in range(6):
                await inbox.put(f"{number}", BODY)
            *entries, other = [await taken(inbox) for _ in range(6)]
            connections = [await psycopg.AsyncConnection.connect(database.url) for _ in entries]
            for connection, entry in zip(connections, entries, strict=True):
                await inbox.remember_within(connection, entry, "a name", b"")
            completing = [asyncio.create_task(inbox.complete(each)) for each in entries]
            async with asyncio.timeout(30):
                assert await inbox.complete(other) is True
            assert not any(each.done() for each in completing)
            for connection in connections:
                await connection.commit()
                await connection.close()
            assert await asyncio.gather(*completing) == len(entries) * [True]

    @pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
    async def test_a_schema_with_a_parameter_in_its_name(
        self, database: Database, driver: str
    ) -> None:
        """A schema may have a name that looks like a parameter, with SQLAlchemy too."""
        engine = create_async_engine(database.url.replace("://", f"+{driver}://"))
        odd = Database(database.server, f"{database.schema}$1y")
        async with odd.inboxes() as (inbox,):
            await inbox.put("a key", BODY)
            entry = await taken(inbox)
            async with engine.begin() as connection:
                assert await inbox.remember_within(connection, entry, "a name", b"a record")
            assert await inbox.recall(entry, "a name") == b"a record"
        await engine.dispose()


async def test_arrays_without_null(database: Database) -> None:
    """The database may read no NULL in arrays."""
    async with database.inboxes(1, f"{database.url}?options=-carray_nulls%3Doff") as (inbox,):
        puts = inbox.put("a", BODY), inbox.put("b", BODY, line="a room")
        assert all(await asyncio.gather(*puts))
        assert [(await taken(inbox)).line for _ in range(2)] == [None, "a room"]
