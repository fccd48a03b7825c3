"""What handlers get, and what they can do about it."""

import gc
import json
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.bot.doubles import CARD, SECRET, Webex, noting
from tests.support.clocks import START, StoppedClock, timed
from tests.support.refusals import refused
from webex_webhooks_async import Bot, Client, File, Message, MessageContext, SubmissionContext, sign
from webex_webhooks_async.bot.fetching import age_of
from webex_webhooks_async.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.once

LONG = "word " * 4000


@pytest.fixture
def bot(webex: Webex) -> Bot:
    """A bot that offers a card, in the thread and in the room, and takes orders in the thread."""
    bot = webex.bot()

    @bot.command("both")
    async def both(context: MessageContext) -> None:
        await context.reply("in the thread")
        await context.send("in the room")

    @bot.command("card")
    async def card(context: MessageContext) -> None:
        await (context.send if context.arguments == "here" else context.reply)(card=CARD)

    @bot.command("long")
    async def long(context: MessageContext) -> None:
        last = await context.reply(LONG, card=CARD)
        assert isinstance(last, Message)
        await context.send(f"{last.id} {len(last.attachments)}")

    @bot.command("fail")
    async def fail(context: MessageContext) -> None:
        await context.reply(LONG, file=object())  # type: ignore[arg-type]  # wrong on purpose

    @bot.submission()
    async def ordered(context: SubmissionContext) -> None:
        await context.reply(f"{context.inputs.get('dish')} for {context.submission.person_id}")
        await context.reply("again")
        await context.send("in the room")

    return bot


def last(sandbox: Sandbox, count: int) -> list[tuple[str | None, str | None]]:
    """The texts of the last messages, each with the text that it replies to."""
    by_id = {each.id: each for each in sandbox.messages}
    return [
        (each.text, by_id[each.parent_id].text if each.parent_id else None)
        for each in sandbox.messages[-count:]
    ]


async def test_a_reply_is_in_the_thread(bot: Bot, webex: Webex) -> None:
    """The thread begins with the message, or with the one that the message replies to."""
    async with webex.running(bot):
        await webex.sandbox.say("both")
        assert last(webex.sandbox, 2) == [("in the thread", "both"), ("in the room", None)]

        root = webex.sandbox.messages[0]
        reply = {"id": "M1", "text": "both", "roomId": root.room_id, "parentId": root.id}
        await webex.sandbox.emit("messages", "created", data=reply)

    replied = [each for each in webex.sandbox.requests if each.method == "POST"][-2]
    assert json.loads(replied.body)["parentId"] == root.id


async def test_what_was_handled_is_freed(webex: Webex) -> None:
    """A notification is freed with its context, without the garbage collector."""
    bot = webex.bot()
    handled: list[weakref.ref[object]] = []
    bot.message()(noting(handled, lambda context: weakref.ref(context.notification)))
    async with webex.running(bot):
        gc.disable()
        try:
            await webex.sandbox.say("Hello")
            assert [each() for each in handled] == [None]
        finally:
            gc.enable()


async def test_a_submission_is_answered_in_the_thread_of_its_card(bot: Bot, webex: Webex) -> None:
    """The thread begins where the card is, or where the message with the card replies to."""
    async with webex.running(bot):
        for text in ("card", "card here"):
            await webex.sandbox.say(text)
            message = webex.sandbox.messages[-1]
            before = len(webex.sandbox.requests)
            await webex.sandbox.submit(message.id, {"dish": "Pasta"})
            *replies, room = last(webex.sandbox, 3)
            requests = webex.sandbox.requests[before:]
            gets = [each for each in requests if each.method == "GET"]
            posted = [json.loads(each.body) for each in requests if each.method == "POST"]

            root = "card" if text == "card" else message.text
            assert [parent for _, parent in replies] == [root, root]
            assert str(replies[0][0]).startswith("Pasta for ")
            assert room == ("in the room", None)
            assert posted[0]["parentId"] == (message.parent_id or message.id)
            assert len(gets) == 2  # the submission and, once, the message with the card


async def test_the_thread_of_a_card(webex: Webex) -> None:
    """A handler knows where a reply goes; a condition, which may refuse the card, doesn't yet."""
    bot, threads = webex.bot(), list[str]()

    def where(context: SubmissionContext) -> bool:
        with pytest.raises(RuntimeError, match="when its handler begins"):
            _ = context.thread_id
        return True

    bot.submission(where=where)(noting(threads, lambda context: context.thread_id))
    async with webex.running(bot):
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        reply = await bot.send(card=CARD, room_id=card.room_id, parent_id=card.id)
        for each in (card, reply):
            await webex.sandbox.submit(each.id, {"dish": "Pasta"}, person="ann@example.com")

    assert threads == [card.id, card.id]


async def test_a_card_that_is_gone_is_still_answered(bot: Bot, webex: Webex) -> None:
    """A reply whose thread is gone is sent into the room, outside of a thread."""
    webex.sandbox.raise_handler_errors = False
    replies: list[Mapping[str, Any]] = []
    http_client = webex.client.http_client

    async def note(request: Any) -> None:  # noqa: ANN401 - httpx's own
        if request.method == "POST":
            replies.append(json.loads(request.content))

    http_client.event_hooks = {"request": [note]}
    async with webex.running(bot):
        data = {"messageId": "GONE", "inputs": None}
        await webex.sandbox.emit("attachmentActions", "created", data=data)

    threads = [each.get("parentId") for each in replies[-5:]]
    assert threads == ["GONE", None, "GONE", None, None]


async def test_contexts_are_values(webex: Webex) -> None:
    """Contexts of the same are equal and look so, whichever bot has them and whatever was done."""
    seen, again = list[Any](), list[Any]()
    one, other = webex.bot(), webex.bot()

    @one.message()
    @one.submission()
    async def handler(context: Any) -> None:  # noqa: ANN401 - both contexts
        look = repr(context)
        context.state.person = await context.person()
        await context.reply("Hello")
        assert repr(context) == look
        seen.append(context)

    async def look_at(context: Any) -> None:  # noqa: ANN401 - both contexts
        again.append(context)

    look_at.__name__ = handler.__name__
    other.message()(other.submission()(look_at))
    async with webex.running(one):
        card = await one.send(card=CARD, to_person_email="ann@example.com")
        await webex.sandbox.submit(card.id, {"dish": "Pasta"}, person="ann@example.com")
        await webex.sandbox.say("Hello", person="ann@example.com")
    async with webex.running(other):
        for context in seen:
            await other.dispatch(context.notification)

    assert seen == again
    assert " at 0x" not in repr(seen)


async def test_what_was_fetched_says_who_and_where(webex: Webex) -> None:
    """A notification only says it where that doesn't; Webex is asked once for a person."""
    seen: list[object] = []
    bot = webex.bot()

    @bot.message()
    @bot.submission()
    async def ask(context: Any) -> None:  # noqa: ANN401 - both contexts
        sent = await context.send("Hello")
        seen.extend([(await context.person()).emails for _ in range(2)])
        seen.append(sent.room_id)
        if isinstance(context, SubmissionContext):
            seen.append(context.message_id)

    async with webex.running(bot):
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        await webex.sandbox.say("Hello", person="ann@example.com")
        await webex.sandbox.submit(card.id, {"dish": "Pasta"}, person="ann@example.com")
        before, seen[:] = [*seen], []
        people = [each for each in webex.sandbox.requests if each.path.startswith("/v1/people/")]
        for delivery in webex.sandbox.deliveries:
            notification = json.loads(delivery.body)
            if notification["actorId"] != bot.me.id:
                wrong = dict.fromkeys(("personId", "roomId", "messageId"), "ANOTHER")
                notification["data"] |= wrong
                notification["createdBy"] = "ANOTHER"  # or it would be a copy
                body = json.dumps(notification).encode()
                assert await bot.handle(body, sign(body, SECRET)) == 204

    ann = ("ann@example.com",)
    assert seen == before == [ann, ann, card.room_id, ann, ann, card.room_id, card.id]
    assert len(people) == 3  # with the bot itself


async def test_what_the_bot_wrote_can_be_edited_and_deleted(webex: Webex) -> None:
    """By a handler and by the bot, in the room of the message; what is gone is no error."""
    bot = webex.bot()

    @bot.command("work")
    async def work(context: MessageContext) -> None:
        first = await context.send("Working ...")
        await context.edit(first, markdown="**Done**")
        second = await context.send("in its thread", parent_id=first.id)
        third = await bot.send("there, too", room_id=first.room_id, parent_id=first.id)
        assert (await bot.edit(third, "edited")).text == "edited"
        await context.delete(second)
        await context.delete(second.id)
        await bot.delete(second)

    await webex.hear(bot, "work")

    assert last(webex.sandbox, 2) == [("Done", None), ("edited", "Done")]


@pytest.mark.parametrize(
    ("message", "says", "error"),
    [
        ({"files": ("https://example.com",)}, {"text": "x"}, "ValueError: Webex edits no message"),
        ({"attachments": (CARD,)}, {"text": "x"}, "ValueError: Webex edits no message with files"),
        ({}, {"text": LONG}, "ValueError: a message has at most 7439 bytes"),
        ({}, {}, "ValueError: there is nothing to send"),
        ({}, {"text": 7}, "TypeError: text must be str, got int"),
        (7, {"text": "x"}, "TypeError: message must be a Message or the id of one, got int: pass"),
        ("", {"text": "x"}, "ValueError: the id of the message is empty"),
    ],
)
async def test_what_cannot_be_edited_is_an_error_before_anything_is_sent(
    message: Any,  # noqa: ANN401 - mistakes
    says: dict[str, Any],
    error: str,
    bot: Bot,
) -> None:
    """The error says what to do instead."""
    edited: Any = message
    if isinstance(message, dict):
        edited = Message(id="M", room_id="R", **cast("dict[str, Any]", message))
    async with bot:
        with refused(error):
            await bot.edit(edited, **says)
        with pytest.raises(ValueError, match="parent_id is empty"):
            await bot.send("Hello", room_id="R", parent_id="")
        with pytest.raises(TypeError, match="message must be a Message or the id of one, got int"):
            await bot.delete(cast("Any", 7))


async def test_a_message_is_edited_by_its_id(bot: Bot, webex: Webex) -> None:
    """It is fetched first, so that a card, which Webex can't edit, is an error that says so."""
    async with bot:
        message = await bot.send("Hello", to_person_email="ann@example.com")
        assert (await bot.edit(message.id, "Goodbye")).text == "Goodbye"
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        with refused("ValueError: Webex edits no message with files or a card"):
            await bot.edit(card.id, "Goodbye")

    assert webex.texts[0] == "Goodbye"


async def test_a_handler_sends_elsewhere(webex: Webex) -> None:
    """`send` takes the places of `Bot.send`; an unknown argument, or two places, are errors."""
    bot = webex.bot()

    @bot.message()
    async def handler(context: MessageContext) -> None:
        await context.send("elsewhere", to_person_email="bob@example.com")
        for arguments, error in (
            ({"room_id": "R", "to_person_id": "P"}, "ValueError: pass one of room_id, to_person"),
            ({"to_person_id": ""}, "ValueError: to_person_id is empty"),
            ({"roomId": "R"}, "TypeError: send has no argument 'roomId': write room_id"),
            ({"key": ""}, "ValueError: key is empty"),
            ({"key": 7}, "TypeError: key must be str, got int"),
        ):
            wrong: Any = arguments
            with refused(error):
                await context.send("Hello", **wrong)
        with refused("TypeError: reply has no argument 'room_id'"):
            await context.reply("Hello", **cast("Any", {"room_id": "R"}))

    await webex.hear(bot, "Hello", person="ann@example.com")

    heard, sent = webex.sandbox.messages
    assert sent.text == "elsewhere"
    assert sent.room_id != heard.room_id


@pytest.mark.parametrize("says", [{"text": "Tea?"}, {"text": "-", "markdown": "Tea?"}])
async def test_buttons(says: dict[str, Any], webex: Webex) -> None:
    """The message is a card that says the markdown, else the text; a press has the data, too."""
    bot = webex.bot()
    pressed: list[object] = []
    bot.submission("yes")(noting(pressed, lambda context: (context.action, context.inputs)))
    buttons: Any = {"yes": "Yes, please", "no": "No"}
    async with webex.running(bot):
        card = await bot.send(
            **says, buttons=buttons, data={"order": 7}, to_person_email="ann@example.com"
        )
        await webex.sandbox.submit(card.id, press="Yes, please", person="ann@example.com")

    content = card.attachments[0]["content"]
    assert card.text == says["text"]
    assert content["body"][0]["text"] == "Tea?"
    assert [each["title"] for each in content["actions"]] == ["Yes, please", "No"]
    assert pressed == [("yes", {"order": 7, "action": "yes"})]


async def test_a_submission_without_a_button_of_its_own(webex: Webex) -> None:
    """Its action is empty where the input has no text."""
    bot = webex.bot()
    actions: list[str] = []
    bot.submission()(noting(actions, lambda context: context.action))
    async with webex.running(bot):
        for data in ({"action": 7}, {}):
            action = {"type": "Action.Submit", "title": "Go", "data": data}
            content = {"type": "AdaptiveCard", "version": "1.3", "actions": [action]}
            card = await bot.send(card=content, to_person_email="ann@example.com")
            await webex.sandbox.submit(card.id, person="ann@example.com")

    assert actions == ["", ""]


async def test_buttons_below_a_long_text(bot: Bot, webex: Webex) -> None:
    """The last of its messages is the card, which says the last piece."""
    async with bot:
        card = await bot.send(LONG, buttons={"no": "No"}, to_person_email="ann@example.com")

    *pieces, last_piece = webex.texts
    assert "".join(map(str, webex.texts)) == LONG
    assert pieces
    assert card.attachments[0]["content"]["body"][0]["text"] == last_piece


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ({"buttons": {}}, "ValueError: buttons is empty: pass some, such as {"),
        ({"buttons": ["Yes"]}, "TypeError: buttons must be a mapping, such as {"),
        ({"buttons": {"": "Yes"}}, "ValueError: an action of buttons is empty"),
        ({"buttons": {"yes": ""}}, "ValueError: what the button 'yes' says is empty"),
        ({"buttons": {"yes": 1}}, "TypeError: what the button 'yes' says must be str, got int"),
        ({"buttons": {"a": "b"}, "card": CARD}, "ValueError: buttons make a card: pass buttons or"),
        ({"data": {"order": 7}}, "ValueError: data is what buttons have: pass buttons, too"),
        ({"buttons": {"a": "b"}, "data": [7]}, "TypeError: data must be a mapping, such as {"),
        ({"buttons": {"a": "b"}, "data": {"": 7}}, "ValueError: a name in data is empty"),
        ({"buttons": {"a": "b"}, "data": {"action": 7}}, "ValueError: data has the name 'action'"),
        ({"text": " ", "buttons": {"a": "b"}}, "ValueError: buttons are below what a message says"),
    ],
)
async def test_wrong_buttons(says: dict[str, Any], error: str, bot: Bot, webex: Webex) -> None:
    """The error says what to pass, and nothing is sent."""
    given: dict[str, Any] = {"text": "Tea?", "room_id": "R"}
    async with bot:
        with refused(error):
            await bot.send(**(given | says))

    assert webex.texts == []


async def test_the_age_of_what_is_handled(webex: Webex) -> None:
    """It is how many seconds ago the message was written, or the card submitted; 0 at least."""
    ages: list[float] = []
    webex.bots = timed(Bot, clock=(clock := StoppedClock()))
    bot = webex.bot()
    bot.message()(bot.submission()(noting(ages, lambda context: context.age)))
    later = datetime.now(UTC) + timedelta(hours=1)
    async with webex.running(bot):
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        for now in (later, later - timedelta(hours=2)):
            clock.seconds = (now - START).total_seconds()
            await webex.sandbox.say("Hello", person="ann@example.com")
            await webex.sandbox.submit(card.id, {"dish": "Pasta"}, person="ann@example.com")

    assert [round(each, -2) for each in ages] == [3600, 3600, 0, 0]
    assert age_of(None, START) == 0.0


@pytest.mark.parametrize("mark", ["<@personId:{0.id}|Lunch>", "<@personEmail:{0.emails[0]}>"])
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "group"])
async def test_a_mention_in_markdown_is_no_part_of_the_command(
    mark: str, bot: Bot, webex: Webex, *, direct: bool
) -> None:
    """A mention by id or by address, whatever it shows, in either kind of room."""
    async with (
        webex.running(bot),
        webex.sandbox.http_client() as http_client,
        Client("person:ann@example.com", http_client=http_client) as ann,
    ):
        room = await webex.client.post("rooms", json={"title": "Lunch"})
        place = {"toPersonEmail": webex.sandbox.bot.emails[0]} if direct else {"roomId": room["id"]}
        markdown = f"{mark.format(webex.sandbox.bot)}, both"
        await ann.post("messages", json={**place, "markdown": markdown})

    assert webex.texts[-2:] == ["in the thread", "in the room"]


async def test_a_long_text_is_several_messages(bot: Bot, webex: Webex) -> None:
    """Joined they are the text, the last has the card and is returned, all are in the thread."""
    await webex.hear(bot, "long")
    said, *pieces, report = webex.sandbox.messages

    assert "".join(str(each.text) for each in pieces) == LONG
    assert {each.parent_id for each in pieces} == {said.id}
    assert [bool(each.attachments) for each in pieces] == [False, False, True]
    assert report.text == f"{pieces[-1].id} 1"


async def test_a_file_is_uploaded(bot: Bot, webex: Webex) -> None:
    """It goes with the last piece of a text, or alone."""
    file = File("menu.txt", b"Pasta")
    names: list[str] = []

    @bot.message()
    async def look(context: MessageContext) -> None:
        for message in (await context.reply(LONG, file=file), await context.send(file=file)):
            downloaded = await context.client.download(message.files[0])
            names.append(f"{downloaded.name} {downloaded.content!r}")

    await webex.hear(bot, "Hello")
    _, *pieces, alone = webex.sandbox.messages

    assert names == ["menu.txt b'Pasta'"] * 2
    assert [bool(each.files) for each in pieces] == [False, False, True]
    assert "".join(str(each.text) for each in pieces) == LONG
    assert alone.text is None


async def test_nothing_is_sent_of_what_cannot_be_sent(bot: Bot, webex: Webex) -> None:
    """Everything is checked before the first piece."""
    async with webex.running(bot):
        with pytest.raises(TypeError, match="file must be a File, as of "):
            await webex.sandbox.say("fail")

    assert webex.texts == ["fail"]
