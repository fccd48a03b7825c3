"""An inbox on PostgreSQL, for processes on as many machines as there are."""

import asyncio
import hashlib
import inspect
import os
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from webex_webhooks_async.claims import check_claim, claimant
from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.base import TransactionalInbox, check_put
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, StoredNotification
from webex_webhooks_async.inbox.listing import (
    in_parts,
    row_of,
    shown_key,
    subject_of,
    with_subject,
)
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
from webex_webhooks_async.validation import check_not_empty, check_seconds, check_type

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.postgres.statements import Calls, Statement


class PostgresInbox(TransactionalInbox):
    """An `Inbox` on PostgreSQL 14 to 18, for processes on as many machines as there are.

    ::

        receiver = Receiver(secret, inbox=PostgresInbox("postgresql://bot@db.example.com/bots"))

    It needs the extra ``postgres``. The first call makes the tables, in a schema of their own; for
    a role that may not, ``webex-webhooks inbox schema`` prints the SQL. Each method is one
    statement, committed by itself, so it works behind any pooler. It has three connections at most
    in each event loop, and uses the database's clock.

    While the database restarts or fails over, a call waits for it, up to `timeout`, and then raises
    `ConnectionError`, or `TimeoutError` if it doesn't respond. What another attempt can't change,
    such as a wrong password, missing rights or the tables of a newer release, is a
    `PermissionError`, a `ValueError` or a `RuntimeError` that says what to do. What else PostgreSQL
    refuses is an `OSError`. No error shows a password. A process that is forked needs an inbox that
    none of its parents has used.

    Args:
        conninfo: What libpq takes, as ``postgresql://user@host/database``; ``""`` is its variables,
            such as ``PGHOST`` and ``PGPASSWORD``. A function, plain (called in a thread) or async,
            returns it for each new connection, for passwords that expire. Of several hosts, the one
            that takes writes is used.
        schema: The schema of the tables.
        lease: As for a `SQLiteInbox`.
        keep: As for a `SQLiteInbox`.
        timeout: For how many seconds a call waits for the database.

    Raises:
        ValueError: `conninfo` can't be read, `schema` can't be a name, or `lease`, `keep` or
            `timeout` isn't positive.
        TypeError: An argument has a wrong type.
        ImportError: psycopg isn't installed.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str | Awaitable[str]] = "",
        *,
        schema: str = "webex_webhooks",
        lease: float = 30.0,
        keep: float = 86_400.0,
        timeout: float = 5.0,
    ) -> None:
        for name, seconds in (("lease", lease), ("keep", keep), ("timeout", timeout)):
            check_seconds(name, seconds)
        check_schema(schema)
        try:
            from webex_webhooks_async.inbox.postgres import (  # noqa: PLC0415 - an extra
                connections as connecting,
            )
            from webex_webhooks_async.inbox.postgres import (  # noqa: PLC0415 - an extra
                statements as calling,
            )
        except ImportError as error:
            raise ImportError(
                'PostgresInbox needs psycopg: pip install "webex-webhooks-async[postgres]"'
            ) from error
        if not callable(conninfo):
            check_type("conninfo", conninfo, str)
            connecting.Target.read(conninfo, timeout)
        self._conninfo = conninfo
        self._schema = schema
        self._lease = float(lease)
        self._timeout = timeout
        self._calling = calling
        self._connecting = connecting
        self._makes_tables = True
        self._id = uuid4()  # whose claims are whose
        self._known_inbox = ""  # what tells its tables from those in another database
        self._unanswered: dict[str, str] = {}  # by their names, claims whose outcome isn't known
        self._stored = 0  # since the last time that keys were forgotten
        self._forgets_at = self._looks_at = 0.0
        self._calls: dict[asyncio.AbstractEventLoop, Calls] = {}
        self._process = 0  # the one that has connections

        write = sql.writer(schema, lease=_bounded(lease), keep=_bounded(keep))
        self._found_version = write(sql.FOUND_VERSION)
        self._put = calling.Statement(write(sql.PUT), write(sql.PUT + sql.PUT_BEFORE), identity=1)
        self._take = calling.TakeStatement(
            write(sql.TAKE),
            write(sql.TAKE_FREE),
            lease=self._lease,
            holder=_holder,
            give_back=self._give_back_soon,
        )
        self._lowest = calling.AloneStatement(write(sql.LOWEST))
        self._give_back = calling.AloneStatement(write(sql.GIVE_BACK))
        self._renew = calling.Statement(write(sql.RENEW), identity=2)
        self._complete = calling.Statement(
            write(sql.COMPLETE), write(sql.COMPLETE + sql.COMPLETED_BEFORE), identity=2
        )
        self._end = calling.Statement(write(sql.END), write(sql.END + sql.ENDED_BEFORE), identity=2)
        self._recall = calling.Statement(write(sql.RECALL))
        self._remember = calling.Statement(write(sql.REMEMBER), identity=2)
        self._is_unfinished = write(sql.IS_UNFINISHED)
        self._remember_within = write(sql.REMEMBER_WITHIN)
        self._replace_within = write(sql.REPLACE_WITHIN)
        self._inbox = calling.AloneStatement(write(sql.INBOX))
        self._claim = calling.Statement(write(sql.CLAIM), identity=1)
        self._unclaim = calling.Statement(write(sql.UNCLAIM))
        self._counts = calling.AloneStatement(write(sql.COUNTS))
        self._unfinished = calling.AloneStatement(write(sql.UNFINISHED))
        self._chosen = calling.AloneStatement(write(sql.CHOSEN))
        self._retry = calling.AloneStatement(write(sql.RETRY), may_repeat=False)
        self._drop = calling.AloneStatement(write(sql.DROP), may_repeat=False)
        self._forget = calling.AloneStatement(write(sql.FORGET))

    async def put(
        self, key: str, body: bytes, *, line: str | None = None, after: float = 0.0
    ) -> bool:
        """Store a notification durably; return False if the key is known."""
        check_put(line, after)
        line = None if line is None else _indexed(line)
        values = _indexed(key), body, line, _bounded(after), os.urandom(16).hex()
        is_new = await self._call(self._put, *values, size=len(body)) is not None
        self._stored += is_new
        self._forget_soon()
        return is_new

    async def take(self) -> InboxEntry | None:
        """Lease the notification that is due for the longest; return `None` if none is due."""
        if self._take.lost:
            await self._give_back_lost()
        self._look_for_lowest()
        entry: InboxEntry | None = await self._call(self._take)
        return entry

    async def renew(self, entry: InboxEntry) -> bool:
        """Renew the lease; return False if it is lost."""
        return await self._call(self._renew, entry.key, entry.token) is not None

    async def complete(self, entry: InboxEntry) -> bool:
        """Record that it is handled; return False if the lease is lost."""
        return await self._call(self._complete, entry.key, entry.token) is not None

    async def fail(self, entry: InboxEntry, *, error: str, retry_in: float | None) -> bool:
        """Count a failure; the entry is due again in `retry_in` seconds, or kept as failed."""
        pause = None if retry_in is None else _bounded(retry_in)
        values = entry.key, entry.token, pause, 1, 0, storable(error)
        return await self._call(self._end, *values, size=len(error)) is not None

    async def release(self, entry: InboxEntry, *, retry_in: float = 0.0) -> bool:
        """Give the entry back; it is due again in `retry_in` seconds."""
        values = entry.key, entry.token, _bounded(retry_in), 0, 1, None
        return await self._call(self._end, *values) is not None

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Return what was recorded under a name while the notification was handled, if anything."""
        found = await self._call(self._recall, entry.key, _indexed(name))
        return None if found is None else bytes(found[1])

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record something durably, until the notification is completed or removed."""
        await self._call(self._remember, entry.key, _indexed(name), value, size=len(value))

    async def remember_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> bool:
        """Record something in a transaction, unless something is recorded under the name."""
        within = await transaction_of(transaction)
        if within.kind != "PostgreSQL":
            raise self._elsewhere()
        with self._explained():
            await self._check(within, transaction, entry)
            values = [entry.key, _indexed(name), value]
            return bool(await within.execute(self._remember_within, values))

    async def replace_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> None:
        """Replace what `remember_within` has recorded in the same transaction."""
        # Outside of it, what isn't committed can't be seen.
        if await self.recall(entry, name) is not None:
            raise RuntimeError(COMMITTED)
        within = await same_transaction_of(transaction)
        values = [entry.key, _indexed(name), value]
        with self._explained():
            if not await within.execute(self._replace_within, values):
                raise RuntimeError(ROLLED_BACK)

    async def _check(self, within: Transaction, given: object, entry: InboxEntry) -> None:
        """Check that a record that is written there would be one of the entry's."""
        ((inbox, is_unfinished),) = await within.execute(self._is_unfinished, [entry.key])
        if not await within.is_open():
            raise without_transaction(given)
        if inbox != self._known_inbox:
            ((self._known_inbox,),) = await self._call(self._inbox)
        if inbox != self._known_inbox:
            raise self._elsewhere()
        if not is_unfinished:
            raise RuntimeError(COMPLETED)

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
            "within yields a connection to another database than that of the inbox, whose tables "
            f"aren't in its schema {self._schema!r}: use the database of the inbox"
        )

    async def claim(self, name: str, seconds: float) -> bool:
        """Return True for the first who asks within so many seconds."""
        check_claim(name, seconds)
        name = _indexed(name)
        token = self._unanswered.pop(name, None) or uuid4().hex
        try:
            values = name, token, claimant(self._id), _bounded(seconds)
            granted = await self._call(self._claim, *values)
        except BaseException:
            self._unanswered[name] = token  # whether it was granted isn't known
            raise
        self._forget_soon()
        return granted is not None

    async def unclaim(self, name: str) -> None:
        """Give back a claim that this inbox was granted."""
        await self._call(self._unclaim, _indexed(name), claimant(self._id))

    async def counts(self) -> InboxCounts:
        """Count what waits, runs and has failed, for all processes that use the tables."""
        ((unfinished, running, failed, oldest),) = await self._call(self._counts)
        return InboxCounts(
            waiting=unfinished - running - failed,
            running=running,
            failed=failed,
            oldest=None if oldest is None else max(0.0, oldest),
        )

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        """Yield what isn't completed, in the order in which it was stored."""
        last = 0
        while rows := await self._call(self._unfinished, last, _LISTED_AT_ONCE):
            for row in rows:
                yield _stored(row)
            last = rows[-1][0]

    async def retry(self, keys: Iterable[str]) -> int:
        """Make what is kept as failed due now, with all its attempts; return how many were."""
        changed = 0
        for few in in_parts(keys, _DECIDED_AT_ONCE):
            chosen = await self._choose(few)
            failed = [key for key, is_failed, is_read in chosen if is_failed and is_read]
            changed += len(await self._call(self._retry, failed))
        return changed

    async def drop(self, keys: Iterable[str]) -> int:
        """Remove what is kept as failed, or is unreadable; return how many were."""
        changed = 0
        for few in in_parts(keys, _DECIDED_AT_ONCE):
            chosen = await self._choose(few)
            failed = [key for key, is_failed, _ in chosen if is_failed]
            unreadable = [key for key, _, is_read in chosen if not is_read]
            changed += len(await self._call(self._drop, failed, unreadable))
        return changed

    async def _choose(self, keys: list[str]) -> list[tuple[str, bool, bool]]:
        """Return the stored keys of what is meant, whether it failed, and if it can be read."""
        names = [_indexed(each) for each in keys]
        numbers = [number for number in map(row_of, names) if number is not None]
        rows = await self._call(self._chosen, names, numbers)
        return [
            (key, is_failed, subject_of(*body) is not None)
            for number, key, is_failed, *body in rows
            if key in names or shown_key(number, key) in keys
        ]

    async def aclose(self) -> None:
        """Close the connections, after the calls that wait. A call after that opens others."""
        if self._process == os.getpid():  # else they are the parent's
            loop = asyncio.get_running_loop()
            if loop in self._calls:
                await self._calls[loop].aclose()
                self._calls.pop(loop, None)

    async def _give_back_lost(self) -> None:
        """Give back what was taken without a response, for a moment, for that may come late."""
        now = asyncio.get_running_loop().time()
        await self._call(self._give_back, [*self._take.lost])
        self._take.lost = {
            token: min(until, now + self._timeout)
            for token, until in self._take.lost.items()
            if until > now
        }

    def _give_back_soon(self, token: str) -> None:
        self._call(self._give_back, [token]).add_done_callback(_ignore)

    def _look_for_lowest(self) -> None:
        """Ask from time to time before which time nothing is due."""
        now = asyncio.get_running_loop().time()
        if now >= self._looks_at:
            self._looks_at = now + _SECONDS_BETWEEN_LOOKS
            self._call(self._lowest).add_done_callback(self._set_lowest)

    def _set_lowest(self, future: "asyncio.Future[Any]") -> None:
        is_known = not (future.cancelled() or future.exception())
        self._take.lowest = future.result()[0][0] if is_known else 0.0

    def _forget_soon(self) -> None:
        """Remove keys and claims whose time has passed: not all at once, but more than come."""
        now = asyncio.get_running_loop().time()
        if now >= self._forgets_at:
            self._forgets_at = now + _SECONDS_BETWEEN_FORGETS
            limit, self._stored = _FORGOTTEN + 4 * self._stored, 0
            self._call(self._forget, limit).add_done_callback(_ignore)

    def _call(
        self, statement: "Statement", *values: object, size: int = 0
    ) -> "asyncio.Future[Any]":
        return self._in_loop().call(statement, values, size)

    def _in_loop(self) -> "Calls":
        """Return the calls of the running event loop, each of which has connections of its own."""
        loop, process = asyncio.get_running_loop(), os.getpid()
        calls = self._calls.get(loop)
        if calls is not None and self._process == process:
            return calls
        if self._calls and self._process != process:
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
        for each in [*self._calls]:
            # Another thread may do the same.
            if each.is_closed() and (lost := self._calls.pop(each, None)) is not None:
                lost.close_of_a_lost_loop()
        connections = self._connecting.Connections(
            self._returned_conninfo,
            schema=self._schema,
            version=self._found_version,
            timeout=self._timeout,
            calm=self._lease / 3 + 1,
            makes_tables=self._makes_tables,
        )
        self._process = process
        calls = self._calls[loop] = self._calling.Calls(connections, self._timeout)
        return calls

    async def _returned_conninfo(self) -> object:
        if isinstance(self._conninfo, str):
            return self._conninfo
        if inspect.iscoroutinefunction(self._conninfo):
            return await self._conninfo()
        returned = await asyncio.to_thread(self._conninfo)
        return await returned if inspect.isawaitable(returned) else returned


def look_into(conninfo: str, *, schema: str) -> PostgresInbox:
    """Return an inbox for a command, which makes no tables.

    Raises:
        ValueError: `conninfo` can't be read, or `schema` can't be a name.
        ImportError: psycopg isn't installed.
    """
    inbox = PostgresInbox(conninfo, schema=schema)
    inbox._makes_tables = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
    return inbox


_LISTED_AT_ONCE = 1_000  # no index knows their order
_DECIDED_AT_ONCE = 1_000  # 100,000 take longer than `timeout`
_FORGOTTEN = 100
_SECONDS_BETWEEN_FORGETS = 1.0
_SECONDS_BETWEEN_LOOKS = 5.0
_LONGEST = 3e9  # seconds: PostgreSQL's times end, and a hundred years do for all


def _bounded(seconds: float) -> float:
    return float(min(seconds, _LONGEST))


def check_schema(schema: str) -> None:
    """Check that a schema can have this name.

    Raises:
        ValueError: It can't.
        TypeError: It isn't text.
    """
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


def _stored(row: Sequence[Any]) -> StoredNotification:
    number, key, beginning, size, state, stored, due, failures, expiries, error, holder, line = row
    found = StoredNotification(
        key=shown_key(number, key),
        state=state,
        stored=stored.astimezone(UTC),
        due=None if due is None else due.astimezone(UTC),
        failures=failures,
        expiries=expiries,
        error=error,
        holder=holder if state == "running" else None,
        line=line,
    )
    return with_subject(found, beginning, size)


def _ignore(future: "asyncio.Future[Any]") -> None:
    """Take the outcome of what nobody waits for: it is tried again by itself."""
    _ = future.cancelled() or future.exception()
