"""Names what is received and what is enqueued: the key of a copy, the key and the body of a job.

A job is work of a bot's own, which is in its inbox beside the notifications, as one of them.
"""

import hashlib
from datetime import datetime

from webex_webhooks_async.strict_json import dump_json

RESOURCE = "jobs"
"""The resource of the notification that a job is; its event is the name of the job."""

_PREFIX = "job:"  # the key of what comes by HTTP is a SHA-256


def key_of(body: bytes) -> str:
    """Return the key that a copy of a notification is recognized by."""
    return hashlib.sha256(body).hexdigest()


def is_job(key: str) -> bool:
    """Whether a key in an inbox is a job's."""
    return key.startswith(_PREFIX)


def key_of_job(*parts: object) -> str:
    """Return the key of a job that these parts, as JSON, tell from others."""
    return f"{_PREFIX}{hashlib.sha256(dump_json(parts)).hexdigest()}"


def body_of_job(name: str, value: object, key: str | None, due: datetime) -> bytes:
    """Return the body of the notification that a job is.

    Args:
        name: The name of the job.
        value: What JSON can hold.
        key: What the caller calls it.
        due: The time for which it is stored.
    """
    data: dict[str, object] = {} if key is None else {"id": key}
    data |= {"due": due.isoformat(), "value": value}
    return dump_json({"id": "", "name": "", "resource": RESOURCE, "event": name, "data": data})
