"""Holds the keys of a receiver's secrets, which a function may change while it runs."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from webex_webhooks_async.notifications.signatures import secret_keys

Secrets = str | Iterable[str] | Callable[[], str | Iterable[str] | Awaitable[str | Iterable[str]]]
"""The secret of a webhook, or several, or a plain or async function that returns them."""


class Keys:
    """The keys of the moment, and those before, with which earlier requests were verified.

    Its repr shows none.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._function = secrets if callable(secrets) else None
        self._recent: deque[tuple[bytes, ...]] = deque(maxlen=_MOST_ROTATIONS)
        self.fixed: tuple[bytes, ...] | None = None  # where a function has to be asked
        if not callable(secrets):
            self.fixed = secret_keys(secrets)
            self._recent.append(self.fixed)

    async def current(self) -> tuple[bytes, ...]:
        """Return the keys of the moment."""
        if self._function is None:
            return self._recent[0]
        try:
            secrets = self._function()
            keys = secret_keys(await secrets if inspect.isawaitable(secrets) else secrets)
        except (Exception, KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as error:  # SystemExit would end the process
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        if keys not in self._recent:
            self._recent.appendleft(keys)
        return keys

    def recent(self) -> list[bytes]:
        """Return the keys of the moment, as they were when last asked for, and those before.

        Raises:
            LookupError: The function hasn't been asked yet.
        """
        if not self._recent:
            raise LookupError("the function for the secrets hasn't returned any yet")
        return [key for keys in self._recent for key in keys]


_MOST_ROTATIONS = 16  # of the secrets while a handler runs, or its notification waits
