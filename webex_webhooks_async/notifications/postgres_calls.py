"""Calls of PostgreSQL: they share statements, a few connections, and patience with an outage."""

import asyncio
import math
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from uuid import uuid4

import psycopg
from attrs import frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.array import ListBinaryDumper

from webex_webhooks_async.notifications import postgres_sql as sql
from webex_webhooks_async.notifications.inbox import InboxEntry

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

Rows = list[tuple[Any, ...]]
Conninfo = Callable[[], Awaitable[object]]

_MAX_CONNECTIONS = 3
_MAX_CALLS = 1_000
_MAX_BYTES = 1_000_000  # more takes seconds; one call may have more
_PAUSE = 0.1  # seconds between two attempts


class Call:
    """A call that waits for its statement.

    Attributes:
        values: An element of each parameter of the statement.
        size: Of the values, in bytes.
        deadline: When it is given up, in the time of the event loop.
        future: Its result.
        is_alone: Whether it has a statement of its own, because one that it shared was refused.
        is_repeated: Whether it may have been executed already.
        is_doubted: Whether its first attempt may still be executed, which the next one can't see.
    """

    __slots__ = ("deadline", "future", "is_alone", "is_doubted", "is_repeated", "size", "values")

    def __init__(
        self, values: Sequence[Any], size: int, deadline: float, future: "asyncio.Future[Any]"
    ) -> None:
        self.values = values
        self.size = size
        self.deadline = deadline
        self.future = future
        self.is_alone = self.is_repeated = self.is_doubted = False


class Statement:
    """A statement that calls share; of each, the row with its number is the result, or `None`.

    Args:
        text: The SQL. Its parameters are arrays.
        again: The SQL for calls that may have been executed already.
        identity: Calls whose first so many values are equal don't share a statement.
    """

    def __init__(self, text: str, again: str | None = None, *, identity: int = 0) -> None:
        self._text = text.encode()
        self._again = self._text if again is None else again.encode()
        self.identity = identity

    def text(self, calls: Sequence[Call], *, is_calm: bool) -> bytes:  # noqa: ARG002 - for one
        """Return the SQL for some calls, not long after an outage if it isn't calm."""
        return self._again if calls[0].is_repeated else self._text

    def parameters(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Return what the SQL takes for some calls."""
        return [list(column) for column in zip(*(each.values for each in calls), strict=True)]

    def results(self, calls: Sequence[Call], rows: Rows) -> Sequence[Any]:
        """Return the result of each call."""
        found = {row[0]: row for row in rows}
        return [found.get(number) for number in range(1, len(calls) + 1)]

    def lose(self, calls: Sequence[Call]) -> None:
        """Note that some calls may have been executed, without a response."""

    def refuse(self, result: Any) -> None:  # noqa: ANN401 - that of a call
        """Note that nobody waits for a result any more."""


class AloneStatement(Statement):
    """A statement that serves one call; the rows are its result.

    Args:
        text: The SQL.
        may_repeat: Whether it can be executed again when its response was lost.
    """

    def __init__(self, text: str, *, may_repeat: bool = True) -> None:
        super().__init__(text)
        self.may_repeat = may_repeat

    def parameters(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Return what the SQL takes."""
        return calls[0].values

    def results(self, calls: Sequence[Call], rows: Rows) -> Sequence[Any]:  # noqa: ARG002 - one
        """Return the rows."""
        return [rows]


class TakeStatement(Statement):
    """The statement that leases notifications.

    Args:
        text: The SQL.
        text_after_outage: The same without expired leases, which their holders may still renew.
        lease: For how many seconds it leases.
        holder: Returns who takes.
        give_back: Called with the token of a lease that nobody waits for any more.

    Attributes:
        lost: Tokens of leases that may have been granted without a response, and when each is
            forgotten, in the time of the event loop.
    """

    def __init__(
        self,
        text: str,
        text_after_outage: str,
        *,
        lease: float,
        holder: Callable[[], str],
        give_back: Callable[[str], None],
    ) -> None:
        super().__init__(text)
        self._text_after_outage = text_after_outage.encode()
        self._lease = lease
        self._holder = holder
        self._give_back = give_back
        self.lost: dict[str, float] = {}

    def text(self, calls: Sequence[Call], *, is_calm: bool) -> bytes:  # noqa: ARG002 - as above
        """Return the SQL, without expired leases after an outage."""
        return self._text if is_calm else self._text_after_outage

    def parameters(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Return new tokens, and the holder of each."""
        for each in calls:
            each.values = (uuid4().hex, self._holder())
        return super().parameters(calls)

    def results(self, calls: Sequence[Call], rows: Rows) -> Sequence[Any]:
        """Return an entry for each call, or `None`."""
        found = {row[0]: row[1:] for row in rows}
        entries: list[InboxEntry | None] = []
        for number, call in enumerate(calls, 1):
            if number not in found:
                entries.append(None)
                continue
            key, body, line, failures, expiries, releases, error = found[number]
            entry = InboxEntry(
                key=key,
                body=body,
                token=call.values[0],
                lease=self._lease,
                line=line,
                failures=failures,
                expiries=expiries,
                releases=releases,
                error=error,
            )
            entries.append(entry)
        return entries

    def lose(self, calls: Sequence[Call]) -> None:
        """Note the tokens: the next call that succeeds gives back what has them."""
        for each in calls:
            self.lost[each.values[0]] = math.inf
            each.is_repeated = each.is_doubted = False

    def refuse(self, result: Any) -> None:  # noqa: ANN401 - an entry, or `None`
        """Give back what was taken."""
        if result is not None:
            self._give_back(result.token)


class Calls:
    """The calls of one event loop.

    Args:
        connections: Where they are executed.
        timeout: After how many seconds a call is given up.
    """

    def __init__(self, connections: "Connections", timeout: float) -> None:
        self._connections = connections
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Statement, deque[Call]] = {}
        self._tasks: dict[Statement, asyncio.Task[None]] = {}

    def call(
        self, statement: Statement, values: Sequence[Any], size: int = 0
    ) -> "asyncio.Future[Any]":
        """Call a statement.

        Raises:
            ConnectionError: PostgreSQL couldn't be reached in time.
            TimeoutError: It didn't respond in time.
            OSError: It can't do it.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        call = Call(values, size, self._loop.time() + self._timeout, future)
        waiting = self._waiting.get(statement)
        if waiting is None:
            self._waiting[statement] = deque([call])
            task = self._tasks[statement] = self._loop.create_task(self._work(statement))
            task.add_done_callback(partial(self._forget, statement))
        else:
            waiting.append(call)
        return future

    async def aclose(self) -> None:
        """Close the connections, after the calls that wait."""
        while self._tasks:
            await asyncio.wait([*self._tasks.values()])
        await self._connections.aclose()

    def close_of_a_lost_loop(self) -> None:
        """Close the connections where the event loop has ended."""
        self._connections.close_of_a_lost_loop()

    async def _work(self, statement: Statement) -> None:
        """Execute a statement again and again, for those that wait by then, while any do."""
        waiting = self._waiting[statement]
        try:
            while self._is_wanted(waiting):
                await self._execute(statement, waiting)
        finally:
            self._forget(statement, self._tasks[statement])

    def _forget(self, statement: Statement, task: asyncio.Task[None]) -> None:
        """Forget a task that ends; who still waits for it was cancelled with it, or is so now.

        One that is cancelled before it begins does nothing at all, not even that.
        """
        if self._tasks.get(statement) is task:
            del self._tasks[statement]
            for each in self._waiting.pop(statement):
                each.future.cancel()

    def _is_wanted(self, waiting: deque[Call]) -> bool:
        while waiting and waiting[0].future.done():
            waiting.popleft()
        return bool(waiting)

    async def _execute(self, statement: Statement, waiting: deque[Call]) -> None:
        """Execute a statement for the first of those that wait."""
        calls: list[Call] = []
        connection: Connection | None = None
        try:
            connection = await self._connections.get(waiting[0].deadline)
            calls = _together(statement, waiting)
            if not calls:  # nobody waits any more
                return
            parameters = statement.parameters(calls)
            text = statement.text(calls, is_calm=self._connections.is_calm)
            rows = await connection.execute(text, parameters, calls[0].deadline)
        except Outage as outage:
            if connection is not None:
                connection.is_lost = True
                await self._connections.give_back(connection)
                connection = None
            await self._wait_out(outage, statement, calls, waiting)
        except psycopg.Error as refusal:
            await self._refused(refusal, calls, waiting)
        except asyncio.CancelledError:
            waiting.extend(calls)
            raise
        except Exception as error:  # noqa: BLE001 - as of a function that returns the conninfo
            for each in calls or _together(statement, waiting):
                _set_error(each, error)
        else:
            self._respond(statement, calls, statement.results(calls, rows), waiting)
        finally:
            if connection is not None:
                await self._connections.give_back(connection)

    def _respond(
        self,
        statement: Statement,
        calls: Sequence[Call],
        results: Sequence[Any],
        waiting: deque[Call],
    ) -> None:
        for call, result in zip(calls, results, strict=True):
            if call.future.done():
                statement.refuse(result)
            elif call.is_doubted and result is None:
                call.is_doubted = False
                waiting.appendleft(call)
            else:
                call.future.set_result(result)

    async def _wait_out(
        self, outage: "Outage", statement: Statement, calls: Sequence[Call], waiting: deque[Call]
    ) -> None:
        """Let those whose time isn't over try again, after a moment."""
        may_repeat = getattr(statement, "may_repeat", True)
        for each in reversed(calls):
            each.is_repeated = each.is_doubted = True
            if may_repeat:
                waiting.appendleft(each)
            else:
                _set_error(each, OSError(f"{outage.words}: whether it was done isn't known"))
        statement.lose(calls)
        now = self._loop.time()
        while waiting and (waiting[0].future.done() or waiting[0].deadline <= now):
            _set_error(waiting.popleft(), outage.error())
        if waiting:
            await asyncio.sleep(min(_PAUSE, waiting[0].deadline - now))

    async def _refused(
        self, refusal: psycopg.Error, calls: Sequence[Call], waiting: deque[Call]
    ) -> None:
        """Let a call try again if that can help, alone if it can't be the only one to blame."""
        now = self._loop.time()
        state = refusal.sqlstate or ""
        if state in _AGAIN and calls[0].deadline > now:
            waiting.extendleft(reversed(calls))
            await asyncio.sleep(0 if state == _TAKEN else _PAUSE)
        elif len(calls) > 1:
            for each in calls:
                each.is_alone = True
            waiting.extendleft(reversed(calls))
        else:
            if state in _GONE:
                self._connections.prepare_again()
            for each in calls:
                _set_error(each, self._connections.explained(refusal))


def _together(statement: Statement, waiting: deque[Call]) -> list[Call]:
    """Take the calls that share the next statement out of those that wait."""
    calls: list[Call] = []
    later: list[Call] = []
    identities: set[tuple[Any, ...]] = set()
    size = 0
    is_alone = isinstance(statement, AloneStatement)
    while waiting and len(calls) < _MAX_CALLS:
        call = waiting[0]
        size += call.size
        if calls and (
            size > _MAX_BYTES
            or is_alone
            or call.is_alone
            or calls[0].is_alone
            or call.is_repeated != calls[0].is_repeated
        ):
            break
        waiting.popleft()
        if call.future.done():
            continue
        if statement.identity:
            identity = tuple(call.values[: statement.identity])
            if identity in identities:
                later.append(call)
                continue
            identities.add(identity)
        calls.append(call)
    waiting.extendleft(reversed(later))
    return calls


def _set_error(call: Call, error: Exception) -> None:
    if not call.future.done():
        call.future.set_exception(error)


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


_TAKEN = "23505"  # two processes took of one line at the same moment
_AGAIN = {
    _TAKEN,
    "40001",  # serialization
    "40P01",  # deadlock
    "55P03",  # a lock that couldn't be had in time
    "57014",  # cancelled, as by a statement_timeout of the role
}
_FORBIDDEN = "42501"
_GONE = {"3F000", "42P01", "42703"}  # a schema, a table or a column
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
        self.is_lost = False
        self.needs_begin = False

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
        with suppress(OSError, psycopg.Error):
            connected = socket.socket(fileno=self._connection.pgconn.socket)
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
        hint = ": the next call looks for them again" if error.sqlstate in _GONE else ""
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
        if state in _AGAIN:
            await asyncio.sleep(_PAUSE)  # so that others get their turn
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

    conninfo: str
    secrets: tuple[str, ...]

    @classmethod
    def read(cls, conninfo: str, timeout: float) -> "Target":
        """Check a conninfo, and add what we need to it.

        Raises:
            ValueError: It can't be read; the error doesn't show it.
        """
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
        hosts = str(found.get("host") or found.get("hostaddr") or "").count(",") + 1
        defaults: dict[str, Any] = {
            "fallback_application_name": "webex-webhooks-async",
            "client_encoding": "utf8",
        }
        if hosts > 1:
            defaults["target_session_attrs"] = "read-write"
            defaults["connect_timeout"] = max(2, int(timeout / hosts))
        missing = {name: value for name, value in defaults.items() if name not in found}
        longest_first = sorted(secrets, key=len, reverse=True)
        return cls(make_conninfo(conninfo, **missing), tuple(longest_first))

    async def connect(self) -> "psycopg.AsyncConnection[TupleRow]":
        """Connect.

        Raises:
            Outage: There is no server, or it starts or ends.
            OSError: The server refuses us.
        """
        try:
            connection = await psycopg.AsyncConnection.connect(
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


def _is_whole(conninfo: str, found: dict[str, Any]) -> bool:
    """Whether no part of a password is taken for something else."""
    ports = str(found.get("port") or "")
    scheme, separator, rest = conninfo.partition("://")
    is_url = bool(separator) and scheme in ("postgresql", "postgres")
    before_query = rest.partition("?")[0]
    authority, _, path = before_query.partition("/")
    is_shifted = is_url and (authority.count("@") > 1 or "@" in path)
    return bool(re.fullmatch(r"[0-9,]*", ports)) and not is_shifted and "\0" not in conninfo


# What another attempt can't change, in libpq's words and in those of a server that speaks English.
_REFUSALS = {
    r"password authentication failed|no password supplied": "check the user and the password in "
    "conninfo, or PGUSER and PGPASSWORD",
    r"role \".*\" does not exist|not permitted to log in": "check the user in conninfo, or PGUSER",
    r"database \".*\" does not exist": "create it, or check the database in conninfo or PGDATABASE",
    r"permission denied for database": "GRANT CONNECT ON DATABASE ... TO ...",
    r"no pg_hba.conf entry": "let the server's pg_hba.conf allow it, or pass sslmode=require",
    r"certificate|does not support SSL": "check sslmode and sslrootcert in conninfo",
}


def _first_line(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
