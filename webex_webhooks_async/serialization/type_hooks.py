"""The converter between JSON and classes: how cattrs reads and writes what Webex sends.

Nothing is coerced, keys are camelCase, and our own models keep what is unknown.
"""

import dataclasses
from collections import deque
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, Union, cast, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter
from cattrs.cols import mapping_structure_factory  # pyright: ignore[reportUnknownVariableType] - its defaults have no type
from cattrs.disambiguators import create_default_dis_func
from cattrs.dispatch import StructureHook, UnstructureHook
from cattrs.errors import (
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from webex_webhooks_async import models
from webex_webhooks_async.models import EXTRA, JSON_KEY, format_datetime, has_extra, wire_name
from webex_webhooks_async.models.notifications import Notification, data_classes
from webex_webhooks_async.serialization.model_reader import new_reader
from webex_webhooks_async.serialization.strict_json import JSON, MisfitError


def new_converter() -> Converter:
    """Make the converter; what it has no hook for is read and written as cattrs does it."""
    converter = _EagerConverter()
    for cls, hook in _SCALARS.items():
        converter.register_structure_hook(cls, hook)
    reads = converter.register_structure_hook_factory  # of several that apply, the last counts
    converter.register_structure_hook_func(lambda cls: cls is object, _as_it_is)
    reads(lambda cls: _origin(cls) in _ARRAYS and not _is_fixed(cls), _array_hook)
    reads(lambda cls: _origin(cls) in {dict, Mapping, MutableMapping}, _object_hook)
    reads(lambda cls: isinstance(cls, NewType), _newtype_hook)
    reads(_is_union_of_classes, _union_hook)
    reads(_is_nullable, _nullable_hook)
    reads(is_class, _class_hook)
    reads(_is_of_any_data, _notification_hook)

    # A value is written by its own class, because attrs checks no types.
    unstructure = converter.unstructure

    def write_array(value: Iterable[object]) -> JSON:
        return [each if type(each) in _PLAIN else unstructure(each) for each in value]

    def write_key(key: object) -> str:
        name = unstructure(key)
        if not isinstance(name, str):  # the json module would make text of it
            raise TypeError(f"JSON can't hold a key of type {type(key).__qualname__}, only text")
        return name

    def write_object(value: Mapping[object, object]) -> JSON:
        return {
            key if type(key) is str else write_key(key): (
                each if type(each) in _PLAIN else unstructure(each)
            )
            for key, each in value.items()
        }

    for array in (list, tuple, AbstractSet):
        converter.register_unstructure_hook(array, write_array)
    converter.register_unstructure_hook(Mapping, write_object)
    converter.register_unstructure_hook(datetime, format_datetime)
    converter.register_unstructure_hook_factory(is_class, _class_writer)
    return converter


class _EagerConverter(Converter):
    """A converter in which what can't be read has no hook: cattrs reads bytes, which JSON lacks."""

    def get_structure_hook(self, type: Any, cache_result: bool = True) -> StructureHook:  # noqa: A002, ANN401, FBT001, FBT002 - as in cattrs
        hook = super().get_structure_hook(type, cache_result)
        if hook is _no_bytes:
            raise StructureHandlerNotFoundError("", type)
        if _is_fixed(type):  # cattrs 25 looks for the hooks of its items when it reads one
            for each in get_args(type):
                _hook_of(each, self)
        return hook


def _hook_of(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    """The hook of a type inside of another one: what can't be read is refused where that is made.

    A class whose own hook is being made, because it contains itself, is looked up later.
    """
    try:
        return converter.get_structure_hook(cls)
    except RecursionError:
        return converter.structure


def _origin(cls: Any) -> Any:  # noqa: ANN401 - a type
    return get_origin(cls) or cls


def _as_it_is(value: object, _: object) -> object:
    return value


# Scalars: cattrs finds the hooks of `str`, `int` and `float` for their subclasses, too.


def _scalar(expected: str, *classes: type) -> StructureHook:
    def structure_scalar(value: Any, wanted: Any) -> object:  # noqa: ANN401 - any JSON, a type
        if type(value) is wanted:
            return value
        if issubclass(wanted, Enum):
            return _structure_enum(value, wanted)
        if type(value) not in classes:
            raise _misfit(expected, value)
        try:
            return wanted(value)
        except OverflowError:
            raise MisfitError("a number is too large") from None

    return structure_scalar


def _structure_datetime(value: Any, _: object) -> datetime:  # noqa: ANN401 - any JSON
    if type(value) is not str:
        raise _misfit("a string", value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise MisfitError("expected an ISO 8601 date and time, got other text") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _structure_enum(value: object, cls: Any) -> Enum:  # noqa: ANN401 - a type
    with suppress(ValueError):
        member: Enum = cls(value)
        if type(member.value) is type(value):
            return member
    raise MisfitError(f"expected one of {', '.join(repr(each.value) for each in cls)}")


def _misfit(expected: str, value: object) -> MisfitError:
    return MisfitError(f"expected {expected}, got {_KINDS.get(type(value), 'an object')}")


_KINDS: dict[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
}

_no_bytes = _scalar("bytes")
"""Marks what isn't read: cattrs would make bytes of a number, so many zeros."""

_SCALARS: dict[Any, StructureHook] = {
    str: _scalar("a string", str),
    bool: _scalar("a boolean", bool),
    int: _scalar("a whole number", int),
    float: _scalar("a number", float, int),
    datetime: _structure_datetime,
    Enum: _structure_enum,
    bytes: _no_bytes,
    bytearray: _no_bytes,
}


# Arrays and objects


_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
    deque: deque,
}
_MAX_MISFITS = 100  # of an array: an error takes 400 times the bytes of what doesn't fit


def _is_fixed(cls: object) -> bool:
    return get_origin(cls) is tuple and get_args(cls)[-1:] != (...,)


def _array_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    make = _ARRAYS[_origin(cls)]
    item_class = (*get_args(cls), Any)[0]
    structure_item = _hook_of(item_class, converter)

    def structure_array(value: list[object], _: object) -> object:
        if type(value) is not list:
            raise _misfit("an array", value)
        items: list[object] = []
        misfits: list[Exception] = []
        for each in value:
            try:
                items.append(structure_item(each, item_class))
            except Exception as error:  # noqa: BLE001 - as cattrs does
                index = len(items) + len(misfits)
                error.add_note(IterableValidationNote("", index, None))
                misfits.append(error)
                if len(misfits) == _MAX_MISFITS:
                    break
        if misfits:
            # cattrs' own __new__ takes the class.
            raise IterableValidationError("", misfits, list)  # pyright: ignore[reportCallIssue] - see above
        return make(items)

    return structure_array


def _object(value: dict[str, object] | None, _: object = None) -> dict[str, object]:
    if type(value) is not dict:
        raise _misfit("an object", value)
    return value


def _object_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    keys, values = get_args(cls) or (str, Any)
    if keys in {int, float, bool}:  # JSON's keys are text
        raise StructureHandlerNotFoundError("", cls)
    if (keys, values) == (str, Any):
        return _object
    structure_members = mapping_structure_factory(cast("Any", dict)[keys, values], converter)
    return _strict_hook(dict, structure_members)


def _strict_hook(cls: Any, structure_members: StructureHook) -> StructureHook:  # noqa: ANN401 - a type
    return lambda value, _: structure_members(_object(value), cls)


def _is_nullable(cls: object) -> bool:
    members = get_args(cls)
    is_union = get_origin(cls) in {Union, UnionType}
    return is_union and NoneType in members and len(members) == 2  # noqa: PLR2004 - the other is what may be null


def _nullable_hook(cls: object, converter: Converter) -> StructureHook:
    (present,) = set(get_args(cls)) - {NoneType}
    if present is str:
        return _structure_optional_text
    structure_present = _hook_of(present, converter)
    return lambda value, _: None if value is None else structure_present(value, present)


def _structure_optional_text(value: object, _: object) -> object:
    """The most common type of all, so it takes one call."""
    if type(value) is str or value is None:
        return value
    raise _misfit("a string", value)


def _newtype_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    base = cls.__supertype__
    structure_base = _hook_of(base, converter)
    return lambda value, _: structure_base(value, base)


def _is_union_of_classes(cls: object) -> bool:
    is_union = get_origin(cls) in {Union, UnionType}
    return is_union and all(each is NoneType or is_class(each) for each in get_args(cls))


def _union_hook(cls: object, converter: Converter) -> StructureHook:
    """Let cattrs tell the classes apart by a member that only one has, or by their literals."""
    classes = [each for each in get_args(cls) if each is not NoneType]
    hooks = {each: _hook_of(each, converter) for each in classes}
    keys = {name: key for each in classes for name, key in keys_of(_origin(each)).items()}
    class_of = create_default_dis_func(converter, *classes)

    class ByName(dict[str, object]):
        """An object of JSON in which cattrs finds a literal by the name of its field."""

        def __getitem__(self, name: str) -> object:
            return super().__getitem__(keys[name])

    def structure_union(value: dict[str, object] | None, _: object) -> object:
        if value is None and len(classes) < len(get_args(cls)):
            return None
        found = class_of(ByName(_object(value)))
        structure_found = hooks.get(found) or converter.get_structure_hook(found)
        return structure_found(value, found)

    return structure_union


# Attrs classes and dataclasses


def is_class(cls: Any) -> bool:  # noqa: ANN401 - a type
    """Whether it is an attrs class or a dataclass, with or without arguments."""
    origin = _origin(cls)
    return isinstance(origin, type) and (attrs.has(origin) or dataclasses.is_dataclass(origin))


@cache
def keys_of(cls: Any) -> dict[str, str]:  # noqa: ANN401 - mypy takes no type that may be unhashable
    """The fields of a class, each with its key in JSON. Our ``extra`` has none."""
    return {
        each.name: each.metadata.get(JSON_KEY)
        or wire_name(getattr(each, "alias", None) or each.name)
        for each in (_fields(cls) if is_class(cls) else ())
        if not (each.name == EXTRA and has_extra(cls))
    }


@cache
def _fields(cls: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as for `keys_of`
    """The fields of a class, whose types are no text any more, nor have text in them."""
    fields: tuple[Any, ...] = attrs.fields(cls) if attrs.has(cls) else dataclasses.fields(cls)
    try:
        types = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the types of {cls.__qualname__} can't be found: {error}; import it where the "
            "class is, and define the class at the top level of its module"
        ) from error
    for each in fields:  # as attrs.resolve_types does, which cattrs calls for some of them
        object.__setattr__(each, "type", types.get(each.name, each.type))
    return fields


def _class_hook(cls: Any, converter: Converter, **hooks: StructureHook) -> StructureHook:  # noqa: ANN401 - a type
    """The hook of a class; `hooks` take the place of those of some fields."""
    origin = _origin(cls)
    for each in _classes_in(cls):  # one of the same class is looked up later, as itself
        _hook_of(each, converter)
    hooks |= {
        each.name: _empty_where_null(each.type, converter)
        for each in _fields(origin)
        if _is_list_of_ours(origin, each)
    }
    overrides: dict[str, Any] = {
        name: override(rename=key, struct_hook=hooks.get(name))
        for name, key in keys_of(origin).items()
    }
    try:
        structure_fields: Any = make_dict_structure_fn(cls, converter, **overrides)
    except StructureHandlerNotFoundError as error:
        error.add_note(_field_that_fails(cls, converter, overrides))
        raise
    hook: Any = (_tolerant_hook if has_extra(origin) else _strict_hook)(origin, structure_fields)
    if _is_ours(origin) and get_args(cls) in {(), (Any,)}:

        def hook_of(field: Any) -> StructureHook:  # noqa: ANN401 - of attrs
            if field.type == datetime | None:  # null is taken as it is
                return _structure_datetime
            return hooks.get(field.name) or converter.get_structure_hook(field.type)

        hook = new_reader(origin, keys_of(origin), hook_of, hook)
    hook.overrides = overrides  # by which cattrs tells the classes of a union apart
    return cast("StructureHook", hook)


def _classes_in(cls: object) -> Iterator[object]:
    """The classes among the arguments of a type, however deep."""
    for each in get_args(cls):
        if is_class(each):
            yield each
        yield from _classes_in(each)


def _is_ours(cls: type[Any]) -> bool:
    """Whether it is a model of this package that is read, not a class that inherits from one."""
    return has_extra(cls) and cls.__module__.startswith(f"{models.__name__}.")


def _is_list_of_ours(cls: type[Any], field: Any) -> bool:  # noqa: ANN401 - of attrs or a dataclass
    return has_extra(cls) and field.default == ()


def _empty_where_null(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    structure_items = converter.get_structure_hook(cls)
    return lambda value, _: () if value is None else structure_items(value, cls)


def _field_that_fails(cls: Any, converter: Converter, overrides: dict[str, Any]) -> str:  # noqa: ANN401 - a type
    origin = _origin(cls)
    for each in _fields(origin):
        others: dict[str, Any] = {
            name: override(omit=True) for name in overrides if name != each.name
        }
        try:
            make_dict_structure_fn(cls, converter, **others)
        except StructureHandlerNotFoundError:
            return f"{origin.__qualname__}.{each.name}"
    return str(origin.__qualname__)  # a generic class without its arguments


def _tolerant_hook(cls: Any, structure_fields: StructureHook) -> StructureHook:  # noqa: ANN401 - a type
    """Keep unknown keys in ``extra``, and the values of optional fields that don't fit."""
    keys = keys_of(cls)
    known = frozenset(keys.values())
    optional = {each.name for each in attrs.fields(cls) if each.default is not attrs.NOTHING}

    def structure_model(value: dict[str, object], _: object) -> object:
        if type(value) is not dict:  # as `_object` does, a call less for each item of a list
            raise _misfit("an object", value)
        # What JSON itself calls `extra` is unknown, like any other key that no field has.
        members = value if known.issuperset(value) else _with_extra(value, known)
        try:
            return structure_fields(members, cls)
        except ClassValidationError as error:
            misfits, others = error.group_exceptions()
        others += [each for each, note in misfits if note.name not in optional]
        if others:
            # cattrs' own __new__ takes the class.
            raise ClassValidationError("", others, cls)  # pyright: ignore[reportCallIssue] - see above
        odd = {keys[note.name] for _, note in misfits}
        return structure_fields(_with_extra(value, known - odd), cls)

    return structure_model


def _with_extra(members: dict[str, object], known: AbstractSet[str]) -> dict[str, object]:
    """Move the keys that aren't known into ``extra``, in their order."""
    fitting = {key: each for key, each in members.items() if key in known}
    return fitting | {EXTRA: {key: each for key, each in members.items() if key not in known}}


_PLAIN = frozenset({str, bool, int, float, NoneType})
_WRITTEN_AS_IT_IS = (str, str | None, bool, bool | None, int, int | None, float, float | None)


def _class_writer(cls: Any, converter: Converter) -> UnstructureHook:  # noqa: ANN401 - a type
    keys = keys_of(cls)
    overrides: dict[str, Any] = {
        each.name: override(
            rename=keys.get(each.name),
            omit_if_default=each.default is None or _is_list_of_ours(cls, each),
            omit=None if each.name in keys else True,
            unstruct_hook=identity if each.type in _WRITTEN_AS_IT_IS else converter.unstructure,
        )
        for each in _fields(cls)
    }
    write_fields = make_dict_unstructure_fn(cls, converter, **overrides)
    if not has_extra(cls):
        return write_fields

    def write_model(value: object) -> JSON:
        members = write_fields(value)
        extra = getattr(value, EXTRA)
        return {**converter.unstructure(extra), **members} if extra else members

    return write_model


# Notifications


def _is_of_any_data(cls: Any) -> bool:  # noqa: ANN401 - a type
    """Whether it is a `Notification` whose data may be anything that a notification has."""
    if _origin(cls) is not Notification:
        return False
    (data,) = get_args(cls) or (Any,)
    return data is Any or data == _any_data()


@cache
def _any_data() -> Any:  # noqa: ANN401 - type checkers take no union for a type here
    from webex_webhooks_async.models.notification_data import NotificationData  # noqa: PLC0415 - as `data_classes` says

    return NotificationData


def _notification_hook(_: object, converter: Converter) -> StructureHook:
    """Make the data an instance of its resource's class, if it has one and the data fits.

    ``Notification[MessageData]`` is strict about its data; this is for those of `_is_of_any_data`.
    """
    structure_fields = _class_hook(Notification[Any], converter, data=_object)
    hooks: dict[str, StructureHook] = {}

    def structure_notification(value: object, cls: object) -> object:
        notification: Notification[Any] = structure_fields(value, cls)
        data_class = data_classes().get(notification.resource)
        if data_class is not None:
            hook = hooks.get(notification.resource)
            if hook is None:
                hook = hooks[notification.resource] = converter.get_structure_hook(data_class)
            try:
                data = hook(notification.data, data_class)
            except ClassValidationError:
                return notification
            object.__setattr__(notification, "data", data)  # frozen, but ours alone so far
        return notification

    return structure_notification
