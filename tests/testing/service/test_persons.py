import base64
from datetime import datetime, timedelta, timezone

from webex_webhooks_async.testing.service.persons import (
    timestamp,
    webex_id,
)


def test_webex_id_is_like_the_real_ones() -> None:
    """An id is base64 of what it identifies, without padding."""
    actual = webex_id("ROOM")

    assert actual.startswith("Y2lz")
    assert base64.urlsafe_b64decode(actual + "==").startswith(b"ciscospark://us/ROOM/")


def test_timestamp_is_of_utc() -> None:
    """A moment of another zone is written in UTC."""
    east = timezone(timedelta(hours=2))

    actual = timestamp(datetime(2022, 4, 7, 11, 17, 23, 164_999, tzinfo=east))

    assert actual == "2022-04-07T09:17:23.164Z"
