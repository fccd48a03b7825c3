"""The words of the Webex API: resources, events, statuses, owners.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from enum import StrEnum


class Resource(StrEnum):
    """What can be watched. New resources appear without notice: any other string will do too."""

    ALL = "all"  # memberships, messages and rooms, and nothing else
    ADMIN_BATCH_JOBS = "adminBatchJobs"
    ATTACHMENT_ACTIONS = "attachmentActions"
    CONTROL_HUB_ALERTS = "controlHubAlerts"
    CONVERGED_RECORDINGS = "convergedRecordings"
    DATA_SOURCES = "dataSources"
    MEETING_PARTICIPANTS = "meetingParticipants"
    MEETING_TRANSCRIPTS = "meetingTranscripts"
    MEETINGS = "meetings"
    MEMBERSHIPS = "memberships"
    MESSAGES = "messages"
    RECORDINGS = "recordings"
    ROOMS = "rooms"
    SERVICE_APP = "serviceApp"
    TELEPHONY_CALLS = "telephony_calls"
    TELEPHONY_CONFERENCE = "telephony_conference"
    TELEPHONY_MWI = "telephony_mwi"
    UC_COUNTERS = "uc_counters"
    VIDEO_MESH_ALERTS = "videoMeshAlerts"


class Event(StrEnum):
    """What can happen to a resource. New events appear: any other string will do too."""

    ALL = "all"
    AUTHORIZED = "authorized"
    CREATED = "created"
    DEAUTHORIZED = "deauthorized"
    DELETED = "deleted"
    ENDED = "ended"
    JOINED = "joined"
    LEFT = "left"
    MIGRATED = "migrated"
    STARTED = "started"
    STATUS_CHANGED = "statusChanged"
    TRIGGERED = "triggered"
    UPDATED = "updated"


class Status(StrEnum):
    """Whether a webhook is called. The service switches one off after 100 failures in 5 minutes."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class OwnedBy(StrEnum):
    """Whose events a webhook watches: its creator's, or the whole organization's."""

    CREATOR = "creator"
    ORG = "org"
