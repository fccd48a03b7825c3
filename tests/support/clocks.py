"""Clocks that a test advances, so that no test waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from tests.support.contracts import check_inbox
from tests.support.wire import idle_loop, until
from webex_webhooks_async import Inbox, Integration, Receiver, SQLiteInbox
from webex_webhooks_async.client.limiter import Clock

T = TypeVar("T")
R = TypeVar("R", bound=Receiver | Integration | SQLiteInbox)

START = datetime(2024, 5, 17, 9, 30, tzinfo=UTC)


class QuickClock(Clock):
    """A clock whose time passes only while something waits, and then at once."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def jitter(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class StoppedClock(QuickClock):
    """A clock whose time passes only when a test advances it."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        sleeper = self.seconds + seconds, asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Advance, and wake each sleeper whose time has come."""
        self.seconds += seconds
        for due, wake in self._sleepers:
            if due <= self.seconds and not wake.done():
                wake.set_result(None)


class Time(StoppedClock):
    """The time of inboxes and receivers, which passes only when a test advances it."""

    def now_in_seconds(self) -> float:
        return 1_000_000 + self.seconds

    async def pass_(self, seconds: float, processes: int = 1) -> None:
        """Let time pass, a second at a time, in which so many receivers look into their inboxes."""

        def is_waited_for() -> bool:
            # One that was cancelled is still there for a turn of the event loop.
            waiting = [due for due, wake in self._sleepers if not wake.done()]
            return sum(self.seconds < due <= self.seconds + 1 for due in waiting) >= processes

        for _ in range(int(seconds)):
            await until(is_waited_for)
            self.advance(1)
        await until(is_waited_for)


def timed(
    kind: type[R],
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], Awaitable[object]] | None = None,
) -> type[R]:
    """Return a class with a clock, or whose work on an inbox sleeps so."""
    given = {"_clock": clock, "_sleep": sleep and staticmethod(sleep)}
    return type(kind.__name__, (kind,), {k: v for k, v in given.items() if v is not None})


def let_pass(seconds: float) -> None:
    """Advance the clock of the running event loop, so that what was due by then runs at once."""
    loop = asyncio.get_running_loop()
    ahead = loop.time() + seconds - time.monotonic()
    setattr(loop, "time", lambda: time.monotonic() + ahead)  # noqa: B010 - for type checkers


async def soon(waiting: Coroutine[Any, Any, T], seconds: float) -> T:
    """Run something that waits so long for a service that hangs, each time without the wait."""
    task = asyncio.create_task(waiting)
    while not task.done():
        await idle_loop()
        let_pass(seconds)
    return task.result()


async def check_inbox_at_once(make: Callable[..., Inbox], only: str | None = None) -> None:
    """Check an inbox, which takes a clock, in a time that passes only while the check sleeps."""
    clock = QuickClock()
    made = partial(make, clock=lambda: START.timestamp() + clock.seconds)
    await check_inbox(made, clock=clock, only=only)
