"""Something that happened in the simulated Webex: its notification, and realistic data for it.

Facts: https://developer.webex.com/docs/api/guides/webhooks. Cisco's guide on access to meeting
resources has one notification of a meeting, of 2021. Notifications of recordings, transcripts and
participants aren't documented; their data here is that of the REST resource.
"""

import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, frozen

from webex_webhooks_async.models.messages import MESSAGE_CONTENT
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.testing.service.formats import (
    name_in,
    timestamp,
    timestamp_of_meeting,
    to_base64,
    webex_id,
    without_nones,
)
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson, fake_name

_CALL_STATES: dict[str, tuple[str, str]] = {
    Event.CREATED: ("alerting", "received"),
    Event.DELETED: ("disconnected", "disconnected"),
}
_WITHOUT_ACTOR = frozenset(
    {Resource.CONTROL_HUB_ALERTS, Resource.MEETINGS, Resource.VIDEO_MESH_ALERTS}
)

INPUTS = "inputs"
"""What a notification of an attachment action never contains."""

_SITE = "example.webex.com"


@frozen(kw_only=True)
class WebexEvent:
    """Something that happened.

    Filters look at the document: the data, with what a notification never contains.
    """

    resource: str
    event: str
    actor_id: str | None  # an alert or a meeting has none
    data: Mapping[str, Any]  # of the notification, by the keys on the wire
    audience: frozenset[str] | None = None  # the ids of whose webhooks are notified; None for all
    document: Mapping[str, Any] = Factory(lambda self: self.data, takes_self=True)

    def notification_for(self, webhook: Webhook) -> dict[str, Any]:
        """The notification that a webhook gets, by the keys on the wire."""
        of_webhook: dict[str, Any] = unstructure(webhook)
        of_webhook.pop("secret", None)
        return without_nones(
            {
                **of_webhook,
                "resource": self.resource,
                "event": self.event,
                "actorId": self.actor_id,
                "data": self.data,
            }
        )


def actor_of(resource: str, actor_id: str | None, subject: SandboxPerson) -> str | None:
    """Return the given actor, or the person that the data is about, if there is an actor."""
    return actor_id or (None if resource in _WITHOUT_ACTOR else subject.id)


def check_concrete(resource: str, event: str) -> None:
    """Refuse ``all``."""
    if Resource.ALL in {resource, event}:
        raise ValueError(
            "a notification is of a concrete resource and event, such as messages created; got "
            f"{resource} {event}"
        )


def fake_data(  # noqa: C901 - one case for each resource
    resource: str, event: str, given: Mapping[str, Any], *, subject: SandboxPerson, now: datetime
) -> dict[str, Any]:
    """Sample data, distinct each time.

    For a resource whose data isn't documented, it is the id that `given` lacks altogether.
    """
    data: dict[str, Any]
    match resource:
        case Resource.MESSAGES:
            data = {
                "id": webex_id("MESSAGE"),
                "roomId": webex_id("ROOM"),
                "roomType": "group",
                "personId": subject.id,
                "personEmail": subject.emails[0],
                "created": timestamp(now),
            }
        case Resource.ATTACHMENT_ACTIONS:
            data = {
                "id": webex_id("ATTACHMENT_ACTION"),
                "type": "submit",
                "messageId": webex_id("MESSAGE"),
                "personId": subject.id,
                "roomId": webex_id("ROOM"),
                "created": timestamp(now),
            }
        case Resource.MEMBERSHIPS:
            room_id = str(given.get("roomId") or webex_id("ROOM"))
            names = (name_in(each) or each for each in (subject.id, room_id))
            data = {
                "id": webex_id("MEMBERSHIP", ":".join(names)),
                "roomId": room_id,
                "roomType": "group",
                "personId": subject.id,
                "personEmail": subject.emails[0],
                "personDisplayName": subject.display_name,
                "personOrgId": subject.org_id,
                "isModerator": False,
                "isMonitor": False,
                "isRoomHidden": False,
                "created": timestamp(now),
            }
        case Resource.ROOMS:
            data = {
                "id": webex_id("ROOM"),
                "title": f"Project {secrets.token_hex(2)}",
                "type": "group",
                "isLocked": False,
                "lastActivity": timestamp(now),
                "creatorId": subject.id,
                "created": timestamp(now),
            }
        case Resource.TELEPHONY_CALLS:
            state, what_happened = _CALL_STATES.get(event, ("connected", "answered"))
            data = {
                "callId": webex_id("CALL", f"callhalf-{secrets.randbelow(10**9)}:0"),
                "callSessionId": to_base64(str(uuid.uuid4())),
                "personality": "terminator",
                "state": state,
                "eventType": what_happened,
                "eventTimestamp": timestamp(now),
                "created": timestamp(now - timedelta(seconds=20)),
                "remoteParty": {
                    "name": fake_name(),
                    "number": f"+1555{secrets.randbelow(10**7):07}",
                    "privacyEnabled": False,
                    "callType": "external",
                },
                "muteCapable": False,
                "muted": False,
                "completedElsewhere": False,
                **(
                    {"disconnected": timestamp(now)}
                    if event == Event.DELETED
                    else {"appearance": 1}
                ),
            }
        case Resource.SERVICE_APP:
            data = {
                "id": webex_id("APPLICATION"),
                "authorizerOrgId": subject.org_id,
                "authorizationDate": timestamp(now),
            }
        case Resource.MEETINGS:
            state = {"started": "inProgress", "ended": "ended"}.get(event, "scheduled")
            series = secrets.token_hex(16)
            data = {
                "id": series if state == "scheduled" else _instance_of(series),
                "meetingType": "scheduledMeeting" if state == "scheduled" else "meeting",
                "timezone": "UTC",
                "start": timestamp_of_meeting(now),
                "end": timestamp_of_meeting(now + timedelta(hours=1)),
                "hostUserId": subject.id,
                "state": state,
                "hostEmail": subject.emails[0],
                "siteUrl": _SITE,
                "orgId": name_in(subject.org_id) or subject.org_id,
            }
        case Resource.MEETING_PARTICIPANTS:
            left = event == Event.LEFT
            data = {
                "id": secrets.token_hex(16),
                "meetingId": _instance_of(secrets.token_hex(16)),
                "state": "end" if left else "joined",
                "host": False,
                "coHost": False,
                "email": subject.emails[0],
                "displayName": subject.display_name,
                "invitee": True,
                "joinedTime": timestamp_of_meeting(now - timedelta(minutes=30)),
                **({"leftTime": timestamp_of_meeting(now)} if left else {}),
                "hostEmail": "host@example.com",
                "siteUrl": _SITE,
            }
        case Resource.RECORDINGS:
            series, began = secrets.token_hex(16), now - timedelta(hours=1)
            data = {
                "id": secrets.token_hex(16),
                "meetingId": _instance_of(series),
                "scheduledMeetingId": f"{series}_{began:%Y%m%dT%H%M%SZ}",
                "meetingSeriesId": series,
                "topic": "Weekly sync",
                "createTime": timestamp_of_meeting(now),
                "timeRecorded": timestamp_of_meeting(began),
                "hostEmail": subject.emails[0],
                "hostUserId": subject.id,
                "siteUrl": _SITE,
                "format": "MP4",
                "durationSeconds": 3600,
                "sizeBytes": 248_023_188,
                "serviceType": "MeetingCenter",
                "status": "available",
            }
        case Resource.MEETING_TRANSCRIPTS:
            series = secrets.token_hex(16)
            data = {
                "id": f"{uuid.uuid4()}_M_{series}",
                "meetingId": _instance_of(series),
                "meetingTopic": "Weekly sync",
                "siteUrl": _SITE,
                "startTime": timestamp_of_meeting(now),
                "hostUserId": subject.id,
                "hostEmail": subject.emails[0],
                "status": "available",
            }
        case _:
            data = {} if given else {"id": webex_id(resource.upper())}
    return data


def content(resource: str, subject: SandboxPerson) -> dict[str, Any]:
    """The stored fields of a resource that no notification has, with their defaults, or None."""
    match resource:
        case Resource.MESSAGES:
            return {**dict.fromkeys(MESSAGE_CONTENT), "text": "A sample message"}
        case Resource.ATTACHMENT_ACTIONS:
            return {INPUTS: {}}
        case Resource.ROOMS:  # of which no notification was seen
            return {"ownerId": subject.org_id, "isPublic": False, "isReadOnly": False}
        case Resource.MEETINGS:
            return {
                **dict.fromkeys(("agenda", "password", "scheduledType", "sipAddress", "webLink")),
                "title": "Weekly sync",
                "meetingNumber": f"{secrets.randbelow(10**11):011}",
                "hostDisplayName": subject.display_name,
            }
        case Resource.RECORDINGS:
            return {
                "downloadUrl": f"https://{_SITE}/example/lsr.php?RCID={secrets.token_hex(16)}",
                "playbackUrl": f"https://{_SITE}/example/ldr.php?RCID={secrets.token_hex(16)}",
                "password": secrets.token_urlsafe(6),
                "shareToMe": False,
            }
        case _:
            return {}


def _instance_of(series: str) -> str:
    return f"{series}_I_{secrets.randbelow(10**18)}"
