"""The forms of ids, which are opaque to the library but for the UUID at their end."""

import base64
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from webex_webhooks_async.models.ids import comparable


def ids_of(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of items of a list or of messages, as `comparable` returns them."""
    return [comparable(str(each["id"])) for each in items]


def cluster_of(identifier: str) -> str:
    """The part of an id between scheme and kind: `us`, or a cluster."""
    name = base64.urlsafe_b64decode(identifier + "=" * (-len(identifier) % 4)).decode()
    return name.split("/")[2]


def invented(kind: str) -> str:
    """An id of this form that nothing has."""
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


IS_A_CLUSTER = re.compile(r"urn:TEAM:[\w-]+")
