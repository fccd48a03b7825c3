from typing import Any

import httpx
import pytest

from tests.testing.doubles import ANN, BOB, BOT, Api, created, items, kinds, notifications_of
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def room_of_bot_and(api: Api, *emails: str) -> str:
    """Create a room with the bot and others in it, and return its id."""
    room = await created(api, "/rooms", title="Plans")
    for email in emails:
        await created(api, "/memberships", roomId=room["id"], personEmail=email)
    return str(room["id"])


async def test_members_of_a_room(api: Api, webex_sandbox: Sandbox) -> None:
    """Every member of a room can list its members, and find each by its id; nobody else can."""
    room = await room_of_bot_and(api, "ann@example.com")

    listed = [await items(api, "/memberships", who, roomId=room) for who in (BOT, ANN)]
    path = f"/memberships/{listed[0][1]['id']}"

    emails = [each["personEmail"] for each in listed[0]]
    assert emails == [webex_sandbox.bot.emails[0], "ann@example.com"]
    assert listed[0] == listed[1]
    assert (await api.get(path)).json() == listed[0][1]
    for refused in (path, f"/memberships?roomId={room}", "/memberships/nope"):
        assert (await api.get(refused, headers=BOB)).status_code == 404


async def test_memberships_of_someone(api: Api) -> None:
    """A list is of one person's memberships in rooms of the caller, by default of the own ones."""
    room = await room_of_bot_and(api, "ann@example.com", "bob@example.com")
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    own, direct = await items(api, "/memberships", ANN)

    for query in ({"personId": own["personId"]}, {"personEmail": "ann@example.com"}):
        assert await items(api, "/memberships", BOB, **query) == [own]
        assert await items(api, "/memberships", roomId=room, **query) == [own]
    assert (own["roomId"], own["personEmail"]) == (room, "ann@example.com")
    assert direct["roomId"] != room


async def test_create_and_delete(api: Api, webex_sandbox: Sandbox) -> None:
    """Someone is added to a room and removed from it; webhooks, also the bot's, are notified."""
    room = await room_of_bot_and(api)
    anns = await created(api, "/rooms", ANN, title="Ann's")
    notified = await notifications_of(webex_sandbox, api, "memberships")
    bot = webex_sandbox.bot

    membership = await created(api, "/memberships", roomId=room, personEmail="ann@example.com")
    deleted = await api.delete(f"/memberships/{membership['id']}")
    await created(api, "/memberships", ANN, roomId=anns["id"], personId=bot.id)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await api.get(f"/rooms/{room}", headers=ANN)).status_code == 404
    assert kinds(notified) == [f"memberships {each}" for each in ("created", "deleted", "created")]
    assert notified[-1]["data"]["personEmail"] == bot.emails[0]
    assert notified[-1]["actorId"] == anns["creatorId"]


async def test_update(api: Api, webex_sandbox: Sandbox) -> None:
    """A member becomes a moderator, a direct room is hidden, and webhooks are notified."""
    await room_of_bot_and(api, "ann@example.com")
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    (membership, direct) = await items(api, "/memberships", ANN)
    notified = await notifications_of(webex_sandbox, api, "memberships", "updated")

    async def put(which: dict[str, Any], **flags: bool) -> httpx.Response:
        return await api.put(f"/memberships/{which['id']}", json=flags, headers=ANN)

    moderator = await put(membership, isModerator=True)  # as Webex's SDKs do
    hidden = await put(direct, isModerator=False, isRoomHidden=True)
    refused = [
        await put(direct, isModerator=True, isRoomHidden=False),
        await put(membership, isModerator=True, isRoomHidden=True),
        await put(membership, isRoomHidden=False),
    ]

    assert moderator.json() == {**membership, "isModerator": True}
    assert hidden.json() == {**direct, "isRoomHidden": True}
    assert [(each.status_code, each.json()["message"]) for each in refused] == [
        (400, "a direct room has no moderator"),
        (400, "only a direct room can be hidden"),
        (400, "isModerator is required and must not be empty"),
    ]
    assert kinds(notified) == ["memberships updated"] * 2


def moderators(notified: list[dict[str, Any]]) -> list[tuple[str, str, bool | None]]:
    """Each notification, whom it is about, and whether that is a moderator, or the room locked."""
    return [
        (
            kind,
            each["data"].get("personEmail", "").partition("@")[0],
            each["data"].get("isModerator", each["data"].get("isLocked")),
        )
        for kind, each in zip(kinds(notified), notified, strict=True)
    ]


async def test_somebody_who_is_added_as_moderator(api: Api, webex_sandbox: Sandbox) -> None:
    """The first who is added as moderator makes who adds one, too, and locks the room."""
    room = await room_of_bot_and(api)
    notified = await notifications_of(webex_sandbox, api, "all")
    fields = {"roomId": room, "isModerator": True}

    ann = await created(api, "/memberships", **fields, personEmail="ann@example.com")
    first = moderators(notified)
    notified.clear()
    await created(api, "/memberships", **fields, personEmail="bob@example.com")

    assert ann["isModerator"] is True
    assert first == [
        ("memberships created", "ann", False),
        ("memberships updated", "ann", True),
        ("memberships updated", "sandbox", True),
        ("rooms updated", "", True),
    ]
    assert moderators(notified) == [
        ("memberships created", "bob", False),
        ("memberships updated", "bob", True),
    ]


@pytest.mark.parametrize("ends", ["update", "delete", "unlock"])
async def test_the_last_moderator(api: Api, webex_sandbox: Sandbox, ends: str) -> None:
    """The first moderator locks a room, the end of the last one unlocks it, and both are told."""
    room = await room_of_bot_and(api, "ann@example.com")
    (own,) = await items(api, "/memberships", ANN)
    path = f"/memberships/{own['id']}"
    notified = await notifications_of(webex_sandbox, api, "all")

    await api.put(path, json={"isModerator": True}, headers=ANN)
    locked = moderators(notified)
    notified.clear()
    if ends == "update":
        await api.put(path, json={"isModerator": False}, headers=ANN)
    elif ends == "delete":
        await api.delete(path, headers=ANN)
    else:
        await api.put(f"/rooms/{room}", json={"title": "T", "isLocked": False}, headers=ANN)

    assert locked == [("memberships updated", "ann", True), ("rooms updated", "", True)]
    assert (await api.get(f"/rooms/{room}")).json()["isLocked"] is False
    expected = {
        "update": [("memberships updated", "ann", False), ("rooms updated", "", False)],
        "delete": [("memberships deleted", "ann", True), ("rooms updated", "", False)],
        "unlock": [("rooms updated", "", False), ("memberships updated", "ann", False)],
    }
    assert moderators(notified) == expected[ends]


async def test_a_membership_without_a_room(api: Api, webex_sandbox: Sandbox) -> None:
    """A membership can be changed though its room was reported as deleted."""
    room = await room_of_bot_and(api)
    (own,) = await items(api, "/memberships")
    await webex_sandbox.emit("rooms", "deleted", data={"id": room})

    updated = await api.put(f"/memberships/{own['id']}", json={"isModerator": True})

    assert updated.status_code == 200


async def test_what_is_refused(api: Api) -> None:
    """Nobody joins twice, joins or leaves a direct room, or joins without being named."""
    room = await room_of_bot_and(api, "ann@example.com")
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    (_, direct) = await items(api, "/memberships", ANN)
    bodies: list[tuple[dict[str, str], int]] = [
        ({"roomId": room, "personEmail": "ann@example.com"}, 409),
        ({"roomId": direct["roomId"], "personEmail": "bob@example.com"}, 403),
        ({"roomId": "nope", "personEmail": "bob@example.com"}, 404),
        ({"roomId": room, "personId": "nobody"}, 400),
        ({"roomId": room}, 400),
        ({"roomId": room, "personId": "a", "personEmail": "b"}, 400),
        ({"personEmail": "bob@example.com"}, 400),
    ]

    statuses = [(await api.post("/memberships", json=body)).status_code for body, _ in bodies]

    assert statuses == [status for _, status in bodies]
    assert (await api.delete(f"/memberships/{direct['id']}")).status_code == 403
