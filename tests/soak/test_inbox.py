"""The file of an inbox, after many notifications.

SOAK_NOTIFICATIONS says how many.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notifications.doubles import MESSAGE_DATA, body_of
from webex_webhooks_async.notifications.sqlite_inbox import SQLiteInbox

pytestmark = pytest.mark.once

NOTIFICATIONS = int(os.environ.get("SOAK_NOTIFICATIONS", "4000")) // 2
ROUNDS = 10
CONNECTIONS = 8
FILLER = "x" * 4_000  # large, so that a body that is kept shows in the file


class Soak:
    """An inbox that many use, and its time, which passes with each notification.

    Args:
        path: Its file.
        keep: For how many notifications a completed one is known.
    """

    def __init__(self, path: Path, keep: int) -> None:
        self._path = path
        self._now = 0.0
        self.inbox = SQLiteInbox(path, keep=keep, clock=lambda: self._now)

    async def use(self, numbers: range) -> None:
        """Store, take and complete the notifications with these numbers."""
        shared = iter(numbers)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._use_each(shared))

    async def _use_each(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            self._now += 1
            body = body_of({**MESSAGE_DATA, "id": f"MESSAGE-{number}", "files": [FILLER]})
            assert await self.inbox.put(f"{number:064}", body)
            entry = await self.inbox.take()
            assert entry is not None
            assert await self.inbox.complete(entry)

    def size(self) -> int:
        """Bytes in the file, and in those beside it."""
        return sum(each.stat().st_size for each in self._path.parent.iterdir())


@pytest.mark.timeout(1200)
async def test_a_file_stays_as_large_as_what_it_remembers(tmp_path: Path) -> None:
    """The file grows until the first keys are forgotten, and reuses its space from then on."""
    size = NOTIFICATIONS // ROUNDS
    soak = Soak(tmp_path / "inbox.db", keep=size)
    sizes: list[int] = []
    for start in range(0, NOTIFICATIONS, size):
        await soak.use(range(start, start + size))
        sizes.append(soak.size())
        print(f"{start + size} notifications, {sizes[-1]:,} bytes")  # noqa: T201 - the figures are for people
    await soak.inbox.aclose()
    print(f"closed, {soak.size():,} bytes")  # noqa: T201 - the same

    # What it remembers is full after one round; the log beside it after some megabytes.
    assert sizes[-1] < 1.1 * max(sizes[:5])
    assert soak.size() < 1000 * size  # and holds keys, no bodies
