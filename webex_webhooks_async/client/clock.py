"""The clock of the outgoing wing; tests replace it."""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Gives the time, and waits."""

    def monotonic(self) -> float:
        """Seconds that never decrease."""
        return time.monotonic()

    def now(self) -> datetime:
        """The date and time, timezone-aware."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        await asyncio.sleep(seconds)
