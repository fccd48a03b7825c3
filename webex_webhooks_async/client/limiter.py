"""Limits the number of concurrent requests, and pauses all of them after a 429."""

import asyncio
import math
import random
import time
from datetime import UTC, datetime

from webex_webhooks_async.validation import check_count


class Clock:
    """Gives the time and what is random of it, and waits; tests replace it."""

    def monotonic(self) -> float:
        """Seconds that never decrease."""
        return time.monotonic()

    def now(self) -> datetime:
        """The date and time, timezone-aware."""
        return datetime.now(UTC)

    def jitter(self) -> float:
        """Return which part of a pause to wait, between 0 and 1."""
        return random.random()  # noqa: S311 - spreads load, guards nothing

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        await asyncio.sleep(seconds)


class Limiter:
    """Admits a limited number of requests at a time, and none during a pause."""

    def __init__(self, max_concurrency: int, clock: Clock) -> None:
        check_count("max_concurrency", max_concurrency)
        self._semaphore = asyncio.Semaphore(max_concurrency)
        self._clock = clock
        self._paused_until = -math.inf

    def pause(self, seconds: float) -> bool:
        """Admit no request for this many seconds, or longer; return whether a pause starts now."""
        now = self._clock.monotonic()
        starts = self._paused_until <= now < now + seconds
        self._paused_until = max(self._paused_until, now + seconds)
        return starts

    async def acquire(self) -> None:
        """Wait until a request is admitted; `release` has to follow."""
        await self._semaphore.acquire()
        try:
            while (seconds := self._paused_until - self._clock.monotonic()) > 0:
                await self._clock.sleep(seconds)
        except BaseException:
            self._semaphore.release()
            raise

    def release(self) -> None:
        """Admit another request."""
        self._semaphore.release()
