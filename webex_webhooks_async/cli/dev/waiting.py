"""Tells `dev` what the inboxes of its program hold, and makes due what the page asks for."""

import asyncio
import logging
from collections.abc import Callable

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.inbox.entries import StoredNotification
from webex_webhooks_async.notifications.identity import RESOURCE
from webex_webhooks_async.receiving.activity import activities

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_SECONDS = 1.0  # between two looks
_MOST = 100  # rows that the page shows, of so many
_MOST_LISTED = 1_000


class Waiting:
    """What waits in the inboxes of the program.

    Args:
        report: Sends an object to `dev`.
    """

    def __init__(self, report: Callable[..., object]) -> None:
        self._report = report
        self._reported: list[dict[str, str | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Report what waits, and then each change, in the event loop of the server."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._watch())

    def make_due(self, key: str) -> None:
        """Make an entry due; an open question ends as if its time were over."""
        if self._loop is not None:  # pragma: no branch - only what was reported is asked for
            asyncio.run_coroutine_threadsafe(self._make_due(key), self._loop)

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(_SECONDS)

    async def _make_due(self, key: str) -> None:
        for each in tuple(activities):
            try:
                await each.make_due(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for it
                logger.warning("%s can't be made due: %s", key, describe_exception(error))
        await self._look()

    async def _look(self) -> None:
        listed: dict[str, StoredNotification] = {}  # several bots may share an inbox
        for each in tuple(activities):
            listed |= {entry.key: entry for entry in await each.unfinished(_MOST_LISTED)}
        found = [*map(_row, sorted(listed.values(), key=_order)[:_MOST])]
        if found != self._reported:
            self._reported = found
            self._report(waiting=found)


def _order(entry: StoredNotification) -> tuple[bool, float]:
    """Questions come first, then what isn't tried any more, then what is due next."""
    return entry.state != "asking", entry.due.timestamp() if entry.due else 0.0


def _row(entry: StoredNotification) -> dict[str, str | None]:
    kind = "job" if entry.resource == RESOURCE else entry.resource
    return {
        "key": entry.key,
        "what": f"{kind} {entry.event}" if kind else "",
        "about": entry.data_id,
        "state": entry.state,
        "due": entry.due.isoformat() if entry.due else None,
        "error": entry.error,
    }
