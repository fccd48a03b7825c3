"""What type checkers know about inboxes. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from pathlib import Path

from webex_webhooks_async import (
    Inbox,
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


async def inboxes_of_several_kinds() -> None:
    """The package's, and any class with the methods."""
    for inbox in (SQLiteInbox(Path("inbox.db"), clock=lambda: 0.0), OwnInbox(), None):
        Receiver("secret", inbox=inbox, attempts=3)
    await check_inbox(made)


async def what_cannot_be_is_an_error() -> None:
    """Type checkers find what lacks the methods of an inbox."""
    Receiver("secret", inbox="inbox.db")  # type: ignore[arg-type] # the inbox itself
    Receiver("secret", inbox=object())  # type: ignore[arg-type] # it lacks the methods
    await check_inbox(SQLiteInbox("inbox.db"))  # type: ignore[arg-type] # what makes one
