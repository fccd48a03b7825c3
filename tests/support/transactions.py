"""An inbox and a table of the user's in the same database, over every driver."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiosqlite
import asyncpg
import psycopg
from attrs import frozen
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from tests.notifications.doubles import distinct
from tests.support.inboxes import taken
from tests.support.postgres_inboxes import Database
from webex_webhooks_async import SQLiteInbox
from webex_webhooks_async.types import InboxEntry, TransactionalInbox

Within = Callable[[], AbstractAsyncContextManager[Any]]

WAYS = {"PostgreSQL": ("psycopg", "psycopg, autocommit", "asyncpg"), "SQLite": ("aiosqlite",)}
OF_SQLALCHEMY = ("engine.begin", "sessions.begin")
ALL_WAYS = [
    *(("PostgreSQL", way) for way in WAYS["PostgreSQL"]),
    *(
        ("PostgreSQL", f"{driver}, {way}")
        for driver in ("psycopg", "asyncpg")
        for way in OF_SQLALCHEMY
    ),
    *(("SQLite", "aiosqlite"), *(("SQLite", f"aiosqlite, {way}") for way in OF_SQLALCHEMY)),
]


@frozen
class Place:
    """An inbox, and the user's own table in the same database."""

    database: str
    inbox: TransactionalInbox
    url: str
    orders: str  # the user's table
    engines: dict[str, AsyncEngine]  # by driver

    @property
    def engine(self) -> AsyncEngine:
        """The engine of the first driver."""
        return next(iter(self.engines.values()))

    async def entry(self) -> InboxEntry:
        """Something that is being handled."""
        await self.inbox.put(uuid4().hex, distinct(1))
        return await taken(self.inbox)

    def rows(self) -> int:
        """How many rows the user's table has."""
        query = f"SELECT count(*) FROM {self.orders}"
        if self.database == "SQLite":
            with closing(sqlite3.connect(self.url)) as connection:
                (count,) = connection.execute(query).fetchone()
        else:
            with psycopg.connect(self.url) as postgres:
                row = postgres.execute(query.encode()).fetchone()
                assert row is not None
                (count,) = row
        return int(count)

    def within(self, way: str = "") -> Within:
        """What a user passes, over a driver."""
        way = way or WAYS[self.database][0]
        if way.endswith("engine.begin"):
            return self.engines[way.partition(",")[0]].begin
        if way.endswith("sessions.begin"):
            return async_sessionmaker(self.engines[way.partition(",")[0]]).begin
        return {
            "psycopg": self._psycopg,
            "psycopg, autocommit": self._psycopg_autocommit,
            "asyncpg": self._asyncpg,
            "aiosqlite": self._aiosqlite,
        }[way]

    async def write(self, given: Any) -> None:  # noqa: ANN401 - of any driver
        """Write a row, as users do."""
        insert = f"INSERT INTO {self.orders} (amount) VALUES (7)"
        if type(given).__module__.startswith("sqlalchemy"):
            await given.execute(text(insert))
        else:
            await given.execute(insert)

    @asynccontextmanager
    async def _psycopg(self) -> AsyncGenerator[Any]:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            yield connection

    @asynccontextmanager
    async def _psycopg_autocommit(self) -> AsyncGenerator[Any]:
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        async with connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _asyncpg(self) -> AsyncGenerator[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def _aiosqlite(self) -> AsyncGenerator[Any]:
        async with aiosqlite.connect(self.url) as connection:
            try:
                yield connection
                await connection.commit()
            except BaseException:
                await connection.rollback()
                raise


@asynccontextmanager
async def opened(kind: str, database: Database, folder: Path) -> AsyncGenerator[Place]:
    """An inbox of a kind of database, and the user's table."""
    engines: dict[str, AsyncEngine] = {}
    inbox: TransactionalInbox
    if kind == "SQLite":
        url, orders = str(folder / "app.db"), "orders"
        with closing(sqlite3.connect(url)) as connection:
            connection.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, amount int)")
        inbox = SQLiteInbox(url)
        engines["aiosqlite"] = create_async_engine(
            f"sqlite+aiosqlite:///{url}", poolclass=AsyncAdaptedQueuePool
        )
    else:
        url, orders = database.url, f"orders_{database.schema}"
        with psycopg.connect(url) as made:
            made.execute(
                f"CREATE TABLE {orders} (number int GENERATED ALWAYS AS IDENTITY,"
                " amount int)".encode()
            )
        inbox = database.inbox()
        for driver in ("psycopg", "asyncpg"):
            of_driver = url.replace("postgresql:", f"postgresql+{driver}:")
            engines[driver] = create_async_engine(of_driver)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(inbox.aclose)
        for each in engines.values():
            stack.push_async_callback(each.dispose)
        yield Place(kind, inbox, url, orders, engines)
