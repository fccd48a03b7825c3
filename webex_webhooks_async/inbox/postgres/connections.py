"""Connections to PostgreSQL: a few in each event loop, with an inbox's tables behind them."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.array import ListBinaryDumper

from webex_webhooks_async.inbox.postgres import sql

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

Rows = list[tuple[Any, ...]]
Conninfo = Callable[[], Awaitable[object]]

_MAX_CONNECTIONS = 3
PAUSE = 0.1
"""Seconds between two attempts."""


class Outage(Exception):  # noqa: N818 - what the outside world did, never raised to a caller
    """PostgreSQL can't be reached, or doesn't respond; another attempt may help.

    Attributes:
        words: What happened, without a password.
    """

    def __init__(self, words: str, kind: type[OSError] = ConnectionError) -> None:
        super().__init__(words)
        self.words = words
        self._kind = kind

    def error(self) -> OSError:
        """Return the error for a call whose time is over."""
        return self._kind(self.words)


TAKEN = "23505"  # two processes took of one line at the same moment
AGAIN = {
    TAKEN,
    "40001",  # serialization
    "40P01",  # deadlock
    "55P03",  # a lock that couldn't be had in time
    "57014",  # cancelled, as by a statement_timeout of the role
}
_FORBIDDEN = "42501"
GONE = {"3F000", "42P01", "42703"}  # a schema, a table or a column
_DOWN = {
    "25006",  # a standby, which only reads
    "53300",  # too many connections
    "57P01",  # shutdown
    "57P02",  # crash
    "57P03",  # it starts
    "57P05",  # idle for too long
}


_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


class Connection:
    """One connection.

    Args:
        connection: That of psycopg.
        timeout: What the error says when the deadline has passed.

    Attributes:
        is_lost: Whether it is of no use any more.
        needs_begin: Whether the database isolates by its default more strictly than we need.
    """

    def __init__(self, connection: "psycopg.AsyncConnection[TupleRow]", timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._is_cut = False
        self.is_lost: bool = False
        self.needs_begin: bool = False

    async def execute(self, text: bytes, parameters: Sequence[Any], deadline: float) -> Rows:
        """Execute a statement, and commit it.

        Raises:
            Outage: The connection is lost, or the deadline has passed.
            psycopg.Error: PostgreSQL refuses it.
        """
        # Psycopg's own way to end a statement waits for the server for up to five seconds.
        timer = asyncio.get_running_loop().call_at(deadline, self._cut)
        try:
            if self.needs_begin:
                return await self._in_transaction([(text, parameters)])
            return await self._run(text, parameters)
        finally:
            timer.cancel()

    async def execute_all(self, texts: Sequence[str], deadline: float) -> None:
        """Execute statements in one transaction.

        Raises:
            Outage: The connection is lost, or the deadline has passed.
            psycopg.Error: PostgreSQL refuses one.
        """
        timer = asyncio.get_running_loop().call_at(deadline, self._cut)
        try:
            await self._in_transaction([(each.encode(), ()) for each in texts])
        finally:
            timer.cancel()

    async def aclose(self) -> None:
        """Close it."""
        await self._connection.close()

    def close_of_a_lost_loop(self) -> None:
        """Close it where its event loop has ended."""
        self._connection.pgconn.finish()

    async def _in_transaction(self, statements: Sequence[tuple[bytes, Sequence[Any]]]) -> Rows:
        rows: Rows = []
        await self._run(_BEGIN, ())
        try:
            for each in statements:
                rows = await self._run(*each)
        except psycopg.Error:
            await self._run(b"ROLLBACK", ())
            raise
        await self._run(b"COMMIT", ())
        return rows

    async def _run(self, text: bytes, parameters: Sequence[Any]) -> Rows:
        try:
            cursor = await self._connection.execute(text, parameters, binary=True)
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if isinstance(error.__context__, asyncio.CancelledError):  # it was cut off for that
                self.is_lost = True
                raise error.__context__ from None
            state = error.sqlstate or ""
            is_lost = self._is_cut or self._connection.closed
            if not (is_lost or state in _DOWN or state.startswith("08")):
                raise
            words = (
                f"PostgreSQL didn't respond within {self._timeout:g} s"
                if self._is_cut
                else f"the connection to PostgreSQL is lost: {_first_line(error)}"
            )
        raise Outage(words, TimeoutError if self._is_cut else ConnectionError)

    def _cut(self) -> None:
        """Let psycopg find the connection closed: by then it waits for nothing."""
        self._is_cut = True
        _cut_off(self._connection)


class _Driver(psycopg.AsyncConnection[Any]):
    """A connection of psycopg that is cut off when what waits for it is cancelled.

    Psycopg would ask the server to cancel. That waits for a server that hangs: for five seconds, or
    for ever and with the whole process where libpq is older than 17.
    """

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ARG002, ASYNC109 - psycopg's
        _cut_off(self)


def _cut_off(connection: "psycopg.AsyncConnection[Any]") -> None:
    with suppress(OSError, psycopg.Error):
        connected = socket.socket(fileno=connection.pgconn.socket)
        try:
            connected.shutdown(socket.SHUT_RDWR)
        finally:
            connected.detach()


class Connections:
    """At most three connections, and what is checked when they are opened.

    Args:
        conninfo: Returns what libpq takes.
        schema: The schema of the tables.
        version: The statement that returns the version of the tables.
        timeout: After how many seconds a call is given up.
        calm: For how many seconds after an outage `is_calm` is false.
        makes_tables: Whether to make the tables if they aren't there.
    """

    def __init__(  # noqa: PLR0913 - a setting each
        self,
        conninfo: Conninfo,
        *,
        schema: str,
        version: str,
        timeout: float,
        calm: float,
        makes_tables: bool,
    ) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self._version = version.encode()
        self._timeout = timeout
        self._calm = calm
        self._makes_tables = makes_tables
        self._calm_from: float | None = 0.0  # `None` during an outage
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._idle: list[Connection] = []
        self._preparing = asyncio.Lock()
        self._is_prepared = False

    @property
    def is_calm(self) -> bool:
        """Whether everybody has had the time to renew leases since the last outage."""
        return self._calm_from is not None and self._calm_from <= self._loop.time()

    def prepare_again(self) -> None:
        """Look for the tables again: they are gone."""
        self._is_prepared = False

    async def get(self, deadline: float) -> Connection:
        """Return a connection, to be given back.

        Raises:
            Outage: None could be had.
            OSError: One can't be had.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._limit.acquire()
        except TimeoutError:
            raise self._late() from None
        try:
            connection = self._idle.pop() if self._idle else await self._open(deadline)
            if not self._is_prepared:
                await self._prepare(connection, deadline)
        except BaseException as error:
            self._limit.release()
            if isinstance(error, Outage):
                self._calm_from = None
            if not isinstance(error, psycopg.Error):
                raise
            refusal = self.explained(error)
        else:
            return connection
        raise refusal

    async def give_back(self, connection: Connection) -> None:
        """Take a connection back; if it is lost, those that are idle are as well."""
        self._limit.release()
        if connection.is_lost:
            self._calm_from = None
            await asyncio.gather(connection.aclose(), self.aclose())
        else:
            self._idle.append(connection)
            self._notice_end_of_outage()

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().aclose()

    def close_of_a_lost_loop(self) -> None:
        """Close all where their event loop has ended."""
        while self._idle:
            self._idle.pop().close_of_a_lost_loop()

    def explained(self, error: psycopg.Error) -> OSError:
        """Return the error of a call that PostgreSQL refuses."""
        words = error.diag.message_primary or _first_line(error)
        if error.sqlstate == _FORBIDDEN:
            return PermissionError(rights_needed(self._schema, words))
        hint = ": the next call looks for them again" if error.sqlstate in GONE else ""
        return OSError(f"PostgreSQL can't do it: {words}{hint}")

    def _notice_end_of_outage(self) -> None:
        if self._calm_from is None:
            self._calm_from = self._loop.time() + self._calm

    def _late(self) -> Outage:
        return Outage(f"PostgreSQL didn't respond within {self._timeout:g} s", TimeoutError)

    async def _open(self, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                conninfo = await self._conninfo()
                if not isinstance(conninfo, str):
                    raise TypeError(f"conninfo must return str, got {type(conninfo).__name__}")
                target = Target.read(conninfo, self._timeout)
                connection = Connection(await target.connect(), self._timeout)
        except TimeoutError:
            raise self._late() from None
        try:
            await self._read_settings(connection, deadline)
        except BaseException:
            await connection.aclose()
            raise
        return connection

    async def _read_settings(self, connection: Connection, deadline: float) -> None:
        ((isolation, encoding),) = await connection.execute(sql.SETTINGS, (), deadline)
        if encoding != "UTF8":
            raise RuntimeError(
                f"the database has the encoding {encoding}, which can't store every text: make one "
                "with ENCODING 'UTF8'"
            )
        if isolation != "read committed":
            connection.needs_begin = True

    async def _prepare(self, connection: Connection, deadline: float) -> None:
        """Check the tables, and make them if they aren't there."""
        try:
            async with self._preparing:
                if not self._is_prepared:
                    await self._make_tables(connection, deadline)
                    self._is_prepared = True
        except BaseException:
            await connection.aclose()
            raise

    async def _make_tables(self, connection: Connection, deadline: float) -> None:
        while not await self._has_tables(connection, deadline):
            if not self._makes_tables:
                raise RuntimeError(
                    f"the schema {self._schema!r} has no inbox of this release: start its bot, or "
                    "pass another schema"
                )
            await self._create(connection, deadline)

    async def _has_tables(self, connection: Connection, deadline: float) -> bool:
        named = (self._schema, list(sql.TABLES))
        rows = await connection.execute(sql.FOUND, named, deadline)
        found = {name: is_usable for name, is_usable in rows}  # noqa: C416 - for type checkers
        if len(found) < len(sql.TABLES):
            return False
        if not all(found.values()):
            raise PermissionError(rights_needed(self._schema, "the role lacks rights"))
        rows = await connection.execute(self._version, (), deadline)
        version, additions = rows[0] if rows else (0, 0)
        if version > sql.VERSION:
            raise RuntimeError(
                f"the tables in the schema {self._schema!r} are those of a newer release of "
                "webex-webhooks-async, which this one can't use: update it, or pass another schema"
            )
        return bool(version == sql.VERSION and additions >= len(sql.ADDITIONS))

    async def _create(self, connection: Connection, deadline: float) -> None:
        try:
            await connection.execute_all(sql.creation(self._schema), deadline)
        except psycopg.Error as error:
            state, words = error.sqlstate, error.diag.message_primary
        else:
            return
        if state in AGAIN:
            await asyncio.sleep(PAUSE)  # so that others get their turn
            return
        if state != _FORBIDDEN:
            raise RuntimeError(
                f"the tables of the inbox can't be made in the schema {self._schema!r}: {words}: "
                "pass another schema"
            )
        raise PermissionError(
            f"the tables of the inbox aren't there, and can't be made: {words}. Let a role that "
            f"may run what `webex-webhooks inbox schema --schema {self._schema}` prints, and then "
            f"{_grants(self._schema)}"
        )


def rights_needed(schema: str, words: str) -> str:
    """Return the words of an error for a role that lacks rights."""
    return f"PostgreSQL refuses to use the tables of the inbox: {words}. {_grants(schema)}"


def _grants(schema: str) -> str:
    name = sql.quoted(schema)
    return (
        f"GRANT USAGE ON SCHEMA {name} TO ...; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO ..., "
        "with the name of the role"
    )


@frozen
class Target:
    """Where to connect to.

    Attributes:
        conninfo: What libpq takes.
        secrets: What no error may show.
    """

    conninfo: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def read(cls, conninfo: str, timeout: float) -> "Target":
        """Check a conninfo, and add what we need to it.

        Raises:
            ValueError: It can't be read; the error doesn't show it.
        """
        dialect = re.match(r"(postgres(?:ql)?)\+\w+:", conninfo)
        if dialect:
            raise ValueError(f"conninfo is a URL of SQLAlchemy's: begin it with {dialect[1]}://")
        try:
            found = conninfo_to_dict(conninfo)
        except (psycopg.Error, UnicodeError, ValueError):
            found = None
        # What stands in the wrong place may be a part of the password, and libpq would show it.
        if found is None or not _is_whole(conninfo, found):
            raise ValueError(
                "conninfo can't be read: it must be a URL, postgresql://user:password@host/name, "
                "in whose password what isn't a letter or a digit is written like %40 for @, or "
                "keywords as in host=... user=... dbname=..., or empty for the variables PGHOST, "
                "PGUSER and so on"
            )
        texts = {str(found.get(name) or "") for name in ("password", "sslpassword")} - {""}
        secrets = {each for text in texts for each in (text, quote(text, safe=""), unquote(text))}
        defaults: dict[str, Any] = {
            "fallback_application_name": "webex-webhooks-async",
            "client_encoding": "utf8",
            **_KEEPALIVE,
        }
        given = _in_the_environment() | found
        hosts = str(given.get("host") or given.get("hostaddr") or "").count(",") + 1
        if hosts > 1 and "target_session_attrs" not in given:
            defaults["target_session_attrs"] = "read-write"
        if hosts > 1 and "connect_timeout" not in given:
            defaults["connect_timeout"] = max(2, int(timeout / hosts))
        missing = {name: value for name, value in defaults.items() if name not in found}
        longest_first = sorted(secrets, key=len, reverse=True)
        return cls(make_conninfo(conninfo, **missing), tuple(longest_first))

    async def connect(self) -> "psycopg.AsyncConnection[TupleRow]":
        """Connect.

        Raises:
            Outage: The server can't be reached, or it starts or ends.
            OSError: The server refuses us.
        """
        try:
            connection = await _Driver.connect(
                self.conninfo,
                autocommit=True,
                prepare_threshold=None,
                cursor_factory=psycopg.AsyncRawCursor,
            )
        except psycopg.Error as error:
            words = _first_line(error)
        else:
            # As text, each byte of a body would be two digits, in which a pattern looks for quotes.
            connection.adapters.register_dumper(list, ListBinaryDumper)
            return connection
        for each in self.secrets:
            words = words.replace(each, "***")
        for pattern, hint in _REFUSALS.items():
            if re.search(pattern, words):
                raise PermissionError(f"PostgreSQL refuses the connection: {words}: {hint}")
        raise Outage(f"PostgreSQL can't be reached: {words}")


# A firewall may forget what is idle for minutes, and drop what is sent then.
_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def _in_the_environment() -> dict[str, str]:
    """Return what libpq's variables say, or the service file that they name."""
    return {
        option.keyword.decode(): (option.val or b"").decode(errors="replace")
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.val != option.compiled
    }


def _is_whole(conninfo: str, found: dict[str, Any]) -> bool:
    """Whether no part of a password is taken for something else."""
    ports = str(found.get("port") or "")
    scheme, separator, rest = conninfo.partition("://")
    is_url = bool(separator) and scheme in ("postgresql", "postgres")
    before_query = rest.partition("?")[0]
    authority, _, path = before_query.partition("/")
    is_shifted = is_url and (authority.count("@") > 1 or "@" in path)
    return bool(re.fullmatch(r"[0-9,]*", ports)) and not is_shifted and "\0" not in conninfo


# What another attempt can't change, in libpq's words, in those of a server that speaks English, and
# in PgBouncer's.
_REFUSALS = {
    r"(password|SASL) authentication failed|no password supplied": "check the user and the "
    "password in conninfo, or PGUSER and PGPASSWORD",
    r"role \".*\" does not exist|not permitted to log in": "check the user in conninfo, or PGUSER",
    r"database \".*\" does not exist|no such database": "create it, or check the database in "
    "conninfo or PGDATABASE",
    r"permission denied for database": "GRANT CONNECT ON DATABASE ... TO ...",
    r"no pg_hba.conf entry": "let the server's pg_hba.conf allow it, or pass sslmode=require",
    r"certificate|does not support SSL": "check sslmode and sslrootcert in conninfo",
}


def _first_line(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
