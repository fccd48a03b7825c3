"""Converts between JSON and attrs classes, strictly: nothing is coerced.

`make_converter` makes the cattrs converter that does it. The package uses one of its own.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar, get_args

from cattrs import Converter
from cattrs.dispatch import StructureHook
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.strict_json import JSON, TOO_DEEP, MisfitError, dump_json, parse_json
from webex_webhooks_async.type_hooks import is_class, keys_of, new_converter
from webex_webhooks_async.validation import check_type

T = TypeVar("T")


def make_converter() -> Converter:
    """Make a cattrs converter that reads and writes as `from_json` and `to_json` do.

    Register hooks for further types on it, and pass it to `Client`, `from_json` and `to_json`:

    >>> from uuid import UUID
    >>> converter = make_converter()
    >>> converter.register_structure_hook(UUID, lambda value, _: UUID(value))
    >>> converter.register_unstructure_hook(UUID, str)
    >>> from_json('["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]', list[UUID], converter=converter)
    [UUID('f81d4fae-7dec-11d0-a765-00a0c91e6bf6')]
    """
    return new_converter()


def to_json(obj: object, *, converter: Converter | None = None) -> bytes:
    """Write a model, or an instance of your own attrs class or dataclass, as JSON.

    Keys are camelCase, and a field that is `None` is left out where `None` is its default.
    `from_json` reads what this has written.

    >>> to_json(WebhookUpdate(name="Messages", target_url="https://example.com/hook"))
    b'{"name":"Messages","targetUrl":"https://example.com/hook"}'

    Args:
        obj: What to write.
        converter: A converter of `make_converter` that has hooks of yours.

    Raises:
        TypeError: `obj` isn't such an instance, or holds a value that JSON can't hold, whose path
            the error has, or a key that isn't text.
        ValueError: It holds a number that JSON can't hold, such as NaN, or itself, or is nested
            too deeply.
    """
    if not is_class(type(obj)):
        raise TypeError(
            "to_json takes a model or an instance of an attrs class or a dataclass, got "
            f"{type(obj).__name__}"
        )
    return dump_json(unstructure(obj, checked_converter(converter)))


def from_json(data: bytes | str, cls: type[T], *, converter: Converter | None = None) -> T:
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
    ``Path``                                         a string
    ``Enum``, ``Literal``                            one of the values
    ``list[T]``, ``tuple[T, ...]``, ``Sequence[T]``  an array; `Sequence` becomes a tuple
    ``set[T]``, ``frozenset[T]``                     an array
    ``dict[str, T]``, ``Mapping[str, T]``            an object
    a ``TypedDict``                                  an object with these keys, as they are spelled
    an attrs class or a dataclass, generic ones too  an object; keys it doesn't know are ignored
    a union of such classes                          an object; its keys tell which one
    ``T | None``                                     null, too; a missing key needs a default
    ``Any``, ``object``                              anything
    ``NewType``, ``Annotated``                       as the type in it
    ===============================================  ==============================================

    For another type, register hooks on a converter of `make_converter`. A field whose type has no
    hook, but which has an attrs converter, gets the parsed JSON through that:
    ``number: Decimal = attrs.field(converter=Decimal)``.

    In this package's own models, which keep unknown keys in ``extra``, an optional field whose
    value doesn't fit is `None`, and the value is in ``extra`` under its name in JSON. Your own
    classes are read strictly.

    Args:
        data: JSON in UTF-8, or as text.
        cls: What to read, such as ``Webhook``, ``Notification[MessageData]`` or ``list[Room]``.
        converter: A converter of `make_converter` that has hooks of yours.

    Raises:
        DecodeError: `data` isn't JSON or doesn't fit `cls`; the error names every problem.
        TypeError: `cls` is or contains a type that can't be read, whatever `data` is; or `data` is
            neither bytes nor text.
    """
    converter = checked_converter(converter)
    structure_hook(cls, converter)  # a type that can't be read is an error whatever the data is
    return structure(parse_json(data), cls, converter=converter)


def checked_converter(converter: Converter | None) -> Converter:
    """The converter that was given, or the package's own.

    Raises:
        TypeError: It isn't a converter of cattrs.
    """
    if converter is None:
        return _own()
    check_type("converter", converter, Converter)
    return converter


def structure(
    value: object, cls: type[T], path: str = "$", *, converter: Converter | None = None
) -> T:
    """Make an instance of a class of parsed JSON that is at this path of its document.

    Raises:
        DecodeError: The value doesn't fit; the error names every problem.
        TypeError: The class is or contains a type that can't be read.
    """
    try:
        structured = (converter or _own()).structure(value, cls)
    except Exception as error:  # noqa: BLE001 - hooks of users may raise anything
        problems = tuple(_problems(error, path))
    else:
        return structured
    # Outside of the except block: the errors of cattrs hold the values.
    raise DecodeError(problems)


def structure_hook(cls: Any, converter: Converter | None = None) -> StructureHook:  # noqa: ANN401 - not only classes, but unions and the like
    """The function that makes a value of a type.

    Raises:
        TypeError: The type can't be read.
    """
    try:
        return (converter or _own()).get_structure_hook(cls)
    except (StructureHandlerNotFoundError, NameError) as error:  # Python 3.15 looks names up
        raise _unsupported(error, cls) from None


def unstructure(value: object, converter: Converter | None = None) -> JSON:
    """Turn attrs instances, and other values that the json module doesn't know, into what it knows.

    What else JSON can't hold is left to `dump_json`.

    Raises:
        ValueError: It is nested too deeply, or contains itself.
        TypeError: A key isn't text.
    """
    try:
        return (converter or _own()).unstructure(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


_own = cache(make_converter)
"""The package's own converter."""


# Errors


def _unsupported(error: Exception, cls: Any = None) -> TypeError:  # noqa: ANN401 - a type
    cls = getattr(error, "type_", cls)
    name = cls.__qualname__ if isinstance(cls, type) and not get_args(cls) else str(cls)
    fields = "".join(f", the type of {each}" for each in getattr(error, "__notes__", ())[:1])
    return TypeError(
        f"JSON can't be read into {name}{fields}: register a structure hook for it on a converter "
        "of make_converter() and pass that, or give the attrs field that has this type a converter"
    )


def _problems(error: BaseException, path: str) -> Iterator[str]:
    if isinstance(error, BaseValidationError):
        for cause in error.exceptions:
            yield from _problems(cause, path + _step(cause, error.cl))
    elif isinstance(error, StructureHandlerNotFoundError):  # of a class that contains itself
        raise _unsupported(error) from None
    elif isinstance(error, MisfitError):
        yield f"{path}: {error}"
    elif isinstance(error, KeyError) and path.endswith(tuple(f".{key}" for key in error.args)):
        yield f"{path}: missing"
    elif isinstance(error, RecursionError):
        yield f"{path}: nested too deeply"
    else:  # raised by a class that refuses its values, or by a hook
        yield f"{path}: does not fit"


def _step(error: BaseException, cls: Any) -> str:  # noqa: ANN401 - a type
    """The part of the path that leads to an error from where its class or array is."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{keys_of(cls).get(note.name, note.name)}"
        if isinstance(note, IterableValidationNote):
            # The key of an object isn't shown: it may be anything, a secret too.
            return f"[{note.index if isinstance(note.index, int) else '*'}]"
    return ""
