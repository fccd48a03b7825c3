"""Calls of PostgreSQL: they share statements, and wait while it can't be reached."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg

from webex_webhooks_async.inbox.entries import InboxEntry
from webex_webhooks_async.inbox.postgres.connections import (
    AGAIN,
    GONE,
    PAUSE,
    TAKEN,
    Connection,
    Connections,
    Outage,
    Rows,
)

_MAX_CALLS = 1_000
_MAX_BYTES = 1_000_000  # more takes seconds; one call may have more


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
        self.values: Sequence[Any] = values
        self.size: int = size
        self.deadline: float = deadline
        self.future: asyncio.Future[Any] = future
        self.is_alone: bool = False
        self.is_repeated: bool = False
        self.is_doubted: bool = False


class Statement:
    """A statement that calls share; of each, the row with its number is the result, or `None`.

    Args:
        text: The SQL. Its parameters are arrays.
        again: The SQL for calls that may have been executed already.
        identity: Calls whose first so many values are equal don't share a statement.

    Attributes:
        most: How many calls share it at the most.
        may_repeat: Whether it can be executed again when its response was lost.
        passing: The refusals after which another attempt may help.
    """

    most: int = _MAX_CALLS
    may_repeat: bool = True
    passing: frozenset[str] = frozenset(AGAIN - {TAKEN})

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

    most = 1

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
        lowest: Before this time, in seconds since 1970, nothing is due.
    """

    passing: frozenset[str] = frozenset(AGAIN)

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
        self.lowest: float = 0.0

    def text(self, calls: Sequence[Call], *, is_calm: bool) -> bytes:  # noqa: ARG002 - as above
        """Return the SQL, without expired leases after an outage."""
        return self._text if is_calm else self._text_after_outage

    def parameters(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Return new tokens, the holder of each, and the lowest time."""
        for each in calls:
            each.values = (uuid4().hex, self._holder(), self.lowest)
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

    def __init__(self, connections: Connections, timeout: float) -> None:
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
            await self._refused(refusal, statement, calls, waiting)
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
        self, outage: Outage, statement: Statement, calls: Sequence[Call], waiting: deque[Call]
    ) -> None:
        """Let those whose time isn't over try again, after a moment."""
        for each in reversed(calls):
            each.is_repeated = each.is_doubted = True
            if statement.may_repeat:
                waiting.appendleft(each)
            else:
                _set_error(each, OSError(f"{outage.words}: whether it was done isn't known"))
        statement.lose(calls)
        if waiting:
            await asyncio.sleep(min(PAUSE, max(0.0, waiting[0].deadline - self._loop.time())))
        now = self._loop.time()
        while waiting and waiting[0].deadline <= now:
            _set_error(waiting.popleft(), outage.error())

    async def _refused(
        self,
        refusal: psycopg.Error,
        statement: Statement,
        calls: Sequence[Call],
        waiting: deque[Call],
    ) -> None:
        """Let a call try again if that can help, alone if it can't be the only one to blame."""
        now = self._loop.time()
        state = refusal.sqlstate or ""
        if state in statement.passing and calls[0].deadline > now:
            waiting.extendleft(reversed(calls))
            await asyncio.sleep(0 if state == TAKEN else PAUSE)
        elif len(calls) > 1:
            for each in calls:
                each.is_alone = True
            waiting.extendleft(reversed(calls))
        else:
            if state in GONE:
                self._connections.prepare_again()
            for each in calls:
                _set_error(each, self._connections.explained(refusal))


def _together(statement: Statement, waiting: deque[Call]) -> list[Call]:
    """Take the calls that share the next statement out of those that wait."""
    calls: list[Call] = []
    later: list[Call] = []
    identities: set[tuple[Any, ...]] = set()
    size = 0
    while waiting and len(calls) < statement.most:
        call = waiting[0]
        size += call.size
        if calls and (
            size > _MAX_BYTES
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
