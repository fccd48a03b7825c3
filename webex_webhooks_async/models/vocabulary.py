"""The words of the Webex API: its address, resources, events, statuses, owners.

Facts: https://developer.webex.com/docs/webhook-event-reference and
https://developer.webex.com/docs/api/guides/webhooks
"""

import warnings
from collections.abc import Iterable
from enum import StrEnum

from webex_webhooks_async.errors import WebexWarning

BASE_URL = "https://webexapis.com/v1"
"""The address of the API, but for that of the government cloud."""


class Resource(StrEnum):
    """Resources to watch. Webex adds some without notice, so any other string works too."""

    ALL = "all"
    """Memberships, messages and rooms, and nothing else."""

    ADMIN_BATCH_JOBS = "adminBatchJobs"
    """Batch jobs of administrators."""

    ATTACHMENT_ACTIONS = "attachmentActions"
    """Submitted cards."""

    CONTROL_HUB_ALERTS = "controlHubAlerts"
    """Alerts of Control Hub, of the whole organization alone."""

    CONVERGED_RECORDINGS = "convergedRecordings"
    """Recordings of calls and of meetings."""

    DATA_SOURCES = "dataSources"
    """Data sources of service apps."""

    MEETING_PARTICIPANTS = "meetingParticipants"
    """Who joins a meeting, and who leaves it."""

    MEETING_TRANSCRIPTS = "meetingTranscripts"
    """Transcripts of meetings."""

    MEETINGS = "meetings"
    """Meetings."""

    MEMBERSHIPS = "memberships"
    """Who is in a room."""

    MESSAGES = "messages"
    """Messages. A bot sees in group rooms only those that mention it."""

    RECORDINGS = "recordings"
    """Recordings of meetings."""

    ROOMS = "rooms"
    """Rooms, which the apps call spaces."""

    SERVICE_APP = "serviceApp"
    """Whether a customer has authorized a service app."""

    TELEPHONY_AGENT = "telephony_agent"
    """Agents of queues, in Webex Calling, which doesn't document the events."""

    TELEPHONY_AGENT_MONITORING = "telephony_agentMonitoring"
    """The same, for who supervises them."""

    TELEPHONY_CALLS = "telephony_calls"
    """Calls, in Webex Calling."""

    TELEPHONY_CONFERENCE = "telephony_conference"
    """Conference calls, in Webex Calling."""

    TELEPHONY_HOOKSTATUS = "telephony_hookstatus"
    """Whether phones are off the hook, in Webex Calling, which doesn't document the events."""

    TELEPHONY_MWI = "telephony_mwi"
    """Whether voice messages wait (message waiting indicator), in Webex Calling."""

    TELEPHONY_QUEUE = "telephony_queue"
    """Queues of calls, in Webex Calling, which doesn't document the events."""

    TELEPHONY_QUEUE_MONITORING = "telephony_queueMonitoring"
    """The same, for who supervises them."""

    TELEPHONY_SERVICES = "telephony_services"
    """Services of persons, in Webex Calling, which doesn't document the events."""

    UC_COUNTERS = "uc_counters"
    """Counters of the nodes of a cluster."""

    VIDEO_MESH_ALERTS = "videoMeshAlerts"
    """Alerts of Video Mesh, of the whole organization alone."""


class Event(StrEnum):
    """Events of a resource. Webex adds some without notice, so any other string works too."""

    ALL = "all"
    """Every event of the resource; a notification names the concrete one."""

    AUTHORIZED = "authorized"
    """A customer has authorized a service app."""

    CREATED = "created"
    """It exists now. A message was written, a card submitted, a person added to a room."""

    DEAUTHORIZED = "deauthorized"
    """A customer has revoked a service app."""

    DELETED = "deleted"
    """It doesn't exist any more. A person has left a room."""

    ENDED = "ended"
    """A meeting has ended."""

    JOINED = "joined"
    """Somebody has joined a meeting."""

    LEFT = "left"
    """Somebody has left a meeting."""

    MIGRATED = "migrated"
    """A room has moved, and has a new id."""

    STARTED = "started"
    """A meeting has started."""

    STATUS_CHANGED = "statusChanged"
    """A batch job has another status."""

    TRIGGERED = "triggered"
    """An alert was raised."""

    UPDATED = "updated"
    """It has changed."""


class WebhookStatus(StrEnum):
    """Whether Webex calls a webhook. It switches one off after 100 failures in 5 minutes."""

    ACTIVE = "active"
    """Webex calls it."""

    INACTIVE = "inactive"
    """Webex doesn't call it: it was switched off."""


class OwnedBy(StrEnum):
    """Whose events a webhook watches: its creator's, or the whole organization's."""

    CREATOR = "creator"
    """What happens where its creator is."""

    ORG = "org"
    """What happens in the whole organization; it takes an administrator's token."""


def warn_if_misspelled(resource: str | None, event: str | None, *, stacklevel: int) -> None:
    """Warn of a resource or an event that is probably misspelled."""
    for kind, word, known in (("resource", resource, Resource), ("event", event, Event)):
        if word is not None and (meant := did_you_mean(word, known)) is not None:
            warnings.warn(
                f"the {kind} {word!r} is unknown: did you mean {meant!r}?",
                WebexWarning,
                stacklevel=stacklevel + 1,
            )


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is one typo away; `None` for a known one.

    A typo is a letter that is missing, added or wrong, or two that are swapped: ``reacted`` isn't
    ``created``. Case and underscores don't count.

    >>> did_you_mean("mesages", Resource)
    'messages'
    >>> did_you_mean("attachment_action", Resource)
    'attachmentActions'
    """
    words = [*map(str, known)]
    if word in words:
        return None
    return next((each for each in words if _is_one_typo(_letters(word), _letters(each))), None)


def _letters(word: str) -> str:
    return word.lower().replace("_", "")


def _is_one_typo(word: str, meant: str) -> bool:
    """Whether what the words don't share at their beginning and their end is a letter or a swap."""
    while word and meant and word[0] == meant[0]:
        word, meant = word[1:], meant[1:]
    while word and meant and word[-1] == meant[-1]:
        word, meant = word[:-1], meant[:-1]
    return max(len(word), len(meant)) <= 1 or (len(word) == 2 and word == meant[::-1])  # noqa: PLR2004 - a swap
