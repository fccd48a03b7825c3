import json
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union, cast
from uuid import UUID

import pytest
from attrs import evolve, field, frozen, make_class
from hypothesis import given
from hypothesis import strategies as st

from tests.support.json_values import JSON, TEXTS
from tests.support.wire import MODEL, WEBHOOK
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.messages import Message, Person
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization.converter import from_json, to_json

T = TypeVar("T")
RoomId = NewType("RoomId", str)


def as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    """Convert an array."""
    return tuple(names)


class Kind(StrEnum):
    DIRECT = "direct"
    GROUP = "group"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Flag(Enum):
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
    items: tuple[T, ...]
    first: T | None = None


@frozen
class Tree:
    name: str
    children: "tuple[Tree, ...]" = ()
    parent: Optional["Tree"] = None


@frozen
class OptionalNode:
    inner: Optional["OptionalNode"] = None


@frozen
class MappedNode:
    inner: dict[str, "MappedNode"]


@dataclass
class OptionalPoint:
    inner: Optional["OptionalPoint"] = None


@dataclass
class ListedPoint:
    inner: list["ListedPoint"]


@frozen
class Odd:
    """A class with unusual names, and with fields that aren't read or typed."""

    type_: str = field(alias="type")
    _hidden: int = 0
    untyped: Any = field(default=None)
    computed: int = field(init=False, default=3)


@frozen
class Own:
    """A user's class with a field of its own that is called extra."""

    extra: int
    name: str | None = None


@dataclass
class Point:
    x_axis: int
    label_text: str | None = None


class Shout(str):
    __slots__ = ()


class Ratio(float, Enum):
    HALF = 0.5


@frozen
class Priced:
    """Fields whose types have no hook, with attrs converters."""

    price: Decimal = field(converter=Decimal)
    names: tuple[str, ...] = field(default=(), converter=as_tuple)


@frozen
class Base:
    a: int


@frozen
class Derived(Base):
    b: int = 2


@frozen
class Holding:
    one: Base
    many: list[Base] | None = None
    kind: Kind | None = None
    flag: Flag | None = None
    created: datetime | None = None
    tags: list[str] | None = None
    labels: Mapping[str, int] | None = None


NO_ITEMS: list[object] = []


@frozen
class Joined:
    member_type: Literal["joined", "invited"]
    name: str | None = None


@frozen
class Left:
    member_type: Literal["left"]
    name: str | None = None


@frozen
class Moved:
    member_type: Literal["left"]
    new_room: str


@frozen
class Encoded:
    """A field whose type JSON doesn't have, with an attrs converter."""

    text: bytes = field(converter=b64decode)


@pytest.mark.parametrize(
    ("cls", "value", "expected"),
    [
        (float, 2, 2.0),
        (Any, {"a": [1]}, {"a": [1]}),
        (object, [None], [None]),
        (list, [1, "a"], [1, "a"]),
        (tuple, [1, "a"], (1, "a")),
        (Sequence[str], ["a"], ("a",)),
        (dict, {"a": 1}, {"a": 1}),
        (Optional[str], "a", "a"),  # noqa: UP045 - users write it
        (Union[None, list[str]], ["a"], ["a"]),  # noqa: UP007 - users write it
        (RoomId, "R", "R"),
        (Annotated[int, "of something"], 3, 3),
        (Room, {"id": "R", "isLocked": True, "new": 1}, Room(RoomId("R"), is_locked=True)),
        (list[Room], [{"id": "R", "kind": "direct"}], [Room(RoomId("R"), kind=Kind.DIRECT)]),
        (Items[Room], {"items": [{"id": "R"}]}, Items((Room(RoomId("R")),))),
        (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", (Tree("b"),))),
        (Tree, {"name": "a", "parent": {"name": "b"}}, Tree("a", parent=Tree("b"))),
        (OptionalNode, {"inner": {}}, OptionalNode(OptionalNode())),
        (MappedNode, {"inner": {"a": {"inner": {}}}}, MappedNode({"a": MappedNode({})})),
        (OptionalPoint, {"inner": {}}, OptionalPoint(OptionalPoint())),
        (ListedPoint, {"inner": [{"inner": NO_ITEMS}]}, ListedPoint([ListedPoint([])])),
        (Own, {"extra": 1, "new": 2}, Own(1)),
        (Point, {"xAxis": 1}, Point(1)),
        (Shout, "a", Shout("a")),
        (Odd, {"type": "a", "hidden": 2, "untyped": [1], "computed": 9}, Odd("a", 2, [1])),
        (Priced, {"price": "1.5", "names": ["a"]}, Priced("1.5", ["a"])),
        (Encoded, {"text": "YQ=="}, Encoded("YQ==")),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset("a")),
        (deque[str], ["a"], deque("a")),
        (Joined | Left, {"memberType": "left", "name": "a"}, Left("left", "a")),
        (Joined | Left, {"memberType": "invited", "member_type": "left"}, Joined("invited")),
        (Joined | Left | Moved, {"memberType": "left", "newRoom": "R"}, Moved("left", "R")),
        (Joined | Left | None, None, None),
    ],
)
def test_every_supported_type_is_read(cls: Any, value: object, expected: object) -> None:  # noqa: ANN401 - unions, too
    """Each type that from_json lists is read from its JSON; a test below finds values of more."""
    read = from_json(json.dumps(value), cls)

    assert (read, type(read)) == (expected, type(expected))


UNDATED = ["", "yesterday", "2022-13-01", "2022-04-07T09:17:23+24:00", "²022-04-07", "1649323043"]
OTHER_TEXT = "$: expected an ISO 8601 date and time, got other text"
COERCED_ELSEWHERE: list[tuple[Any, Any, str]] = [
    (str, 5, "$: expected a string, got a number"),
    (int, True, "$: expected a whole number, got a boolean"),
    (int, 1.0, "$: expected a whole number, got a number"),
    (float, "1.5", "$: expected a number, got a string"),
    (float, True, "$: expected a number, got a boolean"),
    (float, 10**400, "$: a number is too large"),
    (datetime, 1445178376, "$: expected a string, got a number"),
    *(
        (datetime, each, "$: expected an ISO 8601 date and time, got other text")
        for each in UNDATED
    ),
    (list[str], "abc", "$: expected an array, got a string"),
    (list[str], ["a", 1], "$[1]: expected a string, got a number"),
    (Sequence[str], "abc", "$: expected an array, got a string"),
    (dict[str, int], [["a", 1]], "$: expected an object, got an array"),
    (dict[str, int], {"s3cret": "1"}, "$[*]: expected a whole number, got a string"),
    (Kind, "team", "$: expected one of 'direct', 'group'"),
    (Level, True, "$: expected one of 1, 2"),
    (Room, {"id": "R", "kind": 5}, "$.kind: expected one of 'direct', 'group'"),
    (Room, {"id": "R", "isLocked": None}, "$.isLocked: expected a boolean, got null"),
    (Own, {"extra": "1"}, "$.extra: expected a whole number, got a string"),
    (list[Path], [1], "$[0]: does not fit"),
    (Shout, 5, "$: expected a string, got a number"),
    (Ratio, 1, "$: expected one of 0.5"),
    (Point | Own, {"other": 1}, "$: does not fit"),
    (Joined | Left, {"member_type": "joined"}, "$: does not fit"),
    (Joined | Left | None, 5, "$: expected an object, got a number"),
    (set[str], "abc", "$: expected an array, got a string"),
    (Literal["a", 1], "b", "$: does not fit"),
    (tuple[str, int], ["a", "b"], "$[1]: expected a whole number, got a string"),
]


@pytest.mark.parametrize(("cls", "value", "problem"), COERCED_ELSEWHERE)
def test_nothing_is_coerced(cls: Any, value: object, problem: str) -> None:  # noqa: ANN401 - unions, too
    """A value of another type is a problem, also where Python or cattrs would convert it."""
    with pytest.raises(DecodeError) as raised:
        from_json(json.dumps(value), cls)

    assert raised.value.problems == (problem,)


UNSUPPORTED: list[Any] = [
    *(complex, dict[int, str], Iterable[str], UUID, Decimal, date, Items, bytes, bytearray),
    *(int | str, int | str | None, Callable[[], None]),
]


@pytest.mark.parametrize("cls", UNSUPPORTED, ids=str)
def test_an_unsupported_type_is_a_type_error(cls: Any) -> None:  # noqa: ANN401 - what users pass
    """A type that can't be read is a TypeError that names it, whatever the data is."""
    name = cls.__qualname__ if isinstance(cls, type) and "[" not in str(cls) else str(cls)
    name = {"Items": "T"}.get(name, name.removeprefix("typing.").rpartition(".")[2])

    wrapped: Any = GenericAlias(list, cls)
    for wanted in (cls, wrapped):
        with pytest.raises(TypeError, match=r"JSON can't be read into .*: give the") as raised:
            from_json(b"no JSON", wanted)
        assert name in str(raised.value)


@pytest.mark.parametrize("cls", [5, "Webhook", T, MODEL], ids=str)
def test_what_is_no_class_is_a_type_error(cls: Any) -> None:  # noqa: ANN401 - mistakes
    """The error says what it is."""
    with pytest.raises(
        TypeError, match=f"expected a class, got an instance of {type(cls).__name__}"
    ):
        from_json(b"{}", cls)


def test_names_in_json_are_those_of_the_arguments() -> None:
    """A field's attrs alias replaces its name, when reading and when writing."""
    cls: Any = Odd  # pyright takes the alias of `_hidden` for `_hidden`
    odd = cls("a", hidden=2, untyped=[1])

    assert json.loads(to_json(odd)) == {"type": "a", "hidden": 2, "untyped": [1]}


def test_null_is_absence() -> None:
    """An optional member that is null is `None`, like a missing one, and never "None"."""
    webhook = from_json(json.dumps({**WEBHOOK, "filter": None, "created": None}), Webhook)

    assert webhook == MODEL
    assert json.loads(to_json(webhook)) == WEBHOOK


def test_a_list_that_is_null_is_empty() -> None:
    """A list of a model is an empty tuple where JSON has none, or null, and isn't written then."""
    bare = {"id": "M", "roomId": "R"}

    message = from_json(json.dumps({**bare, "files": None, "attachments": []}), Message)
    person = from_json('{"id": "P", "phoneNumbers": null}', Person)

    assert message == from_json(json.dumps(bare), Message)
    assert (message.files, message.attachments, message.extra) == ((), (), {})
    assert (person.emails, person.phone_numbers) == ((), ())
    assert (json.loads(to_json(message)), to_json(person)) == (bare, b'{"id":"P"}')


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-04-07T09:17:23.164Z", datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC)),
        ("2015-10-18T14:26:16+00:00", datetime(2015, 10, 18, 14, 26, 16, tzinfo=UTC)),
        ("2015-10-18T14:26:16", datetime(2015, 10, 18, 14, 26, 16, tzinfo=UTC)),
        (
            "2015-10-18T14:26:16-07:00",
            datetime(2015, 10, 18, 14, 26, 16, tzinfo=timezone(timedelta(hours=-7))),
        ),
    ],
)
def test_timestamps_are_read_in_each_form(text: str, moment: datetime) -> None:
    """A timestamp is aware, in UTC where it doesn't say its zone."""
    created = from_json(json.dumps({**WEBHOOK, "created": text}), Webhook).created

    assert created is not None
    assert (created, created.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC), "2022-04-07T09:17:23.164Z"),
        (datetime(2022, 4, 7, 9, 17, 23, tzinfo=UTC), "2022-04-07T09:17:23.000Z"),
        (datetime(2022, 4, 7, 9, 17, 23, 1, tzinfo=UTC), "2022-04-07T09:17:23.000001Z"),
        (datetime.fromisoformat("2022-04-07T09:17:23+02:00"), "2022-04-07T09:17:23.000+02:00"),
        (datetime.fromisoformat("1890-01-01T00:00+00:00:30"), "1890-01-01T00:00:00.000+00:00:30"),
    ],
)
def test_timestamps_go_out_as_webex_writes_them(moment: datetime, text: str) -> None:
    """A timestamp is written with milliseconds or microseconds, and with Z for UTC."""
    assert json.loads(to_json(evolve(MODEL, created=moment)))["created"] == text


def test_what_is_unknown_or_does_not_fit_stays_in_extra() -> None:
    """Unknown keys and optional values that don't fit are kept in order, and written again."""
    kept: dict[str, Any] = {"z": [1, None], "status": 5, "b": 2, "created": "yesterday", "extra": 3}
    document = {"z": [1, None], **WEBHOOK, **kept}

    webhook = from_json(json.dumps(document), Webhook)

    assert webhook == evolve(MODEL, extra=kept)
    assert list(webhook.extra) == list(kept)
    assert json.loads(to_json(webhook)) == document


def test_an_array_has_at_most_100_problems() -> None:
    """An error takes hundreds of times the memory of what doesn't fit, so it names the first."""
    with pytest.raises(DecodeError) as raised:
        from_json(json.dumps([5] * 1_000), list[str])

    assert raised.value.problems == tuple(
        f"$[{index}]: expected a string, got a number" for index in range(100)
    )


def test_none_is_written_where_reading_needs_it() -> None:
    """`None` is left out where it is the default, and null otherwise."""

    @frozen
    class Nullable:
        required: str | None
        count: int | None = 5
        absent: str | None = None

    nullable = Nullable(None, None)

    assert to_json(nullable) == b'{"required":null,"count":null}'
    assert from_json(to_json(nullable), Nullable) == nullable


def test_a_subclass_is_written_whole() -> None:
    """A value is written by its own class, not by the one that its field names."""
    written = json.loads(to_json(Holding(Derived(1), [Derived(3, 4)])))

    assert (written["one"], written["many"]) == ({"a": 1, "b": 2}, [{"a": 3, "b": 4}])


def test_a_value_of_another_class_is_written_as_what_it_is() -> None:
    """Attrs checks no types, and neither does writing."""
    odd: dict[str, Any] = {
        "one": {"a": 1},
        "many": {"a": 1},
        "kind": "group",
        "flag": "no",
        "created": "today",
        "tags": "a",
        "labels": [],
    }

    assert json.loads(to_json(Holding(**odd))) == odd


def test_an_object_is_written_by_what_it_is() -> None:
    """A field of the type ``object``, or of a type variable, takes what one of ``Any`` takes."""
    cls = make_class("Made", {"one": field(type=object), "many": field(type=list[object])})
    moment = datetime(2024, 1, 2, tzinfo=UTC)

    written = json.loads(to_json(cls(moment, [Derived(1), None])))

    assert written == {"one": "2024-01-02T00:00:00.000Z", "many": [{"a": 1, "b": 2}, None]}
    assert to_json(Items((), moment)) == b'{"items":[],"first":"2024-01-02T00:00:00.000Z"}'


@frozen
class Empty(Generic[T]):
    pass


HOLDER = make_class("Holder", {"path": field(type=Decimal, default=None)})
LOST = make_class("Lost", {"other": field(type=cast("Any", "Nowhere"))})


@frozen
class Branch:
    """A class that contains itself and, so that it is found last, one that can't be read."""

    inner: "Branch | Leaf | None" = None


@frozen
class Leaf:
    name: str
    number: UUID


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (HOLDER, b"{}", "into Decimal, the type of Holder.path: give the attrs field .* a conv"),
        (LOST, b"{}", "the types of Lost can't be found: name 'Nowhere'"),
        (Empty, b"{}", "the type of Empty"),
        (Items[Items[bytes]], b'{"items": [{"items": ["a"]}]}', "JSON can't be read into bytes"),
        (Branch, b"{}", "into UUID, the type of Leaf.number"),
        (make_class("Sized", {"ids": field(type=set[UUID])}), b"{}", "UUID, the type of Sized.ids"),
        *(
            (each, b"[]", "into UUID")
            for each in (frozenset[UUID], deque[UUID], NewType("Key", UUID))
        ),
    ],
    ids=str,
)
def test_a_class_that_cannot_be_read_is_a_type_error(cls: Any, data: bytes, message: str) -> None:  # noqa: ANN401 - mistakes
    """The error says why, also where the JSON doesn't have the member."""
    with pytest.raises(TypeError, match=message):
        from_json(data, cls)


# Of any offset, in whole seconds.
moments = st.datetimes(
    timezones=st.integers(-86_399, 86_399).map(lambda each: timezone(timedelta(seconds=each)))
)
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXTS),
    (bool, st.booleans()),
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (datetime, moments),
    (Kind, st.sampled_from(Kind)),
    (Level, st.sampled_from(Level)),
    (Flag, st.sampled_from(Flag)),
    (Any, JSON),
    (Room, st.builds(Room, TEXTS, kind=st.none() | st.sampled_from(Kind))),
    (Point, st.builds(Point, st.integers(), st.none() | TEXTS)),
    (Point | Own, st.builds(Point, st.integers()) | st.builds(Own, st.integers(), TEXTS)),
    (tuple[int, str], st.tuples(st.integers(), TEXTS)),
    (set[str], st.sets(TEXTS, max_size=3)),
    (Path, st.sampled_from([Path("a"), Path("a/b")])),
    (Shout, st.just(Shout("a"))),
    (Ratio, st.sampled_from(Ratio)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (dict[Kind, int], st.dictionaries(st.sampled_from(Kind), st.integers())),
]


def wrapped(cls: Any, strategy: st.SearchStrategy[Any]) -> list[tuple[Any, Any]]:  # noqa: ANN401 - unions, too
    """A type in each type that holds others, with its values."""
    generic: Any = Items
    return [
        (GenericAlias(list, cls), st.lists(strategy, max_size=3)),
        (GenericAlias(tuple, (cls, ...)), st.lists(strategy, max_size=3).map(tuple)),
        (GenericAlias(Mapping, (str, cls)), st.dictionaries(TEXTS, strategy, max_size=3)),
        (cls | None, st.none() | strategy),
        (generic[cls], st.builds(Items, st.lists(strategy, max_size=2).map(tuple), strategy)),
    ]


@st.composite
def instances(draw: st.DrawFn) -> object:
    """Make an attrs class with fields of any types, and an instance of it."""
    fields_of_it: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in ("first_field", "second", "third_one"):
        cls, strategy = draw(st.sampled_from(SCALARS))
        for _ in range(draw(st.integers(0, 2))):
            cls, strategy = draw(st.sampled_from(wrapped(cls, strategy)))
        defaults: Any = draw(st.sampled_from([{}, {"default": None}]))
        fields_of_it[name] = field(type=cls, kw_only=True, **defaults)
        values[name] = draw(strategy)
    return make_class("Made", fields_of_it)(**values)


def test_keys_of_an_enumeration() -> None:
    """They are written as their values."""
    counted = make_class("Counted", {"each": field(type=dict[Kind, int])})
    assert to_json(counted({Kind.DIRECT: 1})) == b'{"each":{"direct":1}}'


@given(instances())
def test_no_class_is_lost_in_json(instance: object) -> None:
    """An instance of whatever class equals what is read of what was written."""
    assert from_json(to_json(instance), type(instance)) == instance
