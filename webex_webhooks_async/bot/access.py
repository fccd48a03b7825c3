"""Decides who may use a bot: asks the user's function, and remembers who asked."""

import asyncio
import inspect
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.messages import Person

Allow = Callable[[Person], bool | Awaitable[bool]]
"""A plain or an async function that returns whether a person may use the bot."""

_PERSON_SECONDS = 600.0
_MAX_REMEMBERED = 10_000  # persons


class Access:
    """Who may use a bot.

    Args:
        allow: Decides about a person.
        clock: Returns seconds that only grow.
    """

    def __init__(self, allow: Allow, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._allow = allow
        self._clock = clock
        # By their ids, when each was asked for, and the request; the oldest first.
        self._persons: OrderedDict[str, tuple[float, asyncio.Task[Person]]] = OrderedDict()

    async def is_open_to(self, person_id: str, client: Client) -> bool:
        """Whether a person may use the bot. Each person is fetched once in ten minutes.

        Raises:
            TypeError: The function doesn't return a boolean.
            Exception: What the function raises, or the request for the person.
        """
        return await decision("allow", self._allow, await self._person(person_id, client))

    def forget(self) -> None:
        """Forget the persons: they were fetched in another event loop, with another client."""
        self._persons.clear()

    async def _person(self, person_id: str, client: Client) -> Person:
        since, fetching = self._persons.get(person_id, (0.0, None))
        now = self._clock()
        if fetching is None or now - since >= _PERSON_SECONDS:
            fetching = asyncio.create_task(client.get("people", person_id, into=Person))
            fetching.add_done_callback(lambda _: self._forget_failure(person_id, fetching))
            self._persons[person_id] = (now, fetching)
            self._persons.move_to_end(person_id)
            if len(self._persons) > _MAX_REMEMBERED:
                self._persons.popitem(last=False)
        return await asyncio.shield(fetching)  # others may wait for it

    def _forget_failure(self, person_id: str, fetching: asyncio.Task[Person]) -> None:
        if fetching.cancelled() or fetching.exception() is not None:
            self._persons.pop(person_id, None)


async def decision(name: str, function: Callable[[Any], object], subject: object) -> bool:
    """Ask a plain or an async function of the user's about something.

    Raises:
        TypeError: It doesn't return a boolean.
        Exception: What it raises.
    """
    decided = function(subject)
    if inspect.isawaitable(decided):
        decided = await decided
    if not isinstance(decided, bool):
        raise TypeError(f"{name} must return True or False, got {type(decided).__name__}")
    return decided
