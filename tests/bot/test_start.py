"""The start of a bot, without the bot."""

import asyncio
import logging

import httpx
import pytest

from tests.support.clocks import StoppedClock
from tests.support.wire import until
from webex_webhooks_async import AuthenticationError, Client
from webex_webhooks_async.bot.start import Stage, Startup

pytestmark = pytest.mark.once

ME = {"id": "BOT", "type": "bot", "displayName": "Bot", "emails": ["bot@webex.bot"]}


class FailingWebex:
    """Responds to each request with the next one of these statuses, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = [*statuses]
        transport = httpx.MockTransport(self._respond)
        self.client = Client("token", http_client=httpx.AsyncClient(transport=transport))

    def _respond(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200, json=ME)


class Receiving:
    """Notes that it began to receive, and how often it looked whether it can store."""

    def __init__(self) -> None:
        self.began = self.looks = 0

    async def __call__(self) -> None:
        self.began += 1

    async def accept(self) -> None:
        self.looks += 1


async def begin(
    startup: Startup, client: Client, receiving: Receiving, clock: StoppedClock | None = None
) -> None:
    """Start without webhooks."""
    await startup.begin(client, None, receiving, receiving.accept, clock or StoppedClock())


async def test_it_is_ready_when_webex_has_responded() -> None:
    """A start asks who the bot is, lets it receive, and is complete; its end is one."""
    startup, receiving = Startup(None), Receiving()
    with startup.under_way():
        knows = asyncio.create_task(startup.known())
        await begin(startup, FailingWebex().client, receiving)
    await knows

    assert (startup.me and startup.me.id, startup.is_ready, receiving.began) == ("BOT", True, 1)
    await startup.stop_looking()
    stages = [startup.stage]  # what has begun may end
    startup.end()
    assert [*stages, startup.stage] == [Stage.HANDLING, Stage.ENDED]
    with pytest.raises(RuntimeError, match="the bot isn't running"):
        await startup.known()


async def test_an_outage_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """It accepts meanwhile, goes on after a pause, and says so; who waits goes on then."""
    caplog.set_level(logging.INFO, logger="webex_webhooks_async")
    startup, receiving, clock = Startup(None), Receiving(), StoppedClock()
    with startup.under_way():
        await begin(startup, FailingWebex(501).client, receiving, clock)
    knows = asyncio.create_task(startup.known())

    assert (startup.stage, startup.me, receiving.began) == (Stage.ACCEPTING, None, 0)
    await until(lambda: clock.slept == [1.0])
    clock.advance(1.0)
    await knows
    await until(lambda: startup.is_ready)

    assert (receiving.began, receiving.looks) == (1, 1)
    assert [each.levelname for each in caplog.records if "ready" in each.getMessage()] == [
        "ERROR",
        "INFO",
    ]
    await startup.stop_looking()


async def test_an_end_in_an_outage() -> None:
    """Nothing is accepted any more when it stops before Webex has responded."""
    startup, receiving = Startup(None), Receiving()
    with startup.under_way():
        await begin(startup, FailingWebex(501).client, receiving)
    await startup.stop_looking()

    assert startup.stage is Stage.ENDED


async def test_a_refusal_ends_it() -> None:
    """What Webex refuses is raised, and by those who wait as well."""
    startup, receiving = Startup(None), Receiving()
    knows: list[asyncio.Task[None]] = []

    async def start() -> None:
        with startup.under_way():
            knows.append(asyncio.create_task(startup.known()))
            await begin(startup, FailingWebex(401).client, receiving)

    with pytest.raises(AuthenticationError):
        await start()
    with pytest.raises(AuthenticationError):
        await knows[0]


async def test_the_lifespan_can_not_wait_for_it() -> None:
    """Waiting where the bot is started would last for ever, and is an error."""
    startup = Startup(None)
    waiting = pytest.raises(RuntimeError, match="the lifespan can't wait for the bot")
    with startup.under_way(), waiting:
        await startup.known()
