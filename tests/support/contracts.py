"""Checks that a storage of your own keeps what its base class promises."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import (
    ANSWERED,
    NO_ANSWER,
    InboxCounts,
    InboxEntry,
    Question,
)
from webex_webhooks_async.notifications.identity import key_of_job
from webex_webhooks_async.testing.samples import sample_notification

T = TypeVar("T")


async def check_inbox(
    factory: Callable[..., Inbox], *, clock: Clock | None = None, only: str | None = None
) -> None:
    """Check that an `Inbox` of your own keeps the promises of the class.

    ::

        async def test_inbox() -> None:
            await check_inbox(partial(DynamoDBInbox, "inbox-of-tests"))

    It takes a few seconds, because leases and claims have to expire. Nothing else may use the
    storage meanwhile, or wait in it.

    Args:
        factory: Called as ``factory(lease=..., keep=...)``, with seconds. Each call returns an
            inbox on the same storage.
        clock: The clock by which leases and claims expire, if it isn't that of the machine.
        only: The part of the check that runs; all of them run by default.

    Raises:
        AssertionError: A promise is broken; the message says which.
    """
    check = _InboxCheck(
        factory(lease=_LONG, keep=_LONG),
        factory(lease=_LONG, keep=_LONG),
        factory(lease=_SECONDS, keep=_SECONDS),
        clock or Clock(),
    )
    parts = [each for each in vars(_InboxCheck) if not each.startswith("_") and each != "aclose"]
    try:
        for part in parts:
            if only in {part, None}:
                await getattr(check, part)()
    finally:
        await check.aclose()


_SECONDS = 0.5  # how long leases, pauses and memories are that have to end
_TOLERANCE = 0.1  # of it; clocks are coarse
_PATIENCE = 10.0
_LONG = 60.0  # longer than the check takes
_RACES = 4
_PAST = datetime(2020, 1, 2, tzinfo=UTC)
_FUTURE = datetime(2990, 1, 2, tzinfo=UTC)


class _InboxCheck:
    """Its methods are the parts of the check, in their order."""

    def __init__(self, inbox: Inbox, other: Inbox, quick: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._other = other
        self._quick = quick
        self._clock = clock

    async def aclose(self) -> None:
        for each in (self._inbox, self._other, self._quick):
            await each.aclose()

    async def known(self) -> None:
        key = _new_key()
        _expect(self._inbox.keep == _LONG, "an inbox has its `keep` as an attribute")
        _expect(await self._inbox.take() is None, "take returns None from an empty inbox")
        _expect(await self._inbox.put(key, b"\x00{}") is True, "put returns True for a new key")
        _expect(await self._inbox.put(key, b"") is False, "put returns False for one that waits")
        entry = await self._take(self._inbox, "put")
        _expect((entry.key, entry.body) == (key, b"\x00{}"), "take returns what was put first")
        counts = (entry.failures, entry.expiries, entry.releases, entry.outages)
        _expect(counts == (0, 0, 0, 0), "a new entry has never failed")
        _expect((entry.line, entry.error) == (None, None), "a new entry has never failed")
        _expect(await self._inbox.put(key, b"") is False, "put returns False for one that runs")
        _expect(await self._inbox.take() is None, "take leases an entry once")
        await self._complete(entry)

    async def shared(self) -> None:
        await self._inbox.put(_new_key(), b"")
        await self._complete(await self._take(self._other, "put by another inbox"))

    async def failures(self) -> None:
        key = _new_key()
        await self._inbox.put(key, b"body")
        entry = await self._take(self._inbox, "put")
        start = self._clock.monotonic()
        failed = await self._inbox.fail(entry, error="it failed", retry_in=_SECONDS)
        _expect(failed is True, "fail returns True")
        _expect(await self._inbox.put(key, b"") is False, "put returns False for one that failed")
        again = await self._eventually(
            self._inbox.take, "an entry is due when retry_in has passed", start
        )
        _expect(again.body == b"body", "an entry that is due again has its body")
        _expect((again.failures, again.expiries) == (1, 0), "fail counts a failure, no expiry")
        _expect(again.error == "it failed", "fail keeps the error")
        _expect(await self._inbox.renew(entry) is False, "fail ends the lease")
        promise = "fail takes any text as the error"
        _expect(await self._inbox.fail(again, error="\0\ud800", retry_in=None) is True, promise)
        _expect(await self._inbox.take() is None, "what failed for good is never due")
        _expect(await self._inbox.put(key, b"") is False, "what failed for good is known")
        await self._drop(key)

    async def releases(self) -> None:
        """Check what is given back, at once and for a while."""
        inbox, key = self._inbox, _new_key()
        await inbox.put(key, b"body")
        entry = await self._take(inbox, "put")
        await inbox.remember(entry, "name", b"record")
        _expect(await inbox.release(entry) is True, "release returns True")
        _expect(await inbox.put(key, b"") is False, "put returns False for one that was released")
        again = await self._take(self._other, "released")
        _expect(again.body == b"body", "an entry that was released has its body")
        _expect((again.failures, again.expiries) == (0, 0), "release counts no failure, no expiry")
        _expect(again.releases == 1, "an entry says how often it was released")
        record = await inbox.recall(again, "name")
        _expect(record == b"record", "records outlast a release")
        late = "returns False when the lease was released"
        _expect(await inbox.renew(entry) is False, f"renew {late}")
        _expect(await inbox.release(entry) is False, f"release {late}")
        start = self._clock.monotonic()
        await inbox.release(again, retry_in=_SECONDS)
        await self._complete(
            await self._eventually(inbox.take, "release waits for `retry_in` seconds", start)
        )

    async def completion(self) -> None:
        key = _new_key()
        await self._quick.put(key, b"")
        entry = await self._take(self._quick, "put")
        start = self._clock.monotonic()
        _expect(await self._quick.complete(entry) is True, "complete returns True")
        _expect(await self._quick.complete(entry) is False, "complete ends the lease")

        async def put() -> bool | None:
            return await self._inbox.put(key, b"new") or None

        whose = "of the inbox that completed it"
        await self._eventually(
            put, f"what is completed is known for the `keep` seconds {whose}", start
        )
        await self._complete(await self._take(self._inbox, "put after `keep` seconds"))

    async def leases(self) -> None:
        await self._quick.put(_new_key(), b"body")
        lost = await self._take(self._quick, "put")
        _expect(lost.lease == _SECONDS, "an entry says for how many seconds its lease lasts")
        await self._clock.sleep(_SECONDS / 5)  # so that only a lease that is longer passes
        start = self._clock.monotonic()
        _expect(await self._quick.renew(lost) is True, "renew returns True")
        promise = "a lease lasts for `lease` seconds after renew"
        taken = await self._eventually(self._inbox.take, promise, start)
        _expect(taken.body == b"body", "an entry that is taken over has its body")
        promise = "an entry says for how many seconds its lease had been over"
        _expect(0 <= taken.late < _PATIENCE, promise)
        _expect((taken.failures, taken.expiries) == (0, 1), "an expiry counts, as no failure")
        late = "returns False when the lease is lost"
        _expect(await self._quick.renew(lost) is False, f"renew {late}")
        _expect(await self._quick.complete(lost) is False, f"complete {late}")
        failed = await self._quick.fail(lost, error="late", retry_in=0)
        _expect(failed is False, f"fail {late}")
        _expect(await self._quick.release(lost) is False, f"release {late}")
        _expect(await self._inbox.take() is None, "who lost a lease changes nothing")
        await self._complete(taken)

    async def lines(self) -> None:
        """Check the order of what is in a line, beside another one."""
        inbox, keys = self._inbox, [_new_key() for _ in range(4)]
        for key, line in zip(keys, ("a", "a", "a", "b"), strict=True):
            await inbox.put(key, b"", line=line)
        first, beside = await self._take(inbox, "put"), await self._take(inbox, "in another line")
        _expect(
            (first.key, beside.key) == (keys[0], keys[3]),
            "of a line one is taken at a time, in order",
        )
        _expect((first.line, beside.line) == ("a", "b"), "an entry says in which line it is")
        for each in (inbox, self._other):
            _expect(await each.take() is None, "of a line one is taken at a time, by all inboxes")
        await self._complete(first)
        second = await self._take(inbox, "the next in its line")
        _expect(second.key == keys[1], "of a line one is taken at a time, in order")
        _expect(second.number > first.number, "an entry that was stored later has a higher number")
        await self._complete(second)
        for entry in (beside, await self._take(inbox, "the last one in its line")):
            await self._complete(entry)
        promise = "put refuses an empty line with a ValueError"
        await _expect_error(inbox.put(_new_key(), b"", line=""), promise)
        promise = "put takes any other text as a line"
        _expect(await inbox.put(_new_key(), b"", line="\0\ud800") is True, promise)
        await self._complete(await self._take(inbox, "in a line of any text"))

    async def strict_order(self) -> None:
        """Check that one that failed holds up its line, and one that was released doesn't."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        start = self._clock.monotonic()
        await inbox.fail(first, error="it failed", retry_in=_SECONDS)
        promise = "an entry that failed holds up its line until it has run again"
        first = await self._eventually(self._other.take, promise, start)
        _expect(first.key == keys[0], promise)
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS)
        second = await self._take(inbox, "behind one that was released, which holds up nobody")
        _expect(second.key == keys[1], "of a line the first one that is due is taken")
        while self._clock.monotonic() < start + 2 * _SECONDS:
            await self._clock.sleep(_SECONDS / 5)
        promise = "of a line one is taken at a time, also when an earlier one is due again"
        _expect(await inbox.take() is None, promise)
        await inbox.fail(second, error="it failed", retry_in=None)
        again = await self._take(inbox, "due again")
        _expect(again.key == keys[0], "what is due again takes its place in its line")
        promise = "an entry says for how many seconds it had been due"
        _expect(0.5 * _SECONDS < again.late < _PATIENCE, promise)
        await self._complete(again)
        third = await self._take(inbox, "behind one that is kept as failed, which holds up nobody")
        _expect(third.key == keys[2], "of a line the first one that is due is taken")
        await self._complete(third)
        await self._drop(keys[1])

    async def pauses(self) -> None:
        """Check what fails and holds up nobody, what is put off, and what is released and holds."""
        inbox, keys = self._inbox, [_new_key() for _ in range(2)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        await inbox.fail(first, error="it failed", retry_in=_LONG, holds=False)
        promise = "what fails without holding up its line waits as what was released"
        second = await inbox.take()
        _expect(second is not None and second.key == keys[1], promise)
        await self._complete(cast("InboxEntry", second))
        await inbox.retry([keys[0]])
        first = await self._take(inbox, "made due")
        await inbox.put(keys[0] + "2", b"", line="line")
        start = self._clock.monotonic()
        await inbox.fail(first, error="it is put off", retry_in=_SECONDS, counts=False)
        listed = [each async for each in inbox.unfinished() if each.key == keys[0]]
        promise = "what is put off without a failure counts a release, keeps the error"
        described = [(each.state, each.error) for each in listed]
        _expect(described == [("retrying", "it is put off")], promise)
        held = "what is put off without a failure and holds up its line is taken first"
        first = await self._eventually(self._other.take, held, start)
        _expect(first.key == keys[0], held)
        _expect((first.failures, first.releases) == (0, 1), promise)
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS, holds=True)
        promise = "what is released and holds up its line is taken first"
        first = await self._eventually(self._other.take, promise, start)
        _expect((first.key, first.releases) == (keys[0], 2), promise)
        await self._complete(first)
        await self._complete(await self._take(inbox, "behind it"))

    async def outages(self) -> None:
        """Check what is given back because of an outage."""
        inbox, keys = self._inbox, [_new_key() for _ in range(2)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        await inbox.release(first, retry_in=_SECONDS)
        second = await self._take(inbox, "behind one that was released")
        await self._clock.sleep(2 * _SECONDS)  # until both are due
        promise = "an entry that an outage gave back is the next of its line"
        for _ in range(2):
            _expect(await inbox.release(second, outage=True) is True, "release returns True")
            second = await self._take(self._other, "given back because of an outage")
            _expect(second.key == keys[1], promise)
        counted = (second.outages, second.releases, second.failures, second.expiries)
        promise = "returns because of an outage within one minute count as one, and as nothing else"
        _expect(counted == (1, 0, 0, 0), promise)
        await inbox.fail(second, error="it failed", retry_in=0)
        second = await self._take(inbox, "failed, and is due")
        counted_again = (second.key, second.outages, second.failures)
        promise = "a failure begins to count outages from 0 again"
        _expect(counted_again == (keys[1], 0, 1), promise)
        await self._complete(second)
        await self._complete(await self._take(inbox, "in its line"))

    async def expiries_in_a_line(self) -> None:
        """Check that what a killed process has taken goes on before all others of its line."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS / 2)
        lost = await self._take(self._quick, "behind it")
        taken = await self._eventually(
            inbox.take, "a lease in a line lasts for `lease` seconds", start
        )
        promise = "of a line the one whose lease has expired goes on"
        _expect((taken.key, taken.expiries) == (lost.key, 1), promise)
        await self._complete(taken)
        for _ in range(2):
            await self._complete(await self._take(inbox, "in its line"))

    async def delays(self) -> None:
        """Check that what isn't due waits, and holds up no other of its line."""
        inbox = self._inbox
        late, early, past, future = (_new_key() for _ in range(4))
        start = self._clock.monotonic()
        await inbox.put(late, b"", line="line", after=_SECONDS)
        await inbox.put(early, b"", line="line")
        entry = await self._take(inbox, "put, behind one that isn't due")
        promise = "an entry is due `after` seconds after put, and holds up no other until then"
        _expect(entry.key == early, promise)
        await self._complete(entry)
        await self._complete(await self._eventually(inbox.take, promise, start))
        promise = "put refuses a negative `after` with a ValueError"
        await _expect_error(inbox.put(_new_key(), b"", after=-1.0), promise)
        promise = "put refuses `after` together with `at` with a ValueError"
        await _expect_error(inbox.put(_new_key(), b"", after=1.0, at=_FUTURE), promise)
        promise = "put refuses an `at` without a time zone with a ValueError"
        await _expect_error(inbox.put(_new_key(), b"", at=_FUTURE.replace(tzinfo=None)), promise)
        promise = "an entry is due at `at`, and at once if that is past"
        await inbox.put(future, b"", at=_FUTURE)
        await inbox.put(past, b"", at=_PAST)
        entry = await self._take(inbox, "put at a time that is past")
        _expect((entry.key, await inbox.take()) == (past, None), promise)
        _expect(entry.late < _PATIENCE, "what is past when it is put is due from then on")
        dues = [each.due async for each in inbox.unfinished() if each.key == future]
        _expect(dues == [_FUTURE], promise)
        await self._complete(entry)
        await inbox.cancel(future)
        now, later = await inbox.now(), _new_key()
        _expect(now.utcoffset() is not None, "now has a time zone")
        await inbox.put(later, b"", at=now + timedelta(seconds=_LONG))
        await inbox.put(_new_key(), b"", at=now)
        await self._complete(await self._take(inbox, "due at the time of now"))
        _expect(await inbox.take() is None, "take returns nothing that is due after now")
        await inbox.cancel(later)

    async def replacements(self) -> None:
        """Check `replace` of what is completed, waits, has failed, or has lost its lease."""
        inbox, key = self._inbox, _new_key()
        promise = "with replace, put returns True and replaces what doesn't run"
        _expect(await inbox.put(key, b"1", replace=True) is True, promise)
        _expect(await inbox.put(key, b"2", replace=True, line="line") is True, promise)
        first = await self._take(inbox, "put with replace")
        _expect((first.body, first.line) == (b"2", "line"), promise)
        await inbox.remember(first, "name", b"record")
        await inbox.fail(first, error="it failed", retry_in=0)
        await inbox.put(key, b"3", replace=True)
        second = await self._take(inbox, "put in place of one that failed")
        _expect(second.body == b"3", promise)
        counted = (second.failures, second.error, second.line)
        _expect(counted == (0, None, None), "what replaces another has all its attempts")
        _expect(second.number > first.number, "what replaces another has a new number")
        promise = "what replaces another has no records of that"
        _expect(await inbox.recall(second, "name") is None, promise)
        await inbox.remember(first, "name", b"late")
        _expect(await inbox.recall(second, "name") is None, promise)
        _expect(await inbox.complete(first) is False, "what was replaced has lost its lease")
        await self._complete(second)
        await self._quick.put(key, b"4", replace=True)
        lost = await self._take(self._quick, "put in place of one that is completed")
        await self._clock.sleep(2 * _SECONDS)
        await inbox.put(key, b"5", replace=True)
        taken = await self._take(inbox, "put in place of one whose lease is over")
        promise = "one whose lease is over is replaced as one that waits"
        _expect((taken.body, taken.expiries) == (b"5", 0), promise)
        _expect(await self._quick.complete(lost) is False, promise)
        await self._complete(taken)

    async def successors(self) -> None:
        """Check `replace` of what runs, until that ends in each way."""
        inbox, key = self._inbox, _new_key()
        await inbox.put(key, b"0")
        entry = await self._take(inbox, "put")
        promise = "a successor waits until the one that runs has ended"
        for body in (b"next", b"the one after"):
            _expect(await inbox.put(key, body, replace=True) is True, promise)
            _expect(await inbox.take() is None, promise)
        states = [each.state async for each in inbox.unfinished() if each.key == key]
        _expect(states == ["running", "scheduled"], "a successor is listed, as scheduled")
        counts = await inbox.counts()
        counted = (counts.running, counts.scheduled)
        _expect(counted == (1, 1), "counts has successors as scheduled")
        await inbox.release(entry)
        entry = await self._take(inbox, "released, before its successor")
        await inbox.remember(entry, "name", b"record")
        await inbox.fail(entry, error="it failed", retry_in=0)
        entry = await self._take(inbox, "failed, before its successor")
        promise = "a release and a failure that is tried again don't end what has a successor"
        _expect((entry.body, entry.failures) == (b"0", 1), promise)
        await inbox.put(_new_key(), b"beside")
        beside = await self._take(inbox, "put beside it")
        await self._complete(entry)
        after = await self._take(inbox, "the successor of what is completed")
        promise = "a later successor replaces an earlier one"
        _expect((after.key, after.body) == (key, b"the one after"), promise)
        found = (after.failures, after.error, await inbox.recall(after, "name"))
        _expect(found == (0, None, None), "a successor begins without failures and records")
        promise = "a successor gets its number when the one that ran has ended"
        _expect(after.number > beside.number, promise)
        await self._complete(beside)
        await inbox.put(key, b"3", after=_SECONDS, replace=True)
        await inbox.fail(after, error="it failed", retry_in=None)
        start = self._clock.monotonic()
        promise = "a successor takes the place of what is kept as failed, at its own time"
        listed = [each async for each in inbox.unfinished() if each.key == key]
        _expect([each.state for each in listed] == ["scheduled"], promise)
        after = await self._eventually(inbox.take, promise, start)
        _expect((after.body, after.failures) == (b"3", 0), promise)
        await self._complete(after)
        promise = "what is completed is known, also as a successor"
        _expect(await inbox.put(key, b"") is False, promise)

    async def cancellations(self) -> None:
        """Check `cancel` of what waits, has failed, is completed, runs, and has a successor."""
        inbox, key = self._inbox, _new_key()
        nothing = "cancel returns False if there is nothing to remove"
        _expect(await inbox.cancel(key) is False, nothing)
        await inbox.put(key, b"", line="line", after=_LONG)
        _expect(await self._other.cancel(key) is True, "cancel returns True, and removes it")
        promise = "cancel forgets the key"
        _expect(await inbox.put(key, b"") is True, promise)
        entry = await self._take(inbox, "put after cancel")
        _expect(await inbox.cancel(key) is False, "cancel leaves what runs")
        await inbox.put(key, b"successor", replace=True)
        promise = "cancel removes the successor of what runs"
        _expect(await inbox.cancel(key) is True, promise)
        _expect(await inbox.renew(entry) is True, "cancel leaves what runs")
        await inbox.put(key, b"successor", replace=True)
        await inbox.remember(entry, "name", b"record")
        await inbox.release(entry)
        _expect(await inbox.cancel(key) is True, "cancel removes what was released")
        _expect(await inbox.take() is None, "cancel removes the successor, too")
        await inbox.put(key, b"")
        entry = await self._take(inbox, "put after cancel")
        _expect(await inbox.recall(entry, "name") is None, "cancel removes the records")
        await inbox.fail(entry, error="it failed", retry_in=None)
        _expect(await inbox.cancel(key) is True, "cancel removes what is kept as failed")
        await inbox.put(key, b"")
        await self._complete(await self._take(inbox, "put after cancel"))
        _expect(await inbox.cancel(key) is False, nothing)
        _expect(await inbox.put(key, b"") is False, "cancel leaves the key of what is completed")

    async def counts(self) -> None:
        inbox = self._inbox
        _expect(await inbox.counts() == InboxCounts(), "counts has nothing that is completed")
        body, key = sample_notification("messages", "created"), _new_key()
        for each in (key, _new_key()):
            await self._quick.put(each, body, line="line")
        counts = await self._other.counts()
        _expect((counts.waiting, counts.running) == (2, 0), "counts has all that waits")
        start = self._clock.monotonic()
        await self._take(self._quick, "put")
        counts = await self._other.counts()
        _expect((counts.waiting, counts.running) == (1, 1), "counts has what runs")

        async def expired() -> bool | None:
            return not (await self._other.counts()).running or None

        await self._eventually(expired, "in counts, what has lost its lease doesn't run", start)
        promise = "counts says for how many seconds the oldest waiting one has been due"
        counts = await self._other.counts()
        _expect(counts.oldest is not None and 0 < counts.oldest < _PATIENCE, promise)
        entry = await self._take(inbox, "lost")
        await inbox.fail(entry, error="it failed", retry_in=None)
        counts = await self._other.counts()
        _expect((counts.waiting, counts.failed) == (1, 1), "counts has what is kept as failed")
        entry = await self._take(inbox, "in its line")
        await inbox.release(entry, retry_in=_LONG)
        later = _new_key()
        await inbox.put(later, body, after=_LONG)
        await inbox.put(unreadable := _new_key(), b"no notification")
        entry = await self._take(inbox, "put")
        await inbox.fail(entry, error="it can't be read", retry_in=None)
        promise = "counts has each in one state"
        counted = InboxCounts(retrying=1, scheduled=1, failed=1, unreadable=1)
        _expect(await self._other.counts() == counted, promise)
        await self._drop(key, unreadable)
        await inbox.cancel(later)
        released = [each.key async for each in inbox.unfinished()]
        for each in released:
            await inbox.cancel(each)

    async def listing(self) -> None:
        """Check what is said of each that isn't completed; one that isn't due is still there."""
        inbox, body = self._inbox, sample_notification("messages", "created", data={"id": "ID"})
        failed, running, retrying, waiting, unreadable, done = keys = [_new_key() for _ in range(6)]
        for key in keys:
            content = b"no notification" if key == unreadable else body
            await inbox.put(key, content, line="line" if key in {retrying, waiting} else None)
        await inbox.put(scheduled := _new_key(), body, after=_LONG)
        entries = {(entry := await self._take(inbox, "put")).key: entry for _ in range(5)}
        await inbox.complete(entries[done])
        for key in (failed, unreadable):
            await inbox.fail(entries[key], error="it failed", retry_in=None)
        await inbox.fail(entries[retrying], error="it failed", retry_in=_LONG)
        found = [each async for each in self._other.unfinished()]
        order = [failed, running, retrying, waiting, unreadable, scheduled]
        promise = "unfinished has all but what is completed, in the order in which it was stored"
        _expect([each.key for each in found] == order, promise)
        states = ["failed", "running", "retrying", "waiting", "unreadable", "scheduled"]
        promise = "unfinished says in which state each is"
        _expect([each.state for each in found] == states, promise)
        listed = [each for each in found if each.key != unreadable]
        subjects = {(each.resource, each.event, each.data_id) for each in listed}
        promise = "unfinished says what a notification is about"
        _expect(subjects == {("messages", "created", "ID")}, promise)
        lines = [each.line for each in listed]
        _expect(lines == [None, None, "line", "line", None], "unfinished has the line")
        errors = [(each.failures, each.error) for each in found[:5]]
        promise = "unfinished has the failures and the last error"
        once, never = (1, "it failed"), (0, None)
        _expect(errors == [once, never, once, never, once], promise)
        holders = [each.holder is not None for each in found]
        _expect(holders == [False, True, *4 * [False]], "unfinished says who holds what runs")
        _expect(all(each.stored for each in found), "unfinished says when each was stored")
        dues = [each.due is not None for each in found]
        promise = "unfinished says when each is due, unless it isn't taken any more"
        _expect(dues == [False, True, True, True, False, True], promise)
        await self._complete(entries[running])
        await self._drop(failed, unreadable)
        for key in (retrying, waiting, scheduled):
            await inbox.cancel(key)

    async def decisions(self) -> None:
        """Check retry and drop."""
        inbox, other = self._inbox, self._other
        body = sample_notification("messages", "created")
        failed, running, waiting, later = (_new_key() for _ in range(4))
        for key in (failed, running, waiting, later):
            line = "line" if key in {running, waiting} else None
            await inbox.put(key, body, line=line, after=_LONG if key == later else 0.0)
        entries = [await self._take(inbox, "put") for _ in range(2)]
        await inbox.remember(entries[0], "name", b"record")
        await inbox.fail(entries[0], error="it failed", retry_in=None)
        all_keys = (failed, running, waiting, _new_key(), "\0\ud800")
        promise = "retry returns how many it made due, and changes nothing that runs"
        _expect(await other.retry(all_keys) == 1, promise)
        _expect(await inbox.renew(entries[1]) is True, promise)
        entry = await self._take(inbox, "tried again")
        _expect(entry.key == failed, promise)
        counts = (entry.failures, entry.expiries, entry.releases)
        _expect(counts == (0, 0, 0), "after retry, nothing is counted")
        _expect(entry.error == "it failed", "after retry, the error is still there")
        record = await inbox.recall(entry, "name")
        _expect(record == b"record", "records outlast a retry")
        promise = "retry makes due what is due later"
        await inbox.fail(entry, error="it failed", retry_in=_LONG)
        made_due = [failed, later]
        _expect(await other.retry(made_due) == len(made_due), promise)
        again = {(entry := await self._take(inbox, "made due")).key: entry for _ in range(2)}
        _expect(again.keys() == {*made_due}, promise)
        await self._complete(again[later])
        await inbox.fail(again[failed], error="it failed", retry_in=None)
        promise = "drop returns how many have failed, and removes these"
        _expect(await other.drop((*all_keys, later)) == 1, promise)
        _expect(await inbox.renew(entries[1]) is True, "drop changes nothing that hasn't failed")
        promise = "what was dropped is known for `keep` seconds, as if it were completed"
        _expect(await inbox.put(failed, body) is False, promise)
        _expect(await inbox.cancel(failed) is False, promise)
        _expect(await inbox.recall(entry, "name") is None, "records end with drop")
        await self._complete(entries[1])
        await self._complete(await self._take(inbox, "in its line"))
        await inbox.put(job := key_of_job("check", _new_key()), body)
        await inbox.fail(await self._take(inbox, "put"), error="it failed", retry_in=None)
        await self._drop(job)
        _expect(await inbox.put(job, body) is True, "the key of a job that was dropped is free")
        await self._complete(await self._take(inbox, "put after drop"))
        await inbox.put(unreadable := _new_key(), b"no notification")
        entry = await self._take(inbox, "put")
        await inbox.fail(entry, error="unreadable", retry_in=None)
        promise = "retry changes nothing that can't be read"
        _expect(await other.retry([unreadable]) == 0, promise)
        _expect(await inbox.take() is None, promise)
        await self._drop(unreadable)

    async def questions(self) -> None:
        """Check what is asked, found, waited for and answered."""
        inbox, other = self._inbox, self._other
        asks = await self._asking("line")
        opened = await self._ask(asks, "place", owner="owner")
        promise = "a question is opened with what was stored before it"
        _expect(opened.number == asks.number, promise)
        _expect(opened.opened is not None and opened.opened >= asks.number, promise)
        later = await self._ask(asks, "elsewhere", data=b"later")
        promise = "ask again changes the data alone"
        _expect((later.id, later.place, later.data) == (opened.id, "place", b"later"), promise)
        for place in ("place", "owner"):
            found = await self._found(place)
            _expect(found == [later], "questions finds a question by its place, and its owner")
        _expect(await self._found("elsewhere") == [], "questions finds no others")
        moved = await self._ask(asks, "card", seconds=_LONG)
        promise = "the call that sets the seconds of a question moves it to its place"
        _expect((moved.id, moved.place) == (opened.id, "card"), promise)
        _expect(await self._found("place", "card", "own") == [moved], promise)
        later = await self._ask(asks, "elsewhere", seconds=_SECONDS, data=b"later")
        promise = "a question that was moved stays where it is"
        _expect((later.id, later.place) == (opened.id, "card"), promise)
        _expect(await inbox.wait(asks, "record") is True, "wait returns True")
        _expect(await inbox.wait(asks, "record") is False, "wait ends the lease")
        _expect((await other.counts()).asking == 1, "counts has what asks")
        listed = [each.state async for each in other.unfinished() if each.key == asks.key]
        _expect(listed == ["asking"], "unfinished says what asks")
        answers = await self._asking("line")
        promise = "what asks holds up nobody, and what is stored later has a higher number"
        _expect(answers.number > (later.opened or 0), promise)
        _expect(await other.answer(answers, later.id, b"yes") is True, "answer returns True")
        promise = (
            "answer returns True for an entry that has answered, and answers no other question"
        )
        _expect(await inbox.answer(answers, -later.id, b"no") is True, promise)
        _expect(await self._found("place") == [], "answer closes the question")
        recorded = await inbox.records(answers)
        _expect(recorded == {ANSWERED: b"%d" % later.id}, "answer records which one it was")
        await self._complete(answers)
        again = await self._take(other, "answered")
        _expect((again.key, again.waits) == (asks.key, True), "what was answered is due, and waits")
        _expect(await inbox.ask(again, "record", place="place", data=b"") == b"yes", promise)
        _expect(await other.records(again) == {"record": b"yes"}, "records returns all records")
        await self._complete(again)

    async def closings(self) -> None:
        """Check how a question is closed, and what that leaves behind."""
        inbox, other = self._inbox, self._other
        asks = await self._asking("line")
        question = await self._ask(asks, "place")
        await inbox.answer(asks, question.id, b"yes")
        late = await self._asking("other line")
        promise = "answer returns False, and records nothing, if the question isn't open any more"
        _expect(await inbox.answer(late, question.id, b"late") is False, promise)
        _expect(await inbox.records(late) == {}, promise)
        await self._complete(late)
        await self._ask(asks, "place", record="other")
        await self._ask(asks, "place", record="another")
        promise = "an entry has one question at a time"
        _expect(len(await self._found("place")) == 1, promise)
        await other.unask(asks, "another")
        _expect(await self._found("place") == [], "unask closes a question")
        await self._ask(asks, "place", record="first of two")
        await self._ask(asks, "place", record="second of two", beside=True)
        promise = "a question is open beside others of its entry"
        _expect(len(await self._found("place")) == 2, promise)
        await inbox.unask(asks, "first of two")
        await inbox.unask(asks, "second of two")
        await inbox.wait(asks, "another")
        again = await self._take(inbox, "due at once, as its question isn't open")
        await self._ask(again, "place", record="other")
        promise = "a conversation that is given back holds up its line"
        await inbox.release(again, retry_in=_SECONDS)
        await inbox.put(behind := _new_key(), b"", line="line")
        _expect(await inbox.take() is None, promise)
        again = await self._eventually(inbox.take, promise)
        _expect(again.key == asks.key, promise)
        await self._complete(again)
        _expect(await self._found("place") == [], "complete closes the questions")
        entry = await self._take(inbox, "behind it")
        _expect(entry.key == behind, promise)
        await self._complete(entry)
        promise = "ask returns None, and opens nothing, if the lease is lost"
        _expect(await inbox.ask(again, "record", place="place", data=b"") is None, promise)

    async def fences(self) -> None:
        """Check that who has lost a lease changes nothing of the conversation, and hears of it."""
        inbox, quick = self._inbox, self._quick
        await quick.put(_new_key(), b"")
        lost = await self._take(quick, "put")
        question = await quick.ask(lost, "record", place="place", data=b"data")
        await quick.remember(lost, "conversation", b"old", leased=True)
        promise = "a record is written by who has the lease"
        _expect(await inbox.recall(lost, "conversation") == b"old", promise)
        promise = "questions returns them to who has the lease"
        _expect(await quick.questions("place", entry=lost) == [question], promise)
        again = await self._eventually(inbox.take, "a lease lasts for `lease` seconds")
        await quick.remember(lost, "conversation", b"new", leased=True)
        promise = "remember with leased does nothing for who has lost the lease"
        _expect(await inbox.recall(again, "conversation") == b"old", promise)
        await quick.unask(lost, "record")
        promise = "unask does nothing for who has lost the lease"
        _expect(await self._found("place") == [question], promise)
        promise = "questions returns None to who has lost the lease"
        _expect(await quick.questions("place", "elsewhere", entry=lost) is None, promise)
        _expect(await quick.questions("nowhere", entry=again) == [], promise)
        await self._complete(again)

    async def several(self) -> None:
        """Check an entry that waits at several questions at once."""
        inbox, other = self._inbox, self._other
        asks = await self._asking(None)
        records = ("one", "two", "three")
        for record in records:
            seconds = _SECONDS if record == "two" else _LONG
            await self._ask(asks, record, record=record, seconds=seconds, beside=True)
        start = self._clock.monotonic()
        await inbox.wait(asks, *records)
        promise = "what asks several is due when the first of them is over"
        again = await self._eventually(inbox.take, promise, start)
        await self._ask(again, "four", record="four", beside=True)
        found = await inbox.questions(entry=again) or ()
        promise = "questions finds those of an entry that are sent, and whose time isn't over"
        _expect([each.record for each in found] == ["one", "three"], promise)
        await inbox.unask(again, "four")
        promise = "what asks several is due when the first of them is over"
        ended = await inbox.ask(again, "two", place="two", data=b"", beside=True)
        _expect(ended == NO_ANSWER, promise)
        promise = "the end of a question leaves the others of its entry open"
        left = await self._found("one", "two", "three")
        _expect([each.record for each in left] == ["one", "three"], promise)
        await inbox.wait(again, "one", "three")
        answers = await self._asking(None)
        (question,) = await self._found("three")
        await other.answer(answers, question.id, b"yes")
        await self._complete(answers)
        again = await self._take(inbox, "answered at one of its questions")
        _expect(again.key == asks.key, "what asks several is due when one is answered")
        await inbox.wait(again, "one", "three")
        promise = "what would wait at a question that isn't open is due at once"
        again = await self._take(inbox, "due at once")
        _expect(again.key == asks.key, promise)
        await self._complete(again)

    async def exits(self) -> None:
        """Check what leaves its line."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        _expect(await self._other.renew(first, in_line=False) is True, "renew returns True")
        promise = "what has left its line holds up nobody"
        second = await inbox.take()
        _expect(second is not None and second.key == keys[1], promise)
        await self._complete(cast("InboxEntry", second))
        await inbox.fail(first, error="it failed", retry_in=_LONG)
        third = await inbox.take()
        _expect(third is not None and third.key == keys[2], promise)
        await inbox.retry([keys[0]])
        again = await self._take(self._other, "made due, beside its line")
        described = (again.key, again.line, again.number)
        promise = "what has left its line has none any more, and its number"
        _expect(described == (keys[0], None, first.number), promise)
        for each in (again, cast("InboxEntry", third)):
            await self._complete(each)
        _expect(await inbox.renew(again, in_line=False) is False, "renew returns False at the end")

    async def stops(self) -> None:
        """Check what an owner stops."""
        inbox, other = self._inbox, self._other
        keys = waits, asks, runs, left, failed, final = [_new_key() for _ in range(6)]
        for key in keys:
            body = sample_notification("messages", "created") if key == final else key.encode()
            await inbox.put(key, body, owner="person/room", line=key)
        await inbox.put(elsewhere := _new_key(), b"", owner="person/other")
        taken = {(entry := await self._take(inbox, "put")).key: entry for _ in range(7)}
        await inbox.release(taken[waits], retry_in=_LONG)
        await self._ask(taken[asks], "place", owner="person/room", seconds=_LONG)
        await inbox.wait(taken[asks], "record")
        await inbox.renew(taken[left], in_line=False)
        await inbox.fail(taken[failed], error="it failed", retry_in=_LONG)
        await inbox.fail(taken[final], error="it failed", retry_in=None)
        await inbox.put(later := _new_key(), b"", owner="person/room")
        last = await self._take(inbox, "put later")
        stopped = await other.stop("person/room", before=last.number)
        promise = "stop returns what has begun, and asks nothing"
        begun = {taken[key].number: key.encode() for key in (runs, left, failed)}
        _expect(stopped == begun, promise)
        promise = "stop returns what it marks, once"
        _expect(await inbox.stop("person/room", before=last.number) == {}, promise)
        promise = "stopping has what is stopped, and runs"
        running = {taken[key].number for key in (runs, left)}
        _expect({*await other.stopping()} == running, promise)
        await inbox.retry([waits, asks, failed, final])
        promise = "an entry says that it is stopped, until what is kept as failed"
        again = {(entry := await self._take(inbox, "made due")).key: entry for _ in range(4)}
        marks = {key: entry.stopped for key, entry in again.items()}
        _expect(marks == {waits: True, asks: True, failed: True, final: False}, promise)
        promise = "stop marks what its owner begins with, by a lower number alone"
        number = taken[elsewhere].number
        _expect({*await inbox.stop("person", before=number + 1)} >= {number}, promise)
        _expect(last.number not in {*await inbox.stopping()}, promise)
        for each in (*again.values(), taken[runs], taken[left], taken[elsewhere], last):
            await self._complete(each)
        _expect(await inbox.put(runs, b"") is False, "what was stopped is known as any other")
        _expect(later == last.key, "take returns what was put")

    async def stopped_jobs(self) -> None:
        """Check what stops by its key: it runs, or it asks."""
        inbox, other = self._inbox, self._other
        key = key_of_job("check", _new_key())
        _expect(await inbox.stop(key) == {}, "stop returns nothing for a key that isn't known")
        await inbox.put(key, b"first")
        _expect(await inbox.stop(key) == {}, "stop leaves what neither runs nor asks")
        entry = await self._take(inbox, "put")
        await self._ask(entry, "place", seconds=_LONG)
        await inbox.put(key, b"next", replace=True)
        await inbox.wait(entry, "record")
        stopped = await other.stop(key, data=b"stopped here")
        promise = "stop ends the question of a key, and makes due what asks"
        _expect(stopped == {entry.number: b"first"}, promise)
        _expect(await self._found("place") == [], promise)
        _expect(await inbox.recall(entry, "record") == b"stopped here", promise)
        _expect(await inbox.stop(key) == {}, "what is stopped isn't stopped again")
        promise = "stop removes the successor, and cancel leaves what is stopped"
        _expect(await inbox.cancel(key) is False, promise)
        promise = "put behind a job that is stopped stores its successor, once"
        _expect(await inbox.put(key, b"then") is True, promise)
        _expect(await inbox.put(key, b"never") is False, promise)
        _expect(await inbox.put(key, b"last", replace=True) is True, promise)
        entry = await self._take(inbox, "stopped")
        _expect((entry.body, entry.stopped) == (b"first", True), promise)
        await self._complete(entry)
        entry = await self._take(inbox, "the successor of what was stopped")
        _expect((entry.body, entry.stopped) == (b"last", False), promise)
        _expect(await other.stop(key) == {entry.number: b"last"}, "stop marks what runs")
        await self._complete(entry)
        promise = "the key of a job that was stopped is free when it has ended"
        _expect(await inbox.put(key, b"new") is True, promise)
        await self._complete(await self._take(inbox, "put after the end"))
        await inbox.put(message := _new_key(), b"")
        entry = await self._take(inbox, "put")
        await inbox.stop(message)
        promise = "put returns False for a message that is stopped"
        _expect(await inbox.put(message, b"") is False, promise)
        await self._complete(entry)
        _expect(await inbox.put(message, b"") is False, promise)

    async def order_in_a_line(self) -> None:
        """Check that what is stored later in a line has a higher number, at the same time."""
        inboxes = 3 * (self._inbox, self._other)
        found: list[tuple[set[str], str]] = []

        async def put_each(inbox: Inbox, letter: str) -> None:
            for _ in range(3):
                seen = {each.key async for each in inbox.unfinished()}
                await inbox.put(key := f"{letter}{_new_key()}", b"", line="line")
                found.append((seen, key))

        await asyncio.gather(*map(put_each, inboxes, "abcdef"))
        order: list[str] = []
        for _ in found:
            entry = await self._take(self._inbox, "in its line")
            order.append(entry.key)
            await self._complete(entry)
        promise = "what is stored in a line has a higher number than all that was visible"
        for seen, key in found:
            _expect(seen <= {*order[: order.index(key)]}, promise)

    async def _found(self, *places: str) -> list[Question]:
        """Return the questions at some places, from either inbox."""
        found = await self._other.questions(*places)
        _expect(found is not None, "questions returns a list to who names no entry")
        return [*cast("Sequence[Question]", found)]

    async def queues(self) -> None:
        """Check that questions which queue at a place are open one after the other."""
        inbox, other = self._inbox, self._other
        first, second, third = [await self._asking(None) for _ in range(3)]
        one = await self._ask(first, "queue", queues=True)
        _expect(one.opened is not None, "the first question that queues at a place is open")
        for each in (second, third):
            question = await self._ask(each, "queue", queues=True)
            _expect(question.opened is None, "a question that queues waits for the one before it")
            promise = "a question that waits can't be answered"
            _expect(await inbox.answer(first, question.id, b"") is False, promise)
            await inbox.wait(each, "record")
        beside = await self._asking(None)
        question = await self._ask(beside, "queue")
        _expect(question.opened is not None, "a question that doesn't queue waits for none")
        await self._complete(beside)
        promise = "a question that waits is due when the one before it is closed"
        _expect(await other.take() is None, promise)
        answers = await self._asking(None)
        await inbox.answer(answers, one.id, b"")
        await inbox.fail(first, error="it failed", retry_in=None)
        await self._complete(answers)
        entry = await self._take(other, "next in the queue")
        _expect(entry.key == second.key, promise)
        _expect(await other.take() is None, promise)
        _expect((await self._ask(entry, "queue", queues=True)).opened is not None, promise)
        await inbox.fail(entry, error="it failed", retry_in=None)
        entry = await self._take(other, "next in the queue")
        _expect(entry.key == third.key, "fail closes the questions of what is kept as failed")
        await self._complete(entry)
        await self._drop(first.key, second.key)

    async def ends_of_questions(self) -> None:
        """Check the ends of questions: in time, by `end`, `retry`, `cancel` and `put`."""
        inbox, other = self._inbox, self._other
        asks = await self._asking(None)
        start = self._clock.monotonic()
        await self._ask(asks, "place", seconds=_SECONDS)
        await inbox.wait(asks, "record")
        promise = "what asks is due when the seconds of its question have passed"
        again = await self._eventually(inbox.take, promise, start)
        question = await inbox.ask(again, "record", place="place", data=b"")
        _expect(question == NO_ANSWER, "a question whose seconds have passed has no answer")
        promise = "that there was no answer is recorded"
        _expect(await other.recall(again, "record") == NO_ANSWER, promise)
        await self._ask(again, "place", record="next", seconds=_SECONDS)
        await inbox.wait(again, "next")
        for seconds in (_LONG, 2 * _LONG):
            await other.postpone(seconds)
        _expect(await other.retry([asks.key]) == 1, "retry counts what asks")
        again = await self._take(inbox, "made due")
        question = await inbox.ask(again, "next", place="place", data=b"")
        _expect(question == NO_ANSWER, "retry ends the question of what asks")
        start = self._clock.monotonic()
        await self._ask(again, "place", record="last", seconds=_SECONDS / 2)
        await inbox.wait(again, "last")
        for _ in range(2):
            await other.postpone(_SECONDS)
        promise = "postpone lets each question end later, once"
        again = await self._eventually(inbox.take, promise, start)
        question = await self._ask(again, "place", record="more")
        await inbox.wait(again, "more")
        ended = await other.end([question.id, -question.id], b"ended")
        _expect(ended == 1, "end counts what it ends")
        promise = "end records its data, and closes the question"
        _expect(await inbox.recall(again, "more") == b"ended", promise)
        _expect(await self._found("place") == [], promise)
        again = await self._take(inbox, "made due by end")
        _expect(again.key == asks.key, "end makes due what asks, and completes nothing")
        await self._complete(again)
        await inbox.cancel(asks.key)
        for replace in (False, True):
            asks = await self._asking(None)
            await self._ask(asks, "place")
            await inbox.wait(asks, "record")
            if replace:
                await inbox.put(asks.key, b"", replace=True)
                await self._complete(await self._take(inbox, "put in its place"))
            else:
                await inbox.cancel(asks.key)
            promise = f"{'put in place of what asks' if replace else 'cancel'} closes its question"
            _expect(await self._found("place") == [], promise)

    async def late_answers(self) -> None:
        """Check that a question doesn't end while something that was stored may answer it."""
        inbox, other = self._inbox, self._other
        for line in ("line", None):
            asks = await self._asking("other line")
            await self._ask(asks, "place", seconds=_SECONDS / 5, line=line)
            answers = await self._asking("line")
            promise = "a question doesn't end while what was stored before may answer it"
            again, found = await self._ask_late(asks)
            _expect(isinstance(found, Question), promise)
            await self._complete(answers)
            promise = "an end that was put off comes when nothing may answer any more"
            again, found = await self._ask_late(again)
            _expect(found == NO_ANSWER, promise)
            await self._complete(again)
        asks = await self._asking(None)
        failed, talks, later, left = [await self._asking(f"line {each}") for each in range(4)]
        await inbox.fail(failed, error="it failed", retry_in=None)
        await self._ask(talks, "elsewhere", seconds=_LONG)
        await inbox.release(later, retry_in=_LONG)
        await inbox.renew(left, in_line=False)
        await inbox.put(key_of_job("check", _new_key()), b"", line="line of jobs")
        others = [await self._take(inbox, "put"), await self._asking(None), talks, left]
        await self._ask(asks, "place", seconds=_SECONDS / 5)
        await self._clock.sleep(2 * _SECONDS / 5)
        others.append(await self._asking("line"))
        again, found = await self._ask_late(asks)
        promise = "what can't answer a question any more doesn't put off its end"
        _expect(found == NO_ANSWER, promise)
        for each in (again, *others):
            await self._complete(each)
        await other.cancel(later.key)
        await self._drop(failed.key)

    async def _ask_late(self, entry: InboxEntry) -> tuple[InboxEntry, Question | bytes | None]:
        """Let an entry wait, and ask again when it is due."""
        await self._inbox.wait(entry, "record")
        promise = "what asks is due when the seconds of its question have passed"
        again = await self._eventually(self._other.take, promise)
        return again, await self._other.ask(again, "record", place="place", data=b"")

    async def races_of_questions(self) -> None:
        """Check calls about one question at the same moment, in both orders."""
        inbox, other = self._inbox, self._other
        for number in range(_RACES):
            asks = await self._asking(None)
            question = await self._ask(asks, "place")
            answers = await self._asking(None)
            calls: list[Awaitable[object]] = [
                inbox.wait(asks, "record"),
                other.answer(answers, question.id, b"yes"),
            ]
            await asyncio.gather(*(calls if number % 2 else reversed(calls)))
            await self._complete(answers)
            again = await self._take(inbox, "answered while it began to wait")
            promise = "an answer beside wait is recorded, and makes the entry due"
            _expect(await other.recall(again, "record") == b"yes", promise)
            question = await self._ask(again, "place", record="next", seconds=_LONG)
            await inbox.wait(again, "next")
            one, two = await self._asking(None), await self._asking(None)
            ends: list[Awaitable[int]] = [
                inbox.answer(one, question.id, b"one"),
                other.answer(two, question.id, b"two"),
                other.end([question.id], b"ended"),
            ]
            results = await asyncio.gather(*(ends if number % 2 else reversed(ends)))
            promise = "of answers and an end at the same moment, one succeeds"
            _expect(sum(map(int, results)) == 1, promise)
            for each in (one, two):
                await self._complete(each)
            again = await self._take(inbox, "answered, or ended")
            names = [b"one", b"two", b"ended"] if number % 2 else [b"ended", b"two", b"one"]
            recorded = await other.recall(again, "next")
            _expect(recorded == names[[*map(int, results)].index(1)], promise)
            await self._complete(again)

    async def _asking(self, line: str | None) -> InboxEntry:
        """Store an entry, and take it."""
        await self._inbox.put(key := _new_key(), b"", line=line)
        entry = await self._take(self._inbox, "put")
        _expect(entry.key == key, "take returns what was put")
        return entry

    async def _ask(
        self,
        entry: InboxEntry,
        place: str,
        *,
        record: str = "record",
        **more: Any,  # noqa: ANN401 - as `ask`
    ) -> Question:
        more.setdefault("data", b"data")
        found = await self._inbox.ask(entry, record, place=place, **more)
        _expect(isinstance(found, Question), "ask returns a question that isn't answered")
        return cast("Question", found)

    async def claims(self) -> None:
        inbox, other = self._inbox, self._other
        name = _new_key()
        start = self._clock.monotonic()
        _expect(await inbox.claim(name, _SECONDS) is True, "claim returns True for the first")
        once = "claim returns True once within `seconds`, over all inboxes"
        for each in (inbox, other):
            _expect(await each.claim(name, _LONG) is False, once)
        await other.unclaim(name)
        promise = "unclaim leaves the claims of another inbox"
        _expect(await other.claim(name, _LONG) is False, promise)
        await self.aclose()
        _expect(await other.claim(name, _LONG) is False, "claims outlast aclose")

        async def claimed() -> bool | None:
            return await other.claim(name, _LONG) or None

        await self._eventually(
            claimed, "a claim ends after its seconds, also if others were refused", start
        )
        await other.unclaim(name)
        promise = "unclaim lets the next who asks get it"
        _expect(await inbox.claim(name, _LONG) is True, promise)
        promise = "a claim of the inbox is renewed, and another one isn't"
        _expect(await inbox.claim(name, _LONG, renew=True) is True, promise)
        _expect(await other.claim(name, _LONG, renew=True) is False, promise)
        renewed = _new_key()
        await inbox.claim(renewed, _SECONDS)
        await self._clock.sleep(_SECONDS / 5)  # so that only a claim that is longer passes
        start = self._clock.monotonic()
        await inbox.claim(renewed, _SECONDS, renew=True)

        async def ended() -> bool | None:
            return await other.claim(renewed, _LONG) or None

        await self._eventually(ended, "a claim that is renewed lasts from then on", start)
        await other.unclaim(renewed)
        promise = "claims and keys have nothing to do with each other"
        _expect(await inbox.put(name, b"") is True, promise)
        entry = await self._take(inbox, "put under the name of a claim")
        _expect(await inbox.claim(entry.key, _LONG) is False, promise)
        await self._complete(entry)
        _expect(await inbox.claim(entry.key, _LONG) is False, promise)
        await inbox.unclaim(name)
        name = _new_key()
        claims = await asyncio.gather(*(each.claim(name, _LONG) for each in 10 * (inbox, other)))
        _expect(claims.count(True) == 1, "of claims at the same time, one is granted")
        for each in (inbox, other):
            await each.unclaim(name)
        for wrong in (inbox.claim("", _LONG), inbox.claim(name, 0.0)):
            promise = "claim refuses an empty name, and no seconds, with a ValueError"
            await _expect_error(wrong, promise)

    async def records(self) -> None:
        """Check records through failures, a lost lease and a restart, until the completion."""
        quick, other = self._quick, self._inbox
        for _ in range(2):
            await quick.put(_new_key(), b"")
        start = self._clock.monotonic()
        entry, second = await self._take(quick, "put"), await self._take(quick, "put")
        nothing = "recall returns None where nothing was recorded"
        _expect(await quick.recall(entry, "name") is None, nothing)
        await quick.remember(entry, "name", b"first")
        await quick.remember(entry, "name", b"\x00record")
        for name, which, found in (
            ("name", entry, b"\x00record"),
            ("other", entry, None),
            ("name", second, None),
        ):
            promise = "recall returns what was recorded last, for that entry and that name alone"
            _expect(await quick.recall(which, name) == found, promise)
        await self.aclose()
        promise = "records are durable, and shared as entries are"
        _expect(await other.recall(entry, "name") == b"\x00record", promise)
        lost = (entry, second)
        promise = "a lease lasts for `lease` seconds"
        again = [await self._eventually(other.take, promise, start) for _ in lost]
        (entry,) = (each for each in again if each.key == lost[0].key)
        promise = "records outlast a lost lease, and can be written without it"
        await quick.remember(lost[0], "late", b"late")
        for name in ("name", "late"):
            _expect(await other.recall(entry, name) is not None, promise)
        await other.fail(entry, error="it failed", retry_in=0)
        promise = "records outlast a failure"
        entry = await self._take(other, "failed, and is due")
        _expect(await other.recall(entry, "name") == b"\x00record", promise)
        for each in again:
            await self._complete(entry if each.key == entry.key else each)
        await quick.remember(entry, "late", b"late")
        for name in ("name", "late"):
            promise = "records end with the completion"
            _expect(await other.recall(entry, name) is None, promise)

    async def times(self) -> None:
        """Check the times of an inbox that keeps some, which it needn't."""
        if type(self._inbox).caught_up is Inbox.caught_up:
            return
        name, other = _new_key(), _new_key()
        promise = "caught_up returns None for a name that has no time"
        _expect(await self._inbox.caught_up(name) is None, promise)
        for time_kept in (_FUTURE, _PAST):
            await self._inbox.set_caught_up(name, time_kept)
        await self._inbox.set_caught_up(other, _FUTURE)
        promise = "caught_up returns the last time of a name, in all inboxes"
        _expect(await self._other.caught_up(name) == _PAST, promise)
        promise = "set_caught_up refuses a time without a time zone with a ValueError"
        no_zone = _PAST.replace(tzinfo=None)
        await _expect_error(self._inbox.set_caught_up(name, no_zone), promise)

    async def concurrency(self) -> None:
        inboxes = 10 * (self._inbox, self._other)
        key = _new_key()
        stored = await asyncio.gather(*(each.put(key, b"") for each in inboxes))
        _expect(stored.count(True) == 1, "of copies that come at the same time, one is stored")
        taken = await asyncio.gather(*(each.take() for each in inboxes))
        _expect(len([*filter(None, taken)]) == 1, "calls at the same time lease an entry once")
        await self._complete(next(filter(None, taken)))
        for _ in inboxes:
            await self._inbox.put(_new_key(), b"", line="line")
        taken = await asyncio.gather(*(each.take() for each in inboxes))
        entries = [*filter(None, taken)]
        _expect(len(entries) == 1, "calls at the same time take one of a line")
        for _ in inboxes[1:]:
            await self._complete(entries.pop())
            entries = [await self._take(self._inbox, "the next in its line")]
        await self._complete(entries.pop())

    async def closing(self) -> None:
        await self._inbox.put(_new_key(), b"")
        await self.aclose()
        await self._complete(await self._take(self._inbox, "put before aclose"))

    async def _eventually(
        self, call: Callable[[], Awaitable[T | None]], promise: str, since: float | None = None
    ) -> T:
        """Call until it returns something; not before `_SECONDS` have passed since `since`."""
        end = self._clock.monotonic() + _PATIENCE
        while self._clock.monotonic() < end:
            result = await call()
            if result is not None:
                is_late = (
                    since is None or self._clock.monotonic() - since >= (1 - _TOLERANCE) * _SECONDS
                )
                _expect(is_late, promise)
                return result
            await self._clock.sleep(_SECONDS / 20)
        raise AssertionError(promise)

    async def _take(self, inbox: Inbox, what: str) -> InboxEntry:
        entry = await inbox.take()
        if entry is None:
            raise AssertionError(f"take returns what was {what}")
        return entry

    async def _complete(self, entry: InboxEntry) -> None:
        _expect(await self._inbox.complete(entry) is True, "complete returns True")

    async def _drop(self, *keys: str) -> None:
        dropped = await self._inbox.drop(keys)
        _expect(dropped == len(keys), "drop removes what is kept as failed, or is unreadable")


def _expect(condition: bool, promise: str) -> None:  # noqa: FBT001 - as an assertion
    if not condition:
        raise AssertionError(promise)


async def _expect_error(call: Awaitable[object], promise: str) -> None:
    try:
        await call
    except ValueError:
        return
    raise AssertionError(promise)


def _new_key() -> str:
    """A key that no earlier run has stored, either; it is as long as those of notifications."""
    return uuid4().hex * 2
