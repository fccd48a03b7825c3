"""What lists hold, in which order, and what their ids are."""

import asyncio

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.ids import ids_of
from tests.conformance.webex import Webex
from webex_webhooks_async.models.ids import comparable


@assumption("documented", source=sources.OPENAPI)
async def test_rooms_by_activity(webex: Webex) -> None:
    """GET /rooms?sortBy=lastactivity lists the room with the newest message first."""
    older, newer = await webex.room(), await webex.room()
    await webex.say(webex.bot, older)
    await webex.quiet(2)
    rooms = (await webex.bot.get("/rooms", sortBy="lastactivity", max=20)).json()["items"]
    expected = [comparable(older), comparable(newer)]
    assert [each for each in ids_of(rooms) if each in expected] == expected


@assumption("recorded", source=f"{sources.JS_SDK}/plugin-rooms/test/integration/spec/rooms.js")
async def test_rooms_by_default(webex: Webex) -> None:
    """GET /rooms without sortBy lists the newest room first."""
    made = [comparable(await webex.room()) for _ in range(2)]
    await webex.quiet(2)
    rooms = (await webex.bot.get("/rooms", max=20)).json()["items"]
    assert [each for each in ids_of(rooms) if each in made] == made[::-1]


@assumption(
    "recorded", source=f"{sources.JS_SDK}/plugin-memberships/test/integration/spec/memberships.js"
)
async def test_unknown_parameter(webex: Webex) -> None:
    """A query parameter that a list doesn't have is ignored."""
    room = await webex.room(webex.person)
    response = await webex.bot.get("/memberships", roomId=room, title="Lunch", isLocked="false")
    assert response.status_code == 200
    assert len(response.json()["items"]) == 2


@assumption("assumed")
async def test_activity_at_once(webex: Webex) -> None:
    """A new message puts its room first in that list within a second."""
    room, _ = await webex.room(), await webex.room()
    message = await webex.say(webex.bot, room)
    await webex.quiet(1)
    rooms = (await webex.bot.get("/rooms", sortBy="lastactivity", max=20)).json()["items"]
    assert ids_of(rooms)[0] == comparable(room)
    assert rooms[0]["lastActivity"] >= message["created"]


@assumption("recorded", source=sources.CAPTURE)
async def test_mentions_list(webex: Webex) -> None:
    """With mentionedPeople=me a bot lists the messages of a group room that mention it, those in
    threads included, the newest first.
    """
    room = await webex.room(webex.person)
    root = await webex.mention(webex.person, room)
    await webex.say(webex.person, room)
    reply = await webex.mention(webex.person, room, parentId=root["id"])
    await webex.quiet(2)
    listed = webex.bot.needed(await webex.bot.get("/messages", roomId=room, mentionedPeople="me"))
    assert ids_of(listed["items"]) == ids_of([reply, root])


@assumption("assumed")
async def test_own_messages_in_that_list(webex: Webex) -> None:
    """The bot's own messages aren't in that list."""
    room = await webex.room(webex.person)
    mention = await webex.mention(webex.person, room)
    await webex.say(webex.bot, room)
    await webex.quiet(2)
    listed = webex.bot.needed(await webex.bot.get("/messages", roomId=room, mentionedPeople="me"))
    assert ids_of(listed["items"]) == ids_of([mention])


@assumption("second-hand", source=sources.ADAPTER)
async def test_list_without_mention(webex: Webex) -> None:
    """A bot that lists a group room's messages without mentionedPeople=me is refused with 403."""
    room = await webex.room(webex.person)
    assert (await webex.bot.get("/messages", roomId=room)).status_code == 403


@assumption("assumed", source=f"{sources.PYTHON_SDK}, which expect that it fails")
async def test_mentions_of_a_person(webex: Webex) -> None:
    """A person lists with mentionedPeople=me the messages that mention that person."""
    room = await webex.room(webex.person)
    mention = f"<@personId:{webex.person.id}> Hello"
    message = await webex.bot.make("/messages", roomId=room, markdown=mention)
    await webex.quiet(2)
    listed = await webex.person.get("/messages", roomId=room, mentionedPeople="me")
    assert ids_of(listed.json()["items"]) == ids_of([message])


@assumption("second-hand", source=sources.ADAPTER)
async def test_direct_list(webex: Webex) -> None:
    """A bot lists all messages of a direct room, its own and replies in threads included."""
    root = await webex.direct(webex.person)
    own = await webex.direct(webex.bot)
    reply = await webex.person.make(
        "/messages", roomId=root["roomId"], text=webex.tag, parentId=root["id"]
    )
    await webex.quiet(2)
    listed = webex.bot.needed(await webex.bot.get("/messages", roomId=root["roomId"]))
    assert ids_of(listed["items"])[:3] == ids_of([reply, own, root])


@assumption("assumed")
async def test_replies_in_a_list(webex: Webex) -> None:
    """A list of a room's messages has the replies in threads, each with its parentId."""
    room = await webex.room(webex.person)
    root = await webex.say(webex.person, room)
    reply = await webex.say(webex.person, room, parentId=root["id"])
    await webex.quiet(2)
    listed = webex.person.needed(await webex.person.get("/messages", roomId=room))
    assert ids_of(listed["items"]) == ids_of([reply, root])
    assert comparable(listed["items"][0]["parentId"]) == comparable(root["id"])


@assumption("recorded", source=sources.CAPTURE)
async def test_ids_in_lists(webex: Webex) -> None:
    """A message has in a list and in its notification ids that end with the same UUID, and so have
    its room and its author.
    """
    hook = await webex.watch(webex.person)
    mention = await webex.mention(webex.person, hook.room_id)
    data = (await webex.delivery(hook, mention)).data
    listed = webex.bot.needed(
        await webex.bot.get("/messages", roomId=hook.room_id, mentionedPeople="me")
    )
    (item,) = listed["items"]
    names = ("id", "roomId", "personId")
    assert [comparable(item[each]) for each in names] == [comparable(data[each]) for each in names]


@assumption("assumed", source=f"{sources.EARLIER_CAPTURE}, of a message that was fetched")
async def test_created_in_lists(webex: Webex) -> None:
    """A message has the same created in a list as in its notification."""
    hook = await webex.watch(webex.person)
    mention = await webex.mention(webex.person, hook.room_id)
    data = (await webex.delivery(hook, mention)).data
    listed = webex.bot.needed(
        await webex.bot.get("/messages", roomId=hook.room_id, mentionedPeople="me")
    )
    assert listed["items"][0]["created"] == data["created"]


@assumption("documented", source=sources.OPENAPI)
async def test_fifty_messages(webex: Webex) -> None:
    """A page of messages has 50 by default."""
    room = await webex.room(webex.person)
    await asyncio.gather(*(webex.say(webex.bot, room) for _ in range(51)))
    await webex.quiet(2)
    response = await webex.person.get("/messages", roomId=room)
    assert len(response.json()["items"]) == 50
    assert "next" in response.links


@assumption("documented", source=sources.BASICS)
async def test_next_page(webex: Webex) -> None:
    """A page that isn't the last one has an absolute link to the next one, with rel next."""
    room = await webex.room(webex.person)
    first, second = [await webex.say(webex.person, room) for _ in range(2)]
    await webex.quiet(2)
    response = await webex.person.get("/messages", roomId=room, max=1)
    url = response.links["next"]["url"]
    assert url.startswith(f"{webex.bot.base_url}/messages?")
    following = await webex.person.follow(url)
    pages = [each.json()["items"] for each in (response, following)]
    assert [each for items in pages for each in ids_of(items)] == ids_of([second, first])


@assumption("assumed", source=f"{sources.OPENAPI}, which says that it must be between 1 and 1000")
async def test_larger_page(webex: Webex) -> None:
    """A max above the most that a list allows is lowered, and not refused."""
    responses = [await webex.bot.get(path, max=5000) for path in ("/rooms", "/webhooks")]
    assert [each.status_code for each in responses] == [200, 200]


@assumption("assumed", source=f"{sources.OPENAPI}, which has no such parameter")
async def test_page_of_a_direct_list(webex: Webex) -> None:
    """GET /messages/direct refuses max with 400."""
    response = await webex.bot.get("/messages/direct", personId=webex.person.id, max=10)
    assert response.status_code == 400
