import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import GenericAlias
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.converters import from_json, structure, to_json, unstructure
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.notifications import MessageData, data_classes
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.strict_json import dump_json

T = TypeVar("T")
RoomId = NewType("RoomId", str)


class Kind(StrEnum):
    """An enumeration of text."""

    DIRECT = "direct"
    GROUP = "group"


class Level(IntEnum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


class Flag(Enum):
    """An enumeration of mixed values."""

    YES = True
    NO = "no"


@frozen
class Room:
    """A class as users write it."""

    id: RoomId
    title: str = ""
    kind: Kind | None = None
    is_locked: bool = False


@frozen
class Items(Generic[T]):
    """A generic class."""

    items: tuple[T, ...]
    first: T | None = None


@frozen
class Tree:
    """A class that contains itself."""

    name: str
    children: "tuple[Tree, ...]" = ()
    parent: Optional["Tree"] = None


@frozen
class Odd:
    """A class with unusual names, and with fields that aren't read or typed."""

    type_: str = field(alias="type")
    _hidden: int = 0
    untyped: Any = field(default=None)
    computed: int = field(init=False, default=3)


def upper(text: str) -> str:
    """Convert text."""
    return text.upper()


@frozen
class File:
    """A class that converts its values itself."""

    path: Path = field(converter=Path)
    name: str = field(default="", converter=upper)


@frozen
class Own:
    """A user's class with a field of its own that is called extra."""

    extra: int
    name: str | None = None


@dataclass
class Data:
    """A class that isn't an attrs class."""

    name: str


class Typed(TypedDict):
    """A typed mapping."""

    name: str


class Named(NamedTuple):
    """A named tuple."""

    name: str


@frozen
class Lost:
    """A class with a type that doesn't exist."""

    other: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - the test is about it


@frozen
class Holder:
    """A class with a type that isn't supported, which its JSON never needs."""

    name: str = ""
    path: Decimal | None = None


MOMENT = datetime(2015, 10, 18, 14, 26, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cls", "value", "expected"),
    [
        (str, "a", "a"),
        (bool, True, True),
        (int, 7, 7),
        (float, 1.5, 1.5),
        (float, 2, 2.0),
        (datetime, "2015-10-18T14:26:16Z", MOMENT),
        (Any, {"a": [1]}, {"a": [1]}),
        (object, [None], [None]),
        (list, [1, "a"], [1, "a"]),
        (list[str], ["a"], ["a"]),
        (tuple, [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Sequence[str], ["a"], ("a",)),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, list[int]], {"a": [1]}, {"a": [1]}),
        (str | None, None, None),
        (Optional[str], "a", "a"),  # noqa: UP045 - users write it
        (int | None, None, None),
        (int | None, 5, 5),
        (Union[None, list[str]], ["a"], ["a"]),  # noqa: UP007 - users write it
        (Literal["a", 1], 1, 1),
        (Kind, "group", Kind.GROUP),
        (Level, 2, Level.HIGH),
        (Flag, True, Flag.YES),
        (RoomId, "R", "R"),
        (Annotated[int, "of something"], 3, 3),
        (Room, {"id": "R", "isLocked": True, "new": 1}, Room(RoomId("R"), is_locked=True)),
        (list[Room], [{"id": "R", "kind": "direct"}], [Room(RoomId("R"), kind=Kind.DIRECT)]),
        (Items[Room], {"items": [{"id": "R"}]}, Items((Room(RoomId("R")),))),
        (Items[int], {"items": [1], "first": 2}, Items((1,), 2)),
        (Items[Literal["a-b"]], {"items": ["a-b"]}, Items(("a-b",))),
        (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", (Tree("b"),))),
        (Tree, {"name": "a", "parent": {"name": "b"}}, Tree("a", parent=Tree("b"))),
        (Own, {"extra": 1, "new": 2}, Own(1)),
        (
            Odd,
            {"type": "a", "hidden": 2, "untyped": [1], "computed": 9},
            Odd("a", 2, [1]),
        ),
        (File, {"path": "b", "name": "c"}, File("b", "C")),
    ],
)
def test_every_supported_type_is_read(cls: Any, value: object, expected: object) -> None:  # noqa: ANN401 - unions, too
    """Each type that from_json lists is read from its JSON."""
    read = from_json(json.dumps(value), cls)

    assert (read, type(read)) == (expected, type(expected))


COERCED_ELSEWHERE: list[tuple[Any, Any, str]] = [
    (str, 5, "$: expected a string, got a number"),
    (int, True, "$: expected a whole number, got a boolean"),
    (int, 1.0, "$: expected a whole number, got a number"),
    (float, "1.5", "$: expected a number, got a string"),
    (float, True, "$: expected a number, got a boolean"),
    (float, 10**400, "$: a number is too large"),
    (datetime, 1445178376, "$: expected a string, got a number"),
    (list[str], "abc", "$: expected an array, got a string"),
    (list[str], {"a": 1}, "$: expected an array, got an object"),
    (list[str], ["a", 1], "$[1]: expected a string, got a number"),
    (tuple[str, ...], "abc", "$: expected an array, got a string"),
    (Sequence[str], "abc", "$: expected an array, got a string"),
    (dict[str, int], [["a", 1]], "$: expected an object, got an array"),
    (dict[str, int], {"s3cret": "1"}, "$[*]: expected a whole number, got a string"),
    (Mapping[str, Any], "abc", "$: expected an object, got a string"),
    (int | None, "5", "$: expected a whole number, got a string"),
    (Literal["a", 1], True, "$: expected one of 'a', 1"),
    (Literal["a", 1], ["a"], "$: expected one of 'a', 1"),
    (Kind, "team", "$: expected one of 'direct', 'group'"),
    (Level, True, "$: expected one of 1, 2"),
    (Level, "1", "$: expected one of 1, 2"),
    (RoomId, 5, "$: expected a string, got a number"),
    (Annotated[int, ""], "3", "$: expected a whole number, got a string"),
    (Room, {"id": "R", "kind": 5}, "$.kind: expected one of 'direct', 'group'"),
    (Room, {"id": "R", "isLocked": None}, "$.isLocked: expected a boolean, got null"),
    (list[Room], [{}], "$[0].id: missing"),
    (Items[int], {"items": [1, "2"]}, "$.items[1]: expected a whole number, got a string"),
    (Own, {"extra": "1"}, "$.extra: expected a whole number, got a string"),
    (Own, {"extra": 1, "name": 2}, "$.name: expected a string, got a number"),
    (Odd, {"type": 1}, "$.type: expected a string, got a number"),
    (File, {"path": 1}, "$.path: expected a string, got a number"),
    (File, {"path": "a", "name": 1}, "$.name: expected a string, got a number"),
]


@pytest.mark.parametrize(("cls", "value", "problem"), COERCED_ELSEWHERE)
def test_nothing_is_coerced(cls: Any, value: object, problem: str) -> None:  # noqa: ANN401 - unions, too
    """A value of another type is a problem, also where Python or cattrs would convert it."""
    with pytest.raises(DecodeError) as raised:
        from_json(json.dumps(value), cls)

    assert raised.value.problems == (problem,)


UNSUPPORTED: list[Any] = [
    bytes,
    bytearray,
    complex,
    dict[int, str],
    Iterable[str],
    UUID,
    Decimal,
    date,
    int | str,
    int | str | None,
    Callable[[], None],
    T,
    Items,
    5,
    "Webhook",
]


def itself(cls: Any) -> Any:  # noqa: ANN401 - whatever users pass
    """The type itself."""
    return cls


def list_of(cls: Any) -> Any:  # noqa: ANN401 - whatever users pass
    """The type in a list."""
    return GenericAlias(list, cls)


def items_of(cls: Any) -> Any:  # noqa: ANN401 - whatever users pass
    """The type in a generic class."""
    generic: Any = Items
    return generic[cls]


@pytest.mark.parametrize("cls", UNSUPPORTED, ids=str)
@pytest.mark.parametrize("wrap", [itself, list_of, items_of])
@pytest.mark.parametrize("data", [b"null", b"[]", b"{}", b"no JSON"])
def test_an_unsupported_type_is_a_type_error(
    cls: Any,  # noqa: ANN401 - what users pass
    wrap: Callable[[Any], Any],
    data: bytes,
) -> None:
    """A type that can't be read is a TypeError that names it, whatever the data is."""
    name = cls.__qualname__ if isinstance(cls, type) and "[" not in str(cls) else str(cls)
    try:
        wrapped = wrap(cls)
    except TypeError:  # Python itself refuses 5 as an argument
        return
    if wrapped == Items[Items]:  # type: ignore[type-arg]
        return

    with pytest.raises(
        TypeError, match=r"JSON can't be read into .*: register a structure hook"
    ) as raised:
        from_json(data, wrapped)

    assert name.removeprefix("typing.").rpartition(".")[2] in str(raised.value) or cls is Items


def test_an_unsupported_type_of_a_field_is_a_type_error() -> None:
    """A field whose type can't be read is an error also where the JSON doesn't have it."""
    with pytest.raises(
        TypeError, match=r"into Decimal, the type of Holder.path: .* give the attrs field .* a conv"
    ):
        from_json(b"{}", Holder)


def test_a_type_that_does_not_exist_is_a_type_error() -> None:
    """A class whose annotations can't be evaluated is an error that says what to do."""
    with pytest.raises(TypeError, match="the types of Lost can't be found: name 'Nowhere'"):
        from_json(b"{}", Lost)


def test_names_in_json_are_those_of_the_arguments() -> None:
    """A field's attrs alias replaces its name, when reading and when writing."""
    cls: Any = Odd  # pyright takes the alias of `_hidden` for `_hidden`
    odd = cls("a", hidden=2, untyped=[1])

    assert json.loads(to_json(odd)) == {"type": "a", "hidden": 2, "untyped": [1]}


def types() -> st.SearchStrategy[Any]:
    """Types whose values are the same in JSON."""
    scalars = st.sampled_from([str, bool, int, Any, Kind, Level, Flag, Literal["a", 1, True]])
    return st.recursive(
        scalars,
        lambda inner: inner.flatmap(
            lambda cls: st.sampled_from(
                [
                    GenericAlias(list, cls),
                    GenericAlias(tuple, (cls, ...)),
                    GenericAlias(Mapping, (str, cls)),
                    cls | None,
                ]
            )
        ),
        max_leaves=4,
    )


def values() -> st.SearchStrategy[Any]:
    """JSON that may fit such a type."""
    scalars = st.sampled_from([None, True, False, 0, 1, 2, 1.0, 1.5, "a", "1", "direct", "no", ""])
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
        max_leaves=6,
    )


@given(types(), values())
def test_what_is_read_goes_out_as_it_came(cls: Any, value: object) -> None:  # noqa: ANN401 - unions, too
    """Whatever the type is, the value equals the JSON, or nothing is read."""
    try:
        read = structure(value, cls)
    except DecodeError:
        return

    assert dump_json(unstructure(read)) == dump_json(value)


@pytest.mark.parametrize("frames", range(12))
def test_what_is_nested_too_deeply_is_a_problem(frames: int) -> None:
    """JSON that is nested too deeply is one problem, at whichever call Python's depth ends."""
    value: dict[str, Any] = {"name": "a"}
    for _ in range(20_000):
        value = {"name": "a", "parent": value}

    def structure_below(frames: int) -> None:
        if frames:
            structure_below(frames - 1)
        else:
            structure(value, Tree)

    with pytest.raises(DecodeError) as raised:
        structure_below(frames)

    assert [each.rpartition(": ")[2] for each in raised.value.problems] == ["nested too deeply"]


FRESH = """
import sys

import attrs
import webex_webhooks_async

read = 0
for name in webex_webhooks_async.__all__:
    for module in [each for each in sys.modules if each.startswith("webex_webhooks_async")]:
        del sys.modules[module]
    import webex_webhooks_async

    thing = getattr(webex_webhooks_async, name)
    if attrs.has(thing):
        try:
            webex_webhooks_async.from_json(b"{}", thing)
        except webex_webhooks_async.DecodeError as error:
            assert "missing" in str(error), error
        except TypeError as error:
            assert "JSON can't be read into" in str(error), error
        read += 1
print(read)
"""


def test_every_public_class_is_read_where_nothing_else_is_imported() -> None:
    """No public name depends on another module having been imported before."""
    output = subprocess.check_output([sys.executable, "-c", FRESH], text=True)

    assert int(output) >= len({Webhook, *data_classes.values()})


def test_a_notification_is_read_where_nothing_else_is_imported() -> None:
    """`from_json` knows the data classes in a process that imported nothing else."""
    document = {
        "id": "W",
        "name": "n",
        "resource": "messages",
        "event": "created",
        "data": {"id": "M", "roomId": "R", "personId": "P", "personEmail": "matt@example.com"},
    }
    program = (
        "from webex_webhooks_async import Notification, from_json;"
        f"print(type(from_json({json.dumps(document)!r}, Notification).data).__name__)"
    )

    output = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert output == f"{MessageData.__name__}\n"
