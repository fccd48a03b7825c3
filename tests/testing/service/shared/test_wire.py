import base64
from datetime import UTC, datetime, timedelta, timezone

from webex_webhooks_async.testing.service.shared.wire import (
    system_clock,
    timestamp,
    to_utc_milliseconds,
    webex_id,
)


def test_webex_id_is_like_the_real_ones() -> None:
    """An id is base64 of what it identifies, without padding."""
    actual = webex_id("ROOM")

    assert actual.startswith("Y2lz")
    assert base64.urlsafe_b64decode(actual + "==").startswith(b"ciscospark://us/ROOM/")


def test_webex_ids_are_distinct() -> None:
    """No two ids are equal."""
    assert len({webex_id("ROOM") for _ in range(100)}) == 100


def test_system_clock_is_aware() -> None:
    """The time of the machine carries its zone."""
    assert timedelta(0) == system_clock().utcoffset()


def test_to_utc_milliseconds() -> None:
    """What is finer than a millisecond is cut off."""
    moment = datetime(2022, 4, 7, 9, 17, 23, 164_999, tzinfo=UTC)

    assert datetime(2022, 4, 7, 9, 17, 23, 164_000, tzinfo=UTC) == to_utc_milliseconds(moment)


def test_timestamp() -> None:
    """A moment is written as Webex writes it: with three digits, and a Z."""
    assert timestamp(datetime(2022, 4, 7, 9, 17, 23, tzinfo=UTC)) == "2022-04-07T09:17:23.000Z"


def test_timestamp_is_of_utc() -> None:
    """A moment of another zone is written in UTC."""
    east = timezone(timedelta(hours=2))

    actual = timestamp(datetime(2022, 4, 7, 11, 17, 23, 164_999, tzinfo=east))

    assert actual == "2022-04-07T09:17:23.164Z"
