"""An inbox on PostgreSQL, for processes on as many machines as there are."""

import asyncio
import hashlib
import inspect
import math
import os
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from webex_webhooks_async.claims import check_claim
from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.base import TransactionalInbox, check_put, check_time
from webex_webhooks_async.inbox.claim_tokens import OwnClaims, claimant
from webex_webhooks_async.inbox.entries import (
    ANSWERED,
    NO_ANSWER,
    STOPPED,
    InboxCounts,
    InboxEntry,
    Question,
    StoredNotification,
)
from webex_webhooks_async.inbox.listing import (
    PLAIN,
    in_parts,
    listed,
    row_of,
    shown_key,
    state_of_failed,
)
from webex_webhooks_async.inbox.postgres import questions as question_sql
from webex_webhooks_async.inbox.postgres import sql
from webex_webhooks_async.inbox.transactions import (
    COMMITTED,
    COMPLETED,
    ROLLED_BACK,
    Transaction,
    same_transaction_of,
    sqlstate_of,
    transaction_of,
    without_transaction,
)
from webex_webhooks_async.notifications.identity import JOB, is_job
from webex_webhooks_async.validation import check_not_empty, check_type, seconds_of

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.postgres.connections import Rows
    from webex_webhooks_async.inbox.postgres.statements import Statements

T = TypeVar("T")


class PostgresInbox(TransactionalInbox):
    """An `Inbox` on PostgreSQL 14 to 18, for processes on as many machines as there are.

    ::

        receiver = Receiver(secret, inbox=PostgresInbox("postgresql://bot@db.example.com/bots"))

    It needs the extra ``postgres``. The first call makes the tables, in a schema of their own; for
    a role that may not, ``webex-webhooks inbox schema`` prints the SQL. Tables of 0.4 and 0.5
    are refused with a `ValueError`. Each statement is committed by itself, so the inbox works
    behind any pooler. It has three connections at most in each event loop, works with one if it
    gets no more, and uses the database's clock.

    While the database restarts or fails over, a call waits for it, up to `timeout`, and then raises
    `ConnectionError`, or `TimeoutError` if it doesn't respond. An error that another attempt can't
    change, such as a wrong password, missing rights or the tables of another release, is a
    `PermissionError`, a `ValueError` or a `RuntimeError` that says what to do. Any other refusal of
    PostgreSQL is an `OSError`. No error shows a password. A process that is forked needs an inbox
    that none of its parents has used.

    Args:
        conninfo: The conninfo of libpq, as ``postgresql://user@host/database``; ``""`` is its
            variables, such as ``PGHOST`` and ``PGPASSWORD``. A function, plain (called in a thread)
            or async, returns it for each new connection, for passwords that expire; one call of it
            is under way at a time. The one of several hosts that takes writes is used.
        schema: The schema of the tables.
        lease: As for a `SQLiteInbox`.
        keep: As for a `SQLiteInbox`.
        timeout: For how many seconds, or which `timedelta`, a call waits for the database.

    Raises:
        ValueError: `conninfo` can't be read, `schema` can't be a name, or `lease`, `keep` or
            `timeout` isn't positive, or more than a century.
        TypeError: An argument has a wrong type.
        ImportError: psycopg isn't installed.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str | Awaitable[str]] = "",
        *,
        schema: str = "webex_webhooks",
        lease: float | timedelta = 30.0,
        keep: float | timedelta = 86_400.0,
        timeout: float | timedelta = 5.0,
    ) -> None:
        self._lease = seconds_of("lease", lease)
        self.keep: float = seconds_of("keep", keep)
        self._timeout = seconds_of("timeout", timeout)
        check_schema(schema)
        try:
            from webex_webhooks_async.inbox.postgres import (  # noqa: PLC0415 - an extra
                connections,
                statements,
            )
        except ImportError as error:
            raise ImportError(
                'PostgresInbox needs psycopg: pip install "webex-webhooks-async[postgres]"'
            ) from error
        if not callable(conninfo):
            check_type("conninfo", conninfo, str)
            connections.Target.read(conninfo, self._timeout)
        self._conninfo = conninfo
        self._schema = schema
        self._calling = statements
        self._connecting = connections
        self._makes_tables: bool | None = True
        self._id = uuid4()  # tells its claims from those of other inboxes
        self._claims = OwnClaims()
        self._known_inbox = ""  # what tells its tables from those in another database
        self._write = sql.writer(schema, lease=_bounded(self._lease), keep=_bounded(self.keep))
        self._queries: dict[str, sql.Query] = {}
        self._statements: dict[asyncio.AbstractEventLoop, Statements] = {}
        self._process = 0  # the one that has connections
        self._soon: set[asyncio.Task[None]] = set()

        # Tokens of leases that may have been granted without a response, and when each is
        # forgotten, in the time of the event loop.
        self._lost: dict[str, float] = {}
        self._has_lines = False  # whether one was ever to be looked at
        self._lowest = 0.0  # before this time, in seconds since 1970, nothing is due
        self._looks_at = self._forgets_at = self._gives_back_at = self._empties_at = 0.0

    async def put(  # noqa: PLR0913 - those of the base class
        self,
        key: str,
        body: bytes,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
        owner: str | None = None,
    ) -> bool:
        line = check_put(line, after, at, replace=replace)
        earliest = 0.0 if at is None else at.timestamp()
        times = _bounded(after), earliest
        values = _indexed(key), body, _indexed(line or ""), *times, _indexed(owner or "")
        if replace:
            await self._rows(sql.REPLACE, (*values, os.urandom(16).hex()))
            return True
        while not await self._in_loop().put(values, len(body)):
            if not is_job(key):
                return False
            # A job that is stopped has a successor, or has ended since.
            ((is_stored, is_known),) = await self._rows(sql.BEHIND, values[:5])
            if is_known:
                return bool(is_stored)
        return True

    async def cancel(self, key: str) -> bool:
        key, token = _indexed(key), os.urandom(16).hex()
        statements = self._in_loop()
        deadline = statements.deadline()
        await self._empty_outbox(statements, deadline, sql.EMPTY_OUTBOX)
        cancel = self._query(sql.CANCEL, sql.CANCELLED_BEFORE)
        is_removable = self._query(sql.IS_REMOVABLE)
        while not await statements.execute(cancel, (key, token), deadline):
            # An entry that is taken, or ends, at the same moment isn't seen.
            if not await statements.execute(is_removable, (key,), deadline):
                return False
        return True

    async def take(self) -> InboxEntry | None:
        statements = self._in_loop()
        deadline = statements.deadline()
        await self._look_after(statements, deadline)
        lines, tries = _LINES_AT_ONCE, 0
        tokens: list[str] = []  # of attempts whose response isn't known

        def values() -> Sequence[Any]:
            tokens.append(uuid4().hex)
            return tokens[-1], _holder(), self._lowest, lines, statements.is_calm

        try:
            while True:
                query = self._query(sql.TAKE if self._has_lines else sql.TAKE_ALONE)
                rows = await statements.execute(query, values, deadline)
                ((seen, locked, number, *row),) = rows
                token = tokens.pop()
                if number is not None:
                    return self._entry(token, number, row)
                if seen and not self._has_lines:
                    self._has_lines = True
                    continue
                # Lines in which nothing is due now aren't looked at again, and others are; one in
                # which somebody writes at this moment is tried a few times.
                tries += 1
                if seen == locked < lines or (not locked and tries > _TRIES):
                    return None
                lines = min(8 * lines, _MOST_LINES_AT_ONCE)
        except asyncio.CancelledError:
            self._give_back_soon(statements)
            raise
        finally:
            self._lost |= dict.fromkeys(tokens, math.inf)

    def _entry(self, token: str, number: int, row: Sequence[Any]) -> InboxEntry:
        found = dict(zip(_TAKEN, row, strict=True))
        late = max(0.0, found.pop("late"))
        return InboxEntry(token=token, number=number, lease=self._lease, late=late, **found)

    async def renew(self, entry: InboxEntry, *, in_line: bool = True) -> bool:
        query = sql.RENEW if in_line else sql.LEAVE_LINE
        return bool(await self._rows(query, (entry.key, entry.token)))

    async def complete(self, entry: InboxEntry) -> bool:
        values = entry.key, entry.token
        return bool(await self._rows(sql.COMPLETE, values, sql.COMPLETED_BEFORE))

    async def fail(
        self,
        entry: InboxEntry,
        *,
        error: str,
        retry_in: float | None,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        error = storable(error)
        if retry_in is None:
            is_unreadable = state_of_failed(entry.body) == "unreadable"
            values: Sequence[Any] = (entry.key, entry.token, error, is_unreadable)
            return bool(await self._rows(sql.GIVE_UP, values, sql.ENDED_BEFORE))
        values = entry.key, entry.token, _bounded(retry_in), holds, error, counts
        return bool(await self._rows(sql.FAIL, values, sql.ENDED_BEFORE))

    async def release(
        self, entry: InboxEntry, *, retry_in: float = 0.0, outage: bool = False, holds: bool = False
    ) -> bool:
        query = sql.RELEASE_IN_OUTAGE if outage else sql.RELEASE
        values = entry.key, entry.token, _bounded(retry_in), holds or outage
        return bool(await self._rows(query, values, sql.ENDED_BEFORE))

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        rows = await self._rows(sql.RECALL, (entry.number, _indexed(name)))
        return bytes(rows[0][0]) if rows else None

    async def remember(
        self, entry: InboxEntry, name: str, value: bytes, *, leased: bool = False
    ) -> None:
        values = entry.number, _indexed(name), value
        if leased:
            await self._rows(sql.REMEMBER_LEASED, (*values, entry.token))
        else:
            await self._rows(sql.REMEMBER, values)

    async def records(self, entry: InboxEntry) -> Mapping[str, bytes]:
        rows = await self._rows(question_sql.RECORDS, (entry.number,))
        return {name: bytes(value) for name, value in rows}

    async def ask(  # noqa: PLR0913 - those of the base class
        self,
        entry: InboxEntry,
        record: str,
        *,
        place: str,
        data: bytes,
        seconds: float | None = None,
        line: str | None = None,
        owner: str | None = None,
        queues: bool = False,
        beside: bool = False,
    ) -> Question | bytes | None:
        seconds = None if seconds is None else _bounded(seconds)
        of_entry = entry.number, entry.token, _indexed(record)
        names = _indexed(place), owner and _indexed(owner), line and _indexed(line)
        values = *of_entry, *names, queues, data, seconds, beside
        while True:
            ((recorded, is_over, is_leased, *found),) = await self._rows(question_sql.ASK, values)
            if is_over:
                return NO_ANSWER
            if recorded is not None:
                return bytes(recorded)
            if found[0] is not None:
                return _question(*found)
            if not is_leased:  # pragma: no branch - else another process has just opened it
                return None

    async def unask(self, entry: InboxEntry, record: str) -> None:
        await self._rows(question_sql.UNASK, (entry.number, _indexed(record), entry.token))

    async def questions(
        self, *places: str, entry: InboxEntry | None = None
    ) -> Sequence[Question] | None:
        of_entry = (None, None) if entry is None else (entry.number, entry.token)
        rows = await self._rows(question_sql.QUESTIONS, ([*map(_indexed, places)], *of_entry))
        if rows[0][0]:
            return None
        return [_question(*row) for _, *row in rows if row[0] is not None]

    async def wait(self, entry: InboxEntry, *records: str) -> bool:
        values = entry.number, entry.token, [*map(_indexed, records)]
        return bool(await self._rows(question_sql.WAIT, values, question_sql.WAITED_BEFORE))

    async def answer(self, entry: InboxEntry, question_id: int, value: bytes) -> bool:
        values = entry.number, question_id, value, ANSWERED, b"%d" % question_id
        return bool(await self._rows(question_sql.ANSWER, values))

    async def end(self, question_ids: Iterable[int], data: bytes = STOPPED) -> int:
        values = [*question_ids], data
        ((count,),) = await self._rows(question_sql.END, values, may_repeat=False)
        return int(count)

    async def stop(
        self, owner: str, *, before: int | None = None, data: bytes = STOPPED
    ) -> Mapping[int, bytes]:
        owner = _indexed(owner)
        if before is None:
            rows = await self._rows(sql.STOP_KEY, (owner, data), may_repeat=False)
        else:
            rows = await self._rows(sql.STOP, (owner, before), may_repeat=False)
        return {number: bytes(body) for number, body in rows}

    async def stopping(self) -> Collection[int]:
        return [number for (number,) in await self._rows(sql.STOPPING)]

    async def postpone(self, seconds: float) -> None:
        await self._rows(question_sql.POSTPONE, (_bounded(seconds),))

    async def remember_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> bool:
        within = await self._within(transaction)
        with self._explained():
            if not await self._check(within, transaction, entry.number):
                raise RuntimeError(COMPLETED)
            values = [entry.number, _indexed(name), value]
            return bool(await within.execute(self._text(sql.REMEMBER_WITHIN), values))

    async def replace_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> None:
        # Outside of the transaction, a record is seen only if it was committed.
        if await self.recall(entry, name) is not None:
            raise RuntimeError(COMMITTED)
        within = await same_transaction_of(transaction)
        values = [entry.number, _indexed(name), value]
        with self._explained():
            if not await within.execute(self._text(sql.REPLACE_WITHIN), values):
                raise RuntimeError(ROLLED_BACK)

    async def put_within(  # noqa: PLR0913 - those of the base class
        self,
        transaction: object,
        key: str,
        body: bytes | None,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
    ) -> None:
        line = check_put(line, after, at, replace=replace)
        times = _bounded(after), 0.0 if at is None else at.timestamp()
        within = await self._within(transaction)
        with self._explained():
            await self._check(within, transaction)
            values = [_indexed(key), body, _indexed(line or ""), *times, replace]
            await within.execute(self._text(sql.PUT_WITHIN), values)

    async def _within(self, given: object) -> Transaction:
        within = await transaction_of(given)
        if within.kind != "PostgreSQL":
            raise self._elsewhere()
        return within

    async def _check(self, within: Transaction, given: object, number: int | None = None) -> bool:
        """Check that it is in our database; return whether an entry isn't completed."""
        is_unfinished = self._text(sql.IS_UNFINISHED)
        ((inbox, is_there),) = await within.execute(is_unfinished, [number])
        if not await within.is_open():
            raise without_transaction(given)
        if inbox != self._known_inbox:
            ((self._known_inbox,),) = await self._rows(sql.INBOX)
        if inbox != self._known_inbox:
            raise self._elsewhere()
        return bool(is_there)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Explain an error of a user's driver that is about our tables."""
        try:
            yield
        except Exception as error:
            match sqlstate_of(error):
                case "3F000" | "42P01" | "42703":
                    raise self._elsewhere() from error
                case "42501":
                    words = self._connecting.rights_needed(self._schema, str(error))
                    raise RuntimeError(words) from error
                case "23503":
                    raise RuntimeError(COMPLETED) from error
                case _:
                    raise

    def _elsewhere(self) -> RuntimeError:
        return RuntimeError(
            "this is a connection to another database than that of the inbox, whose tables "
            f"aren't in its schema {self._schema!r}: use the database of the inbox"
        )

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        name, seconds = check_claim(name, seconds)
        name = _indexed(name)

        async def ask(token: str) -> bool:
            values = name, token, claimant(self._id), _bounded(seconds), renew
            return bool(await self._rows(sql.CLAIM, values))

        return await self._claims.claim(name, seconds, ask, renew=renew)

    async def unclaim(self, name: str) -> None:
        await self._rows(sql.UNCLAIM, (_indexed(name), claimant(self._id)))

    async def now(self) -> datetime:
        """Return the time by the clock of the database."""
        ((now,),) = await self._rows(sql.NOW)
        return cast("datetime", now).astimezone(UTC)

    async def counts(self) -> InboxCounts:
        rows = await self._rows(sql.COUNTS)
        oldest = next((seconds for state, _, seconds in rows if state == "waiting"), None)
        counted: dict[str, int] = {state: count for state, count, _ in rows}
        return InboxCounts(**counted, oldest=None if oldest is None else max(0.0, oldest))

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        last = 0
        while rows := await self._rows(sql.UNFINISHED, (last, _LISTED_AT_ONCE)):
            for row in rows:
                for each in _stored(row):
                    yield each
            last = rows[-1][0]

    async def retry(self, keys: Iterable[str]) -> int:
        return await self._decide(sql.RETRY, keys)

    async def drop(self, keys: Iterable[str]) -> int:
        return await self._decide(sql.DROP, keys, JOB)

    async def _decide(self, query: str, keys: Iterable[str], *more: str) -> int:
        changed = 0
        for few in in_parts(keys, _DECIDED_AT_ONCE):
            numbers = [number for number in map(row_of, few) if number is not None]
            values = [_indexed(each) for each in few], numbers, f"^(?:{PLAIN})$", *more
            ((count,),) = await self._rows(query, values, may_repeat=False)
            changed += count
        return changed

    async def caught_up(self, name: str) -> datetime | None:
        rows = await self._rows(sql.CAUGHT_UP, (_indexed(name),))
        return rows[0][0].astimezone(UTC) if rows else None

    async def set_caught_up(self, name: str, time: datetime) -> None:
        await self._rows(sql.SET_CAUGHT_UP, (_indexed(name), check_time("time", time)))

    async def aclose(self) -> None:
        """Close the connections, after the calls that wait. A call after that opens others."""
        if self._process == os.getpid():  # else they are the parent's
            loop = asyncio.get_running_loop()
            if loop in self._statements:
                await self._statements[loop].aclose()
                self._statements.pop(loop, None)

    async def _look_after(self, statements: "Statements", deadline: float) -> None:
        """Give back what was taken without a response, and do from time to time what has to be."""
        now = asyncio.get_running_loop().time()
        if self._lost and (now >= self._gives_back_at or math.inf in self._lost.values()):
            await self._give_back(statements, deadline)
        if now >= self._empties_at:
            await self._empty_outbox(statements, deadline, sql.TRY_TO_EMPTY_OUTBOX)
            self._empties_at = now + _SECONDS_BETWEEN_OUTBOXES
        if now >= self._looks_at:
            self._looks_at = now + _SECONDS_BETWEEN_LOOKS
            self._lowest = 0.0
            ((self._lowest,),) = await statements.execute(self._query(sql.LOWEST), (), deadline)
            await statements.execute(self._query(question_sql.WAKE), (), deadline)
        if now >= self._forgets_at:
            gone = await statements.execute(
                self._query(sql.FORGET), (_FORGOTTEN_AT_ONCE,), deadline
            )
            if len(gone) < _FORGOTTEN_AT_ONCE:  # else the next call removes more
                self._forgets_at = now + _SECONDS_BETWEEN_FORGETS

    async def _empty_outbox(self, statements: "Statements", deadline: float, block: str) -> None:
        """Do what transactions of users have left; many thousands of jobs take long."""
        if await statements.execute(self._query(sql.OUTBOX), (), deadline):
            text = sql.in_a_block(self._text(block)).encode()
            until = deadline + _TIMES_LONGER * self._timeout
            await statements.execute(sql.Query(text, text), (), until)

    async def _give_back(self, statements: "Statements", deadline: float) -> None:
        """Give back what was taken without a response, for a moment, for that may come late."""
        now = asyncio.get_running_loop().time()
        given = self._lost
        self._lost = {
            token: min(until, now + self._timeout) for token, until in given.items() if until > now
        }
        self._gives_back_at = now + _SECONDS_BETWEEN_RETURNS
        try:
            await statements.execute(self._query(sql.GIVE_BACK), ([*given],), deadline)
        except BaseException:
            self._lost |= given
            raise

    def _give_back_soon(self, statements: "Statements") -> None:
        async def give_back() -> None:
            with suppress(OSError):  # then the next call does it
                await self._give_back(statements, statements.deadline())

        task = asyncio.get_running_loop().create_task(give_back())
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def _rows(
        self, query: str, values: Sequence[Any] = (), again: str = "", *, may_repeat: bool = True
    ) -> "Rows":
        statements = self._in_loop()
        return await statements.execute(
            self._query(query, again), values, statements.deadline(), may_repeat=may_repeat
        )

    def _query(self, query: str, again: str = "") -> sql.Query:
        if query not in self._queries:
            self._queries[query] = self._write(query, again)
        return self._queries[query]

    def _text(self, query: str) -> str:
        return self._query(query).text.decode()

    def _in_loop(self) -> "Statements":
        """Return the statements of the running event loop, which has connections of its own."""
        loop, process = asyncio.get_running_loop(), os.getpid()
        statements = self._statements.get(loop)
        if statements is not None and self._process == process:
            return statements
        if self._statements and self._process != process:
            raise RuntimeError(
                "the inbox was used before the process was forked: make one in each process, after "
                "the fork"
            )
        if type(loop).__name__ == "ProactorEventLoop":
            raise RuntimeError(
                "psycopg can't use Windows' ProactorEventLoop: pass "
                "loop_factory=asyncio.SelectorEventLoop to asyncio.run, or "
                "--loop asyncio:SelectorEventLoop to uvicorn"
            )
        for each in [*self._statements]:
            # Another thread may do the same.
            if each.is_closed() and (lost := self._statements.pop(each, None)) is not None:
                lost.close_of_a_lost_loop()
        connections = self._connecting.Connections(
            self._returned_conninfo,
            schema=self._schema,
            version=self._query(sql.FOUND_VERSION).text,
            timeout=self._timeout,
            calm=self._lease / 3 + 1,
            makes_tables=self._makes_tables,
        )
        self._process = process
        put = self._query(sql.PUT, sql.PUT_BEFORE)
        statements = self._calling.Statements(connections, put, self._timeout)
        self._statements[loop] = statements
        return statements

    async def _returned_conninfo(self) -> object:
        if isinstance(self._conninfo, str):
            return self._conninfo
        if inspect.iscoroutinefunction(self._conninfo):
            return await self._conninfo()
        returned = await _in_a_thread(self._conninfo)
        return await returned if inspect.isawaitable(returned) else returned


def look_into(conninfo: str, *, schema: str) -> PostgresInbox:
    """Return an inbox for a command, which makes no tables."""
    inbox = PostgresInbox(conninfo, schema=schema)
    inbox._makes_tables = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
    return inbox


class Beside:
    """The connections of an inbox, for tables that others keep beside its own."""

    def __init__(self, inbox: PostgresInbox) -> None:
        self._inbox = inbox
        self.schema: str = inbox._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own

    @classmethod
    def alone(
        cls,
        conninfo: str | Callable[[], str | Awaitable[str]],
        *,
        schema: str,
        timeout: float | timedelta,
    ) -> "Beside":
        """Return connections without an inbox, whose tables aren't made; errors are the inbox's."""
        inbox = PostgresInbox(conninfo, schema=schema, timeout=timeout)
        inbox._makes_tables = None  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as above
        return cls(inbox)

    async def execute(self, text: bytes, values: Sequence[Any]) -> "Rows":
        """Execute a statement, which may be repeated; errors are those of an inbox's methods."""
        statements = self._inbox._in_loop()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as above
        return await statements.execute(sql.Query(text, text), values, statements.deadline())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inbox.aclose()


def _question(*row: Any) -> Question:  # noqa: ANN401 - of each column
    *values, data = row
    names = ("id", "number", "record", "place", "owner", "opened")
    return Question(**dict(zip(names, values, strict=True)), data=bytes(data))


_TAKEN = (
    *("key", "body", "line", "late"),
    *("failures", "expiries", "releases", "outages", "waits", "error"),
    "stopped",
)
"""The columns of an entry that a take returns after its number."""

_LISTED_AT_ONCE = 1_000
_DECIDED_AT_ONCE = 1_000  # 100,000 take longer than `timeout`
_LINES_AT_ONCE = 8
_MOST_LINES_AT_ONCE = 512
_TRIES = 3
_FORGOTTEN_AT_ONCE = 1_000
_SECONDS_BETWEEN_FORGETS = 1.0
_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_BETWEEN_OUTBOXES = 0.5  # less than workers wait between two looks
_TIMES_LONGER = 10
_SECONDS_BETWEEN_RETURNS = 1.0  # of what was given back, and may have been taken since
_LONGEST = 3e9  # seconds: PostgreSQL's times end, and a hundred years do for all


def _bounded(seconds: float) -> float:
    return float(min(seconds, _LONGEST))


def check_schema(schema: str) -> None:
    """Check that a schema can have this name."""
    size = len(check_not_empty("schema", schema).encode())
    if "\0" in schema or size > _LONGEST_NAME or schema.startswith("pg_"):
        raise ValueError(
            f"schema can't be the name of one: it must have {_LONGEST_NAME} bytes at most, no NUL, "
            f"and not begin with 'pg_', got {schema!r}"
        )


_LONGEST_NAME = 63


def _holder() -> str:
    return storable(f"process {os.getpid()} on {socket.gethostname()}")


def _indexed(text: str) -> str:
    """Return a text as an index can hold it; a long one ends with the SHA-256 of all of it."""
    text = storable(text)
    encoded = text.encode()
    if len(encoded) <= _LONGEST_INDEXED:
        return text
    beginning = encoded[: _LONGEST_INDEXED - 64].decode(errors="ignore")
    return beginning + hashlib.sha256(encoded).hexdigest()


_LONGEST_INDEXED = 1_000  # bytes; those of two have to fit into 2,704


def _stored(row: Sequence[Any]) -> Iterator[StoredNotification]:
    """Yield what a row holds, and its successor if it has one."""
    number, key, beginning, size, state, stored, due, failures, expiries, error, holder, line = row[
        :12
    ]
    key = shown_key(number, key)
    yield listed(
        *(beginning, size),
        key=key,
        state=state,
        stored=stored.astimezone(UTC),
        due=None if due is None else due.astimezone(UTC),
        failures=failures,
        expiries=expiries,
        error=error,
        holder=holder if state == "running" else None,
        line=line,
    )
    beginning, size, stored, due, line = row[12:]
    if beginning is not None:
        times = {"stored": stored.astimezone(UTC), "due": due.astimezone(UTC)}
        yield listed(beginning, size, key=key, state="scheduled", line=line, **times)


async def _in_a_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread of its own: it may hang, and the others are few."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # nobody cancels the thread

    def call() -> None:
        try:
            future.set_result(function())
        except StopIteration as error:  # which no future of asyncio can hold
            future.set_exception(RuntimeError(f"it raised {error!r}"))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)

    Thread(target=call, name="conninfo of a PostgresInbox", daemon=True).start()
    return await asyncio.wrap_future(future)
