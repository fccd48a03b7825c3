"""Starts a bot, goes on when an outage interrupts that, and keeps the webhooks as wanted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from webex_webhooks_async.claims import InboxUnavailableError
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.client.retries import pause_wanted
from webex_webhooks_async.errors import (
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from webex_webhooks_async.formatting import short_id
from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.validation import is_loopback

if TYPE_CHECKING:
    from webex_webhooks_async.bot.webhooks import BotWebhooks

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class Stage(IntEnum):
    """How far a bot has started: each does more than the one before."""

    ENDED = 0
    ACCEPTING = 1  # during an outage: with an inbox, what comes is stored
    HANDLING = 2  # it knows itself; not all webhooks may be there
    READY = 3


class Startup:
    """The start of a bot, and the watch over its webhooks after that, until its end.

    It may begin again after its end.
    """

    def __init__(self, watch_every: float | None) -> None:
        self.me: Person | None = None  # the bot, as Webex knows it; None until Webex has responded
        self.stage: Stage = Stage.ENDED
        # what a start waits for before anything is received; None where nothing starts
        self.waits_for: str | None = None
        # seconds between two looks at the webhooks; None for the one at the start
        self._watch_every = watch_every
        self._knows_itself: asyncio.Future[None] | None = None  # since the beginning
        self._starting: asyncio.Task[Any] | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the start is complete."""
        return self.stage is Stage.READY

    @contextmanager
    def under_way(self) -> Generator[None]:
        """Let `known` wait while the block starts the bot; what the block raises ends the wait."""
        self.me = None
        self.waits_for = "its lifespan"
        self._knows_itself = asyncio.get_running_loop().create_future()
        self._starting = asyncio.current_task()
        try:
            yield
        except BaseException as error:
            self.waits_for = None
            if isinstance(error, Exception):
                self._end_knowing(error)
            raise
        finally:
            self._starting = None

    async def known(self) -> None:
        """Wait until the bot knows itself.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended, or this is called where the
                bot is started.
            Exception: The error that has ended the start.
        """
        knows_itself = self._knows_itself
        if knows_itself is None:
            raise RuntimeError(NOT_RUNNING)
        if not knows_itself.done():
            if asyncio.current_task() is self._starting:
                raise RuntimeError("the lifespan can't wait for the bot, which starts after it")
            await asyncio.wait([knows_itself])  # which doesn't cancel it
        knows_itself.result()

    async def begin(
        self,
        client: Client,
        webhooks: "BotWebhooks | None",
        receive: Callable[[], Awaitable[None]],
        accept: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """Start, as far as that is possible soon; what remains is done in a task.

        `receive` begins to receive and to handle, when the bot knows itself; `accept` looks whether
        what comes can be stored, while an outage lasts. An outage isn't raised, and what else Webex
        refuses is.
        """
        start = _Start(client, webhooks, receive, accept, clock)
        pause: float | None
        try:
            pause = await self._look_soon(start)
        except _OUTAGES as error:
            pause = self._pause_after(error, start, 0.0)
            self.stage = max(self.stage, Stage.ACCEPTING)
        self._looking = asyncio.create_task(self._keep_looking(start, pause))

    async def stop_looking(self) -> None:
        """Look no more; what has begun may end."""
        self.stage = Stage.ENDED if self.stage < Stage.HANDLING else Stage.HANDLING
        self.waits_for = None
        if self._looking is not None and not self._looking.get_loop().is_closed():
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def end(self) -> None:
        """Note that the bot has ended."""
        self.stage = Stage.ENDED
        self._end_knowing(RuntimeError(NOT_RUNNING))

    def _end_knowing(self, error: Exception) -> None:
        """Let those who wait until the bot knows itself know why it never will."""
        waiting, self._knows_itself = self._knows_itself, None
        if waiting is not None and not (waiting.done() or waiting.get_loop().is_closed()):
            waiting.set_exception(error)
            waiting.exception()  # nobody has to wait for it

    async def _look_soon(self, start: "_Start") -> float | None:
        """Look, unless that takes longer than an application can wait for its start."""
        limit = asyncio.timeout(_LONGEST_START)
        try:
            async with limit:
                return await self._look(start)
        except TimeoutError:
            if not limit.expired():
                raise
            why = "no response to the start within"
            if start.webhooks is not None and start.webhooks.waits:
                why = "another replica has been making the webhooks for"
            raise RequestTimeoutError(f"{why} {_LONGEST_START:g} s") from None

    async def _keep_looking(self, start: "_Start", pause: float | None) -> None:
        """Go on with a start that an outage has interrupted, and keep the webhooks as wanted."""
        while pause is not None:
            if self.stage is Stage.ACCEPTING:
                await start.accept()
            await start.clock.sleep(pause)
            pause = await self._look_again(start, pause)

    async def _look_again(self, start: "_Start", pause: float) -> float | None:
        was_ready = self.is_ready
        try:
            every = await self._look(start)
        except Exception as error:  # noqa: BLE001 - it is logged there
            return self._pause_after(error, start, pause)
        if not was_ready:
            logger.info("the bot is ready")
        return every

    async def _look(self, start: "_Start") -> float | None:
        """Do what remains of the start, or look at the webhooks; return the seconds until more."""
        webhooks = start.webhooks
        every = None if webhooks is None else self._watch_every
        if webhooks and every and self.is_ready and not await webhooks.is_turn(every):
            webhooks.catch_up(self.me)
            return every
        if self.stage < Stage.HANDLING:
            self.waits_for = "Webex, which hasn't responded"
        await self._ask_who_it_is(start.client)
        if self.stage < Stage.HANDLING:
            self.waits_for = "its inbox"
            await start.receive()
            self.stage, self.waits_for = Stage.HANDLING, None
        if webhooks is not None:
            await (webhooks.look() if self.is_ready else webhooks.start())
        self.stage = Stage.READY
        if webhooks is not None:
            webhooks.catch_up(self.me)
        return every

    async def _ask_who_it_is(self, client: Client) -> None:
        before = self.me
        self.me = await client.get("people/me", into=Person)
        if before is not None and not is_same(before.id, self.me.id):
            ids = short_id(self.me.id), short_id(before.id)
            logger.warning("the bot is %s now, and was %s: the token is another bot's", *ids)
        if self._knows_itself is not None and not self._knows_itself.done():
            self._knows_itself.set_result(None)

    def _pause_after(self, error: Exception, start: "_Start", pause: float) -> float:
        """Log why the start, or a look, isn't complete; return the seconds until the next try."""
        if self.is_ready and start.webhooks is not None:
            return start.webhooks.pause_after(error, self._watch_every or pause)
        if isinstance(error, _OUTAGES):
            pause = max(min(2 * pause or _FIRST_PAUSE, _LAST_PAUSE), pause_wanted(error))
            logger.error(_NOT_READY, _explain(error, start), pause)
            return pause
        logger.error("the bot isn't ready; trying again in %g s", _LAST_PAUSE, exc_info=error)
        return _LAST_PAUSE


@frozen
class _Start:
    """One start, with what it needs, as `Startup.begin` says."""

    client: Client
    webhooks: "BotWebhooks | None"
    receive: Callable[[], Awaitable[None]]
    accept: Callable[[], Awaitable[None]]
    clock: Clock


def _explain(error: Exception, start: _Start) -> str:
    """Say what an outage is; on this machine, it is a sandbox that isn't there."""
    url = InternalRequests.of(start.client).requester.base_url
    waits = start.webhooks is not None and start.webhooks.waits  # for another replica
    is_local = not waits and is_loopback(urlsplit(url).hostname or "")
    if is_local and isinstance(error, TransportError):
        return f"no sandbox responds at {url} (webex-webhooks sandbox starts one): {error}"
    return str(error)


NOT_RUNNING = (
    "the bot isn't running: serve it as the application, or enter it with `async with bot:` in the "
    "lifespan of the application that it is a part of"
)
_NOT_READY = "the bot isn't ready: %s; trying again in %g s"

_OUTAGES = (TransportError, ServerError, RateLimitError, InboxUnavailableError)
_LONGEST_START = 10.0  # seconds; a process that serves nothing for longer may be killed
_FIRST_PAUSE = 1.0
_LAST_PAUSE = 60.0
