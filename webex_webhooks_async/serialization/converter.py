"""Converts between JSON and attrs classes, strictly: nothing is coerced."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NewType, TypeGuard, TypeVar, get_args, get_origin

from cattrs.dispatch import StructureHook
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.serialization.strict_json import (
    JSON,
    TOO_DEEP,
    MisfitError,
    dump_json,
    parse_json,
)
from webex_webhooks_async.validation import is_async_function

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


def to_json(obj: object) -> bytes:
    """Write a model, or an instance of your own attrs class or dataclass, as JSON.

    Keys are camelCase, and a field that is `None` is left out where `None` is its default, as are
    the empty lists of a model.
    `from_json` reads what this has written.

    >>> to_json(WebhookUpdate(name="Messages", target_url="https://example.com/hook"))
    b'{"name":"Messages","targetUrl":"https://example.com/hook"}'

    Args:
        obj: What to write.

    Raises:
        TypeError: `obj` isn't such an instance, or holds a value that JSON can't hold, whose path
            the error has, or a key that isn't text.
        ValueError: It holds a number that JSON can't hold, such as NaN, or itself, or is nested
            too deeply.
    """
    cls: Any = type(obj)  # mypy takes no type for hashable
    if not _is_class(cls):
        raise TypeError(
            "to_json takes a model or an instance of an attrs class or a dataclass, got "
            f"{cls.__name__}"
        )
    return dump_json(unstructure(obj))


def from_json(data: bytes | str, cls: type[T]) -> T:
    """Read a model, or an instance of your own attrs class or dataclass, from JSON.

    Keys are camelCase (``room_id`` is ``roomId``; a field's attrs alias takes the place of its
    name), and those that a class doesn't have are ignored. Nothing is coerced: a number isn't text,
    and text isn't a number.

    ===============================================  ==============================================
    type                                             JSON
    ===============================================  ==============================================
    ``str``, ``bool``                                a string, a boolean
    ``int``                                          a number without fraction and exponent
    ``float``                                        any number
    ``datetime``                                     a string in ISO 8601, UTC where it says no zone
    ``Enum``                                         one of the values
    ``list[T]``, ``tuple[T, ...]``, ``Sequence[T]``  an array; `Sequence` becomes a tuple
    ``set[T]``, ``frozenset[T]``, ``deque[T]``       an array
    ``dict[str, T]``, ``Mapping[str, T]``            an object
    an attrs class or a dataclass, generic ones too  an object
    ``T | None``                                     null, too; a missing key needs a default
    ``Any``, ``object``                              anything
    ===============================================  ==============================================

    cattrs reads other types, as it does by default: https://catt.rs. A field whose type can't
    be read, but which has an attrs converter, gets the parsed JSON through that:
    ``number: Decimal = attrs.field(converter=Decimal)``.

    In this package's own models, which keep unknown keys in ``extra``, an optional field whose
    value doesn't fit has its default, and the value is in ``extra`` under its name in JSON. A list
    of theirs that is null is empty. Your own classes are read strictly.

    Args:
        data: JSON in UTF-8, or as text.
        cls: What to read, such as ``Webhook``, ``Notification[MessageData]`` or ``list[Room]``.

    Raises:
        DecodeError: `data` isn't JSON or doesn't fit `cls`; the error names every problem.
        TypeError: `cls` isn't a class, or is or contains one that can't be read; or `data` is
            neither bytes nor text.
    """
    structure_hook(cls)  # a type that can't be read is an error whatever the data is
    return structure(parse_json(data), cls)


def is_function(into: object) -> TypeGuard[Callable[[object], Any]]:
    """Whether it is a function that takes parsed JSON, not a class or another type."""
    return callable(into) and not _is_type(into)


def _is_type(into: object) -> bool:
    return isinstance(into, type | NewType) or get_origin(into) is not None


def check_into(into: object) -> None:
    """Check that JSON can be read into a class, or that a function could take it."""
    if not is_function(into):
        structure_hook(into, "a class, or a function that takes the JSON,")
    elif is_async_function(into):
        raise TypeError(f"into must be a class or a plain function, got the async {into!r}")


def structure(value: object, cls: type[T], path: str = "$") -> T:
    """Make an instance of a class of parsed JSON that is at this path of its document."""
    try:
        structured = _converter().structure(value, cls)
    except Exception as error:  # noqa: BLE001 - classes of users may raise anything
        problems = tuple(_problems(error, path))
    else:
        return structured
    # Outside of the except block: the errors of cattrs hold the values.
    raise DecodeError(problems)


def structure_hook(cls: Any, expected: str = "a class,") -> StructureHook:  # noqa: ANN401 - not only classes, but unions and the like
    """The function that makes a value of a type; the error says what was expected instead."""
    try:
        return _converter().get_structure_hook(cls)
    except Exception as error:
        if not _is_type(cls):
            kind = type(cls).__name__
            raise TypeError(f"expected {expected} got an instance of {kind}") from None
        if not isinstance(error, StructureHandlerNotFoundError | NameError):
            raise
        # The former has the type, and the field in a note; Python 3.15 looks names up.
        fields = "".join(f", the type of {each}" for each in getattr(error, "__notes__", ())[:1])
        raise _unsupported(getattr(error, "type_", cls), fields) from None


def unstructure(value: object) -> JSON:
    """Turn attrs instances, and other values that the json module doesn't know, into what it knows.

    Any other value that JSON can't hold is left to `dump_json`.

    Raises:
        ValueError: It is nested too deeply, or contains itself.
        TypeError: A key isn't text.
    """
    try:
        return _converter().unstructure(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


@cache
def _converter() -> "Converter":
    """The package's converter, made when it is first needed, and so are its hooks."""
    from webex_webhooks_async.serialization.type_hooks import new_converter  # noqa: PLC0415 - see above

    return new_converter()


@cache  # looking takes as long as writing three fields
def _is_class(cls: Any) -> bool:  # noqa: ANN401 - a type
    from webex_webhooks_async.serialization.type_hooks import is_class  # noqa: PLC0415 - as for `_converter`

    return is_class(cls)


# Errors


def _unsupported(cls: Any, where: str) -> TypeError:  # noqa: ANN401 - a type
    name = cls.__qualname__ if isinstance(cls, type) and not get_args(cls) else str(cls)
    return TypeError(
        f"JSON can't be read into {name}{where}: give the attrs field that has this type a "
        "converter, or read it with a function of your own"
    )


def _problems(error: BaseException, path: str) -> Iterator[str]:
    if isinstance(error, BaseValidationError):
        for cause in error.exceptions:
            yield from _problems(cause, path + _step(cause, error.cl))
    elif isinstance(error, MisfitError):
        yield f"{path}: {error}"
    elif isinstance(error, KeyError) and path.endswith(tuple(f".{key}" for key in error.args)):
        yield f"{path}: missing"
    elif isinstance(error, RecursionError):
        yield f"{path}: nested too deeply"
    else:  # raised by a class that refuses its values, or by cattrs
        yield f"{path}: does not fit"


def _step(error: BaseException, cls: Any) -> str:  # noqa: ANN401 - a type
    """The part of the path that leads to an error from where its class or array is."""
    from webex_webhooks_async.serialization.type_hooks import keys_of  # noqa: PLC0415 - as for `_converter`

    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{keys_of(cls).get(note.name, note.name)}"
        if isinstance(note, IterableValidationNote):
            # The key of an object isn't shown: it may be anything, a secret too.
            return f"[{note.index if isinstance(note.index, int) else '*'}]"
    return ""
