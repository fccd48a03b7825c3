"""Looks into the file of an inbox beside a bot that uses it, and an inbox that can't store."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from webex_webhooks_async import Inbox, SQLiteInbox
from webex_webhooks_async.inbox.sqlite_file import InboxFile
from webex_webhooks_async.inbox.sqlite_rows import InboxRows
from webex_webhooks_async.types import InboxEntry, StoredNotification

Clock = Callable[[], float]


async def taken(inbox: Inbox) -> InboxEntry:
    """Take what is there."""
    entry = await inbox.take()
    assert entry is not None
    return entry


class FullInbox(SQLiteInbox):
    """An inbox on a full disk."""

    async def put(self, *_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")


def stored_in(path: Path, clock: Clock = time.time) -> list[StoredNotification]:
    """What isn't completed, the oldest first."""
    with _opened(path, clock) as file, file.transaction() as rows:
        return _unfinished(rows)


def retry_all_in(path: Path, clock: Clock) -> None:
    """Let all that failed be due, as `inbox retry` without keys."""
    with _opened(path, clock, change=True) as file, file.transaction() as rows:
        for each in _unfinished(rows):
            if each.state in {"failed", "retrying"}:
                rows.retry([each.key])


def _opened(path: Path, clock: Clock, *, change: bool = False) -> closing[InboxFile]:
    return closing(InboxFile.look_into(path, change=change, clock=clock))


def _unfinished(rows: InboxRows) -> list[StoredNotification]:
    found: list[StoredNotification] = []
    last = 0
    while page := rows.unfinished(last):
        found += [each for _, each in page]
        last = page[-1][0]
    return found
