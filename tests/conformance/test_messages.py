"""What a message is, and what is refused."""

import re

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.inbox import Json
from tests.conformance.test_deliveries import CARD
from tests.conformance.webex import Webex

LONGEST = 7439
MAX_EDITS = 10


@assumption("recorded", source=sources.PYTHON_SDK)
async def test_recipient_comes_back(webex: Webex) -> None:
    """The response to a message to a person has toPersonEmail or toPersonId, as it was sent."""
    by_id = await webex.direct(webex.bot)
    by_email = await webex.bot.make("/messages", toPersonEmail=webex.person.email, text=webex.tag)
    assert by_id["toPersonId"] == webex.person.id
    assert by_email["toPersonEmail"] == webex.person.email


@assumption("recorded", source=sources.CAPTURE)
async def test_paragraphs(webex: Webex) -> None:
    """Markdown becomes paragraphs without line breaks between them; the end of a line is <br>."""
    message = await _markdown(webex, "**one**\n\ntwo\nthree")
    html = re.sub(r"<br ?/?>", "<br>", message["html"])
    assert html == "<p><strong>one</strong></p><p>two<br>three</p>"


@assumption("recorded", source=sources.CAPTURE)
async def test_text_of_markdown(webex: Webex) -> None:
    """The text of what was sent as markdown alone is one line, joined by spaces."""
    message = await _markdown(webex, "**one**\n\ntwo\nthree")
    assert message["text"] == "one two three"


@assumption("recorded", source=sources.CAPTURE)
async def test_mention(webex: Webex) -> None:
    """A mention is a spark-mention with the person's id in html, the shown name in text, and
    mentionedPeople.
    """
    room = await webex.room(webex.person)
    message = await webex.mention(webex.person, room)
    name = webex.bot.me["displayName"]
    who = f'data-object-type="person" data-object-id="{webex.bot.id}"'
    assert f"<spark-mention {who}>{name}</spark-mention> Hello" in message["html"]
    assert message["text"] == f"{name} Hello"
    assert message["mentionedPeople"] == [webex.bot.id]


@assumption("recorded", source=f"{sources.WXC_SDK}, TestTeams")
async def test_mention_with_a_space(webex: Webex) -> None:
    """A mention with a space after its colon is accepted."""
    room = await webex.room(webex.person)
    response = await webex.person.post(
        "/messages", roomId=room, markdown=f"<@personId: {webex.bot.id}|Bot> Hello"
    )
    assert response.is_success
    assert response.json()["mentionedPeople"] == [webex.bot.id]


@assumption("documented", source=sources.OPENAPI)
async def test_longest_text(webex: Webex) -> None:
    """A text may have 7,439 bytes, and not one more."""
    room = await webex.room()
    texts = ["x" * LONGEST, "x" * (LONGEST + 1)]
    responses = [await webex.bot.post("/messages", roomId=room, text=each) for each in texts]
    assert [each.status_code for each in responses] == [200, 400]


@assumption("documented", source=sources.OPENAPI)
async def test_edited_message(webex: Webex) -> None:
    """An edited message has its new text, and updated."""
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    path = f"/messages/{message['id']}"
    webex.bot.needed(await webex.bot.put(path, roomId=room, text="Good-bye"))
    edited = (await webex.bot.get(path)).json()
    assert edited["text"] == "Good-bye"
    assert edited["updated"] > edited["created"] == message["created"]


@assumption("documented", source=sources.OPENAPI)
async def test_ten_edits(webex: Webex) -> None:
    """A message can be edited ten times; an eleventh edit is refused with 400."""
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    statuses = [
        (await webex.bot.put(f"/messages/{message['id']}", roomId=room, text=f"{n}")).status_code
        for n in range(MAX_EDITS + 1)
    ]
    assert statuses == [200] * MAX_EDITS + [400]


@assumption("documented", source=sources.OPENAPI)
async def test_edit_of_a_card(webex: Webex) -> None:
    """A message with a card can't be edited: 400."""
    room = await webex.room()
    message = await webex.bot.make("/messages", roomId=room, text="A card", attachments=[CARD])
    response = await webex.bot.put(f"/messages/{message['id']}", roomId=room, text="No card")
    assert response.status_code == 400


@assumption("assumed")
async def test_file_without_text(webex: Webex) -> None:
    """A message that is a file alone has no text."""
    message = await webex.upload(webex.bot, await webex.room())
    assert "text" not in (await webex.bot.get(f"/messages/{message['id']}")).json()


@assumption("recorded", source=sources.CAPTURE)
async def test_voice_clip(webex: Webex) -> None:
    """A person's message with a file has isVoiceClip false."""
    room = await webex.room(webex.person)
    message = await webex.upload(webex.person, room)
    response = await webex.person.get(f"/messages/{message['id']}")
    assert response.json()["isVoiceClip"] is False


@assumption("documented", source=sources.BASICS)
async def test_file_needs_a_token(webex: Webex) -> None:
    """A file is below the base URL, and GET with a token has its bytes."""
    message = await webex.upload(webex.bot, await webex.room())
    (url,) = message["files"]
    assert url.startswith(f"{webex.bot.base_url}/contents/")
    assert (await webex.bot.file("GET", url)).content == b"Soup"


@assumption("documented", source=sources.BASICS)
async def test_one_file(webex: Webex) -> None:
    """A message has one file at most: two are refused with 400."""
    files = [("files", (f"{n}.txt", b"Soup", "text/plain")) for n in range(2)]
    fields = {"roomId": await webex.room()}
    response = await webex.bot.send("POST", "/messages", json=fields, files=files)
    assert response.status_code == 400


@assumption("assumed")
async def test_parent_elsewhere(webex: Webex) -> None:
    """A reply to a message of another room is refused with 400."""
    message = await webex.say(webex.bot, await webex.room())
    response = await webex.bot.post(
        "/messages", roomId=await webex.room(), text="Hello", parentId=message["id"]
    )
    assert response.status_code == 400


@assumption("assumed")
async def test_deleted_parent(webex: Webex) -> None:
    """A reply to a deleted message is refused with 400."""
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    webex.bot.needed(await webex.bot.delete(f"/messages/{message['id']}"))
    response = await webex.bot.post("/messages", roomId=room, text="Hello", parentId=message["id"])
    assert response.status_code == 400


@assumption("documented", source=sources.OPENAPI)
async def test_no_idempotency(webex: Webex) -> None:
    """The same message posted twice is two messages."""
    room = await webex.room()
    first, second = [await webex.say(webex.bot, room) for _ in range(2)]
    assert first["id"] != second["id"]


@assumption(
    "assumed",
    source=f"{sources.PYTHON_SDK}/api/test_attachment_actions.py, which expect it; "
    f"{sources.EMULATOR}/attachmentActions.js refuses it with 400",
)
async def test_own_card(webex: Webex) -> None:
    """The author of a card can submit it."""
    message = await webex.bot.make(
        "/messages", roomId=await webex.room(), text="A card", attachments=[CARD]
    )
    response = await webex.bot.post(
        "/attachment/actions", type="submit", messageId=message["id"], inputs={"dish": "Soup"}
    )
    assert response.status_code == 200


@assumption("assumed", sandbox="it refuses them, so that a test doesn't misspell one")
async def test_unknown_inputs(webex: Webex) -> None:
    """Inputs that a card doesn't have are accepted."""
    room = await webex.room(webex.person)
    message = await webex.bot.make("/messages", roomId=room, text="A card", attachments=[CARD])
    response = await webex.person.post(
        "/attachment/actions", type="submit", messageId=message["id"], inputs={"dsh": "Soup"}
    )
    assert response.is_success


@assumption("recorded", source=sources.CAPTURE)
async def test_times(webex: Webex) -> None:
    """Times of messages, rooms and webhooks have milliseconds and end with Z."""
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    times = [message["created"], (await webex.bot.get(f"/rooms/{room}")).json()["created"]]
    assert [each for each in times if not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", each)] == []


async def _markdown(webex: Webex, markdown: str) -> Json:
    """A message of the bot's, as it is fetched."""
    room = await webex.room()
    message = await webex.bot.make("/messages", roomId=room, markdown=markdown)
    return webex.bot.needed(await webex.bot.get(f"/messages/{message['id']}"))
