"""The words of the Webex API: resources, events, statuses, owners.

Facts: https://developer.webex.com/docs/webhook-event-reference and
https://developer.webex.com/docs/api/guides/webhooks
"""

import warnings
from collections.abc import Iterable
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


def warn_if_misspelled(resource: str | None, event: str | None, *, stacklevel: int) -> None:
    """Warn of a resource or an event that is probably misspelled.

    Args:
        resource: A resource.
        event: An event.
        stacklevel: As of `warnings.warn`; 1 is the caller's own line.
    """
    for kind, word, known in (("resource", resource, Resource), ("event", event, Event)):
        if word is not None and (meant := did_you_mean(word, known)) is not None:
            warnings.warn(
                f"the {kind} {word!r} is unknown: did you mean {meant!r}?",
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
