"""What the checks of a storage of one's own say about a broken one."""

# pyright: reportPrivateUsage=false

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from attrs import evolve

from tests.support import contracts
from tests.support.clocks import check_inbox_at_once
from tests.support.contracts import check_inbox
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, State, StoredNotification
from webex_webhooks_async.inbox.sqlite import SQLiteInbox

pytestmark = pytest.mark.once


class _BrokenInbox(SQLiteInbox):
    """An inbox that keeps every promise but one."""

    def __init__(self, promise: str, path: Path, **options: Any) -> None:  # noqa: ANN401 - its own
        super().__init__(path, **options)
        self.broken = promise
        self.kept: dict[tuple[str, str], bytes] = {}
        self.owners: dict[str, InboxEntry] = {}
        self.numbers: dict[str, int] = {}
        if promise == "an inbox has its `keep` as an attribute":
            self.keep = 1.0

    async def put(  # noqa: C901, PLR0912, PLR0913 - a promise each
        self,
        key: str,
        body: bytes,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
        owner: str | None = None,
    ) -> bool:
        match self.broken:
            case "of a line one is taken at a time":
                line = None if line is None else key
            case "an entry says in which line it is":
                line = line and f"{line} of mine"
            case "put refuses an empty line":
                line = line or None
            case "put takes any other text as a line" if line and not line.isprintable():
                return False
            case "an entry is due `after` seconds after put":
                after = min(after, 0.0)
            case "put refuses a negative `after`":
                after = max(after, 0.0)
            case "put refuses `after` together with `at`":
                after = 0.0 if at else after
            case "put refuses an `at` without a time zone":
                at = at and at.replace(tzinfo=UTC)
            case "an entry is due at `at`" if at and at.tzinfo and not after:
                at = None
            case "put returns True and replaces what doesn't run":
                replace = False
            case "one whose lease is over is replaced" if body == b"5":
                return True
            case "a successor waits until the one that runs has ended" if body == b"next":
                return await super().put(f"{key}1", body, replace=True)
            case "a later successor replaces an earlier one" if body == b"the one after":
                return True
            case _:
                pass
        is_new = await super().put(
            key, body, line=line, after=after, at=at, replace=replace, owner=owner
        )
        if self.broken == "what is stored in a line has a higher number" and key[0] == "a":
            await self._execute(
                "UPDATE webex_notifications SET number = -number, due = due WHERE key = ?",
                key,
            )
        if self.broken == "what is past when it is put is due from then on":
            await self._execute("UPDATE webex_notifications SET due = 0 WHERE due = stored")
        return is_new or self.broken == "put returns False for one that waits"

    async def now(self) -> datetime:
        now = await super().now()
        if self.broken == "now has a time zone":
            return now.replace(tzinfo=None)
        if self.broken == "take returns nothing that is due after now":
            return now - timedelta(hours=1)
        return now + timedelta(hours=self.broken == "take returns what was due at the time of now")

    async def cancel(self, key: str) -> bool:
        if self.broken == "cancel removes the successor of what runs":
            states = [each.state async for each in super().unfinished() if each.key == key]
            if "running" in states:
                return False
        cancelled = await super().cancel(key)
        if self.broken == "cancel forgets the key" and cancelled:
            await self._execute(
                "INSERT INTO webex_notifications (key, body, stored, forget) VALUES (?, '', 0, ?)",
                *(key, 9e18),
            )
        return cancelled or self.broken == "cancel returns False if there is nothing"

    async def take(self) -> InboxEntry | None:  # noqa: C901, PLR0911, PLR0912 - a promise each
        match self.broken:
            case "take returns what was put":
                return None
            case "an entry that failed holds up its line":
                await self._execute("UPDATE webex_notifications SET place = 2 WHERE token IS NULL")
            case "an entry that an outage gave back is the next":
                await self._execute("UPDATE webex_notifications SET place = 1 WHERE outages")
            case _:
                pass
        entry = await super().take()
        if entry is None:
            return None
        match self.broken:
            case "take leases an entry once":
                await super().fail(entry, error="", retry_in=0)
            case "an entry says for how many seconds its lease lasts":
                return evolve(entry, lease=70.0)
            case "an entry says for how many seconds its lease had been over":
                return evolve(entry, late=-1.0)
            case "an entry says for how many seconds it had been due":
                return evolve(entry, late=0.0)
            case "an entry says that it is stopped":
                return evolve(entry, stopped=False)
            case "what has left its line has none any more" if entry.error:
                return evolve(entry, line="line")
            case "an entry says how often it was released":
                return evolve(entry, releases=0)
            case "an entry that was stored later has a higher number" if entry.line:
                self.numbers[entry.token] = entry.number
                return evolve(entry, number=0)
            case "what replaces another has all its attempts" if entry.body == b"3":
                return evolve(entry, failures=1)
            case "returns because of an outage within one minute count as one":
                return evolve(entry, outages=2 * entry.outages)
            case "of a line the one whose lease has expired goes on" if (
                entry.line and entry.expiries
            ):
                await super().release(entry, retry_in=60)
                return await super().take()
            case "what is due again takes its place" if entry.line and entry.releases:
                await super().release(entry, retry_in=0.1)
                return await super().take()
            case _:
                pass
        return entry

    async def renew(self, entry: InboxEntry, *, in_line: bool = True) -> bool:
        if self.broken == "fail ends the lease":
            return True
        in_line = in_line or self.broken == "what has left its line holds up nobody"
        if self.broken != "a lease lasts for `lease` seconds after renew":
            return await super().renew(entry, in_line=in_line)
        before, self._lease = self._lease, 0.1
        renewed = await super().renew(entry)
        self._lease = before
        return renewed

    async def complete(self, entry: InboxEntry) -> bool:
        if self.broken == "what is completed is known for the `keep` seconds of the inbox":
            self.keep *= 600
        number = self.numbers.get(entry.token, entry.number)
        return (
            await super().complete(evolve(entry, number=number))
            or self.broken == "complete ends the lease"
        )

    async def fail(
        self,
        entry: InboxEntry,
        *,
        error: str,
        retry_in: float | None,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        match self.broken:
            case "fail keeps the error":
                error = ""
            case "an entry is due when retry_in has passed":
                retry_in = None if retry_in is None else 0
            case "what failed for good is never due":
                retry_in = retry_in or 0
            case "a successor takes the place of what is kept as failed" if retry_in is None:
                await super().cancel(entry.key)
            case "records outlast a failure":
                await super().remember(entry, "name", b"")
            case "what fails without holding up its line":
                holds = True
            case "what is put off without a failure":
                counts = True
            case "what is put off without a failure and holds up its line":
                holds = False
            case _:
                pass
        failed = await super().fail(
            entry, error=error, retry_in=retry_in, holds=holds, counts=counts
        )
        if self.broken == "a failure begins to count outages from 0 again":
            await self._execute("UPDATE webex_notifications SET outages = 1 WHERE failures")
        return failed

    async def release(
        self,
        entry: InboxEntry,
        *,
        retry_in: float = 0.0,
        outage: bool = False,
        holds: bool = False,
    ) -> bool:
        match self.broken:
            case "release counts no failure":
                return await super().fail(entry, error="", retry_in=retry_in)
            case "records outlast a release":
                await super().remember(entry, "name", b"")
            case "release waits for `retry_in` seconds":
                retry_in = 0
            case "what is released and holds up its line":
                holds = False
            case _:
                pass
        return await super().release(entry, retry_in=retry_in, outage=outage, holds=holds)

    async def remember(
        self, entry: InboxEntry, name: str, value: bytes, *, leased: bool = False
    ) -> None:
        if self.broken == "recall returns":
            return
        if self.broken == "what was recorded last" and await super().recall(entry, name):
            return
        if self.broken == "records outlast a lost lease" and not await super().renew(entry):
            return
        if self.broken == "remember with leased does nothing":
            leased = False
        if self.broken == "records are durable":
            self.kept[entry.key, name] = value
            return
        self.owners[name] = entry
        await super().remember(entry, name, value, leased=leased)

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        if self.broken == "records are durable":
            return self.kept.get((entry.key, name))
        if self.broken == "for that entry and that name alone":
            entry = self.owners.get(name, entry)
        found = await super().recall(entry, name)
        if self.broken == "what replaces another has no records of that" and entry.body == b"3":
            return b"record"
        if self.broken == "records end with the completion" and (name, found) == ("name", None):
            return None if await super().renew(entry) else b""
        return found

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        if self.broken == "claims and keys have nothing to do with each other":
            await super().put(name, b"", after=60)
        if self.broken == "a claim of the inbox is renewed":
            renew = False
        if self.broken == "a claim that is renewed lasts from then on" and renew:
            seconds = 0.1
        granted = await super().claim(name, seconds, renew=renew)
        if self.broken == "also if others were refused" and not granted:
            await self._execute("UPDATE webex_claims SET until = until + 60")
        return granted or self.broken == "claim returns True once"

    async def unclaim(self, name: str) -> None:
        if self.broken == "unclaim leaves the claims of another inbox":
            await self._execute("DELETE FROM webex_claims")
        if self.broken != "unclaim lets the next who asks get it":
            await super().unclaim(name)

    async def counts(self) -> InboxCounts:
        counts = await super().counts()
        match self.broken:
            case "counts has all that waits":
                return evolve(counts, waiting=min(counts.waiting, 1))
            case "counts has what is kept as failed":
                return evolve(counts, failed=0)
            case "for how many seconds the oldest waiting one has been due":
                return evolve(counts, oldest=counts.oldest and 1000.0)
            case "counts has each in one state":
                return evolve(counts, failed=counts.failed + counts.unreadable)
            case "counts has successors":
                return evolve(counts, scheduled=0)
            case _:
                return counts

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        found = [each async for each in super().unfinished()]
        if self.broken == "in the order in which it was stored" and len(found) > 2:
            found.reverse()
        match self.broken:
            case "unfinished says who holds":
                found = [evolve(each, holder=None) for each in found]
            case "unfinished has the failures and the last error":
                found = [evolve(each, error=None) if not each.resource else each for each in found]
            case "a successor is listed" if [each.key for each in found].count(found[0].key) > 1:
                found = found[:1]
            case "unfinished says in which state each is":
                states: dict[State, State] = {"retrying": "waiting"}
                found = [evolve(each, state=states.get(each.state, each.state)) for each in found]
            case _:
                pass
        for each in found:
            yield each

    async def retry(self, keys: Iterable[str]) -> int:
        match self.broken:
            case "retry returns how many it made due":
                return len([*keys])
            case "retry makes due what is due later":
                later = [each async for each in super().unfinished() if each.state == "scheduled"]
                return await super().retry({*keys} - {each.key for each in later})
            case "retry changes nothing that can't be read":
                await self._execute(
                    "UPDATE webex_notifications SET due = 0, place = 1 WHERE error = 'unreadable'"
                )
            case _:
                pass
        return await super().retry(keys)

    async def drop(self, keys: Iterable[str]) -> int:
        dropped = await super().drop(keys := [*keys])
        if self.broken == "drop returns how many have failed":
            return len(keys)
        if self.broken == "what was dropped is known for `keep` seconds":
            await self._execute("DELETE FROM webex_notifications WHERE forget IS NOT NULL")
        return dropped

    async def caught_up(self, name: str) -> datetime | None:
        found = await super().caught_up(name)
        is_broken = self.broken == "caught_up returns None for a name that has no time"
        return found or (datetime.now(UTC) if is_broken else None)

    async def set_caught_up(self, name: str, time: datetime) -> None:
        if self.broken == "caught_up returns the last time of a name":
            time = max(time, await super().caught_up(name) or time)
        if self.broken == "set_caught_up refuses a time without a time zone":
            time = time.replace(tzinfo=UTC)
        await super().set_caught_up(name, time)

    async def _execute(self, statement: str, *values: object) -> None:
        await self._call(lambda rows: rows._changes(statement, values))


BROKEN = {
    "known": [
        "an inbox has its `keep` as an attribute",
        "put returns False for one that waits",
        "take returns what was put",
        "take leases an entry once",
    ],
    "records": [
        "records outlast a failure",
        "recall returns",
        "what was recorded last",
        "for that entry and that name alone",
        "records are durable",
        "records outlast a lost lease",
        "records end with the completion",
    ],
    "failures": [
        "fail ends the lease",
        "fail keeps the error",
        "an entry is due when retry_in has passed",
        "what failed for good is never due",
    ],
    "releases": [
        "an entry says how often it was released",
        "release counts no failure",
        "records outlast a release",
        "release waits for `retry_in` seconds",
    ],
    "completion": [
        "what is completed is known for the `keep` seconds of the inbox",
        "complete ends the lease",
    ],
    "leases": [
        "an entry says for how many seconds its lease lasts",
        "an entry says for how many seconds its lease had been over",
        "a lease lasts for `lease` seconds after renew",
    ],
    "lines": [
        "of a line one is taken at a time",
        "an entry says in which line it is",
        "an entry that was stored later has a higher number",
        "put refuses an empty line",
        "put takes any other text as a line",
    ],
    "strict_order": [
        "an entry that failed holds up its line",
        "what is due again takes its place",
        "an entry says for how many seconds it had been due",
    ],
    "pauses": [
        "what fails without holding up its line",
        "what is put off without a failure",
        "what is put off without a failure and holds up its line",
        "what is released and holds up its line",
    ],
    "outages": [
        "an entry that an outage gave back is the next",
        "returns because of an outage within one minute count as one",
        "a failure begins to count outages from 0 again",
    ],
    "expiries_in_a_line": [
        "of a line the one whose lease has expired goes on",
    ],
    "delays": [
        "now has a time zone",
        "take returns what was due at the time of now",
        "take returns nothing that is due after now",
        "an entry is due `after` seconds after put",
        "put refuses a negative `after`",
        "put refuses `after` together with `at`",
        "put refuses an `at` without a time zone",
        "an entry is due at `at`",
        "what is past when it is put is due from then on",
    ],
    "replacements": [
        "put returns True and replaces what doesn't run",
        "what replaces another has all its attempts",
        "what replaces another has no records of that",
        "one whose lease is over is replaced",
    ],
    "successors": [
        "a successor waits until the one that runs has ended",
        "a later successor replaces an earlier one",
        "a successor is listed",
        "counts has successors",
        "a successor takes the place of what is kept as failed",
    ],
    "cancellations": [
        "cancel returns False if there is nothing",
        "cancel forgets the key",
        "cancel removes the successor of what runs",
    ],
    "counts": [
        "counts has all that waits",
        "counts has what is kept as failed",
        "for how many seconds the oldest waiting one has been due",
        "counts has each in one state",
    ],
    "listing": [
        "in the order in which it was stored",
        "unfinished says who holds",
        "unfinished has the failures and the last error",
        "unfinished says in which state each is",
    ],
    "decisions": [
        "retry returns how many it made due",
        "retry makes due what is due later",
        "retry changes nothing that can't be read",
        "drop returns how many have failed",
        "what was dropped is known for `keep` seconds",
    ],
    "claims": [
        "claim returns True once",
        "also if others were refused",
        "claims and keys have nothing to do with each other",
        "unclaim leaves the claims of another inbox",
        "unclaim lets the next who asks get it",
        "a claim of the inbox is renewed",
        "a claim that is renewed lasts from then on",
    ],
    "fences": ["remember with leased does nothing"],
    "exits": [
        "what has left its line holds up nobody",
        "what has left its line has none any more",
    ],
    "stops": ["an entry says that it is stopped"],
    "order_in_a_line": ["what is stored in a line has a higher number"],
    "times": [
        "caught_up returns None for a name that has no time",
        "caught_up returns the last time of a name",
        "set_caught_up refuses a time without a time zone",
    ],
}
"""Promises by the part of the check that looks at them."""


def check_only(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the other parts of the check, which take most of its time."""
    parts = {name for name in vars(contracts._InboxCheck) if not name.startswith("_")}
    for other in parts - {part, "aclose"}:
        monkeypatch.setattr(contracts._InboxCheck, other, AsyncMock())


@pytest.mark.parametrize(
    ("part", "promise"),
    [(part, promise) for part, promises in BROKEN.items() for promise in promises],
)
async def test_a_broken_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, promise: str
) -> None:
    """The error of an inbox that breaks a promise says which."""
    check_only(part, monkeypatch)
    broken = partial(_BrokenInbox, promise, tmp_path / "inbox.db")
    with pytest.raises(AssertionError, match=promise):
        await check_inbox_at_once(broken, monkeypatch)


SECTIONS = {
    "questions": [
        ("a question is opened with what was stored before it", "ask", 1, "number"),
        ("a question is opened with what was stored before it", "ask", 1, "opened"),
        ("ask again changes the data alone", "ask", 2, "place"),
        ("questions finds a question by its place, and its owner", "questions", 1, ""),
        ("questions finds a question by its place, and its owner", "questions", 2, ""),
        ("questions finds no others", "questions", 3, ""),
        ("the call that sets the seconds of a question moves it", "ask", 3, "place"),
        ("the call that sets the seconds of a question moves it", "questions", 4, ""),
        ("a question that was moved stays where it is", "ask", 4, "place"),
        ("wait returns True", "wait", 1, ""),
        ("wait ends the lease", "wait", 2, ""),
        ("counts has what asks", "counts", 1, "asking"),
        ("what is stored later has a higher number", "take", 2, "number"),
        ("answer returns True$", "answer", 1, ""),
        ("answer returns True for an entry that has answered", "answer", 2, ""),
        ("answer closes the question", "questions", 5, ""),
        ("answer records which one it was", "records", 1, ""),
        ("what was answered is due, and waits", "take", 3, "key"),
        ("answer returns True for an entry that has answered", "ask", 5, ""),
        ("records returns all records", "records", 2, ""),
    ],
    "closings": [
        ("answer returns False, and records nothing", "answer", 2, ""),
        ("answer returns False, and records nothing", "records", 1, ""),
        ("an entry has one question at a time", "questions", 1, ""),
        ("unask closes a question", "questions", 2, ""),
        ("a conversation that is given back holds up its line", "take", 4, ""),
        ("a question is open beside others of its entry", "questions", 3, ""),
        ("complete closes the questions", "questions", 4, ""),
        ("ask returns None, and opens nothing, if the lease is lost", "ask", 7, ""),
    ],
    "fences": [
        ("questions returns them to who has the lease", "questions", 1, ""),
        ("unask does nothing for who has lost the lease", "questions", 2, ""),
        ("questions returns None to who has lost the lease", "questions", 3, ""),
    ],
    "several": [
        ("what asks several is due when the first of them is over", "ask", 4, ""),
        ("the end of a question leaves the others of its entry open", "questions", 1, ""),
    ],
    "exits": [
        ("renew returns True", "renew", 1, ""),
        ("renew returns False at the end", "renew", 2, ""),
    ],
    "stops": [
        ("stop returns what has begun, and asks nothing", "stop", 1, ""),
        ("stop returns what it marks, once", "stop", 2, ""),
        ("stopping has what is stopped, and runs", "stopping", 1, ""),
        ("stop marks what its owner begins with", "stop", 3, ""),
        ("what was stopped is known as any other", "put", 9, ""),
    ],
    "stopped_jobs": [
        ("stop returns nothing for a key that isn't known", "stop", 1, ""),
        ("stop leaves what neither runs nor asks", "stop", 2, ""),
        ("stop ends the question of a key", "stop", 3, ""),
        ("stop ends the question of a key", "questions", 1, ""),
        ("stop ends the question of a key", "recall", 1, ""),
        ("what is stopped isn't stopped again", "stop", 4, ""),
        ("stop removes the successor, and cancel leaves what is stopped", "cancel", 1, ""),
        ("put behind a job that is stopped stores its successor, once", "put", 3, ""),
        ("put behind a job that is stopped stores its successor, once", "put", 4, ""),
        ("stop marks what runs", "stop", 5, ""),
        ("the key of a job that was stopped is free", "put", 6, ""),
        ("put returns False for a message that is stopped", "put", 8, ""),
    ],
    "queues": [
        ("the first question that queues at a place is open", "ask", 1, "opened"),
        ("a question that queues waits for the one before it", "ask", 2, "opened"),
        ("a question that waits can't be answered", "answer", 1, ""),
        ("a question that doesn't queue waits for none", "ask", 4, "opened"),
        ("a question that waits is due when the one before it is closed", "take", 5, ""),
        ("a question that waits is due when the one before it is closed", "take", 7, "key"),
        ("a question that waits is due when the one before it is closed", "take", 8, ""),
        ("a question that waits is due when the one before it is closed", "ask", 5, "opened"),
        ("fail closes the questions of what is kept as failed", "take", 9, "key"),
    ],
    "ends_of_questions": [
        ("a question whose seconds have passed has no answer", "ask", 2, ""),
        ("that there was no answer is recorded", "recall", 1, ""),
        ("retry counts what asks", "retry", 1, ""),
        ("retry ends the question of what asks", "ask", 4, ""),
        ("end counts what it ends", "end", 1, ""),
        ("end records its data, and closes the question", "recall", 2, ""),
        ("end records its data, and closes the question", "questions", 1, ""),
        ("cancel closes its question", "questions", 2, ""),
        ("put in place of what asks closes its question", "questions", 3, ""),
    ],
    "late_answers": [
        ("a question doesn't end while what was stored before may answer it", "ask", 2, ""),
        ("an end that was put off comes when nothing may answer", "ask", 3, ""),
        ("what can't answer a question any more doesn't put off its end", "ask", 9, ""),
    ],
}
"""The promise that a wrong result of the n-th call breaks, by section of the check of questions."""


def _wrong(result: Any, attribute: str) -> Any:  # noqa: ANN401 - of any method
    """Return another result than the right one, or that with another value of an attribute."""
    if attribute:
        right = getattr(result, attribute)
        wrong: dict[str, Any] = {"key": "another", "place": "another", "number": 0}
        return evolve(result, **{attribute: wrong.get(attribute, None if right else 1)})
    match result:
        case bool():
            return not result
        case bytes() | None:
            return b"wrong"
        case int():
            return result + 1
        case {}:
            return {"wrong": b""}
        case _:
            return [] if result else [result]


@pytest.mark.parametrize(
    ("section", "promise", "method", "number", "attribute"),
    [(section, *row) for section, rows in SECTIONS.items() for row in rows],
)
async def test_a_broken_promise_about_questions(  # noqa: PLR0913 - a column each
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    section: str,
    promise: str,
    method: str,
    number: int,
    attribute: str,
) -> None:
    """A wrong result of a method for questions is an error that says which promise it breaks."""
    calls = count(1)
    right = getattr(SQLiteInbox, method)

    async def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - of any method
        result = await right(*arguments, **options)
        return _wrong(result, attribute) if next(calls) == number else result

    monkeypatch.setattr(SQLiteInbox, method, call)
    check_only(section, monkeypatch)
    with pytest.raises(AssertionError, match=promise):
        await check_inbox_at_once(partial(SQLiteInbox, tmp_path / "inbox.db"), monkeypatch)


class _InboxWithoutTimes(SQLiteInbox):
    """An inbox of somebody who needs no catching up."""

    caught_up = Inbox.caught_up
    set_caught_up = Inbox.set_caught_up


async def test_an_inbox_that_keeps_no_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps all that it promises, and says that it has no times."""
    path = tmp_path / "inbox.db"
    await check_inbox_at_once(partial(_InboxWithoutTimes, path), monkeypatch)
    async with aclosing(_InboxWithoutTimes(path)) as inbox:
        with pytest.raises(NotImplementedError):
            await inbox.caught_up("name")
        with pytest.raises(NotImplementedError):
            await inbox.set_caught_up("name", datetime.now(UTC))


async def test_what_is_no_inbox() -> None:
    """The error says what to inherit from, or to pass a function."""
    with pytest.raises(TypeError, match="inbox must inherit from Inbox"):
        await check_inbox(Mock())
    with pytest.raises(TypeError, match="factory must be a function, got str: pass one that"):
        await check_inbox("inbox.db")  # type: ignore[arg-type] # it is refused
