"""Says who is the first to do something within so many seconds."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from webex_webhooks_async.formatting import describe_exception, storable
from webex_webhooks_async.validation import check_type, seconds_of

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_MOST_KEPT = 1_000  # that have ended, before they are looked for


class Claims(Protocol):
    """Says who is the first to do something; an inbox says it to all processes that share it."""

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        """Return True for the first who asks within so many seconds, or who renews a claim."""
        ...

    async def unclaim(self, name: str) -> None:
        """Let the next who asks be the first."""
        ...


class MemoryClaims:
    """Claims of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._limit = _MOST_KEPT

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        """Return True for the first who asks within so many seconds."""
        now = self._clock()
        if now < self._ends.get(name, now) and not renew:  # all claims are of this process
            return False
        self._ends[name] = now + seconds
        if len(self._ends) > self._limit:
            self._ends = {each: end for each, end in self._ends.items() if now < end}
            self._limit = _MOST_KEPT + 2 * len(self._ends)
        return True

    async def unclaim(self, name: str) -> None:
        """Let the next who asks be the first."""
        self._ends.pop(name, None)


class InboxUnavailableError(Exception):
    """The inbox can't be asked now."""


class SharedClaims:
    """Lets the replicas of a bot do something one at a time, or once."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        """Return True for the first who asks within so many seconds, or who renews a claim."""
        try:
            return await self._claims.claim(f"webex-webhooks:{name}", seconds, renew=renew)
        except (ConnectionError, TimeoutError) as error:
            raise InboxUnavailableError(describe_exception(error)) from error

    async def unclaim(self, name: str) -> None:
        """Let the next who asks be the first; if that fails, a claim ends by itself."""
        try:
            await self._claims.unclaim(f"webex-webhooks:{name}")
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("a claim can't be given back: %s", describe_exception(error))


def check_claim(name: str, seconds: float | timedelta) -> tuple[str, float]:
    """Check a claim that isn't our own; return the name as databases can hold it, and seconds."""
    check_type("name", name, str)
    if not name:
        raise ValueError("name is empty")
    return storable(name), seconds_of("seconds", seconds)
