"""Compares ids of Webex, which names the same thing in several ways.

The id of a room in a notification and in a list may name different clusters, and requests take a
bare UUID as well: the UUID at the end is the same.
"""

import re
from base64 import urlsafe_b64decode

_BARE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_ENCODED = "Y2lzY29zcGFyazov"  # what an id begins with: ciscospark:/


def comparable(webex_id: str) -> str:
    """Return the same for each id of the same thing: its UUID, or the id itself if it has none."""
    if webex_id.startswith(_ENCODED) and not {"+", "/"} & {*webex_id}:
        try:
            decoded = urlsafe_b64decode(webex_id + "=" * (-len(webex_id) % 4)).decode()
        except ValueError:
            return webex_id
        uuid = _BARE.fullmatch(decoded.rpartition("/")[2])
    else:
        uuid = _BARE.fullmatch(webex_id)
    return uuid[0].lower() if uuid else webex_id


def is_same(one: str | None, other: str | None) -> bool:
    """Whether two ids are of the same thing; `None` is of nothing."""
    if one is None or other is None:
        return False
    return one == other or comparable(one) == comparable(other)
