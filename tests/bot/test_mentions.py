"""What a message to a bot says, without the mention of the bot."""

import sys
from base64 import b64encode
from types import FrameType

import pytest

from webex_webhooks_async.bot.fetching import text_without_mention
from webex_webhooks_async.models.messages import Message

pytestmark = pytest.mark.once

ME = '<spark-mention data-object-type="person" data-object-id="ME">{}</spark-mention>'
ANN = '<spark-mention data-object-type="person" data-object-id="ANN">{}</spark-mention>'
ALL = '<spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention>'


def said(text: str | None, html: str | None = None) -> str:
    """What a bot reads in a message."""
    return text_without_mention(Message(id="M", room_id="R", text=text, html=html), "ME")


@pytest.mark.parametrize(
    ("text", "html", "expected"),
    [
        ("Bot a b", f"<p>{ME.format('Bot')} a b</p>", "a b"),
        ("Bot, a", f"{ME.format('Bot')}, a", "a"),
        (" Bot :a", f" {ME.format('Bot')} :a", "a"),
        ("a Bot b", f"a {ME.format('Bot')} b", "a b"),
        ("a, Bot?", f"a, {ME.format('Bot')}?", "a, ?"),
        ("a Bot", f"a {ME.format('Bot')}", "a"),
        ("a Bot\nb", f"a {ME.format('Bot')}<br/>b", "a \nb"),
        ("a\nBot b", f"a<br/>{ME.format('Bot')} b", "a\nb"),
        ("Bot", ME.format("Bot"), ""),
        ("Bot Bot, hi", f"{ME.format('Bot')} {ME.format('Bot')}, hi", "hi"),
        ("Bot hi Bot there", f"{ME.format('Bot')} hi {ME.format('Bot')} there", "hi there"),
        ("Bot hi Botty", f"{ME.format('Bot')} hi {ME.format('Botty')}", "hi"),
        ("Helper hi", f"{ME.format('Helper')} hi", "hi"),
        ("A & B  hi", f"{ME.format('A &amp; B')}  hi", "hi"),
        ("The Lunch Bot hi", f"{ME.format('The <b>Lunch</b>&nbsp;Bot')} hi", "hi"),
        ("botany: a bot, bot", f"botany: a bot, {ME.format('bot')}", "botany: a bot,"),
        ("a bot for bot", f"<p>a bot</p><p>for {ME.format('bot')}</p>", "a bot for"),
        ("Bot thank Bot", f"{ME.format('Bot')} thank {ANN.format('Bot')}", "thank Bot"),
        ("a  The\nBot, The Bot", f"a The Bot, {ME.format('The Bot')}", "a  The\nBot,"),
        ("Bot a Bot", f"&#{'1' * 5000};{ME.format('Bot')} a Bot", "a Bot"),
    ],
)
def test_each_mention_of_the_bot_is_removed(text: str, html: str, expected: str) -> None:
    """It is recognized by the bot's id in the HTML, wherever it is and whatever it shows."""
    assert said(text, html) == expected


UUID = "0f3c8a52-7b1d-4e6f-9a2b-5c4d3e2f1a0b"
US, ELSEWHERE = (
    b64encode(f"ciscospark://{cluster}/PEOPLE/{UUID}".encode()).decode()
    for cluster in ("us", "urn:TEAM:eu-central-1_k")
)


@pytest.mark.parametrize("mentioned", [US, ELSEWHERE, UUID, UUID.upper()])
def test_a_mention_is_known_by_the_uuid_of_the_bot(mentioned: str) -> None:
    """The id in the HTML may name another cluster than the one that the bot knows itself by."""
    html = f'<spark-mention data-object-id="{mentioned}">Bot</spark-mention> hi'
    message = Message(id="M", room_id="R", text="Bot hi", html=html)

    assert text_without_mention(message, US) == "hi"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        pytest.param("Ann, Bot is", f"{ANN.format('Ann')}, Bot is", id="another person"),
        pytest.param("All look", f"{ALL} look", id="everyone"),
        pytest.param("Bot", None, id="no html"),
        pytest.param("hi", f"hi {ME.format('Bot')}", id="not in the text"),
        pytest.param("a Bot Bot", f"Bot Bot Bot {ME.format('Bot')}", id="not as often in the text"),
        pytest.param("Bot hi", f"{ME.format(' ')}Bot hi", id="without a name"),
        pytest.param("hi", f"</spark-mention>hi{ME.partition('{')[0]}", id="broken html"),
    ],
)
def test_everything_else_stays(text: str, html: str | None) -> None:
    """A name alone isn't a mention, and a mention of others belongs to what was said."""
    assert said(text, html) == text


def test_only_so_many_mentions_are_looked_for() -> None:
    """A message that is full of mentions doesn't take more and more of the bot's time."""
    assert said("Bot " * 300, ME.format("Bot") * 300) == " ".join(["Bot"] * 280)


def test_a_message_that_is_too_long_is_left_alone() -> None:
    """Webex sends none above 7,439 bytes, and looking through it would hold up the bot."""
    html, long = ME.format("Bot"), "x" * 50_000

    assert said(f"Bot {long}", f"{html} x") == f"Bot {long}"
    assert said("Bot x", f"{html} {long}") == "Bot x"


def test_the_html_is_read_once() -> None:
    """What isn't a mention takes no longer because of the mentions behind it."""
    filler = "&" * 7_000
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name == "unescape"

    sys.setprofile(count)
    try:
        text = said(f"{filler} {'Bot ' * 20}", f"{filler} {ME.format('Bot') * 20}")
    finally:
        sys.setprofile(None)
    assert (text, calls) == (filler, 40)


def test_a_message_without_text_says_nothing() -> None:
    """A file may come without a text."""
    assert said(None) == ""
    assert said(" \n") == ""
