"""Claims that a cancelled request leaves neither half-made nor half-finished."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from webex_webhooks_async.notifications.deduplication import Claim, Deduplicator

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")


class InFlight:
    """A deduplicator whose calls go on when the request that made them is cancelled.

    A claim that is granted to a cancelled request is released. An error of `confirm` or `release`
    is logged, not raised.

    Args:
        deduplicator: It gets the calls.

    Attributes:
        unfinished: The calls that haven't returned yet.
    """

    def __init__(self, deduplicator: Deduplicator) -> None:
        self.unfinished: set[asyncio.Task[Any]] = set()
        self._deduplicator = deduplicator

    async def claim(self, key: str) -> Claim:
        """Claim a notification; if it is granted, `confirm` or `release` has to follow."""
        claiming = self._start(_checked(self._deduplicator.claim(key)))
        try:
            return await _result_of(claiming)
        except asyncio.CancelledError:
            self._start(self._abandon(key, claiming))
            raise

    async def confirm(self, key: str) -> None:
        """Remember the key as done."""
        await _result_of(self._start(_logged(self._deduplicator.confirm, key, _NOT_CONFIRMED)))

    async def release(self, key: str) -> None:
        """Let the key be claimed again."""
        await _result_of(self._start(_logged(self._deduplicator.release, key, _NOT_RELEASED)))

    async def _abandon(self, key: str, claiming: asyncio.Task[Claim]) -> None:
        """Release a claim whose request was cancelled, if it is granted."""
        try:
            if await _result_of(claiming) is Claim.GRANTED:
                await self.release(key)
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


async def _logged(call: Callable[[str], Awaitable[None]], key: str, failure: str) -> None:
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
