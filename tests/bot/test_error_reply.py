"""What a bot replies when a handler has failed."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import CARD, Webex, raising
from tests.support.clocks import Time, timed
from tests.support.inboxes import retry_all_in, stored_in
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import until
from webex_webhooks_async import Bot, GiveUpError, SQLiteInbox

pytestmark = pytest.mark.once

SORRY = "Sorry, that didn't work."


@pytest.fixture(autouse=True)
def quiet(webex: Webex) -> None:
    """Raise no error of a handler in a test."""
    webex.sandbox.raise_handler_errors = False


def failing(bot: Bot, error: BaseException) -> Bot:
    """Let all handlers of a bot fail."""
    bot.message()(raising(error))
    bot.submission()(raising(error))
    return bot


async def test_what_failed_gets_a_reply(webex: Webex) -> None:
    """In the thread of the message, or of the card; whatever the error, such as an exit."""
    bot = failing(webex.bot(error_reply=SORRY), SystemExit(2))
    async with webex.running(bot):
        await webex.sandbox.say("Hello", person="ann@example.com")
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        await webex.sandbox.submit(card.id, {"dish": "Tea"}, person="ann@example.com")

    said, first, _, second = webex.sandbox.messages
    assert (first.text, first.parent_id) == (SORRY, said.id)
    assert (second.text, second.parent_id) == (SORRY, card.id)


async def test_who_gets_none(webex: Webex) -> None:
    """A message of somebody who isn't let in, without a handler, or after a `GiveUpError`."""
    bot = webex.bot(error_reply=SORRY, allow=lambda person: person.emails[0].startswith("ann"))
    bot.command("give up")(raising(ExceptionGroup("both", [GiveUpError("no"), KeyError("x")])))
    bot.command("fail")(raising(KeyError("x")))
    bot.on("messages")(raising(KeyError("y")))
    async with webex.running(bot):
        for person, text in (("ann", "give up"), ("bob", "fail"), ("ann", "something else")):
            await webex.sandbox.say(text, person=f"{person}@example.com")
        assert SORRY not in webex.texts
        await webex.sandbox.say("fail", person="ann@example.com")

    assert webex.texts[-1] == SORRY


async def test_it_comes_once(webex: Webex, tmp_path: Path) -> None:
    """With an inbox, when the message is kept as failed, and not again after `inbox retry`."""
    time = Time()
    webex.bots = timed(Bot, sleep=time.sleep)
    path = tmp_path / "inbox.db"
    inbox = SQLiteInbox(path, clock=time.now_in_seconds)
    bot = failing(webex.bot(error_reply=SORRY, inbox=inbox, attempts=2), KeyError("x"))

    def is_failed() -> bool:
        return [each.state for each in stored_in(path, time.now_in_seconds)] == ["failed"]

    async with webex.running(bot):
        await webex.sandbox.say("Hello", person="ann@example.com")
        await until(lambda: stored_in(path)[0].failures == 1)
        assert webex.texts == ["Hello"]
        while not is_failed():
            await time.pass_(1)
        assert webex.texts == ["Hello", SORRY]
        retry_all_in(path, time.now_in_seconds)
        while not is_failed():
            await time.pass_(1)

    assert webex.texts == ["Hello", SORRY]


async def test_a_reply_that_fails(webex: Webex, caplog: Log) -> None:
    """It is a WARNING, and isn't tried again."""
    bot = failing(webex.bot(error_reply=SORRY), KeyError("x"))
    async with webex.running(bot):
        webex.sandbox.fail(status=403, method="POST")
        await webex.sandbox.say("Hello", person="ann@example.com")

    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert webex.texts == ["Hello"]
    assert len(warnings) == 1
    assert (
        "isn't informed of the error: PermissionDeniedError: POST /v1/messages: 403" in warnings[0]
    )


@pytest.mark.parametrize(
    ("error_reply", "error"),
    [
        ("", "ValueError: error_reply must say something, in at most 7439 bytes; it has 0"),
        (" ", "ValueError: error_reply must say something"),
        ("x" * 7440, "ValueError: error_reply must say something, in at most 7439 bytes; it has 7"),
        (7, "TypeError: error_reply must be str, got int"),
    ],
)
def test_wrong_replies(error_reply: Any, error: str, webex: Webex) -> None:  # noqa: ANN401 - mistakes
    """The error says what it must be."""
    with refused(error):
        webex.bot(error_reply=error_reply)
