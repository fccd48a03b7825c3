"""The time that the outgoing wing goes by; tests replace it."""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The time, and waiting for it."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def now(self) -> datetime:
        """The date and time, aware."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
