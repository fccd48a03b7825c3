"""Limits how many requests run at a time, and pauses all of them after a 429."""

import asyncio
import math

from webex_webhooks_async.client.clock import Clock
from webex_webhooks_async.validation import check_type


class Limiter:
    """Lets so many requests through at a time, and none during a pause.

    Args:
        slots: How many.
        clock: The time.

    Raises:
        ValueError: There is no slot.
        TypeError: It is no whole number.
    """

    def __init__(self, slots: int, clock: Clock) -> None:
        check_type("max_concurrency", slots, int)
        if slots < 1:
            raise ValueError(f"max_concurrency must be at least 1, got {slots}")
        self._slots = asyncio.Semaphore(slots)
        self._clock = clock
        self._paused_until = -math.inf

    def pause(self, seconds: float) -> None:
        """Let no request through for these seconds."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            while (seconds := self._paused_until - self._clock.monotonic()) > 0:
                await self._clock.sleep(seconds)
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()
