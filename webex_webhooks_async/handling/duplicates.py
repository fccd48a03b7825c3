"""Remembers which notifications were handled, so that a duplicate isn't handled again.

Webex gives a delivery no id. Duplicates have the same body, so the key is the SHA-256 of the body.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, TypeVar

from webex_webhooks_async.validation import check_count, check_type

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")


class Claim(Enum):
    """What a `Deduplicator` says of a notification."""

    GRANTED = "granted"
    """It is yours to handle; `confirm` or `release` follows."""

    DONE = "done"
    """It needs no handling: the response is 204."""

    IN_PROGRESS = "in progress"
    """Another receiver handles it, and may fail: the response is 503, so that it comes again."""


class Deduplicator(ABC):
    """Remembers for a while which notifications were handled.

    Receivers that share its memory handle a notification once between them. A receiver claims each
    notification, and then either confirms or releases what it was granted. If `claim` raises or
    returns anything but a `Claim`, the response is 503, so that the notification comes again.

    The best claims are leases: when a receiver is killed, its lease expires, and the next receiver
    is granted it. Until then the claim is `Claim.IN_PROGRESS`. A deduplicator without leases says
    `Claim.DONE` of what it has granted, as `MemoryDeduplicator` does; what a killed receiver was
    handling is lost then.

    A deduplicator of your own inherits from this class; check it with
    `webex_webhooks_async.testing.check_deduplicator` in its tests.
    """

    @abstractmethod
    async def claim(self, key: str) -> Claim:
        """Claim the key, a SHA-256 in hexadecimal digits."""

    @abstractmethod
    async def confirm(self, key: str) -> None:
        """Remember the key as done, even if another receiver has got its lease by now.

        If this raises, the error is logged, and a copy may be handled again.
        """

    @abstractmethod
    async def release(self, key: str) -> None:
        """Forget a claim that isn't confirmed, so that the key can be claimed again.

        A lease that another receiver has got by now isn't released. If this raises, the error is
        logged, and copies aren't handled until the claim expires.
        """


class MemoryDeduplicator(Deduplicator):
    """A `Deduplicator` within one process, without leases.

    Args:
        ttl: For how many seconds a notification is remembered after it was handled.
        max_entries: How many handled notifications are remembered at most; then the oldest is
            forgotten. Those that are being handled are remembered in any case.
        clock: Returns the time in seconds, and never goes back.

    Raises:
        ValueError: `ttl` or `max_entries` isn't positive.
        TypeError: An argument has a wrong type.
    """

    def __init__(
        self,
        *,
        ttl: float = 600.0,
        max_entries: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_type("ttl", ttl, float, int)
        if not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, got {ttl}")
        check_count("max_entries", max_entries)
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._granted: set[str] = set()
        self._expiries: OrderedDict[str, float] = OrderedDict()  # the oldest first

    async def claim(self, key: str) -> Claim:
        """Grant the key if it is neither granted nor remembered as done; otherwise it is done."""
        now = self._clock()
        # It stops at the first entry that stays, so the cost of a claim is constant.
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self._expiries.popitem(last=False)
        if key in self._granted or key in self._expiries:
            return Claim.DONE
        self._granted.add(key)
        return Claim.GRANTED

    async def confirm(self, key: str) -> None:
        """Remember the key as done."""
        self._granted.discard(key)
        if len(self._expiries) == self._max_entries:
            self._expiries.popitem(last=False)
        self._expiries[key] = self._clock() + self._ttl

    async def release(self, key: str) -> None:
        """Forget the key, if it is granted."""
        self._granted.discard(key)


class Uninterrupted(Deduplicator):
    """A deduplicator whose calls end before the request that made them does.

    A request that is cancelled waits for its call, and releases a claim that it was granted. An
    error of `confirm` or `release` is logged, not raised.

    Args:
        deduplicator: It gets the calls.
    """

    def __init__(self, deduplicator: Deduplicator) -> None:
        self._deduplicator = deduplicator

    async def claim(self, key: str) -> Claim:
        """Claim a notification; if it is granted, `confirm` or `release` has to follow."""
        claiming = asyncio.create_task(_checked(self._deduplicator.claim(key)))
        try:
            await end_of(claiming)
        except asyncio.CancelledError:
            try:
                claim = _result_of(claiming)
            except Exception:
                logger.exception("the deduplicator failed for a request that was cancelled")
            else:
                if claim is Claim.GRANTED:
                    await self.release(key)
            raise
        return _result_of(claiming)

    async def confirm(self, key: str) -> None:
        """Remember the key as done."""
        await self._finish(self._deduplicator.confirm, key, _NOT_CONFIRMED)

    async def release(self, key: str) -> None:
        """Let the key be claimed again."""
        await self._finish(self._deduplicator.release, key, _NOT_RELEASED)

    @staticmethod
    async def _finish(call: Callable[[str], Awaitable[None]], key: str, failure: str) -> None:
        await end_of(asyncio.create_task(_logged(call, key, failure)))


async def end_of(task: asyncio.Task[Any]) -> None:
    """Wait for the end of a task, also if the caller is cancelled; that is raised afterwards."""
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation


def _result_of(task: asyncio.Task[T]) -> T:
    if task.cancelled():
        raise RuntimeError("what the deduplicator waited for was cancelled")
    return task.result()


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


_NOT_RELEASED = (
    "a claim could not be released: until it expires, copies of that notification are not handled"
)
_NOT_CONFIRMED = "a notification was handled, but not confirmed: a copy of it may be handled again"
