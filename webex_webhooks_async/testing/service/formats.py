"""How Webex writes ids, times and what is absent."""

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from webex_webhooks_async.models import format_datetime


def webex_id(kind: str) -> str:
    """A new id: opaque, though base64 decodes it to what it identifies."""
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


WallClock = Callable[[], datetime]
"""Returns the current time, aware."""


def system_clock() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


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
