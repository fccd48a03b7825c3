"""The parts of a notification that lists of an inbox show: its key, and its subject."""

import re
from collections.abc import Iterable, Iterator
from json import JSONDecoder
from typing import Any, Literal, cast

from webex_webhooks_async.errors import DecodeError, PayloadError
from webex_webhooks_async.inbox.entries import StoredNotification
from webex_webhooks_async.serialization.strict_json import parse_json
from webex_webhooks_async.validation import check_type

BEGINNING = 16_384
"""So many bytes of a body are read; Webex's have about a thousand."""


def subject_in(beginning: bytes, size: int) -> tuple[str | None, str | None, str | None]:
    """Return resource, event, and the id of the data, as far as they can be read.

    That takes the first `BEGINNING` bytes of the body, and its size. Nothing else of it is checked,
    so that a long list is there soon.
    """
    body = _object_in(beginning, size)
    resource, event, data = body.get("resource"), body.get("event"), body.get("data")
    if not isinstance(resource, str) or not isinstance(event, str):
        return None, None, None
    members = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    found = members.get("id") or members.get("callId")
    return resource, event, found if isinstance(found, str) else None


def state_of_failed(body: bytes) -> Literal["failed", "unreadable"]:
    """Return the state of an entry that isn't taken any more, by its body."""
    # Imported here: a list reads less of a body, and needs no classes for it.
    from webex_webhooks_async.notifications.parsing import (  # noqa: PLC0415 - see above
        parse_unverified_notification,
    )

    try:
        parse_unverified_notification(body)
    except PayloadError:
        return "unreadable"
    return "failed"


def _object_in(beginning: bytes, size: int) -> dict[str, Any]:
    """Return the object in a body; an empty one if it isn't JSON, or JSON of something else."""
    if size > len(beginning):
        found = dict(_members(beginning.decode(errors="replace")))
        return {**found, "data": dict(found.get("data", ()))}
    try:
        body = parse_json(beginning)
    except DecodeError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def listed(beginning: bytes, size: int, **fields: Any) -> StoredNotification:  # noqa: ANN401 - of each
    """Return what is listed of a notification, with its subject."""
    resource, event, data_id = subject_in(beginning, size)
    return StoredNotification(resource=resource, event=event, data_id=data_id, **fields)


def _members(text: str, place: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object that is cut off; of the data those that are there."""
    while found := _MEMBER.match(text, place):
        name, place = found[1], found.end()
        if name == "data":
            yield name, _members(text, place)
            return
        try:
            value, place = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError):  # it is cut off here, or isn't JSON
            return
        yield name, value


_MEMBER = re.compile(r'\s*[{,]\s*"(\w+)"\s*:\s*')
_decoder = JSONDecoder()


def shown_key(number: int, key: object) -> str:
    """Return a key that can be shown and typed: itself, or ``row-`` and the number of its row."""
    is_plain = isinstance(key, str) and _PLAIN.fullmatch(key)
    return str(key) if is_plain else f"row-{number}"


def row_of(key: str) -> int | None:
    """Return the number of the row that `shown_key` has put into a key, if it did."""
    found = _ROW.fullmatch(key)
    return int(found[1]) if found else None


PLAIN = r"(?!row-)[0-9A-Za-z][0-9A-Za-z._:-]{0,199}"
"""The pattern of keys that can be shown, for Python and PostgreSQL."""
_PLAIN = re.compile(PLAIN)
_ROW = re.compile(r"row-([0-9]{1,18})")


def in_parts(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield keys, each once, so many at a time."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be several texts, got one: write [key]")
    given = [*keys]
    for key in given:
        check_type("each of keys", key, str)
    each_once = [*dict.fromkeys(given)]
    for start in range(0, len(each_once), size):
        yield each_once[start : start + size]
