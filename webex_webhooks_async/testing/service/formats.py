"""How Webex writes ids, times and what is absent."""

import base64
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.models import format_datetime

_CLUSTER = "urn:TEAM:us-west-2_r"
"""Where what people write is kept: ids name it since 2021, and only old ones have ``us`` there."""

_IN_THE_CLUSTER = frozenset({"ATTACHMENT_ACTION", "CONTENT", "MESSAGE", "ROOM", "WEBHOOK"})


def webex_id(kind: str, name: str | None = None) -> str:
    """An id: opaque, though base64 decodes it to what it identifies."""
    cluster = _CLUSTER if kind in _IN_THE_CLUSTER else "us"
    return to_base64(f"ciscospark://{cluster}/{kind}/{name or uuid.uuid4()}")


def to_base64(text: str) -> str:
    """A text in the form of an id."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def name_in(webex_id: str) -> str | None:
    """Which one an id of Webex's form identifies, such as a UUID; None for another text.

    >>> name_in(webex_id("PEOPLE", "17844842-4ef1-4257-8b44-0925d2aa7d28"))
    '17844842-4ef1-4257-8b44-0925d2aa7d28'
    """
    if {"+", "/"} & {*webex_id}:  # which are of another alphabet
        return None
    try:
        padded = webex_id + "=" * (-len(webex_id) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return decoded.rpartition("/")[2] if decoded.startswith("ciscospark://") else None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as Webex writes them, in any case."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.lower()) is not None


def tracking_id() -> str:
    """A new id with which a request can be found in Webex's logs."""
    return f"ROUTER_{str(uuid.uuid4()).upper()}"


WallClock = Callable[[], datetime]
"""Returns the current time, aware."""


def system_clock() -> datetime:
    """The time of the machine, or of `webex_clock`."""
    return Clock().now()


def to_utc_milliseconds(moment: datetime) -> datetime:
    """A moment in Webex's time zone and precision."""
    in_utc = moment.astimezone(UTC)
    return in_utc.replace(microsecond=in_utc.microsecond // 1000 * 1000)


def timestamp(moment: datetime) -> str:
    """A moment as Webex writes it.

    >>> timestamp(datetime(2022, 4, 7, 9, 17, 23, 164_000, tzinfo=UTC))
    '2022-04-07T09:17:23.164Z'
    """
    return format_datetime(to_utc_milliseconds(moment))


def timestamp_of_meeting(moment: datetime) -> str:
    """A moment as Webex writes it in meetings, recordings and transcripts, in whole seconds.

    >>> timestamp_of_meeting(datetime(2022, 4, 7, 9, 17, 23, 164_000, tzinfo=UTC))
    '2022-04-07T09:17:23Z'
    """
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def moment_of(text: str) -> datetime | None:
    """The moment that a text of ISO 8601 names, in UTC if it says no other; None for another text.

    >>> moment_of("2022-04-07")
    datetime.datetime(2022, 4, 7, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def without_nones(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that are present: one that is None is absent."""
    return {key: value for key, value in members.items() if value is not None}
