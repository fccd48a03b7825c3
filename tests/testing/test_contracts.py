from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from webex_webhooks_async.notifications.inbox import InboxEntry
from webex_webhooks_async.notifications.sqlite_inbox import SQLiteInbox
from webex_webhooks_async.testing import check_inbox

pytestmark = pytest.mark.once


class TakesNothing(SQLiteInbox):
    """It never gives out what it has stored."""

    async def take(self) -> InboxEntry | None:
        """Find nothing."""
        return None


class KnowsNothing(SQLiteInbox):
    """It takes a copy for a new notification."""

    async def put(self, key: str, body: bytes) -> bool:
        """Always say that it is new."""
        await super().put(key, body)
        return True


class LeasesNothing(SQLiteInbox):
    """It gives out an entry that is leased already."""

    async def take(self) -> InboxEntry | None:
        """Free the entry that is taken."""
        entry = await super().take()
        if entry is not None:
            await super().fail(entry, 0)
        return entry


class ForgetsErrors(SQLiteInbox):
    """It doesn't keep why an entry failed."""

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Leave the error out."""
        return await super().fail(evolve(entry, error=None), again_in)


class IgnoresPauses(SQLiteInbox):
    """What failed is due at once."""

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Leave the pause out."""
        return await super().fail(entry, None if again_in is None else 0)


class KeepsFailing(SQLiteInbox):
    """What failed for good is due again."""

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Make a pause of what is for good."""
        return await super().fail(entry, again_in or 0)


class RenewsNothing(SQLiteInbox):
    """A lease isn't longer for having been renewed."""

    async def renew(self, entry: InboxEntry) -> bool:
        """Say that it is."""
        return True


class RenewsOnlyInWords(SQLiteInbox):
    """A lease isn't longer for having been renewed, but who lost it learns that."""

    async def renew(self, entry: InboxEntry) -> bool:
        """Find out whether it is lost."""
        before, self._lease = self._lease, 0.1
        renewed = await super().renew(entry)
        self._lease = before
        return renewed


class HidesItsLease(SQLiteInbox):
    """It doesn't say how long its leases last."""

    async def take(self) -> InboxEntry | None:
        """Leave the lease out."""
        entry = await super().take()
        return None if entry is None else evolve(entry, lease=60.0)


class CompletesWhatIsLost(SQLiteInbox):
    """It completes an entry whose lease is lost."""

    async def complete(self, entry: InboxEntry) -> bool:
        """Say that it is complete."""
        await super().complete(entry)
        return True


class RemembersForTooLong(SQLiteInbox):
    """What is completed is known for longer than it should be."""

    async def complete(self, entry: InboxEntry) -> bool:
        """Complete it for a longer time."""
        self._keep *= 600
        return await super().complete(entry)


class RecordsNothing(SQLiteInbox):
    """It forgets every record."""

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Leave it."""


class RecordsOnce(SQLiteInbox):
    """A record that is there stays as it is."""

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record what isn't there yet."""
        if await super().recall(entry, name) is None:
            await super().remember(entry, name, value)


class MixesEntries(SQLiteInbox):
    """A record of one entry is found under any."""

    names: ClassVar[dict[str, InboxEntry]] = {}

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Look at the entry for which something was recorded under that name."""
        return await super().recall(self.names.get(name, entry), name)

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record it, and for whom."""
        self.names[name] = entry
        await super().remember(entry, name, value)


class RecordsInMemory(SQLiteInbox):
    """Its records aren't durable."""

    def __init__(self, path: Path, **options: Any) -> None:  # noqa: ANN401 - any option
        super().__init__(path, **options)
        self._records: dict[tuple[str, str], bytes] = {}

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Look into the memory."""
        return self._records.get((entry.key, name))

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Write into the memory."""
        self._records[entry.key, name] = value


class RecordsUnderALease(SQLiteInbox):
    """It records nothing for an entry whose lease is lost."""

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Look at the lease first."""
        if await super().renew(entry):
            await super().remember(entry, name, value)


class ForgetsRecords(SQLiteInbox):
    """A failure ends the records."""

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Remove the records."""
        await super().remember(entry, "name", b"")
        return await super().fail(entry, again_in)


class KeepsRecords(SQLiteInbox):
    """A completion doesn't end the records."""

    last = b""

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Find the last record again."""
        found = await super().recall(entry, name)
        if found is None and not await super().renew(entry) and name == "name":
            return self.last
        return found


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (TakesNothing, "take returns what was put"),
        (KnowsNothing, "put returns False for one that waits"),
        (LeasesNothing, "take leases an entry once"),
        (ForgetsErrors, "fail keeps the error of the entry"),
        (IgnoresPauses, "an entry is due when again_in has passed"),
        (KeepsFailing, "what failed for good is never due"),
        (RenewsNothing, "fail ends the lease"),
        (RenewsOnlyInWords, "a lease lasts for `lease` seconds after renew"),
        (HidesItsLease, "an entry says for how many seconds its lease lasts"),
        (CompletesWhatIsLost, "complete ends the lease"),
        (RecordsNothing, "recall returns what was recorded last"),
        (RecordsOnce, "recall returns what was recorded last"),
        (MixesEntries, "for that entry and that name alone"),
        (RecordsInMemory, "records are durable"),
        (RecordsUnderALease, "records outlast a lost lease"),
        (ForgetsRecords, "records outlast a failure"),
        (KeepsRecords, "records end with the completion"),
        (RemembersForTooLong, "what is completed is known for `keep` seconds"),
    ],
)
async def test_a_broken_inbox(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[..., SQLiteInbox],
    promise: str,
) -> None:
    """The error of an inbox that breaks a promise says which."""
    monkeypatch.setattr("webex_webhooks_async.testing.contracts._PATIENCE", 1)
    with pytest.raises(AssertionError, match=promise):
        await check_inbox(partial(broken, tmp_path / "inbox.db"))
