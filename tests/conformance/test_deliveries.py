"""What is delivered, and to whom."""

import time

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.ids import ids_of
from tests.conformance.inbox import Answer, Hook
from tests.conformance.webex import Webex
from webex_webhooks_async.models.ids import comparable

CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "Input.Text", "id": "dish"}],
        "actions": [{"type": "Action.Submit", "title": "Order"}],
    },
}


@assumption("recorded", source=sources.CAPTURE)
async def test_envelope(webex: Webex) -> None:
    """The envelope has the members of the webhook, without its secret, and actorId and data."""
    hook = await webex.watch(secret="a secret")
    notification = (await webex.heard(hook)).json
    members = "id name targetUrl resource event orgId createdBy appId ownedBy status created"
    assert {*members.split(), "actorId", "data"} <= notification.keys()
    assert "secret" not in notification


@assumption("documented", source=sources.EVENTS)
async def test_no_delivery_id(webex: Webex) -> None:
    """The id of a notification is that of the webhook, the same each time."""
    hook = await webex.watch()
    for _ in range(2):
        await webex.say(webex.bot, hook.room_id)
    assert {each.json["id"] for each in await webex.deliveries(hook, 2)} == {hook.id}


@assumption("recorded", source=sources.CAPTURE)
async def test_no_text(webex: Webex) -> None:
    """A notification of a message has neither its text nor its card."""
    hook = await webex.watch()
    await webex.bot.make(
        "/messages", roomId=hook.room_id, text="Plain", markdown="**Bold**", attachments=[CARD]
    )
    data = (await webex.delivery(hook)).data
    assert data.keys().isdisjoint({"text", "markdown", "html", "attachments"})


@assumption("recorded", source=sources.CAPTURE)
async def test_message_data(webex: Webex) -> None:
    """The data of a message have its id, room, room's type, author, address and time; in a thread
    parentId as well.
    """
    hook = await webex.watch()
    root = await webex.say(webex.bot, hook.room_id)
    reply = await webex.say(webex.bot, hook.room_id, parentId=root["id"])
    data = (await webex.delivery(hook, reply)).data
    assert {"id", "roomId", "roomType", "personId", "personEmail", "created"} <= data.keys()
    assert data["parentId"] == root["id"]


@assumption("assumed")
async def test_file_data(webex: Webex) -> None:
    """The data of a message with a file have its URL in files."""
    hook = await webex.watch()
    message = await webex.upload(webex.bot, hook.room_id)
    data = (await webex.delivery(hook, message)).data
    assert [each.rpartition("/")[2] for each in data["files"]] == [
        each.rpartition("/")[2] for each in message["files"]
    ]


@assumption("documented", source=sources.EVENTS)
async def test_mentions_only(webex: Webex) -> None:
    """A bot is notified of what others write in a group room if it mentions the bot, else not."""
    hook = await webex.watch(webex.person)
    await webex.say(webex.person, hook.room_id)
    mention = await webex.mention(webex.person, hook.room_id)
    await webex.delivery(hook, mention)
    await webex.quiet()
    assert hook.ids == ids_of([mention])


@assumption("assumed")
async def test_mention_data(webex: Webex) -> None:
    """The data of a message that mentions the bot have mentionedPeople."""
    hook = await webex.watch(webex.person)
    mention = await webex.mention(webex.person, hook.room_id)
    assert (await webex.delivery(hook, mention)).data["mentionedPeople"] == [webex.bot.id]


@assumption("assumed")
async def test_mention_of_all(webex: Webex) -> None:
    """A mention of everyone isn't delivered to a bot."""
    hook = await webex.watch(webex.person)
    await webex.person.make("/messages", roomId=hook.room_id, markdown="<@all> Hello")
    await webex.quiet()
    assert hook.arrivals == []


@assumption("recorded", source=sources.EARLIER_CAPTURE)
async def test_direct_message(webex: Webex) -> None:
    """A bot is notified of what a person writes in their direct room."""
    room = (await webex.direct(webex.person))["roomId"]
    hook = await webex.hook(room)
    await webex.delivery(hook, await webex.direct(webex.person))


@assumption("assumed")
async def test_own_direct_message(webex: Webex) -> None:
    """A bot is notified of its own message in a direct room."""
    room = (await webex.direct(webex.person))["roomId"]
    hook = await webex.hook(room)
    await webex.delivery(hook, await webex.direct(webex.bot))


@assumption("recorded", source=sources.CAPTURE)
async def test_submission(webex: Webex) -> None:
    """A bot is notified of submissions of its card in a group room, without a mention."""
    hook = await webex.watch(webex.person, resource="attachmentActions")
    submitted = await _submitted(webex, hook.room_id)
    await webex.delivery(hook, submitted)


@assumption("recorded", source=sources.CAPTURE)
async def test_submission_data(webex: Webex) -> None:
    """The data of a submission have its id, type, message, room, person and time, and no inputs."""
    hook = await webex.watch(webex.person, resource="attachmentActions")
    submitted = await _submitted(webex, hook.room_id)
    data = (await webex.delivery(hook, submitted)).data
    assert {"id", "type", "messageId", "roomId", "personId", "created"} <= data.keys()
    assert "inputs" not in data


@assumption("documented", source=sources.EVENTS)
async def test_submission_of_others(webex: Webex) -> None:
    """A submission is notified to the author of the card alone."""
    room = await webex.room(webex.person)
    other = await webex.hook(room, resource="attachmentActions", by=webex.person)
    await _submitted(webex, room)
    await webex.quiet()
    assert other.arrivals == []


@assumption(
    "second-hand",
    source="andriyko/aiociscospark 69cfe41, tests/data/room_memberships.json, in part",
)
async def test_membership_data(webex: Webex) -> None:
    """The data of a membership have the room's type, whether it is hidden, and the organization."""
    hook = await webex.watch(resource="memberships")
    membership = await webex.bot.make("/memberships", roomId=hook.room_id, personId=webex.person.id)
    data = (await webex.delivery(hook, membership)).data
    assert {"roomType", "isRoomHidden", "personOrgId", "personDisplayName"} <= data.keys()


@assumption("assumed")
async def test_room_data(webex: Webex) -> None:
    """The data of a room have its title."""
    hook = await webex.hook(None, resource="rooms")
    room = await webex.room()
    assert webex.tag in (await webex.delivery(hook, {"id": room})).data["title"]


@assumption("assumed")
async def test_after_the_response(webex: Webex) -> None:
    """A notification comes after the response to the request that caused it."""
    hook = await webex.watch()
    message = await webex.say(webex.bot, hook.room_id)
    responded = time.monotonic()
    assert (await webex.delivery(hook, message)).at > responded


@assumption("documented", source=sources.VERIFY)
async def test_unsigned(webex: Webex) -> None:
    """A notification of a webhook without a secret has no signature."""
    hook = await webex.watch()
    headers = (await webex.heard(hook)).headers
    assert headers.keys().isdisjoint({"x-spark-signature", "x-webex-signature"})


@assumption("documented", source=sources.GUIDE)
async def test_firehose(webex: Webex) -> None:
    """A webhook of all of all gets messages and memberships, and no submissions."""
    hook = await webex.hook(None, resource="all", event="all")
    room = await webex.room(webex.person)
    await _submitted(webex, room)
    await webex.deliveries(hook, 3)
    await webex.quiet()
    resources = {each.json["resource"] for each in hook.arrivals}
    assert {"memberships", "messages"} <= resources <= {"memberships", "messages", "rooms"}


@assumption("documented", source=sources.GUIDE)
async def test_filter(webex: Webex) -> None:
    """A webhook with a filter gets what the filter names, and nothing else."""
    room, other = await webex.room(), await webex.room()
    hook = await webex.hook(room)
    await webex.say(webex.bot, other)
    message = await webex.say(webex.bot, room)
    await webex.delivery(hook, message)
    await webex.quiet()
    assert hook.ids == ids_of([message])


@assumption("assumed")
async def test_same_bytes(webex: Webex) -> None:
    """A notification that is delivered twice has the same bytes."""
    hook = await webex.watch()
    await webex.say(webex.bot, hook.room_id)
    await webex.repeat(await webex.delivery(hook))
    first, second = await webex.deliveries(hook, 2)
    assert first.body == second.body


@assumption("documented", source=sources.GUIDE, slow=True)
async def test_switched_off(webex: Webex) -> None:
    """A webhook is switched off after 100 failures within five minutes."""
    hook, before = await webex.once("switched off", lambda: _switched_off(webex))
    assert [before, await webex.status(hook)] == ["active", "inactive"]


@assumption("documented", source=sources.GUIDE, slow=True)
async def test_switched_off_again(webex: Webex) -> None:
    """Within five minutes after a PUT with status active, one failure switches it off again."""
    hook, _ = await webex.once("switched off", lambda: _switched_off(webex))
    webex.bot.needed(await webex.update(hook, status="active"))
    hook.answers.append(Answer(status=500))
    message = await webex.say(webex.bot, hook.room_id)
    await webex.delivery(hook, message)
    await webex.quiet(30)
    assert await webex.status(hook) == "inactive"


@assumption("assumed", slow=True)
async def test_missed_while_off(webex: Webex) -> None:
    """A webhook that is switched on again isn't notified of what happened meanwhile."""
    hook, _ = await webex.once("switched off", lambda: _switched_off(webex))
    message = await webex.say(webex.bot, hook.room_id)
    await webex.quiet()
    webex.bot.needed(await webex.update(hook, status="active"))
    await webex.quiet(60)
    assert comparable(message["id"]) not in hook.ids


@assumption("assumed", slow=True)
async def test_repetition(webex: Webex) -> None:
    """A notification that got 503 isn't sent again within twenty minutes."""
    hook = await webex.watch(answers=[Answer(status=503)])
    await webex.heard(hook)
    await webex.quiet(1200)
    assert len(hook.arrivals) == 1


async def _switched_off(webex: Webex) -> tuple[Hook, str]:
    """A webhook after 100 failures, and its status after 99."""
    room = await webex.room()
    hook = await webex.hook(room, answers=[Answer(status=500)] * webex.failures)
    for _ in range(webex.failures - 1):
        await webex.say(webex.bot, room)
    await webex.quiet(30)
    before = await webex.status(hook)
    await webex.say(webex.bot, room)
    await webex.quiet(30)
    return hook, before


async def _submitted(webex: Webex, room: str) -> dict[str, str]:
    """What the person submits of a card of the bot's in a room."""
    message = await webex.bot.make("/messages", roomId=room, text="A card", attachments=[CARD])
    return await webex.person.make(
        "/attachment/actions", type="submit", messageId=message["id"], inputs={"dish": "Soup"}
    )
