"""Decides what the types of attrs fields mean in JSON: makes instances of parsed JSON, strictly."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

import attrs
from cattrs import BaseConverter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.extra import EXTRA, has_extra
from webex_webhooks_async.models.notifications import Notification, NotificationData, data_classes

T = TypeVar("T")
StructureHook = Callable[[Any, Any], Any]
"""Makes a value of parsed JSON. cattrs passes the type, too, which the hook already knows."""


JSON_KEY = "webex_webhooks_async.json_key"
"""In the metadata of an attrs field: its key in JSON, where that isn't its name in camelCase."""


def structure(value: object, cls: type[T], path: str = "$") -> T:
    """Make an instance of a class of parsed JSON that is at this path of its document.

    Raises:
        DecodeError: The value doesn't fit; the error names every problem.
        TypeError: The class isn't or contains a type that isn't supported.
    """
    hook = get_hook(cls)
    try:
        structured: T = hook(value, None)
    except (BaseValidationError, MisfitError, RecursionError) as error:
        problems = tuple(_problems(error, path))
    else:
        return structured
    # Outside of the except block: the errors of cattrs hold the values.
    raise DecodeError(problems)


class MisfitError(ValueError):
    """A value that doesn't fit, in words that show nothing of it."""


def wire_name(name: str) -> str:
    """``target_url`` as ``targetUrl``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _keys_of(cls: type[Any]) -> dict[str, str]:
    return {
        each.name: each.metadata.get(JSON_KEY) or wire_name(each.alias or each.name)
        for each in attrs.fields(cls)
        if each.init and not (each.name == EXTRA and has_extra(cls))
    }


keys_of: Callable[[Any], dict[str, str]] = cache(_keys_of)
"""The fields of an attrs class, each with its key in JSON. Our ``extra`` has none."""


def _make_hook(cls: Any) -> StructureHook:  # noqa: ANN401, C901, PLR0911 - a table of all types
    if cls in _OF_ANY_DATA:
        return _structure_notification
    if cls in _SCALARS:
        return _SCALARS[cls]
    if isinstance(cls, NewType):
        return _inner_hook(cls.__supertype__)
    origin, arguments = get_origin(cls) or cls, get_args(cls)
    if origin is Annotated:
        return _inner_hook(arguments[0])
    if origin is Literal:
        return _choice_hook([(each, each) for each in arguments])
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _choice_hook([(each.value, each) for each in origin])
    if origin in {Union, UnionType} and len({*arguments} - {NoneType}) == 1:
        (present,) = {*arguments} - {NoneType}
        return _nullable_hook(present)
    if origin in _ARRAYS and arguments[1:] == ((...,) if origin is tuple and arguments else ()):
        return _array_hook(_ARRAYS[origin], *(arguments or (Any,))[:1])
    if origin in _OBJECTS and arguments[:1] in {(), (str,)}:
        return _object_hook(*arguments[1:])
    if isinstance(origin, type) and attrs.has(cast("type[Any]", origin)):
        return _model_hook(cls)
    raise TypeError(
        f"from_json doesn't support {_name(cls)}: use str, bool, int, float, datetime, an Enum, a "
        "Literal, an attrs class, Any, or list[T], tuple[T, ...], Mapping[str, T] or T | None of "
        "these; or give the attrs field that has this type a converter"
    )


get_hook: Callable[[Any], StructureHook] = cache(_make_hook)
"""Looks up the function that makes a value of a type; a `TypeError` says that it isn't supported.

It is not only for instances of `type`, but for unions and the like, too."""


def _name(cls: object) -> str:
    return cls.__qualname__ if isinstance(cls, type) and not get_args(cls) else str(cls)


def _inner_hook(cls: object) -> StructureHook:
    """The hook of a type inside another one, which may be inside itself."""
    if cls in _being_made:
        return lambda value, _: get_hook(cls)(value, None)
    return get_hook(cls)


_being_made: set[object] = set()
"""The classes whose hooks are being made."""


def _exactly(cls: type, *, expected: str) -> StructureHook:
    def structure_scalar(value: object, _: object) -> object:
        if type(value) is cls:
            return value
        raise MisfitError(f"expected {expected}, got {_kind(value)}")

    return structure_scalar


def _structure_optional_text(value: object, _: object) -> object:
    if type(value) is str or value is None:
        return value
    raise MisfitError(f"expected a string, got {_kind(value)}")


def _structure_number(value: Any, _: object) -> float:  # noqa: ANN401 - any JSON
    if type(value) not in {int, float}:
        raise MisfitError(f"expected a number, got {_kind(value)}")
    try:
        return float(value)
    except OverflowError:
        raise MisfitError("a number is too large") from None


def _structure_datetime(value: Any, _: object) -> datetime:  # noqa: ANN401 - any JSON
    if type(value) is not str:
        raise MisfitError(f"expected a string, got {_kind(value)}")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise MisfitError("expected an ISO 8601 date and time, got other text") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _structure_any(value: object, _: object) -> object:
    return value


_structure_object = _exactly(dict, expected="an object")

_SCALARS: dict[Any, StructureHook] = {
    str: _exactly(str, expected="a string"),
    bool: _exactly(bool, expected="a boolean"),
    int: _exactly(int, expected="a whole number"),
    float: _structure_number,
    datetime: _structure_datetime,
    Any: _structure_any,
    object: _structure_any,
    # The commonest type of all, so it gets by with one call.
    str | None: _structure_optional_text,
}
_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {list: list, tuple: tuple, Sequence: tuple}
_OBJECTS = {dict, Mapping}


def _choice_hook(choices: Iterable[tuple[object, object]]) -> StructureHook:
    choices = tuple(choices)
    expected = f"expected one of {', '.join(repr(each) for each, _ in choices)}"

    def structure_choice(value: object, _: object) -> object:
        for each, meaning in choices:
            if type(each) is type(value) and each == value:
                return meaning
        raise MisfitError(expected)

    return structure_choice


def _nullable_hook(present: object) -> StructureHook:
    structure_present = _inner_hook(present)

    def structure_nullable(value: object, _: object) -> object:
        return None if value is None else structure_present(value, None)

    return structure_nullable


def _array_hook(make: Callable[[list[Any]], Any], items: object) -> StructureHook:
    structure_item = _inner_hook(items)

    def structure_array(value: object, _: object) -> object:
        if type(value) is not list:
            raise MisfitError(f"expected an array, got {_kind(value)}")
        array = cast("list[object]", value)
        try:
            return make([structure_item(each, None) for each in array])
        except (BaseValidationError, MisfitError):
            pass
        raise _misfits(structure_item, enumerate(array))

    return structure_array


def _object_hook(values: object = Any) -> StructureHook:
    structure_value = _inner_hook(values)

    def structure_members(value: object, _: object) -> object:
        members: dict[str, object] = _structure_object(value, None)
        try:
            return {key: structure_value(each, None) for key, each in members.items()}
        except (BaseValidationError, MisfitError):
            pass
        # The key isn't shown: it may be anything, a secret too.
        raise _misfits(structure_value, zip(repeat("*"), members.values(), strict=False))

    return _structure_object if values is Any else structure_members


def _misfits(
    hook: StructureHook, members: Iterable[tuple[int | str, object]]
) -> IterableValidationError:
    """The error for the members of an array or an object that don't fit."""
    misfits: list[Exception] = []
    for index, value in members:
        try:
            hook(value, None)
        except (BaseValidationError, MisfitError) as error:
            error.add_note(IterableValidationNote("", index, None))
            misfits.append(error)
    # cattrs' own __new__ takes the class.
    return IterableValidationError("", misfits, list)  # pyright: ignore[reportCallIssue] - see above


def _model_hook(cls: Any, **hooks: StructureHook) -> StructureHook:  # noqa: ANN401 - as get_hook
    """The hook of an attrs class; `hooks` take the place of those of some fields."""
    origin = get_origin(cls) or cls
    keys = keys_of(origin)
    overrides: dict[str, Any] = {
        name: override(rename=keys.get(name), struct_hook=hook)
        for name, hook in {**_field_hooks(cls), **hooks}.items()
    }
    structure_fields: StructureHook = make_dict_structure_fn(cls, _converter, **overrides)
    if has_extra(origin):
        return _tolerant_hook(origin, structure_fields)

    def structure_model(value: object, _: object) -> object:
        if type(value) is not dict:
            raise MisfitError(f"expected an object, got {_kind(value)}")
        return structure_fields(cast("dict[str, object]", value), None)

    return structure_model


_converter = BaseConverter()  # make_dict_structure_fn takes its settings from one


def _tolerant_hook(cls: type[Any], structure_fields: StructureHook) -> StructureHook:
    """Keep unknown keys in ``extra``, and the values of optional fields that don't fit."""
    keys = keys_of(cls)
    known = frozenset(keys.values())
    optional = {each.name for each in attrs.fields(cls) if each.default is not attrs.NOTHING}

    def structure_model(value: object, _: object) -> object:
        if type(value) is not dict:
            raise MisfitError(f"expected an object, got {_kind(value)}")
        members = cast("dict[str, object]", value)
        # What JSON itself calls `extra` is unknown, like any other key that no field has.
        extra = {} if known.issuperset(members) else _without(known, members)
        try:
            return structure_fields({**members, EXTRA: extra} if extra else members, None)
        except ClassValidationError as error:
            misfits = error.exceptions
        required = [each for each in misfits if _attribute(each) not in optional]
        if required:
            # cattrs' own __new__ takes the class.
            raise ClassValidationError("", required, cls)  # pyright: ignore[reportCallIssue] - see above
        odd = {keys[_attribute(each)] for each in misfits}
        extra = {**extra, **{key: members[key] for key in odd}}
        return structure_fields({**_without(odd, members), EXTRA: extra}, None)

    return structure_model


def _without(keys: AbstractSet[str], members: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in members.items() if key not in keys}


def _field_hooks(cls: Any) -> dict[str, StructureHook]:  # noqa: ANN401 - as get_hook
    """The hook of each field's type, with the arguments of a generic class in their places."""
    origin = get_origin(cls) or cls
    try:
        attrs.resolve_types(origin)
    except NameError as error:
        raise TypeError(
            f"the types of {origin.__qualname__} can't be found: {error}; import it where the "
            "class is, and define the class at the top level of its module"
        ) from error
    arguments: dict[Any, Any] = dict(
        zip(getattr(origin, "__parameters__", ()), get_args(cls), strict=False)
    )
    _being_made.add(cls)
    try:
        return {
            each.name: _field_hook(each, arguments) for each in attrs.fields(origin) if each.init
        }
    finally:
        _being_made.discard(cls)


def _field_hook(field: "attrs.Attribute[Any]", arguments: Mapping[Any, Any]) -> StructureHook:
    cls: Any = Any if field.type is None else field.type
    if isinstance(cls, TypeVar):
        cls = arguments.get(cls, cls)
    elif parameters := getattr(cls, "__parameters__", ()):
        cls = cls[tuple(arguments.get(each, each) for each in parameters)]
    try:
        return _inner_hook(cls)
    except TypeError:
        if field.converter is None:  # pyright: ignore[reportUnknownMemberType] - attrs' own type
            raise
        return _structure_any  # the converter knows what to make of it


_any_data: Any = NotificationData  # type checkers take no union for an argument here
_OF_ANY_DATA = {Notification, Notification[Any], Notification[_any_data]}


def _structure_notification(value: object, _: object) -> object:
    """Make the data an instance of its resource's class, if it has one and the data fits.

    ``Notification[MessageData]`` is strict about its data; this is for the types of `_OF_ANY_DATA`.
    """
    resource = cast("dict[str, object]", value).get("resource") if type(value) is dict else None
    known = resource if type(resource) is str and resource in data_classes else None
    return _notification_hook(known)(value, None)


@cache  # made on first use: making all of them takes milliseconds
def _notification_hook(resource: str | None) -> StructureHook:
    """The hook for the notifications of a resource that has a data class, or of all others."""
    structure_known = get_hook(data_classes[resource] if resource else Mapping[str, Any])

    def structure_data(value: object, _: object) -> object:
        try:
            return structure_known(value, None)
        except ClassValidationError:
            return value

    return _model_hook(Notification[Any], data=structure_data)


def _problems(error: BaseException, path: str) -> Iterator[str]:
    if isinstance(error, BaseValidationError):
        # Where the depth ends, each field fails: one problem is enough.
        too_deep = [each for each in error.exceptions if isinstance(each, RecursionError)]
        for cause in too_deep[:1] or error.exceptions:
            yield from _problems(cause, path + _step(cause, error.cl))
    else:
        yield f"{path}: {_problem(error)}"


def _problem(error: BaseException) -> str:
    match error:
        case MisfitError():
            return str(error)
        case KeyError():
            return "missing"
        case RecursionError():
            return "nested too deeply"
        case _:  # raised by a class that refuses its values
            return "does not fit"


def _step(error: BaseException, cls: Any) -> str:  # noqa: ANN401 - as get_hook
    """The part of the path that leads to an error from where its class or array is."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{keys_of(cls)[note.name]}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""


def _attribute(error: BaseException) -> str:
    notes = getattr(error, "__notes__", ())
    return next((note.name for note in notes if isinstance(note, AttributeValidationNote)), "")


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
