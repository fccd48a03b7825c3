"""Claims each notification with the deduplicator, and finishes each claim."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from webex_webhooks_async.notifications.deduplication import (
    Claim,
    Deduplicator,
    MemoryDeduplicator,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")


class InFlight:
    """The claims of one receiver.

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
        # It never waits, so that nothing can be cancelled in the middle of a call.
        self._is_in_memory = type(deduplicator) is MemoryDeduplicator

    async def claim(self, key: str) -> Claim:
        """Claim a notification; if it is granted, `finish` has to follow."""
        if self._deduplicator is None:
            return Claim.GRANTED
        claim = self._deduplicator.claim(key)
        if self._is_in_memory:
            return await claim
        claiming = self._start(_checked(claim))
        try:
            return await _result_of(claiming)
        except asyncio.CancelledError:
            self._start(self._abandon(key, claiming))
            raise

    async def finish(self, key: str, *, done: bool) -> None:
        """Confirm the claim of a notification that is done; release that of one that isn't."""
        if self._deduplicator is None:
            return
        if done:
            call, failure = self._deduplicator.confirm, _NOT_CONFIRMED
        else:
            call, failure = self._deduplicator.release, _NOT_RELEASED
        if self._is_in_memory:
            await call(key)
        else:
            await _result_of(self._start(_call_last(call, key, failure)))

    async def _abandon(self, key: str, claiming: asyncio.Task[Claim]) -> None:
        """Release a claim whose request was cancelled, if it is granted."""
        try:
            if await _result_of(claiming) is Claim.GRANTED:
                await self.finish(key, done=False)
        except Exception:
            logger.exception("the deduplicator failed for a request that was cancelled")

    def _start(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(call)
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        return task


async def _checked(claiming: Awaitable[object]) -> Claim:
    claim = await claiming
    if not isinstance(claim, Claim):
        raise TypeError(f"claim returned {claim!r}, which isn't a Claim, such as Claim.GRANTED")
    return claim


async def _call_last(call: Callable[[str], Awaitable[None]], key: str, failure: str) -> None:
    try:
        await call(key)
    except (Exception, asyncio.CancelledError):  # the latter of what it waited for
        logger.exception(failure)


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
