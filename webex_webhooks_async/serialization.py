"""Converts between JSON and attrs classes, strictly: nothing is coerced.

A field is snake_case in Python and camelCase in JSON. What a field's type means in JSON is decided
in one place, `structuring`.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, cast

import attrs

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.extra import EXTRA, has_extra
from webex_webhooks_async.structuring import MisfitError, get_hook, keys_of, structure
from webex_webhooks_async.validation import check_type

T = TypeVar("T")

JSON = Any
"""Parsed JSON: a dict, a list, a string, a number, a boolean or `None`."""


def to_json(obj: "attrs.AttrsInstance") -> bytes:
    """Write a model, or an instance of your own attrs class, as JSON; `from_json` reads it back.

    Keys are camelCase, and a field that is `None` is left out.

    >>> to_json(WebhookUpdate(name="Messages", target_url="https://example.com/hook"))
    b'{"name":"Messages","targetUrl":"https://example.com/hook"}'

    Raises:
        TypeError: `obj` isn't an instance of an attrs class, or holds a value that JSON can't hold.
        ValueError: It holds a number that JSON can't hold, such as NaN.
    """
    if not attrs.has(type(obj)):
        raise TypeError(
            f"to_json takes a model or an instance of an attrs class, got {type(obj).__name__}"
        )
    return dump_json(to_wire(obj))


def from_json(data: bytes | str, cls: type[T]) -> T:
    """Read a model, or an instance of your own attrs class, from JSON.

    Keys are camelCase (``room_id`` is ``roomId``; a field's attrs alias takes the place of its
    name). Nothing is coerced: a number isn't text, and text isn't a number.

    ===============================================  ==============================================
    type                                             JSON
    ===============================================  ==============================================
    ``str``, ``bool``                                a string, a boolean
    ``int``                                          a number without fraction and exponent
    ``float``                                        any number
    ``datetime``                                     a string in ISO 8601, UTC where it says no zone
    ``Enum``, ``Literal``                            one of the values
    ``list[T]``, ``tuple[T, ...]``, ``Sequence[T]``  an array; `Sequence` becomes a tuple
    ``dict[str, T]``, ``Mapping[str, T]``            an object
    an attrs class, generic ones too                 an object; keys it doesn't know are ignored
    ``T | None``                                     null, too; a missing key needs a default
    ``Any``, ``object``                              anything
    ``NewType``, ``Annotated``                       as the type in it
    ===============================================  ==============================================

    Another type of a field works when the field has an attrs converter, which then gets the parsed
    JSON: ``path: Path = attrs.field(converter=Path)``.

    In this package's own models, which keep unknown keys in ``extra``, an optional field whose
    value doesn't fit is `None`, and the value is in ``extra`` under its name in JSON. Your own
    classes are read strictly.

    Args:
        data: JSON in UTF-8, or as text.
        cls: What to read, such as ``Webhook``, ``Notification[MessageData]`` or ``list[Room]``.

    Raises:
        DecodeError: `data` isn't JSON or doesn't fit `cls`; the error names every problem.
        TypeError: `cls` isn't or contains a type that isn't listed above, whatever `data` is; or
            `data` is neither bytes nor text.
    """
    get_hook(cls)  # a type that isn't supported is an error whatever the data is
    return structure(parse_json(data), cls)


def to_wire(value: object) -> JSON:
    """Turn attrs instances, and other values that the json module doesn't know, into what it knows.

    What else JSON can't hold is left to `dump_json`.
    """
    cls = type(value)
    if attrs.has(cls):
        extra: Mapping[str, Any] = getattr(value, EXTRA) if has_extra(cls) else {}
        members = {key: getattr(value, name) for name, key in keys_of(cls).items()}
        present = {key: to_wire(each) for key, each in members.items() if each is not None}
        return {**extra, **present}
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {key: to_wire(each) for key, each in mapping.items()}
    if isinstance(value, list | tuple):
        return [to_wire(each) for each in cast("Iterable[object]", value)]
    return value


def dump_json(value: JSON) -> bytes:
    """Write a value as compact JSON.

    Raises:
        TypeError: JSON can't hold a value.
        ValueError: JSON can't hold a number, such as NaN.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def parse_json(data: bytes | str) -> object:
    """Parse strict JSON: UTF-8 without a byte order mark, finite numbers, each key once per object.

    Raises:
        DecodeError: It is something else. Nothing else is raised, whatever the bytes are.
        TypeError: It is neither bytes nor text.
    """
    if not isinstance(data, bytes):
        check_type("JSON", data, bytes, str)
    try:
        return _parsed(data.decode() if isinstance(data, bytes) else data)
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at character {error.pos})"
    except RecursionError:
        problem = "nested too deeply"
    except MisfitError as error:
        problem = str(error)
    except ValueError:
        problem = "a number has too many digits"
    # Outside of the except block: a JSONDecodeError holds the whole document.
    raise DecodeError((f"$: {problem}",))


def format_datetime(moment: datetime) -> str:
    """An aware datetime as Webex writes it: ``2022-04-07T09:17:23.164Z``."""
    timespec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return re.sub(r"\+00:00$", "Z", moment.isoformat(timespec=timespec))


def _parsed(text: str) -> object:
    # As JSONDecoder.decode, which takes a sixth longer: it looks for whitespace with a pattern.
    start = len(text) - len(text.lstrip(_WHITESPACE))
    value: object
    value, end = _decoder.raw_decode(text, start)
    rest = text[end:].lstrip(_WHITESPACE)
    if rest:
        raise json.JSONDecodeError("Extra data", text, len(text) - len(rest))
    return value


_WHITESPACE = " \t\n\r"


def _reject_constant(name: str) -> object:
    raise MisfitError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MisfitError("a number is too large")
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MisfitError("an object has a key twice")
    return members


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_reject_constant, parse_float=_finite
)
