"""Checks that a storage of your own keeps what its base class promises."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar
from uuid import uuid4

from webex_webhooks_async.notifications.deduplication import Claim, Deduplicator
from webex_webhooks_async.notifications.inbox import Inbox, InboxEntry
from webex_webhooks_async.validation import check_inherits

T = TypeVar("T")


async def check_deduplicator(factory: Callable[[], Deduplicator]) -> None:
    """Check a deduplicator of your own: claims, confirmations, releases, and simultaneous claims.

    ::

        @pytest.mark.asyncio  # of pytest-asyncio, which needs no mark in its auto mode
        async def test_my_deduplicator(tmp_path: Path) -> None:
            await check_deduplicator(lambda: MyDeduplicator(tmp_path / "claims.db"))

    It claims a few random keys and confirms them. It can't check how claims expire.

    Args:
        factory: Returns a deduplicator. It is called several times, and what it returns shares its
            claims, as those of several processes do. It returns the same one each time where
            claims can't be shared.

    Raises:
        AssertionError: It breaks a promise; the message says which.
        TypeError: `factory` isn't a function, what it returns doesn't inherit from
            `Deduplicator`, or a method isn't async.
        Exception: What a method raised.
    """
    if not callable(factory):
        raise TypeError(
            f"factory must be a function, got {type(factory).__name__}: pass one that returns a "
            "deduplicator"
        )
    one, other = factory(), factory()
    check_inherits("deduplicator", one, Deduplicator)
    await _check_calls(one)
    await _check_claims(one, other)
    await _check_lost_claims(one, other)
    await _check_simultaneous_claims([factory() for _ in range(20)])


async def check_inbox(factory: Callable[..., Inbox]) -> None:
    """Check that an `Inbox` of your own keeps the promises of the class.

    ::

        async def test_inbox() -> None:
            await check_inbox(partial(DynamoDBInbox, "inbox-of-tests"))

    It takes a few seconds, because leases have to expire. Nothing else may use the storage
    meanwhile, and nothing may wait in it.

    Args:
        factory: Called as ``factory(lease=..., keep=...)``, with seconds. Each call returns an
            inbox on the same storage.

    Raises:
        AssertionError: A promise is broken; the message says which.
    """
    check = _InboxCheck(factory)
    try:
        await check.known()
        await check.shared()
        await check.records()
        await check.failures()
        await check.completion()
        await check.leases()
        await check.concurrency()
        await check.closing()
    finally:
        await check.aclose()


_SECONDS = 0.5  # how long leases, pauses and memories are that have to end
_TOLERANCE = 0.1  # of it; clocks are coarse
_PATIENCE = 10.0


class _InboxCheck:
    def __init__(self, factory: Callable[..., Inbox]) -> None:
        self._inbox = factory(lease=60, keep=60)
        self._other = factory(lease=60, keep=60)
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
        _expect((entry.failures, entry.expiries) == (0, 0), "a new entry has never failed")
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
        await self._inbox.fail(again, error="it failed", retry_in=None)
        _expect(await self._inbox.take() is None, "what failed for good is never due")
        _expect(await self._inbox.put(key, b"") is False, "what failed for good is known")

    async def completion(self) -> None:
        key = _new_key()
        await self._quick.put(key, b"")
        entry = await self._take(self._quick, "put")
        start = time.monotonic()
        _expect(await self._quick.complete(entry) is True, "complete returns True")
        _expect(await self._quick.complete(entry) is False, "complete ends the lease")

        async def put() -> bool | None:
            return await self._inbox.put(key, b"new") or None

        await _later(start, put, "what is completed is known for `keep` seconds")
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
        _expect(await self._inbox.take() is None, "who lost a lease changes nothing")
        await self._complete(taken)

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


def _expect(condition: bool, promise: str) -> None:  # noqa: FBT001 - as an assertion
    if not condition:
        raise AssertionError(promise)


async def _later(start: float, call: Callable[[], Awaitable[T | None]], promise: str) -> T:
    """Call until it returns something, which must be `_SECONDS` after the start, not before."""
    while time.monotonic() < start + _PATIENCE:
        result = await call()
        if result is not None:
            _expect(time.monotonic() - start >= (1 - _TOLERANCE) * _SECONDS, promise)
            return result
        await asyncio.sleep(_SECONDS / 20)
    raise AssertionError(promise)


async def _check_calls(deduplicator: Deduplicator) -> None:
    key = _new_key()
    for name in sorted(Deduplicator.__abstractmethods__):
        result: object = getattr(deduplicator, name)(key)
        if not isawaitable(result):
            raise TypeError(f"{name} must be an async method: it returned {result!r}")
        await result


async def _check_claims(one: Deduplicator, other: Deduplicator) -> None:
    taken, free = _new_key(), _new_key()
    await _expect_claim(one, taken, Claim.GRANTED, when="nobody has claimed the key")
    for each in (one, other):
        await _expect_claim(each, taken, Claim.DONE, Claim.IN_PROGRESS, when="the key is claimed")
    await _expect_claim(one, free, Claim.GRANTED, when="only another key is claimed")
    await one.release(free)
    await _expect_claim(other, free, Claim.GRANTED, when="the key was released")
    await one.confirm(taken)
    for each in (one, other):
        await _expect_claim(each, taken, Claim.DONE, when="the key was confirmed")
    await other.release(free)
    await _expect_claim(one, free, Claim.GRANTED, when="the key was released again")
    await one.confirm(free)
    await other.release(_new_key())  # of which it knows nothing


async def _check_lost_claims(one: Deduplicator, other: Deduplicator) -> None:
    """Check what happens when a lease has expired, and another one was granted the key."""
    key = _new_key()
    await _expect_claim(one, key, Claim.GRANTED, when="nobody has claimed the key")
    await other.confirm(key)
    await _expect_claim(other, key, Claim.DONE, when="another one has confirmed the key")
    await one.release(key)
    for each in (one, other):
        await _expect_claim(each, key, Claim.DONE, when="a confirmed key was released")


async def _check_simultaneous_claims(everyone: list[Deduplicator]) -> None:
    key = _new_key()
    claims = await asyncio.gather(*(each.claim(key) for each in everyone))
    if (granted := claims.count(Claim.GRANTED)) != 1:
        raise AssertionError(
            f"of {len(claims)} simultaneous claims of a key, {granted} are granted"
        )
    await everyone[claims.index(Claim.GRANTED)].confirm(key)
    for each in everyone:
        await _expect_claim(each, key, Claim.DONE, when="the key was confirmed")


async def _expect_claim(deduplicator: Deduplicator, key: str, *expected: Claim, when: str) -> None:
    claim = await deduplicator.claim(key)
    if claim not in expected:
        names = " or ".join(str(each) for each in expected)
        raise AssertionError(f"claim must return {names} when {when}; it returned {claim!r}")


def _new_key() -> str:
    """A key that no earlier run has stored, either; it is as long as those of notifications."""
    return uuid4().hex * 2
