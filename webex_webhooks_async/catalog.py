"""What can be watched: the events and filter keys of each resource.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from webex_webhooks_async.models.vocabulary import Event, Resource


@frozen(kw_only=True)
class Watchable:
    """One resource.

    Attributes:
        events: What can happen to it.
        filters: The keys that a filter may have.
        org_filters: Of those, the keys that need ``ownedBy=org``.
        org_only: Whether a webhook for it needs ``ownedBy=org`` in any case.
    """

    events: frozenset[str]
    filters: frozenset[str] = frozenset()
    org_filters: frozenset[str] = frozenset()
    org_only: bool = False


FIREHOSE_RESOURCES = frozenset({Resource.MEMBERSHIPS, Resource.MESSAGES, Resource.ROOMS})
"""What ``resource=all`` stands for. Card submissions are not among it."""

FIREHOSE_EVENTS = frozenset({Event.CREATED, Event.UPDATED, Event.DELETED})
"""What ``event=all`` stands for, for each of `FIREHOSE_RESOURCES`."""

WITHOUT_FILTER = frozenset({(Resource.ROOMS, Event.MIGRATED)})
"""The pairs that take no filter, though their resource does."""


def _watchable(events: str, filters: str = "", *, org_only: bool = False) -> Watchable:
    keys = filters.split()
    return Watchable(
        events=frozenset(events.split()),
        filters=frozenset(key.rstrip("*") for key in keys),
        org_filters=frozenset(key.rstrip("*") for key in keys if key.endswith("*")),
        org_only=org_only,
    )


# The star marks what needs ownedBy=org, as in Webex's own table.
_OF_A_MEETING = "id meetingId scheduledMeetingId meetingSeriesId hostEmail* hostUserId* siteUrl"

CATALOG: Mapping[str, Watchable] = MappingProxyType(
    {
        Resource.ALL: _watchable("created updated deleted"),
        Resource.ADMIN_BATCH_JOBS: _watchable("statusChanged", "jobType"),
        Resource.ATTACHMENT_ACTIONS: _watchable("created", "messageId personId roomId"),
        Resource.CONTROL_HUB_ALERTS: _watchable("created", org_only=True),
        Resource.CONVERGED_RECORDINGS: _watchable(
            "created updated deleted",
            "recordingId ownerId* ownerEmail* ownerType storageRegion serviceType locationId",
        ),
        Resource.DATA_SOURCES: _watchable("created updated deleted", "id schemaId appId orgId"),
        Resource.MEETING_PARTICIPANTS: _watchable(
            "joined left", "id meetingId state hostEmail* hostPersonId siteUrl"
        ),
        Resource.MEETING_TRANSCRIPTS: _watchable("created", _OF_A_MEETING),
        Resource.MEETINGS: _watchable(
            "created updated deleted started ended",
            "id meetingNumber meetingType state hostEmail* hostUserId* siteUrl",
        ),
        Resource.MEMBERSHIPS: _watchable(
            "created updated deleted", "roomId personId personEmail isModerator"
        ),
        Resource.MESSAGES: _watchable(
            "created deleted",
            "roomId roomType personId personEmail mentionedPeople hasFiles hasAttachments",
        ),
        Resource.RECORDINGS: _watchable("created updated deleted", _OF_A_MEETING),
        Resource.ROOMS: _watchable("created updated migrated", "type isLocked"),
        Resource.SERVICE_APP: _watchable(
            "authorized deauthorized", "id friendlyName trainSiteNames adminTrainSiteNames"
        ),
        Resource.TELEPHONY_CALLS: _watchable(
            "created updated deleted", "personality state number personId callType"
        ),
        Resource.TELEPHONY_CONFERENCE: _watchable("created updated deleted"),
        Resource.TELEPHONY_MWI: _watchable("updated"),
        Resource.UC_COUNTERS: _watchable("updated", "clusterName hostName nodeType agentId"),
        Resource.VIDEO_MESH_ALERTS: _watchable("triggered", org_only=True),
    }
)
"""Each resource that is known. New ones appear: what isn't here is no error."""
