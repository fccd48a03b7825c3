"""Rooms, their members, people, and the ids of all of them."""

from datetime import UTC, datetime, timedelta

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.ids import IS_A_CLUSTER, cluster_of, invented
from tests.conformance.webex import Webex
from webex_webhooks_async.models.ids import comparable

NO_ROOM = "Could not find a room with provided ID."
NO_TOKEN = "The request requires a valid access token set in the Authorization request header."
MEMBERSHIPS = (
    f"{sources.JS_SDK}/plugin-memberships/test/integration/spec/memberships.js, over a websocket"
)
MALFORMED = "Expect base64 ID or UUID."


@assumption("recorded", source=sources.CAPTURE)
async def test_clusters_in_ids(webex: Webex) -> None:
    """New rooms, messages and webhooks have ids with a cluster, and people and organizations us."""
    hook = await webex.watch()
    message = await webex.say(webex.bot, hook.room_id)
    new = [hook.room_id, message["id"], hook.id]
    assert [each for each in new if not IS_A_CLUSTER.fullmatch(cluster_of(each))] == []
    assert [cluster_of(webex.bot.me[each]) for each in ("id", "orgId")] == ["us", "us"]


@assumption("recorded", source=sources.CAPTURE)
async def test_members_of_a_room(webex: Webex) -> None:
    """A room has ownerId, isPublic and isReadOnly, direct rooms as well."""
    direct = (await webex.direct(webex.bot))["roomId"]
    rooms = [
        (await webex.bot.get(f"/rooms/{each}")).json() for each in (await webex.room(), direct)
    ]
    wanted = {"ownerId", "isPublic", "isReadOnly"}
    assert [wanted - each.keys() for each in rooms] == [set(), set()]


@assumption("recorded", source=sources.EARLIER_CAPTURE)
async def test_title_of_a_direct_room(webex: Webex) -> None:
    """A direct room has the name of the other one as its title."""
    direct = (await webex.direct(webex.bot))["roomId"]
    titles = [(await each.get(f"/rooms/{direct}")).json()["title"] for each in webex.both]
    assert titles == [webex.person.me["displayName"], webex.bot.me["displayName"]]


@assumption("second-hand", source=f"{sources.FRAMEWORK}, lib/membership-rules.js")
async def test_no_such_room(webex: Webex) -> None:
    """A room that isn't the caller's is 404, with the message "Could not find a room with provided
    ID."
    """
    room = webex.guard.invented(invented("ROOM"))
    response = await webex.bot.get(f"/rooms/{room}")
    assert response.status_code == 404
    assert response.json()["message"] == NO_ROOM
    assert response.json()["errors"][0]["description"] == NO_ROOM


@assumption("assumed", sandbox="the person joins the room, so that a test needs no invitation")
async def test_writing_without_membership(webex: Webex) -> None:
    """A person who writes into a room without being a member is refused with 404."""
    response = await webex.person.post("/messages", roomId=await webex.room(), text="Hello")
    assert response.status_code == 404


@assumption("second-hand", source=f"{sources.EMULATOR}/memberships.js")
async def test_member_already(webex: Webex) -> None:
    """A member of a room can't be added to it again: 409."""
    room = await webex.room(webex.person)
    response = await webex.bot.post("/memberships", roomId=room, personId=webex.person.id)
    assert response.status_code == 409


@assumption("recorded", source=f"{MEMBERSHIPS}, which go on without it")
async def test_first_moderator(webex: Webex) -> None:
    """The first moderator of a room locks it, and the end of the last one unlocks it; both are
    notified as rooms updated.
    """
    room = await webex.room(by=webex.person)
    hook = await webex.hook(None, resource="rooms", event="updated", by=webex.person)
    own = {"roomId": room, "personId": webex.person.id}
    listed = webex.person.needed(await webex.person.get("/memberships", **own))["items"]
    locked: list[bool] = []
    for count, is_moderator in ((1, True), (2, False)):
        path = f"/memberships/{listed[0]['id']}"
        webex.person.needed(await webex.person.put(path, isModerator=is_moderator))
        locked.append((await webex.deliveries(hook, count))[-1].data["isLocked"])
    assert locked == [True, False]


@assumption("recorded", source=MEMBERSHIPS)
async def test_moderator_at_once(webex: Webex) -> None:
    """Of somebody who is added as moderator, memberships created says isModerator false, and
    updated true; who adds becomes one as well.
    """
    room = await webex.room(by=webex.person)
    await webex.quiet(2)  # the person's own membership has been notified
    hook = await webex.hook(room, resource="memberships", event="all", by=webex.person)
    member = {"roomId": room, "personId": webex.bot.id, "isModerator": True}
    await webex.person.make("/memberships", **member)
    seen = {
        (each.json["event"], comparable(each.data["personId"]), each.data["isModerator"])
        for each in await webex.deliveries(hook, 3)
    }
    person, bot = comparable(webex.person.id), comparable(webex.bot.id)
    assert seen == {("created", bot, False), ("updated", bot, True), ("updated", person, True)}


@assumption("recorded", source=f"{sources.JS_SDK}/plugin-people/test/integration/spec/people.js")
async def test_created_of_a_person(webex: Webex) -> None:
    """A person has the time at which the account was created."""
    me = (await webex.person.get("/people/me")).json()
    assert datetime.fromisoformat(me["created"]) < datetime.now(UTC) + timedelta(minutes=5)


@assumption("recorded", source=sources.EARLIER_CAPTURE)
async def test_last_name(webex: Webex) -> None:
    """A bot sees firstName, lastName, nickName and userName of a person."""
    person = (await webex.bot.get(f"/people/{webex.person.id}")).json()
    assert {"firstName", "lastName", "nickName", "userName"} <= person.keys()


@assumption("recorded", source=f"{sources.WXC_SDK}, test_007")
async def test_bare_uuid(webex: Webex) -> None:
    """A person can be fetched by the UUID at the end of the id."""
    bare = webex.guard.invented(comparable(webex.person.id))
    response = await webex.bot.get(f"/people/{bare}")
    assert response.status_code == 200
    assert response.json()["id"] == webex.person.id


@assumption("second-hand", source=f"{sources.EMULATOR}/memberships.js")
async def test_malformed_id(webex: Webex) -> None:
    """A malformed id of a member to be added, or of a recipient, is 400, with the message "Expect
    base64 ID or UUID."
    """
    room, nobody = await webex.room(), webex.guard.invented("no-id")
    responses = [
        await webex.bot.post("/memberships", roomId=room, personId=nobody),
        await webex.bot.post("/messages", toPersonId=nobody, text=webex.tag),
    ]
    assert [each.status_code for each in responses] == [400, 400]
    assert [each.json()["message"] for each in responses] == [MALFORMED] * 2


@assumption("assumed")
async def test_malformed_id_of_a_message(webex: Webex) -> None:
    """A malformed id of a message is 404."""
    response = await webex.bot.get(f"/messages/{webex.guard.invented('no-id')}")
    assert response.status_code == 404


@assumption("documented", source=sources.BASICS)
async def test_form_of_an_error(webex: Webex) -> None:
    """An error has message, errors with a description each, and trackingId."""
    response = await webex.bot.get(f"/messages/{webex.guard.invented(invented('MESSAGE'))}")
    error = response.json()
    assert response.status_code == 404
    assert {"message", "errors", "trackingId"} <= error.keys()
    assert error["errors"][0]["description"]


@assumption("documented", source=sources.BASICS)
async def test_no_token(webex: Webex) -> None:
    """A request without a token is 401, with the message "The request requires a valid access token
    set in the Authorization request header."
    """
    response = await webex.bot.without_token("/people/me")
    assert response.status_code == 401
    assert response.json()["message"] == NO_TOKEN


@assumption("second-hand", source="RFC 6749, 5.2")
async def test_gone_grant(webex: Webex) -> None:
    """A refresh whose permission was taken back is 400 or 401, with invalid_grant in its words."""
    response = await webex.refresh_what_is_gone()
    assert response.status_code in {400, 401}
    body = response.json()
    assert "invalid_grant" in f"{body.get('error')} {body.get('message')}"
