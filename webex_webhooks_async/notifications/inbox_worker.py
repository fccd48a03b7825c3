"""Works on an inbox: takes what is due, keeps the leases, and records the outcomes."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from attrs import evolve

from webex_webhooks_async.errors import RateLimitError
from webex_webhooks_async.formatting import describe_exception, on_one_line
from webex_webhooks_async.notifications.inbox import Inbox, InboxEntry

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

MAX_EXPIRIES = 5
"""How many leases may expire; a notification may kill the process that handles it."""

_POLL_SECONDS = 1.0  # other processes store notifications, too, and leave leases behind
_RENEWALS_PER_LEASE = 3
_MANY_RENEWALS = 10
_LONGEST_PAUSE = 3600.0

_sleep: Callable[[float], Awaitable[object]] = asyncio.sleep  # tests replace it


class InboxWorker:
    """Hands what is in an inbox to a function, in a task for each entry.

    Args:
        inbox: Where the entries are.
        work: Handles an entry, and records the outcome. It raises nothing.
        limit: How many entries may be worked on at a time.
    """

    def __init__(
        self,
        inbox: Inbox,
        work: "Callable[[InboxEntry, InboxWorker], Coroutine[Any, Any, None]]",
        limit: int,
    ) -> None:
        self.inbox = inbox
        self.is_open: bool = False
        self._work = work
        self._limit = limit
        self._woken = asyncio.Event()
        self._taking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to take entries. The first call opens the storage, and raises its error."""
        if self.is_open:
            raise RuntimeError("the receiver is running already: enter it once")
        try:
            first = await self.inbox.take()
        except BaseException:
            await self.inbox.aclose()
            raise
        self.is_open = True
        self._woken = asyncio.Event()
        self._start(first)
        self._taking = asyncio.create_task(self._take_each())

    async def stop(self) -> None:
        """Take no more entries; those that were taken are still worked on."""
        self.is_open = False
        self._woken.set()
        if self._taking is not None and not self._taking.done():  # it may be another loop's
            await asyncio.wait({self._taking})

    def wake(self) -> None:
        """Look into the inbox at once, because something was stored."""
        self._woken.set()

    async def _take_each(self) -> None:
        while self.is_open:
            self._woken.clear()
            entry = None
            if len(self._tasks) < self._limit:
                try:
                    entry = await self.inbox.take()
                except Exception as error:  # noqa: BLE001 - it may work again later
                    logger.error("the inbox can't be read: %s", describe_exception(error))  # noqa: TRY400 - once a second
            if entry is None:
                await self._pause()
            self._start(entry)

    async def _pause(self) -> None:
        timer = asyncio.ensure_future(_sleep(_POLL_SECONDS))
        timer.add_done_callback(lambda _: self._woken.set())
        await self._woken.wait()
        timer.cancel()

    def _start(self, entry: InboxEntry | None) -> None:
        if entry is not None:
            task = asyncio.create_task(self._work(entry, self))
            self._tasks.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        if len(self._tasks) == self._limit:
            self._woken.set()
        self._tasks.discard(task)

    @asynccontextmanager
    async def renewing(self, entry: InboxEntry, which: str) -> AsyncGenerator[None]:
        """Renew the lease of an entry while the block runs."""
        renewing = asyncio.create_task(self._renew(entry, which))
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew(self, entry: InboxEntry, which: str) -> None:
        number = 0
        while True:
            number += 1
            await _sleep(entry.lease / _RENEWALS_PER_LEASE)
            try:
                if not await self.inbox.renew(entry):
                    logger.warning("%s has lost its lease, and may be handled twice", which)
                    return
            except Exception as error:  # noqa: BLE001 - the lease lasts for two more attempts
                why = describe_exception(error)
                logger.warning("the lease of %s can't be renewed: %s", which, why)
            if number == _MANY_RENEWALS:
                seconds = number * entry.lease / _RENEWALS_PER_LEASE
                logger.warning("%s has been running for %.0f s: does it hang?", which, seconds)

    async def complete(self, entry: InboxEntry, which: str) -> None:
        """Record that an entry is handled."""
        await self._record(lambda: self.inbox.complete(entry), which)

    async def fail(
        self, entry: InboxEntry, which: str, failure: Exception, again_in: float | None
    ) -> None:
        """Record that an entry failed, and when it is due again."""
        failed = evolve(entry, error=_error_text(failure))
        await self._record(lambda: self.inbox.fail(failed, again_in), which)

    async def _record(self, call: Callable[[], Awaitable[bool]], which: str) -> None:
        """Record an outcome, if need be again and again; its lease is renewed meanwhile."""
        while True:
            try:
                if not await call():
                    logger.warning("%s had lost its lease, and may be handled twice", which)
            except Exception as error:  # noqa: BLE001 - it may work again later
                why = describe_exception(error)
                logger.error("the outcome of %s can't be recorded: %s", which, why)  # noqa: TRY400 - once a second
                if self.is_open:
                    await _sleep(_POLL_SECONDS)
                    continue
                logger.error("%s will be handled again: the receiver ends", which)  # noqa: TRY400 - no more is known
            return


def pause_after(failures: int, failure: Exception) -> float:
    """Return after how many seconds handlers run again that have failed so often."""
    pause = 4.0 ** min(failures - 1, 9)
    if isinstance(failure, RateLimitError):
        pause = max(pause, failure.retry_after or 0)
    return min(pause, _LONGEST_PAUSE)


def _error_text(failure: Exception) -> str:
    """An error as `inbox list` shows it: on one line, not too long, and without addresses."""
    return _ADDRESS.sub("...@...", on_one_line(describe_exception(failure)[:_MAX_ERROR]))


_ADDRESS = re.compile(r"[^\s'\"<>@]+@[^\s'\"<>@]+")
_MAX_ERROR = 500  # characters
