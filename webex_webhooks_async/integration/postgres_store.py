"""A store of users on PostgreSQL, for processes on as many machines as there are."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from webex_webhooks_async.inbox.postgres import sql
from webex_webhooks_async.inbox.postgres.inbox import Beside, PostgresInbox
from webex_webhooks_async.integration.store import (
    COLUMNS,
    VERSION,
    Row,
    UserCounts,
    UserStore,
    newer,
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
        timeout: For how many seconds a call waits for the database, unless an inbox is passed.

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
        timeout: float | None = None,
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

    async def get(self, person: str) -> Row | None:
        rows = await self._read("WHERE person = $1::text", person)
        return rows[0] if rows else None

    async def put(self, row: Row, *, replaces: str | None, due_in: float | None) -> bool:
        values = (row.person, row.version, row.state, row.key, row.webhooks_key, row.sealed, due_in)
        if replaces is None:
            return bool(await self._execute(_INSERT, *values))
        return bool(await self._execute(_UPDATE, *values, replaces))

    async def remove(self, person: str, version: str) -> bool:
        remove = "DELETE FROM <users> WHERE person = $1::text AND version = $2::text RETURNING 1"
        return bool(await self._execute(remove, person, version))

    async def claim(self, person: str, holder: str, seconds: float) -> bool:
        return bool(await self._execute(_CLAIM, person, holder, seconds))

    async def unclaim(self, person: str, holder: str) -> None:
        unclaim = (
            "UPDATE <users> SET holder = NULL WHERE person = $1::text AND holder = $2::text "
            "RETURNING 1"
        )
        await self._execute(unclaim, person, holder)

    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        return [_row(each) for each in await self._execute(_TAKE_DUE, most, seconds)]

    async def set_due(self, row: Row, seconds: float) -> None:
        await self._execute(_SET_DUE, row.person, row.version, seconds)

    async def page(self, after: str, most: int) -> Sequence[Row]:
        # By bytes, as SQLite does, whatever the database's own order of texts is.
        where = 'WHERE person > $1::text COLLATE "C" ORDER BY person COLLATE "C" LIMIT $2::bigint'
        return await self._read(where, after, most)

    async def counts(self, key: str) -> UserCounts:
        ((connected, leaving, lost, old_keys),) = await self._execute(_COUNTS, key)
        return UserCounts(connected=connected, leaving=leaving, lost=lost, old_keys=old_keys)

    async def aclose(self) -> None:
        if not self._is_shared:
            await self._database.aclose()

    async def _read(self, where: str, *values: object) -> list[Row]:
        rows = await self._execute(f"SELECT {', '.join(COLUMNS)} FROM <users> {where}", *values)
        return [_row(each) for each in rows]

    async def _execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        if not self._has_tables:
            await self._make_tables()
            self._has_tables = True
        try:
            return await self._run(statement, *values)
        except OSError:
            self._has_tables = False  # they may be gone
            raise

    async def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        name = sql.quoted(self._database.schema)
        for each in ("users", "users_version"):
            statement = statement.replace(f"<{each}>", f"{name}.{each}")
        return await self._database.execute(statement.encode(), values)

    async def _make_tables(self) -> None:
        there = await self._run(
            "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1::name "
            "AND tablename = 'users_version'::name",
            self._database.schema,
        )
        if not there:
            await self._run(creation(self._database.schema))
        ((version,),) = await self._run("SELECT number FROM <users_version>")
        if version > VERSION:
            raise newer(f"the schema {self._database.schema!r}")


def creation(schema: str) -> str:
    """Return the statement that makes the tables, if they aren't there."""
    name = sql.quoted(schema)
    tables = _SCHEMA.replace("{schema}", name)
    return sql.in_a_block(
        f"""PERFORM pg_catalog.set_config('search_path'::text, ''::text, TRUE);
PERFORM pg_catalog.pg_advisory_xact_lock({_LOCK}::bigint);
IF pg_catalog.to_regclass({sql.literal(f"{name}.users_version")}::text) IS NULL THEN
    IF pg_catalog.to_regnamespace({sql.literal(name)}::text) IS NULL THEN
        CREATE SCHEMA {name};
    END IF;
{tables}END IF;"""
    )


_LOCK = 0x57627855  # of those who make these tables
_SCHEMA = f"""    CREATE TABLE {{schema}}.users (
        person text PRIMARY KEY,
        version text NOT NULL,
        state text NOT NULL,
        key text NOT NULL,
        webhooks_key text NOT NULL,
        sealed bytea NOT NULL,
        due timestamptz NOT NULL,
        holder text,
        held_until timestamptz
    );
    CREATE INDEX users_due ON {{schema}}.users (due);
    CREATE TABLE {{schema}}.users_version (number int PRIMARY KEY);
    INSERT INTO {{schema}}.users_version VALUES ({VERSION});
"""
_NOW = "pg_catalog.statement_timestamp()"


def _in(seconds: str) -> str:
    return f"{_NOW} + pg_catalog.make_interval(secs => {seconds}::float8)"


# The version that it writes is known already where the response to an earlier attempt was lost.
_INSERT = f"""
INSERT INTO <users> AS u (person, version, state, key, webhooks_key, sealed, due)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::bytea,
    coalesce({_in("$7")}, {_NOW}))
ON CONFLICT (person) DO UPDATE SET version = u.version WHERE u.version = $2::text
RETURNING 1"""
_UPDATE = f"""
UPDATE <users> SET version = $2::text, state = $3::text, key = $4::text, webhooks_key = $5::text,
    sealed = $6::bytea, due = coalesce({_in("$7")}, due)
WHERE person = $1::text AND version IN ($2::text, $8::text)
RETURNING 1"""
_CLAIM = f"""
UPDATE <users> SET holder = $2::text, held_until = {_in("$3")}
WHERE person = $1::text AND (holder IS NULL OR holder = $2::text OR held_until <= {_NOW})
RETURNING 1"""
_SET_DUE = f"""
UPDATE <users> SET due = {_in("$3")} WHERE person = $1::text AND version = $2::text
RETURNING 1"""
_TAKE_DUE = f"""
UPDATE <users> SET due = {_in("$2")} WHERE person IN (
    SELECT person FROM <users> WHERE due <= {_NOW} ORDER BY due LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
)
RETURNING {", ".join(COLUMNS)}"""
_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'connected'::text),
    count(*) FILTER (WHERE state = 'leaving'::text),
    count(*) FILTER (WHERE state = 'lost'::text),
    count(*) FILTER (WHERE key <> $1::text OR webhooks_key NOT IN ($1::text, ''::text))
FROM <users>"""


def _row(values: Sequence[Any]) -> Row:
    found: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
    found["sealed"] = bytes(found["sealed"])
    return Row(**found)
