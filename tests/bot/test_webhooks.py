"""The webhooks of a bot that others change, and of a bot that runs several times."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.bot.doubles import SECRET, URL, Webex, ignore
from tests.support.clocks import StoppedClock, let_pass, timed
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import Bot, Client, MessageData, Notification, SQLiteInbox, WebhookUpdate

pytestmark = pytest.mark.once

ELSEWHERE = "https://laptop.example.com/webex"
EVERY = 300.0


class Looks(StoppedClock):
    """The time between the looks of all bots, and of what their inboxes know."""

    def now_in_seconds(self) -> float:
        return 1_000_000 + self.seconds

    async def after(self, seconds: float, *bots: Bot) -> None:
        """Let time pass, and wait until all bots whose look is due have ended it."""
        before = len(self.slept)
        self.advance(seconds)
        await until(lambda: len(self.slept) == before + len(bots))


@pytest.fixture
def clock(webex: Webex) -> Looks:
    """The time of all bots."""
    clock = Looks()
    webex.bots = timed(Bot, clock=clock)
    return clock


@frozen
class Replicas:
    """Bots that share a file as their inbox."""

    webex: Webex
    clock: Looks
    path: Path

    def inbox(self) -> SQLiteInbox:
        return SQLiteInbox(self.path, clock=self.clock.now_in_seconds)

    def bot(self, *, client: Client | None = None, **options: Any) -> Bot:  # noqa: ANN401 - any option
        options = {"target_url": URL, "inbox": self.inbox(), "catch_up": None, **options}
        bot = self.webex.bots(client or self.webex.client, SECRET, **options)

        @bot.on("messages", "created")  # which asks nothing, so there is one webhook
        async def echo(notification: Notification[MessageData]) -> None:
            said = await bot.client.fetch(notification)
            await bot.send(f"You said: {said.text}", room_id=said.room_id)

        return bot

    @asynccontextmanager
    async def running(self, count: int, **options: Any) -> AsyncGenerator[list[Bot]]:  # noqa: ANN401 - any option
        bots = [self.bot(**options) for _ in range(count)]
        async with AsyncExitStack() as stack:
            for bot in bots:
                await stack.enter_async_context(bot)
            await until(lambda: self.clock.sleepers == count)
            yield bots

    async def change(self, **changes: Any) -> None:  # noqa: ANN401 - a field
        """Change the only webhook, as Webex or another process does."""
        (webhook,) = self.webex.sandbox.webhooks
        update = WebhookUpdate.of(webhook, **changes)
        await self.webex.client.webhooks.update(webhook.id, update)

    @property
    def urls(self) -> list[str]:
        return [each.target_url for each in self.webex.sandbox.webhooks]

    @property
    def statuses(self) -> list[str | None]:
        return [each.status for each in self.webex.sandbox.webhooks]


@pytest.fixture
def replicas(webex: Webex, clock: Looks, tmp_path: Path) -> Replicas:
    """Bots on one file."""
    return Replicas(webex, clock, tmp_path / "inbox.db")


async def test_a_deploy_with_another_url_says_what_it_changes(
    replicas: Replicas, caplog: Log
) -> None:
    """A WARNING has both URLs, also at the start."""
    async with replicas.running(1):
        pass
    async with replicas.running(1, target_url=ELSEWHERE):
        assert replicas.urls == [ELSEWHERE]

    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert warning.getMessage() == (
        "update webhook bot:messages:created: target URL differs, changed from "
        f"{URL} to {ELSEWHERE}"
    )


@pytest.mark.parametrize("with_inbox", [True, False])
async def test_two_bots_with_one_token_do_not_fight_for_long(
    replicas: Replicas, clock: Looks, caplog: Log, *, with_inbox: bool
) -> None:
    """The third change within an hour is an ERROR; then there is one an hour until a start."""
    options: dict[str, Any] = {} if with_inbox else {"inbox": None}
    changed_at: list[float] = []
    async with replicas.running(1, **options) as bots:
        for _ in range(32):
            await replicas.change(target_url=ELSEWHERE)
            await clock.after(EVERY, *bots)
            if replicas.urls == [URL]:
                changed_at.append(clock.seconds)
    levels = [each.levelname for each in caplog.records if "target URL" in each.getMessage()]
    assert changed_at == [300, 600, 900, 4500, 8100]
    assert levels == ["WARNING", "WARNING", "ERROR", "ERROR", "ERROR"]
    assert (
        f"another process with this token and the name 'bot' wants {ELSEWHERE}: give one of them "
        "another token"
    ) in caplog.text
    async with replicas.running(1, **options):
        assert replicas.urls == [URL]
    assert caplog.records[-1].levelname == "WARNING"


@pytest.mark.parametrize("with_inbox", [True, False])
async def test_a_change_that_failed_is_tried_at_the_next_look(
    replicas: Replicas, clock: Looks, *, with_inbox: bool
) -> None:
    """It doesn't count, neither as a change of the URL nor as a reactivation."""
    options: dict[str, Any] = {} if with_inbox else {"inbox": None}
    async with replicas.running(1, watch_every=60.0, **options) as bots:
        await replicas.change(target_url=ELSEWHERE)
        replicas.webex.sandbox.fail(status=403, method="PUT")
        await clock.after(60.0, *bots)
        for _ in range(2):
            await replicas.change(target_url=ELSEWHERE)
            await clock.after(60.0, *bots)
        await replicas.change(target_url=ELSEWHERE, status="inactive")
        replicas.webex.sandbox.fail(status=403, method="PUT")
        await clock.after(60.0, *bots)
        assert (replicas.urls, replicas.statuses) == ([ELSEWHERE], ["inactive"])
        await clock.after(60.0, *bots)
        assert (replicas.urls, replicas.statuses) == ([URL], ["active"])
        await replicas.change(target_url=ELSEWHERE, status="inactive")
        await clock.after(300.0, *bots)
        assert (replicas.urls, replicas.statuses) == ([ELSEWHERE], ["inactive"])
        await replicas.change(target_url=URL)
        await clock.after(60.0, *bots)
        assert replicas.statuses == ["active"]


async def test_replicas_that_start_together_make_the_webhooks_once(
    replicas: Replicas, clock: Looks
) -> None:
    """One does, and the others find them; a message is handled once."""
    sandbox = replicas.webex.sandbox
    async with sandbox.serve() as base_url, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client("sandbox-token", base_url=base_url))
            for _ in range(3)
        ]
        bots = [  # whose inboxes have a clock that doesn't run away
            replicas.bot(client=each, watch_every=None, inbox=SQLiteInbox(replicas.path))
            for each in clients
        ]
        for bot in bots:
            bot.submission()(ignore)
        starting = asyncio.gather(*(stack.enter_async_context(each) for each in bots))
        while not starting.done():
            clock.advance(0.5)
            await asyncio.sleep(0)
        await starting
        sandbox.deliver_to(bots[0])
        await sandbox.say("Hello")
        await until(lambda: len(sandbox.messages) == 2)
        await bots[0].aclose()

    sent = Counter(each.method for each in sandbox.requests if each.path == "/v1/webhooks")
    assert (sent["POST"], sent["DELETE"], sent["PUT"]) == (2, 0, 0)
    assert replicas.webex.texts == ["Hello", "You said: Hello"]


async def test_the_claim_of_a_killed_process_ends(
    replicas: Replicas, clock: Looks, caplog: Log
) -> None:
    """Another start looks every half second, and makes the webhooks after 30 seconds."""
    killed = replicas.inbox()
    assert await killed.claim("webex-webhooks:start:bot", 30.0)
    await killed.aclose()
    bot = replicas.bot(watch_every=None)
    starting = asyncio.create_task(bot.start())
    for _ in range(60):
        await until(lambda: clock.sleepers == 1)
        assert not replicas.webex.sandbox.webhooks
        clock.advance(0.5)
        await asyncio.sleep(0)
    await starting
    assert bot.is_ready
    await bot.aclose()

    assert set(clock.slept) == {0.5}
    assert len(replicas.webex.sandbox.webhooks) == 1
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_start_that_waits_for_long_goes_on_in_the_background(
    replicas: Replicas, clock: Looks, caplog: Log
) -> None:
    """The application starts after 10 seconds, and the record says what the bot waits for."""
    other = replicas.inbox()
    assert await other.claim("webex-webhooks:start:bot", 30.0)
    http_client = replicas.webex.client.http_client
    local = Client("a-token", base_url="http://127.0.0.1:8900/v1", http_client=http_client)
    bot = replicas.bot(client=local)
    starting = asyncio.create_task(bot.start())
    await until(lambda: clock.sleepers == 1)
    asyncio.get_running_loop().call_soon(let_pass, 10)
    await starting
    made = [len(replicas.urls)]
    await other.unclaim("webex-webhooks:start:bot")
    await until(lambda: clock.sleepers == 1)
    await clock.after(1.0, bot)
    made.append(len(replicas.urls))
    await bot.aclose()
    await other.aclose()

    assert made == [0, 1]
    waits = "another replica has been making the webhooks for 10 s"
    assert f"the bot isn't ready: {waits}; trying again in 1 s" in caplog.text


async def test_of_all_replicas_one_looks(replicas: Replicas, clock: Looks) -> None:
    """Ten times, three of them ask who they are once, and list the webhooks once."""
    sandbox = replicas.webex.sandbox
    async with replicas.running(3) as bots:
        before = len(sandbox.requests)
        for _ in range(10):
            await clock.after(EVERY, *bots)
        requests = Counter((each.method, each.path) for each in sandbox.requests[before:])

    assert requests == {("GET", "/v1/people/me"): 10, ("GET", "/v1/webhooks"): 10}


async def test_the_pause_after_a_reactivation_is_that_of_all_replicas(
    replicas: Replicas, clock: Looks
) -> None:
    """Of those that look: one that starts switches the webhook on again at once."""
    async with replicas.running(3, watch_every=100.0) as bots:
        statuses: list[str | None] = []
        for _ in range(5):
            await replicas.change(status="inactive")
            await clock.after(100.0, *bots)
            statuses += replicas.statuses
        assert statuses == ["active", "inactive", "inactive", "active", "inactive"]
        async with replicas.bot(watch_every=None):
            assert replicas.statuses == ["active"]


class Away(SQLiteInbox):
    """An inbox whose database is away now and then, for claims."""

    is_away = False
    keeps_claims = False

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        if self.is_away:
            raise ConnectionError("the database is away")
        return await super().claim(name, seconds, renew=renew)

    async def unclaim(self, name: str) -> None:
        if self.keeps_claims:
            raise ConnectionError("the database is away")
        await super().unclaim(name)


async def test_an_inbox_that_is_away_is_like_an_outage(
    replicas: Replicas, clock: Looks, caplog: Log
) -> None:
    """The start goes on, and a look is tried again; claims that aren't given back end."""
    inbox = Away(replicas.path, clock=clock.now_in_seconds)
    inbox.is_away = inbox.keeps_claims = True
    bot = replicas.bot(inbox=inbox)
    async with bot:
        await until(lambda: clock.sleepers == 1)
        made = [len(replicas.urls)]
        inbox.is_away = False
        await clock.after(1.0, bot)
        made.append(len(replicas.urls))
        inbox.is_away = True
        await clock.after(EVERY, bot)
        await replicas.change(target_url=ELSEWHERE)
        inbox.is_away = False
        await clock.after(EVERY, bot)
        assert replicas.urls == [URL]

    assert made == [0, 1]
    away = "ConnectionError: the database is away"
    assert f"the bot isn't ready: {away}; trying again in 1 s" in caplog.text
    assert f"a claim can't be given back: {away}" in caplog.text
    assert f"reconciliation failed: {away}; retrying in 300 s" in caplog.text
