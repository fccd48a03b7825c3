"""What a receiver is handling, and what its deduplicator is told about that."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from webex_webhooks_async.errors import InProgressError
from webex_webhooks_async.notifications.deduplication import Deduplicator, LeasingDeduplicator

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class InFlight:
    """What one receiver is handling, and its dealings with the deduplicator about that.

    A receiver knows what it is handling as long as it takes, even after the deduplicator forgot
    it. And a claim is settled whatever happens: neither a request that is cancelled while the
    deduplicator is asked nor one that is cancelled again while the claim is settled leaves it
    behind.

    Args:
        deduplicator: Asked for each claim. Without one every claim is granted.
    """

    def __init__(self, deduplicator: Deduplicator | None) -> None:
        self.being_settled: set[asyncio.Task[None]] = set()
        self._deduplicator = deduplicator
        self._leasing = deduplicator if isinstance(deduplicator, LeasingDeduplicator) else None
        self._in_hand: dict[str, asyncio.Future[bool]] = {}

    async def claim(self, key: str) -> bool:
        """Whether the notification is ours to handle; if it is, `settle` must follow.

        Raises:
            InProgressError: It is being handled, and may have to be handled again.
        """
        deduplicator = self._deduplicator
        if deduplicator is None:
            return True
        if key in self._in_hand:
            if self._leasing is not None:
                raise InProgressError
            return False
        asked = asyncio.ensure_future(deduplicator.claim(key))
        self._in_hand[key] = asked
        try:
            claimed = await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._start(self._release(key, deduplicator))
            raise
        except BaseException:
            del self._in_hand[key]
            raise
        if not claimed:
            del self._in_hand[key]
        return claimed

    async def settle(self, key: str, *, done: bool) -> None:
        """Keep the claim of a notification that is done; give back that of one that is not."""
        if self._deduplicator is None:
            return
        if not done:
            await asyncio.shield(self._start(self._release(key, self._deduplicator)))
        elif self._leasing is not None:
            await asyncio.shield(self._start(self._confirm(key, self._leasing)))
        else:
            del self._in_hand[key]

    def _start(self, settling: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(settling)
        self.being_settled.add(task)
        task.add_done_callback(self.being_settled.discard)
        return task

    async def _release(self, key: str, deduplicator: Deduplicator) -> None:
        try:
            if await self._in_hand[key]:
                await deduplicator.release(key)
        except InProgressError:
            pass  # it is someone else's
        except Exception:
            logger.exception(
                "a claim could not be given back: until it expires, "
                "copies of that notification are not handled"
            )
        finally:
            del self._in_hand[key]

    async def _confirm(self, key: str, deduplicator: LeasingDeduplicator) -> None:
        try:
            await deduplicator.confirm(key)
        except Exception:
            logger.exception(
                "a notification was handled, but that could not be remembered: "
                "a copy of it may be handled again"
            )
        finally:
            del self._in_hand[key]
