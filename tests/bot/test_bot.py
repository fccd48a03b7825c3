"""The life of a bot: its start, what it receives, its end."""

import asyncio
import logging
import re
import sys
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
import respx

from tests.bot.doubles import CARD, SECRET, URL, Handlers, Webex, ignore, noting, raising
from tests.support.clocks import StoppedClock, let_pass, timed
from tests.support.inboxes import stored_in
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import PATIENCE, until, unused_port
from webex_webhooks_async import (
    AuthenticationError,
    Bot,
    Client,
    JobContext,
    Message,
    MessageContext,
    NewWebhook,
    Notification,
    PermissionDeniedError,
    Person,
    PostgresInbox,
    Receiver,
    RetryPolicy,
    SQLiteInbox,
    SubmissionContext,
    WebhookUpdate,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.client.auth import StaticToken
from webex_webhooks_async.testing import Sandbox, sample_notification
from webex_webhooks_async.types import InboxEntry


@pytest.fixture
def bot(webex: Webex) -> Bot:
    """A bot that hears messages."""
    return webex.echoing()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a bot."""
    for name in ("WEBEX_BASE_URL", "WEBEX_CLIENT_ID", "WEBEX_REFRESH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-token")
    monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", "new-secret\told-secret\n")
    monkeypatch.setenv("WEBEX_TARGET_URL", URL)
    return monkeypatch


class TestStart:
    async def test_it_makes_the_webhooks_that_its_handlers_need(
        self, webex: Webex, handlers: Handlers
    ) -> None:
        """Each has a name, the URL and the first secret; others of its prefix are deleted."""
        bot = Bot(webex.client, [SECRET, "old"], name="lunch", target_url=URL)
        before = Receiver("old")
        before.on("rooms")(ignore)
        old, other = [
            await before.wanted_webhooks(name=name, target_url=URL)
            for name in ("lunch", "lunchtime")
        ]
        await webex.client.webhooks.ensure([*old, *other])
        handlers.command(bot, "one")
        handlers.message(bot)
        handlers.submission(bot, "two")
        bot.on("memberships", "created")(ignore)
        async with bot:
            made = {each.name: (each.target_url, each.secret) for each in webex.sandbox.webhooks}

        assert made == {
            "lunchtime:rooms:all": (URL, "old"),
            "lunch:memberships:created": (URL, SECRET),
            "lunch:messages:created": (URL, SECRET),
            "lunch:attachmentActions:created": (URL, SECRET),
        }

    async def test_it_makes_only_those(self, webex: Webex) -> None:
        """A bot without commands doesn't hear messages, one without submissions no cards."""
        bot = webex.bot()
        bot.on("memberships", "created")(ignore)
        async with bot:
            assert [each.resource for each in webex.sandbox.webhooks] == ["memberships"]

    async def test_it_says_which_webhooks_it_wants(self, bot: Bot, webex: Webex) -> None:
        """Its name and its URL may be left out; without any URL it is an error."""
        async with bot:
            (made,) = webex.sandbox.webhooks
        (wanted,) = await bot.wanted_webhooks()
        (other,) = await bot.wanted_webhooks(name="other", target_url="https://example.com/")

        assert (wanted.name, wanted.target_url, wanted.secret) == (made.name, URL, SECRET)
        assert (other.name, other.target_url) == ("other:messages:created", "https://example.com/")
        with pytest.raises(ValueError, match="pass target_url"):
            await hearing(webex.bot(target_url=None)).wanted_webhooks()

    async def test_it_knows_itself(self, bot: Bot, webex: Webex) -> None:
        """The bot is a person of Webex; before the start it doesn't know which."""
        with pytest.raises(RuntimeError, match="the bot doesn't know itself before it is started"):
            _ = bot.me
        async with bot:
            me = bot.me

        sandbox_bot = webex.sandbox.bot
        assert (me.id, me.emails, me.type) == (sandbox_bot.id, sandbox_bot.emails, "bot")
        assert isinstance(me, Person)

    async def test_a_target_url_needs_handlers(self, webex: Webex) -> None:
        """A bot that would hear nothing is an error, and its webhooks stay as they are."""
        with pytest.raises(ValueError, match="no handler names a resource"):
            await webex.bot().__aenter__()

        assert webex.sandbox.requests == ()

    @pytest.mark.parametrize("path", ["people/me", "webhooks"])
    async def test_an_error_ends_the_start(self, path: str, bot: Bot, webex: Webex) -> None:
        """Whatever Webex says is raised; a later start of the bot may succeed."""
        if path == "webhooks":
            webex.sandbox.fail(status=403, method="POST")
        else:
            webex.sandbox.fail(status=403)
        with pytest.raises(PermissionDeniedError, match=path):
            await bot.__aenter__()
        assert await bot.handle(b"", {}) == 503
        await webex.hear(bot, "Hello")

        assert webex.texts == ["Hello", "You said: Hello"]

    async def test_a_bot_can_be_started_again_with_the_client_of_another(
        self, bot: Bot, webex: Webex
    ) -> None:
        """It doesn't close that client; but it can't be started twice at once."""
        for _ in range(2):
            async with webex.running(bot):
                with pytest.raises(RuntimeError, match="can't be started a second time"):
                    await bot.__aenter__()
                await webex.sandbox.say("Hello")

        assert webex.texts == ["Hello", "You said: Hello"] * 2

    @pytest.mark.parametrize("token", ["a-token", StaticToken("a-token")], ids=["text", "provider"])
    async def test_a_bot_that_made_its_client_can_be_started_again(
        self, token: str | StaticToken, respx_mock: respx.MockRouter
    ) -> None:
        """It closes the client at the end, or if the start fails, and makes another one then."""
        route = respx_mock.get("https://webexapis.com/v1/people/me")
        bot = Bot(token, SECRET)
        first = bot.client
        closed: list[bool] = []
        route.respond(401)
        with pytest.raises(AuthenticationError):
            await bot.__aenter__()
        closed.append(first.http_client.is_closed)
        route.respond(json={"id": "ME"})
        async with bot:
            closed.append(bot.client.http_client.is_closed)
        closed.append(bot.client.http_client.is_closed)

        assert closed == [True, False, True]

    def test_it_can_be_started_again_in_another_event_loop(
        self, respx_mock: respx.MockRouter
    ) -> None:
        """What the loop of an earlier start has left doesn't hide why a later one fails."""
        me = respx_mock.get("https://webexapis.com/v1/people/me").respond(json={"id": "ME"})
        bot = Bot("a-token", SECRET)

        async def start() -> None:
            async with bot:
                pass

        asyncio.run(start())
        me.respond(401)
        with pytest.raises(AuthenticationError):
            asyncio.run(start())

    async def test_without_a_url_it_says_that_it_makes_no_webhook(
        self, webex: Webex, caplog: Log
    ) -> None:
        """A warning says what to set; a bot with a URL, and one that only sends, have none."""
        for bot in (hearing(webex.bot(target_url=None)), hearing(webex.bot()), Bot(webex.client)):
            async with bot:
                pass

        (warning,) = (each for each in caplog.records if each.levelname == "WARNING")
        unheard = "the bot makes no webhook, so it hears nothing unless you make one"
        assert unheard in warning.getMessage()
        assert "set WEBEX_TARGET_URL, or pass target_url" in warning.getMessage()


class Pauses(StoppedClock):
    """The time between the attempts of a start."""

    async def pass_each(self, *pauses: float) -> None:
        for number, seconds in enumerate(pauses, 1):
            await until(lambda: len(self.slept) == number)  # noqa: B023 - used at once
            assert self.slept[-1] == seconds
            self.advance(seconds)


@pytest.fixture
def clock(webex: Webex) -> Pauses:
    """The time in which an outage passes."""
    stopped = Pauses()
    webex.bots = timed(Bot, clock=stopped)
    return stopped


class Away(SQLiteInbox):
    """An inbox whose database is away until a test lets it come back."""

    is_away = True

    async def take(self) -> InboxEntry | None:
        if self.is_away:
            raise ConnectionError("no database")
        return await super().take()

    async def stopping(self) -> Collection[int]:
        if self.is_away:
            raise ConnectionError("no database")
        return await super().stopping()


class Slow(SQLiteInbox):
    """An inbox whose database responds late to the first look for an entry."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_asked, self.responds = asyncio.Event(), asyncio.Event()

    async def take(self) -> InboxEntry | None:
        self.is_asked.set()
        await self.responds.wait()
        return await super().take()


class TestOutage:
    async def test_it_is_not_ready_without_its_database(self, webex: Webex, tmp_path: Path) -> None:
        """A bot that keeps no webhooks is ready when its inbox works, too."""
        inbox = Away(tmp_path / "inbox.db")
        async with hearing(webex.bot(target_url=None, inbox=inbox)) as bot:
            assert not bot.is_ready
            inbox.is_away = False
            await until(lambda: bot.is_ready)

    async def test_it_is_not_ready_while_nothing_can_be_stored(
        self, webex: Webex, clock: Pauses, tmp_path: Path
    ) -> None:
        """Where Webex and the database are out at the start, the database decides when it is."""
        inbox = Away(tmp_path / "inbox.db")
        webex.sandbox.fail(status=501, path="/people/me", times=2)
        async with hearing(webex.bot(target_url=None, inbox=inbox)) as bot:
            await until(lambda: clock.sleepers == 1)
            assert not bot.is_ready
            inbox.is_away = False
            await clock.pass_each(1)
            await until(lambda: bot.is_ready)
            assert webex.sandbox.requests[-1].status_code == 501

    async def test_a_request_while_it_starts(
        self, webex: Webex, tmp_path: Path, caplog: Log
    ) -> None:
        """It is refused, and an ERROR says what the start waits for."""
        begin, waits = asyncio.Event(), asyncio.Event()

        @asynccontextmanager
        async def lifespan(_: Bot) -> AsyncGenerator[None]:
            waits.set()
            await begin.wait()
            yield

        inbox = Slow(tmp_path / "inbox.db")
        bot = webex.echoing(lifespan=lifespan, inbox=inbox)
        webex.sandbox.fail(delay=3600, path="/people/me")
        starting = asyncio.create_task(bot.start())
        await waits.wait()
        assert await bot.handle(b"", {}) == 503
        begin.set()
        await until(lambda: "Webex" in (bot._startup.waits_for or ""))
        assert await bot.handle(b"", {}) == 503
        starting.cancel()
        await asyncio.wait([starting])
        assert await bot.handle(b"", {}) == 503
        webex.sandbox.clear_faults()
        starting = asyncio.create_task(bot.start())
        await inbox.is_asked.wait()
        assert await bot.handle(b"", {}) == 503
        inbox.responds.set()
        await starting
        await bot.aclose()

        refused = [each.partition(": the bot ")[2] for each in caplog.messages if "refused" in each]
        starts = "is starting: it waits for "
        waited = ("its lifespan", "Webex, which hasn't responded", "its inbox")
        assert [each for each in refused if each.startswith(starts)] == [starts + w for w in waited]
        assert refused[2].startswith("isn't running")

    @pytest.mark.parametrize("with_inbox", [True, False])
    async def test_it_starts_all_the_same(
        self, webex: Webex, clock: Pauses, tmp_path: Path, caplog: Log, *, with_inbox: bool
    ) -> None:
        """The start goes on in the background; with an inbox, what comes meanwhile is handled."""
        bot = webex.echoing(inbox=SQLiteInbox(tmp_path / "inbox.db") if with_inbox else None)
        webex.sandbox.fail(status=501, path="/people/me", times=7)
        await webex.sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
        bodies = [
            sample_notification("messages", "created", data={"id": "M1"}, actorId=actor)
            for actor in ("ANN", webex.sandbox.bot.id)
        ]
        async with bot:
            statuses = [await status_of(bot, each) for each in bodies]
            with pytest.raises(RuntimeError, match="and Webex has responded"):
                _ = bot.me
            await bot.send("I am here", to_person_email="ann@example.com")
            await until(lambda: bot.is_ready is with_inbox)  # it stores what comes
            assert webex.sandbox.webhooks == ()
            await clock.pass_each(1, 2, 4, 8, 16, 32, 60)
            await until(lambda: bot.is_ready and len(webex.sandbox.webhooks) > with_inbox)
            if with_inbox:
                await until(lambda: webex.texts[2:] == ["You said: Hello"])
            assert len(webex.sandbox.webhooks) == (2 if with_inbox else 1)
            assert await status_of(bot, bodies[0] + b" ") == 204

        assert not bot.is_ready
        assert statuses == ([204, 204] if with_inbox else [503, 503])
        assert "people/me: 501 Not Implemented" in caplog.text
        assert "trying again in 60 s" in caplog.text
        assert "no matching handler" not in caplog.text

    async def test_it_handles_what_it_can(
        self, webex: Webex, clock: Pauses, tmp_path: Path
    ) -> None:
        """Where only the webhooks can't be made, what comes through those of before is handled."""
        bot = webex.echoing(inbox=SQLiteInbox(tmp_path / "inbox.db"))
        async with bot:
            pass  # it makes its webhook
        webex.sandbox.fail(status=501, path="/webhooks")
        async with webex.running(bot):
            await webex.sandbox.say("Hello")
            await until(lambda: webex.texts == ["Hello", "You said: Hello"])
            assert bot.is_ready
            await clock.pass_each(1)

    async def test_it_does_not_wait_for_long(
        self, clock: Pauses, bot: Bot, webex: Webex, caplog: Log
    ) -> None:
        """A Webex that doesn't respond at all keeps an application from starting for 10 seconds."""
        webex.sandbox.fail(delay=3600, path="/people/me")
        asyncio.get_running_loop().call_soon(let_pass, 10)  # once it waits for a response
        async with bot:
            assert not bot.is_ready
            await clock.pass_each(1)
            await until(lambda: bot.is_ready)

        assert "the bot isn't ready: no response to the start within 10 s" in caplog.text

    async def test_a_timeout_of_somebody_else_ends_the_start(self) -> None:
        """It isn't Webex's, so it isn't an outage: as that of a provider of tokens."""

        class Sealed(StaticToken):
            async def get(self, *_: object) -> str:
                raise TimeoutError("the vault")

        with pytest.raises(TimeoutError, match="the vault"):
            await Bot(Sealed("a-token"), SECRET).__aenter__()

    async def test_it_waits_as_long_as_webex_says(
        self, clock: Pauses, bot: Bot, webex: Webex, caplog: Log
    ) -> None:
        """A Retry-After is honored and logged, up to an hour; it forgets whom it knew before."""
        async with bot:
            pass
        for seconds in (300, 7200):
            webex.sandbox.fail(status=429, retry_after=seconds, path="/people/me")
        async with bot:
            assert await bot.handle(b"", {}) == 503
            await clock.pass_each(300, 3600)
            await until(lambda: bot.is_ready)

        assert "trying again in 3600 s" in caplog.text

    async def test_another_error_is_tried_again_each_minute(
        self, webex: Webex, clock: Pauses, caplog: Log
    ) -> None:
        """Once the application runs, nothing ends it: not even a token that is refused."""
        bot = webex.bot(target_url=None)
        webex.sandbox.fail(status=501)
        webex.sandbox.fail(status=401, times=2)
        async with bot:
            await clock.pass_each(1, 60, 60)
            await until(lambda: bot.is_ready)

        assert caplog.text.count("the bot isn't ready; trying again in 60 s\nTraceback") == 2

    async def test_a_sandbox_that_is_not_there_is_named(self, clock: Pauses, caplog: Log) -> None:
        """On this machine, an outage is a sandbox that wasn't started; the bot can be ended."""
        url = f"http://127.0.0.1:{unused_port()}/v1"
        async with (
            Client("a-token", base_url=url, retry=RetryPolicy.none()) as client,
            timed(Bot, clock=clock)(client, SECRET) as bot,
        ):
            await until(lambda: clock.sleepers == 1)

        assert not bot.is_ready
        assert f"no sandbox responds at {url} (webex-webhooks sandbox starts one)" in caplog.text


class TestWatch:
    async def test_it_keeps_the_webhooks(self, webex: Webex, caplog: Log) -> None:
        """What happens to a webhook is corrected, and reported as a warning of one line."""
        async with hearing(webex.bot(watch_every=timedelta(milliseconds=1))):
            (webhook,) = webex.sandbox.webhooks
            update = WebhookUpdate.of(webhook, status="inactive")
            await webex.client.webhooks.update(webhook.id, update)
            await until(lambda: "reactivate" in caplog.text)
            await webex.client.webhooks.delete(webhook.id)
            await until(lambda: "create webhook" in caplog.text)
            double = NewWebhook(
                name=webhook.name, target_url=URL, resource="messages", event=webhook.event
            )
            await webex.client.webhooks.create(double)
            await until(lambda: "delete webhook" in caplog.text)

        assert webex.sandbox.webhooks[0].status == "active"
        assert "delete webhook bot:messages:created: a duplicate" in caplog.text
        assert "reactivate webhook bot:messages:created: switched off; Webex does" in caplog.text

    async def test_the_start_says_that_a_webhook_was_switched_off(
        self, webex: Webex, caplog: Log
    ) -> None:
        """As a warning, with what causes it; that webhooks were created is only an INFO."""
        for _ in range(2):
            async with hearing(webex.bot()):
                (webhook,) = webex.sandbox.webhooks
            update = WebhookUpdate.of(webhook, status="inactive")
            await webex.client.webhooks.update(webhook.id, update)

        (warning,) = (each for each in caplog.records if each.levelname == "WARNING")
        assert warning.getMessage() == (
            "reactivate webhook bot:messages:created: switched off; Webex does that after 100 "
            "failed deliveries within five minutes: with inbox= or respond_within=5.0, slow "
            "handlers cause none"
        )

    async def test_only_a_start_deletes_what_is_not_wanted(
        self, webex: Webex, clock: Pauses, caplog: Log
    ) -> None:
        """A look may come from a bot of another version, whose handlers need other webhooks."""
        caplog.set_level(logging.INFO)
        other = NewWebhook(name="bot:\nERROR", target_url=URL, resource="rooms", event="created")
        async with hearing(webex.bot()):
            await webex.client.webhooks.create(other)
            await clock.pass_each(300)
            await until(lambda: clock.sleepers == 1)
            assert other.name in [each.name for each in webex.sandbox.webhooks]
        async with hearing(webex.bot()):
            assert other.name not in [each.name for each in webex.sandbox.webhooks]

        assert r"delete webhook bot:\nERROR: not wanted" in caplog.text

    async def test_an_error_is_logged_and_it_tries_again(self, webex: Webex, caplog: Log) -> None:
        """Also one that `Webhooks.watch` raises, such as a rejected token."""
        async with hearing(webex.bot(watch_every=0.001)):
            webex.sandbox.fail(status=403)
            await until(lambda: "can't be watched" in caplog.text)
            (webhook,) = webex.sandbox.webhooks
            await webex.client.webhooks.delete(webhook.id)
            await until(lambda: webex.sandbox.webhooks != ())

        assert "the webhooks can't be watched; trying again in 0.001 s" in caplog.text

    async def test_it_gives_the_webhooks_a_new_secret(self, webex: Webex, caplog: Log) -> None:
        """A function that returns the secrets is asked at each look, whatever it raised before."""
        secrets = ["old"]

        def current() -> list[str]:
            return secrets or sys.exit("the vault is sealed")

        async with hearing(Bot(webex.client, current, target_url=URL, watch_every=0.001)):
            before = [each.secret for each in webex.sandbox.webhooks]
            secrets.clear()
            await until(lambda: "it raised SystemExit" in caplog.text)
            secrets += ["new", "old"]
            await until(lambda: [each.secret for each in webex.sandbox.webhooks] == ["new"])

        assert before == ["old"]

    async def test_it_asks_who_it_is(self, webex: Webex, caplog: Log) -> None:
        """Before it makes webhooks; where it can't be asked, nothing changes at that look."""
        async with hearing(webex.bot(watch_every=0.001)) as bot:
            before = bot.me.id
            webex.sandbox.fail(status=501, path="/people/me", times=None)
            await webex.client.webhooks.delete(webex.sandbox.webhooks[0].id)
            await until(lambda: caplog.text.count("reconciliation failed") >= 3)
            assert webex.sandbox.webhooks == ()
            other = Sandbox()  # the sandbox was started again
            async with other.http_client() as http_client:
                webex.client.http_client._transport = http_client._transport
                await until(lambda: bool(other.webhooks))
                me = bot.me.id

        assert me == other.bot.id != before
        assert f"the bot is {me} now, and was {before}: the token is another bot's" in caplog.text

    async def test_it_ends_with_the_bot(self, webex: Webex) -> None:
        """After the end, and without `watch`, nothing is sent."""
        for watch in (0.001, None):
            async with hearing(webex.bot(watch_every=watch)):
                pass
            sent = len(webex.sandbox.requests)
            tasks = asyncio.all_tasks()
            assert tasks == {asyncio.current_task()}
            assert len(webex.sandbox.requests) == sent


class TestDispatch:
    """A task queue passes a notification on while the bot of its worker starts."""

    @pytest.fixture
    async def notification(self, webex: Webex) -> Notification[Any]:
        """A notification of a message that says hello."""
        await webex.sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
        return parse_unverified_notification(
            sample_notification("messages", "created", data={"id": "M1"}, actorId="ANN")
        )

    async def test_it_waits_for_a_start(
        self, clock: Pauses, bot: Bot, webex: Webex, notification: Notification[Any]
    ) -> None:
        """Also through an outage, until the bot knows itself; who no longer waits ends nothing."""
        webex.sandbox.fail(status=501, path="/people/me", times=2)
        starting = asyncio.create_task(bot.start())
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(bot.dispatch(notification)) for _ in range(3)]
        async with aclosing(await starting):
            tasks.append(asyncio.create_task(bot.dispatch(notification)))
            tasks[0].cancel()
            await clock.pass_each(1, 2)
            await asyncio.gather(*tasks, return_exceptions=True)

        assert tasks[0].cancelled()
        assert webex.texts[1:] == ["You said: Hello"] * 3

    async def test_a_lifespan_does_not_wait_for_itself(
        self, webex: Webex, notification: Notification[Any]
    ) -> None:
        """It is entered before the bot knows itself, so what it passes on is an error."""

        @asynccontextmanager
        async def lifespan(starting: Bot) -> AsyncGenerator[None]:
            await starting.dispatch(notification)
            yield

        with pytest.raises(RuntimeError, match="the lifespan can't wait for the bot"):
            await hearing(webex.bot(lifespan=lifespan)).start()

    async def test_what_ends_the_start_is_raised(
        self, bot: Bot, webex: Webex, notification: Notification[Any]
    ) -> None:
        """Where no start is, it is an error; a later start works, and its end is an error, too."""
        asked = asyncio.Event()

        async def refuse(*_: object, **__: object) -> None:
            await asked.wait()
            raise PermissionDeniedError(403)

        with patch.object(webex.client, "get", refuse):
            both = asyncio.gather(bot.start(), bot.dispatch(notification), return_exceptions=True)
            asyncio.get_running_loop().call_later(0, asked.set)
            outcomes = await both
        assert [type(each) for each in outcomes] == [PermissionDeniedError] * 2
        with pytest.raises(RuntimeError, match="the bot isn't running"):
            await bot.dispatch(notification)
        webex.sandbox.fail(status=501, path="/people/me")
        await bot.start()
        waiting = asyncio.create_task(bot.dispatch(notification))
        await asyncio.sleep(0)
        await bot.aclose()
        with pytest.raises(RuntimeError, match="the bot isn't running"):
            await waiting
        with (
            patch.object(webex.client, "get", side_effect=asyncio.CancelledError),
            pytest.raises(asyncio.CancelledError),
        ):
            await bot.start()
        with pytest.raises(RuntimeError, match="the bot isn't running"):
            await bot.dispatch(notification)
        async with aclosing(await bot.start()):
            await bot.dispatch(notification)

        assert webex.texts[1:] == ["You said: Hello"]


class TestReceiving:
    async def test_it_receives_while_it_runs(self, bot: Bot, webex: Webex, caplog: Log) -> None:
        """`handle` takes a request, and `dispatch` a notification; otherwise a record says why."""
        await webex.sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
        body = sample_notification("messages", "created", data={"id": "M1"})
        notification = parse_unverified_notification(body)
        statuses = [await status_of(bot, body)]
        async with bot:
            statuses.append(await status_of(bot, body))
            await bot.dispatch(notification)
        statuses.append(await status_of(bot, body))
        with pytest.raises(RuntimeError) as raised:
            await bot.dispatch(notification)

        assert statuses == [503, 204, 503]
        assert webex.texts[1:] == ["You said: Hello"] * 2
        assert str(raised.value) == (
            "the bot isn't running: serve it as the application, or enter it with "
            "`async with bot:` in the lifespan of the application that it is a part of"
        )
        errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
        assert errors == [f"refused a request: {raised.value}"] * 2

    async def test_what_was_accepted_is_finished_at_the_end(self, webex: Webex) -> None:
        """Several callers may wait for the end, also while a handler runs; it isn't ready then."""
        bot = webex.bot(respond_within=0)
        ending = asyncio.Event()

        @bot.message()
        async def slow(context: MessageContext) -> None:
            await ending.wait()
            await context.reply(f"Ready: {bot.is_ready}")

        async with webex.running(bot):
            await webex.sandbox.say("Hello")
            asyncio.get_running_loop().call_soon(ending.set)
            await asyncio.gather(bot.aclose(), bot.aclose())

            assert webex.texts == ["Hello", "Ready: False"]
            with pytest.raises(RuntimeError, match="the bot isn't running"):
                await bot.send("Hello", room_id="R")

    async def test_slow_handlers_fail_no_delivery(self, webex: Webex) -> None:
        """With handlers that take far too long, 300 messages at once are accepted in time."""
        bot = webex.bot(respond_within=0.01)
        may_end = asyncio.Event()

        @bot.message()
        async def slow(context: MessageContext) -> None:
            await may_end.wait()

        async with webex.running(bot):
            await asyncio.gather(*(webex.sandbox.say(f"{number}") for number in range(300)))
            assert [each.status_code for each in webex.sandbox.deliveries] == [204] * 300
            may_end.set()

    async def test_a_handler_cannot_end_the_bot(self, webex: Webex, caplog: Log) -> None:
        """It is an error, after which the bot still runs."""
        webex.sandbox.raise_handler_errors = False
        bot = webex.bot()

        @bot.message()
        async def end(context: MessageContext) -> None:
            await context.reply(f"You said: {context.text}")
            await bot.aclose()

        await webex.hear(bot, "one", "two")

        assert caplog.text.count("a handler can't close its own receiver") == 2
        assert webex.texts[-1] == "You said: two"

    @pytest.mark.parametrize(
        ("envelope", "is_answered"),
        [
            ({"actorId": "ME", "createdBy": "ADMIN"}, False),
            ({"actorId": "ADMIN", "createdBy": "ADMIN"}, True),
            ({"actorId": "OLD", "createdBy": "OLD", "name": "bot:messages:created"}, False),
            ({"actorId": "OLD", "createdBy": "OLD", "name": "bots:messages:created"}, True),
            ({"actorId": "ANN", "createdBy": "OLD", "name": "bot:messages:created"}, True),
        ],
    )
    async def test_what_it_did_itself_is_ignored(
        self, envelope: dict[str, str], *, is_answered: bool, bot: Bot, webex: Webex
    ) -> None:
        """The creator of its webhook is the bot, too: that webhook may be older than its token."""
        await webex.sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
        async with bot:
            envelope = {key: bot.me.id if it == "ME" else it for key, it in envelope.items()}
            body = sample_notification("messages", "created", data={"id": "M1"}, **envelope)
            assert await status_of(bot, body) == 204

        assert len(webex.sandbox.messages) == 1 + is_answered

    async def test_its_own_message_is_ignored(self, bot: Bot, webex: Webex) -> None:
        """What is fetched says who wrote it, not the notification."""
        ran: list[object] = []
        bot.on("messages")(noting(ran, lambda notification: notification))
        async with webex.running(bot):
            message = {"id": "M1", "text": "Hello", "personId": bot.me.id}
            await webex.sandbox.emit("messages", "created", data=message)
            body = sample_notification("messages", "created", data={"id": "M1"}, actorId="ANN")
            assert await status_of(bot, body) == 204

        assert (webex.texts, ran) == (["Hello"], [])

    @pytest.mark.parametrize("resource", ["messages", "attachmentActions"])
    async def test_what_is_gone_is_passed_over(
        self, resource: str, bot: Bot, handlers: Handlers, webex: Webex, caplog: Log
    ) -> None:
        """A message may be deleted before the bot reads it, which isn't an error; `on` has run."""
        caplog.set_level(logging.INFO)
        handlers.submission(bot, "all")
        seen = AsyncMock()
        bot.on(resource)(seen)
        async with webex.running(bot):
            webex.sandbox.fail(status=404)
            (delivery,) = await webex.sandbox.emit(resource, "created")

        assert (delivery.status_code, handlers.heard, seen.await_count) == (204, [], 1)
        assert sum("is passed over: it is gone" in each for each in caplog.messages) == 1
        assert [each.levelname for each in caplog.records if each.levelno > logging.INFO] == []
        assert len(webex.texts) == (resource == "messages")

    @pytest.mark.parametrize("lost", ["a message", "a submission", "a card", "a thread"])
    async def test_a_404_of_a_proxy_is_a_failure(self, lost: str, webex: Webex) -> None:
        """A 404 without Webex's body says of nothing that it is gone: the handler may run again."""
        webex.sandbox.raise_handler_errors = False
        failures: list[Exception] = []
        bot = webex.bot(on_error=lambda error, _: failures.append(error))

        @bot.message()
        @bot.submission()
        async def reply(context: MessageContext | SubmissionContext) -> None:
            if lost == "a thread":
                fail("POST")
                fail()
            await context.reply("Hello")

        def fail(method: str = "GET", path: str = "messages") -> None:
            body = "<h1>Not Found</h1>"
            webex.sandbox.fail(status=404, body=body, method=method, path=path)

        async with webex.running(bot):
            card = await bot.send(card=CARD, to_person_email="ann@example.com")
            if lost == "a thread":
                await webex.sandbox.say("Hi", person="ann@example.com")
            elif lost == "a message":
                fail()
                await webex.sandbox.say("Hi", person="ann@example.com")
            else:
                fail(path="messages" if lost == "a card" else "attachment/actions")
                await webex.sandbox.submit(card.id, {"dish": "Pasta"}, person="ann@example.com")

        assert [type(each).__name__ for each in failures] == ["NotFoundError"]
        assert "Hello" not in webex.texts

    async def test_the_messages_of_another_bot(
        self, webex: Webex, tmp_path: Path, caplog: Log
    ) -> None:
        """Where two bots share an inbox, an ERROR says once what to do, but not of what is gone."""
        path = tmp_path / "inbox.db"
        bot = webex.echoing(inbox=SQLiteInbox(path))
        owners = (
            *(
                (webex.sandbox.bot.id, "creator"),
                (None, None),
                ("", "creator"),
                ("an administrator", "org"),
            ),
            *[("another bot", "creator")] * 2,
        )
        async with webex.running(bot):
            for creator, kind in owners:
                body = sample_notification("messages", "created", createdBy=creator, ownedBy=kind)
                assert await status_of(bot, body) == 204
            await until(lambda: stored_in(path) == [])

        (error,) = (each for each in caplog.messages if "inbox" in each)
        assert "that another bot made" in error
        assert "if another bot uses the same inbox" in error
        assert "PostgresInbox(schema=...)" in error

    async def test_what_cannot_be_fetched_is_a_failure(
        self, bot: Bot, webex: Webex, caplog: Log
    ) -> None:
        """It is logged and reported, after the handlers that need nothing of it have run."""
        webex.sandbox.raise_handler_errors = False
        seen: list[Any] = []
        bot.on("messages")(noting(seen, lambda _: "on"))
        async with webex.running(bot):
            webex.sandbox.fail(status=403)
            (delivery,) = await webex.sandbox.say("Hello")

        assert (delivery.status_code, seen) == (204, ["on"])
        assert "PermissionDeniedError" in caplog.text

    async def test_an_error_of_a_handler_is_settled(self, webex: Webex, caplog: Log) -> None:
        """It is logged with its traceback and reported, and no copy is handled again."""
        webex.sandbox.raise_handler_errors = False
        reported: list[Any] = []
        bot = webex.bot(on_error=lambda error, about: reported.append((error, about)))
        bot.message()(raising(KeyError("a bug")))
        async with webex.running(bot):
            (delivery,) = await webex.sandbox.say("Hello")
            again = await bot.handle(delivery.body, sign(delivery.body, SECRET))

        ((error, notification),) = reported
        assert (delivery.status_code, again) == (204, 204)
        assert repr(error) == "KeyError('a bug')"
        assert notification.data.id == webex.sandbox.messages[0].id
        assert "Traceback" in caplog.text


class TestSend:
    async def test_it_writes_to_a_room_or_a_person(self, webex: Webex) -> None:
        """The place is one of three; a long text is cut as that of a reply."""
        (ann_id,) = (await webex.sandbox.say("Hi"), webex.sandbox.messages[0].person_id)[1:]
        async with webex.bot(target_url=None) as bot:
            first = await bot.send("One", to_person_email=webex.sandbox.messages[0].person_email)
            await bot.send("Two", to_person_id=ann_id, card=CARD)
            await bot.send(markdown="word " * 2000, room_id=first.room_id)
        _, one, two, *pieces = webex.sandbox.messages

        assert {each.room_id for each in webex.sandbox.messages} == {first.room_id}
        assert (one.id, one.text) == (first.id, "One")
        assert (two.text, len(two.attachments)) == ("Two", 1)
        assert len(pieces) == 2

    @pytest.mark.parametrize("place", [{}, {"room_id": "R", "to_person_email": "a@example.com"}])
    async def test_it_needs_one_place(self, place: dict[str, str], webex: Webex) -> None:
        """Anything else is an error before anything is sent; so is a bot that doesn't run."""
        bot = webex.bot(target_url=None)
        message = Message(id="M", room_id="R")
        for call in (bot.send("Hi", room_id="R"), bot.edit(message, "Hi"), bot.delete("M")):
            with pytest.raises(RuntimeError, match="the bot isn't running"):
                await call
        async with bot:
            with pytest.raises(ValueError, match="pass one of room_id, to_person_id and to_pers"):
                await bot.send("Hello", **place)  # type: ignore[arg-type] # of a mapping
            with pytest.raises(ValueError, match="room_id is empty"):
                await bot.send("Hello", room_id="")
            with pytest.raises(TypeError, match="to_person_id must be str, got Message"):
                await bot.send("Hello", to_person_id=message)  # type: ignore[arg-type] # it is refused
            with pytest.raises(ValueError, match="the id of the message is empty"):
                await bot.delete("")

        assert webex.sandbox.messages == ()


class TestFromEnv:
    async def test_it_reads_the_environment(
        self, environment: pytest.MonkeyPatch, webex: Webex
    ) -> None:
        """The token, the secrets, the URL, and where Webex is; it closes the client it makes."""
        async with webex.sandbox.serve() as base_url:
            environment.setenv("WEBEX_BASE_URL", base_url)
            bot = hearing(Bot.from_env(name="lunch", watch_every=None))
            async with webex.running(bot):
                (webhook,) = webex.sandbox.webhooks
                body = sample_notification("messages", "created")
                statuses = [
                    await bot.handle(body, sign(body, secret))
                    for secret in ("new-secret", "old-secret", "new-secret\told-secret")
                ]

        assert (webhook.name, webhook.target_url) == ("lunch:messages:created", URL)
        assert webhook.secret == "new-secret"
        assert statuses == [204, 204, 401]
        assert {each.headers["authorization"] for each in webex.sandbox.requests} == {
            "Bearer a-token"
        }
        assert bot.client.http_client.is_closed

    @pytest.mark.parametrize("url", ["", None])
    async def test_without_a_target_url_no_webhook_is_managed(
        self,
        url: str | None,
        environment: pytest.MonkeyPatch,
        respx_mock: respx.MockRouter,
        caplog: Log,
    ) -> None:
        """An empty variable counts as unset; a warning says what to set, also beside PUBLIC_URL."""
        environment.setenv("PUBLIC_URL", URL)
        me = respx_mock.get("https://webexapis.com/v1/people/me").respond(json={"id": "ME"})
        if url is None:
            environment.delenv("WEBEX_TARGET_URL")
        else:
            environment.setenv("WEBEX_TARGET_URL", url)

        async with hearing(Bot.from_env()):
            assert me.called
        assert "set WEBEX_TARGET_URL" in caplog.text

    async def test_an_argument_wins(self, environment: pytest.MonkeyPatch, webex: Webex) -> None:
        """It takes the place of the variable, which isn't needed then."""
        environment.delenv("WEBEX_WEBHOOK_SECRET")
        async with webex.sandbox.serve() as base_url:
            environment.setenv("WEBEX_BASE_URL", base_url)
            target_url = "https://other.example.com"
            bot = Bot.from_env(secrets=lambda: "of-the-moment", target_url=target_url)
            async with hearing(bot):
                (webhook,) = webex.sandbox.webhooks

        assert (webhook.target_url, webhook.secret) == (target_url, "of-the-moment")

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            (
                "WEBEX_TARGET_URL",
                "bot.example.com",
                "WEBEX_TARGET_URL must be an absolute http(s) URL, got 'bot.example.com'",
            ),
            (
                "WEBEX_INBOX",
                "mysql://bot:a-password@db/bots",
                "WEBEX_INBOX: a SQLiteInbox takes the path of a file, got a URL",
            ),
            ("WEBEX_WEBHOOK_SECRET", " ", "set the environment variable WEBEX_WEBHOOK_SECRET to a"),
            ("WEBEX_ACCESS_TOKEN", "", "set the environment variable WEBEX_ACCESS_TOKEN to an"),
        ],
    )
    def test_what_is_wrong_there_is_named(
        self, name: str, value: str, error: str, environment: pytest.MonkeyPatch
    ) -> None:
        """The error names the variable, and says what belongs into it."""
        environment.setenv(name, value)
        with pytest.raises(ValueError, match=f"^{re.escape(error)}"):
            Bot.from_env()

    def test_an_inbox(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The variable names a file or a database; it isn't read if the bot has none or another."""
        for place, kind in (
            (str(tmp_path / "inbox.db"), SQLiteInbox),
            ("postgresql://bot@127.0.0.1/bots", PostgresInbox),
            ("postgresql:", PostgresInbox),
        ):
            environment.setenv("WEBEX_INBOX", place)
            assert isinstance(Bot.from_env()._inbox, kind)
        for options in ({"respond_within": 5.0}, {"inbox": None}):
            assert Bot.from_env(**options)._inbox is None

    async def test_a_client_takes_the_place_of_the_token(
        self, environment: pytest.MonkeyPatch
    ) -> None:
        """It is used, and stays open; anything else in its place is an error."""
        environment.delenv("WEBEX_ACCESS_TOKEN")
        async with Client("another-token") as client:
            bot = Bot.from_env(client=client)
            assert bot.client is client
            with pytest.raises(TypeError, match="client must be Client, got str"):
                Bot.from_env(client="a-token")  # type: ignore[arg-type] # it is refused

    async def test_several_bots_have_a_prefix_each(
        self, environment: pytest.MonkeyPatch, webex: Webex
    ) -> None:
        """All variables of a bot begin with its prefix, and others don't count for it."""
        async with webex.sandbox.serve() as base_url:
            for name, value in (
                ("LUNCH_WEBEX_BASE_URL", base_url),
                ("LUNCH_WEBEX_ACCESS_TOKEN", "the-token-of-lunch"),
                ("LUNCH_WEBEX_WEBHOOK_SECRET", "of-lunch"),
                ("LUNCH_WEBEX_TARGET_URL", "https://lunch.example.com"),
            ):
                environment.setenv(name, value)
            async with hearing(Bot.from_env(prefix="LUNCH_")):
                (webhook,) = webex.sandbox.webhooks

            environment.setenv("LUNCH_WEBEX_BASE_URL", "example.com")
            with pytest.raises(ValueError, match=r"LUNCH_WEBEX_BASE_URL must be an absolute"):
                Bot.from_env(prefix="LUNCH_")
            with pytest.raises(TypeError, match="prefix must be str"):
                Bot.from_env(prefix=None)  # type: ignore[arg-type] # it is refused
            # What is missing is named at once.
            needed = r"set .* TEA_WEBEX_ACCESS_TOKEN to .* TEA_WEBEX_CLIENT_ID, .*; set .* TEA_WEB"
            with pytest.raises(ValueError, match=needed):
                Bot.from_env(prefix="TEA_")

        assert (webhook.target_url, webhook.secret) == ("https://lunch.example.com", "of-lunch")

    async def test_a_bot_that_only_sends_needs_no_secret(
        self, environment: pytest.MonkeyPatch, webex: Webex, tmp_path: Path
    ) -> None:
        """Nor a URL; what arrives all the same is refused. With a handler, the start says so."""
        environment.delenv("WEBEX_WEBHOOK_SECRET")
        environment.delenv("WEBEX_TARGET_URL")
        async with webex.sandbox.serve() as base_url:
            environment.setenv("WEBEX_BASE_URL", base_url)
            bot = Bot.from_env(inbox=SQLiteInbox(tmp_path / "inbox.db"))

            @bot.job("wake")
            async def wake(_: JobContext) -> None:
                await bot.send("Wake up!", to_person_email="ann@example.com")

            async with bot:
                await bot.enqueue("wake", None)
                assert (await webex.sandbox.next_reply(PATIENCE)).text == "Wake up!"
                body = sample_notification("messages", "created")
                assert await bot.handle(body, sign(body, "a-secret")) == 401
            hears = hearing(Bot.from_env())
            with pytest.raises(ValueError, match=r"set .* WEBEX_WEBHOOK_SECRET to .*or pass"):
                await hears.start()

        with pytest.raises(ValueError, match="a bot with a target_url needs the secret"):
            Bot("a-token", target_url=URL)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"client": 7}, "TypeError: client must be Client or str or TokenProvider, got int"),
        ({"name": ""}, "ValueError: name is empty"),
        ({"name": 7}, "TypeError: name must be str"),
        ({"target_url": "bot.example.com"}, "ValueError: target_url must be an absolute http(s) "),
        ({"target_url": ""}, "ValueError: target_url must be an absolute http(s) URL, got ''"),
        ({"watch_every": 0}, "ValueError: watch_every must be a positive number of seconds, such"),
        ({"watch_every": float("inf")}, "ValueError: watch_every must be a positive number of sec"),
        ({"watch_every": "300"}, "TypeError: watch_every must be float or int or timedelta, got s"),
        ({"on_error": 7}, "TypeError: on_error must be a function"),
        ({"title": "lunch"}, "TypeError: Bot has no argument 'title'"),
        ({"targetUrl": "x"}, "TypeError: Bot has no argument 'targetUrl': write target_url"),
        ({"onError": None}, "TypeError: Bot has no argument 'onError': write on_error"),
        ({"ignore_own_actions": True}, "TypeError: Bot has no argument 'ignore_own_actions'"),
        ({"allow": "ann"}, "TypeError: allow must be a function that takes a Person, got 'ann'"),
        ({"refusal": "No"}, "ValueError: refusal is for those whom allow doesn't let in: pass al"),
        ({"allow": print, "refusal": " "}, "ValueError: refusal must say something"),
        (
            {"allow": print, "refusal": "x" * 7440},
            "ValueError: refusal must say something, in at most 7439 bytes; it has 7440",
        ),
        ({"allow": print, "refusal": 5}, "TypeError: refusal must be str"),
    ],
)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], error: str) -> None:
    """The error names the argument."""
    arguments: dict[str, Any] = {"client": "a-token", "secrets": SECRET}
    with refused(error):
        Bot(**{**arguments, **options})


async def test_nothing_shows_a_token_or_a_secret(webex: Webex, handlers: Handlers) -> None:
    """Nothing that a program may print of a bot has one."""
    bot = webex.bot()
    handlers.message(bot)
    handlers.submission(bot, "all")
    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        await webex.sandbox.emit("attachmentActions", "created")
    printed = f"{bot!r}{bot.me!r}{handlers.heard!r}{vars(bot)!r}"

    assert len(handlers.heard) == 2
    assert "sandbox-token" not in printed
    assert SECRET not in printed


def hearing(bot: Bot) -> Bot:
    """The bot, with a handler of messages that does nothing."""
    bot.message()(ignore)
    return bot


async def status_of(bot: Bot, body: bytes) -> int:
    """Let a bot get a notification, and return the status."""
    return await bot.handle(body, sign(body, SECRET))


async def test_what_the_owner_of_a_token_has_done(webex: Webex) -> None:
    """What a bot does itself isn't handled; a recording of its own is, as a person's token has."""
    bot, handled = webex.bot(target_url=None), list[str]()
    bot.on()(noting(handled, lambda notification: notification.resource))
    async with webex.running(bot):
        for resource in ("messages", "attachmentActions", "memberships", "rooms", "recordings"):
            body = sample_notification(resource, "created", actorId=bot.me.id)
            assert await status_of(bot, body) == 204

    assert handled == ["recordings"]
