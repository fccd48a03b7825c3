"""Works on an inbox: takes what is due, parses it, attempts it, and records the outcome."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast

from attrs import define, field

from webex_webhooks_async.errors import PayloadError
from webex_webhooks_async.formatting import describe_exception, summarize_redacted
from webex_webhooks_async.handling import sandbox_reports
from webex_webhooks_async.handling.dispatch import Attempt, Execution
from webex_webhooks_async.handling.failures import (
    LONGEST_PAUSE,
    TOO_EARLY_SECONDS,
    Failure,
    Outcome,
    PutOff,
    Release,
    TooEarly,
    Wait,
    expiry_of,
    failure_of,
    is_final,
    put_off,
)
from webex_webhooks_async.handling.in_flight import InFlight
from webex_webhooks_async.handling.records import CHOSEN, CONVERSATION, Records
from webex_webhooks_async.handling.suspension import Suspension, is_quiet_end, is_suspension
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxEntry
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe, log_debug
from webex_webhooks_async.notifications.identity import is_job, key_of, schedule_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.serialization.strict_json import dump_json, parse_json
from webex_webhooks_async.validation import check_inherits

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_POLL_SECONDS = 1.0  # other processes store notifications, too, and leave leases behind
_RENEWALS_PER_LEASE = 3
_MANY_RENEWALS = 10
_SECONDS_TO_ANSWER = 120.0  # what was sent meanwhile has arrived by then
_SECONDS_TO_RECORD = 5.0  # at the end
_SHORT_PAUSE = 10.0  # for which what fails may hold up its line, if it may leave it
_OTHER_VERSION_SECONDS = 30.0  # a replica of another version may handle it
_OTHER_VERSION_RELEASES = 20
_MAX_OUTAGES = 10  # after so many, what looks like one is a failure
_MAX_EXPIRIES = 5  # a notification may kill the process that handles it
_PUT_OFF = "put off"  # the name of a record: since when, after how many failures and releases
_ALONE = "alone"  # the name of a record: how many leases had expired when it began alone

_LOST = "%s has lost its lease, and may be handled twice: does a handler block the event loop?"

_UNREADABLE = "the inbox can't be read: %s"


class Outage(Protocol):
    """An outage of the service that handlers need: what fails because of it isn't counted."""

    given_back: int  # how many entries were given back because of the outage
    holds: bool  # whether nothing is to begin now

    async def has_caused(self, error: BaseException) -> bool:
        """Whether it is why a handler has failed."""
        ...

    async def aclose(self) -> None:
        """End without knowing."""
        ...


class InboxWorker:
    """Works on an inbox: takes an entry, parses it, attempts it, and records the outcome.

    Each entry has a task, and another one that renews its lease. An entry that has its last chance
    begins when everything that runs has ended, or after a lease, and nothing is taken until it
    ends, or for two leases. An entry that kills its process loses the leases of all that runs
    beside it, too, which may have done nothing.

    An entry under way isn't begun again when the inbox gives it out another time, because the clock
    has jumped, or the process was frozen: the token of the new lease takes the place of the old
    one. An entry that was given back, and is taken before the response to that has come, begins as
    soon as it is there. At the end, what it has taken and not begun is given back.

    Raises:
        TypeError: `inbox` isn't an `Inbox`.
    """

    def __init__(
        self,
        inbox: Inbox,
        in_flight: InFlight,
        *,
        attempts: int,
        limit: int,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        check_inherits("inbox", inbox, Inbox)
        self.is_open: bool = False  # whether what comes may be stored
        # the probe that decides whether an error comes from an outage
        self.outage: Outage | None = None
        # whether the inbox could be read since `open`, or before that by `look`
        self.works: bool = False
        self.inbox: Inbox = inbox
        self._in_flight = in_flight  # the object that begins and ends its work for one
        self._attempts = attempts  # how often the handlers of a notification run if they fail
        self._limit = limit  # how many entries may be worked on at a time
        self._sleep = sleep
        self._woken = asyncio.Event()
        self._taking: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[tuple[str, int], _Work] = {}  # by the key and the number
        self._alone: _Work | None = None
        self._waiting: asyncio.Task[None] | None = None  # until an entry may run alone
        self._is_taking = False
        self._limits: set[asyncio.Timeout] = set()  # of what is recorded now; the end sets them
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it takes entries
        self._has_begun = False  # to take them, since the start or an outage

    async def open(self) -> None:
        """Begin to take entries, until `aclose`, which follows an error as well.

        The first call opens the storage, and raises its error. A database that can't be reached for
        a while is waited for.
        """
        self._has_begun = self.works = False
        first = await self._first()
        self.is_open = True
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if first is not None:
            self._start(first)
        self._taking = {asyncio.create_task(self._take_each())}

    async def look(self) -> None:
        """Look whether the inbox can be read, while nothing is taken from it yet."""
        try:
            await self.inbox.stopping()
        except Exception as error:  # noqa: BLE001 - it may work again later
            self.works = False
            logger.error(_UNREADABLE, describe_exception(error))  # noqa: TRY400 - it says all
        else:
            self.works = True

    async def _first(self) -> InboxEntry | None:
        try:
            return await self._take()
        except (ConnectionError, TimeoutError) as error:
            logger.error(_UNREADABLE, describe_exception(error))  # noqa: TRY400 - it says all
            return None

    async def aclose(self) -> None:
        """Take no more entries, and finish those that have begun."""
        self.is_open = False
        if self._loop is None or not self._loop.is_closed():
            self._woken.set()
            if self._waiting is not None:
                self._waiting.cancel()
            while self._limits:
                self._limits.pop().reschedule(_record_until())
            await self._end_outage()  # nobody waits for its end
            await _ends_of(self._taking)
            stopping = asyncio.create_task(self._stop_each())
            while self._tasks:  # with what was being taken
                await _ends_of(self._tasks)
            stopping.cancel()
            await _ends_of([stopping])
        await self._end_outage()  # which one of them may have noticed
        # The rest is of an event loop that was closed before its tasks had ended.
        for each in (self._taking, self._tasks, self._under_way, self._limits):
            each.clear()
        self._alone = self._waiting = None

    async def _stop_each(self) -> None:
        """Stop what is stopped in another process, while nothing is taken any more."""
        while True:
            await self._sleep(_POLL_SECONDS)
            with suppress(Exception):  # it may work again later
                self.stop(await self.inbox.stopping())

    async def store(self, notification: Notification[Any], body: bytes) -> bool:
        """Store a notification in its line, if it has one; return False if it is known."""
        line, owner = self._in_flight.selection.line_and_owner(notification)
        put = self.inbox.put(key_of(notification, body), body, line=line, owner=owner)
        return await self.woken_by(put)

    async def accept(self, notification: Notification[Any], body: bytes) -> bool:
        """Store what has come, as `store` does; return False if the inbox has failed."""
        try:
            if not await self.store(notification, body):
                log_debug("%s is a duplicate", notification)
        except Exception:
            logger.exception("%s is not stored: the inbox failed", describe(notification))
            self._in_flight.selection.note_missed()
            return False
        return True

    async def woken_by(self, change: Awaitable[bool]) -> bool:
        """Await what stores or removes something, and look at once if it has; return whether."""
        is_changed = await change
        if is_changed:
            self.wake()
        return is_changed

    async def cancel(self, key: str, *, is_own: bool = False) -> bool:
        """Remove a job, and its successor, or stop it if it runs or asks; return whether it did.

        A job that does it itself isn't stopped.
        """
        stopped: Collection[int] = () if is_own else await self.inbox.stop(key)
        is_removed = bool(stopped) or await self.inbox.cancel(key)
        if not (is_removed or is_own):  # it may have begun in between
            stopped = await self.inbox.stop(key)
        if is_removed or stopped:
            self.stop(stopped)
            self._woken.set()
        return is_removed or bool(stopped)

    def stop(self, numbers: Collection[int]) -> None:
        """Stop what runs here, by its numbers, and look at once at what is due."""
        for work in self._under_way.values():
            if work.entry.number in numbers and work.suspension is not None:
                work.suspension.stop.want()
        if numbers:
            self._woken.set()

    async def _take(self) -> InboxEntry | None:
        """Take an entry; where this begins, what was sent before comes before questions end."""
        self._is_taking = True
        try:
            if not self._has_begun:
                await self.inbox.postpone(_SECONDS_TO_ANSWER)
                self._has_begun = True
            entry = await self.inbox.take()
        finally:
            self._is_taking = False
        self.works = True
        return entry

    async def _take_each(self) -> None:
        looked, has_paused = time.monotonic(), False
        while self.is_open:
            self._woken.clear()
            entry = None
            is_held = self._is_held()
            self._has_begun &= not is_held
            try:
                if self._under_way and (has_paused or time.monotonic() - looked >= _POLL_SECONDS):
                    looked, has_paused = time.monotonic(), False
                    self.stop(await self.inbox.stopping())  # in another process
                if not is_held and self._alone is None and not self._is_full():
                    entry = await self._take()
            except Exception as error:  # noqa: BLE001 - it may work again later
                logger.error(_UNREADABLE, describe_exception(error))  # noqa: TRY400 - once a second
            if entry is None:
                has_paused = await self._pause()
            else:
                self._start(entry)

    @property
    def is_busy(self) -> bool:
        """Whether an entry is being taken, or worked on, until its outcome is recorded."""
        return self._is_taking or bool(self._tasks)

    def _is_full(self) -> bool:
        return len(self._tasks) >= self._limit

    def _is_held(self) -> bool:
        return self.outage is not None and self.outage.holds

    async def _end_outage(self) -> None:
        if self.outage is not None:
            await self.outage.aclose()

    async def _pause(self) -> bool:
        """Wait until something may be due; return whether that took as long as a pause does."""
        timer = asyncio.ensure_future(self._sleep(_POLL_SECONDS))
        timer.add_done_callback(self._wake)
        await self._woken.wait()
        timer.remove_done_callback(self._wake)  # its end must not wake the next pause
        timer.cancel()
        return timer.done()

    def _wake(self, _: object) -> None:
        self.wake()

    def wake(self) -> None:
        """Look at the inbox at once: something may be due."""
        self._woken.set()

    def _start(self, entry: InboxEntry) -> None:
        if (work := self._under_way.get((entry.key, entry.number))) is not None:
            work.entry = entry
            return
        work = self._under_way[entry.key, entry.number] = _Work(entry)
        if _is_last_chance(entry):
            self._alone = work
        task = asyncio.create_task(self._work(work, entry))
        self._tasks.add(task)
        task.add_done_callback(partial(self._finish, work))

    def _finish(self, work: "_Work", task: asyncio.Task[None]) -> None:
        if (
            self._is_full() or work.entry.line is not None or work.entry.waits
        ):  # the next one is due
            self._woken.set()
        self._tasks.discard(task)
        self._under_way.pop((work.entry.key, work.entry.number), None)
        self._let_others_run_beside(work)
        if work.ended is not None and work.entry is not work.ended:
            self._start(work.entry)  # it was given back, and taken before the response to that

    def _let_others_run_beside(self, work: "_Work") -> None:
        if self._alone is work:
            self._alone = None
            self._woken.set()

    async def _work(self, work: "_Work", entry: InboxEntry) -> None:
        try:
            notification = parse_unverified_notification(entry.body)
        except PayloadError as error:
            logger.error("the inbox has a body that isn't a notification: %s", error)  # noqa: TRY400 - it says all
            await self._record(work, Failure(error, None))
            return
        work.notification = notification
        renewing = asyncio.create_task(self._renew(work))
        try:
            outcome = await self._attempt(work, entry, notification)
            is_final = outcome is None or (
                isinstance(outcome, Failure) and outcome.again_in is None
            )
            if is_final and work.records is not None:
                await work.records.conclude(is_stopped=work.is_stopped)
            await self._record(work, outcome)
            if outcome is None or isinstance(outcome, Wait):
                sandbox_reports.note_work(entry.key)
            if is_final:
                sandbox_reports.end(entry.key)
        finally:
            renewing.cancel()

    async def _attempt(
        self, work: "_Work", entry: InboxEntry, notification: Notification[Any]
    ) -> Outcome:
        """Run the handlers of a notification, and report a failure."""
        # `inbox retry` of a failed one begins new counts, but the error stays.
        counts = entry.failures, entry.expiries, entry.outages, entry.waits
        is_first = not any(counts) and entry.error is None
        work.records = Records(notification, (self.inbox, entry), is_first=is_first)
        if not await self._has_loaded(work.records):
            return Release(0.0)
        execution = self._in_flight.begin(notification, entry.key, work.records)
        if execution is None:
            return self._without_handler(entry, notification, work.records)
        work.execution = execution
        try:
            may_run = await self._may_run(entry)
            if not self.is_open or self._is_held():
                return Release(0.0)
            number = entry.failures + 1
            is_last = number >= (execution.attempts or self._attempts)
            execution.attempt = Attempt(number=number, is_first=is_first, is_last=is_last)
            if entry.expiries:
                expired = "1 lease has" if entry.expiries == 1 else f"{entry.expiries} leases have"
                begun = describe(notification), number, expired
                fields = execution.fields()
                logger.info("%s is begun again: attempt %d, %s expired", *begun, extra=fields)
            with execution:
                error = await execution.failure() if may_run else expiry_of(entry)
                if error is None or _is_ended_quietly(work, error):
                    return None
                if execution.suspension is not None and is_suspension(error):
                    logger.info("%s waits for an answer", work.name)
                    work.records.keep_unsaid()  # what it has said and deleted stays done
                    return Wait(execution.suspension.questions)
                return await self._failed(entry, execution, error, may_run=may_run)
        finally:
            self._in_flight.end(execution)

    async def _failed(
        self, entry: InboxEntry, execution: Execution, error: BaseException, *, may_run: bool
    ) -> Outcome:
        """Report a failure, and return what becomes of the entry."""
        if isinstance(error, TooEarly):
            return Release(TOO_EARLY_SECONDS, holds=True)
        if execution.suspension is not None:
            execution.suspension.pause()  # so that a reply can say it
        failed = time.monotonic()
        if await self._is_of_outage(error, entry):
            return Release(0.0, is_of_outage=True)
        waited = time.monotonic() - failed
        if may_run and (later := await self._put_off(entry, execution, error)):
            return later
        final = ""
        if not may_run:
            final = f"{entry.expiries} leases have expired"
        elif error is execution.misfit or is_final(error):
            final = "another attempt can't help"
        attempts = execution.attempts or self._attempts
        failure = failure_of(entry, attempts, error, final, waited=waited)
        execution.note_last(is_last=failure.again_in is None)
        await self._in_flight.report(error, execution, failure.words)
        return failure

    async def _put_off(
        self, entry: InboxEntry, execution: Execution, error: BaseException
    ) -> PutOff | None:
        """Return that a handler runs later, if it asked for it, and less than an hour ago at first.

        The row begins anew when the counts do: after `inbox retry`, and with an answer.
        """
        holds = is_job(entry.key) or entry.waits > 0
        outcome = put_off(error, holds=holds)
        if outcome is None:
            return None
        records = cast("Records", execution.records)
        now = await self.inbox.now()
        since = now.isoformat()
        if (known := records.known.get(_PUT_OFF)) is not None:
            first, failures, releases = cast("tuple[str, int, int]", parse_json(known))
            if (failures, releases) == (entry.failures, entry.releases):
                since = first
        if (now - datetime.fromisoformat(since)).total_seconds() >= LONGEST_PAUSE:
            return None
        records.note(_PUT_OFF, dump_json([since, entry.failures, entry.releases + 1]))
        pause, why = outcome.again_in, describe_exception(outcome.error)
        which = describe(execution.notification)
        logger.info("%s is put off for %.0f s: %s", which, pause, why)
        reason = summarize_redacted(outcome.error, self._in_flight.known_secrets())
        reason = reason.removeprefix("RetryLaterError: ")
        sandbox_reports.note_failure(execution, None, f"put off for {pause:.0f} s: {reason}")
        return outcome

    async def _is_of_outage(self, error: BaseException, entry: InboxEntry) -> bool:
        """Whether an entry is given back, because an outage has made its handler fail."""
        if self.outage is None or entry.outages >= _MAX_OUTAGES:
            return False
        if not await self.outage.has_caused(error):
            return False
        self.outage.given_back += 1
        return True

    async def _has_loaded(self, records: Records) -> bool:
        """Read what earlier attempts have recorded, if need be again and again, until the end."""
        while self.is_open:
            try:
                await records.load()
            except Exception as error:  # noqa: BLE001 - it may work again later
                logger.error(_UNREADABLE, describe_exception(error))  # noqa: TRY400 - once a second
                await self._sleep(_POLL_SECONDS)
            else:
                return True
        return False

    def _without_handler(
        self, entry: InboxEntry, notification: Notification[Any], records: Records
    ) -> Outcome:
        """Return what becomes of a notification for which nothing is registered here.

        Another version of the bot stored it, in a deploy that is under way, and may handle it.
        """
        which = describe(notification)
        # A conversation is recorded before its first question is open.
        stays = is_job(entry.key) or entry.waits or CONVERSATION in records.known
        if not stays and self._in_flight.selection.is_own(notification):
            return None
        if entry.releases < _OTHER_VERSION_RELEASES:
            logger.info("%s waits %g s: it has no matching handler", which, _OTHER_VERSION_SECONDS)
            return Release(_OTHER_VERSION_SECONDS)
        if is_job(entry.key) and schedule_of(notification) is not None:
            logger.warning("%s is dropped: no process has this schedule any more", which)
            return None
        if not stays:
            logger.warning("%s is completed: it has no matching handler", which)
            return None
        logger.error("%s is kept as failed: it has no matching handler", which)
        return Failure(LookupError("nothing is registered for it"), None)

    async def _may_run(self, entry: InboxEntry) -> bool:
        """Wait until an entry may run: one that has its last chance, for what runs, or for a lease.

        Returns:
            Whether it may: not if a lease has expired since it began alone. Leases that expired
            while it waited don't count, because it killed nothing.
        """
        if not _is_last_chance(entry):
            return True
        try:
            began = await self.inbox.recall(entry, _ALONE)
            if began is not None and entry.expiries > int(began):
                return False
            if not self.is_open:
                return True
            others = self._tasks.difference({asyncio.current_task()})
            self._waiting = asyncio.create_task(_ends_of(others, entry.lease))
            await asyncio.wait({self._waiting})
            await self.inbox.remember(entry, _ALONE, b"%d" % entry.expiries)
        except Exception as error:  # noqa: BLE001 - then it has one more chance
            logger.warning("a last attempt can't be recorded: %s", describe_exception(error))
        return True

    async def _record(self, work: "_Work", outcome: Outcome) -> None:
        """Record an outcome, if need be again and again; at the end for a few seconds."""
        limit = asyncio.timeout_at(None if self.is_open else _record_until())
        if self.is_open:
            self._limits.add(limit)
        try:
            async with limit:
                while not await self._has_recorded(work, outcome):
                    await self._sleep(_POLL_SECONDS)
        except TimeoutError:
            logger.error("%s will be handled again: the receiver ends", work.name)  # noqa: TRY400 - no more is known
        finally:
            self._limits.discard(limit)

    async def _has_recorded(self, work: "_Work", outcome: Outcome) -> bool:
        entry = None
        try:
            async with work.lock:  # or a renewal that comes later would call the lease lost
                if work.records is not None and outcome is not None:
                    await work.records.write_rest()
                while work.entry is not entry:  # it gets another lease meanwhile
                    entry = work.entry
                    if await self._is_recorded(work, entry, outcome):
                        work.ended = entry
                        return True
        except Exception as error:  # noqa: BLE001 - it may work again later
            why = describe_exception(error)
            logger.error("the outcome of %s can't be recorded: %s", work.name, why)  # noqa: TRY400 - once a second
            return False
        logger.warning(_LOST, work.name)
        return True

    async def _is_recorded(self, work: "_Work", entry: InboxEntry, outcome: Outcome) -> bool:
        """Record an outcome; return False if the lease is lost."""
        if outcome is None:
            return await self.inbox.complete(entry)
        if isinstance(outcome, Wait):
            # A stop marks it, and then ends its questions: if it is too late for that, it is here.
            if entry.number in await self.inbox.stopping():
                await self.inbox.end(outcome.questions.values())
            return await self.inbox.wait(entry, *outcome.questions)
        if isinstance(outcome, Release):
            return await self.inbox.release(
                entry, retry_in=outcome.again_in, outage=outcome.is_of_outage, holds=outcome.holds
            )
        error = summarize_redacted(outcome.error, self._in_flight.known_secrets())
        again_in = outcome.again_in
        fail = partial(self.inbox.fail, entry, error=error, retry_in=again_in)
        if isinstance(outcome, PutOff):
            return await fail(holds=outcome.holds, counts=False)
        if again_in is not None and again_in >= _SHORT_PAUSE and self._may_leave_line(work):
            return await fail(holds=False)
        return await fail()

    def _may_leave_line(self, work: "_Work") -> bool:
        """Whether it is no job and no answer: a handler was chosen, or all run, and none asks."""
        if self._in_flight.selection.leaves_line:
            return not is_job(work.entry.key)
        known = {} if work.records is None else work.records.known
        return CHOSEN in known and (CONVERSATION not in known or work.entry.stopped)

    async def _renew(self, work: "_Work") -> None:
        lost: InboxEntry | None = None
        renewals = 0
        while True:
            await self._sleep(work.entry.lease / _RENEWALS_PER_LEASE)
            if work.entry is lost:
                continue
            renewals += 1
            if renewals == 2 * _RENEWALS_PER_LEASE:  # the first lease may have been a wait
                self._let_others_run_beside(work)
            try:
                async with work.lock:
                    entry = work.entry
                    is_ours = await self.inbox.renew(entry)
                if not is_ours and work.entry is entry:
                    lost = entry
                    logger.warning(_LOST, work.name)
                    self._let_others_run_beside(work)
            except Exception as error:  # noqa: BLE001 - the lease lasts for two more attempts
                why = describe_exception(error)
                logger.warning("the lease of %s can't be renewed: %s", work.name, why)
            if renewals == _MANY_RENEWALS:
                seconds = renewals * work.entry.lease / _RENEWALS_PER_LEASE
                logger.warning("%s has been running for %.0f s: does it hang?", work.name, seconds)


def _is_ended_quietly(work: "_Work", error: BaseException) -> bool:
    """Whether a handler has ended without an answer, or was stopped, and hasn't failed."""
    if work.suspension is not None and work.suspension.stop.is_cause_of(error):
        logger.info("%s is stopped", work.name)
        return True
    if not is_quiet_end(error):
        return False
    logger.info("%s is ended: %s", work.name, error)
    return True


def _is_last_chance(entry: InboxEntry) -> bool:
    """Whether a notification runs alone, because one more expiry is its end, or was."""
    return entry.expiries >= _MAX_EXPIRIES - 1


def _record_until() -> float:
    return asyncio.get_running_loop().time() + _SECONDS_TO_RECORD


@define(eq=False)
class _Work:
    """The work under way."""

    entry: InboxEntry  # the entry, with its newest lease
    ended: InboxEntry | None = None  # the entry with the lease that the outcome has ended
    lock: asyncio.Lock = field(factory=asyncio.Lock)  # held by who renews the lease, or ends it
    notification: Notification[Any] | None = None
    records: Records | None = None
    execution: Execution | None = None

    @property
    def suspension(self) -> Suspension | None:
        """The suspension of its run, if a handler runs that may ask or be stopped."""
        return None if self.execution is None else self.execution.suspension

    @property
    def is_stopped(self) -> bool:
        """Whether its handler was stopped, also if it has caught that."""
        return self.suspension is not None and self.suspension.stop.has_come

    @property
    def name(self) -> str:
        """Its name in the log."""
        return "it" if self.notification is None else describe(self.notification)


async def _ends_of(tasks: Iterable[asyncio.Task[None]], seconds: float | None = None) -> None:
    """Wait for tasks, for so long at most."""
    if tasks := [*tasks]:
        await asyncio.wait(tasks, timeout=seconds)
