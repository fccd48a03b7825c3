"""Connections to PostgreSQL: a few in each event loop, with an inbox's tables behind them."""

import asyncio
import logging
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.array import ListBinaryDumper

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.inbox.postgres import sql

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

Rows = list[tuple[Any, ...]]
Conninfo = Callable[[], Awaitable[object]]

_MAX_CONNECTIONS = 3
_ATTEMPTS_NEEDED = 2.0  # an attempt may take as many times as long as the last ones
_SECONDS_UNTIL_MORE = 30.0  # are tried for again, after they were refused
_SECONDS_OF_OUTAGE = 1.0  # without a success: what is shorter is none
PAUSE = 0.1
"""Seconds between two attempts."""


class Outage(Exception):  # noqa: N818 - what the outside world did, never raised to a caller
    """PostgreSQL can't be reached, or doesn't respond; another attempt may help."""

    def __init__(self, words: str, kind: type[OSError] = ConnectionError) -> None:
        super().__init__(words)
        self.words: str = words
        self.was_sent: bool = False  # whether a statement may have been executed
        self.kind: type[OSError] = kind  # the class of the error for a call whose time is over

    def error(self) -> OSError:
        """Return the error for a call whose time is over."""
        return self.kind(self.words)


AGAIN = {
    "23505",  # two processes took of one line, or replaced one key, at the same moment
    "40001",  # serialization
    "40P01",  # deadlock
    "55P03",  # a lock that couldn't be had
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


class Connection:
    """One connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[TupleRow]", timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout  # the text of the error when the deadline has passed
        self._is_cut = False
        self.is_lost: bool = False  # whether it is of no use any more
        # whether the database isolates by its default more strictly than we need
        self.needs_begin: bool = False

    async def execute(self, text: bytes, parameters: Sequence[Any], deadline: float) -> Rows:
        """Execute a statement, and commit it; a lost connection, or no response, is an `Outage`."""
        # Psycopg's own way to end a statement waits for the server for up to five seconds.
        timer = asyncio.get_running_loop().call_at(deadline, self._cut)
        try:
            if self.needs_begin:
                return await self._in_transaction([(text, parameters)])
            return await self._run(text, parameters)
        finally:
            timer.cancel()

    async def execute_all(self, texts: Sequence[str], deadline: float) -> None:
        """Execute statements in one transaction."""
        timer = asyncio.get_running_loop().call_at(deadline, self._cut)
        try:
            await self._in_transaction([(each.encode(), ()) for each in texts])
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close it, also where its event loop has ended."""
        self._connection.pgconn.finish()

    async def _in_transaction(self, statements: Sequence[tuple[bytes, Sequence[Any]]]) -> Rows:
        rows: Rows = []
        await self._run(sql.BEGIN.encode(), ())
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
            return [] if cursor.rownumber is None else await cursor.fetchall()
        except asyncio.CancelledError:
            self.is_lost = True
            raise
        except psycopg.Error as error:
            if isinstance(error.__context__, asyncio.CancelledError):  # it was cut off for that
                self.is_lost = True
                raise error.__context__ from None
            state = error.sqlstate or ""
            is_lost = self._is_cut or self._connection.closed
            if not (is_lost or state in _DOWN or state.startswith("08")):
                raise
            self.is_lost = True
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

    If fewer can be had, it works with those, and tries for more from time to time.
    """

    def __init__(  # noqa: PLR0913 - a setting each
        self,
        conninfo: Conninfo,
        *,
        schema: str,
        version: bytes,
        timeout: float,
        calm: float,
        makes_tables: bool | None,
    ) -> None:
        self._conninfo = conninfo  # returns what libpq takes
        self._schema = schema
        self._version = version  # the statement that returns the version of the tables
        self._timeout = timeout  # for how many seconds one may be opened
        self._calm = calm  # for how many seconds after an outage `is_calm` is false
        # whether to make the tables if they aren't there; None is for who has tables of another
        # kind, and looks for none
        self._makes_tables = makes_tables
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._count = 0  # those that are open, idle or not
        self._waiting: deque[tuple[asyncio.Future[Connection], float]] = deque()  # until when
        self._needed = 0.0  # seconds, by an attempt
        self._opening: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[object] | None = None  # for the conninfo
        self._more_from = 0.0  # when more are tried for
        self._refusal: str | None = None  # why there are fewer than wanted
        self._is_short = False  # and that was logged
        self._is_prepared = False
        self._outage: Outage | None = None  # the last failure, since the last success
        self._failed_at = 0.0  # when the first one was
        self._calm_from = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether everybody has had the time to renew leases since the last outage."""
        now = self._loop.time()
        is_outage = self._outage is not None and now - self._failed_at > _SECONDS_OF_OUTAGE
        return not is_outage and self._calm_from <= now

    def prepare_again(self) -> None:
        """Look for the tables again: they are gone."""
        self._is_prepared = False
        self.close_idle()

    async def get(self, deadline: float) -> Connection:
        """Return a connection, to be given back."""
        if self._idle and self._is_in_time(deadline):
            return self._idle.pop()
        future: asyncio.Future[Connection] = self._loop.create_future()
        self._waiting.append((future, deadline))
        self._open_more()
        timer = self._loop.call_at(deadline, self._expire, future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self.give_back(future.result())
            raise
        finally:
            timer.cancel()

    def _is_in_time(self, deadline: float) -> bool:
        """Whether an attempt that begins now will have ended by then.

        One that won't is cut off, and takes its connection with it. A new connection takes several
        times as long, so if those came first that have waited longest, none would ever succeed.
        """
        return self._loop.time() + self._needed < deadline

    def _expire(self, future: "asyncio.Future[Connection]") -> None:
        if not future.done():  # pragma: no branch - a loop may run timers before what is ready
            future.set_exception(self.outage())

    def outage(self) -> Outage:
        """Return why nothing happened in time."""
        why = self._outage or self._late()
        return Outage(why.words, why.kind)

    def give_back(self, connection: Connection) -> None:
        """Take a connection back, for the first who waits; one that is lost is closed."""
        if connection.is_lost:
            self._count -= 1
            connection.close()
        elif (first := self._first_waiting()) is not None:
            first.set_result(connection)
        else:
            self._idle.append(connection)
        self._open_more()

    def _first_waiting(self) -> "asyncio.Future[Connection] | None":
        """Return who has waited longest, or who came last where that has been for long.

        So calls succeed at once after an outage, however many have waited for its end.
        """
        while self._waiting:
            is_late = self._waiting[0][1] - self._loop.time() < self._timeout / 2
            first, deadline = self._waiting.pop() if is_late else self._waiting.popleft()
            if not first.done() and self._is_in_time(deadline):
                return first
        return None

    def note_success(self, began: float) -> None:
        """Note that a statement was executed, which began at this time."""
        now = self._loop.time()
        # Slower ones count at once, faster ones bit by bit; some hang for a while.
        latest = min(_ATTEMPTS_NEEDED * (now - began), self._timeout / 4)
        self._needed = max(latest, self._needed * 0.9 + latest * 0.1)
        if self._outage is not None and now - self._failed_at > _SECONDS_OF_OUTAGE:
            self._calm_from = now + self._calm
        self._outage = None
        if self._refusal is not None and not self._is_short:
            self._is_short = True
            logger.warning(
                "the inbox works with %d of the %d connections that it wants: %s",
                *(self._count, _MAX_CONNECTIONS, self._refusal),
            )

    def note_failure(self, outage: Outage) -> None:
        """Note that an attempt failed; what is idle may be lost as well."""
        if self._outage is None:
            self._failed_at = self._loop.time()
        self._outage = outage
        self.close_idle()

    def close_idle(self) -> None:
        """Close those that nobody uses: all of them, where the event loop has ended."""
        while self._idle:
            self._count -= 1
            self._idle.pop().close()

    async def aclose(self) -> None:
        """Close those that are idle."""
        for each in (self._opening, self._asking):
            if each is not None:
                each.cancel()
                await asyncio.wait([each])
        self.close_idle()

    def explained(self, error: psycopg.Error) -> OSError:
        """Return the error of a call that PostgreSQL refuses."""
        words = error.diag.message_primary or _first_line(error)
        if error.sqlstate == _FORBIDDEN:
            return PermissionError(rights_needed(self._schema, words))
        hint = ": the next call looks for them again" if error.sqlstate in GONE else ""
        return OSError(f"PostgreSQL can't do it: {words}{hint}")

    def _late(self) -> Outage:
        return Outage(f"PostgreSQL didn't respond within {self._timeout:g} s", TimeoutError)

    def _open_more(self) -> None:
        """Begin to open connections for those that wait, unless that is under way."""
        if self._waiting and self._opening is None and self._may_open():
            self._opening = self._loop.create_task(self._open_each())
            self._opening.add_done_callback(self._forget_opening)

    def _forget_opening(self, _: "asyncio.Task[None]") -> None:
        self._opening = None
        self._open_more()

    def _may_open(self) -> bool:
        is_wanted = self._count < _MAX_CONNECTIONS and any(
            not each.done() for each, _ in self._waiting
        )
        return is_wanted and (not self._count or self._more_from <= self._loop.time())

    async def _open_each(self) -> None:
        """Open one after the other while somebody waits, with a time of its own for each."""
        while self._may_open():
            began = self._loop.time()
            try:
                connection = await self._open()
            except Exception as error:  # noqa: BLE001 - as of a function that returns the conninfo
                await self._note_refusal(error)
                continue
            if not self._count:  # the first one after an outage
                self._more_from = 0.0
            self._refusal = None
            self._count += 1
            if self._count == _MAX_CONNECTIONS:
                self._is_short = False
            self.note_success(began)
            self.give_back(connection)

    async def _note_refusal(self, error: Exception) -> None:
        if self._count:
            self._more_from = self._loop.time() + _SECONDS_UNTIL_MORE
            self._refusal = error.words if isinstance(error, Outage) else describe_exception(error)
        elif isinstance(error, Outage):
            self.note_failure(error)
            await asyncio.sleep(PAUSE)
        else:
            while (waiting := self._first_waiting()) is not None:
                waiting.set_exception(error)

    async def _open(self) -> Connection:
        deadline = self._loop.time() + self._timeout
        connection = None
        try:
            async with asyncio.timeout_at(deadline):
                target = Target.read(await self._asked_conninfo(), self._timeout)
                connection = Connection(await target.connect(), self._timeout)
                await self._read_settings(connection, deadline)
                if not self._is_prepared and self._makes_tables is not None:
                    await self._make_tables(connection, deadline)
                    self._is_prepared = True
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, TimeoutError):
                raise self._late() from None
            if isinstance(error, psycopg.Error):
                raise self.explained(error) from None
            raise
        return connection

    async def _asked_conninfo(self) -> str:
        """Ask for the conninfo, which is under way once at a time: it may hang."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._conninfo())
        asking = self._asking
        await asyncio.wait([asking])
        self._asking = None
        conninfo = asking.result()
        if not isinstance(conninfo, str):
            raise TypeError(f"conninfo must return str, got {type(conninfo).__name__}")
        return conninfo

    async def _read_settings(self, connection: Connection, deadline: float) -> None:
        ((isolation, encoding, path),) = await connection.execute(sql.SETTINGS, (), deadline)
        if encoding != "UTF8":
            raise RuntimeError(
                f"the database has the encoding {encoding}, which can't store every text: make one "
                "with ENCODING 'UTF8'"
            )
        if "pg_catalog" in path[1:]:
            raise RuntimeError(
                f"the search_path names the schema {path[0]!r} before pg_catalog, so operators in "
                "it would take the place of PostgreSQL's own: leave pg_catalog out of the path, "
                "then it comes first"
            )
        connection.needs_begin = isolation != "read committed"

    async def _make_tables(self, connection: Connection, deadline: float) -> None:
        """Check the tables, and make them if they aren't there."""
        if await self._has_tables(connection, deadline):
            return
        if not self._makes_tables:
            raise RuntimeError(
                f"the schema {self._schema!r} has no inbox of this release: start its bot, or "
                "pass another schema"
            )
        while not await self._has_tables(connection, deadline):
            await self._create(connection, deadline)

    async def _has_tables(self, connection: Connection, deadline: float) -> bool:
        named = (self._schema, list(sql.TABLES))
        rows = await connection.execute(sql.FOUND, named, deadline)
        found = {name: is_usable for name, is_usable in rows}  # noqa: C416 - for type checkers
        if "version" not in found:
            return False
        if not all(found.values()):
            raise PermissionError(rights_needed(self._schema, "the role lacks rights"))
        ((version,),) = await connection.execute(self._version, (), deadline) or [(0,)]
        if version in sql.OLD_RELEASES:
            raise ValueError(sql.older(self._schema, version))
        if version > sql.VERSION:
            raise RuntimeError(
                f"the tables in the schema {self._schema!r} are those of a newer release of "
                "webex-webhooks-async, which this one can't use: update it, or pass another schema"
            )
        if version != sql.VERSION or len(found) < len(sql.TABLES):
            raise RuntimeError(
                f"some of the tables of the inbox in the schema {self._schema!r} are missing: "
                "restore them, or pass another schema"
            )
        return True

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
    """Where to connect to."""

    conninfo: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)  # the texts that no error may show

    @classmethod
    def read(cls, conninfo: str, timeout: float) -> "Target":
        """Check a conninfo, and add what we need to it."""
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
        """Return a connection; a server that can't be reached now is an `Outage`."""
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
