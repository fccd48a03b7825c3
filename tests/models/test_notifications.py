from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from tests.notifications.doubles import MESSAGE_DATA
from webex_webhooks_async.models.notification_data import (
    DATA_CLASSES,
    MessageData,
    RemoteParty,
    TelephonyCallData,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Resource

MESSAGE = MessageData(
    id="MESSAGE",
    room_id="ROOM",
    person_id="PERSON",
    person_email="matt@example.com",
    created=datetime(2015, 10, 18, 14, 26, 16, tzinfo=UTC),
    files=("https://example.com/1",),
    extra={"hasSecrets": [{"secret": "s3cret"}]},
)


def notification(**changes: Any) -> Notification[Any]:  # noqa: ANN401 - any field
    """A notification of a message."""
    fields: dict[str, Any] = {"id": "WEBHOOK", "name": "n", "data": MESSAGE, **changes}
    return Notification(resource="messages", event="created", **fields)


@pytest.mark.parametrize(
    ("actors", "expected"),
    [
        ({"actor_id": "BOT", "created_by": "BOT"}, True),
        ({"actor_id": "PERSON", "created_by": "BOT"}, False),
        ({"actor_id": "BOT"}, False),
        ({"created_by": "BOT"}, False),
        ({}, False),
    ],
)
def test_own_actions(actors: Mapping[str, str], expected: bool) -> None:  # noqa: FBT001 - it is what is expected
    """An action is the bot's own if actor and creator are known and equal."""
    assert notification(**actors).is_own_action is expected


def test_a_notification_with_known_data_is_hashable() -> None:
    """Equal notifications count as one in a set, whatever mappings they hold."""
    call = TelephonyCallData(
        call_id="CALL", remote_party=RemoteParty(name="n"), redirections=({},), recall={"a": 1}
    )

    assert len({notification(), notification(), notification(data=call)}) == 2


@pytest.mark.parametrize(
    "resource",
    [
        Resource.MEETINGS,
        Resource.MEETING_PARTICIPANTS,
        Resource.RECORDINGS,
        Resource.MEETING_TRANSCRIPTS,
    ],
)
def test_nothing_is_promised_of_data_that_nobody_has_seen(resource: Resource) -> None:
    """Every field of the data of meetings, participants, recordings and transcripts is optional."""
    fields = attrs.asdict(DATA_CLASSES[resource](), filter=lambda field, _: field.name != "extra")

    assert set(fields.values()) == {None}


def test_a_message_has_the_fields_of_the_wire() -> None:
    """The ids and the address in Cisco's sample are required fields."""
    required = {each.name for each in attrs.fields(MessageData) if each.default is attrs.NOTHING}

    assert required == {"id", "room_id", "person_id", "person_email"}
    assert {"id", "roomId", "personId", "personEmail"} <= MESSAGE_DATA.keys()
