"""Parses and writes strict JSON: what is ambiguous or can't be read back is refused."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.validation import check_type

JSON = Any
"""Parsed JSON: a dict, a list, a string, a number, a boolean or `None`."""


class MisfitError(ValueError):
    """A value that doesn't fit, in words that show nothing of it."""


def parse_json(data: bytes | str) -> object:
    """Parse strict JSON: UTF-8 without a byte order mark, finite numbers, each key once per object.

    Raises:
        DecodeError: It is something else. Nothing else is raised, whatever the bytes are.
        TypeError: It is neither bytes nor text.
    """
    if not isinstance(data, bytes):
        check_type("JSON", data, bytes, str)
    try:
        return _decode(data.decode() if isinstance(data, bytes) else data)
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


def dump_json(value: JSON) -> bytes:
    """Write a value as compact JSON.

    Raises:
        TypeError: JSON can't hold a value; the error has its path.
        ValueError: JSON can't hold a number, such as NaN; or the value is nested too deeply.
    """
    try:
        return _encoder.encode(value).encode()
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except TypeError:
        path, culprit = next(_unknown(value, "$"))
    raise TypeError(f"{path}: JSON can't hold a value of type {type(culprit).__qualname__}")


TOO_DEEP = "nested too deeply for JSON, or contains itself"


def is_same(one: object, other: object) -> bool:
    """Whether two values are the same in JSON, where a boolean isn't a number."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _unknown(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Find what json.dumps refuses, each with its path."""
    if isinstance(value, Mapping):
        for key, each in cast("Mapping[object, object]", value).items():
            if isinstance(key, str):
                yield from _unknown(each, f"{path}.{key}")
            else:
                yield f"a key in {path}", key
    elif isinstance(value, list | tuple):
        for index, each in enumerate(cast("Sequence[object]", value)):
            yield from _unknown(each, f"{path}[{index}]")
    elif not isinstance(value, str | int | float | None):
        yield path, value


_WHITESPACE = " \t\n\r"


def _decode(text: str) -> object:
    """Do what `JSONDecoder.decode` does, without its two regular expressions."""
    start = len(text) - len(text.lstrip(_WHITESPACE))
    value, end = _decoder.raw_decode(text, start)
    if rest := text[end:].lstrip(_WHITESPACE):
        raise json.JSONDecodeError("Extra data", text, len(text) - len(rest))
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MisfitError("a number is not finite")
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MisfitError("an object has a key twice")
    return members


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_finite,  # NaN and the infinities
    parse_float=_finite,
)
# What contains itself is nested too deeply, too, so it need not be looked for.
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
