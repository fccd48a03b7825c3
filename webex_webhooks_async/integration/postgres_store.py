"""A store of users on PostgreSQL, for processes on as many machines as there are."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from webex_webhooks_async.inbox.postgres import sql
from webex_webhooks_async.inbox.postgres.inbox import Beside, PostgresInbox
from webex_webhooks_async.integration.store import (
    COLUMNS,
    TABLES,
    VERSION,
    Row,
    UserStore,
    newer,
    row_of,
)


class PostgresUserStore(UserStore):
    """Keeps the users of an `Integration` on PostgreSQL 14 to 18.

    It needs the extra ``postgres``. The first call makes its two tables; for a role that may not,
    ``webex-webhooks integration schema`` prints the SQL. What they hold about a user is encrypted,
    but for the UUID of the person and whether they are connected.

    Its errors are `OSError`; while the database is away, `ConnectionError` or `TimeoutError`.

    Args:
        database: The conninfo of libpq or a function that returns it, as for a `PostgresInbox`; or
            a `PostgresInbox`, whose connections and schema it shares.
        schema: The schema of the tables, unless an inbox is passed.
        timeout: For how many seconds, or which `timedelta`, a call waits for the database; not with
            an inbox.

    Raises:
        ValueError: As for a `PostgresInbox`, or an inbox is passed with a `schema` or `timeout`.
        TypeError: An argument has a wrong type.
        ImportError: psycopg isn't installed.
    """

    def __init__(
        self,
        database: str | Callable[[], str | Awaitable[str]] | PostgresInbox = "",
        *,
        schema: str | None = None,
        timeout: float | timedelta | None = None,
    ) -> None:
        self._is_shared = isinstance(database, PostgresInbox)
        if isinstance(database, PostgresInbox):
            if schema is not None or timeout is not None:
                raise ValueError("schema and timeout are those of the inbox: leave them out")
            self._database = Beside(database)
        else:
            self._database = Beside.alone(
                database,
                schema="webex_webhooks" if schema is None else schema,
                timeout=5.0 if timeout is None else timeout,
            )
        self._has_tables = False

    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        return [row_of(each) for each in await self._read(_TAKE_DUE, most=most, seconds=seconds)]

    async def aclose(self) -> None:
        if not self._is_shared:
            await self._database.aclose()

    async def _read(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        if not self._has_tables:
            await self._make_tables()
            self._has_tables = True
        try:
            return await self._execute(statement, **values)
        except OSError:
            self._has_tables = False  # they may be gone
            raise

    async def _write(self, statement: str, **values: object) -> bool:
        return bool(await self._read(f"{statement} RETURNING 1", **values))

    async def _execute(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        names = [*values]

        def parameter(found: re.Match[str]) -> str:
            name = found[1]
            return f"${names.index(name) + 1}::{_TYPES.get(name, 'text')}"

        text = re.sub("(?<!:):([a-z_]+)", parameter, statement).replace("<now>", _NOW)
        text = _named(text, self._database.schema)
        return await self._database.execute(text.encode(), [*values.values()])

    async def _make_tables(self) -> None:
        schema = self._database.schema
        there = await self._execute(
            "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = :schema::name "
            "AND tablename = :table::name",
            schema=schema,
            table="users_version",
        )
        if not there:
            await self._database.execute(creation(schema).encode(), ())
        ((version,),) = await self._execute("SELECT number FROM <users_version>")
        if version > VERSION:
            raise newer(f"the schema {schema!r}")


def creation(schema: str) -> str:
    """Return the statement that makes the tables, if they aren't there."""
    name = sql.quoted(schema)
    return sql.in_a_block(
        f"""PERFORM pg_catalog.set_config('search_path'::text, ''::text, TRUE);
PERFORM pg_catalog.pg_advisory_xact_lock({_LOCK}::bigint);
IF pg_catalog.to_regnamespace({sql.literal(name)}::text) IS NULL THEN
    CREATE SCHEMA {name};
END IF;
{_named(TABLES, schema)}"""
    )


def _named(statement: str, schema: str) -> str:
    name = sql.quoted(schema)
    return re.sub(
        "<(users[a-z_]*)>", lambda found: f"{name}.{found[1]}", statement.replace("<C>", _C)
    )


_LOCK = 0x57627855  # of those who make these tables
_C = 'COLLATE pg_catalog."C"'
_NOW = "pg_catalog.date_part('epoch'::text, pg_catalog.statement_timestamp())"
_TYPES = {"seconds": "float8", "due_in": "float8", "sealed": "bytea", "most": "bigint"}
_TAKE_DUE = f"""
UPDATE <users> SET due = <now> + :seconds WHERE person IN (
    SELECT person FROM <users> WHERE due <= <now> ORDER BY due LIMIT :most FOR UPDATE SKIP LOCKED
)
RETURNING {", ".join(COLUMNS)}"""
