"""Makes sure that a notification which comes twice is handled once.

Webex gives a delivery no id, so a duplicate is told by its body: the key is the SHA-256 of it.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, runtime_checkable

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


@runtime_checkable
class Deduplicator(Protocol):
    """Remembers for a while which notifications were claimed.

    Receivers that share what one remembers, replicas of a service for example, handle a
    notification once between them. If either method raises, Webex is answered with a 5xx, so that
    the notification comes again.
    """

    async def claim(self, key: str) -> bool:
        """Remember the key. False if it is remembered already: then it is someone else's."""
        ...

    async def release(self, key: str) -> None:
        """Forget the key, if it is remembered, so that it can be claimed again."""
        ...


class MemoryDeduplicator:
    """A `Deduplicator` within one process.

    It forgets what it has to, the oldest first, whether or not that is still being handled; a
    `Receiver` itself knows what it is handling.

    Args:
        ttl: For how many seconds a claim is remembered.
        max_entries: How many claims are remembered at most.
        clock: Tells the time in seconds and never goes back.

    Raises:
        ValueError: `ttl` or `max_entries` isn't positive.
    """

    def __init__(
        self,
        ttl: float = 600.0,
        max_entries: int = 100_000,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, got {ttl}")
        if max_entries < 1:
            raise ValueError(f"max_entries must be positive, got {max_entries}")
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._expiries: OrderedDict[str, float] = OrderedDict()  # the oldest first

    async def claim(self, key: str) -> bool:
        """Remember the key. False if it is remembered already."""
        now = self._clock()
        self._forget_expired(now)
        if key in self._expiries:
            return False
        if len(self._expiries) == self._max_entries:
            self._expiries.popitem(last=False)
        self._expiries[key] = now + self._ttl
        return True

    async def release(self, key: str) -> None:
        """Forget the key, if it is remembered."""
        self._expiries.pop(key, None)

    def _forget_expired(self, now: float) -> None:
        # Each entry is looked at once more than it is made, so a claim's work is constant.
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self._expiries.popitem(last=False)


class Claims:
    """What one receiver is handling, and its dealings with the deduplicator about that.

    A receiver knows what it is handling as long as it takes, even after the deduplicator forgot
    it. And a claim is given back whatever happens: neither a request that is cancelled while the
    deduplicator is asked nor one that is cancelled again while the claim is given back leaves it
    behind.

    Args:
        deduplicator: Asked for each claim. Without one every claim is granted.
    """

    def __init__(self, deduplicator: Deduplicator | None) -> None:
        self.being_released: set[asyncio.Task[None]] = set()
        self._deduplicator = deduplicator
        self._in_hand: dict[str, asyncio.Future[bool]] = {}

    async def claim(self, key: str) -> bool:
        """Whether the notification is ours to handle; if it is, `settle` must follow."""
        deduplicator = self._deduplicator
        if deduplicator is None:
            return True
        if key in self._in_hand:
            return False
        asked = asyncio.ensure_future(deduplicator.claim(key))
        self._in_hand[key] = asked
        try:
            claimed = await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._start_release(key, deduplicator)
            raise
        except Exception:
            del self._in_hand[key]
            raise
        if not claimed:
            del self._in_hand[key]
        return claimed

    async def settle(self, key: str, *, done: bool) -> None:
        """Keep the claim of a notification that is done; give back that of one that is not."""
        if self._deduplicator is None:
            return
        if done:
            del self._in_hand[key]
        else:
            await asyncio.shield(self._start_release(key, self._deduplicator))

    def _start_release(self, key: str, deduplicator: Deduplicator) -> asyncio.Task[None]:
        task = asyncio.create_task(self._release(key, deduplicator))
        self.being_released.add(task)
        task.add_done_callback(self.being_released.discard)
        return task

    async def _release(self, key: str, deduplicator: Deduplicator) -> None:
        try:
            if await self._in_hand[key]:
                await deduplicator.release(key)
        except Exception:
            logger.exception(
                "a claim could not be given back: until it expires, "
                "copies of that notification are taken for handled"
            )
        finally:
            del self._in_hand[key]
