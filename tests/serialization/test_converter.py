import json
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve, field, fields, frozen, has, make_class
from hypothesis import given
from hypothesis import strategies as st

import webex_webhooks_async
from tests.support.json_values import JSON, TEXTS
from tests.support.wire import MODEL, WEBHOOK
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models import wire_name
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook
from webex_webhooks_async.serialization.converter import from_json, structure, to_json

CANARY = "c4n4ry"


@frozen(kw_only=True)
class Shelf:
    count: int
    is_open: bool
    webhooks: tuple[Webhook, ...] = ()
    tags: tuple[str, ...] | None = None
    labels: Mapping[str, Any] | None = None


@frozen
class Chain:
    """A class that holds itself."""

    inner: "Chain | None" = None


@frozen
class AnyKeys:
    members: dict[Any, int]


def problems_of(data: bytes | str, cls: type[Any]) -> tuple[str, ...]:
    """Return the problems of data that doesn't fit the class."""
    with pytest.raises(DecodeError) as raised:
        from_json(data, cls)
    return raised.value.problems


def test_every_problem_is_named_with_its_path() -> None:
    """One error lists everything required that doesn't fit, by its path in JSON."""
    broken = {each: WEBHOOK[each] for each in WEBHOOK if each != "targetUrl"}
    document = {
        "count": True,
        "webhooks": [WEBHOOK, 5, {**WEBHOOK, "name": 7, "secret": True}, broken],
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


def test_what_a_model_explains_is_no_step_of_a_path() -> None:
    """A value that a model refuses doesn't fit: the path ends there, and no note is shown."""

    @frozen(kw_only=True)
    class Pair:
        left: int
        right: int

        def __attrs_post_init__(self) -> None:
            if self.left > self.right:
                error = ValueError("the wrong way round")
                error.add_note(f"in {self.left}, {self.right}")
                raise error

    data = b'[{"left": 1, "right": 2}, {"left": 4, "right": 3}]'

    assert problems_of(data, list[Pair]) == ("$[1]: does not fit",)


# Webhooks in which some members have other values.
near_misses = st.dictionaries(
    st.sampled_from([wire_name(each.name) for each in fields(Webhook)]) | TEXTS,
    st.sampled_from([CANARY, [CANARY], {"a": CANARY}]) | JSON,
    max_size=3,
).map(lambda members: WEBHOOK | members)


@pytest.mark.filterwarnings("ignore:the (resource|event) .* is unknown")  # of random words
@given(
    cls=st.sampled_from([Webhook, NewWebhook]),
    value=near_misses | JSON,
    garbage=st.sampled_from(["", "}", '"', "\\", f" {CANARY}"]),
)
def test_any_json_is_a_model_or_a_decode_error(cls: type[Any], value: object, garbage: str) -> None:
    """The problems have paths; error, traceback and pickle contain no value of the document."""
    error: DecodeError | None = None
    try:
        from_json(json.dumps(value) + garbage, cls)
    except DecodeError as raised:
        error = raised

    if error is not None:
        shown = "".join(traceback.format_exception(error))
        assert all(re.match(r"\$(\.\w+)*: ", each) for each in error.problems)
        assert CANARY not in f"{error} {error!r} {vars(error)} {shown}"
        assert CANARY.encode() not in pickle.dumps(error)
        assert error.__context__ is None


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), KeyError()], ids=repr)
def test_a_class_that_refuses_is_a_problem(error: Exception) -> None:
    """Whatever a class raises doesn't fit, and the value isn't shown; no key counts as missing."""

    def refuse(_value: object) -> UUID:
        raise type(error)(*error.args)  # fresh, because cattrs adds notes to it

    cls = make_class("Room", {"id": field(type=UUID, converter=refuse)})
    with pytest.raises(DecodeError) as raised:
        from_json(f'{{"id": "{CANARY}"}}', cls)
    assert raised.value.problems == ("$: does not fit",)


@pytest.mark.parametrize("frames", range(8))
def test_what_is_nested_too_deeply_is_a_problem(frames: int) -> None:
    """JSON that is nested too deeply is a problem, at whichever call Python's depth ends."""
    value: dict[str, Any] = {}
    for _ in range(20_000):
        value = {"inner": value}

    def structure_below(frames: int) -> None:
        if frames:
            structure_below(frames - 1)
        else:
            structure(value, Chain)

    with pytest.raises(DecodeError) as raised:
        structure_below(frames)

    assert {each.rpartition(": ")[2] for each in raised.value.problems} == {"nested too deeply"}


FRESH = """
import sys

for of_a_module in sys.argv[1:]:
    for module in [each for each in sys.modules if each.startswith("webex_webhooks_async")]:
        del sys.modules[module]
    import webex_webhooks_async

    for name in of_a_module.split(","):
        try:
            webex_webhooks_async.from_json(b"{}", getattr(webex_webhooks_async, name))
        except (webex_webhooks_async.DecodeError, TypeError) as error:
            print(name, error)
"""


@pytest.mark.once
def test_every_public_class_is_read_where_nothing_else_is_imported() -> None:
    """No public class depends on another module having been imported before."""
    public = dir(webex_webhooks_async)
    classes = [each for each in public if has(getattr(webex_webhooks_async, each))]
    of_modules: dict[str, list[str]] = {}
    for each in classes:
        of_modules.setdefault(getattr(webex_webhooks_async, each).__module__, []).append(each)
    arguments = map(",".join, of_modules.values())
    output = subprocess.check_output([sys.executable, "-c", FRESH, *arguments], text=True)

    assert "Webhook $.id: missing" in output
    assert "can't be found" not in output


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "bot"}, r"to_json takes a model or .*dataclass, got dict"),
        *((AnyKeys({each: 1}), "JSON can't hold a key of") for each in (1, None, True, (1,))),
        (evolve(MODEL, extra={"a": {1: 1}}), "JSON can't hold a key of type int"),
        *(
            (evolve(MODEL, extra={"a": each}), r"^\$\.a: JSON can't hold a value of type ")
            for each in (b"a", bytearray(b"a"))
        ),
    ],
    ids=str,
)
def test_what_could_not_be_read_back_is_not_written(value: Any, message: str) -> None:  # noqa: ANN401 - mistakes
    """Keys are text, and bytes of each kind are an error that leads to them."""
    with pytest.raises(TypeError, match=message):
        to_json(value)


def test_what_is_too_deep_or_contains_itself_is_a_value_error() -> None:
    """100 levels are written, 5,000 aren't, and no RecursionError escapes."""

    def nested(depth: int) -> Chain:
        chain = Chain()
        for _ in range(depth):
            chain = Chain(chain)
        return chain

    endless: dict[str, Any] = {}
    endless["self"] = [endless]

    assert from_json(to_json(nested(100)), Chain) == nested(100)
    for each in (nested(5_000), evolve(MODEL, extra=endless)):
        with pytest.raises(ValueError, match="nested too deeply for JSON, or contains itself"):
            to_json(each)
