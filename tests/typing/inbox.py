"""What type checkers know about inboxes. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from pathlib import Path
from typing import assert_type

from webex_webhooks_async import (
    GiveUpError,
    Inbox,
    InboxCounts,
    InboxEntry,
    Receiver,
    SQLiteInbox,
)
from webex_webhooks_async.testing import check_inbox


class OwnInbox:
    """An inbox of a user's."""

    async def put(self, key: str, body: bytes) -> bool:
        """Store it."""
        return bool(key and body)

    async def take(self) -> InboxEntry | None:
        """Lease one."""
        return InboxEntry(key="key", body=b"{}", token="1")

    async def renew(self, entry: InboxEntry) -> bool:
        """Prolong a lease."""
        return entry.token == "1"

    async def complete(self, entry: InboxEntry) -> bool:
        """Record it."""
        return entry.expiries == 0

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Count it."""
        return entry.failures == 0 and again_in is None

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Find a record."""
        return entry.body if name else None

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record something."""

    async def aclose(self) -> None:
        """Close it."""


def made(*, lease: float, keep: float) -> Inbox:
    """A factory, as the check calls it."""
    return SQLiteInbox("inbox.db", lease=lease, keep=keep)


def give_up(receiver: Receiver) -> None:
    """A failure that isn't tried again."""
    assert_type((receiver.is_first_attempt, receiver.is_last_attempt), tuple[bool, bool])
    raise GiveUpError("there is no such room")


async def any_inbox(inbox: Inbox) -> None:
    """An inbox has these methods."""
    assert_type(await inbox.put("key", b"{}"), bool)
    entry = await inbox.take()
    assert_type(entry, InboxEntry | None)
    if entry is not None:
        assert_type((entry.key, entry.body, entry.error), tuple[str, bytes, str | None])
        assert_type((entry.failures, entry.expiries), tuple[int, int])
        assert_type(await inbox.renew(entry), bool)
        await inbox.remember(entry, "name", b"value")
        assert_type(await inbox.recall(entry, "name"), bytes | None)
        assert_type(await inbox.fail(entry, 4), bool)
        assert_type(await inbox.complete(entry), bool)
    await inbox.aclose()


async def inboxes_of_several_kinds() -> None:
    """The package's, and any class with the methods."""
    await any_inbox(SQLiteInbox("inbox.db", lease=10, keep=3600))
    await any_inbox(SQLiteInbox(Path("inbox.db"), clock=lambda: 0.0))
    await any_inbox(OwnInbox())
    counts = await SQLiteInbox("inbox.db").counts()
    assert_type(counts, InboxCounts)
    assert_type((counts.waiting, counts.running, counts.failed), tuple[int, int, int])
    assert_type(counts.oldest, float | None)
    Receiver("secret", inbox=SQLiteInbox("inbox.db"), attempts=3, max_pending=10)
    Receiver("secret", inbox=OwnInbox())
    Receiver("secret", inbox=None)
    await check_inbox(made)


async def what_cannot_be_is_an_error(inbox: Inbox) -> None:
    """Type checkers find what an inbox can't do."""
    SQLiteInbox()  # type: ignore[call-arg] # which file
    SQLiteInbox("inbox.db", 60)  # type: ignore[call-arg] # by name
    await inbox.put("key", "{}")  # type: ignore[arg-type] # bytes
    await inbox.complete("key")  # type: ignore[arg-type] # the entry
    Receiver("secret", inbox="inbox.db")  # type: ignore[arg-type] # the inbox itself
    Receiver("secret", inbox=SQLiteInbox("inbox.db"), attempts=None)  # type: ignore[arg-type] # a number
    await any_inbox(object())  # type: ignore[arg-type] # it lacks the methods
    await check_inbox(SQLiteInbox("inbox.db"))  # type: ignore[arg-type] # what makes one
