"""Something that happened in the simulated Webex: its notification, and realistic data for it.

Facts: https://developer.webex.com/docs/api/guides/webhooks. Notifications of meetings, recordings
and transcripts aren't documented; their data here is that of the REST resource.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.service.formats import timestamp, webex_id, without_nones
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson, fake_name

_CALL_STATES: dict[str, tuple[str, str]] = {
    Event.CREATED: ("alerting", "received"),
    Event.DELETED: ("disconnected", "disconnected"),
}
_ALERTS = frozenset({Resource.CONTROL_HUB_ALERTS, Resource.VIDEO_MESH_ALERTS})


@frozen(kw_only=True)
class WebexEvent:
    """Something that happened.

    Attributes:
        resource: What it happened to: a concrete resource.
        event: What happened: a concrete event.
        actor_id: Who did it; None for an alert, which has no actor.
        data: The notification's data, by the keys on the wire.
        audience: The ids of the persons whose webhooks are notified; None for everyone's.
    """

    resource: str
    event: str
    actor_id: str | None
    data: Mapping[str, Any]
    audience: frozenset[str] | None = None

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
    """Who acts: the given actor, or the person that the data is about; an alert has no actor."""
    return actor_id or (None if resource in _ALERTS else subject.id)


def check_concrete(resource: str, event: str) -> None:
    """Refuse ``all``.

    Raises:
        ValueError: The resource or the event is ``all``.
    """
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
                "personEmail": subject.email,
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
            data = {
                "id": webex_id("MEMBERSHIP"),
                "roomId": webex_id("ROOM"),
                "roomType": "group",
                "personId": subject.id,
                "personEmail": subject.email,
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
                "creatorId": subject.id,
                "lastActivity": timestamp(now),
                "created": timestamp(now),
            }
        case Resource.TELEPHONY_CALLS:
            state, what_happened = _CALL_STATES.get(event, ("connected", "answered"))
            data = {
                "callId": webex_id("CALL"),
                "callSessionId": webex_id("CALL_SESSION"),
                "personality": "terminator",
                "state": state,
                "appearance": 1,
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
            }
        case Resource.SERVICE_APP:
            data = {
                "id": webex_id("APPLICATION"),
                "authorizerOrgId": subject.org_id,
                "authorizationDate": timestamp(now),
            }
        case Resource.MEETINGS:
            state = {"started": "inProgress", "ended": "ended"}.get(event, "scheduled")
            data = {
                "id": secrets.token_hex(16),
                "meetingNumber": f"{secrets.randbelow(10**11):011}",
                "title": "Weekly sync",
                "meetingType": "scheduledMeeting" if state == "scheduled" else "meeting",
                "state": state,
                "timezone": "UTC",
                "start": timestamp(now),
                "end": timestamp(now + timedelta(hours=1)),
                "hostUserId": subject.id,
                "hostDisplayName": subject.display_name,
                "hostEmail": subject.email,
                "siteUrl": "example.webex.com",
            }
        case Resource.MEETING_PARTICIPANTS:
            left = event == Event.LEFT
            data = {
                "id": secrets.token_hex(16),
                "meetingId": secrets.token_hex(16),
                "state": "end" if left else "joined",
                "host": False,
                "coHost": False,
                "email": subject.email,
                "displayName": subject.display_name,
                "invitee": True,
                "joinedTime": timestamp(now - timedelta(minutes=30)),
                **({"leftTime": timestamp(now)} if left else {}),
                "hostEmail": "host@example.com",
                "siteUrl": "example.webex.com",
            }
        case Resource.RECORDINGS:
            data = {
                "id": secrets.token_hex(16),
                "meetingId": secrets.token_hex(16),
                "topic": "Weekly sync",
                "createTime": timestamp(now),
                "timeRecorded": timestamp(now - timedelta(hours=1)),
                "hostEmail": subject.email,
                "hostUserId": subject.id,
                "siteUrl": "example.webex.com",
                "format": "MP4",
                "durationSeconds": 3600,
                "sizeBytes": 248_023_188,
                "serviceType": "MeetingCenter",
                "status": "available",
            }
        case Resource.MEETING_TRANSCRIPTS:
            data = {
                "id": secrets.token_hex(16),
                "meetingId": secrets.token_hex(16),
                "meetingTopic": "Weekly sync",
                "siteUrl": "example.webex.com",
                "startTime": timestamp(now),
                "hostUserId": subject.id,
                "hostEmail": subject.email,
                "status": "available",
            }
        case _:
            data = {} if given else {"id": webex_id(resource.upper())}
    return data
