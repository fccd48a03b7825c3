"""What a notification is about, fetched by the path in the catalog."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from attrs import frozen

from tests.support.clients import client_on
from tests.support.wire import http_response
from webex_webhooks_async import (
    AttachmentAction,
    AttachmentActionData,
    Client,
    Message,
    MessageData,
    Notification,
    RoomData,
    TelephonyCallData,
)

MESSAGE: dict[str, Any] = {
    "id": "a/b",
    "roomId": "R1",
    "roomType": "group",
    "personId": "P1",
    "personEmail": "ann@example.com",
    "text": "Bot, hello",
    "markdown": "Bot, **hello**",
    "html": "<p>Bot, <strong>hello</strong></p>",
    "files": ["https://webexapis.com/v1/contents/C1"],
    "parentId": "M0",
    "mentionedPeople": ["P2"],
    "mentionedGroups": ["all"],
    "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {}}],
    "created": "2022-04-07T09:17:23.164Z",
    "updated": "2022-04-07T09:18:23.164Z",
    "isVoiceClip": False,
    "newField": 1,
}
MESSAGE_DATA = MessageData(id="a/b", room_id="R1", person_id="P1", person_email="ann@example.com")
ACTION_DATA = AttachmentActionData(id="A1", message_id="M1", person_id="P1", room_id="R1")


@frozen(kw_only=True)
class Title:
    """A class of a user's own."""

    title: str


def about(resource: str, data: object) -> Notification[Any]:
    """A notification with these data."""
    return Notification(id="W1", name="bot", resource=resource, event="created", data=data)


@pytest.mark.parametrize("data", [MESSAGE_DATA, {"id": "a/b"}], ids=["class", "mapping"])
async def test_a_message_is_fetched_whole(data: object) -> None:
    """Every documented field has its type, and another one is kept, also if the data didn't fit."""
    async with client_on(http_response(200, MESSAGE)) as (wire, client):
        message = await client.fetch(about("messages", data))

    (request,) = wire.requests
    assert (request.method, request.target) == ("GET", "/v1/messages/a%2Fb")
    assert message == Message(
        id="a/b",
        room_id="R1",
        room_type="group",
        person_id="P1",
        person_email="ann@example.com",
        text="Bot, hello",
        markdown="Bot, **hello**",
        html="<p>Bot, <strong>hello</strong></p>",
        files=("https://webexapis.com/v1/contents/C1",),
        parent_id="M0",
        mentioned_people=("P2",),
        mentioned_groups=("all",),
        attachments=({"contentType": "application/vnd.microsoft.card.adaptive", "content": {}},),
        created=datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC),
        updated=datetime(2022, 4, 7, 9, 18, 23, 164000, tzinfo=UTC),
        is_voice_clip=False,
        extra={"newField": 1},
    )


async def test_a_card_is_fetched_with_its_inputs() -> None:
    """What someone submitted is there by the ids of the inputs."""
    document = {
        "id": "A1",
        "type": "submit",
        "messageId": "M1",
        "personId": "P1",
        "roomId": "R1",
        "inputs": {"name": "Ann", "agreed": "true"},
        "created": "2022-04-07T09:17:23.164Z",
    }
    async with client_on(http_response(200, document)) as (wire, client):
        action = await client.fetch(about("attachmentActions", ACTION_DATA))

    assert wire.targets == ["/v1/attachment/actions/A1"]
    assert action == AttachmentAction(
        id="A1",
        type="submit",
        message_id="M1",
        person_id="P1",
        room_id="R1",
        inputs={"name": "Ann", "agreed": "true"},
        created=datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("resource", "data", "target"),
    [
        ("memberships", {"id": "X1"}, "/v1/memberships/X1"),
        ("rooms", RoomData(id="X1"), "/v1/rooms/X1"),
        ("meetings", {"id": "X1"}, "/v1/meetings/X1"),
        ("meetingParticipants", {"id": "X1"}, "/v1/meetingParticipants/X1"),
        ("recordings", {"id": "X1"}, "/v1/recordings/X1"),
        ("convergedRecordings", {"id": "X1"}, "/v1/convergedRecordings/X1"),
        ("telephony_calls", TelephonyCallData(call_id="X1"), "/v1/telephony/calls/X1"),
        ("telephony_calls", {"id": "no", "callId": "X1"}, "/v1/telephony/calls/X1"),
    ],
)
async def test_other_resources_are_parsed_json(resource: str, data: object, target: str) -> None:
    """They are read by the id in the data, also where the data are the plain mapping."""
    async with client_on(http_response(200, {"title": "Lobby"})) as (wire, client):
        found = await client.fetch(about(resource, data))
        title = await client.fetch(about(resource, data), into=Title)

    assert (found, title) == ({"title": "Lobby"}, Title(title="Lobby"))
    assert wire.targets == [target, target]


@pytest.mark.parametrize(
    ("resource", "data", "message"),
    [
        *(
            (each, {"id": "X1"}, f"a GET by id for {each};.*client.get")
            for each in ("meetingTranscripts", "uc_counters", "all", "holograms")
        ),
        *(
            ("messages", each, "this messages notification have no id; ")
            for each in ({}, {"id": 5}, {"id": ""}, None)
        ),
        ("telephony_calls", {"id": "X1"}, "this telephony_calls notification have no callId; "),
    ],
)
async def test_what_has_no_path_or_id_is_refused(
    resource: str, data: Mapping[str, Any] | None, message: str
) -> None:
    """The error says what to do instead, or names what is missing, and nothing is sent."""
    async with client_on() as (wire, client):
        with pytest.raises(ValueError, match=message):
            await client.fetch(about(resource, data))

    assert wire.connections == 0


async def test_only_a_notification_is_fetched() -> None:
    """Its data, say, don't say what they are about."""
    async with Client("t") as client:
        with pytest.raises(TypeError, match="notification must be Notification, got MessageData"):
            await client.fetch(cast("Notification[Any]", MESSAGE_DATA))
