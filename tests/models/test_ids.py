from base64 import b64encode

import pytest

from webex_webhooks_async.models.ids import is_same

UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae8"


def encoded(text: str, padding: str = "") -> str:
    """An id as Webex writes it."""
    return b64encode(text.encode()).decode().rstrip("=") + padding


ROOM = encoded(f"ciscospark://us/ROOM/{UUID}")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ROOM, ROOM, True),
        (ROOM, encoded(f"ciscospark://urn:TEAM:us-west-2_r/ROOM/{UUID}"), True),
        (ROOM, UUID, True),
        (ROOM, UUID.upper(), True),
        (ROOM, encoded(f"ciscospark://us/ROOM/{UUID.upper()}"), True),
        (ROOM, encoded(f"ciscospark://us/ROOM/{OTHER}"), False),
        (ROOM, OTHER, False),
        (ROOM, f"{UUID}-more", False),
        (
            encoded(f"ciscospark://us/FILE/{UUID}/0"),
            encoded(f"ciscospark://us/FILE/{UUID}/1"),
            False,
        ),
        ("Y2lzY29zcGFyazové", UUID, False),
        ("Y2lzY29zcGFyazov/w", UUID, False),
        (encoded("ciscospark://"), "", False),
        ("M1", "M1", True),
        ("M1", "m1", False),
        ("", "", True),
        (None, None, False),
        (ROOM, None, False),
    ],
)
def test_an_id_counts_by_the_uuid_at_its_end(
    one: str | None, other: str | None, *, same: bool
) -> None:
    """Ids of one thing are the same in any cluster, bare or in upper case; others as they are."""
    assert is_same(one, other) is same
    assert is_same(other, one) is same
