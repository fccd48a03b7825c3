"""Compares ids of Webex, which names the same thing in several ways.

The id of a room in a notification and in a list may name different clusters, and requests take a
bare UUID as well: the UUID at the end is the same.
"""

import re
from binascii import a2b_base64
from functools import lru_cache

_ENCODED = "Y2lzY29zcGFyazov"  # what an id begins with: ciscospark:/


@lru_cache(maxsize=1024)  # those of people, rooms and the bot come with each notification
def comparable(webex_id: str) -> str:
    """Return the same for each id of the same thing: its UUID, or the id itself if it has none."""
    last = webex_id
    if webex_id.startswith(_ENCODED) and "+" not in webex_id and "/" not in webex_id:
        usual = webex_id.replace("-", "+").replace("_", "/")
        try:
            decoded = a2b_base64(usual + "=" * (-len(usual) % 4)).decode()
        except ValueError:
            return webex_id
        last = decoded.rpartition("/")[2]
    uuid = re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", last)
    return uuid[0].lower() if uuid else webex_id


def is_same(one: str | None, other: str | None) -> bool:
    """Whether two ids are of the same thing; `None` is of nothing."""
    if one is None or other is None:
        return False
    return one == other or comparable(one) == comparable(other)
