from typing import Any

import pytest

from tests.testing.doubles import ANN, BOB, NEW, Api, created, items, notifications_of
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.service.state import PATHS

pytestmark = pytest.mark.once

KEPT = [
    (resource, event)
    for resource in PATHS
    for event in sorted(CATALOG[resource].events - {"deleted"})
]


async def data_of(
    webex_sandbox: Sandbox, resource: str, event: str, data: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Emit an event that the bot watches for, and return the notification's data."""
    async with webex_sandbox.http_client() as api:
        notified = await notifications_of(webex_sandbox, api, resource, event)
    await webex_sandbox.emit(resource, event, data=data)
    return dict(notified[-1]["data"])


@pytest.mark.parametrize(("resource", "event"), KEPT)
async def test_what_is_emitted_exists(
    webex_sandbox: Sandbox, api: Api, resource: str, event: str
) -> None:
    """GET by id finds what was emitted, with at least what the notification says."""
    data = await data_of(webex_sandbox, resource, event)

    read = await api.get(f"/{PATHS[resource]}/{data.get('callId') or data['id']}")

    assert read.status_code == 200
    assert read.json() == {**read.json(), **data}


@pytest.mark.parametrize("resource", [each for each in PATHS if "deleted" in CATALOG[each].events])
async def test_what_is_deleted_is_gone(webex_sandbox: Sandbox, api: Api, resource: str) -> None:
    """After a deletion was emitted, what it is about is not found."""
    data = await data_of(webex_sandbox, resource, "created")
    key = "callId" if resource == Resource.TELEPHONY_CALLS else "id"

    deleted = await data_of(webex_sandbox, resource, "deleted", {key: data[key]})

    assert deleted[key] == data[key]
    for unknown in (data[key], "nope"):
        assert (await api.get(f"/{PATHS[resource]}/{unknown}")).status_code == 404
    assert await data_of(webex_sandbox, resource, "deleted")  # of something that never was


@pytest.mark.parametrize("resource", ["messages", "attachmentActions", "memberships", "rooms"])
async def test_the_room_exists(webex_sandbox: Sandbox, api: Api, resource: str) -> None:
    """The room of what is emitted can be read and written into by the bot."""
    data = await data_of(webex_sandbox, resource, "created")
    room = data["id"] if resource == "rooms" else data["roomId"]

    assert (await api.get(f"/rooms/{room}")).json()["type"] == "group"
    await created(api, "/messages", roomId=room, text="Hello")


@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_the_room_that_is_named(webex_sandbox: Sandbox, api: Api, kind: str) -> None:
    """A room that an event names is created with the id and the type that it has there."""
    given = {"roomId": "R1", "roomType": kind, "personEmail": "ann@example.com"}

    data = await data_of(webex_sandbox, "messages", "created", given)

    assert (await api.get("/rooms/R1")).json()["type"] == kind
    await created(api, "/messages", roomId="R1", text="Hello")
    listed = await items(api, "/messages", ANN, roomId="R1")
    assert [each["text"] for each in listed] == ["Hello", "A sample message"]
    assert listed[1]["id"] == data["id"]


async def test_a_direct_message(webex_sandbox: Sandbox, api: Api) -> None:
    """A direct message that names no room is in the person's own, and so is one of the bot."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    anns = {"roomType": "direct", "personEmail": "ann@example.com"}
    bots = {"roomType": "direct", "personId": webex_sandbox.bot.id}

    data, own = [
        await data_of(webex_sandbox, "messages", "created", given) for given in (anns, bots)
    ]

    said = webex_sandbox.messages[0]
    members = [data[key] for key in ("roomId", "personId", "roomType")]
    assert members == [said.room_id, said.person_id, said.room_type]
    assert (await api.get(f"/rooms/{own['roomId']}")).json()["type"] == "direct"


async def test_a_room_that_exists(webex_sandbox: Sandbox, api: Api) -> None:
    """An event in a room that exists has its type, and a direct room keeps its members."""
    message = await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    direct = {"id": message["roomId"]}
    group = await created(api, "/rooms", title="Plans")

    kinds = [
        (await data_of(webex_sandbox, "messages", "created", {"roomId": room["id"]}))["roomType"]
        for room in (direct, group)
    ]

    assert kinds == ["direct", "group"]
    members = [len(await items(api, "/memberships", roomId=room["id"])) for room in (direct, group)]
    assert members == [2, 2]


async def test_the_bot_in_a_room(webex_sandbox: Sandbox, api: Api) -> None:
    """A membership that is emitted is the only one of its person in the room."""
    for person in (webex_sandbox.bot.id, "P1"):
        given = {"personId": person, "roomId": "R1"}
        await data_of(webex_sandbox, "memberships", "created", given)

    listed = await items(api, "/memberships", roomId="R1")
    assert [each["personId"] for each in listed] == [webex_sandbox.bot.id, "P1"]


async def test_content_is_stored_alone(webex_sandbox: Sandbox, api: Api) -> None:
    """Text and inputs are fetched; no notification contains them. A text of None is left out."""
    message = await data_of(webex_sandbox, "messages", "created", {"text": "Hello"})
    given = {"inputs": {"color": "red"}}
    action = await data_of(webex_sandbox, "attachmentActions", "created", given)

    assert ("text" in message, "inputs" in action) == (False, False)
    read = (await api.get(f"/attachment/actions/{action['id']}")).json()
    assert read["inputs"] == {"color": "red"}
    for which, text in ((message["id"], None), ("M", None), ("M", "Hello"), ("M", None)):
        await webex_sandbox.emit("messages", "created", data={"id": which, "text": text})
        assert (await api.get(f"/messages/{which}")).json().get("text") == text


async def test_more_of_what_exists(webex_sandbox: Sandbox, api: Api) -> None:
    """An event about a stored object has its members, and changes those that it names."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    (message,) = webex_sandbox.messages
    said = (await api.get(f"/messages/{message.id}")).json()

    data = await data_of(webex_sandbox, "messages", "created", {"id": message.id, "new": 1})

    assert data == {**{key: value for key, value in said.items() if key != "text"}, "new": 1}
    assert (await api.get(f"/messages/{message.id}")).json() == {**said, "new": 1}
    assert len(webex_sandbox.messages) == 1


@pytest.mark.parametrize(
    "data",
    [
        {"personId": 5, "roomId": []},
        {"personId": None, "roomId": None, "id": None},
        {"id": 7, "personEmail": {}, "created": 1},
        {"roomType": 1, "personId": ""},
    ],
)
@pytest.mark.parametrize("resource", ["messages", "memberships", "attachmentActions"])
async def test_data_that_does_not_fit(
    webex_sandbox: Sandbox, api: Api, resource: str, data: dict[str, Any]
) -> None:
    """A value of a wrong type is sent as it is, and isn't stored."""
    sent = await data_of(webex_sandbox, resource, "created", data)

    assert sent == {**sent, **{key: value for key, value in data.items() if value is not None}}
    assert {key for key, value in data.items() if value is None}.isdisjoint(sent)
    room = (await items(api, "/rooms", type="group"))[-1]
    for path in ("/rooms", "/memberships", f"/memberships?roomId={room['id']}"):
        assert (await api.get(path)).status_code == 200


async def test_people_exist(webex_sandbox: Sandbox, api: Api) -> None:
    """Who is named by an event exists from then on; an address of someone else stays theirs."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    given = {"personId": "P1", "personEmail": "ann@example.com"}
    data = await data_of(webex_sandbox, "messages", "created", given)
    await webex_sandbox.emit("meetings", "started", actor_id="P2")

    for person_id in ("P1", "P2"):
        assert (await api.get(f"/people/{person_id}")).json()["id"] == person_id
    assert (data["personId"], data["personEmail"]) == ("P1", "ann@example.com")
    assert webex_sandbox.messages[0].person_id != "P1"


async def test_data_of_an_unknown_resource(webex_sandbox: Sandbox, api: Api) -> None:
    """Without a sample, what is given or an id is all the data; only what has a path is stored."""
    given = {"color": "red"}

    assert await data_of(webex_sandbox, "whiteboards", "moved", given) == given
    assert (await data_of(webex_sandbox, "whiteboards", "moved")).keys() == {"id"}
    await webex_sandbox.emit("videoMeshAlerts", "triggered")
    assert await items(api, "/rooms") == []
    recording = await data_of(webex_sandbox, "convergedRecordings", "created", given)
    assert recording == {"id": recording["id"], **given}
    assert (await api.get(f"/convergedRecordings/{recording['id']}")).json() == recording
    with pytest.raises(ValueError, match="concrete"):
        await webex_sandbox.emit("messages", "all")


@pytest.mark.parametrize(
    ("resource", "data", "actor_id", "actor"),
    [
        ("messages", {"personId": "P"}, None, "P"),
        ("rooms", {"creatorId": "P"}, None, "P"),
        ("messages", {}, "P", "P"),
        ("videoMeshAlerts", {}, None, None),
        ("videoMeshAlerts", {}, "P", "P"),
    ],
)
async def test_who_acts(
    webex_sandbox: Sandbox,
    resource: str,
    data: dict[str, str],
    actor_id: str | None,
    actor: str | None,
) -> None:
    """Who is given acts, or else the person whom the data names; an alert has no actor."""
    async with webex_sandbox.http_client() as api:
        notified = await notifications_of(webex_sandbox, api, resource, ownedBy="org")

    await webex_sandbox.emit(resource, "created", data=data, actor_id=actor_id)

    assert notified[0].get("actorId") == actor
    assert notified[0]["data"].get("personId", actor) == actor


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ("meetings", "hostUserId"),
        ("recordings", "hostUserId"),
        ("meetingTranscripts", "hostUserId"),
        ("telephony_calls", "personId"),
        ("meetingParticipants", "hostUserId"),
    ],
)
async def test_whose_webhooks_are_notified(resource: str, key: str) -> None:
    """What belongs to one person is notified to that person's webhooks, and the organization's."""
    sandbox = Sandbox()
    event = "joined" if resource == "meetingParticipants" else "created"
    async with sandbox.http_client() as api:
        for headers, owned_by in ((ANN, "creator"), (BOB, "creator"), (BOB, "org")):
            fields = {"resource": resource, "event": event, "ownedBy": owned_by}
            await created(api, "/webhooks", headers, **{**NEW, **fields})
        ann = (await api.get("/people/me", headers=ANN)).json()["id"]
    numbers = {each.id: number for number, each in enumerate(sandbox.webhooks)}

    async def notified(data: dict[str, Any] | None = None, **options: str) -> list[int]:
        deliveries = await sandbox.emit(resource, event, data=data, **options)
        return [numbers[each.webhook.id] for each in deliveries]

    has_owner = resource != "meetingParticipants"
    assert await notified(owner="bob@example.com") == [1, 2]
    assert await notified({"id": "X1", "callId": "X1", key: ann}) == (
        [0, 2] if has_owner else [0, 1, 2]
    )
    # One who is only in the data, however often, is nobody's owner.
    for _ in range(2):
        assert await notified({"id": "X2", "callId": "X2", key: "P9"}) == [0, 1, 2]
    assert await notified() == [0, 1, 2]
    with pytest.raises(ValueError, match="'nobody'"):
        await notified(owner="nobody")
