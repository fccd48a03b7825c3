"""Decides who may use a bot: asks the user's function, remembers who asked, and refuses others."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import cast

from webex_webhooks_async.applications.decisions import decision
from webex_webhooks_async.bot.contexts.contexts import MessageContext, SubmissionContext
from webex_webhooks_async.claims import Claims, MemoryClaims
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.handling.dispatch import Execution, active_execution
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import MAX_TEXT_BYTES, Person
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.validation import check_text

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

Allow = Callable[[Person], bool | Awaitable[bool]]
"""A plain or an async function that returns whether a person may use the bot."""

_PERSON_SECONDS = 600.0
_MAX_REMEMBERED = 10_000  # persons
_REFUSAL = "webex-webhooks:refusal:"  # what the names of claims begin with
_DAY = 86_400.0


class Access:
    """Decides who may use a bot."""

    def __init__(
        self, allow: Allow, refusal: str | None, *, bot: str, inbox: Inbox | None, clock: Clock
    ) -> None:
        self._allow = allow
        self._refusal = refusal
        self._bot = bot
        self._inbox = inbox
        self._clock = clock
        self._claims: Claims = MemoryClaims(clock.monotonic) if inbox is None else inbox
        # When each person was asked for, and the request, by the id; the oldest first.
        self._persons: OrderedDict[str, tuple[float, asyncio.Task[Person]]] = OrderedDict()

    async def admits(self, context: MessageContext | SubmissionContext) -> bool:
        """Whether who wrote or submitted something may use the bot; reply the refusal if not."""
        if await self.is_open_to(context.person_id, context.client):
            return True
        which = describe(context.notification)
        logger.info("%s is passed over: its author isn't allowed to use the bot", which)
        if self._refusal is not None:
            await self._refuse(context, self._refusal)
        return False

    async def is_open_to(self, person_id: str, client: Client) -> bool:
        """Whether a person may use the bot. Each person is fetched once in ten minutes."""
        return await decision("allow", self._allow, await self._person(person_id, client))

    def forget(self) -> None:
        """Forget the persons: they were fetched in another event loop, with another client."""
        self._persons.clear()

    async def _refuse(self, context: MessageContext | SubmissionContext, refusal: str) -> None:
        """Reply the refusal, unless the person has got it within a day."""
        name = f"{_REFUSAL}{self._bot}:{comparable(context.person_id)}"
        execution = cast("Execution", active_execution())
        if self._inbox is None or execution.records is None:
            if await self._claims.claim(name, _DAY):
                try:
                    await context.reply(refusal)
                except BaseException:
                    await self._claims.unclaim(name)
                    raise
        # A later attempt for this notification may still have to say it.
        elif await execution.records.once(name, lambda: self._claims.claim(name, _DAY)):
            await context.reply(refusal)

    async def _person(self, person_id: str, client: Client) -> Person:
        since, fetching = self._persons.get(person_id, (0.0, None))
        now = self._clock.monotonic()
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


def check_access(allow: object, refusal: object) -> None:
    """Check the arguments of a bot that say who may use it."""
    if not (allow is None or callable(allow)):
        raise TypeError(f"allow must be a function that takes a Person, got {allow!r}")
    if refusal is None:
        return
    if allow is None:
        raise ValueError("refusal is for those whom allow doesn't let in: pass allow, too")
    check_reply("refusal", refusal)


def check_reply(name: str, text: object) -> None:
    """Check an argument that is one message."""
    size = len(check_text(name, text))
    if size > MAX_TEXT_BYTES or not str(text).strip():
        raise ValueError(
            f"{name} must say something, in at most {MAX_TEXT_BYTES} bytes; it has {size}"
        )
