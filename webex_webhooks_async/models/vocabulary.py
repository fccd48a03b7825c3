"""The words of the Webex API: resources, events, statuses, owners.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from enum import StrEnum


class Resource(StrEnum):
    """What can be watched. Webex adds resources without notice, so any other string works too."""

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
    TELEPHONY_AGENT = "telephony_agent"
    TELEPHONY_AGENT_MONITORING = "telephony_agentMonitoring"
    TELEPHONY_CALLS = "telephony_calls"
    TELEPHONY_CONFERENCE = "telephony_conference"
    TELEPHONY_HOOKSTATUS = "telephony_hookstatus"
    TELEPHONY_MWI = "telephony_mwi"
    TELEPHONY_QUEUE = "telephony_queue"
    TELEPHONY_QUEUE_MONITORING = "telephony_queueMonitoring"
    TELEPHONY_SERVICES = "telephony_services"
    UC_COUNTERS = "uc_counters"
    VIDEO_MESH_ALERTS = "videoMeshAlerts"


class Event(StrEnum):
    """What can happen to a resource. Webex adds events, so any other string works too."""

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
    """Whether Webex calls a webhook. It switches one off after 100 failures in 5 minutes."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class OwnedBy(StrEnum):
    """Whose events a webhook watches: its creator's, or the whole organization's."""

    CREATOR = "creator"
    ORG = "org"
