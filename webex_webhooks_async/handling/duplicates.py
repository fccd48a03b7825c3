"""Remembers in memory what is being handled and what was handled, so that no copy is handled."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

_SECONDS = 600.0
_MOST = 100_000


class Duplicates:
    """The keys of what a receiver without an inbox is handling and has handled.

    Handled notifications are remembered for ten minutes, and at most 100,000 of them: then the
    oldest is forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[str, asyncio.AbstractEventLoop] = {}
        self._ends: OrderedDict[str, float] = OrderedDict()  # of what was handled, oldest first

    def is_known(self, key: str) -> bool:
        """Whether a notification is being handled, or was handled."""
        now = self._clock()
        # It stops at the first one that stays, so the cost is constant.
        while self._ends and next(iter(self._ends.values())) <= now:
            self._ends.popitem(last=False)
        if key in self._ends:
            return True
        loop = self._under_way.get(key)
        return loop is not None and not loop.is_closed()  # what a closed one was at never ends

    def begin(self, key: str) -> None:
        """Note that a notification is being handled; `end` follows."""
        self._under_way[key] = asyncio.get_running_loop()

    def end(self, key: str, *, is_handled: bool) -> None:
        """Note that it isn't being handled any more, and whether a copy of it is one."""
        self._under_way.pop(key, None)
        if is_handled:
            if len(self._ends) == _MOST:
                self._ends.popitem(last=False)
            self._ends[key] = self._clock() + _SECONDS
