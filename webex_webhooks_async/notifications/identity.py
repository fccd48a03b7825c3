"""Names what is received and what is enqueued: the key of a copy, the key of a job.

A job is work of a bot's own, which is in its inbox beside the notifications, as one of them.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import check_type

RESOURCE = "jobs"
"""The resource of the notification that a job is; its event is the name of the job."""

JOB = "job:"
"""How the keys of jobs begin; the key of what comes by HTTP is a SHA-256."""

_SCHEDULE = "schedule"

PERSON = "person"
"""The member of a job's data that says whose job it is."""


def notification_key(notification: Notification[Any]) -> str:
    """Return the key that a copy of a notification is known by, also in another process.

    Look for it before the work in a task queue, and set it after::

        key = notification_key(notification)
        if not await redis.exists(key):
            await receiver.dispatch(notification)
            await redis.set(key, "", ex=600)

    The key of a new message or a submitted card is that of its id and of who made the webhook, so
    two webhooks of one bot for the same message make copies. The key of anything else is that of
    all that it says.

    Returns:
        A SHA-256, in 64 hexadecimal digits.

    Raises:
        TypeError: `notification` isn't a `Notification`.
    """
    from webex_webhooks_async.serialization.converter import to_json  # noqa: PLC0415 - the list of an inbox needs none

    check_type("notification", notification, Notification)
    return _key_of_what_was_made(notification) or _digest(to_json(notification))


def key_of(notification: Notification[Any], body: bytes) -> str:
    """Return the key that a copy of a notification is known by, which has come in this body."""
    return _key_of_what_was_made(notification) or _digest(body)


def _key_of_what_was_made(notification: Notification[Any]) -> str | None:
    """Return the key of a new message or a submission, which is made once and has an id."""
    if notification.event != Event.CREATED or notification.resource not in _MADE_ONCE:
        return None
    data_id, owner = id_of_data(notification), notification.created_by
    if data_id is None or not owner:
        return None
    what = comparable(data_id), comparable(owner)
    return _digest(f"{notification.resource} {what!a}".encode())


_MADE_ONCE = frozenset({Resource.MESSAGES, Resource.ATTACHMENT_ACTIONS})


def id_of_data(notification: Notification[Any]) -> str | None:
    """Return the id of what happened: of the message, of the call, and so on."""
    data = notification.data
    if isinstance(data, Mapping):
        get = cast("Mapping[str, object]", data).get
        found = get("id") or get("callId")
    else:
        found = getattr(data, "id", None) or getattr(data, "call_id", None)
    return found if isinstance(found, str) else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_job(key: str) -> bool:
    """Whether a key in an inbox is a job's."""
    return key.startswith(JOB)


def key_of_job(*parts: object) -> str:
    """Return the key of a job that these parts, as JSON, tell from others."""
    return f"{JOB}{_digest(dump_json(parts))}"


def body_of_job(  # noqa: PLR0913 - what there is to know of a job
    name: str,
    value: object,
    key: str | None,
    due: datetime,
    *,
    schedule: tuple[str, str] | None = None,
    person: str | None = None,
) -> bytes:
    """Return the body of the notification that a job is."""
    data: dict[str, object] = {} if key is None else {"id": key}
    data |= {"due": due.isoformat(), "value": value}
    if schedule is not None:
        data[_SCHEDULE] = schedule
    if person is not None:
        data[PERSON] = person
    return dump_json({"id": "", "name": "", "resource": RESOURCE, "event": name, "data": data})


def schedule_of(job: Notification[Any]) -> tuple[str, str] | None:
    """Return the expression and the time zone that made a job, if a schedule did."""
    schedule: list[str] | None = job.data.get(_SCHEDULE)
    return None if schedule is None else (schedule[0], schedule[1])
