"""What reads our own models, beside what reads any class."""

import json
from typing import Any

import pytest
from attrs import asdict, fields, frozen, validators
from attrs import field as attrs_field
from hypothesis import given
from hypothesis import strategies as st

from tests.support.json_values import JSON, TEXTS
from tests.support.wire import WEBHOOK
from webex_webhooks_async import DecodeError, Message, Person, TelephonyCallData, Webhook, from_json
from webex_webhooks_async.models import wire_name

MODELS: list[type[Any]] = [Webhook, Message, Person, TelephonyCallData]
# A class of a user's is read as any class is, also where it has all of a model.
CLASSES = [(cls, type("Same", (cls,), {})) for cls in MODELS]
VALUES = TEXTS | st.none() | st.booleans() | st.just("2024-05-17T09:30:00Z") | JSON


@st.composite
def documents(draw: st.DrawFn) -> tuple[tuple[type[Any], type[Any]], object]:
    """Members of a class, in any order, of which some lack, don't fit or are unknown."""
    classes = draw(st.sampled_from(CLASSES))
    keys = [wire_name(each.name) for each in fields(classes[0])]
    members = draw(st.dictionaries(st.sampled_from(keys) | TEXTS, VALUES))
    required = {"id": "I", "roomId": "R", "callId": "C", **WEBHOOK} if draw(st.booleans()) else {}
    return classes, draw(st.just({**required, **members}) | JSON)


def read(document: object, cls: type[Any]) -> object:
    """What a document is read as, or what is wrong with it."""
    try:
        return asdict(from_json(json.dumps(document), cls), recurse=False)
    except DecodeError as error:
        return error.problems


@given(documents())
def test_a_model_is_read_as_any_class_is(case: tuple[tuple[type[Any], type[Any]], object]) -> None:
    """Values, their types, unknown keys in their order, and problems with their paths are equal."""
    (cls, same), document = case

    assert repr(read(document, cls)) == repr(read(document, same))


def test_a_class_that_inherits_from_a_model_keeps_its_rules() -> None:
    """What a user adds to a model of ours, such as a validator, counts."""

    @frozen(kw_only=True, slots=False)
    class Active(Webhook):
        status: str | None = attrs_field(default=None, validator=validators.in_(["active"]))

    assert from_json(json.dumps({**WEBHOOK, "status": "active"}), Active).status == "active"
    with pytest.raises(DecodeError, match="does not fit"):
        from_json(json.dumps({**WEBHOOK, "status": "disabled"}), Active)
