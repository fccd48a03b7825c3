"""Checks that a storage of your own keeps what its base class promises."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from tests.support.inboxes import taken
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

    Each call of ``factory(lease=..., keep=...)`` returns an inbox on the same storage, which
    nothing else uses meanwhile. It takes a few seconds, because leases and claims have to expire,
    by the clock of the machine or the one that is passed. `only` names a part of the check.
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
        assert self._inbox.keep == _LONG
        assert await self._inbox.take() is None
        assert await self._inbox.put(key, b"\x00{}") is True
        assert await self._inbox.put(key, b"") is False
        entry = await taken(self._inbox)
        assert (entry.key, entry.body) == (key, b"\x00{}")
        assert (entry.failures, entry.expiries, entry.releases, entry.outages) == (0, 0, 0, 0)
        assert (entry.line, entry.error) == (None, None)
        assert await self._inbox.put(key, b"") is False
        assert await self._inbox.take() is None
        await self._complete(entry)

    async def shared(self) -> None:
        await self._inbox.put(_new_key(), b"")
        await self._complete(await taken(self._other))

    async def failures(self) -> None:
        key = _new_key()
        await self._inbox.put(key, b"body")
        entry = await taken(self._inbox)
        start = self._clock.monotonic()
        failed = await self._inbox.fail(entry, error="it failed", retry_in=_SECONDS)
        assert failed is True
        assert await self._inbox.put(key, b"") is False
        again = await self._eventually(self._inbox.take, start)
        assert again.body == b"body"
        assert (again.failures, again.expiries) == (1, 0)
        assert again.error == "it failed"
        assert await self._inbox.renew(entry) is False
        assert await self._inbox.fail(again, error="\0\ud800", retry_in=None) is True
        assert await self._inbox.take() is None
        assert await self._inbox.put(key, b"") is False
        await self._drop(key)

    async def releases(self) -> None:
        """Check what is given back, at once and for a while."""
        inbox, key = self._inbox, _new_key()
        await inbox.put(key, b"body")
        entry = await taken(inbox)
        await inbox.remember(entry, "name", b"record")
        assert await inbox.release(entry) is True
        assert await inbox.put(key, b"") is False
        again = await taken(self._other)
        assert again.body == b"body"
        assert (again.failures, again.expiries) == (0, 0)
        assert again.releases == 1
        record = await inbox.recall(again, "name")
        assert record == b"record"
        assert await inbox.renew(entry) is False
        assert await inbox.release(entry) is False
        start = self._clock.monotonic()
        await inbox.release(again, retry_in=_SECONDS)
        await self._complete(await self._eventually(inbox.take, start))

    async def completion(self) -> None:
        key = _new_key()
        await self._quick.put(key, b"")
        entry = await taken(self._quick)
        start = self._clock.monotonic()
        assert await self._quick.complete(entry) is True
        assert await self._quick.complete(entry) is False

        async def put() -> bool | None:
            return await self._inbox.put(key, b"new") or None

        await self._eventually(put, start)
        await self._complete(await taken(self._inbox))

    async def leases(self) -> None:
        await self._quick.put(_new_key(), b"body")
        lost = await taken(self._quick)
        assert lost.lease == _SECONDS
        await self._clock.sleep(_SECONDS / 5)  # so that only a lease that is longer passes
        start = self._clock.monotonic()
        assert await self._quick.renew(lost) is True
        leased = await self._eventually(self._inbox.take, start)
        assert leased.body == b"body"
        assert 0 <= leased.late < _PATIENCE
        assert (leased.failures, leased.expiries) == (0, 1)
        assert await self._quick.renew(lost) is False
        assert await self._quick.complete(lost) is False
        assert await self._quick.fail(lost, error="late", retry_in=0) is False
        assert await self._quick.release(lost) is False
        assert await self._inbox.take() is None
        await self._complete(leased)

    async def lines(self) -> None:
        """Check the order of what is in a line, beside another one."""
        inbox, keys = self._inbox, [_new_key() for _ in range(4)]
        for key, line in zip(keys, ("a", "a", "a", "b"), strict=True):
            await inbox.put(key, b"", line=line)
        first, beside = await taken(inbox), await taken(inbox)
        assert (first.key, beside.key) == (keys[0], keys[3])
        assert (first.line, beside.line) == ("a", "b")
        for each in (inbox, self._other):
            assert await each.take() is None
        await self._complete(first)
        second = await taken(inbox)
        assert second.key == keys[1]
        assert second.number > first.number
        await self._complete(second)
        for entry in (beside, await taken(inbox)):
            await self._complete(entry)
        with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
            await inbox.put(_new_key(), b"", line="")
        assert await inbox.put(_new_key(), b"", line="\0\ud800") is True
        await self._complete(await taken(inbox))

    async def strict_order(self) -> None:
        """Check that one that failed holds up its line, and one that was released doesn't."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await taken(inbox)
        start = self._clock.monotonic()
        await inbox.fail(first, error="it failed", retry_in=_SECONDS)
        first = await self._eventually(self._other.take, start)
        assert first.key == keys[0]
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS)
        second = await taken(inbox)
        assert second.key == keys[1]
        while self._clock.monotonic() < start + 2 * _SECONDS:
            await self._clock.sleep(_SECONDS / 5)
        assert await inbox.take() is None
        await inbox.fail(second, error="it failed", retry_in=None)
        again = await taken(inbox)
        assert again.key == keys[0]
        assert 0.5 * _SECONDS < again.late < _PATIENCE
        await self._complete(again)
        third = await taken(inbox)
        assert third.key == keys[2]
        await self._complete(third)
        await self._drop(keys[1])

    async def pauses(self) -> None:
        """Check what fails and holds up nobody, what is put off, and what is released and holds."""
        inbox, keys = self._inbox, [_new_key() for _ in range(2)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await taken(inbox)
        await inbox.fail(first, error="it failed", retry_in=_LONG, holds=False)
        second = await inbox.take()
        assert second is not None
        assert second.key == keys[1]
        await self._complete(second)
        await inbox.retry([keys[0]])
        first = await taken(inbox)
        await inbox.put(keys[0] + "2", b"", line="line")
        start = self._clock.monotonic()
        await inbox.fail(first, error="it is put off", retry_in=_SECONDS, counts=False)
        listed = [each async for each in inbox.unfinished() if each.key == keys[0]]
        assert [(each.state, each.error) for each in listed] == [("retrying", "it is put off")]
        first = await self._eventually(self._other.take, start)
        assert first.key == keys[0]
        assert (first.failures, first.releases) == (0, 1)
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS, holds=True)
        first = await self._eventually(self._other.take, start)
        assert (first.key, first.releases) == (keys[0], 2)
        await self._complete(first)
        await self._complete(await taken(inbox))

    async def outages(self) -> None:
        """Check what is given back because of an outage."""
        inbox, keys = self._inbox, [_new_key() for _ in range(2)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await taken(inbox)
        await inbox.release(first, retry_in=_SECONDS)
        second = await taken(inbox)
        await self._clock.sleep(2 * _SECONDS)  # until both are due
        for _ in range(2):
            assert await inbox.release(second, outage=True) is True
            second = await taken(self._other)
            assert second.key == keys[1]
        assert (second.outages, second.releases, second.failures, second.expiries) == (1, 0, 0, 0)
        await inbox.fail(second, error="it failed", retry_in=0)
        second = await taken(inbox)
        assert (second.key, second.outages, second.failures) == (keys[1], 0, 1)
        await self._complete(second)
        await self._complete(await taken(inbox))

    async def expiries_in_a_line(self) -> None:
        """Check that what a killed process has leased goes on before all others of its line."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await taken(inbox)
        start = self._clock.monotonic()
        await inbox.release(first, retry_in=_SECONDS / 2)
        lost = await taken(self._quick)
        leased = await self._eventually(inbox.take, start)
        assert (leased.key, leased.expiries) == (lost.key, 1)
        await self._complete(leased)
        for _ in range(2):
            await self._complete(await taken(inbox))

    async def delays(self) -> None:
        """Check that what isn't due waits, and holds up no other of its line."""
        inbox = self._inbox
        late, early, past, future = (_new_key() for _ in range(4))
        start = self._clock.monotonic()
        await inbox.put(late, b"", line="line", after=_SECONDS)
        await inbox.put(early, b"", line="line")
        entry = await taken(inbox)
        assert entry.key == early
        await self._complete(entry)
        await self._complete(await self._eventually(inbox.take, start))
        with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
            await inbox.put(_new_key(), b"", after=-1.0)
        with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
            await inbox.put(_new_key(), b"", after=1.0, at=_FUTURE)
        with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
            await inbox.put(_new_key(), b"", at=_FUTURE.replace(tzinfo=None))
        await inbox.put(future, b"", at=_FUTURE)
        await inbox.put(past, b"", at=_PAST)
        entry = await taken(inbox)
        assert (entry.key, await inbox.take()) == (past, None)
        assert entry.late < _PATIENCE
        assert [each.due async for each in inbox.unfinished() if each.key == future] == [_FUTURE]
        await self._complete(entry)
        await inbox.cancel(future)
        now, later = await inbox.now(), _new_key()
        assert now.utcoffset() is not None
        await inbox.put(later, b"", at=now + timedelta(seconds=_LONG))
        await inbox.put(_new_key(), b"", at=now)
        await self._complete(await taken(inbox))
        assert await inbox.take() is None
        await inbox.cancel(later)

    async def replacements(self) -> None:
        """Check `replace` of what is completed, waits, has failed, or has lost its lease."""
        inbox, key = self._inbox, _new_key()
        assert await inbox.put(key, b"1", replace=True) is True
        assert await inbox.put(key, b"2", replace=True, line="line") is True
        first = await taken(inbox)
        assert (first.body, first.line) == (b"2", "line")
        await inbox.remember(first, "name", b"record")
        await inbox.fail(first, error="it failed", retry_in=0)
        await inbox.put(key, b"3", replace=True)
        second = await taken(inbox)
        assert second.body == b"3"
        assert (second.failures, second.error, second.line) == (0, None, None)
        assert second.number > first.number
        assert await inbox.recall(second, "name") is None
        await inbox.remember(first, "name", b"late")
        assert await inbox.recall(second, "name") is None
        assert await inbox.complete(first) is False
        await self._complete(second)
        await self._quick.put(key, b"4", replace=True)
        lost = await taken(self._quick)
        await self._clock.sleep(2 * _SECONDS)
        await inbox.put(key, b"5", replace=True)
        leased = await taken(inbox)
        assert (leased.body, leased.expiries) == (b"5", 0)
        assert await self._quick.complete(lost) is False
        await self._complete(leased)

    async def successors(self) -> None:
        """Check `replace` of what runs, until that ends in each way."""
        inbox, key = self._inbox, _new_key()
        await inbox.put(key, b"0")
        entry = await taken(inbox)
        for body in (b"next", b"the one after"):
            assert await inbox.put(key, body, replace=True) is True
            assert await inbox.take() is None
        states = [each.state async for each in inbox.unfinished() if each.key == key]
        assert states == ["running", "scheduled"]
        counts = await inbox.counts()
        assert (counts.running, counts.scheduled) == (1, 1)
        await inbox.release(entry)
        entry = await taken(inbox)
        await inbox.remember(entry, "name", b"record")
        await inbox.fail(entry, error="it failed", retry_in=0)
        entry = await taken(inbox)
        assert (entry.body, entry.failures) == (b"0", 1)
        await inbox.put(_new_key(), b"beside")
        beside = await taken(inbox)
        await self._complete(entry)
        after = await taken(inbox)
        assert (after.key, after.body) == (key, b"the one after")
        assert (after.failures, after.error, await inbox.recall(after, "name")) == (0, None, None)
        assert after.number > beside.number
        await self._complete(beside)
        await inbox.put(key, b"3", after=_SECONDS, replace=True)
        await inbox.fail(after, error="it failed", retry_in=None)
        start = self._clock.monotonic()
        listed = [each async for each in inbox.unfinished() if each.key == key]
        assert [each.state for each in listed] == ["scheduled"]
        after = await self._eventually(inbox.take, start)
        assert (after.body, after.failures) == (b"3", 0)
        await self._complete(after)
        assert await inbox.put(key, b"") is False

    async def cancellations(self) -> None:
        """Check `cancel` of what waits, has failed, is completed, runs, and has a successor."""
        inbox, key = self._inbox, _new_key()
        assert await inbox.cancel(key) is False
        await inbox.put(key, b"", line="line", after=_LONG)
        assert await self._other.cancel(key) is True
        assert await inbox.put(key, b"") is True
        entry = await taken(inbox)
        assert await inbox.cancel(key) is False
        await inbox.put(key, b"successor", replace=True)
        assert await inbox.cancel(key) is True
        assert await inbox.renew(entry) is True
        await inbox.put(key, b"successor", replace=True)
        await inbox.remember(entry, "name", b"record")
        await inbox.release(entry)
        assert await inbox.cancel(key) is True
        assert await inbox.take() is None
        await inbox.put(key, b"")
        entry = await taken(inbox)
        assert await inbox.recall(entry, "name") is None
        await inbox.fail(entry, error="it failed", retry_in=None)
        assert await inbox.cancel(key) is True
        await inbox.put(key, b"")
        await self._complete(await taken(inbox))
        assert await inbox.cancel(key) is False
        assert await inbox.put(key, b"") is False

    async def counts(self) -> None:
        inbox = self._inbox
        assert await inbox.counts() == InboxCounts()
        body, key = sample_notification("messages", "created"), _new_key()
        for each in (key, _new_key()):
            await self._quick.put(each, body, line="line")
        counts = await self._other.counts()
        assert (counts.waiting, counts.running) == (2, 0)
        start = self._clock.monotonic()
        await taken(self._quick)
        counts = await self._other.counts()
        assert (counts.waiting, counts.running) == (1, 1)

        async def expired() -> bool | None:
            return not (await self._other.counts()).running or None

        await self._eventually(expired, start)
        counts = await self._other.counts()
        assert counts.oldest is not None
        assert 0 < counts.oldest < _PATIENCE
        entry = await taken(inbox)
        await inbox.fail(entry, error="it failed", retry_in=None)
        counts = await self._other.counts()
        assert (counts.waiting, counts.failed) == (1, 1)
        entry = await taken(inbox)
        await inbox.release(entry, retry_in=_LONG)
        later = _new_key()
        await inbox.put(later, body, after=_LONG)
        await inbox.put(unreadable := _new_key(), b"no notification")
        entry = await taken(inbox)
        await inbox.fail(entry, error="it can't be read", retry_in=None)
        counted = InboxCounts(retrying=1, scheduled=1, failed=1, unreadable=1)
        assert await self._other.counts() == counted
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
        entries = {(entry := await taken(inbox)).key: entry for _ in range(5)}
        await inbox.complete(entries[done])
        for key in (failed, unreadable):
            await inbox.fail(entries[key], error="it failed", retry_in=None)
        await inbox.fail(entries[retrying], error="it failed", retry_in=_LONG)
        found = [each async for each in self._other.unfinished()]
        order = [failed, running, retrying, waiting, unreadable, scheduled]
        assert [each.key for each in found] == order
        states = ["failed", "running", "retrying", "waiting", "unreadable", "scheduled"]
        assert [each.state for each in found] == states
        listed = [each for each in found if each.key != unreadable]
        subjects = {(each.resource, each.event, each.data_id) for each in listed}
        assert subjects == {("messages", "created", "ID")}
        assert [each.line for each in listed] == [None, None, "line", "line", None]
        errors = [(each.failures, each.error) for each in found[:5]]
        once, never = (1, "it failed"), (0, None)
        assert errors == [once, never, once, never, once]
        assert [each.holder is not None for each in found] == [False, True, *4 * [False]]
        assert all(each.stored for each in found)
        assert [each.due is not None for each in found] == [False, True, True, True, False, True]
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
        entries = [await taken(inbox) for _ in range(2)]
        await inbox.remember(entries[0], "name", b"record")
        await inbox.fail(entries[0], error="it failed", retry_in=None)
        all_keys = (failed, running, waiting, _new_key(), "\0\ud800")
        assert await other.retry(all_keys) == 1
        assert await inbox.renew(entries[1]) is True
        entry = await taken(inbox)
        assert entry.key == failed
        assert (entry.failures, entry.expiries, entry.releases) == (0, 0, 0)
        assert entry.error == "it failed"
        record = await inbox.recall(entry, "name")
        assert record == b"record"
        await inbox.fail(entry, error="it failed", retry_in=_LONG)
        made_due = [failed, later]
        assert await other.retry(made_due) == len(made_due)
        again = {(entry := await taken(inbox)).key: entry for _ in range(2)}
        assert again.keys() == {*made_due}
        await self._complete(again[later])
        await inbox.fail(again[failed], error="it failed", retry_in=None)
        assert await other.drop((*all_keys, later)) == 1
        assert await inbox.renew(entries[1]) is True
        assert await inbox.put(failed, body) is False
        assert await inbox.cancel(failed) is False
        assert await inbox.recall(entry, "name") is None
        await self._complete(entries[1])
        await self._complete(await taken(inbox))
        await inbox.put(job := key_of_job("check", _new_key()), body)
        await inbox.fail(await taken(inbox), error="it failed", retry_in=None)
        await self._drop(job)
        assert await inbox.put(job, body) is True
        await self._complete(await taken(inbox))
        await inbox.put(unreadable := _new_key(), b"no notification")
        entry = await taken(inbox)
        await inbox.fail(entry, error="unreadable", retry_in=None)
        assert await other.retry([unreadable]) == 0
        assert await inbox.take() is None
        await self._drop(unreadable)

    async def questions(self) -> None:
        """Check what is asked, found, waited for and answered."""
        inbox, other = self._inbox, self._other
        asks = await self._asking("line")
        opened = await self._ask(asks, "place", owner="owner")
        assert opened.number == asks.number
        assert opened.opened is not None
        assert opened.opened >= asks.number
        later = await self._ask(asks, "elsewhere", data=b"later")
        assert (later.id, later.place, later.data) == (opened.id, "place", b"later")
        for place in ("place", "owner"):
            assert await self._found(place) == [later]
        assert await self._found("elsewhere") == []
        moved = await self._ask(asks, "card", seconds=_LONG)
        assert (moved.id, moved.place) == (opened.id, "card")
        assert await self._found("place", "card", "own") == [moved]
        later = await self._ask(asks, "elsewhere", seconds=_SECONDS, data=b"later")
        assert (later.id, later.place) == (opened.id, "card")
        assert await inbox.wait(asks, "record") is True
        assert await inbox.wait(asks, "record") is False
        assert (await other.counts()).asking == 1
        listed = [each.state async for each in other.unfinished() if each.key == asks.key]
        assert listed == ["asking"]
        answers = await self._asking("line")
        assert answers.number > (later.opened or 0)
        assert await other.answer(answers, later.id, b"yes") is True
        assert await inbox.answer(answers, -later.id, b"no") is True
        assert await self._found("place") == []
        assert await inbox.records(answers) == {ANSWERED: b"%d" % later.id}
        await self._complete(answers)
        again = await taken(other)
        assert (again.key, again.waits) == (asks.key, True)
        assert await inbox.ask(again, "record", place="place", data=b"") == b"yes"
        assert await other.records(again) == {"record": b"yes"}
        await self._complete(again)

    async def closings(self) -> None:
        """Check how a question is closed, and what that leaves behind."""
        inbox, other = self._inbox, self._other
        asks = await self._asking("line")
        question = await self._ask(asks, "place")
        await inbox.answer(asks, question.id, b"yes")
        late = await self._asking("other line")
        assert await inbox.answer(late, question.id, b"late") is False
        assert await inbox.records(late) == {}
        await self._complete(late)
        await self._ask(asks, "place", record="other")
        await self._ask(asks, "place", record="another")
        assert len(await self._found("place")) == 1
        await other.unask(asks, "another")
        assert await self._found("place") == []
        await self._ask(asks, "place", record="first of two")
        await self._ask(asks, "place", record="second of two", beside=True)
        assert len(await self._found("place")) == 2
        await inbox.unask(asks, "first of two")
        await inbox.unask(asks, "second of two")
        await inbox.wait(asks, "another")
        again = await taken(inbox)
        await self._ask(again, "place", record="other")
        await inbox.release(again, retry_in=_SECONDS)
        await inbox.put(behind := _new_key(), b"", line="line")
        assert await inbox.take() is None
        again = await self._eventually(inbox.take)
        assert again.key == asks.key
        await self._complete(again)
        assert await self._found("place") == []
        entry = await taken(inbox)
        assert entry.key == behind
        await self._complete(entry)
        assert await inbox.ask(again, "record", place="place", data=b"") is None

    async def fences(self) -> None:
        """Check that who has lost a lease changes nothing of the conversation, and hears of it."""
        inbox, quick = self._inbox, self._quick
        await quick.put(_new_key(), b"")
        lost = await taken(quick)
        question = await quick.ask(lost, "record", place="place", data=b"data")
        await quick.remember(lost, "conversation", b"old", leased=True)
        assert await inbox.recall(lost, "conversation") == b"old"
        assert await quick.questions("place", entry=lost) == [question]
        again = await self._eventually(inbox.take)
        await quick.remember(lost, "conversation", b"new", leased=True)
        assert await inbox.recall(again, "conversation") == b"old"
        await quick.unask(lost, "record")
        assert await self._found("place") == [question]
        assert await quick.questions("place", "elsewhere", entry=lost) is None
        assert await quick.questions("nowhere", entry=again) == []
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
        again = await self._eventually(inbox.take, start)
        await self._ask(again, "four", record="four", beside=True)
        found = await inbox.questions(entry=again) or ()
        assert [each.record for each in found] == ["one", "three"]
        await inbox.unask(again, "four")
        assert await inbox.ask(again, "two", place="two", data=b"", beside=True) == NO_ANSWER
        left = await self._found("one", "two", "three")
        assert [each.record for each in left] == ["one", "three"]
        await inbox.wait(again, "one", "three")
        answers = await self._asking(None)
        (question,) = await self._found("three")
        await other.answer(answers, question.id, b"yes")
        await self._complete(answers)
        again = await taken(inbox)
        assert again.key == asks.key
        await inbox.wait(again, "one", "three")
        again = await taken(inbox)
        assert again.key == asks.key
        await self._complete(again)

    async def exits(self) -> None:
        """Check what leaves its line."""
        inbox, keys = self._inbox, [_new_key() for _ in range(3)]
        for key in keys:
            await inbox.put(key, b"", line="line")
        first = await taken(inbox)
        assert await self._other.renew(first, in_line=False) is True
        second = await inbox.take()
        assert second is not None
        assert second.key == keys[1]
        await self._complete(second)
        await inbox.fail(first, error="it failed", retry_in=_LONG)
        third = await inbox.take()
        assert third is not None
        assert third.key == keys[2]
        await inbox.retry([keys[0]])
        again = await taken(self._other)
        assert (again.key, again.line, again.number) == (keys[0], None, first.number)
        for each in (again, third):
            await self._complete(each)
        assert await inbox.renew(again, in_line=False) is False

    async def stops(self) -> None:
        """Check what an owner stops."""
        inbox, other = self._inbox, self._other
        keys = waits, asks, runs, left, failed, final = [_new_key() for _ in range(6)]
        for key in keys:
            body = sample_notification("messages", "created") if key == final else key.encode()
            await inbox.put(key, body, owner="person/room", line=key)
        await inbox.put(elsewhere := _new_key(), b"", owner="person/other")
        leased = {(entry := await taken(inbox)).key: entry for _ in range(7)}
        await inbox.release(leased[waits], retry_in=_LONG)
        await self._ask(leased[asks], "place", owner="person/room", seconds=_LONG)
        await inbox.wait(leased[asks], "record")
        await inbox.renew(leased[left], in_line=False)
        await inbox.fail(leased[failed], error="it failed", retry_in=_LONG)
        await inbox.fail(leased[final], error="it failed", retry_in=None)
        await inbox.put(later := _new_key(), b"", owner="person/room")
        last = await taken(inbox)
        stopped = await other.stop("person/room", before=last.number)
        begun = {leased[key].number: key.encode() for key in (runs, left, failed)}
        assert stopped == begun
        assert await inbox.stop("person/room", before=last.number) == {}
        running = {leased[key].number for key in (runs, left)}
        assert {*await other.stopping()} == running
        await inbox.retry([waits, asks, failed, final])
        again = {(entry := await taken(inbox)).key: entry for _ in range(4)}
        marks = {key: entry.stopped for key, entry in again.items()}
        assert marks == {waits: True, asks: True, failed: True, final: False}
        number = leased[elsewhere].number
        assert {*await inbox.stop("person", before=number + 1)} >= {number}
        assert last.number not in {*await inbox.stopping()}
        for each in (*again.values(), leased[runs], leased[left], leased[elsewhere], last):
            await self._complete(each)
        assert await inbox.put(runs, b"") is False
        assert later == last.key

    async def stopped_jobs(self) -> None:
        """Check what stops by its key: it runs, or it asks."""
        inbox, other = self._inbox, self._other
        key = key_of_job("check", _new_key())
        assert await inbox.stop(key) == {}
        await inbox.put(key, b"first")
        assert await inbox.stop(key) == {}
        entry = await taken(inbox)
        await self._ask(entry, "place", seconds=_LONG)
        await inbox.put(key, b"next", replace=True)
        await inbox.wait(entry, "record")
        stopped = await other.stop(key, data=b"stopped here")
        assert stopped == {entry.number: b"first"}
        assert await self._found("place") == []
        assert await inbox.recall(entry, "record") == b"stopped here"
        assert await inbox.stop(key) == {}
        assert await inbox.cancel(key) is False
        assert await inbox.put(key, b"then") is True
        assert await inbox.put(key, b"never") is False
        assert await inbox.put(key, b"last", replace=True) is True
        entry = await taken(inbox)
        assert (entry.body, entry.stopped) == (b"first", True)
        await self._complete(entry)
        entry = await taken(inbox)
        assert (entry.body, entry.stopped) == (b"last", False)
        assert await other.stop(key) == {entry.number: b"last"}
        await self._complete(entry)
        assert await inbox.put(key, b"new") is True
        await self._complete(await taken(inbox))
        await inbox.put(message := _new_key(), b"")
        entry = await taken(inbox)
        await inbox.stop(message)
        assert await inbox.put(message, b"") is False
        await self._complete(entry)
        assert await inbox.put(message, b"") is False

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
            entry = await taken(self._inbox)
            order.append(entry.key)
            await self._complete(entry)
        for seen, key in found:
            assert seen <= {*order[: order.index(key)]}

    async def _found(self, *places: str) -> list[Question]:
        """Return the questions at some places, from either inbox."""
        found = await self._other.questions(*places)
        assert found is not None
        return [*found]

    async def queues(self) -> None:
        """Check that questions which queue at a place are open one after the other."""
        inbox, other = self._inbox, self._other
        first, second, third = [await self._asking(None) for _ in range(3)]
        one = await self._ask(first, "queue", queues=True)
        assert one.opened is not None
        for each in (second, third):
            question = await self._ask(each, "queue", queues=True)
            assert question.opened is None
            assert await inbox.answer(first, question.id, b"") is False
            await inbox.wait(each, "record")
        beside = await self._asking(None)
        question = await self._ask(beside, "queue")
        assert question.opened is not None
        await self._complete(beside)
        assert await other.take() is None
        answers = await self._asking(None)
        await inbox.answer(answers, one.id, b"")
        await inbox.fail(first, error="it failed", retry_in=None)
        await self._complete(answers)
        entry = await taken(other)
        assert entry.key == second.key
        assert await other.take() is None
        assert (await self._ask(entry, "queue", queues=True)).opened is not None
        await inbox.fail(entry, error="it failed", retry_in=None)
        entry = await taken(other)
        assert entry.key == third.key
        await self._complete(entry)
        await self._drop(first.key, second.key)

    async def ends_of_questions(self) -> None:
        """Check the ends of questions: in time, by `end`, `retry`, `cancel` and `put`."""
        inbox, other = self._inbox, self._other
        asks = await self._asking(None)
        start = self._clock.monotonic()
        await self._ask(asks, "place", seconds=_SECONDS)
        await inbox.wait(asks, "record")
        again = await self._eventually(inbox.take, start)
        assert await inbox.ask(again, "record", place="place", data=b"") == NO_ANSWER
        assert await other.recall(again, "record") == NO_ANSWER
        await self._ask(again, "place", record="next", seconds=_SECONDS)
        await inbox.wait(again, "next")
        for seconds in (_LONG, 2 * _LONG):
            await other.postpone(seconds)
        assert await other.retry([asks.key]) == 1
        again = await taken(inbox)
        assert await inbox.ask(again, "next", place="place", data=b"") == NO_ANSWER
        start = self._clock.monotonic()
        await self._ask(again, "place", record="last", seconds=_SECONDS / 2)
        await inbox.wait(again, "last")
        for _ in range(2):
            await other.postpone(_SECONDS)
        again = await self._eventually(inbox.take, start)
        question = await self._ask(again, "place", record="more")
        await inbox.wait(again, "more")
        ended = await other.end([question.id, -question.id], b"ended")
        assert ended == 1
        assert await inbox.recall(again, "more") == b"ended"
        assert await self._found("place") == []
        again = await taken(inbox)
        assert again.key == asks.key
        await self._complete(again)
        await inbox.cancel(asks.key)
        for replace in (False, True):
            asks = await self._asking(None)
            await self._ask(asks, "place")
            await inbox.wait(asks, "record")
            if replace:
                await inbox.put(asks.key, b"", replace=True)
                await self._complete(await taken(inbox))
            else:
                await inbox.cancel(asks.key)
            assert await self._found("place") == []

    async def late_answers(self) -> None:
        """Check that a question doesn't end while something that was stored may answer it."""
        inbox, other = self._inbox, self._other
        for line in ("line", None):
            asks = await self._asking("other line")
            await self._ask(asks, "place", seconds=_SECONDS / 5, line=line)
            answers = await self._asking("line")
            again, found = await self._ask_late(asks)
            assert isinstance(found, Question)
            await self._complete(answers)
            again, found = await self._ask_late(again)
            assert found == NO_ANSWER
            await self._complete(again)
        asks = await self._asking(None)
        failed, talks, later, left = [await self._asking(f"line {each}") for each in range(4)]
        await inbox.fail(failed, error="it failed", retry_in=None)
        await self._ask(talks, "elsewhere", seconds=_LONG)
        await inbox.release(later, retry_in=_LONG)
        await inbox.renew(left, in_line=False)
        await inbox.put(key_of_job("check", _new_key()), b"", line="line of jobs")
        others = [await taken(inbox), await self._asking(None), talks, left]
        await self._ask(asks, "place", seconds=_SECONDS / 5)
        await self._clock.sleep(2 * _SECONDS / 5)
        others.append(await self._asking("line"))
        again, found = await self._ask_late(asks)
        assert found == NO_ANSWER
        for each in (again, *others):
            await self._complete(each)
        await other.cancel(later.key)
        await self._drop(failed.key)

    async def _ask_late(self, entry: InboxEntry) -> tuple[InboxEntry, Question | bytes | None]:
        """Let an entry wait, and ask again when it is due."""
        await self._inbox.wait(entry, "record")
        again = await self._eventually(self._other.take)
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
            again = await taken(inbox)
            assert await other.recall(again, "record") == b"yes"
            question = await self._ask(again, "place", record="next", seconds=_LONG)
            await inbox.wait(again, "next")
            one, two = await self._asking(None), await self._asking(None)
            ends: list[Awaitable[int]] = [
                inbox.answer(one, question.id, b"one"),
                other.answer(two, question.id, b"two"),
                other.end([question.id], b"ended"),
            ]
            results = await asyncio.gather(*(ends if number % 2 else reversed(ends)))
            assert sum(map(int, results)) == 1
            for each in (one, two):
                await self._complete(each)
            again = await taken(inbox)
            names = [b"one", b"two", b"ended"] if number % 2 else [b"ended", b"two", b"one"]
            assert await other.recall(again, "next") == names[[*map(int, results)].index(1)]
            await self._complete(again)

    async def _asking(self, line: str | None) -> InboxEntry:
        """Store an entry, and take it."""
        await self._inbox.put(key := _new_key(), b"", line=line)
        entry = await taken(self._inbox)
        assert entry.key == key
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
        assert isinstance(found, Question)
        return found

    async def claims(self) -> None:
        inbox, other = self._inbox, self._other
        name = _new_key()
        start = self._clock.monotonic()
        assert await inbox.claim(name, _SECONDS) is True
        for each in (inbox, other):
            assert await each.claim(name, _LONG) is False
        await other.unclaim(name)
        assert await other.claim(name, _LONG) is False
        await self.aclose()
        assert await other.claim(name, _LONG) is False

        async def claimed() -> bool | None:
            return await other.claim(name, _LONG) or None

        await self._eventually(claimed, start)
        await other.unclaim(name)
        assert await inbox.claim(name, _LONG) is True
        assert await inbox.claim(name, _LONG, renew=True) is True
        assert await other.claim(name, _LONG, renew=True) is False
        renewed = _new_key()
        await inbox.claim(renewed, _SECONDS)
        await self._clock.sleep(_SECONDS / 5)  # so that only a claim that is longer passes
        start = self._clock.monotonic()
        await inbox.claim(renewed, _SECONDS, renew=True)

        async def ended() -> bool | None:
            return await other.claim(renewed, _LONG) or None

        await self._eventually(ended, start)
        await other.unclaim(renewed)
        assert await inbox.put(name, b"") is True
        entry = await taken(inbox)
        assert await inbox.claim(entry.key, _LONG) is False
        await self._complete(entry)
        assert await inbox.claim(entry.key, _LONG) is False
        await inbox.unclaim(name)
        name = _new_key()
        claims = await asyncio.gather(*(each.claim(name, _LONG) for each in 10 * (inbox, other)))
        assert claims.count(True) == 1
        for each in (inbox, other):
            await each.unclaim(name)
        for wrong in (inbox.claim("", _LONG), inbox.claim(name, 0.0)):
            with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
                await wrong

    async def records(self) -> None:
        """Check records through failures, a lost lease and a restart, until the completion."""
        quick, other = self._quick, self._inbox
        for _ in range(2):
            await quick.put(_new_key(), b"")
        start = self._clock.monotonic()
        entry, second = await taken(quick), await taken(quick)
        assert await quick.recall(entry, "name") is None
        await quick.remember(entry, "name", b"first")
        await quick.remember(entry, "name", b"\x00record")
        for name, which, found in (
            ("name", entry, b"\x00record"),
            ("other", entry, None),
            ("name", second, None),
        ):
            assert await quick.recall(which, name) == found
        await self.aclose()
        assert await other.recall(entry, "name") == b"\x00record"
        lost = (entry, second)
        again = [await self._eventually(other.take, start) for _ in lost]
        (entry,) = (each for each in again if each.key == lost[0].key)
        await quick.remember(lost[0], "late", b"late")
        for name in ("name", "late"):
            assert await other.recall(entry, name) is not None
        await other.fail(entry, error="it failed", retry_in=0)
        entry = await taken(other)
        assert await other.recall(entry, "name") == b"\x00record"
        for each in again:
            await self._complete(entry if each.key == entry.key else each)
        await quick.remember(entry, "late", b"late")
        for name in ("name", "late"):
            assert await other.recall(entry, name) is None

    async def times(self) -> None:
        """Check the times of an inbox that keeps some, which it needn't."""
        if type(self._inbox).caught_up is Inbox.caught_up:
            return
        name, other = _new_key(), _new_key()
        assert await self._inbox.caught_up(name) is None
        for time_kept in (_FUTURE, _PAST):
            await self._inbox.set_caught_up(name, time_kept)
        await self._inbox.set_caught_up(other, _FUTURE)
        assert await self._other.caught_up(name) == _PAST
        no_zone = _PAST.replace(tzinfo=None)
        with pytest.raises(ValueError):  # noqa: PT011 - in words of its own
            await self._inbox.set_caught_up(name, no_zone)

    async def concurrency(self) -> None:
        inboxes = 10 * (self._inbox, self._other)
        key = _new_key()
        stored = await asyncio.gather(*(each.put(key, b"") for each in inboxes))
        assert stored.count(True) == 1
        leased = await asyncio.gather(*(each.take() for each in inboxes))
        assert len([*filter(None, leased)]) == 1
        await self._complete(next(filter(None, leased)))
        for _ in inboxes:
            await self._inbox.put(_new_key(), b"", line="line")
        leased = await asyncio.gather(*(each.take() for each in inboxes))
        entries = [*filter(None, leased)]
        assert len(entries) == 1
        for _ in inboxes[1:]:
            await self._complete(entries.pop())
            entries = [await taken(self._inbox)]
        await self._complete(entries.pop())

    async def closing(self) -> None:
        await self._inbox.put(_new_key(), b"")
        await self.aclose()
        await self._complete(await taken(self._inbox))

    async def _eventually(
        self, call: Callable[[], Awaitable[T | None]], since: float | None = None
    ) -> T:
        """Call until it returns something; not before `_SECONDS` have passed since `since`."""
        end = self._clock.monotonic() + _PATIENCE
        while self._clock.monotonic() < end:
            result = await call()
            if result is not None:
                waited = self._clock.monotonic() - since if since is not None else _SECONDS
                assert waited >= (1 - _TOLERANCE) * _SECONDS
                return result
            await self._clock.sleep(_SECONDS / 20)
        raise AssertionError("it never happens")

    async def _complete(self, entry: InboxEntry) -> None:
        assert await self._inbox.complete(entry) is True

    async def _drop(self, *keys: str) -> None:
        assert await self._inbox.drop(keys) == len(keys)


def _new_key() -> str:
    """A key that no earlier run has stored, either; it is as long as those of notifications."""
    return uuid4().hex * 2
