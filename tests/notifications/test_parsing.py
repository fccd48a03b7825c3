import json
import pickle
import re
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.notifications.doubles import ENVELOPE, MESSAGE_DATA, SECRET, body_of, signed
from tests.support.json_values import JSON
from webex_webhooks_async.errors import DecodeError, PayloadError, SignatureError
from webex_webhooks_async.models.notification_data import (
    DATA_CLASSES,
    MembershipData,
    MessageData,
    NotificationData,
    RemoteParty,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.parsing import parse_notification
from webex_webhooks_async.notifications.parsing import parse_unverified_notification as parsed
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, sign
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.serialization.converter import from_json, to_json
from webex_webhooks_async.testing import sample_notification

BORN = datetime(2015, 10, 18, 14, 26, 16, tzinfo=UTC)

MORE: dict[str, dict[str, Any]] = {
    "messages": {"files": ["F"], "mentionedPeople": ["P"], "parentId": "PARENT"},
    "telephony_calls": {
        "endpointId": "E",
        "redirections": [{"reason": "busy"}],
        "recall": {"type": "park"},
        "recordingState": "started",
        "remoteParty": {"number": "N", "personId": "P", "placeId": "P", "mood": "good"},
    },
    "rooms": {"ownerId": "O", "description": "Lunch", "isPublic": True, "isReadOnly": False},
    "meetings": {"telephony": {"links": []}},
    "meetingParticipants": {"devices": [{}]},
    "recordings": {"meetingSeriesId": "SERIES"},
}
"""What the samples lack of the data of resources that have a class."""

KNOWN: dict[str, dict[str, Any]] = {
    each: json.loads(sample_notification(each, "created"))["data"] | MORE.get(each, {})
    for each in DATA_CLASSES
}


def test_a_notification_as_webex_sends_it() -> None:
    """Every member of the envelope lands in the field of its name."""
    body, headers = signed(body_of())

    assert parse_notification(body, headers, secrets=SECRET) == Notification(
        id="WEBHOOK",
        name="New message in 'Project Unicorn' room",
        resource="messages",
        event="created",
        data=MessageData(
            id="MESSAGE",
            room_id="ROOM",
            room_type="group",
            person_id="PERSON",
            person_email="matt@example.com",
            created=BORN,
        ),
        target_url="https://example.com/mywebhook",
        filter="roomId=ROOM",
        org_id="ORG",
        created_by="BOT",
        app_id="APP",
        owned_by="creator",
        status="active",
        created=BORN,
        actor_id="PERSON",
    )


@pytest.mark.parametrize("resource", KNOWN)
def test_data_of_a_known_resource(resource: str) -> None:
    """The data of each resource that has a class is an instance of it, its times are aware."""
    data = KNOWN[resource]
    notification = parsed(body_of(data, resource=resource))
    known: Any = notification.data
    times = [each for each in asdict(known).values() if isinstance(each, datetime)]
    dates = [each for each in data.values() if re.match(r"\d{4}-\d\d-\d\dT", str(each))]

    assert type(known) is DATA_CLASSES[resource]
    assert set(known.extra) <= {"telephony", "devices"}
    assert all(each.tzinfo for each in times)
    assert len(times) == len(dates)
    written = re.sub(r"\.000Z", "Z", to_json(notification).decode())
    assert json.loads(written)["data"] == json.loads(re.sub(r"\.000Z", "Z", json.dumps(data)))


@pytest.mark.parametrize("value", ["left out", None])
def test_what_is_not_required_may_be_missing(value: str | None) -> None:
    """An optional member of the envelope or the data that is left out, or null, is None."""
    envelope: dict[str, Any] = {"id": "W", "name": "n", "resource": "memberships", "event": "new"}
    others = {} if value else dict.fromkeys(ENVELOPE.keys() - envelope.keys())
    data = {"id": "M", "roomId": "R", "personId": "P", "personEmail": "E"}
    optional = {} if value else {"roomType": None, "isMonitor": None, "created": None}
    body = json.dumps({**envelope, **others, "data": {**data, **optional}}).encode()

    assert parsed(body) == Notification[Any](
        **envelope, data=MembershipData(id="M", room_id="R", person_id="P", person_email="E")
    )


@pytest.mark.parametrize("key", ["extra", "new", "target_url", "\0extra", "secret", ""])
def test_unknown_members_survive(key: str) -> None:
    """A member of any name that isn't known is kept, in the envelope and in the data."""
    value = {"a": [1, None]}
    notification = parsed(body_of({**MESSAGE_DATA, key: value}, **{key: value}))

    assert isinstance(notification.data, MessageData)
    assert notification.extra == {key: value}
    assert notification.data.extra == {key: value}


@pytest.mark.parametrize(
    ("resource", "data"),
    [
        ("telepathy", {"id": 1, "thoughts": [{"of": None}]}),
        ("messages", {}),
        ("messages", {**MESSAGE_DATA, "id": 7}),
        ("messages", {**MESSAGE_DATA, "roomId": None}),
        ("messages", {**MESSAGE_DATA, "personEmail": ["matt@example.com"]}),
        ("messages", {**MESSAGE_DATA, "personEmail": ["matt@example.com"], "files": "F"}),
        ("serviceApp", {"id": "APP"}),
    ],
)
def test_data_of_another_shape_stays_a_mapping(resource: str, data: object) -> None:
    """Data with a required field that doesn't fit stays the mapping that was sent."""
    notification = parsed(body_of(data, resource=resource))

    assert isinstance(notification.data, dict)
    assert json.dumps(notification.data) == json.dumps(data)


@pytest.mark.parametrize(
    ("resource", "data", "key", "value"),
    [
        ("messages", MESSAGE_DATA, "files", "F"),
        ("messages", MESSAGE_DATA, "files", [1]),
        ("messages", MESSAGE_DATA, "created", 1445178376),
        ("messages", MESSAGE_DATA, "created", "yesterday"),
        ("rooms", {"id": "ROOM"}, "isLocked", "true"),
        ("rooms", {"id": "ROOM"}, "isLocked", 1),
        ("telephony_calls", {"callId": "CALL"}, "appearance", True),
        ("telephony_calls", {"callId": "CALL"}, "appearance", 1.0),
        ("telephony_calls", {"callId": "CALL"}, "appearance", "1"),
        ("telephony_calls", {"callId": "CALL"}, "remoteParty", "Matt"),
        ("telephony_calls", {"callId": "CALL"}, "redirections", [1]),
        ("recordings", {}, "durationSeconds", "4472"),
    ],
)
def test_an_optional_value_that_does_not_fit_stays_in_extra(
    resource: str, data: dict[str, Any], key: str, value: object
) -> None:
    """An optional field of the data whose value doesn't fit is None, and nothing else changes."""
    fitting: Any = parsed(body_of(data | {key: None}, resource=resource)).data
    odd = parsed(body_of(data | {key: value, "new": 1}, resource=resource))

    assert odd.data == evolve(fitting, extra={key: value, "new": 1})
    assert json.loads(to_json(odd))["data"][key] == value


@pytest.mark.parametrize(
    ("key", "value"), [("created", "yesterday"), ("orgId", False), ("actorId", [1]), ("filter", {})]
)
def test_an_optional_value_of_the_envelope_stays_in_extra(key: str, value: object) -> None:
    """An optional field whose value doesn't fit is None alone, also in an object in the data."""
    notification = parsed(body_of(**{key: value}))

    assert notification == evolve(parsed(body_of(**{key: None})), extra={key: value})
    assert from_json(to_json(notification), Notification) == notification

    remote_party = {"name": 1, "number": "1234"}
    call: Any = parsed(
        body_of({"callId": "CALL", "remoteParty": remote_party}, resource="telephony_calls")
    ).data
    assert call.remote_party == RemoteParty(number="1234", extra={"name": 1})


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (body_of([MESSAGE_DATA]), ("$.data: expected an object, got an array",)),
        (body_of("text"), ("$.data: expected an object, got a string",)),
        (body_of(None), ("$.data: missing",)),
        (body_of(resource=7), ("$.resource: expected a string, got a number",)),
        (body_of(resource=["messages"]), ("$.resource: expected a string, got an array",)),
        (body_of(resource=None), ("$.resource: missing",)),
        (
            body_of(1.5, id=1, orgId=False),
            ("$.id: expected a string, got a number", "$.data: expected an object, got a number"),
        ),
        (b"[]", ("$: expected an object, got an array",)),
        (b'"text"', ("$: expected an object, got a string",)),
        (b"null", ("$: expected an object, got null",)),
        (b"", ("$: not JSON (Expecting value at character 0)",)),
        (b'{"data": {"id": "a", "id": "b"}}', ("$: an object has a key twice",)),
    ],
)
def test_what_is_no_notification(body: bytes, problems: tuple[str, ...]) -> None:
    """A body that isn't a notification raises a PayloadError with the path of each problem."""
    with pytest.raises(PayloadError) as raised:
        parsed(body)

    assert raised.value.problems == problems


@pytest.mark.parametrize(
    "body", [body_of(["s3cret"], id=["s3cret"]), b'{"s3cret"', b'{"s3cret": 1']
)
def test_problems_show_no_values(body: bytes) -> None:
    """Neither the error nor its cause shows a value of the body."""
    with pytest.raises(PayloadError) as raised:
        parsed(body)

    assert "s3cret" not in repr((raised.value, raised.value.__context__, raised.value.__cause__))


@pytest.mark.parametrize(
    ("body", "signing", "options"),
    [
        (b"no JSON", "another", {}),
        (body_of(), SECRET, {"minimum_algorithm": SignatureAlgorithm.SHA256}),
        (body_of(), "old", {"secrets": ["older", "old"]}),
    ],
)
def test_the_signature_is_verified_first(
    body: bytes, signing: str, options: dict[str, Any]
) -> None:
    """A notification is signed with one of the secrets, and with no weaker algorithm than asked."""
    headers = {"X-Spark-Signature": sign(body, signing)["X-Spark-Signature"]}

    if "secrets" in options:
        assert parse_notification(body, headers, **options) == parsed(body)
    else:
        with pytest.raises(SignatureError):
            parse_notification(body, headers, secrets=SECRET, **options)


@given(st.binary())
def test_whatever_the_body_is(body: bytes) -> None:
    """Whatever the bytes are, nothing but a PayloadError is raised."""
    with pytest.raises(PayloadError):
        parsed(body)


OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
# At least one time zone's offset away from the ends of time.
DATETIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 - as asked for
OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)) | st.just(timedelta(seconds=30))


@st.composite
def times(draw: st.DrawFn) -> str:
    """Any moment, as ISO 8601 writes it, with or without an offset."""
    moment, offset = draw(DATETIMES), draw(st.none() | OFFSETS)
    return moment.replace(tzinfo=None if offset is None else timezone(offset)).isoformat()


@st.composite
def notifications(draw: st.DrawFn) -> dict[str, Any]:
    """What Webex could send: any members, known and unknown."""
    resource, data = draw(st.sampled_from([*KNOWN.items(), ("telepathy", {}), ("all", {})]))
    known = draw(st.permutations([*data.items()]))[: draw(st.integers(0, len(data)))]
    optional: list[tuple[str, Any]] = [
        *ENVELOPE.items(),
        ("created", draw(times())),
        ("status", None),
    ]
    return {
        **draw(OBJECTS),
        **dict(draw(st.lists(st.sampled_from(optional)))),
        "id": draw(st.text()),
        "name": draw(st.text()),
        "resource": resource,
        "event": draw(st.text()),
        "data": {**data, **draw(OBJECTS)}
        if draw(st.booleans())
        else {**dict(known), **draw(OBJECTS)},
    }


@given(notifications())
def test_nothing_that_webex_sends_is_lost(document: dict[str, Any]) -> None:
    """The JSON has everything that was sent, except optional nulls; JSON and pickle keep it all."""
    notification = parsed(json.dumps(document).encode())
    kept = json.loads(to_json(notification))

    assert kept.keys() >= {key for key, each in document.items() if each is not None or key in kept}
    assert kept["data"].keys() >= {
        key for key, each in document["data"].items() if each is not None
    }
    assert from_json(to_json(notification), Notification) == notification
    assert pickle.loads(pickle.dumps(notification)) == notification  # noqa: S301 - our own


def test_a_class_of_data_can_be_asked_for() -> None:
    """`from_json` reads a notification of any data, or of one class if the data fits that."""
    body = body_of()

    for kind in (Notification[Any], Notification[NotificationData], Notification[MessageData]):
        assert from_json(body, kind) == parsed(body)
    with pytest.raises(DecodeError, match=r"\$\.data\.id: missing"):
        from_json(body_of({}), Notification[MessageData])


@pytest.mark.parametrize("data", [MESSAGE_DATA, {"id": "MESSAGE"}], ids=["fits", "misfit"])
async def test_a_signed_body_costs_no_more_than_its_size(data: dict[str, Any]) -> None:
    """Parsing and reporting 300 KB takes 30 times that in memory, also if no value in it fits."""
    body = body_of({**data, "files": [1] * 100_000})
    receiver = Receiver(SECRET)

    @receiver.on("messages")
    async def handle(_: Notification[MessageData]) -> None: ...

    tracemalloc.start()
    try:
        status = await receiver.handle(*signed(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert status == (204 if data is MESSAGE_DATA else 500)
    assert peak < 30 * len(body)
