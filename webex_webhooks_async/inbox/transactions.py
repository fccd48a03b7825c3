"""Transactions of a user's own, in which an inbox writes its records, whatever the driver."""

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

Rows = list[tuple[Any, ...]]


class Transaction(ABC):
    """A connection of a user's."""

    kind: str = "PostgreSQL"

    @abstractmethod
    async def execute(self, text: str, values: Sequence[Any] = ()) -> Rows:
        """Execute SQL whose parameters are ``$1``, ``$2`` and so on; return the rows."""

    @abstractmethod
    async def is_open(self) -> bool:
        """Whether a transaction has begun, after something was executed that writes."""


async def transaction_of(given: object) -> Transaction:
    """Return what was yielded, to execute statements in it."""
    for module, find in _DRIVERS.items():
        if module in sys.modules and (found := await find(given, sys.modules[module])):
            return found
    raise TypeError(
        "pass a connection or a session in a transaction: one of psycopg, asyncpg or aiosqlite, or "
        f"an AsyncConnection or AsyncSession of SQLAlchemy, got {_name(given)}"
    )


async def check_transaction(given: object) -> None:
    """Check what was yielded where no record shows later whether it was committed.

    Raises:
        RuntimeError: No transaction is in it. SQLite's drivers begin theirs only later.
        TypeError: It is nothing in which a transaction can be.
    """
    transaction = await transaction_of(given)
    if transaction.kind == "PostgreSQL":
        await transaction.execute("SELECT 1")
        if not await transaction.is_open():
            raise without_transaction(given)


async def same_transaction_of(given: object) -> Transaction:
    """Return the transaction again, after the call; it is a `RuntimeError` if that has ended it."""
    try:
        return await transaction_of(given)
    except Exception as error:
        raise RuntimeError(ROLLED_BACK) from error


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's code for an error, whatever driver raises it."""
    for each in (error, getattr(error, "orig", None)):
        state = getattr(each, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def without_transaction(given: object) -> RuntimeError:
    """Return the error for a connection in which nothing is committed or rolled back together."""
    return RuntimeError(
        f"this is {_name(given)} in which no transaction is, so each statement commits by itself: "
        "pass one in a transaction, as engine.begin, async_sessionmaker.begin, psycopg's "
        "pool.connection and asyncpg's connection.transaction() yield"
    )


COMPLETED = (
    "the notification isn't in the inbox any more, so nothing can be recorded for it: call once "
    "before its handlers end"
)
COMMITTED = (
    "the call has committed the transaction by itself, so its result isn't recorded, and it isn't "
    "called again: leave the commit to the context of within"
)
ROLLED_BACK = (
    "the call has ended the transaction by itself, and nothing is recorded: leave that to the "
    "context of within"
)


def _synchronous(given: object, instead: str) -> TypeError:
    return TypeError(f"{_name(given)} would block the event loop: pass {instead}")


def _name(given: object) -> str:
    return f"{type(given).__module__}.{type(given).__qualname__}"


class _Psycopg(Transaction):
    def __init__(self, connection: Any, psycopg: Any) -> None:  # noqa: ANN401 - it may be missing
        self._connection = connection
        self._psycopg = psycopg

    async def execute(self, text: str, values: Sequence[Any] = ()) -> Rows:
        cursor = self._psycopg.AsyncRawCursor(
            self._connection, row_factory=self._psycopg.rows.tuple_row
        )
        async with cursor:
            await cursor.execute(text.encode(), values)
            return list(await cursor.fetchall())

    async def is_open(self) -> bool:
        return _is_open_psycopg(self._connection)


def _is_open_psycopg(connection: Any) -> bool:  # noqa: ANN401 - as above
    return bool(connection.info.transaction_status.name == "INTRANS")


class _Asyncpg(Transaction):
    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - as above
        self._connection = connection

    async def execute(self, text: str, values: Sequence[Any] = ()) -> Rows:
        return [tuple(each) for each in await self._connection.fetch(text, *values)]

    async def is_open(self) -> bool:
        return bool(self._connection.is_in_transaction())


class _Aiosqlite(Transaction):
    kind = "SQLite"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - as above
        self._connection = connection

    async def execute(self, text: str, values: Sequence[Any] = ()) -> Rows:
        async with self._connection.execute(text.replace("$", "?"), tuple(values)) as cursor:
            cursor.row_factory = None  # the user's may make anything of a row
            return [tuple(each) for each in await cursor.fetchall()]

    async def is_open(self) -> bool:
        return bool(self._connection.in_transaction)


_PARAMETERS = re.compile(r'("[^"]*")|\$([0-9]+)')  # not those in quoted names


class _SQLAlchemy(Transaction):
    """Executes what SQLAlchemy knows of, so that it begins and ends the transaction."""

    def __init__(self, connection: Any, driver: Any, sqlalchemy: Any) -> None:  # noqa: ANN401 - as above
        self._connection = connection
        self._driver = driver
        self._text = sqlalchemy.text
        name: str = connection.dialect.name
        self.kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(name, name)

    async def execute(self, text: str, values: Sequence[Any] = ()) -> Rows:
        named = _PARAMETERS.sub(lambda found: found[1] or f":p{found[2]}", text.replace(":", "\\:"))
        parameters = {f"p{number}": value for number, value in enumerate(values, 1)}
        result = await self._connection.execute(self._text(named), parameters)
        return [tuple(each) for each in result.fetchall()] if result.returns_rows else []

    async def is_open(self) -> bool:
        if hasattr(self._driver, "is_in_transaction"):
            return bool(self._driver.is_in_transaction())
        if hasattr(self._driver, "in_transaction"):
            return bool(self._driver.in_transaction)
        return _is_open_psycopg(self._driver)


async def _of_psycopg(given: object, psycopg: Any) -> Transaction | None:  # noqa: ANN401 - a module
    if isinstance(given, psycopg.Connection):
        raise _synchronous(given, "psycopg.AsyncConnection")
    return _Psycopg(given, psycopg) if isinstance(given, psycopg.AsyncConnection) else None


async def _of_asyncpg(given: object, asyncpg: Any) -> Transaction | None:  # noqa: ANN401 - a module
    kinds = (asyncpg.Connection, asyncpg.pool.PoolConnectionProxy)
    return _Asyncpg(given) if isinstance(given, kinds) else None


async def _of_aiosqlite(given: object, aiosqlite: Any) -> Transaction | None:  # noqa: ANN401 - a module
    return _Aiosqlite(given) if isinstance(given, aiosqlite.Connection) else None


async def _of_sqlite3(given: object, sqlite3: Any) -> Transaction | None:  # noqa: ANN401 - a module
    if isinstance(given, sqlite3.Connection):
        raise _synchronous(given, "aiosqlite.Connection")
    return None


async def _of_sqlalchemy(given: object, asynchronous: Any) -> Transaction | None:  # noqa: ANN401 - a module
    sqlalchemy: Any = sys.modules["sqlalchemy"]
    orm: Any = sys.modules["sqlalchemy.orm"]  # which the asynchronous part imports
    if isinstance(given, (sqlalchemy.Connection, orm.Session)):
        raise _synchronous(given, "an AsyncConnection or an AsyncSession")
    if isinstance(given, (asynchronous.AsyncEngine, asynchronous.async_sessionmaker)):
        raise TypeError(
            f"no transaction is in {_name(given)}: pass its method begin, as in "
            "within=sessions.begin, or the session that it yields, as in transaction=session"
        )
    is_session: bool = isinstance(given, asynchronous.AsyncSession)
    if not (is_session or isinstance(given, asynchronous.AsyncConnection)):
        return None
    used: Any = given
    if not used.in_transaction():
        raise without_transaction(given)
    connection: Any = await used.connection() if is_session else used
    raw: Any = await connection.get_raw_connection()
    return _SQLAlchemy(connection, raw.driver_connection, sqlalchemy)


_DRIVERS = {
    "sqlalchemy.ext.asyncio": _of_sqlalchemy,
    "psycopg": _of_psycopg,
    "asyncpg": _of_asyncpg,
    "aiosqlite": _of_aiosqlite,
    "sqlite3": _of_sqlite3,
}
