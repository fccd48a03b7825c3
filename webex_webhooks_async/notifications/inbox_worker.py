"""Works on an inbox: takes what is due, keeps the leases, and records the outcomes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any

from attrs import evolve, frozen

from webex_webhooks_async.errors import PayloadError, RateLimitError
from webex_webhooks_async.formatting import describe_exception, summarize_redacted
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.dispatch import describe
from webex_webhooks_async.notifications.inbox import Inbox, InboxEntry
from webex_webhooks_async.notifications.parsing import parse_unverified_notification

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_POLL_SECONDS = 1.0  # other processes store notifications, too, and leave leases behind
_RENEWALS_PER_LEASE = 3
_MANY_RENEWALS = 10
_ALONE = "alone"  # the name of a record: how many leases had expired when it began alone
_WITH_LINES = 10  # times the limit: each that waits in line has a task and renews its lease

_LOST = "%s has lost its lease, and may be handled twice: does a handler block the event loop?"

_sleep: Callable[[float], Awaitable[object]] = asyncio.sleep  # tests replace it


@frozen
class Failure:
    """A failed attempt, and what becomes of the notification.

    Attributes:
        error: Why it failed.
        again_in: After how many seconds its handlers run again; with `None`, it is kept as failed.
        words: The same for the log.
    """

    error: BaseException
    again_in: float | None
    words: str = ""


def is_first_attempt(entry: InboxEntry) -> bool:
    """Whether the handlers of a notification haven't run before, as far as an inbox knows."""
    # Somebody who lets a failed one be tried again begins a new count, but the error stays.
    return entry.failures == entry.expiries == 0 and entry.error is None


def is_last_attempt(entry: InboxEntry, attempts: int) -> bool:
    """Whether the handlers of a notification don't run again if they fail now."""
    return entry.failures + 1 >= attempts or entry.expiries >= _MAX_EXPIRIES


def is_last_chance(entry: InboxEntry) -> bool:
    """Whether a notification runs alone, because one more expiry is its end, or was."""
    return entry.expiries >= _MAX_EXPIRIES - 1


def expiry_of(entry: InboxEntry) -> Exception | None:
    """Return the failure of a notification that isn't handled any more: it may kill its process."""
    if entry.expiries < _MAX_EXPIRIES:
        return None
    times = f"its lease has expired {entry.expiries} times"
    return RuntimeError(
        f"{times}: its process was killed or hung, probably because of it; if its handler blocks "
        "the event loop, await asyncio.to_thread there"
    )


def failure_of(
    entry: InboxEntry, attempts: int, error: BaseException, *, is_final: bool
) -> Failure:
    """Return what becomes of a notification whose handlers have failed.

    Args:
        entry: The notification.
        attempts: How often its handlers run if they fail.
        error: Why they failed.
        is_final: Whether another attempt can't help.
    """
    number = entry.failures + 1
    what = f"attempt {number} of {attempts}"
    if entry.expiries >= _MAX_EXPIRIES:
        what = f"{entry.expiries} leases have expired"
    elif is_final:
        what = "another attempt can't help"
    if is_final or is_last_attempt(entry, attempts):
        return Failure(error, None, f": {what}, kept as failed")
    pause = 4.0 ** min(number - 1, 9)
    if isinstance(error, RateLimitError):
        pause = max(pause, error.retry_after or 0)
    pause = min(pause, _LONGEST_PAUSE)
    return Failure(error, pause, f": {what}, again in {pause:g} s")


_MAX_EXPIRIES = 5  # a notification may kill the process that handles it
_LONGEST_PAUSE = 3600.0


Attempt = Callable[[Notification[Any], InboxEntry, "InboxWorker"], Awaitable[Failure | None]]
"""Handles the notification in an entry, and reports a failure. It raises nothing."""


class InboxWorker:
    """Works on an inbox: takes an entry, parses it, has it handled, and records the outcome.

    Each entry has a task, which renews the lease of the entry. One that has its last chance begins
    when what runs has ended, or after a lease, and nothing is taken until it ends, or for two
    leases. What kills its process loses the leases of all that runs beside it, too, which may have
    done nothing.

    Args:
        inbox: Where the entries are.
        attempt: Handles what is in an entry.
        limit: How many entries may be worked on at a time. Those that wait in line for others don't
            count, until there are ten times as many in all.
        secrets: Returns what no stored error may show; `None` if that can't be known now.

    Attributes:
        inbox: Where the entries are.
        is_open: Whether what comes may be stored.
    """

    def __init__(
        self,
        inbox: Inbox,
        attempt: "Attempt",
        limit: int,
        secrets: Callable[[], Iterable[str] | None],
    ) -> None:
        self.inbox = inbox
        self.is_open: bool = False
        self._attempt = attempt
        self._limit = limit
        self._secrets = secrets
        self._woken = asyncio.Event()
        self._taking: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_line: dict[InboxEntry, asyncio.Task[Any] | None] = {}  # what waits for others
        self._alone: InboxEntry | None = None

    def accept(self) -> None:
        """Let what comes be stored, before `open`."""
        self.is_open = True

    async def open(self) -> None:
        """Begin to take entries. The first call opens the storage, and raises its error."""
        if self._taking:
            raise RuntimeError("the receiver is running already: enter it once")
        try:
            first = await self.inbox.take()
        except BaseException:
            await self.inbox.aclose()
            raise
        self.accept()
        self._woken = asyncio.Event()
        self._start(first)
        self._taking = {asyncio.create_task(self._take_each())}

    async def aclose(self) -> None:
        """Take no more entries, finish those that were taken, and close the inbox."""
        self.is_open = False
        self._woken.set()
        await _ends_of(self._taking)
        self._taking.clear()
        await _ends_of(self._tasks)  # with what was being taken
        await self.inbox.aclose()

    def wake(self) -> None:
        """Look into the inbox at once, because something was stored."""
        self._woken.set()

    @contextmanager
    def in_line(self, entry: InboxEntry) -> Generator[None]:
        """While an entry waits for others, it isn't running, and doesn't hang."""
        if self._is_full():
            self._woken.set()
        self._in_line[entry] = asyncio.current_task()
        try:
            yield
        finally:
            del self._in_line[entry]

    async def begin(self, entry: InboxEntry) -> InboxEntry:
        """Wait until an entry may run: one that has its last chance, for what runs, or for a lease.

        Returns:
            The entry, without the expiries that it had while it waited, because it killed nothing.
        """
        if not is_last_chance(entry):
            return entry
        try:
            began = await self.inbox.recall(entry, _ALONE)
            if began is not None and entry.expiries > int(began):
                return entry
            waiting = *self._in_line.values(), asyncio.current_task()
            await _ends_of(self._tasks.difference(waiting), entry.lease)
            await self.inbox.remember(entry, _ALONE, b"%d" % entry.expiries)
        except Exception as error:  # noqa: BLE001 - then it has one more chance
            logger.warning("a last attempt can't be recorded: %s", describe_exception(error))
        return evolve(entry, expiries=_MAX_EXPIRIES - 1)

    async def _take_each(self) -> None:
        while self.is_open:
            self._woken.clear()
            entry = None
            if self._alone is None and not self._is_full():
                try:
                    entry = await self.inbox.take()
                except Exception as error:  # noqa: BLE001 - it may work again later
                    logger.error("the inbox can't be read: %s", describe_exception(error))  # noqa: TRY400 - once a second
            if entry is None:
                await self._pause()
            self._start(entry)

    def _is_full(self) -> bool:
        running = len(self._tasks) - len(self._in_line)
        return running >= self._limit or len(self._tasks) >= _WITH_LINES * self._limit

    async def _pause(self) -> None:
        timer = asyncio.ensure_future(_sleep(_POLL_SECONDS))
        timer.add_done_callback(lambda _: self._woken.set())
        await self._woken.wait()
        timer.cancel()

    def _start(self, entry: InboxEntry | None) -> None:
        if entry is not None:
            if is_last_chance(entry):
                self._alone = entry
            task = asyncio.create_task(self._work(entry))
            self._tasks.add(task)
            task.add_done_callback(partial(self._finish, entry))

    def _finish(self, entry: InboxEntry, task: asyncio.Task[None]) -> None:
        if self._is_full():
            self._woken.set()
        self._tasks.discard(task)
        self._let_others_run_beside(entry)

    def _let_others_run_beside(self, entry: InboxEntry) -> None:
        if self._alone is entry:
            self._alone = None
            self._woken.set()

    async def _work(self, entry: InboxEntry) -> None:
        try:
            notification = parse_unverified_notification(entry.body)
        except PayloadError as error:
            logger.error("the inbox has a body that isn't a notification: %s", error)  # noqa: TRY400 - it says all
            await self._record(entry, "it", Failure(error, None))
            return
        which = describe(notification)
        renewing = asyncio.create_task(self._renew(entry, which))
        try:
            failure = await self._attempt(notification, entry, self)
            await self._record(entry, which, failure)
        finally:
            renewing.cancel()

    async def _renew(self, entry: InboxEntry, which: str) -> None:
        number = renewals = 0
        while True:
            number += entry not in self._in_line
            renewals += 1
            await _sleep(entry.lease / _RENEWALS_PER_LEASE)
            if renewals == 2 * _RENEWALS_PER_LEASE:  # of which it may have waited for one lease
                self._let_others_run_beside(entry)
            try:
                if not await self.inbox.renew(entry):
                    logger.warning(_LOST, which)
                    self._let_others_run_beside(entry)
                    return
            except Exception as error:  # noqa: BLE001 - the lease lasts for two more attempts
                why = describe_exception(error)
                logger.warning("the lease of %s can't be renewed: %s", which, why)
            if number == _MANY_RENEWALS:
                seconds = number * entry.lease / _RENEWALS_PER_LEASE
                logger.warning("%s has been running for %.0f s: does it hang?", which, seconds)

    async def _record(self, entry: InboxEntry, which: str, failure: Failure | None) -> None:
        """Record an outcome, if need be again and again."""
        while True:
            try:
                if failure is None:
                    is_ours = await self.inbox.complete(entry)
                else:
                    summary = summarize_redacted(failure.error, self._secrets())
                    failed = evolve(entry, error=summary)
                    is_ours = await self.inbox.fail(failed, failure.again_in)
                if not is_ours:
                    logger.warning(_LOST, which)
            except Exception as error:  # noqa: BLE001 - it may work again later
                why = describe_exception(error)
                logger.error("the outcome of %s can't be recorded: %s", which, why)  # noqa: TRY400 - once a second
                if self.is_open:
                    await _sleep(_POLL_SECONDS)
                    continue
                logger.error("%s will be handled again: the receiver ends", which)  # noqa: TRY400 - no more is known
            return


async def _ends_of(tasks: Iterable[asyncio.Task[None]], seconds: float | None = None) -> None:
    """Wait for tasks, for so long at most, except for those whose event loop has ended before."""
    running = [each for each in tasks if not (each.done() or each.get_loop().is_closed())]
    if running:
        await asyncio.wait(running, timeout=seconds)
