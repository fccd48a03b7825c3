import copy
import json
import pickle
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from attrs import evolve, fields, frozen
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.converters import from_json, to_json, wire_name
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate
from webex_webhooks_async.strict_json import parse_json

CANARY = "c4n4ry"

WEBHOOK = Webhook(
    id="an-id",
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)
DOCUMENT = {
    "id": "an-id",
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}

MODELS: list[type[Any]] = [Webhook, NewWebhook, WebhookUpdate]
WIRE_NAMES = {wire_name(each.name) for cls in MODELS for each in fields(cls)} - {"extra"}

each_model = pytest.mark.parametrize("cls", MODELS)


@frozen(kw_only=True)
class Shelf:
    """A model with every kind of field."""

    count: int
    is_open: bool
    webhooks: tuple[Webhook, ...] = ()
    tags: tuple[str, ...] | None = None
    labels: Mapping[str, Any] | None = None
    opened: datetime | None = None


@frozen(kw_only=True)
class NewMembership:
    """A model of a user's own, with defaults."""

    person_id: str
    person_email: str | None = None
    is_moderator: bool = True
    tags: tuple[str, ...] = ()


@frozen(kw_only=True)
class Pair:
    """A model that explains what it refuses."""

    left: int
    right: int

    def __attrs_post_init__(self) -> None:
        if self.left > self.right:
            error = ValueError("the wrong way round")
            error.add_note(f"in {self.left}, {self.right}")
            raise error


@frozen(kw_only=True)
class Pairs:
    """Models that may refuse, in a model."""

    pairs: tuple[Pair, ...]


def text_as_it_comes() -> st.SearchStrategy[str]:
    """Any text that JSON can hold, also lone surrogates, but not pairs of them."""
    every_character = st.characters(exclude_categories=())
    return st.text(every_character).map(
        lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    )


def json_values() -> st.SearchStrategy[Any]:
    """Anything that JSON can hold."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | text_as_it_comes()
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner) | st.dictionaries(text_as_it_comes(), inner),
        max_leaves=8,
    )


def moments() -> st.SearchStrategy[datetime]:
    """Aware datetimes of any offset, in whole seconds."""
    offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
    return st.datetimes(timezones=offsets)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value or `None`."""
    return st.none() | strategy


def extras() -> st.SearchStrategy[dict[str, Any]]:
    """Members that the model doesn't know."""
    names = text_as_it_comes() | st.sampled_from(["extra", "target_url", "\0extra", "owned_by", ""])
    return st.dictionaries(names.filter(lambda name: name not in WIRE_NAMES), json_values())


def webhooks() -> st.SearchStrategy[Webhook]:
    """Any webhooks that a service may send."""
    word = text_as_it_comes()
    return st.builds(
        Webhook,
        id=word,
        name=word,
        target_url=word,
        resource=word | st.sampled_from(Resource),
        event=word,
        filter=optional(word),
        secret=optional(word),
        status=optional(word),
        created=optional(moments()),
        owned_by=optional(word),
        org_id=optional(word),
        created_by=optional(word),
        app_id=optional(word),
        extra=extras(),
    )


def targets() -> st.SearchStrategy[str]:
    """Any target URLs that a user may pass."""
    paths = st.text(st.characters(exclude_categories=("C", "Z")))
    return paths.map(lambda path: f"https://example.com/{path}")


def given_text() -> st.SearchStrategy[str]:
    """Any text that a user may pass."""
    return st.text(min_size=1)


def new_webhooks() -> st.SearchStrategy[NewWebhook]:
    """Any webhooks that a user may want."""
    return st.builds(
        NewWebhook,
        name=given_text(),
        target_url=targets(),
        resource=given_text() | st.sampled_from(Resource),
        event=given_text(),
        filter=optional(given_text()),
        secret=optional(given_text()),
        owned_by=optional(given_text()),
    )


def updates() -> st.SearchStrategy[WebhookUpdate]:
    """Any updates that a user may make."""
    return st.builds(
        WebhookUpdate,
        name=given_text(),
        target_url=targets(),
        secret=optional(given_text()),
        status=optional(given_text()),
    )


def near_misses(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Webhooks in which some members have these values."""
    names = st.sampled_from(sorted(WIRE_NAMES)) | text_as_it_comes()
    return st.dictionaries(names, values, max_size=3).map(lambda members: DOCUMENT | members)


def error_of(data: bytes | str, cls: type[Any]) -> DecodeError | None:
    """Return the error of reading a model, if there is one; raise every other error."""
    try:
        model = from_json(data, cls)
    except DecodeError as error:
        return error
    assert isinstance(model, cls)
    return None


def problems_of(data: bytes | str, cls: type[Any]) -> tuple[str, ...]:
    """Return the problems of data that doesn't fit the class."""
    with pytest.raises(DecodeError) as raised:
        from_json(data, cls)
    return raised.value.problems


@given(webhooks() | new_webhooks() | updates())
def test_every_model_goes_out_and_back(model: Webhook | NewWebhook | WebhookUpdate) -> None:
    """A model that went through JSON equals the original."""
    assert from_json(to_json(model), type(model)) == model


@given(webhooks())
def test_json_is_the_same_after_a_second_time(webhook: Webhook) -> None:
    """A model that is read and written again has the same JSON."""
    assert to_json(from_json(to_json(webhook), Webhook)) == to_json(webhook)


def test_the_wire_speaks_camel_case() -> None:
    """A model is written in camelCase, without the fields that are `None`."""
    new = NewWebhook(
        name="Messages",
        target_url="https://example.com/hook",
        resource=Resource.MESSAGES,
        event="created",
        owned_by="org",
    )

    assert to_json(new) == (
        b'{"name":"Messages","targetUrl":"https://example.com/hook","resource":"messages",'
        b'"event":"created","ownedBy":"org"}'
    )


def test_a_value_that_equals_its_default_is_sent() -> None:
    """Only `None` is left out: a service doesn't know the defaults of a user's class."""
    document = json.loads(to_json(NewMembership(person_id="P1")))

    assert document == {"personId": "P1", "isModerator": True, "tags": []}


def test_every_field_of_a_webhook_is_read() -> None:
    """Each documented member of a webhook is read into its field."""
    document = {
        **DOCUMENT,
        "filter": "roomId=x",
        "secret": "s3cret",
        "status": "active",
        "created": "2022-04-07T09:17:23.164Z",
        "ownedBy": "creator",
        "orgId": "an-org",
        "createdBy": "a-person",
        "appId": "an-app",
    }

    assert from_json(json.dumps(document), Webhook) == Webhook(
        id="an-id",
        name="Messages",
        target_url="https://example.com/hook",
        resource="messages",
        event="created",
        filter="roomId=x",
        secret="s3cret",
        status="active",
        created=datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC),
        owned_by="creator",
        org_id="an-org",
        created_by="a-person",
        app_id="an-app",
    )


@pytest.mark.parametrize(
    "name",
    ["filter", "secret", "status", "created", "ownedBy", "orgId", "createdBy", "appId"],
)
def test_null_is_absence(name: str) -> None:
    """An optional member that is null is `None`, like a missing one, and never "None"."""
    webhook = from_json(json.dumps({**DOCUMENT, name: None}), Webhook)

    assert webhook == WEBHOOK
    assert json.loads(to_json(webhook)) == DOCUMENT


@pytest.mark.parametrize("name", DOCUMENT)
def test_null_is_no_text(name: str) -> None:
    """A required member that is null is a problem, and never "None"."""
    document = json.dumps({**DOCUMENT, name: None})

    assert problems_of(document, Webhook) == (f"$.{name}: expected a string, got null",)


@pytest.mark.parametrize("name", ["hostId", "extra", "target_url", "\0extra", "", "e.x[t]ra", "ü"])
def test_what_is_unknown_stays(name: str) -> None:
    """An unknown member is kept in `extra`, and is written again."""
    document = {**DOCUMENT, name: {"any": [1, None, "thing"]}}

    webhook = from_json(json.dumps(document), Webhook)

    assert webhook == evolve(WEBHOOK, extra={name: {"any": [1, None, "thing"]}})
    assert json.loads(to_json(webhook)) == document


@pytest.mark.parametrize("cls", [NewWebhook, WebhookUpdate])
def test_a_model_without_an_extra_lets_go_what_is_unknown(cls: type[Any]) -> None:
    """A class without `extra` ignores unknown members."""
    known = from_json(json.dumps(DOCUMENT), cls)
    more = from_json(json.dumps({**DOCUMENT, "extra": 1, "\0extra": 2, "hostId": 3}), cls)

    assert more == known


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
    created = from_json(json.dumps({**DOCUMENT, "created": text}), Webhook).created

    assert created is not None
    assert (created, created.utcoffset()) == (moment, moment.utcoffset())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC), "2022-04-07T09:17:23.164Z"),
        (datetime(2022, 4, 7, 9, 17, 23, tzinfo=UTC), "2022-04-07T09:17:23.000Z"),
        (datetime(2022, 4, 7, 9, 17, 23, 1, tzinfo=UTC), "2022-04-07T09:17:23.000001Z"),
        (
            datetime(2022, 4, 7, 9, 17, 23, tzinfo=timezone(timedelta(hours=2))),
            "2022-04-07T09:17:23.000+02:00",
        ),
        (
            datetime(1890, 1, 1, tzinfo=timezone(timedelta(seconds=30))),
            "1890-01-01T00:00:00.000+00:00:30",
        ),
    ],
)
def test_timestamps_go_out_as_webex_writes_them(moment: datetime, text: str) -> None:
    """A timestamp is written with milliseconds or microseconds, and with Z for UTC."""
    assert json.loads(to_json(evolve(WEBHOOK, created=moment)))["created"] == text


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2022-13-01", "2022-04-07T09:17:23+24:00", "²022-04-07", "1649323043"]
)
def test_other_text_is_no_timestamp(text: str) -> None:
    """A timestamp that can't be read is a problem."""
    document = json.dumps({"count": 1, "isOpen": True, "opened": text})

    assert problems_of(document, Shelf) == (
        "$.opened: expected an ISO 8601 date and time, got other text",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filter", 5),
        ("secret", True),
        ("status", ["active"]),
        ("created", "yesterday"),
        ("created", []),
        ("ownedBy", {}),
    ],
)
def test_an_optional_value_that_does_not_fit_stays_in_extra(name: str, value: object) -> None:
    """An optional field whose value doesn't fit is `None`, and the value is written again."""
    document = {**DOCUMENT, name: value, "hostId": 1}

    webhook = from_json(json.dumps(document), Webhook)

    assert webhook == evolve(WEBHOOK, extra={name: value, "hostId": 1})
    assert json.loads(to_json(webhook)) == document
    assert from_json(to_json(webhook), Webhook) == webhook


@pytest.mark.parametrize(
    ("data", "cls", "problem"),
    [
        (b"true", int, "$: expected a whole number, got a boolean"),
        (b"1.0", int, "$: expected a whole number, got a number"),
        (b'"1"', int, "$: expected a whole number, got a string"),
        (b"1", bool, "$: expected a boolean, got a number"),
        (b'"true"', bool, "$: expected a boolean, got a string"),
        (b"1", str, "$: expected a string, got a number"),
        (b"null", str, "$: expected a string, got null"),
        (b"[]", Webhook, "$: expected an object, got an array"),
        (b'"{}"', Webhook, "$: expected an object, got a string"),
        (b"null", Webhook, "$: expected an object, got null"),
    ],
)
def test_nothing_is_coerced(data: bytes, cls: type[Any], problem: str) -> None:
    """A value of another type is a problem, also where Python would convert it."""
    assert problems_of(data, cls) == (problem,)


def test_every_kind_of_field_goes_out_and_back() -> None:
    """Numbers, booleans, tuples, mappings and models in models equal what they were."""
    shelf = Shelf(
        count=3,
        is_open=False,
        webhooks=(WEBHOOK, evolve(WEBHOOK, extra={"a": 1})),
        tags=("one", "two"),
        labels={"any": [{"thing": None}]},
    )

    assert from_json(to_json(shelf), Shelf) == shelf


def test_every_problem_is_named_with_its_path() -> None:
    """One error lists everything required that doesn't fit, by its key in JSON."""
    document: dict[str, object] = {
        "id": 5,
        "name": None,
        "targetUrl": ["https://example.com"],
        "resource": {},
        "secret": True,
        "created": "yesterday",
        "hostId": 1.5,
    }

    assert problems_of(json.dumps(document), Webhook) == (
        "$.id: expected a string, got a number",
        "$.name: expected a string, got null",
        "$.targetUrl: expected a string, got an array",
        "$.resource: expected a string, got an object",
        "$.event: missing",
    )


def test_paths_lead_into_lists_and_objects() -> None:
    """A path has each step from the document to the value that doesn't fit."""
    broken = {each: DOCUMENT[each] for each in DOCUMENT if each != "targetUrl"}
    document = {
        "count": True,
        "webhooks": [DOCUMENT, 5, {**DOCUMENT, "name": 7}, broken],
        "tags": ["one", None],
        "labels": [],
    }

    assert problems_of(json.dumps(document), Shelf) == (
        "$.count: expected a whole number, got a boolean",
        "$.isOpen: missing",
        "$.webhooks[1]: expected an object, got a number",
        "$.webhooks[2].name: expected a string, got a number",
        "$.webhooks[3].targetUrl: missing",
        "$.tags[1]: expected a string, got null",
        "$.labels: expected an object, got an array",
    )


@pytest.mark.parametrize("webhooks", ["abc", {"a": 1}, 5, None])
def test_only_an_array_is_an_array(webhooks: object) -> None:
    """Text and objects aren't arrays, though Python can iterate over them."""
    document = json.dumps({"count": 1, "isOpen": True, "webhooks": webhooks})

    (problem,) = problems_of(document, Shelf)

    assert problem.startswith("$.webhooks: expected an array, got ")


@pytest.mark.parametrize(
    ("document", "cls"),
    [
        ({**DOCUMENT, "name": ""}, NewWebhook),
        ({**DOCUMENT, "targetUrl": CANARY}, NewWebhook),
        ({**DOCUMENT, "targetUrl": CANARY}, WebhookUpdate),
        ({**DOCUMENT, "secret": ""}, WebhookUpdate),
    ],
)
def test_what_a_model_refuses_does_not_fit(document: object, cls: type[Any]) -> None:
    """A value that a model refuses is a `DecodeError`, too, and isn't shown."""
    assert problems_of(json.dumps(document), cls) == ("$: does not fit",)


def test_what_a_model_explains_is_no_step_of_a_path() -> None:
    """The path ends at the model that refuses; the note on its error isn't shown."""
    data = b'{"pairs": [{"left": 1, "right": 2}, {"left": 4, "right": 3}]}'

    assert problems_of(data, Pairs) == ("$.pairs[1]: does not fit",)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", r"not JSON \(Expecting value at character 0\)"),
        (b"<html></html>", r"not JSON \(Expecting value at character 0\)"),
        (b"{} {}", r"not JSON \(Extra data at character 3\)"),
        (b'{"a": 1', r"not JSON \(.* at character 7\)"),
        (b"{'a': 1}", r"not JSON \(.* at character 1\)"),
        (b'"\n"', r"not JSON \(.* at character 1\)"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"1e999", "a number is too large"),
        (b'{"a": -1E+999}', "a number is too large"),
        (b"9" * 5000 + b".0", "a number is too large"),
        (b"9" * 5000, "a number has too many digits"),
        (b'{"a": -' + b"1" * 5000 + b"}", "a number has too many digits"),
        (b'{"a": 1, "a": 1}', "an object has a key twice"),
        (b'[{"b": {"a": 1, "c": 2, "\\u0061": 3}}]', "an object has a key twice"),
        (b'\xef\xbb\xbf{"a": 1}', r"not JSON \(.* at character 0\)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), r"not JSON \(.* at character 1\)"),
        ('{"a": 1}'.encode("utf-32-be"), r"not JSON \(.* at character 0\)"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: ascii(value)[:40],
)
@pytest.mark.parametrize("cls", [Webhook, str])
def test_only_strict_json_is_json(data: bytes, problem: str, cls: type[Any]) -> None:
    """Invalid or ambiguous JSON is refused with the reason."""
    (problem_found,) = problems_of(data, cls)

    assert re.fullmatch(rf"\$: {problem}", problem_found)


def test_text_is_read_like_bytes() -> None:
    """JSON can be text; a byte order mark is refused there too."""
    assert from_json(json.dumps(DOCUMENT, ensure_ascii=False), Webhook) == WEBHOOK
    with pytest.raises(DecodeError):
        from_json("\ufeff" + json.dumps(DOCUMENT), Webhook)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' \n[1, -0.5, "\xc3\xbc", null, true]\t', [1, -0.5, "ü", None, True]),
        (b'"\\ud800"', "\ud800"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"9007199254740993", 9007199254740993),
        (b"[" * 200 + b"]" * 200, None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_odd_json_is_json(data: bytes, value: object) -> None:
    """Unusual but unambiguous JSON is read."""
    assert parse_json(data) == value or value is None


def test_deep_json_can_be_written_again() -> None:
    """A model with deep JSON in it can be written, copied and compared, too."""
    depth = 200
    deep = {**DOCUMENT, "new": json.loads("[" * depth + "]" * depth)}
    model = from_json(json.dumps(deep), Webhook)

    assert from_json(to_json(model), Webhook) == copy.deepcopy(model)


@each_model
@given(data=st.binary())
def test_any_bytes_are_a_model_or_a_decode_error(cls: type[Any], data: bytes) -> None:
    """Any bytes are read as a model or raise `DecodeError`, and nothing else."""
    error = error_of(data, cls)

    assert error is None or error.problems


@each_model
@given(value=json_values() | near_misses(json_values()))
def test_any_json_is_a_model_or_a_decode_error(cls: type[Any], value: object) -> None:
    """Any JSON is read as a model or raises `DecodeError` with a path."""
    error = error_of(json.dumps(value), cls)

    assert error is None or all(re.match(r"\$(\.\w+)*: ", each) for each in error.problems)


@each_model
@given(
    value=near_misses(st.sampled_from([CANARY, [CANARY], {"a": CANARY}]) | json_values()),
    garbage=st.sampled_from(["", "}", '"', "\\", f" {CANARY}"]),
)
def test_problems_show_no_values(cls: type[Any], value: object, garbage: str) -> None:
    """The error, its traceback and its pickle contain no value of the document."""
    error = error_of(json.dumps(value) + garbage, cls)

    if error is not None:
        shown = "".join(traceback.format_exception(error))
        assert CANARY not in f"{error} {error!r} {vars(error)} {shown}"
        assert CANARY.encode() not in pickle.dumps(error)
        assert error.__context__ is None


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), ValueError), (float("inf"), ValueError), (object(), TypeError)],
)
def test_what_json_cannot_hold_does_not_go_out(value: object, error: type[Exception]) -> None:
    """An `extra` that JSON can't hold is refused, not changed."""
    with pytest.raises(error):
        to_json(evolve(WEBHOOK, extra={"a": value}))


def test_only_a_model_goes_out() -> None:
    """Something else is refused, in words that say so."""
    with pytest.raises(TypeError, match=r"to_json takes a model or .*dataclass, got dict"):
        to_json(cast("Webhook", {"name": "bot"}))


def test_only_bytes_or_text_come_in() -> None:
    """Something else is refused, in words that say so."""
    with pytest.raises(TypeError, match="JSON must be bytes or str, got int"):
        from_json(cast("bytes", 5), Webhook)
