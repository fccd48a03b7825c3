"""The tokens of claims under way, with which a storage grants one also if a response is lost."""

import os
import time
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4, uuid5

from attrs import define, field


class OwnClaims:
    """The claims that one inbox asks for, also if the response to one is lost.

    Calls for the same name that are under way at the same time use one token, so it doesn't matter
    which of them was lost; one of them at most returns True. The token of a lost call is used by
    the next one, until the claim would have ended by itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[str, _Asked] = {}

    async def claim(
        self,
        name: str,
        seconds: float,
        ask: Callable[[str], Awaitable[bool]],
        *,
        renew: bool = False,
    ) -> bool:
        """Ask for a claim; return whether it is granted to this call."""
        if renew:  # who has it gets it again, with whatever token
            return await ask(uuid4().hex)
        self._forget_ended()
        asked = self._asked.setdefault(name, _Asked())
        asked.calls += 1
        try:
            granted = await ask(asked.token)
        except BaseException:
            asked.lost_until = self._clock() + seconds
            raise
        finally:
            asked.calls -= 1
        is_over = granted or (not asked.calls and asked.lost_until is None)
        if not is_over or self._asked.get(name) is not asked:  # another call of it was granted
            return False
        del self._asked[name]
        return granted

    def _forget_ended(self) -> None:
        now = self._clock()
        for name, asked in [*self._asked.items()]:
            if not asked.calls and (asked.lost_until or 0) <= now:
                del self._asked[name]


@define(eq=False)
class _Asked:
    """A claim that is asked for."""

    token: str = field(factory=lambda: uuid4().hex)  # the name by which the storage knows it
    calls: int = 0
    # until when a call of it, whose response was lost, may be granted
    lost_until: float | None = None


def claimant(inbox: UUID) -> str:
    """Return who claims: an inbox in this process, which may have been forked from its maker."""
    return str(uuid5(inbox, str(os.getpid())))
