"""Decides the line of what an inbox stores, and its owner, by which `Inbox.stop` finds it.

What is in one line is handled one at a time, in the order in which it was stored. What a person
writes or submits to a bot, in whatever room, is in the line of that person; a notification of an
integration is in that of its user, the runs of a schedule are in one of their own, and a job is in
the line that `enqueue` names.
"""

from typing import Any

from webex_webhooks_async.formatting import storable
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification


def line_and_owner(
    notification: Notification[Any], my_id: str | None
) -> tuple[str | None, str | None]:
    """Return the line of a message or a submission, and its owner; what a bot says has none."""
    data = notification.data
    if not isinstance(data, MessageData | AttachmentActionData) or is_same(data.person_id, my_id):
        return None, None
    line = line_of_id(data.person_id)
    return line, None if line is None else owner_of(line, data.room_id)


def line_of_id(each_id: str | None) -> str | None:
    """Return the line of a person or a room, the same for each id; `None` if that is empty."""
    return storable(comparable(each_id or "")) or None


def line_of_schedule(name: str) -> str:
    """Return the line in which the runs of a schedule are."""
    return f"webex-webhooks:schedule:{name}"


def owner_of(line: str | None, room_id: str | None = None) -> str:
    """Return the owner of what the person of a line begins in a room.

    Without a room, it is that of what a job in their line asks, and the beginning of each other.
    """
    return f"{line or ''}/" if room_id is None else f"{line or ''}/{storable(comparable(room_id))}/"
