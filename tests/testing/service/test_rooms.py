# pyright: reportPrivateUsage=false

import pytest

from tests.support.clocks import StoppedClock
from tests.testing.doubles import (
    ANN,
    BOB,
    BOT,
    Api,
    created,
    descriptions,
    items,
    kinds,
    notifications_of,
)
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def test_a_direct_room_each(api: Api, webex_sandbox: Sandbox) -> None:
    """Each has a direct room with the bot, named after the other; a list may be of one type."""
    bot = webex_sandbox.bot
    group = await created(api, "/rooms", title="Plans")
    before = await items(api, "/rooms", ANN)
    for who in (ANN, BOB):
        await created(api, "/messages", who, toPersonId=bot.id, text="Hello")
    ann, bob = [await items(api, "/rooms", who) for who in (ANN, BOB)]
    bots = await items(api, "/rooms", type="direct")

    assert [each["title"] for each in (*before, *ann, *bob)] == [bot.display_name] * 2
    assert [each["title"] for each in bots] == ["Bob", "Ann"]
    assert [each["id"] for each in bots] == [each["id"] for each in (*bob, *ann)]
    assert {each["type"] for each in bots} == {"direct"}
    assert await items(api, "/rooms", type="group") == [group]
    assert await items(api, "/rooms") == [*bots, group]
    refused = await api.get("/rooms", params={"type": "team"})
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "type must be direct or group, got 'team'",
    )


async def test_the_first_direct_message(api: Api, webex_sandbox: Sandbox) -> None:
    """The first message in a direct room notifies its author of the room, and nobody else."""
    notified = await notifications_of(webex_sandbox, api, "rooms", headers=ANN)
    ann = (await api.get("/people/me", headers=ANN)).json()["id"]

    for who, to in ((ANN, webex_sandbox.bot.emails[0]), (BOT, "ann@example.com")):
        await created(api, "/messages", who, toPersonEmail=to, text="Hello")
    await created(api, "/messages", toPersonEmail="bob@example.com", text="Hello")
    await created(api, "/messages", BOB, toPersonEmail="ann@example.com", text="Hello")

    with_bot = (await items(api, "/rooms", ANN, type="direct"))[-1]
    assert kinds(notified) == ["rooms created"]
    assert (notified[0]["actorId"], notified[0]["data"]["creatorId"]) == (ann, ann)
    assert (notified[0]["data"]["type"], notified[0]["data"]["id"]) == ("direct", with_bot["id"])


async def test_a_group_room(api: Api, webex_sandbox: Sandbox) -> None:
    """A new room has its creator alone, and a title that can be changed, which are notified."""
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    (direct,) = await items(api, "/rooms", ANN)
    notified = await notifications_of(webex_sandbox, api, "all")
    room = await created(api, "/rooms", title="Plans")
    path = f"/rooms/{room['id']}"
    read = [(await api.get(path)).json(), (await api.get(path, headers=ANN)).status_code]

    updated = await api.put(path, json={"title": "Ideas"})
    refused = await api.put(f"/rooms/{direct['id']}", json={"title": "Ideas"})
    unknown = [
        await api.request(method, "/rooms/nope", json={"title": "T"})
        for method in ("GET", "PUT", "DELETE")
    ]

    assert (room["title"], room["type"], room["isLocked"]) == ("Plans", "group", False)
    assert (room["creatorId"], read) == (webex_sandbox.bot.id, [room, 404])
    assert (updated.json(), refused.status_code) == ({**room, "title": "Ideas"}, 400)
    assert (await api.get(path)).json() == updated.json()
    assert kinds(notified) == ["rooms created", "memberships created", "rooms updated"]
    words = "Could not find a room with provided ID."
    assert [(each.status_code, each.json()["message"]) for each in unknown] == [(404, words)] * 3
    assert descriptions(unknown[0]) == [words, "no room of yours has the id 'nope'"]


async def test_the_largest_page(api: Api, webex_sandbox: Sandbox) -> None:
    """A page has 100 rooms by default, and at most 1,000."""
    state, bot = webex_sandbox._state, webex_sandbox.bot
    for number in range(1_001):  # by requests, it takes 20 times as long
        state.add_member(state.add_room({"title": str(number)}, creator=bot), bot)

    sizes = [
        len(await items(api, "/rooms", **query)) for query in ({}, {"max": "101"}, {"max": "5000"})
    ]

    assert sizes == [100, 101, 1_000]


async def test_the_team_of_a_room(api: Api) -> None:
    """A room is moved into a team of the caller's, and into no other team."""
    ours = await created(api, "/teams", name="Ours")
    anns = await created(api, "/teams", ANN, name="Ann's")
    room = await created(api, "/rooms", title="Plans")
    path = f"/rooms/{room['id']}"

    moved = await api.put(path, json={"title": "Plans", "teamId": ours["id"]})
    refused = await api.put(path, json={"title": "Plans", "teamId": anns["id"]})

    assert moved.json() == {**room, "teamId": ours["id"]}
    assert refused.status_code == 404
    assert moved.json() in await items(api, "/rooms", teamId=ours["id"])


async def test_pages(api: Api) -> None:
    """Pages, the newest first, keep the query, and hide nothing when rooms come and go."""
    for title in "ABC":
        await created(api, "/rooms", title=title)

    first = await api.get("/rooms", params={"max": "2", "type": "group"})
    for each in first.json()["items"]:
        await api.delete(f"/rooms/{each['id']}")
    await created(api, "/rooms", title="D")
    second = await api.get(first.links["next"]["url"])

    titles = [[each["title"] for each in page.json()["items"]] for page in (first, second)]
    assert titles == [["C", "B"], ["A"]]
    assert "type=group" in first.links["next"]["url"]
    assert "next" not in second.links


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [("lastactivity", "ACB"), ("created", "CBA"), ("id", None), ("title", 400)],
)
async def test_sorted(sort_by: str, expected: str | int | None) -> None:
    """Rooms are sorted by latest message or creation, latest first, or by id, on all pages."""
    clock = StoppedClock()
    async with Sandbox(clock=clock.now).http_client() as api:
        rooms: list[dict[str, str]] = []
        for title in "ABC":
            clock.advance(1)
            rooms.append(await created(api, "/rooms", BOT, title=title))
        clock.advance(1)
        await created(api, "/messages", BOT, roomId=rooms[0]["id"], text="Hello")

        query = {"sortBy": sort_by, "type": "group", "max": "2"}
        first = await api.get("/rooms", params=query, headers=BOT)
        if isinstance(expected, int):
            assert first.status_code == expected
            return
        second = await api.get(first.links["next"]["url"], headers=BOT)

    listed = [each["title"] for page in (first, second) for each in page.json()["items"]]
    by_id = [each["title"] for each in sorted(rooms, key=lambda each: each["id"])]
    assert listed == ([*expected] if expected else by_id)


async def test_what_a_room_may_have(api: Api) -> None:
    """A room may be public, with a description, and for announcements; updates change that."""
    fields = {"isPublic": True, "description": "Lunch", "isAnnouncementOnly": False}
    room = await created(api, "/rooms", title="Plans", **fields)

    updated = await api.put(f"/rooms/{room['id']}", json={"title": "T", "isPublic": False})
    refused = [
        await api.post("/rooms", json={"title": "Plans", "isPublic": True}),
        await api.post("/rooms", json={"title": "Plans", "isLocked": "yes"}),
        await api.post("/rooms", json={}),
        await api.put(f"/rooms/{room['id']}", json={"title": "T", "description": ["Lunch"]}),
    ]

    assert room == {**room, **fields}
    assert updated.json() == {**room, "title": "T", "isPublic": False}
    assert [each.json()["message"] for each in refused] == [
        "description is required for a public room",
        "isLocked must be true or false",
        "title is required and must not be empty",
        "description must be a string",
    ]


async def test_a_locked_room(api: Api) -> None:
    """Only the moderators of a locked room change it and its members; its creator is one."""
    room = await created(api, "/rooms", title="Plans", isLocked=True)
    ann = await created(api, "/memberships", roomId=room["id"], personEmail="ann@example.com")
    (bot, _) = await items(api, "/memberships", roomId=room["id"])
    path, new = f"/rooms/{room['id']}", {"roomId": room["id"], "personEmail": "bob@example.com"}

    async def by_ann() -> list[int]:
        responses = [
            await api.put(path, json={"title": "Ideas"}, headers=ANN),
            await api.post("/memberships", json=new, headers=ANN),
            await api.delete(f"/memberships/{bot['id']}", headers=ANN),
            await api.delete(path, headers=ANN),
        ]
        return [each.status_code for each in responses]

    before = await by_ann()
    moderator = {"isModerator": True, "isRoomHidden": False}
    await api.put(f"/memberships/{ann['id']}", json=moderator)

    assert bot["isModerator"] is True
    assert before == [403] * 4
    assert await by_ann() == [200, 200, 204, 204]


async def test_who_locks_a_room(api: Api, webex_sandbox: Sandbox) -> None:
    """Who locks a room moderates it from then on, which is notified; others don't."""
    room = await created(api, "/rooms", title="Plans")
    await created(api, "/memberships", roomId=room["id"], personEmail="ann@example.com")
    notified = await notifications_of(webex_sandbox, api, "all")
    path = f"/rooms/{room['id']}"

    locked = [
        await api.put(path, json={"title": "Plans", "isLocked": True}, headers=ANN),
        await api.put(path, json={"title": "Ideas", "isLocked": True}, headers=ANN),
        await api.put(path, json={"title": "Mine"}),
    ]

    assert [each.status_code for each in locked] == [200, 200, 403]
    members = await items(api, "/memberships", roomId=room["id"])
    assert [each["isModerator"] for each in members] == [False, True]
    assert kinds(notified) == ["rooms updated", "memberships updated", "rooms updated"]


async def test_delete(api: Api, webex_sandbox: Sandbox) -> None:
    """A group room, but no direct one, is deleted with its messages; all members are notified."""
    room = await created(api, "/rooms", title="Plans")
    await created(api, "/memberships", roomId=room["id"], personEmail="ann@example.com")
    members = await items(api, "/memberships", roomId=room["id"])
    message = await created(api, "/messages", roomId=room["id"], text="Hello")
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    (direct,) = await items(api, "/rooms", ANN, type="direct")
    await notifications_of(webex_sandbox, api, "all")
    notified = await notifications_of(webex_sandbox, api, "all", headers=ANN)

    deleted = await api.delete(f"/rooms/{room['id']}")
    refused = await api.delete(f"/rooms/{direct['id']}", headers=ANN)

    assert (deleted.status_code, refused.status_code) == (204, 400)
    for path in (f"/rooms/{room['id']}", f"/messages/{message['id']}"):
        assert (await api.get(path)).status_code == 404
    assert [each["roomId"] for each in await items(api, "/memberships")] == [direct["id"]]
    assert kinds(notified) == ["memberships deleted"] * 4
    assert [each["data"]["id"] for each in notified[::2]] == [each["id"] for each in members]
    assert {each["actorId"] for each in notified} == {webex_sandbox.bot.id}
