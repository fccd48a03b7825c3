import hashlib
from typing import Any

import pytest

from tests.notifications.doubles import MESSAGE_DATA, body_of
from webex_webhooks_async import from_json, notification_key, parse_unverified_notification, to_json
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.identity import key_of

UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SUBMISSION = {
    "id": "ACTION",
    "type": "submit",
    "messageId": "MESSAGE",
    "personId": "PERSON",
    "roomId": "ROOM",
    "created": "2015-10-18T14:26:16.000Z",
}


def key(data: object = MESSAGE_DATA, **envelope: object) -> str:
    """The key of a notification, which is the same for a receiver and for a worker."""
    body = body_of(data, **envelope)
    notification = parse_unverified_notification(body)
    received = key_of(notification, body)
    assert received == notification_key(notification)
    return received


@pytest.mark.parametrize(
    ("data", "envelope"),
    [
        (MESSAGE_DATA, {"id": "ANOTHER", "name": "another", "actorId": "ANN"}),
        ({**MESSAGE_DATA, "roomType": "direct", "more": 1}, {}),
        ({"id": "MESSAGE"}, {}),
    ],
    ids=["another webhook", "other data", "data that doesn't fit"],
)
def test_a_message_is_known_by_its_id(data: object, envelope: dict[str, Any]) -> None:
    """What else a notification of a new message says makes no difference."""
    assert key(data, **envelope) == key()


def test_a_submission_is_known_by_its_id() -> None:
    """So does what a notification of a submitted card says."""
    one = key(SUBMISSION, resource="attachmentActions")

    assert key({**SUBMISSION, "more": 1}, resource="attachmentActions", id="ANOTHER") == one


@pytest.mark.parametrize(
    "change", [{"resource": "attachmentActions"}, {"createdBy": "ANN"}, {"data": {"id": "ANOTHER"}}]
)
def test_something_else_is_told_apart(change: dict[str, Any]) -> None:
    """Another id, another resource, and the webhook of another person make another key."""
    data = change.pop("data", {"id": "MESSAGE"})

    assert key(data, **change) != key()


def test_ids_count_by_their_uuid() -> None:
    """An id is the same bare and in upper case, of the message as of the webhook's creator."""
    one, other = (
        key({**MESSAGE_DATA, "id": each}, createdBy=each) for each in (UUID, UUID.upper())
    )

    assert one == other


@pytest.mark.parametrize(
    ("data", "envelope"),
    [
        (MESSAGE_DATA, {"event": "deleted"}),
        ({"id": "ROOM", "title": "Lunch"}, {"resource": "rooms", "event": "updated"}),
        (MESSAGE_DATA, {"createdBy": None}),
        (MESSAGE_DATA, {"createdBy": ""}),
        ({"text": "no id"}, {}),
    ],
    ids=["deleted", "a room", "without a creator", "an empty creator", "without an id"],
)
def test_everything_else_is_known_by_all_that_it_says(
    data: object, envelope: dict[str, Any]
) -> None:
    """Its key is the SHA-256 of the body as it came and, for a worker, of the notification."""
    body = body_of(data, **envelope)
    notification = parse_unverified_notification(body)

    assert key_of(notification, body) == hashlib.sha256(body).hexdigest()
    assert notification_key(notification) == hashlib.sha256(to_json(notification)).hexdigest()
    again = from_json(to_json(notification), Notification[Any])
    assert notification_key(again) == notification_key(notification)


def test_a_key_is_of_a_notification() -> None:
    """Something else is an error that names the argument."""
    wrong: Any = body_of()
    with pytest.raises(TypeError, match="notification must be Notification, got bytes"):
        notification_key(wrong)
