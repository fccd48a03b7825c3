"""What the checks of a storage of one's own say about a broken one."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from attrs import evolve

from tests.support.clocks import check_inbox_at_once
from webex_webhooks_async.notifications.deduplication import Claim, Deduplicator, MemoryDeduplicator
from webex_webhooks_async.notifications.inbox import InboxEntry
from webex_webhooks_async.notifications.sqlite_inbox import SQLiteInbox
from webex_webhooks_async.testing import check_deduplicator

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
        is_new = await super().put(key, body, line=line, after=after)
        return is_new or self.broken == "put returns False for one that waits"

    async def take(self) -> InboxEntry | None:
        if self.broken == "take returns what was put":
            return None
        entry = await super().take()
        if entry is not None and self.broken == "take leases an entry once":
            await super().fail(entry, error="", retry_in=0)
        if entry is not None and self.broken == "an entry says for how many seconds its lease":
            return evolve(entry, lease=60.0)
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
        if self.broken == "what is completed is known for `keep` seconds":
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


@pytest.mark.parametrize(
    "promise",
    [
        *("put returns False for one that waits", "take returns what was put"),
        *("take leases an entry once", "an entry says for how many seconds its lease"),
        *("fail ends the lease", "a lease lasts for `lease` seconds after renew"),
        *("what is completed is known for `keep` seconds", "complete ends the lease"),
        *("fail keeps the error", "an entry is due when retry_in has passed"),
        *("what failed for good is never due", "records outlast a failure", "recall returns"),
        *("what was recorded last", "for that entry and that name alone", "records are durable"),
        *("records outlast a lost lease", "records end with the completion"),
    ],
)
async def test_a_broken_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promise: str
) -> None:
    """The error of an inbox that breaks a promise says which."""
    broken = partial(_BrokenInbox, promise, tmp_path / "inbox.db")
    with pytest.raises(AssertionError, match=promise):
        await check_inbox_at_once(broken, monkeypatch)


class _Leases(Deduplicator):
    """A deduplicator with leases, in memory, that keeps every promise but one."""

    def __init__(self, promise: str = "", keys: dict[str, Claim] | None = None) -> None:
        self.broken = promise
        self.keys: dict[str, Claim] = {} if keys is None else keys
        self.granted: set[str] = set()

    async def claim(self, key: str) -> Any:  # noqa: ANN401 - a broken one returns anything
        claim = self.keys.get(key, Claim.GRANTED)
        if self.broken == "of 20 simultaneous claims of a key, 20 are granted":
            await asyncio.sleep(0)
        self.keys.setdefault(key, Claim.IN_PROGRESS)
        if claim is Claim.GRANTED:
            self.granted.add(key)
        match self.broken:
            case "nobody has claimed the key; it returned None":
                return None
            case "must return Claim.GRANTED .* it returned True":
                return claim is Claim.GRANTED
            case "Claim.DONE or Claim.IN_PROGRESS when the key is claimed":
                return Claim.GRANTED
            case _:
                return claim

    async def confirm(self, key: str) -> None:
        if self.broken == "Claim.DONE when the key was confirmed":
            return
        if self.broken != "Claim.DONE when another one has confirmed" or key in self.granted:
            self.keys[key] = Claim.DONE

    async def release(self, key: str) -> None:
        if self.broken == "Claim.GRANTED when the key was released":
            return
        forgets_anything = self.broken == "Claim.DONE when a confirmed key was released"
        if forgets_anything or self.keys.get(key) is Claim.IN_PROGRESS:
            self.keys.pop(key, None)


def _leases(**methods: Mock) -> _Leases:
    """Return one with other methods."""
    leases = _Leases()
    for name, method in methods.items():
        setattr(leases, name, method)
    return leases


async def test_a_right_deduplicator_passes() -> None:
    """One with leases passes, and one without."""
    memory, leases = MemoryDeduplicator(), _Leases()

    await check_deduplicator(lambda: memory)
    await check_deduplicator(lambda: leases)


@pytest.mark.parametrize(
    "promise",
    [
        "nobody has claimed the key; it returned None",
        "must return Claim.GRANTED .* it returned True",
        "Claim.DONE or Claim.IN_PROGRESS when the key is claimed",
        "Claim.DONE when the key was confirmed",
        "Claim.DONE when another one has confirmed",
        "Claim.GRANTED when the key was released",
        "Claim.DONE when a confirmed key was released",
        "of 20 simultaneous claims of a key, 20 are granted",
    ],
)
async def test_a_broken_promise_is_named(promise: str) -> None:
    """The check fails, and says which promise is broken; so it does if nothing is shared."""
    keys: dict[str, Claim] = {}

    with pytest.raises(AssertionError, match=promise):
        await check_deduplicator(lambda: _Leases(promise, keys))
    with pytest.raises(AssertionError, match="when the key is claimed; it returned <Claim"):
        await check_deduplicator(MemoryDeduplicator)


@pytest.mark.parametrize(
    ("factory", "match"),
    [
        (object, r"must inherit from Deduplicator, and object doesn't: write class object\(Dedup"),
        (lambda: _Leases, "got the class _Leases: pass an instance$"),
        (_Leases(), "factory must be a function, got _Leases: pass one that returns a dedupl"),
        (
            lambda: _leases(claim=Mock(return_value=Claim.GRANTED)),
            "claim must be an async method: it returned <Claim.GRANTED",
        ),
        (lambda: _leases(claim=AsyncMock(side_effect=TypeError("its own"))), "its own"),
    ],
)
async def test_what_is_not_a_deduplicator(factory: Any, match: str) -> None:  # noqa: ANN401 - mistakes
    """The error says what a deduplicator has to be."""
    with pytest.raises(TypeError, match=match):
        await check_deduplicator(factory)
