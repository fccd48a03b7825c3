"""What a message is, and what is refused."""

import re

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.inbox import Json
from tests.conformance.test_deliveries import CARD
from tests.conformance.webex import Webex

LONGEST = 7439
MAX_EDITS = 10


@assumption(
    "recipient-comes-back",
    "The response to a message to a person has toPersonEmail or toPersonId, as it was sent.",
    source=sources.PYTHON_SDK,
    grade="recorded",
)
async def test_recipient_comes_back(webex: Webex) -> None:
    by_id = await webex.direct(webex.bot)
    by_email = await webex.bot.make("/messages", toPersonEmail=webex.person.email, text=webex.tag)
    assert by_id["toPersonId"] == webex.person.id
    assert by_email["toPersonEmail"] == webex.person.email


@assumption(
    "paragraphs",
    "Markdown becomes paragraphs without line breaks between them; the end of a line is <br>.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_paragraphs(webex: Webex) -> None:
    message = await _markdown(webex, "**one**\n\ntwo\nthree")
    html = re.sub(r"<br ?/?>", "<br>", message["html"])
    assert html == "<p><strong>one</strong></p><p>two<br>three</p>"


@assumption(
    "text-of-markdown",
    "The text of what was sent as markdown alone is one line, joined by spaces.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_text_of_markdown(webex: Webex) -> None:
    message = await _markdown(webex, "**one**\n\ntwo\nthree")
    assert message["text"] == "one two three"


@assumption(
    "mention",
    "A mention is a spark-mention with the person's id in html, the shown name in text, and "
    "mentionedPeople.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_mention(webex: Webex) -> None:
    room = await webex.room(webex.person)
    message = await webex.mention(webex.person, room)
    name = webex.bot.me["displayName"]
    who = f'data-object-type="person" data-object-id="{webex.bot.id}"'
    assert f"<spark-mention {who}>{name}</spark-mention> Hello" in message["html"]
    assert message["text"] == f"{name} Hello"
    assert message["mentionedPeople"] == [webex.bot.id]


@assumption(
    "mention-with-a-space",
    "A mention with a space after its colon is accepted.",
    source=f"{sources.WXC_SDK}, TestTeams",
    grade="recorded",
)
async def test_mention_with_a_space(webex: Webex) -> None:
    room = await webex.room(webex.person)
    response = await webex.person.post(
        "/messages", roomId=room, markdown=f"<@personId: {webex.bot.id}|Bot> Hello"
    )
    assert response.is_success
    assert response.json()["mentionedPeople"] == [webex.bot.id]


@assumption(
    "longest-text",
    "A text may have 7,439 bytes, and not one more.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_longest_text(webex: Webex) -> None:
    room = await webex.room()
    texts = ["x" * LONGEST, "x" * (LONGEST + 1)]
    responses = [await webex.bot.post("/messages", roomId=room, text=each) for each in texts]
    assert [each.status_code for each in responses] == [200, 400]


@assumption(
    "edited-message",
    "An edited message has its new text, and updated.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_edited_message(webex: Webex) -> None:
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    path = f"/messages/{message['id']}"
    webex.bot.needed(await webex.bot.put(path, roomId=room, text="Good-bye"))
    edited = (await webex.bot.get(path)).json()
    assert edited["text"] == "Good-bye"
    assert edited["updated"] > edited["created"] == message["created"]


@assumption(
    "ten-edits",
    "A message can be edited ten times; an eleventh edit is refused with 400.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_ten_edits(webex: Webex) -> None:
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    statuses = [
        (await webex.bot.put(f"/messages/{message['id']}", roomId=room, text=f"{n}")).status_code
        for n in range(MAX_EDITS + 1)
    ]
    assert statuses == [200] * MAX_EDITS + [400]


@assumption(
    "edit-of-a-card",
    "A message with a card can't be edited: 400.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_edit_of_a_card(webex: Webex) -> None:
    room = await webex.room()
    message = await webex.bot.make("/messages", roomId=room, text="A card", attachments=[CARD])
    response = await webex.bot.put(f"/messages/{message['id']}", roomId=room, text="No card")
    assert response.status_code == 400


@assumption("file-without-text", "A message that is a file alone has no text.", grade="assumed")
async def test_file_without_text(webex: Webex) -> None:
    message = await webex.upload(webex.bot, await webex.room())
    assert "text" not in (await webex.bot.get(f"/messages/{message['id']}")).json()


@assumption(
    "voice-clip",
    "A person's message with a file has isVoiceClip false.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_voice_clip(webex: Webex) -> None:
    room = await webex.room(webex.person)
    message = await webex.upload(webex.person, room)
    response = await webex.person.get(f"/messages/{message['id']}")
    assert response.json()["isVoiceClip"] is False


@assumption(
    "file-needs-a-token",
    "A file is below the base URL, and GET with a token has its bytes.",
    source=sources.BASICS,
    grade="documented",
)
async def test_file_needs_a_token(webex: Webex) -> None:
    message = await webex.upload(webex.bot, await webex.room())
    (url,) = message["files"]
    assert url.startswith(f"{webex.bot.base_url}/contents/")
    assert (await webex.bot.file("GET", url)).content == b"Soup"


@assumption(
    "one-file",
    "A message has one file at most: two are refused with 400.",
    source=sources.BASICS,
    grade="documented",
)
async def test_one_file(webex: Webex) -> None:
    files = [("files", (f"{n}.txt", b"Soup", "text/plain")) for n in range(2)]
    fields = {"roomId": await webex.room()}
    response = await webex.bot.send("POST", "/messages", json=fields, files=files)
    assert response.status_code == 400


@assumption(
    "parent-elsewhere", "A reply to a message of another room is refused with 400.", grade="assumed"
)
async def test_parent_elsewhere(webex: Webex) -> None:
    message = await webex.say(webex.bot, await webex.room())
    response = await webex.bot.post(
        "/messages", roomId=await webex.room(), text="Hello", parentId=message["id"]
    )
    assert response.status_code == 400


@assumption("deleted-parent", "A reply to a deleted message is refused with 400.", grade="assumed")
async def test_deleted_parent(webex: Webex) -> None:
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    webex.bot.needed(await webex.bot.delete(f"/messages/{message['id']}"))
    response = await webex.bot.post("/messages", roomId=room, text="Hello", parentId=message["id"])
    assert response.status_code == 400


@assumption(
    "no-idempotency",
    "The same message posted twice is two messages.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_no_idempotency(webex: Webex) -> None:
    room = await webex.room()
    first, second = [await webex.say(webex.bot, room) for _ in range(2)]
    assert first["id"] != second["id"]


@assumption(
    "own-card",
    "The author of a card can submit it.",
    source=f"{sources.PYTHON_SDK}/api/test_attachment_actions.py, which expect it; "
    f"{sources.EMULATOR}/attachmentActions.js refuses it with 400",
    grade="assumed",
)
async def test_own_card(webex: Webex) -> None:
    message = await webex.bot.make(
        "/messages", roomId=await webex.room(), text="A card", attachments=[CARD]
    )
    response = await webex.bot.post(
        "/attachment/actions", type="submit", messageId=message["id"], inputs={"dish": "Soup"}
    )
    assert response.status_code == 200


@assumption(
    "unknown-inputs",
    "Inputs that a card doesn't have are accepted.",
    grade="assumed",
    sandbox="it refuses them, so that a test doesn't misspell one",
)
async def test_unknown_inputs(webex: Webex) -> None:
    room = await webex.room(webex.person)
    message = await webex.bot.make("/messages", roomId=room, text="A card", attachments=[CARD])
    response = await webex.person.post(
        "/attachment/actions", type="submit", messageId=message["id"], inputs={"dsh": "Soup"}
    )
    assert response.is_success


@assumption(
    "times",
    "Times of messages, rooms and webhooks have milliseconds and end with Z.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_times(webex: Webex) -> None:
    room = await webex.room()
    message = await webex.say(webex.bot, room)
    times = [message["created"], (await webex.bot.get(f"/rooms/{room}")).json()["created"]]
    assert [each for each in times if not re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", each)] == []


async def _markdown(webex: Webex, markdown: str) -> Json:
    """A message of the bot's, as it is fetched."""
    room = await webex.room()
    message = await webex.bot.make("/messages", roomId=room, markdown=markdown)
    return webex.bot.needed(await webex.bot.get(f"/messages/{message['id']}"))
