"""Executes statements on PostgreSQL, and waits while it can't be reached; `put` shares them."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from attrs import define

from webex_webhooks_async.inbox.postgres.connections import (
    AGAIN,
    GONE,
    PAUSE,
    Connection,
    Connections,
    Outage,
    Rows,
)
from webex_webhooks_async.inbox.postgres.sql import Query

_MAX_CALLS = 1_000
_MAX_BYTES = 1_000_000  # more takes seconds; one call may have more
_TAKEN = "23505"  # by `put`: somebody has removed a known key, so another attempt can't help


class Statements:
    """The statements of one event loop."""

    def __init__(self, connections: Connections, put: Query, timeout: float) -> None:
        self._connections = connections
        self._put = put
        # after how many seconds a call is given up, and an attempt to store
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._calls = 0
        self._ended = asyncio.Event()
        self._puts: deque[_Put] = deque()
        self._unanswered: dict[_Put, None] = {}  # those, and what is under way
        self._expiry: asyncio.TimerHandle | None = None
        self._putting: asyncio.Task[None] | None = None

    @property
    def is_calm(self) -> bool:
        """Whether everybody has had the time to renew leases since the last outage."""
        return self._connections.is_calm

    def deadline(self) -> float:
        """Return when a call that begins now is given up."""
        return self._loop.time() + self._timeout

    async def execute(
        self,
        query: Query,
        values: Sequence[Any] | Callable[[], Sequence[Any]],
        deadline: float,
        *,
        may_repeat: bool = True,
    ) -> Rows:
        """Execute a statement, if need be again and again until the deadline, in the loop's time.

        Its parameters may be a function that returns them for each attempt. If it may not be
        repeated, a lost response is an error. Each error is an `OSError`: a `ConnectionError` if
        PostgreSQL couldn't be reached in time, a `TimeoutError` if it didn't respond in time.
        """
        text = query.text
        is_doubted = False  # an attempt may still be executed, which the next one can't see
        while True:
            try:
                async with self._connected(deadline) as connection:
                    given = values() if callable(values) else values
                    rows = await connection.execute(text, given, deadline)
            except Outage as outage:
                if outage.was_sent and not may_repeat:
                    words = f"{outage.words}: whether it was done isn't known"
                    raise OSError(words) from None
                if self._is_over(deadline):
                    raise outage.error() from None
                text, is_doubted = query.again, True
            except psycopg.Error as refusal:
                if refusal.sqlstate not in AGAIN or self._is_over(deadline):
                    raise self._connections.explained(refusal) from None
            else:
                if rows or not is_doubted:
                    return rows
                is_doubted = False
            await asyncio.sleep(PAUSE)

    def _is_over(self, deadline: float) -> bool:
        return self._loop.time() + PAUSE >= deadline

    async def put(self, values: Sequence[Any], size: int) -> bool:
        """Store something with what others store at the same time; return whether it is new."""
        call = _Put(values, size, self._loop.create_future(), self.deadline())
        self._puts.append(call)
        self._unanswered[call] = None
        if self._expiry is None:
            self._expiry = self._loop.call_at(call.deadline, self._expire)
        if self._putting is None:
            self._putting = self._loop.create_task(self._put_each())
            self._putting.add_done_callback(self._forget_putting)
        self._calls += 1
        try:
            return await call.future
        finally:
            del self._unanswered[call]
            self._calls -= 1
            self._ended.set()

    async def aclose(self) -> None:
        """Close the connections, after the calls that wait."""
        while self._calls:
            self._ended.clear()
            await self._ended.wait()
        await self._connections.aclose()

    def close_of_a_lost_loop(self) -> None:
        """Close the connections where the event loop has ended."""
        self._connections.close_idle()

    @asynccontextmanager
    async def _connected(self, until: float) -> AsyncGenerator[Connection]:
        """Wait for a connection, on which the block makes one attempt."""
        self._calls += 1
        connection, began = None, self._loop.time()
        try:
            connection = await self._connections.get(until)
            began = self._loop.time()
            yield connection
        except Outage as outage:
            if connection is not None:
                outage.was_sent = True
                self._connections.note_failure(outage)
            raise
        except psycopg.Error as refusal:
            self._connections.note_success(began)
            if connection is not None and refusal.sqlstate in GONE:
                connection.is_lost = True
                self._connections.prepare_again()
            raise
        else:
            self._connections.note_success(began)
        finally:
            if connection is not None:
                self._connections.give_back(connection)
            self._calls -= 1
            self._ended.set()

    def _expire(self) -> None:
        """Give up the calls whose time is over; the next one's comes later."""
        self._expiry = None
        for call in self._unanswered:
            if call.deadline > self._loop.time():
                self._expiry = self._loop.call_at(call.deadline, self._expire)
                break
            call.set_error(self._connections.outage().error())

    def _forget_putting(self, task: "asyncio.Task[None]") -> None:
        """Forget what was cancelled; those who wait for it are so now."""
        if self._putting is task:
            self._putting = None
            while self._puts:
                self._puts.popleft().future.cancel()

    async def _put_each(self) -> None:
        """Store again and again for those that wait by then, while any do."""
        while any(not each.future.done() for each in self._puts):
            await self._put_some()
        self._putting = None

    async def _put_some(self) -> None:
        calls: list[_Put] = []
        until = self.deadline()
        try:
            async with self._connected(until) as connection:
                calls = self._together()
                rows = await connection.execute(*self._shared(calls), until) if calls else []
        except Outage:
            for each in calls:
                each.is_doubted = True
            self._puts.extendleft(reversed(calls))
            await asyncio.sleep(PAUSE)
        except psycopg.Error as refusal:
            await self._refused(refusal, calls)
        except asyncio.CancelledError:
            self._puts.extend(calls)
            raise
        except Exception as error:  # noqa: BLE001 - as of a function that returns the conninfo
            while self._puts:
                self._puts.popleft().set_error(error)
        else:
            self._respond(calls, {key for (key,) in rows})

    def _shared(self, calls: Sequence["_Put"]) -> tuple[bytes, Sequence[Any]]:
        """Return the statement that calls share, and its parameters."""
        text = self._put.again if calls[0].token else self._put.text
        token = calls[0].token or os.urandom(16).hex()
        for each in calls:
            each.token = token
        keys, bodies, *others = map(list, zip(*(each.values for each in calls), strict=True))
        # An empty array stands for defaults: psycopg takes its time for each element.
        return text, [keys, bodies, *(each if any(each) else [] for each in others), token]

    def _respond(self, calls: Sequence["_Put"], found: set[str]) -> None:
        for call in calls:
            is_found = call.values[0] in found
            if call.is_doubted and not is_found:
                call.is_doubted = False
                self._puts.appendleft(call)
            elif not call.future.done():
                call.future.set_result(is_found)

    async def _refused(self, refusal: psycopg.Error, calls: Sequence["_Put"]) -> None:
        """Let calls try again if that can help, alone if one of several is to blame."""
        if refusal.sqlstate in AGAIN - {_TAKEN}:
            self._puts.extendleft(reversed(calls))
            await asyncio.sleep(PAUSE)
        elif len(calls) > 1:
            for each in calls:
                each.is_alone = True
            self._puts.extendleft(reversed(calls))
        else:
            for each in calls:
                each.set_error(self._connections.explained(refusal))

    def _together(self) -> list["_Put"]:
        """Take the calls that share the next statement out of those that wait."""
        calls: dict[object, _Put] = {}
        later: list[_Put] = []
        size = 0
        while self._puts and len(calls) < _MAX_CALLS:
            call = self._puts[0]
            size += call.size
            first = next(iter(calls.values()), call)
            if call is not first and (
                size > _MAX_BYTES or call.is_alone or first.is_alone or call.token != first.token
            ):
                break
            self._puts.popleft()
            if call.future.done():
                continue
            if call.values[0] in calls:  # a copy
                later.append(call)
            else:
                calls[call.values[0]] = call
        self._puts.extendleft(reversed(later))
        return [*calls.values()]


@define(eq=False)
class _Put:
    """A call of `put` that waits."""

    values: Sequence[Any]  # an element of each parameter of the statement, the key first
    size: int
    future: "asyncio.Future[bool]"
    deadline: float  # when it is given up, in the time of the event loop
    # the name of its first attempt, which may have been executed; calls that shared it have the
    # same
    token: str = ""
    # whether it has a statement of its own, because one that it shared was refused
    is_alone: bool = False
    # whether its first attempt may still be executed, which the next one can't see
    is_doubted: bool = False

    def set_error(self, error: Exception) -> None:
        """Let the call raise an error, if it waits."""
        if not self.future.done():
            self.future.set_exception(error)
