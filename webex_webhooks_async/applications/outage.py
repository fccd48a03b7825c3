"""Notices an outage of Webex, which isn't a failure of a handler, and its end."""

import asyncio
import logging
from datetime import timedelta
from typing import Protocol

from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.client.retries import pause_wanted
from webex_webhooks_async.errors import RateLimitError, ServerError, TransportError
from webex_webhooks_async.handling.suspension import exceptions_in

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_PAUSES = (1.0, 4.0, 16.0)  # seconds before the first probes; then it is _LAST_PAUSE
_LAST_PAUSE = 60.0


class HasClient(Protocol):
    """A bot, which may get another client at its start."""

    @property
    def client(self) -> Client:
        """The client that asks."""
        ...


class Outage:
    """Whether Webex is out, as a bot finds out: an error of its service, and `people/me` fails too.

    While it `holds`, nothing is to begin: Webex is out, or wants to be left alone before that is
    known.
    """

    def __init__(self, bot: HasClient, clock: Clock) -> None:
        self.given_back: int = 0  # entries, because of the outage
        self.holds: bool = False
        self._bot = bot
        self._clock = clock
        self._since: float | None = None  # when it was noticed, if Webex is out
        self._deciding: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def has_caused(self, error: BaseException) -> bool:
        """Whether an outage of Webex is why a handler has failed; ask Webex, if that isn't known.

        One question is for all that fail until its response comes.
        """
        if not _may_come_from_outage(error):
            return False
        if not self._is_out():
            if self._deciding is None or self._deciding.done():
                self._deciding = asyncio.create_task(self._decide(error))
            await asyncio.wait({self._deciding})
            # It is cancelled where the bot ends, before anybody knows.
            if not (self._is_out() or self._deciding.cancelled()):
                return False
        logger.debug("a handler failed in an outage of Webex", exc_info=error)
        return True

    async def aclose(self) -> None:
        """Ask no more."""
        tasks = [each for each in (self._deciding, self._watching) if each is not None]
        tasks = [each for each in tasks if not each.get_loop().is_closed()]
        for each in tasks:
            each.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._since, self.holds = None, False

    def _is_out(self) -> bool:
        return self._since is not None

    async def _decide(self, error: BaseException) -> None:
        if _retry_after(error):
            self.holds = True
            try:
                await self._pause(0.0, error)
            finally:
                self.holds = False
        failure = await self._failure_of_probe()
        if failure is None:
            return
        self._since, self.given_back, self.holds = self._clock.monotonic(), 0, True
        logger.warning("Webex is out, so no handler begins until it responds: %s", failure)
        self._watching = asyncio.create_task(self._watch(failure, self._since))

    async def _watch(self, failure: Exception | None, since: float) -> None:
        number = 0
        while failure is not None:
            pause = _PAUSES[number] if number < len(_PAUSES) else _LAST_PAUSE
            await self._pause(pause, failure)
            failure = await self._failure_of_probe()
            number += 1
        seconds = self._clock.monotonic() - since
        self._since, self.holds = None, False
        logger.info("Webex is back after %.0f s: %d were given back", seconds, self.given_back)

    async def _failure_of_probe(self) -> Exception | None:
        """Ask Webex once who the bot is; return why it is out, if it is."""
        try:
            await InternalRequests.of(self._bot.client).send_once("GET", "people/me")
        except Exception as error:  # noqa: BLE001 - a refused token is a response as well
            return error if _may_come_from_outage(error) else None
        return None

    async def _pause(self, seconds: float, error: BaseException) -> None:
        """Wait, at least for as long as Webex wants to be left alone."""
        if wanted := _retry_after(error):
            until = self._clock.now() + timedelta(seconds=wanted)
            logger.warning("Webex wants no request until %s UTC", f"{until:%Y-%m-%d %H:%M:%S}")
        await self._clock.sleep(max(seconds, wanted))


def _may_come_from_outage(error: BaseException) -> bool:
    return all(isinstance(each, _OF_OUTAGE) for each in exceptions_in(error, BaseException))


_OF_OUTAGE = (TransportError, RateLimitError, ServerError)


def _retry_after(error: BaseException) -> float:
    """For how many seconds Webex wants to be left alone, if it has said so."""
    limits = exceptions_in(error, RateLimitError)
    return max(map(pause_wanted, limits), default=0.0)
