import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import evolve

from tests.integration.conftest import NewStore
from tests.integration.stage import Shift
from tests.support.postgres_inboxes import Database
from webex_webhooks_async import SQLiteInbox
from webex_webhooks_async.integration import postgres_store
from webex_webhooks_async.integration.postgres_store import PostgresUserStore
from webex_webhooks_async.integration.sqlite_store import SQLiteUserStore
from webex_webhooks_async.integration.store import Row, UserCounts, UserStore

ANN = Row(
    person="00000000-0000-0000-0000-00000000000a",
    version="1",
    state="connected",
    key="k1",
    webhooks_key="k1",
    sealed=b"\0\xff",
)
BOB = evolve(ANN, person="00000000-0000-0000-0000-00000000000b", state="leaving")


@asynccontextmanager
async def with_ann(new_store: NewStore) -> AsyncGenerator[UserStore]:
    """A store that holds Ann."""
    async with aclosing(new_store()) as store:
        assert await store.put(ANN, replaces=None, due_in=1000)
        yield store


async def test_a_change_names_the_version_that_it_replaces(new_store: NewStore) -> None:
    """A change of a version that isn't stored any more does nothing."""
    async with with_ann(new_store) as store:
        second, third = evolve(ANN, version="2"), evolve(ANN, version="3", state="lost")

        assert not await store.put(second, replaces=None, due_in=None)
        assert not await store.put(second, replaces="0", due_in=None)
        assert await store.get(ANN.person) == ANN
        assert await store.put(second, replaces="1", due_in=None)
        assert not await store.put(third, replaces="1", due_in=None)
        assert not await store.remove(ANN.person, "1")
        assert await store.get(ANN.person) == second
        assert await store.remove(ANN.person, "2")
        assert await store.get(ANN.person) is None
        assert not await store.put(third, replaces="2", due_in=None)


async def test_of_two_changes_at_once_one_wins(new_store: NewStore) -> None:
    """Of changes that replace the same version, one is stored."""
    async with with_ann(new_store) as store, aclosing(new_store()) as other:
        rows = [evolve(ANN, version=uuid4().hex) for _ in range(6)]
        results = await asyncio.gather(
            *(
                (store, other)[number % 2].put(row, replaces="1", due_in=None)
                for number, row in enumerate(rows)
            )
        )

        assert sum(results) == 1
        assert await other.get(ANN.person) == rows[results.index(True)]


async def test_one_holds_a_claim(new_store: NewStore, time: Shift) -> None:
    """A claim is the first one's, who may ask again, until it gives it back or the time is over."""
    async with with_ann(new_store) as store, aclosing(new_store()) as other:
        assert await store.claim(ANN.person, "a", 90)
        assert await store.claim(ANN.person, "a", 90)
        assert not await other.claim(ANN.person, "b", 90)
        await other.unclaim(ANN.person, "b")
        assert not await other.claim(ANN.person, "b", 90)
        await store.unclaim(ANN.person, "a")
        assert await other.claim(ANN.person, "b", 0.001)
        await asyncio.sleep(0.002)
        time.advance(1)
        assert await store.claim(ANN.person, "a", 90)
        assert not await store.claim(BOB.person, "a", 90)


async def test_who_is_due_is_taken_once(new_store: NewStore, time: Shift) -> None:
    """Users who are due are taken by one process, and are due again later."""
    async with aclosing(new_store()) as store, aclosing(new_store()) as other:
        rows = [evolve(ANN, person=f"p{number}") for number in range(6)]
        for row in rows:
            await store.put(row, replaces=None, due_in=0 if row is not rows[0] else None)
        await store.set_due(rows[1], 1000)
        await store.set_due(evolve(rows[2], version="0"), 1000)  # which isn't stored

        taken = await asyncio.gather(store.take_due(2, 500), other.take_due(2, 500))
        rest = await other.take_due(9, 500)

        found = [row.person for each in (*taken, rest) for row in each]
        assert sorted(found) == ["p0", "p2", "p3", "p4", "p5"]
        assert not await store.take_due(9, 500)
        await store.put(evolve(rows[3], version="2"), replaces="1", due_in=None)
        assert not await store.take_due(9, 500)
        await store.put(evolve(rows[3], version="3"), replaces="2", due_in=0)
        assert [row.person for row in await store.take_due(9, 500)] == ["p3"]


async def test_pages_and_counts(new_store: NewStore) -> None:
    """Users are listed in the order of their UUIDs, and counted by state and key."""
    async with with_ann(new_store) as store:
        lost = evolve(ANN, person="0-Z", state="lost", key="k0", webhooks_key="")
        old = evolve(ANN, person="0-a", webhooks_key="k0")
        for row in (BOB, lost, old):
            await store.put(row, replaces=None, due_in=0)

        assert await store.page("", 2) == [lost, old]
        assert await store.page(old.person, 9) == [ANN, BOB]
        assert await store.page(BOB.person, 9) == []
        assert await store.counts("k1") == UserCounts(connected=2, leaving=1, lost=1, old_keys=2)
        assert repr(ANN.sealed) not in repr(ANN)


async def test_processes_that_begin_at_once_make_the_tables_once(new_store: NewStore) -> None:
    """The first calls of several processes find the same tables."""
    stores = [new_store() for _ in range(5)]
    try:
        made = await asyncio.gather(
            *(
                each.put(evolve(ANN, version=uuid4().hex), replaces=None, due_in=0)
                for each in stores
            )
        )
    finally:
        for each in stores:
            await each.aclose()

    assert sum(made) == 1


async def test_a_newer_release_is_refused(new_store: NewStore) -> None:
    """Tables of a newer release aren't used."""
    async with with_ann(new_store) as store, aclosing(new_store()) as other:
        await store._write("UPDATE <users_version> SET number = number + 1")
        with pytest.raises(OSError, match="newer release"):
            await other.get(ANN.person)


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else reads the file, whatever its mode was before."""
    path = tmp_path / "users.db"
    async with aclosing(SQLiteUserStore(path)) as store:
        await store.put(ANN, replaces=None, due_in=0)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        await store.get(ANN.person)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("is_inbox_first", [False, True])
async def test_a_file_of_an_inbox_holds_users_too(tmp_path: Path, *, is_inbox_first: bool) -> None:
    """A store and an inbox may have the same file, whichever makes it."""
    path = tmp_path / "one.db"
    async with aclosing(SQLiteUserStore(path)) as store, aclosing(SQLiteInbox(path)) as inbox:
        if is_inbox_first:
            await inbox.put("key", b"{}")
        await store.put(ANN, replaces=None, due_in=0)
        assert await inbox.put("key", b"{}") is not is_inbox_first
        assert await store.get(ANN.person) == ANN

    async with aclosing(SQLiteUserStore(path)) as store, aclosing(SQLiteInbox(path)) as inbox:
        assert (await inbox.counts()).waiting == 1
        assert await store.get(ANN.person) == ANN


class Impatient(SQLiteUserStore):
    _locked_seconds = 0.01


async def test_a_locked_file_is_away_for_a_while(tmp_path: Path) -> None:
    """A file that another program locks is a `TimeoutError`, and works again afterwards."""
    path = tmp_path / "users.db"
    async with aclosing(Impatient(path)) as store:
        await store.put(ANN, replaces=None, due_in=0)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(TimeoutError, match=r"users\.db"):
                await store.get(ANN.person)
        assert await store.get(ANN.person) == ANN
        path.unlink()
        path.mkdir()
        with pytest.raises(OSError, match=r"users\.db"):
            await store.get(ANN.person)


async def test_paths_that_cannot_be_a_store(tmp_path: Path) -> None:
    """What can't become a store is refused at once."""
    with pytest.raises(TypeError, match="path must be"):
        SQLiteUserStore(os)  # type: ignore[arg-type] # on purpose
    with pytest.raises(ValueError, match="doesn't exist"):
        SQLiteUserStore(tmp_path / "missing" / "users.db")


async def test_an_inbox_shares_its_connections(database: Database) -> None:
    """A store in a `PostgresInbox` has its schema, and leaves it open."""
    async with aclosing(database.inbox()) as inbox:
        store = PostgresUserStore(inbox)
        await store.put(ANN, replaces=None, due_in=0)
        await store.aclose()

        assert (await inbox.counts()).waiting == 0
        assert database.execute("SELECT count(*) FROM users") == [(1,)]
        with pytest.raises(ValueError, match="schema and timeout"):
            PostgresUserStore(inbox, schema="other")


async def test_a_store_alone_makes_no_inbox(database: Database) -> None:
    """A store without an inbox makes two tables, of which only the UUID can be read."""
    async with aclosing(PostgresUserStore(database.url, schema=database.schema)) as store:
        await store.get(ANN.person)

    query = f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}' ORDER BY 1"
    assert database.execute(query) == [("users",), ("users_version",)]


async def test_the_script_makes_the_tables(database: Database) -> None:
    """What the command prints makes the tables for a role that may not, and again does nothing."""
    script = postgres_store.creation(database.schema)
    database.execute(script)
    database.execute(script)
    async with aclosing(PostgresUserStore(database.url, schema=database.schema)) as store:
        assert await store.put(ANN, replaces=None, due_in=0)


async def test_tables_that_are_gone_are_made_again(database: Database) -> None:
    """Tables that were dropped are an error once, and then made again."""
    async with aclosing(PostgresUserStore(database.url, schema=database.schema)) as store:
        await store.put(ANN, replaces=None, due_in=0)
        database.execute(f"DROP SCHEMA {database.schema} CASCADE")
        with pytest.raises(OSError, match="looks for them again"):
            await store.get(ANN.person)
        assert await store.get(ANN.person) is None


async def test_a_database_that_is_away() -> None:
    """A server that can't be reached is a `ConnectionError`."""
    store = PostgresUserStore("host=127.0.0.1 port=1 user=ann", timeout=0.2)
    with pytest.raises(ConnectionError, match="can't be reached"):
        await store.get(ANN.person)
    await store.aclose()


async def test_a_put_whose_response_was_lost_counts_once(new_store: NewStore) -> None:
    """The same change, sent again because its response was lost, is the same change."""
    async with with_ann(new_store) as store:
        second = evolve(ANN, version="2")
        assert await store.put(ANN, replaces=None, due_in=0)
        assert await store.put(second, replaces="1", due_in=0)
        assert await store.put(second, replaces="1", due_in=0)
