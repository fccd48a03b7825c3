"""Who may use a bot."""

# pyright: reportPrivateUsage=false

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from tests.bot.doubles import CARD, Handlers, Webex, noting
from tests.support.clocks import StoppedClock, Time, timed
from tests.support.inboxes import stored_in
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import Bot, Person, SQLiteInbox
from webex_webhooks_async.bot import access
from webex_webhooks_async.bot.access import Access
from webex_webhooks_async.testing import SandboxPerson

pytestmark = pytest.mark.once

ANN = SandboxPerson(emails=["ann@example.com"], display_name="Ann")
EVE = SandboxPerson(emails=["eve@example.org"], display_name="Eve", org_id="OTHER")


Allow = Callable[[Person], Any]


async def is_at_home(person: Person) -> bool:
    """Let in who has an address at example.com."""
    return any(each.endswith("@example.com") for each in person.emails)


def is_at_home_too(person: Person) -> Awaitable[bool]:
    """Return an awaitable from a plain function."""
    return is_at_home(person)


def is_of_us(person: Person) -> bool:
    """Let in who is of an organization."""
    return person.org_id != "OTHER"


@pytest.mark.parametrize("allow", [is_at_home, is_at_home_too, is_of_us])
async def test_some_people_only(allow: Allow, webex: Webex, caplog: Log) -> None:
    """Messages and submissions are for those whom `allow` lets in; handlers of `on` run anyway."""
    caplog.set_level(logging.INFO)
    bot = webex.bot(allow=allow)
    handlers = Handlers()
    handlers.message(bot)
    handlers.submission(bot, "submission")
    seen: list[str] = []
    bot.on("messages")(noting(seen, lambda notification: notification.data.person_email))
    async with webex.running(bot):
        room = (await webex.client.post("rooms", json={"title": "Lunch"}))["id"]
        card = await bot.send("A card", card=CARD, room_id=room)
        for person in (ANN, EVE):
            await webex.sandbox.say("Hello", person=person)
            await webex.sandbox.submit(card.id, {"dish": "Pasta"}, person=person)

    assert handlers.names == ["all", "submission"]
    assert seen == [ANN.emails[0], EVE.emails[0]]
    why = "its author isn't allowed to use the bot"
    passed_over = [each for each in caplog.messages if why in each]
    assert len(passed_over) == 2
    assert not any(EVE.emails[0] in each for each in passed_over)
    assert webex.texts.count("Hello") == 2


async def test_it_is_asked_only_where_a_handler_matches(webex: Webex) -> None:
    """For what no handler matches, nobody is asked for, and nothing is refused."""
    bot = webex.bot(allow=lambda _: False, refusal="Not for you")
    Handlers().command(bot, "order")

    await webex.hear(bot, "Hello")

    assert webex.texts == ["Hello"]
    assert not any(re.search("/people/(?!me)", each.path) for each in webex.sandbox.requests)


async def test_a_refusal_is_replied_once_a_day(webex: Webex) -> None:
    """A person hears once a day that the bot isn't for them, and again if it couldn't be sent."""
    webex.bots = timed(Bot, clock=(clock := StoppedClock()))
    bot = webex.bot(allow=lambda _: False, refusal="Not for you")
    Handlers().message(bot)
    webex.sandbox.raise_handler_errors = False
    webex.sandbox.fail(status=400, method="POST", path="/messages")

    async with webex.running(bot):
        for moment in (0, 1, 2, 24 * 3600, 24 * 3600 + 1):
            clock.seconds = moment
            await webex.sandbox.say(f"At {moment}", person=ANN)
        await webex.sandbox.say("Hello", person=EVE)

    refusals = [each for each in webex.sandbox.messages if each.text == "Not for you"]
    said = {each.id: each.text for each in webex.sandbox.messages}
    assert [said[str(each.parent_id)] for each in refusals] == ["At 1", "At 86401", "Hello"]


async def test_a_refusal_is_replied_once_by_all_replicas(webex: Webex, tmp_path: Path) -> None:
    """A person hears it from one of the bots that share an inbox, be it in a later attempt."""
    time, path = Time(), tmp_path / "inbox.db"
    webex.bots = timed(Bot, sleep=time.sleep)
    webex.sandbox.raise_handler_errors = False
    webex.sandbox.fail(status=400, method="POST", path="/messages")
    for number in range(2):
        inbox = SQLiteInbox(path, clock=time.now_in_seconds)
        bot = webex.bot(allow=lambda _: False, refusal="Not for you", inbox=inbox)
        Handlers().message(bot)
        async with webex.running(bot):
            await webex.sandbox.say(f"At {number}", person=ANN)
            if number == 0:
                await until(lambda: [each.failures for each in stored_in(path)] == [1])
            await webex.sandbox.say(f"At {number} again", person=ANN)
            await time.pass_(2)
            await until(lambda: stored_in(path) == [])

    (refusal,) = [each for each in webex.sandbox.messages if each.text == "Not for you"]
    said = {each.id: each.text for each in webex.sandbox.messages}
    assert said[str(refusal.parent_id)] == "At 0"


async def test_a_person_is_fetched_once_in_ten_minutes(webex: Webex) -> None:
    """What `allow` gets of a person is ten minutes old at most; who was removed is out by then."""
    allowed = {ANN.emails[0]}
    webex.bots = timed(Bot, clock=(clock := StoppedClock()))
    bot = webex.bot(allow=lambda person: bool(allowed & {*person.emails}))
    handlers = Handlers()
    handlers.message(bot)

    def fetched() -> int:
        return sum(bool(re.search("/people/(?!me)", each.path)) for each in webex.sandbox.requests)

    counts: list[int] = []
    async with webex.running(bot):
        for moment in (0, 599, 600):
            clock.seconds = moment
            await webex.sandbox.say("Hello", person=ANN)
            counts.append(fetched())
        allowed.clear()
        await webex.sandbox.say("Hello", person=ANN)

    assert counts == [1, 1, 2]
    assert handlers.names == ["all"] * 3


async def test_messages_at_the_same_time_ask_once(webex: Webex) -> None:
    """A person who writes twice at once is fetched once; a request that fails isn't remembered."""
    access_ = Access(lambda _: True, None, bot="bot", inbox=None, clock=StoppedClock())
    await webex.sandbox.say("Hello", person=ANN)
    webex.sandbox.fail(status=404, path="/people")

    failed = await asyncio.gather(
        *(access_.is_open_to(ANN.id, webex.client) for _ in range(2)), return_exceptions=True
    )
    opened = await asyncio.gather(*(access_.is_open_to(ANN.id, webex.client) for _ in range(2)))

    assert [type(each).__name__ for each in failed] == ["NotFoundError"] * 2
    assert opened == [True, True]
    assert len(webex.sandbox.requests) == 2


async def test_only_the_last_persons_are_remembered(
    webex: Webex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many people write, the memory for them is bounded."""
    monkeypatch.setattr(access, "_MAX_REMEMBERED", 1)
    access_ = Access(lambda _: True, None, bot="bot", inbox=None, clock=StoppedClock())
    for person in (ANN, EVE):
        await webex.sandbox.say("Hello", person=person)

    for person in (ANN, EVE, ANN):
        await access_.is_open_to(person.id, webex.client)

    assert len(webex.sandbox.requests) == 3


@pytest.mark.parametrize(
    ("allow", "is_found", "message"),
    [
        (Mock(side_effect=OSError("the directory is down")), True, "the directory is down"),
        (Mock(return_value="yes"), True, "allow must return True or False, got str"),
        (is_of_us, False, "GET /v1/people/"),
    ],
    ids=["raises", "no boolean", "no person"],
)
async def test_what_fails_lets_nobody_in(
    allow: Allow, message: str, webex: Webex, *, is_found: bool
) -> None:
    """An `allow` that fails is a failure like a handler's, without a refusal; `on` has run."""
    webex.sandbox.raise_handler_errors = False
    on_error = Mock(return_value=None)
    bot = webex.bot(allow=allow, refusal="Not for you", on_error=on_error)
    handlers, seen = Handlers(), AsyncMock()
    handlers.message(bot)
    bot.on("messages")(seen)
    async with webex.running(bot):
        if not is_found:
            webex.sandbox.fail(status=403, path="/people")
        await webex.sandbox.say("Hello")

    (error, _), _ = on_error.call_args
    assert str(error).startswith(message)
    assert (handlers.names, seen.await_count, len(webex.texts)) == ([], 1, 1)


async def test_a_bot_that_starts_again_asks_again(webex: Webex) -> None:
    """After another start, persons are fetched with the client of that time."""
    bot = webex.bot(allow=lambda _: True)
    handlers = Handlers()
    handlers.message(bot)
    for _ in range(2):
        await webex.hear(bot, "Hello", person=ANN)

    assert sum(each.path.endswith(ANN.id) for each in webex.sandbox.requests) == 2
