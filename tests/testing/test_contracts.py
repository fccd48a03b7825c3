"""What the checks of a storage of one's own say about a broken one."""

# pyright: reportPrivateUsage=false

from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from attrs import evolve

from tests.support.clocks import check_inbox_at_once
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, StoredNotification
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.testing import check_inbox

pytestmark = pytest.mark.once


class _BrokenInbox(SQLiteInbox):
    """An inbox that keeps every promise but one."""

    def __init__(self, promise: str, path: Path, **options: Any) -> None:  # noqa: ANN401 - its own
        super().__init__(path, **options)
        self.broken = promise
        self.records: dict[tuple[str, str], bytes] = {}
        self.owners: dict[str, InboxEntry] = {}

    async def put(
        self, key: str, body: bytes, *, line: str | None = None, after: float = 0.0
    ) -> bool:
        match self.broken:
            case "of a line one is taken at a time":
                line = None if line is None else key
            case "an entry says in which line it is":
                line = line and f"{line} of mine"
            case "put refuses an empty line":
                line = line or None
            case "an entry is due `after` seconds after put":
                after = min(after, 0.0)
            case "put refuses a negative `after`":
                after = max(after, 0.0)
            case _:
                pass
        is_new = await super().put(key, body, line=line, after=after)
        return is_new or self.broken == "put returns False for one that waits"

    async def take(self) -> InboxEntry | None:  # noqa: PLR0911 - a promise each
        if self.broken == "take returns what was put":
            return None
        entry = await super().take()
        if entry is None:
            return None
        match self.broken:
            case "take leases an entry once":
                await super().fail(entry, error="", retry_in=0)
            case "an entry says for how many seconds its lease":
                return evolve(entry, lease=60.0)
            case "an entry says how often it was released":
                return evolve(entry, releases=0)
            case "of a line the one whose lease has expired goes on" if (
                entry.line and entry.expiries
            ):
                await super().release(entry, retry_in=60)
                return await super().take()
            case "what is due again takes its place" if entry.line and entry.failures:
                await super().release(entry, retry_in=0.1)
                return await super().take()
            case _:
                pass
        return entry

    async def renew(self, entry: InboxEntry) -> bool:
        if self.broken == "fail ends the lease":
            return True
        if self.broken != "a lease lasts for `lease` seconds after renew":
            return await super().renew(entry)
        before, self._lease = self._lease, 0.1
        renewed = await super().renew(entry)
        self._lease = before
        return renewed

    async def complete(self, entry: InboxEntry) -> bool:
        if self.broken == "what is completed is known for the `keep` seconds of the inbox":
            self._keep *= 600
        return await super().complete(entry) or self.broken == "complete ends the lease"

    async def fail(self, entry: InboxEntry, *, error: str, retry_in: float | None) -> bool:
        match self.broken:
            case "fail keeps the error":
                error = ""
            case "an entry is due when retry_in has passed":
                retry_in = None if retry_in is None else 0
            case "what failed for good is never due":
                retry_in = retry_in or 0
            case "records outlast a failure":
                await super().remember(entry, "name", b"")
            case _:
                pass
        return await super().fail(entry, error=error, retry_in=retry_in)

    async def release(self, entry: InboxEntry, *, retry_in: float = 0.0) -> bool:
        match self.broken:
            case "release counts no failure":
                return await super().fail(entry, error="", retry_in=retry_in)
            case "records outlast a release":
                await super().remember(entry, "name", b"")
            case "release waits for `retry_in` seconds":
                retry_in = 0
            case _:
                pass
        return await super().release(entry, retry_in=retry_in)

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        if self.broken == "recall returns":
            return
        if self.broken == "what was recorded last" and await super().recall(entry, name):
            return
        if self.broken == "records outlast a lost lease" and not await super().renew(entry):
            return
        if self.broken == "records are durable":
            self.records[entry.key, name] = value
            return
        self.owners[name] = entry
        await super().remember(entry, name, value)

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        if self.broken == "records are durable":
            return self.records.get((entry.key, name))
        if self.broken == "for that entry and that name alone":
            entry = self.owners.get(name, entry)
        found = await super().recall(entry, name)
        if self.broken == "records end with the completion" and (name, found) == ("name", None):
            return None if await super().renew(entry) else b""
        return found

    async def claim(self, name: str, seconds: float) -> bool:
        if self.broken == "claims and keys have nothing to do with each other":
            await super().put(name, b"", after=60)
        granted = await super().claim(name, seconds)
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
            case _:
                return counts

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        found = [each async for each in super().unfinished()]
        if self.broken == "in the order in which it was stored":
            found.reverse()
        match self.broken:
            case "unfinished says who holds":
                found = [evolve(each, holder=None) for each in found]
            case "the error of what can't be read":
                found = [evolve(each, error=None) if not each.resource else each for each in found]
            case _:
                pass
        for each in found:
            yield each

    async def retry(self, keys: Iterable[str]) -> int:
        if self.broken == "retry changes nothing that hasn't failed":
            return await super().retry(keys) or 1
        retried = await super().retry(keys)
        if self.broken == "retry changes nothing that can't be read":
            await self._execute("UPDATE webex_notifications SET due = 0 WHERE error = 'unreadable'")
        return retried

    async def drop(self, keys: Iterable[str]) -> int:
        if self.broken == "drop returns how many have failed":
            return len([*keys])
        return await super().drop(keys)

    async def _execute(self, statement: str) -> None:
        await self._call(lambda rows: rows._changes(statement, ()))


@pytest.mark.parametrize(
    "promise",
    [
        *("put returns False for one that waits", "take returns what was put"),
        *("take leases an entry once", "an entry says for how many seconds its lease"),
        *("fail ends the lease", "a lease lasts for `lease` seconds after renew"),
        *("what is completed is known for the `keep` seconds of the inbox",),
        *("complete ends the lease", "fail keeps the error"),
        *("an entry is due when retry_in has passed", "what failed for good is never due"),
        *("records outlast a failure", "recall returns"),
        *("what was recorded last", "for that entry and that name alone", "records are durable"),
        *("records outlast a lost lease", "records end with the completion"),
        *("of a line one is taken at a time", "an entry says in which line it is"),
        *("of a line the one whose lease has expired goes on", "put refuses an empty line"),
        *("what is due again takes its place", "an entry is due `after` seconds after put"),
        *("put refuses a negative `after`", "an entry says how often it was released"),
        *("release counts no failure", "records outlast a release"),
        *("release waits for `retry_in` seconds", "claim returns True once"),
        *("also if others were refused", "claims and keys have nothing to do with each other"),
        *("unclaim leaves the claims of another inbox", "unclaim lets the next who asks get it"),
        *("counts has all that waits", "counts has what is kept as failed"),
        *("in the order in which it was stored", "unfinished says who holds"),
        *("retry changes nothing that hasn't failed", "retry changes nothing that can't be read"),
        *("drop returns how many have failed", "the error of what can't be read"),
    ],
)
async def test_a_broken_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: str
) -> None:
    """The error of an inbox that breaks a promise says which."""
    broken = partial(_BrokenInbox, promise, tmp_path / "inbox.db")
    with pytest.raises(AssertionError, match=promise):
        await check_inbox_at_once(broken, monkeypatch)


async def test_what_is_no_inbox() -> None:
    """The error says what to inherit from, or to pass a function."""
    with pytest.raises(TypeError, match="inbox must inherit from Inbox"):
        await check_inbox(Mock())
    with pytest.raises(TypeError, match="factory must be a function, got str: pass one that"):
        await check_inbox("inbox.db")  # type: ignore[arg-type] # it is refused
