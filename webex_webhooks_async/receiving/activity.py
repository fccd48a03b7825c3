"""Watches the receivers of this process, for a test that waits until they are idle."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakSet

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.in_flight import InFlight
from webex_webhooks_async.inbox.entries import StoredNotification

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.inbox.base import Inbox

T = TypeVar("T")


class Activity:
    """The work of one receiver, from its start to its end."""

    def __init__(
        self, in_flight: InFlight, worker: "InboxWorker | None", inbox: "Inbox | None"
    ) -> None:
        self._in_flight = in_flight
        self._worker = worker
        self._inbox = inbox
        self._others: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def _has_ended(self) -> bool:
        """Whether the event loop that it ran in is gone."""
        return self._loop is None or self._loop.is_closed()

    def begin(self) -> None:
        """Note that the receiver starts."""
        self._loop = asyncio.get_running_loop()
        activities.add(self)

    def end(self) -> None:
        """Note that the receiver has ended."""
        activities.discard(self)

    @contextmanager
    def of(self, name: str) -> Generator[None]:
        """Count something else as a handler that runs, while the block does."""
        self._others[name] += 1
        try:
            yield
        finally:
            self._others[name] -= 1

    @property
    def begun(self) -> int:
        """How many executions have begun."""
        return self._in_flight.begun

    def running(self) -> list[str]:
        """Describe the work in progress, for an inbox also what is being taken or recorded."""
        if self._has_ended:
            return []
        names = [*self._in_flight.names(), *self._others.elements()]
        is_busy = self._worker is not None and self._worker.is_busy
        return names or ["an entry of the inbox"] * is_busy

    async def due(self) -> list[str]:
        """Describe the entries of the inbox that are due, which the receiver takes at once."""
        if self._worker is None or self._inbox is None or self._has_ended:
            return []
        try:
            counts = await self._call(self._inbox.counts())
            waiting = counts.waiting
            if waiting and counts.retrying:
                waiting = await self._call(_free(self._inbox))
        except Exception as error:  # noqa: BLE001 - it may be read again later
            return [f"an inbox that can't be read ({describe_exception(error)})"]
        if waiting:
            cast("asyncio.AbstractEventLoop", self._loop).call_soon_threadsafe(self._worker.wake)
        return [f"{waiting} due in the inbox"] * bool(waiting)

    async def unfinished(self, most: int) -> list[StoredNotification]:
        """Return so many entries of the inbox at most; none if it can't be read just then."""
        if self._inbox is None or self._has_ended:
            return []
        with suppress(Exception):
            return await self._call(_first(self._inbox, most))
        return []

    async def make_due(self, key: str) -> None:
        """Make an entry of the inbox due, as `Inbox.retry` does."""
        if self._worker is not None and self._inbox is not None and not self._has_ended:
            await self._call(self._inbox.retry([key]))
            cast("asyncio.AbstractEventLoop", self._loop).call_soon_threadsafe(self._worker.wake)

    async def times(self) -> tuple[datetime | None, list[datetime]]:
        """Return the time by the clock of the inbox, and when what is due later in it is due."""
        if self._inbox is None or self._has_ended:
            return None, []
        return await self._call(_times(self._inbox))

    async def _call(self, call: Coroutine[Any, Any, T]) -> T:
        """Call an inbox in its event loop, which may be that of another thread."""
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, loop))


async def _first(inbox: "Inbox", most: int) -> list[StoredNotification]:
    found: list[StoredNotification] = []
    async for each in inbox.unfinished():
        found.append(each)
        if len(found) == most:
            break
    return found


async def _free(inbox: "Inbox") -> int:
    """Count what is due and isn't held up by what its line tries again later."""
    free, held = 0, set[str | None]()
    async for each in inbox.unfinished():
        free += each.state == "waiting" and each.line not in held
        if each.state == "retrying" and each.line:
            held.add(each.line)
    return free


async def _times(inbox: "Inbox") -> tuple[datetime, list[datetime]]:
    dues = [each.due async for each in inbox.unfinished() if each.state in _LATER]
    return await inbox.now(), [due for due in dues if due is not None]


_LATER = frozenset({"asking", "retrying", "scheduled"})

activities: WeakSet[Activity] = WeakSet()
"""Those of the receivers that are between their start and their end."""
