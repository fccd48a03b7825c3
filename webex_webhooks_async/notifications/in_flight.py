"""Claims each notification with the deduplicator, and finishes each claim."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from webex_webhooks_async.errors import InProgressError
from webex_webhooks_async.notifications.deduplication import (
    Deduplicator,
    LeasingDeduplicator,
    MemoryDeduplicator,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")


class InFlight:
    """The notifications that one receiver is handling.

    It knows a notification for as long as it is being handled, even if the deduplicator forgets it.
    Every claim is finished: cancelling a request interrupts no call of the deduplicator, and a
    claim that is granted to a cancelled request is released.

    Args:
        deduplicator: Asked for each claim. Without one, every claim is granted.

    Attributes:
        unfinished: The calls of the deduplicator that haven't returned yet.
    """

    def __init__(self, deduplicator: Deduplicator | None) -> None:
        self.unfinished: set[asyncio.Task[Any]] = set()
        self._deduplicator = deduplicator
        self._leasing = deduplicator if isinstance(deduplicator, LeasingDeduplicator) else None
        # It never waits, so that nothing can be cancelled in the middle of a call.
        self._is_in_memory = type(deduplicator) is MemoryDeduplicator
        self._keys: set[str] = set()

    async def claim(self, key: str) -> bool:
        """Return whether the notification is ours to handle; if it is, `finish` has to follow.

        Raises:
            InProgressError: It is being handled, and may have to be handled again.
        """
        if self._deduplicator is None:
            return True
        if key in self._keys:
            if self._leasing is None:
                return False
            raise InProgressError
        self._keys.add(key)
        claim = self._claim(key, self._deduplicator)
        if self._is_in_memory:
            return await claim
        claiming = self._start(claim)
        try:
            return await _result_of(claiming)
        except asyncio.CancelledError:
            self._start(self._abandon(key, claiming))
            raise

    async def finish(self, key: str, *, done: bool) -> None:
        """Keep the claim of a notification that is done; release that of one that isn't."""
        if self._deduplicator is None:
            return
        if not done:
            finishing = self._call_last(key, self._deduplicator.release, _NOT_RELEASED)
        elif self._leasing is not None:
            finishing = self._call_last(key, self._leasing.confirm, _NOT_CONFIRMED)
        else:
            self._keys.discard(key)
            return
        await _result_of(self._start(finishing))

    async def _claim(self, key: str, deduplicator: Deduplicator) -> bool:
        claimed = False
        try:
            claimed = await deduplicator.claim(key)
        finally:
            if not claimed:
                self._keys.discard(key)
        return claimed

    async def _abandon(self, key: str, claiming: asyncio.Task[bool]) -> None:
        """Release a claim whose request was cancelled, if it is granted."""
        try:
            if await _result_of(claiming):
                await self.finish(key, done=False)
        except InProgressError:
            pass  # someone else is handling the notification
        except Exception:
            logger.exception("the deduplicator failed for a request that was cancelled")

    async def _call_last(
        self, key: str, call: Callable[[str], Awaitable[None]], failure: str
    ) -> None:
        try:
            await call(key)
        except (Exception, asyncio.CancelledError):  # the latter of what it waited for
            logger.exception(failure)
        finally:
            self._keys.discard(key)

    def _start(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(call)
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        return task


async def _result_of(task: asyncio.Task[T]) -> T:
    """Wait for a task, which goes on if the caller is cancelled."""
    # Not asyncio.shield: it reports the errors of a task whose caller was cancelled.
    await asyncio.wait({task})
    if task.cancelled():
        raise RuntimeError("what the deduplicator waited for was cancelled")
    return task.result()


_NOT_RELEASED = (
    "a claim could not be released: until it expires, copies of that notification are not handled"
)
_NOT_CONFIRMED = "a notification was handled, but not confirmed: a copy of it may be handled again"
