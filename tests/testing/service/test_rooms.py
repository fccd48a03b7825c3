import httpx
import pytest

from tests.testing.doubles import ANN, BOB, created, items, noting
from webex_webhooks_async.testing import Sandbox


async def test_a_direct_room_each(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """Everyone has a direct room with the bot, named after the other person."""
    ann, bob = [await items(api, "/rooms", who) for who in (ANN, BOB)]
    bots = await items(api, "/rooms")

    assert [each["title"] for each in (*ann, *bob)] == [webex_sandbox.bot.display_name] * 2
    assert [each["title"] for each in bots] == ["Ann", "Bob"]
    assert [each["id"] for each in bots] == [each["id"] for each in (*ann, *bob)]
    assert {each["type"] for each in bots} == {"direct"}


async def test_create(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A new room is a group room that only its creator is in."""
    room = await created(api, "/rooms", title="Plans")

    assert (room["title"], room["type"], room["isLocked"]) == ("Plans", "group", False)
    assert room["creatorId"] == webex_sandbox.bot.id
    assert (await api.get(f"/rooms/{room['id']}")).json() == room
    assert (await api.get(f"/rooms/{room['id']}", headers=ANN)).status_code == 404


async def test_a_room_needs_a_title(api: httpx.AsyncClient) -> None:
    """A room without a title is refused."""
    assert (await api.post("/rooms", json={})).status_code == 400


async def test_update(api: httpx.AsyncClient) -> None:
    """The title of a group room can be changed, of a direct room it can't."""
    room = await created(api, "/rooms", title="Plans")
    (direct,) = await items(api, "/rooms", ANN)

    updated = await api.put(f"/rooms/{room['id']}", json={"title": "Ideas"})
    refused = await api.put(f"/rooms/{direct['id']}", json={"title": "Ideas"})

    assert (updated.json(), refused.status_code) == ({**room, "title": "Ideas"}, 400)
    assert (await api.get(f"/rooms/{room['id']}")).json() == updated.json()


async def test_list_by_type(api: httpx.AsyncClient) -> None:
    """A list may be of one type of room."""
    await created(api, "/rooms", title="Plans")
    await api.get("/people/me", headers=ANN)

    kinds = [
        [each["type"] for each in await items(api, "/rooms", **query)]
        for query in ({}, {"type": "group"}, {"type": "direct"})
    ]

    assert kinds == [["group", "direct"], ["group"], ["direct"]]


async def test_pages(api: httpx.AsyncClient) -> None:
    """A list comes in pages, whose links keep the rest of the query."""
    for title in "ABC":
        await created(api, "/rooms", title=title)

    first = await api.get("/rooms", params={"max": "2", "type": "group"})
    second = await api.get(first.links["next"]["url"])

    titles = [[each["title"] for each in page.json()["items"]] for page in (first, second)]
    assert titles == [["A", "B"], ["C"]]
    assert "type=group" in first.links["next"]["url"]
    assert "next" not in second.links


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_unknown_rooms(api: httpx.AsyncClient, method: str) -> None:
    """A room that doesn't exist is not found, with an error that names the id."""
    response = await api.request(method, "/rooms/nope", json={"title": "T"})

    assert response.status_code == 404
    assert response.json()["message"] == "no room of yours has the id 'nope'"


async def test_webhooks_are_notified(webex_sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """The creation of a room notifies of the room and of its first member; so does a new title."""
    notified: list[tuple[str, str]] = []
    webex_sandbox.deliver_to(noting(notified))
    fields = {"name": "n", "targetUrl": "https://bot.example.com/", "resource": "all"}
    await created(api, "/webhooks", **fields, event="all")

    room = await created(api, "/rooms", title="Plans")
    await api.put(f"/rooms/{room['id']}", json={"title": "Ideas"})

    assert notified == [("rooms", "created"), ("memberships", "created"), ("rooms", "updated")]
