"""What the sandbox makes has the members that recorded bodies of Webex have, in their forms."""

import base64
import re
from typing import Any, cast

import pytest

from tests.testing.doubles import (
    ANN,
    CARD,
    Api,
    card_for_ann,
    created,
    group_room,
    items,
    notifications_of,
)
from webex_webhooks_async import File
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
MEETING = "[0-9a-f]{32}"
INSTANCE = rf"{MEETING}_I_\d+"


def clustered(kind: str) -> str:
    """The pattern of an id that names a cluster."""
    return f"=ciscospark://urn:TEAM:us-west-2_r/{kind}/{UUID}"


def plain(kind: str, name: str = UUID) -> str:
    """The pattern of an id that names none."""
    return f"=ciscospark://us/{kind}/{name}"


ENVELOPE: dict[str, Any] = {
    "id": clustered("WEBHOOK"),
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": ".+",
    "event": ".+",
    "orgId": plain("ORGANIZATION"),
    "createdBy": plain("PEOPLE"),
    "appId": plain("APPLICATION", "C[0-9a-f]{64}"),
    "ownedBy": "creator",
    "status": "active",
    "created": MOMENT,
}
MESSAGE: dict[str, Any] = {
    "id": clustered("MESSAGE"),
    "roomId": clustered("ROOM"),
    "roomType": "direct|group",
    "personId": plain("PEOPLE"),
    "personEmail": ".+@.+",
    "created": MOMENT,
}
ROOM: dict[str, Any] = {
    "id": clustered("ROOM"),
    "title": ".+",
    "type": "direct|group",
    "isLocked": False,
    "lastActivity": MOMENT,
    "creatorId": plain("PEOPLE"),
    "created": MOMENT,
    "ownerId": plain("ORGANIZATION"),
    "isPublic": False,
    "isReadOnly": False,
}
ACTION: dict[str, Any] = {
    "id": clustered("ATTACHMENT_ACTION"),
    "type": "submit",
    "messageId": clustered("MESSAGE"),
    "personId": plain("PEOPLE"),
    "roomId": clustered("ROOM"),
    "created": MOMENT,
}
MEETING_DATA: dict[str, Any] = {
    "id": INSTANCE,
    "meetingType": "meeting",
    "timezone": "UTC",
    "start": SECOND,
    "end": SECOND,
    "hostUserId": plain("PEOPLE"),
    "state": "ended",
    "hostEmail": ".+@.+",
    "siteUrl": "example.webex.com",
    "orgId": UUID,
}
RECORDING: dict[str, Any] = {
    "id": MEETING,
    "meetingId": INSTANCE,
    "scheduledMeetingId": rf"{MEETING}_\d{{8}}T\d{{6}}Z",
    "meetingSeriesId": MEETING,
    "topic": ".+",
    "createTime": SECOND,
    "siteUrl": "example.webex.com",
    "downloadUrl": r"https://example\.webex\.com/.+",
    "playbackUrl": r"https://example\.webex\.com/.+",
    "password": ".+",
    "format": "MP4",
    "durationSeconds": 3600,
    "sizeBytes": 248_023_188,
    "shareToMe": False,
}
CALL: dict[str, Any] = {
    "callId": plain("CALL", r"callhalf-\d+:0"),
    "created": MOMENT,
    "eventType": "received",
    "callSessionId": f"={UUID}",
    "completedElsewhere": False,
    "personality": "terminator",
    "remoteParty": {
        "name": ".+",
        "privacyEnabled": False,
        "number": r"\+\d+",
        "callType": "external",
    },
    "muteCapable": False,
    "state": "alerting",
    "muted": False,
    "eventTimestamp": MOMENT,
}


def differences(body: Any, form: Any, more: frozenset[str] = frozenset()) -> list[str]:  # noqa: ANN401 - JSON
    """Where a body isn't of a form: patterns, of ids what they decode to, and other values."""
    match form:
        case dict():
            wanted = cast("dict[str, Any]", form)
            there = body.keys() - more
            return [
                *(f"{key} is missing" for key in sorted(wanted.keys() - there)),
                *(f"{key} is too much" for key in sorted(there - wanted.keys())),
                *(
                    f"{key}: {each}"
                    for key in sorted(there & wanted.keys())
                    for each in differences(body[key], wanted[key])
                ),
            ]
        case [of_each]:
            return [difference for each in body for difference in differences(each, of_each)]
        case str():
            text = base64.urlsafe_b64decode(f"{body}==").decode() if form[0] == "=" else body
            return [] if re.fullmatch(form.removeprefix("="), text) else [f"{text} isn't {form}"]
        case _:
            return [] if body == form and type(body) is type(form) else [f"{body} isn't {form}"]


async def test_messages(api: Api, webex_sandbox: Sandbox) -> None:
    """A message of a person, with a mention, a file and a card, and what is notified of each."""
    notified = await notifications_of(webex_sandbox, api, "messages")
    room = await group_room(api)
    mention = await created(
        api, "/messages", ANN, roomId=room, markdown="<@personEmail:sandbox@webex.bot> hello"
    )
    await webex_sandbox.say("A file", person="ann@example.com", files=[File("a.txt", b"a")])
    of_person = webex_sandbox.messages[-1].id
    file = (await api.get(f"/messages/{of_person}")).json()
    bots = {"toPersonEmail": "ann@example.com", "parentId": of_person, "attachments": [CARD]}
    card = await created(api, "/messages", text="A card", **bots)
    form = {"toPersonEmail": "ann@example.com", "text": "A menu"}
    response = await api.post("/messages", data=form, files={"files": ("b.txt", b"b")})

    text, rendered = {"text": ".+"}, {"markdown": ".+", "html": "<p><spark-mention .+</p>"}
    mentioned = {"mentionedPeople": [plain("PEOPLE")]}
    assert differences(mention, {**MESSAGE, **text, **rendered, **mentioned}) == []
    (url,) = file["files"]
    assert differences(file, {**MESSAGE, **text, "files": [".+"], "isVoiceClip": False}) == []
    content = url.removeprefix("https://webexapis.com/v1/contents/")
    of_message = base64.urlsafe_b64decode(f"{of_person}==").decode()
    expected = f"={of_message.replace('MESSAGE', 'CONTENT')}/0"
    assert differences(content, expected) == []
    sent = {"toPersonEmail": "ann@example.com", "parentId": clustered("MESSAGE")}
    unchecked = frozenset({"attachments"})
    assert differences(card, {**MESSAGE, **text, **sent}, unchecked) == []
    assert "isVoiceClip" not in response.json()
    assert [differences(each["data"], MESSAGE, frozenset({"files"})) for each in notified] == [
        ["mentionedPeople is too much"],
        [],
        ["parentId is too much"],
        [],
    ]
    for each in notified:
        members = {**ENVELOPE, "actorId": plain("PEOPLE")}
        assert differences(each, members, frozenset({"data"})) == []


async def test_rooms_and_memberships(api: Api) -> None:
    """A group room, a direct room and a membership, whose id has those of person and room."""
    await group_room(api)
    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    membership, *_ = await items(api, "/memberships")

    assert [differences(each, ROOM) for each in await items(api, "/rooms")] == [[], []]
    form = {
        "id": plain("MEMBERSHIP", f"{UUID}:{UUID}"),
        "roomId": clustered("ROOM"),
        "personId": plain("PEOPLE"),
        "personEmail": ".+@.+",
        "personDisplayName": ".+",
        "personOrgId": plain("ORGANIZATION"),
        "isModerator": False,
        "isMonitor": False,
        "created": MOMENT,
    }
    assert differences(membership, form, frozenset({"roomType", "isRoomHidden"})) == []


async def test_actions_and_webhooks(api: Api, webex_sandbox: Sandbox) -> None:
    """An attachment action, what is notified of it, and the webhook with its secret."""
    notified = await notifications_of(webex_sandbox, api, "attachmentActions", secret="a-secret")
    (webhook,) = await items(api, "/webhooks")
    message = await card_for_ann(api)
    inputs = {"color": "red"}
    action = await created(
        api, "/attachment/actions", ANN, type="submit", messageId=message, inputs=inputs
    )

    assert differences(action, {**ACTION, "inputs": {"color": "red"}}) == []
    assert differences(webhook, {**ENVELOPE, "secret": "a-secret"}) == []
    (notification,) = notified
    of_actor = {"actorId": plain("PEOPLE"), "data": ACTION}
    assert differences(notification, {**ENVELOPE, **of_actor}) == []


async def test_meetings_and_recordings(api: Api, webex_sandbox: Sandbox) -> None:
    """Notified meetings have no title; recordings and transcripts have links to their content."""
    notified = await notifications_of(webex_sandbox, api, "meetings")
    await webex_sandbox.emit("meetings", "ended")
    await webex_sandbox.emit("recordings", "created")
    await webex_sandbox.emit("meetingTranscripts", "created")
    (meeting,) = await items(api, "/meetings")
    (recording,) = await items(api, "/recordings")
    (transcript,) = await items(api, "/meetingTranscripts")

    (notification,) = notified
    assert differences(notification, {**ENVELOPE, "data": MEETING_DATA}) == []
    newer = {"title": ".+", "meetingNumber": r"\d{11}", "hostDisplayName": ".+"}
    assert differences(meeting, {**MEETING_DATA, **newer}) == []
    documented = {"timeRecorded", "hostEmail", "hostUserId", "serviceType", "status"}
    assert differences(recording, RECORDING, frozenset(documented)) == []
    link = rf"https://webexapis.com/v1/meetingTranscripts/.+\?meetingId={INSTANCE}&format="
    form = {
        "id": f"{UUID}_M_{MEETING}",
        "meetingId": INSTANCE,
        "startTime": SECOND,
        "vttDownloadLink": f"{link}vtt",
        "txtDownloadLink": f"{link}txt",
    }
    documented = {"meetingTopic", "siteUrl", "hostUserId", "hostEmail", "status"}
    assert differences(transcript, form, frozenset(documented)) == []
    assert (await api.get(transcript["txtDownloadLink"])).status_code == 200


async def test_calls(api: Api, webex_sandbox: Sandbox) -> None:
    """A call that begins has a line appearance, and one that has ended the time of its end."""
    notified = await notifications_of(webex_sandbox, api, "telephony_calls")
    await webex_sandbox.emit("telephony_calls", "created")
    await webex_sandbox.emit("telephony_calls", "deleted")

    begun, ended = [each["data"] for each in notified]
    assert differences(begun, {**CALL, "appearance": 1}) == []
    over = {"state": "disconnected", "eventType": "disconnected", "disconnected": MOMENT}
    assert differences(ended, {**CALL, **over}) == []


async def test_filters_see_what_is_not_notified(api: Api, webex_sandbox: Sandbox) -> None:
    """A filter of a webhook also looks at what its notification doesn't contain."""
    cards = await notifications_of(
        webex_sandbox, api, "messages", "created", filter="hasAttachments=true"
    )
    await card_for_ann(api)
    await created(api, "/messages", toPersonEmail="ann@example.com", text="No card")
    number = {"meetingNumber": "12345678901"}
    meetings = await notifications_of(
        webex_sandbox, api, "meetings", filter="meetingNumber=12345678901"
    )
    await webex_sandbox.emit("meetings", "started", data=number)
    await webex_sandbox.emit("meetings", "started")

    assert (len(cards), len(meetings)) == (1, 1)
    assert "meetingNumber" not in meetings[0]["data"]
