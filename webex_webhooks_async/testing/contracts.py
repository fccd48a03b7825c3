"""Checks that a storage of your own keeps what its base class promises."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxEntry
from webex_webhooks_async.testing.samples import sample_notification
from webex_webhooks_async.validation import check_inherits

T = TypeVar("T")


async def check_inbox(factory: Callable[..., Inbox]) -> None:
    """Check that an `Inbox` of your own keeps the promises of the class.

    ::

        async def test_inbox() -> None:
            await check_inbox(partial(DynamoDBInbox, "inbox-of-tests"))

    It takes a few seconds, because leases and claims have to expire. Nothing else may use the
    storage meanwhile, or wait in it.

    Args:
        factory: Called as ``factory(lease=..., keep=...)``, with seconds. Each call returns an
            inbox on the same storage.

    Raises:
        AssertionError: A promise is broken; the message says which.
        TypeError: `factory` isn't a function, or what it returns doesn't inherit from `Inbox`.
    """
    _check_factory(factory)
    check = _InboxCheck(factory)
    try:
        await check.known()
        await check.shared()
        await check.records()
        await check.failures()
        await check.releases()
        await check.completion()
        await check.leases()
        await check.lines()
        await check.expiries_in_a_line()
        await check.delays()
        await check.counts()
        await check.listing()
        await check.decisions()
        await check.claims()
        await check.concurrency()
        await check.closing()
    finally:
        await check.aclose()


def _check_factory(factory: object) -> None:
    if not callable(factory):
        given = type(factory).__name__
        raise TypeError(f"factory must be a function, got {given}: pass one that returns an inbox")


_SECONDS = 0.5  # how long leases, pauses and memories are that have to end
_TOLERANCE = 0.1  # of it; clocks are coarse
_PATIENCE = 10.0
_LONG = 60.0  # longer than the check takes


class _InboxCheck:
    def __init__(self, factory: Callable[..., Inbox]) -> None:
        self._inbox = factory(lease=_LONG, keep=_LONG)
        check_inherits("inbox", self._inbox, Inbox)
        self._other = factory(lease=_LONG, keep=_LONG)
        self._quick = factory(lease=_SECONDS, keep=_SECONDS)

    async def aclose(self) -> None:
        for each in (self._inbox, self._other, self._quick):
            await each.aclose()

    async def known(self) -> None:
        key = _new_key()
        _expect(await self._inbox.take() is None, "take returns None from an empty inbox")
        _expect(await self._inbox.put(key, b"\x00{}") is True, "put returns True for a new key")
        _expect(await self._inbox.put(key, b"") is False, "put returns False for one that waits")
        entry = await self._take(self._inbox, "put")
        _expect((entry.key, entry.body) == (key, b"\x00{}"), "take returns what was put first")
        counts = (entry.failures, entry.expiries, entry.releases, entry.line, entry.error)
        _expect(counts == (0, 0, 0, None, None), "a new entry has never failed")
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
        start = time.monotonic()
        failed = await self._inbox.fail(entry, error="it failed", retry_in=_SECONDS)
        _expect(failed is True, "fail returns True")
        _expect(await self._inbox.put(key, b"") is False, "put returns False for one that failed")
        again = await _later(start, self._inbox.take, "an entry is due when retry_in has passed")
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
        start = time.monotonic()
        await inbox.release(again, retry_in=_SECONDS)
        await self._complete(
            await _later(start, inbox.take, "release waits for `retry_in` seconds")
        )

    async def completion(self) -> None:
        key = _new_key()
        await self._quick.put(key, b"")
        entry = await self._take(self._quick, "put")
        start = time.monotonic()
        _expect(await self._quick.complete(entry) is True, "complete returns True")
        _expect(await self._quick.complete(entry) is False, "complete ends the lease")

        async def put() -> bool | None:
            return await self._inbox.put(key, b"new") or None

        whose = "of the inbox that completed it"
        await _later(start, put, f"what is completed is known for the `keep` seconds {whose}")
        await self._complete(await self._take(self._inbox, "put after `keep` seconds"))

    async def leases(self) -> None:
        await self._quick.put(_new_key(), b"body")
        lost = await self._take(self._quick, "put")
        _expect(lost.lease == _SECONDS, "an entry says for how many seconds its lease lasts")
        await asyncio.sleep(_SECONDS / 5)  # so that only a lease that is longer passes
        start = time.monotonic()
        _expect(await self._quick.renew(lost) is True, "renew returns True")
        promise = "a lease lasts for `lease` seconds after renew"
        taken = await _later(start, self._inbox.take, promise)
        _expect(taken.body == b"body", "an entry that is taken over has its body")
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
        start = time.monotonic()
        await inbox.fail(first, error="it failed", retry_in=_SECONDS)
        second = await self._take(inbox, "behind one that waits for another attempt")
        _expect(second.key == keys[1], "of a line the first one that is due is taken")
        while time.monotonic() < start + 2 * _SECONDS:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(_SECONDS / 5)
        _expect(
            await inbox.take() is None, "of a line one is taken at a time, also after a failure"
        )
        await self._complete(second)
        again = await self._take(inbox, "due again")
        _expect(again.key == keys[0], "what is due again takes its place in its line")
        await self._complete(again)
        for entry in (beside, await self._take(inbox, "the last one in its line")):
            await self._complete(entry)
        promise = "put refuses an empty line with a ValueError"
        await _expect_error(inbox.put(_new_key(), b"", line=""), promise)

    async def expiries_in_a_line(self) -> None:
        """Check that what a killed process has taken goes on before all others of its line."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await self._take(inbox, "put")
        start = time.monotonic()
        await inbox.fail(first, error="it failed", retry_in=_SECONDS / 2)
        lost = await self._take(self._quick, "behind it")
        taken = await _later(start, inbox.take, "a lease in a line lasts for `lease` seconds")
        promise = "of a line the one whose lease has expired goes on"
        _expect((taken.key, taken.expiries) == (lost.key, 1), promise)
        await self._complete(taken)
        for _ in range(2):
            await self._complete(await self._take(inbox, "in its line"))

    async def delays(self) -> None:
        """Check that what isn't due waits, and holds up no other of its line."""
        late, early = _new_key(), _new_key()
        start = time.monotonic()
        await self._inbox.put(late, b"", line="line", after=_SECONDS)
        await self._inbox.put(early, b"", line="line")
        entry = await self._take(self._inbox, "put, behind one that isn't due")
        promise = "an entry is due `after` seconds after put, and holds up no other until then"
        _expect(entry.key == early, promise)
        await self._complete(entry)
        await self._complete(await _later(start, self._inbox.take, promise))
        promise = "put refuses a negative `after` with a ValueError"
        await _expect_error(self._inbox.put(_new_key(), b"", after=-1.0), promise)

    async def counts(self) -> None:
        before = await self._inbox.counts()
        counted = (before.waiting, before.running, before.oldest)
        _expect(counted == (0, 0, None), "counts has nothing that is completed")
        key = _new_key()
        for each in (key, _new_key()):
            await self._quick.put(each, b"", line="line")
        counts = await self._other.counts()
        _expect((counts.waiting, counts.running) == (2, 0), "counts has all that waits")
        _expect(counts.oldest is not None and counts.oldest >= 0, "counts says how old it is")
        start = time.monotonic()
        await self._take(self._quick, "put")
        counts = await self._other.counts()
        _expect((counts.waiting, counts.running) == (1, 1), "counts has what runs")

        async def expired() -> bool | None:
            return not (await self._other.counts()).running or None

        await _later(start, expired, "in counts, what has lost its lease doesn't run")
        entry = await self._take(self._inbox, "lost")
        await self._inbox.fail(entry, error="it failed", retry_in=None)
        counts = await self._other.counts()
        failed = (counts.waiting, counts.failed - before.failed)
        _expect(failed == (1, 1), "counts has what is kept as failed")
        await self._complete(await self._take(self._inbox, "in its line"))
        await self._drop(key)

    async def listing(self) -> None:
        """Check what is said of each that isn't completed; one that isn't due is still there."""
        body = sample_notification("messages", "created", data={"id": "ID"})
        failed, running, waiting, other, done = keys = [_new_key() for _ in range(5)]
        for key in keys:
            await self._inbox.put(key, body, line="line" if key in {waiting, other} else None)
        entries = {(entry := await self._take(self._inbox, "put")).key: entry for _ in range(4)}
        await self._inbox.complete(entries[done])
        await self._inbox.fail(entries[failed], error="it failed", retry_in=None)
        await self._inbox.fail(entries[waiting], error="it failed", retry_in=_SECONDS)
        await self._inbox.put(unreadable := _new_key(), b"no notification")
        found = [each async for each in self._other.unfinished()]
        listed = [each for each in found if each.key in {*keys, unreadable}]
        in_order = [failed, running, waiting, other, unreadable]
        promise = "unfinished has all but what is completed, in the order in which it was stored"
        _expect([each.key for each in listed] == in_order, promise)
        states = [each.state for each in listed]
        promise = "unfinished says what waits, runs, is kept as failed, or can't be read"
        _expect(states == ["failed", "running", "waiting", "waiting", "unreadable"], promise)
        one, two, three, four, _ = listed
        subjects = {(each.resource, each.event, each.data_id) for each in listed[:4]}
        promise = "unfinished says what a notification is about"
        _expect(subjects == {("messages", "created", "ID")}, promise)
        lines = [each.line for each in (one, two, three, four)]
        _expect(lines == [None, None, "line", "line"], "unfinished has the line")
        errors = [(each.failures, each.error) for each in (one, two, three)]
        promise = "unfinished has the failures and the last error"
        _expect(errors == [(1, "it failed"), (0, None), (1, "it failed")], promise)
        holders = [each.holder is not None for each in (one, two, three)]
        _expect(holders == [False, True, False], "unfinished says who holds what runs, alone")
        times = [each.stored is not None for each in listed]
        _expect(all(times), "unfinished says when each was stored")
        dues = [each.due is not None for each in (one, two, three)]
        _expect(dues == [False, True, True], "unfinished says when each is due, unless it failed")
        await self._complete(entries[running])
        await self._drop(failed, unreadable)
        for _ in (waiting, other):
            await self._complete(await _eventually(self._inbox.take, "take returns what waits"))

    async def decisions(self) -> None:
        """Check retry and drop."""
        inbox, other = self._inbox, self._other
        body = sample_notification("messages", "created")
        failed, running, waiting = _new_key(), _new_key(), _new_key()
        for key in (failed, running, waiting):
            await inbox.put(key, body, line=None if key == failed else "line")
        entries = [await self._take(inbox, "put") for _ in range(2)]
        await inbox.remember(entries[0], "name", b"record")
        await inbox.release(entries[0])
        again = await self._take(inbox, "released")
        await inbox.fail(again, error="it failed", retry_in=None)
        all_keys = (failed, running, waiting, _new_key(), "\0\ud800")
        promise = "retry returns how many have failed, and lets these be due"
        _expect(await other.retry(all_keys) == 1, promise)
        entry = await self._take(inbox, "tried again")
        _expect(entry.key == failed, promise)
        counts = (entry.failures, entry.expiries, entry.releases)
        _expect(counts == (0, 0, 0), "after retry, nothing is counted")
        _expect(entry.error == "it failed", "after retry, the error is still there")
        record = await inbox.recall(entry, "name")
        _expect(record == b"record", "records outlast a retry")
        _expect(await other.retry(all_keys) == 0, "retry changes nothing that hasn't failed")
        await inbox.fail(entry, error="it failed", retry_in=None)
        promise = "drop returns how many have failed, and removes these"
        _expect(await other.drop(all_keys) == 1, promise)
        _expect(await inbox.renew(entries[1]) is True, "drop changes nothing that hasn't failed")
        _expect(await inbox.put(failed, body) is True, "what was dropped isn't known")
        entry = await self._take(inbox, "put after drop")
        _expect(await inbox.recall(entry, "name") is None, "records end with drop")
        for each in (entry, entries[1]):
            await self._complete(each)
        await self._complete(await self._take(inbox, "in its line"))
        await inbox.put(unreadable := _new_key(), b"no notification")
        entry = await self._take(inbox, "put")
        await inbox.fail(entry, error="unreadable", retry_in=None)
        listed = [each async for each in other.unfinished() if each.key == unreadable]
        shown = [(each.state, each.failures, each.error) for each in listed]
        promise = "unfinished has the failures and the error of what can't be read"
        _expect(shown == [("unreadable", 1, "unreadable")], promise)
        promise = "retry changes nothing that can't be read"
        _expect(await other.retry([unreadable]) == 0, promise)
        _expect(await inbox.take() is None, promise)
        await self._drop(unreadable)

    async def claims(self) -> None:
        inbox, other = self._inbox, self._other
        name = _new_key()
        start = time.monotonic()
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

        await _later(start, claimed, "a claim ends after its seconds, also if others were refused")
        await other.unclaim(name)
        promise = "unclaim lets the next who asks get it"
        _expect(await inbox.claim(name, _LONG) is True, promise)
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
        start = time.monotonic()
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
        again = [await _later(start, other.take, promise) for _ in lost]
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


async def _later(start: float, call: Callable[[], Awaitable[T | None]], promise: str) -> T:
    """Call until it returns something, which must be `_SECONDS` after the start, not before."""
    result = await _eventually(call, promise)
    _expect(time.monotonic() - start >= (1 - _TOLERANCE) * _SECONDS, promise)
    return result


async def _eventually(call: Callable[[], Awaitable[T | None]], promise: str) -> T:
    """Call until it returns something."""
    start = time.monotonic()
    while time.monotonic() < start + _PATIENCE:
        result = await call()
        if result is not None:
            return result
        await asyncio.sleep(_SECONDS / 20)
    raise AssertionError(promise)


def _new_key() -> str:
    """A key that no earlier run has stored, either; it is as long as those of notifications."""
    return uuid4().hex * 2
