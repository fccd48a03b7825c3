from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from webex_webhooks_async.models.messages import AttachmentAction, Message
from webex_webhooks_async.models.notification_data import (
    MessageData,
    RemoteParty,
    TelephonyCallData,
)
from webex_webhooks_async.models.notifications import Notification

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
        ({"actor_id": "", "created_by": ""}, False),
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


def test_what_is_fetched_is_hashable() -> None:
    """Equal messages count as one in a set, with their cards, and so do submissions."""
    messages = (Message(id="M", room_id="R", attachments=({"a": []},)) for _ in range(2))
    submissions = (AttachmentAction(id="A", inputs={"a": []}) for _ in range(2))

    assert len({*messages, *submissions}) == 2
