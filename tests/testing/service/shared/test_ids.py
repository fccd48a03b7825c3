import base64

from webex_webhooks_async.testing.service.shared.ids import webex_id


def test_webex_id_is_like_the_real_ones() -> None:
    """An id is base64 of what it identifies, without padding."""
    actual = webex_id("ROOM")

    assert actual.startswith("Y2lz")
    assert base64.urlsafe_b64decode(actual + "==").startswith(b"ciscospark://us/ROOM/")


def test_webex_ids_are_distinct() -> None:
    """No two ids are equal."""
    assert len({webex_id("ROOM") for _ in range(100)}) == 100
