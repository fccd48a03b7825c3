"""The hooks of a converter: how each type is read from JSON, and written as JSON."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import attrs
from cattrs import Converter
from cattrs.cols import (
    is_mapping,
    iterable_unstructure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType] - its defaults have no type
    mapping_unstructure_factory,
)
from cattrs.disambiguators import create_default_dis_func, is_supported_union
from cattrs.dispatch import StructureHook, UnstructureHook
from cattrs.errors import (
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override, typeddicts

from webex_webhooks_async.models import EXTRA, JSON_KEY, format_datetime, has_extra, wire_name
from webex_webhooks_async.models.notifications import Notification, data_classes
from webex_webhooks_async.strict_json import JSON, MisfitError


def new_converter() -> Converter:
    """Make a converter with a hook for each type that `from_json` names."""
    converter = _Converter()
    for cls, hook in _SCALARS.items():
        converter.register_structure_hook(cls, hook)
    converter.register_structure_hook_func(lambda cls: cls is object, lambda value, _: value)
    reads = converter.register_structure_hook_factory  # of several that apply, the last counts
    reads(_is_literal, _literal_hook)
    reads(lambda cls: _origin(cls) in _ARRAYS, _array_hook)
    reads(lambda cls: _origin(cls) in {dict, Mapping, MutableMapping}, _object_hook)
    reads(lambda cls: is_typeddict(_origin(cls)), _typed_dict_hook)
    reads(is_supported_union, _class_union_hook)
    reads(_is_nullable, _nullable_hook)
    reads(is_class, _class_hook)
    reads(_is_of_any_data, _notification_hook)
    reads(lambda cls: is_class(type(cls)), _refuse_instance)
    writes = converter.register_unstructure_hook_factory
    writes(_is_nullable, _nullable_writer)
    writes(lambda cls: cls is object, _any_writer)
    writes(lambda cls: _origin(cls) in _ARRAYS and not _is_fixed(cls), _array_writer)
    writes(lambda cls: is_mapping(cls) and not is_typeddict(_origin(cls)), _object_writer)
    writes(is_class, _class_writer)
    converter.register_unstructure_hook(datetime, _writer_of(datetime, format_datetime, converter))
    converter.register_unstructure_hook(Enum, _writer_of(Enum, lambda it: it.value, converter))
    return converter


class _Converter(Converter):
    def register_structure_hook(self, cl: Any, func: Any = None) -> Any:  # noqa: ANN401 - as its base has it
        """Let a hook for ``T | None`` win over ours, as it does over cattrs' own."""
        if func is not None and get_origin(cl) in {Union, UnionType}:
            return self.register_structure_hook_func(lambda cls: cls == cl, func)
        register: Any = super().register_structure_hook
        return register(cl, func)

    def get_structure_hook(self, type: Any, cache_result: bool = True) -> StructureHook:  # noqa: A002, ANN401, FBT001, FBT002 - as its base has it
        """Refuse ``bytes`` when its hook is looked up: cattrs always finds one for it."""
        hook: StructureHook = super().get_structure_hook(type, cache_result)
        if hook is _refuse:
            raise StructureHandlerNotFoundError("", type)
        return hook


def _refuse(_: object, cls: Any) -> object:  # noqa: ANN401 - a type
    raise StructureHandlerNotFoundError("", cls)


def _refuse_instance(instance: object) -> StructureHook:
    raise TypeError(f"pass the class {type(instance).__qualname__}, not an instance of it")


def _origin(cls: Any) -> Any:  # noqa: ANN401 - a type
    return get_origin(cls) or cls


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
    raise _not_one_of(each.value for each in cls)


def _is_literal(cls: object) -> bool:
    return get_origin(cls) is Literal


def _literal_hook(cls: object, _: Converter) -> StructureHook:
    choices = [(each.value if isinstance(each, Enum) else each, each) for each in get_args(cls)]

    def structure_literal(value: object, _: object) -> object:
        for each, meaning in choices:
            if type(each) is type(value) and each == value:
                return meaning
        raise _not_one_of(each for each, _ in choices)

    return structure_literal


def _not_one_of(choices: Iterable[object]) -> MisfitError:
    return MisfitError(f"expected one of {', '.join(map(repr, choices))}")


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

_SCALARS: dict[Any, StructureHook] = {
    str: _scalar("a string", str),
    bool: _scalar("a boolean", bool),
    int: _scalar("a whole number", int),
    float: _scalar("a number", float, int),
    datetime: _structure_datetime,
    Enum: _structure_enum,
    bytes: _refuse,
    bytearray: _refuse,
}


def _writer_of(
    classes: type | tuple[type, ...], write: UnstructureHook, converter: Converter
) -> UnstructureHook:
    """A hook for instances of these classes; it writes any other value by its own class.

    Attrs checks no types, so a field may hold anything.
    """

    def write_value(value: object) -> object:
        return write(value) if isinstance(value, classes) else converter.unstructure(value)

    return write_value


def _any_writer(_: object, converter: Converter) -> UnstructureHook:
    def write_any(value: object) -> object:
        # For an instance of exactly this type, the hook of its class is this function again.
        return value if type(value) is object else converter.unstructure(value)

    return write_any


# Arrays: the hooks from here on declare the JSON that they take, and refuse any other.


_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}
_MAX_MISFITS = 100  # of an array: an error takes 400 times the bytes of what doesn't fit


def _is_fixed(cls: object) -> bool:
    """Whether it is a tuple with a type for each item."""
    return get_origin(cls) is tuple and get_args(cls)[-1:] != (...,)


def _array_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    make = _ARRAYS[_origin(cls)]
    wanted = get_args(cls) if _is_fixed(cls) else (*get_args(cls), Any)[:1]
    hooks = [(converter.get_structure_hook(each), each) for each in wanted]
    length = len(hooks) if _is_fixed(cls) else None

    def structure_array(value: list[object], _: object) -> object:
        if type(value) is not list:
            raise _misfit("an array", value)
        if length is not None and length != len(value):
            raise MisfitError(f"expected {length} items, got {len(value)}")
        items: list[object] = []
        misfits: list[Exception] = []
        pairs = zip(value, repeat(hooks[0]) if length is None else hooks, strict=False)
        for each, (structure_item, item_class) in pairs:
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


def _array_writer(cls: Any, converter: Converter) -> UnstructureHook:  # noqa: ANN401 - a type
    write_items = iterable_unstructure_factory(cls, converter, unstructure_to=list)
    # Text is a sequence, too.
    return _writer_of((list, tuple, AbstractSet), write_items, converter)


# Objects


def _object(value: dict[str, object] | None, _: object = None) -> dict[str, object]:
    if type(value) is not dict:
        raise _misfit("an object", value)
    return value


def _object_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    keys, values = get_args(cls) or (str, Any)
    if keys in {int, float, bool}:  # JSON's keys are text
        raise StructureHandlerNotFoundError("", cls)
    if (keys, values) == (str, Any) and converter.get_structure_hook(str) is _SCALARS[str]:
        return _object
    structure_members = mapping_structure_factory(cast("Any", dict)[keys, values], converter)
    return _strict_hook(dict, structure_members)


def _typed_dict_hook(cls: Any, converter: Converter) -> StructureHook:  # noqa: ANN401 - a type
    structure_members: StructureHook = typeddicts.make_dict_structure_fn(cls, converter)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - its dict has no arguments
    return _strict_hook(cls, structure_members)


def _strict_hook(cls: Any, structure_members: StructureHook) -> StructureHook:  # noqa: ANN401 - a type
    return lambda value, _: structure_members(_object(value), cls)


def _object_writer(cls: Any, converter: Converter) -> UnstructureHook:  # noqa: ANN401 - a type
    def write_key(key: object, _: object = None) -> str:  # cattrs asks for two, and passes one
        text = converter.unstructure(key)
        if not isinstance(text, str):
            raise _odd_key(key)
        return text

    write_members = mapping_unstructure_factory(
        cls, converter, unstructure_to=dict, key_handler=write_key
    )
    return _writer_of(Mapping, write_members, converter)


def _check_keys(values: Iterable[JSON]) -> None:
    """Refuse keys that couldn't be read back, which the json module would turn into text."""
    for each in values:
        if isinstance(each, dict):
            for key in cast("dict[object, object]", each):
                if not isinstance(key, str):
                    raise _odd_key(key)
            _check_keys(cast("dict[object, object]", each).values())
        elif isinstance(each, list | tuple):
            _check_keys(cast("Iterable[object]", each))


def _odd_key(key: object) -> TypeError:
    return TypeError(f"JSON can't hold a key of type {type(key).__qualname__}, only text")


# Unions


def _is_nullable(cls: object) -> bool:
    members = get_args(cls)
    is_union = get_origin(cls) in {Union, UnionType}
    return is_union and NoneType in members and len(members) == 2  # noqa: PLR2004 - the other is what may be null


def _nullable_hook(cls: object, converter: Converter) -> StructureHook:
    (present,) = set(get_args(cls)) - {NoneType}
    structure_present = converter.get_structure_hook(present)
    if present is str and structure_present is _SCALARS[str]:
        return _structure_optional_text
    return lambda value, _: None if value is None else structure_present(value, present)


def _structure_optional_text(value: object, _: object) -> object:
    """The most common type of all, so it takes one call."""
    if type(value) is str or value is None:
        return value
    raise _misfit("a string", value)


def _nullable_writer(cls: Any, converter: Converter) -> UnstructureHook:  # noqa: ANN401 - a type
    """Write null as cattrs does, and without a call where what isn't null is written as it is."""
    (present,) = set(get_args(cls)) - {NoneType}
    # What a type variable stands for is known only when it is written.
    if not isinstance(present, TypeVar) and converter.get_unstructure_hook(present) is identity:
        return identity
    return converter.gen_unstructure_optional(cls)


def _class_union_hook(cls: object, converter: Converter) -> StructureHook:
    nullable = NoneType in get_args(cls)
    classes = [each for each in get_args(cls) if each is not NoneType]
    # cattrs looks for the values of Literals under the names of the fields.
    use_literals = all(
        key == name
        for member in map(_origin, classes)
        for name, key in keys_of(member).items()
        if _is_literal(_types_of(member)[name])
    )
    choose = create_default_dis_func(converter, *classes, use_literals=use_literals)
    expected = " or ".join(_origin(each).__qualname__ for each in classes)

    def structure_union(value: dict[str, object] | None, _: object) -> object:
        if value is None and nullable:
            return None
        members = _object(value)
        try:
            chosen: Any = choose(members)
        except (KeyError, TypeError, ValueError):
            raise MisfitError(f"expected the keys of {expected}") from None
        return converter.structure(members, chosen)

    return structure_union


# Attrs classes and dataclasses


def is_class(cls: Any) -> bool:  # noqa: ANN401 - a type
    """Whether it is an attrs class or a dataclass, with or without arguments."""
    origin = _origin(cls)
    return isinstance(origin, type) and (attrs.has(origin) or dataclasses.is_dataclass(origin))


def _fields(cls: type[Any]) -> tuple[Any, ...]:
    return attrs.fields(cls) if attrs.has(cls) else dataclasses.fields(cls)


@cache
def keys_of(cls: Any) -> dict[str, str]:  # noqa: ANN401 - mypy takes no type that may be unhashable
    """The fields of a class, each with its key in JSON. Our ``extra`` has none.

    Raises:
        TypeError: The types of its fields can't be found.
    """
    if not is_class(cls):
        return {}
    try:
        _types_of(cls)
    except NameError as error:
        raise TypeError(
            f"the types of {cls.__qualname__} can't be found: {error}; import it where the "
            "class is, and define the class at the top level of its module"
        ) from error
    return {
        each.name: each.metadata.get(JSON_KEY)
        or wire_name(getattr(each, "alias", None) or each.name)
        for each in _fields(cls)
        if not (each.name == EXTRA and has_extra(cls))
    }


def _types_of(cls: type[Any]) -> dict[str, Any]:
    """The types of the fields of a class, also where they are written as text."""
    hints = get_type_hints(cls, include_extras=True)
    return {each.name: hints.get(each.name, each.type) for each in _fields(cls)}


def _class_hook(cls: Any, converter: Converter, **hooks: StructureHook) -> StructureHook:  # noqa: ANN401 - a type
    """The hook of a class; `hooks` take the place of those of some fields."""
    origin = _origin(cls)
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
    hook.overrides = overrides  # from which cattrs knows the keys in JSON
    return cast("StructureHook", hook)


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


def _class_writer(cls: Any, converter: Converter) -> UnstructureHook:  # noqa: ANN401 - a type
    origin = _origin(cls)
    keys = keys_of(origin)
    overrides: dict[str, Any] = {
        each.name: override(
            rename=keys.get(each.name),
            omit_if_default=each.default is None,
            omit=None if each.name in keys else True,
        )
        for each in _fields(origin)
    }
    write_fields = make_dict_unstructure_fn(cls, converter, **overrides)
    tolerant = has_extra(origin)

    def write_model(value: object) -> JSON:
        if value.__class__ is not origin:  # a subclass is written whole
            return converter.unstructure(value)
        members = write_fields(value)
        extra = getattr(value, EXTRA) if tolerant else None
        if not extra:
            return members
        _check_keys((extra,))
        return {**extra, **members}

    return write_model


def _is_of_any_data(cls: Any) -> bool:  # noqa: ANN401 - a type
    """Whether it is a `Notification` whose data may be anything that a notification has."""
    if _origin(cls) is not Notification:
        return False
    (data,) = get_args(cls) or (Any,)
    return data is Any or data == _any_data()


@cache
def _any_data() -> Any:  # noqa: ANN401 - type checkers take no union for a type here
    # Imported with the first notification that is read, as `data_classes` says.
    from webex_webhooks_async.models.notification_data import NotificationData  # noqa: PLC0415 - see above

    return NotificationData


def _notification_hook(_: object, converter: Converter) -> StructureHook:
    """Make the data an instance of its resource's class, if it has one and the data fits.

    ``Notification[MessageData]`` is strict about its data; this is for those of `_is_of_any_data`.
    """
    structure_fields = _class_hook(Notification[Any], converter, data=_object)

    def structure_notification(value: object, cls: object) -> object:
        notification: Notification[Any] = structure_fields(value, cls)
        data_class = data_classes().get(notification.resource)
        if data_class is not None:
            try:
                data = converter.structure(notification.data, data_class)
            except ClassValidationError:
                return notification
            object.__setattr__(notification, "data", data)  # frozen, but ours alone so far
        return notification

    return structure_notification
