"""Lists what can be watched: the events, the filter keys and the REST path of each resource.

Facts: https://developer.webex.com/docs/webhook-event-reference and
https://developer.webex.com/docs/api/guides/webhooks
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from webex_webhooks_async.models.vocabulary import Event, Resource


class Watchable(NamedTuple):
    """One resource."""

    events: frozenset[str] = frozenset()  # empty where Webex documents none
    filters: frozenset[str] = frozenset()
    org_filters: frozenset[str] = frozenset()  # those of the filters that need ownedBy=org
    org_only: bool = False  # whether a webhook for it always needs ownedBy=org
    path: str | None = None  # at which one of it is read by id, if that is known
    id_field: str = "id"  # of a notification's data
    interest: str | None = None  # the word to register at `INTERESTS_PATH` before it is notified


FIREHOSE_RESOURCES = frozenset({Resource.MEMBERSHIPS, Resource.MESSAGES, Resource.ROOMS})
"""What ``resource=all`` stands for. Card submissions aren't part of it."""

FIREHOSE_EVENTS = frozenset({Event.CREATED, Event.UPDATED, Event.DELETED})
"""What ``event=all`` stands for, for each of `FIREHOSE_RESOURCES`."""

WITHOUT_FILTER = frozenset({(Resource.ROOMS, Event.MIGRATED)})
"""The pairs that take no filter, though their resource does."""

INTERESTS_PATH = "telephony/webhookInterestRegistrations"
"""Where interests are registered, for 60 days unless the request says otherwise.

Facts: "Webhook Interest Registrations" of webex-cloud-calling.json in
https://github.com/webex/webex-openapi-specs
"""


def _watchable(
    events: str,
    filters: str = "",
    *,
    org_only: bool = False,
    path: str | None = None,
    id_field: str = "id",
) -> Watchable:
    keys = filters.split()
    return Watchable(
        events=frozenset(events.split()),
        filters=frozenset(key.rstrip("*") for key in keys),
        org_filters=frozenset(key.rstrip("*") for key in keys if key.endswith("*")),
        org_only=org_only,
        path=path,
        id_field=id_field,
    )


# The star marks what needs ownedBy=org, as in Webex's own table.
_OF_A_MEETING = "id meetingId scheduledMeetingId meetingSeriesId hostEmail* hostUserId* siteUrl"

CATALOG: Mapping[str, Watchable] = MappingProxyType(
    {
        Resource.ALL: _watchable("created updated deleted"),
        Resource.ADMIN_BATCH_JOBS: _watchable("statusChanged", "jobType"),
        Resource.ATTACHMENT_ACTIONS: _watchable(
            "created", "messageId personId roomId", path="attachment/actions"
        ),
        Resource.CONTROL_HUB_ALERTS: _watchable("created", org_only=True),
        Resource.CONVERGED_RECORDINGS: _watchable(
            "created updated deleted",
            "recordingId ownerId* ownerEmail* ownerType storageRegion serviceType locationId",
            path="convergedRecordings",
        ),
        Resource.DATA_SOURCES: _watchable("created updated deleted", "id schemaId appId orgId"),
        Resource.MEETING_PARTICIPANTS: _watchable(
            "joined left",
            "id meetingId state hostEmail* hostPersonId siteUrl",
            path="meetingParticipants",
        ),
        # A transcript can't be read by id, only listed and downloaded.
        Resource.MEETING_TRANSCRIPTS: _watchable("created", _OF_A_MEETING),
        Resource.MEETINGS: _watchable(
            "created updated deleted started ended",
            "id meetingNumber meetingType state hostEmail* hostUserId* siteUrl",
            path="meetings",
        ),
        Resource.MEMBERSHIPS: _watchable(
            "created updated deleted", "roomId personId personEmail isModerator", path="memberships"
        ),
        Resource.MESSAGES: _watchable(
            "created deleted",
            "roomId roomType personId personEmail mentionedPeople hasFiles hasAttachments",
            path="messages",
        ),
        Resource.RECORDINGS: _watchable(
            "created updated deleted", _OF_A_MEETING, path="recordings"
        ),
        Resource.ROOMS: _watchable("created updated migrated", "type isLocked", path="rooms"),
        Resource.SERVICE_APP: _watchable(
            "authorized deauthorized", "id friendlyName trainSiteNames adminTrainSiteNames"
        ),
        Resource.TELEPHONY_AGENT: Watchable(interest="Agent"),
        Resource.TELEPHONY_AGENT_MONITORING: Watchable(interest="Agent Monitoring"),
        Resource.TELEPHONY_CALLS: _watchable(
            "created updated deleted",
            "personality state number personId callType",
            path="telephony/calls",
            id_field="call_id",
        ),
        Resource.TELEPHONY_CONFERENCE: _watchable("created updated deleted"),
        Resource.TELEPHONY_HOOKSTATUS: Watchable(interest="Hook Status"),
        Resource.TELEPHONY_MWI: _watchable("updated"),
        Resource.TELEPHONY_QUEUE: Watchable(interest="Queue"),
        Resource.TELEPHONY_QUEUE_MONITORING: Watchable(interest="Queue Monitoring"),
        Resource.TELEPHONY_SERVICES: Watchable(interest="Services"),
        Resource.UC_COUNTERS: _watchable("updated", "clusterName hostName nodeType agentId"),
        Resource.VIDEO_MESH_ALERTS: _watchable("triggered", org_only=True),
    }
)
"""Each known resource. Webex adds resources without notice, so one that isn't here may be valid."""
