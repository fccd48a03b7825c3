"""The one cattrs converter: JSON bytes to attrs classes and back.

A model's fields are snake_case here and camelCase on the wire; `None` is absence there. What the
wire has beyond the model lands in the model's ``extra`` field, if it has one, and goes back out.
Nothing is coerced: a number where text should be is a problem, not text.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from types import GenericAlias, NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    IterableValidationNote,
)
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    override,
)

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.validation import check_type

T = TypeVar("T")
StructureHook = Callable[[Any, Any], Any]

JSON = Any
"""Parsed JSON: a dict, a list, a string, a number, a boolean or `None`."""

EXTRA = "extra"
"""The name of the field for what a model doesn't know."""


def to_json(obj: "attrs.AttrsInstance") -> bytes:
    """A model in the wire's form, as JSON; `from_json` makes an equal one of it.

    >>> to_json(WebhookUpdate(name="Messages", target_url="https://example.com/hook"))
    b'{"name":"Messages","targetUrl":"https://example.com/hook"}'

    Raises:
        ValueError: Its ``extra`` holds a number that JSON has not, such as NaN.
        TypeError: Its ``extra`` holds something else that JSON has not, or it is no model.
    """
    if not attrs.has(type(obj)):
        raise TypeError(f"to_json takes a model, got {type(obj).__name__}")
    return dump_json(to_wire(obj))


def to_wire(value: object) -> JSON:
    """A model, or a value in one, in the wire's form."""
    return converter.unstructure(value)


def dump_json(value: JSON) -> bytes:
    """Write a value as JSON.

    Raises:
        ValueError: It holds a number that JSON can't, such as NaN.
        TypeError: It holds something else that JSON can't.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def from_json(data: bytes | str, cls: type[T]) -> T:
    """The model that the JSON holds.

    Raises:
        DecodeError: It isn't JSON, or it doesn't fit `cls`.
        TypeError: `data` is neither bytes nor text.
    """
    return structure(parse_json(data), cls)


def structure(value: object, cls: type[T], path: str = "$") -> T:
    """A model of parsed JSON, which is at this path of its document.

    Raises:
        DecodeError: It doesn't fit; every problem is named.
    """
    try:
        return converter.structure(value, cls)
    except (BaseValidationError, ValueError, TypeError) as error:
        problems = tuple(_problems(error, path))
    # Outside of the except block: the error that cattrs raises holds the values.
    raise DecodeError(problems)


def parse_json(data: bytes | str) -> object:
    """Strict JSON: UTF-8 without a byte order mark, no NaN, no infinity, no key twice, not deep.

    Raises:
        DecodeError: It is something else. Nothing else is raised, whatever the bytes are.
        TypeError: It is neither bytes nor text.
    """
    check_type("JSON", data, bytes, str)
    try:
        return _decoded(data if isinstance(data, str) else data.decode())
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at character {error.pos})"
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = str(error) if isinstance(error, _MisfitError) else "a number has too many digits"
    # Outside of the except block: a JSONDecodeError holds the whole document.
    raise DecodeError((f"$: {problem}",))


_MAX_DEPTH = 100  # so that it can be written, copied and compared wherever it was read


def _decoded(text: str) -> object:
    value = _decoder.decode(text)
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_too_deep(value):
        raise _MisfitError("nested too deeply")
    return value


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        members = chain.from_iterable(map(_members, level))
        level = [each for each in members if type(each) in {dict, list}]
    return bool(level)


def _members(value: Any) -> Iterable[object]:  # noqa: ANN401 - any JSON
    return cast("Iterable[object]", value.values() if type(value) is dict else value)


class _MisfitError(ValueError):
    """A value that doesn't fit, in words that show nothing of it."""


def _reject_constant(name: str) -> object:
    raise _MisfitError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _MisfitError("a number is too large")
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _MisfitError("an object has a key twice")
    return members


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_reject_constant, parse_float=_finite
)


def _problems(error: BaseException, path: str) -> Iterator[str]:
    if isinstance(error, BaseValidationError):
        for cause in error.exceptions:
            yield from _problems(cause, path + _step(cause))
    elif isinstance(error, _MisfitError):
        yield f"{path}: {error}"
    else:
        yield f"{path}: {'missing' if isinstance(error, KeyError) else 'does not fit'}"


def _step(error: BaseException) -> str:
    """The part of the path that the innermost level of cattrs noted on an error."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{wire_name(note.name)}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""


def wire_name(name: str) -> str:
    """``target_url`` as ``targetUrl``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _exactly(cls: type, expected: str) -> StructureHook:
    def structure_scalar(value: object, _: object) -> object:
        if type(value) is not cls:
            raise _MisfitError(f"expected {expected}, got {_kind(value)}")
        return value

    return structure_scalar


_structure_text = _exactly(str, "a string")


def _structure_datetime(value: object, _: object) -> datetime:
    text = _structure_text(value, None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _MisfitError("expected an ISO 8601 date and time, got other text") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unstructure_datetime(moment: datetime) -> str:
    timespec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return re.sub(r"\+00:00$", "Z", moment.isoformat(timespec=timespec))


def _structure_mapping(value: object, _: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _MisfitError(f"expected an object, got {_kind(value)}")
    return cast("dict[str, Any]", value)


def _is_optional(cls: object) -> bool:
    return isinstance(cls, UnionType) and len({*get_args(cls)} - {NoneType}) == 1


def _optional_hook(cls: UnionType, converter: Converter) -> StructureHook:
    # cattrs' own hook looks for that of the present values anew at each of them.
    (present,) = {*get_args(cls)} - {NoneType}
    structure_present = converter.get_structure_hook(present)

    def structure_optional(value: object, _: object) -> object:
        return None if value is None else structure_present(value, present)

    return structure_optional


def _tuple_hook(cls: type[Any], converter: Converter) -> StructureHook:
    items = GenericAlias(list, get_args(cls)[:1])
    structure_items = converter.get_structure_hook(items)

    def structure_tuple(value: object, _: object) -> object:
        if not isinstance(value, list):
            raise _MisfitError(f"expected an array, got {_kind(value)}")
        return tuple(structure_items(value, items))

    return structure_tuple


def _overrides(cls: type[Any]) -> dict[str, Any]:
    return {each.name: override(rename=wire_name(each.name)) for each in attrs.fields(cls)}


def _model_structure_hook(cls: type[Any], converter: Converter) -> StructureHook:
    overrides = _overrides(cls)
    known = frozenset(each.rename for name, each in overrides.items() if name != EXTRA)
    structure_fields: StructureHook = make_dict_structure_fn(cls, converter, **overrides)

    def structure_model(value: object, _: object) -> object:
        members = _structure_mapping(value, None)
        if not members.keys() <= known:
            # What the wire itself calls `extra` is unknown, like any other such member.
            unknown = {key: value for key, value in members.items() if key not in known}
            members = {**members, EXTRA: unknown}
        return structure_fields(members, cls)

    return structure_model


def _model_unstructure_hook(
    cls: type[Any], converter: Converter
) -> Callable[[Any], dict[str, Any]]:
    overrides = _overrides(cls)
    has_extra = EXTRA in overrides
    if has_extra:
        overrides[EXTRA] = override(omit=True)
    unstructure_fields: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(
        cls, converter, **overrides
    )

    def unstructure_model(model: Any) -> dict[str, Any]:  # noqa: ANN401 - any model
        fields = unstructure_fields(model)
        present = {name: value for name, value in fields.items() if value is not None}
        return {**model.extra, **present} if has_extra else present

    return unstructure_model


def _is(origin: type) -> Callable[[Any], bool]:
    return lambda cls: get_origin(cls) is origin


def _make_converter() -> Converter:
    made = Converter()
    made.register_structure_hook(str, _structure_text)
    made.register_structure_hook(bool, _exactly(bool, "a boolean"))
    made.register_structure_hook(int, _exactly(int, "a whole number"))
    made.register_structure_hook(datetime, _structure_datetime)
    made.register_unstructure_hook(datetime, _unstructure_datetime)
    made.register_structure_hook_func(_is(Mapping), _structure_mapping)
    made.register_structure_hook_factory(_is_optional, _optional_hook)
    made.register_structure_hook_factory(_is(tuple), _tuple_hook)
    made.register_structure_hook_factory(attrs.has, _model_structure_hook)
    made.register_unstructure_hook_factory(attrs.has, _model_unstructure_hook)
    return made


converter: Converter = _make_converter()
"""The one converter of the package; other modules register the hooks of their own classes."""
