"""What type checkers know of notifications. They check this file; nothing runs it.

An ignored error here is an error that has to be: both checkers complain about one that isn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping
from typing import Any, assert_type

from webex_webhooks_async.models import Event, Resource
from webex_webhooks_async.notifications.models import (
    MembershipData,
    MessageData,
    Notification,
    NotificationData,
    RoomData,
)
from webex_webhooks_async.notifications.parsing import parse_notification
from webex_webhooks_async.notifications.receiver import Receiver
from webex_webhooks_async.serialization import from_json

receiver = Receiver(["secret", "old secret"], on_error=lambda error, notification: None)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> str:
    """The resource decides on the class of the data."""
    return assert_type(notification.data.room_id, str)


@receiver.on("messages")
async def on_message_by_text(notification: Notification[MessageData]) -> None:
    """A resource's name will do as well."""


@receiver.on(Resource.MEMBERSHIPS, Event.CREATED)
@receiver.on(Resource.ROOMS)
async def on_several(notification: Notification[MembershipData | RoomData]) -> None:
    """A handler of several resources takes the data of each."""
    assert_type(notification.data.id, str)


@receiver.on(Resource.MEMBERSHIPS)
@receiver.on(Resource.ROOMS)
@receiver.on()
async def on_anything(notification: Notification[NotificationData]) -> None:
    """A handler of everything takes whatever data may be, and can tell it apart."""
    match notification.data:
        case MessageData(room_id=room, room_type=room_type):
            assert_type(room, str)
            assert_type(room_type, str | None)
        case RoomData() as room_data:
            assert_type(room_data, RoomData)
        case Mapping() as mapping:
            assert_type(mapping["id"], Any)
        case _:
            pass


@receiver.on("telepathy")
async def on_unknown(notification: Notification[Mapping[str, Any]]) -> None:
    """Of a resource that isn't known, the handler says what it expects."""


@receiver.on(Resource.TELEPHONY_MWI)
@receiver.on(event=Event.DELETED)
async def on_whatever(notification: Notification[Any]) -> None:
    """A handler that wants to know nothing of the data fits everywhere."""


@receiver.on(Resource.ROOMS)  # type: ignore[type-var] # the mistake
async def on_wrong(notification: Notification[MessageData]) -> None:
    """The data of another resource is an error."""


@receiver.on()  # type: ignore[type-var] # the mistake
async def on_too_little(notification: Notification[MessageData]) -> None:
    """So is the data of one resource where any may come."""


@receiver.on(Resource.MESSAGES)  # type: ignore[type-var] # the mistake
def on_sync(notification: Notification[MessageData]) -> None:
    """And so is a function that isn't async."""


async def registration_changes_no_function(notification: Notification[MessageData]) -> None:
    """A registered handler keeps its type, so that it can be called."""
    assert_type(await on_message(notification), str)


def parsing_tells_the_union(body: bytes) -> None:
    """What is parsed has whatever data may be."""
    notification = parse_notification(body, {}, secrets="secret")
    assert_type(notification, Notification[NotificationData])
    assert_type(from_json(body, Notification[MessageData]), Notification[MessageData])


def data_is_covariant(notification: Notification[MessageData]) -> Notification[NotificationData]:
    """A notification of messages is one of whatever data may be."""
    return notification
