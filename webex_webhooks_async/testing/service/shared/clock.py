"""The time of a sandbox, and how Webex writes it."""

from collections.abc import Callable
from datetime import UTC, datetime

from webex_webhooks_async.serialization import format_datetime

Clock = Callable[[], datetime]
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
