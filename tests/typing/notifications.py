"""What type checkers know about notifications. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Literal, assert_type

import redis.asyncio

from webex_webhooks_async import (
    AttachmentActionData,
    CallNext,
    Claim,
    Deduplicator,
    Event,
    Handler,
    MeetingData,
    MeetingParticipantData,
    MeetingTranscriptData,
    MembershipData,
    MemoryDeduplicator,
    MessageData,
    Notification,
    NotificationData,
    Receiver,
    RecordingData,
    RedisDeduplicator,
    RemoteParty,
    Resource,
    RoomData,
    Router,
    ServiceAppData,
    SignatureAlgorithm,
    SignatureError,
    TelephonyCallData,
    from_json,
    parse_notification,
    parse_unverified_notification,
    sign,
    to_json,
    verify,
)
from webex_webhooks_async.testing import check_deduplicator

receiver = Receiver(["secret", "old secret"], on_error=lambda error, notification: None)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> str:
    """The resource decides the class of the data."""
    return assert_type(notification.data.room_id, str)


@receiver.on(Resource.ATTACHMENT_ACTIONS)
async def on_attachment_action(notification: Notification[AttachmentActionData]) -> None:
    """Someone submitted a card."""
    assert_type(notification.data.message_id, str)


@receiver.on(Resource.MEMBERSHIPS)
async def on_membership(notification: Notification[MembershipData]) -> None:
    """Someone came or went."""
    assert_type(notification.data.is_moderator, bool | None)


@receiver.on(Resource.ROOMS)
async def on_room(notification: Notification[RoomData]) -> None:
    """A room was created or renamed."""
    assert_type(notification.data.title, str | None)


@receiver.on(Resource.TELEPHONY_CALLS)
async def on_call(notification: Notification[TelephonyCallData]) -> None:
    """A telephone rang."""
    assert_type(notification.data.remote_party, RemoteParty | None)


@receiver.on(Resource.SERVICE_APP)
async def on_service_app(notification: Notification[ServiceAppData]) -> None:
    """An organization authorized the app."""
    assert_type(notification.data.authorizer_org_id, str)


@receiver.on(Resource.MEETINGS)
async def on_meeting(notification: Notification[MeetingData]) -> None:
    """A meeting was planned, began or ended."""
    assert_type(notification.data.start, datetime | None)


@receiver.on(Resource.MEETING_PARTICIPANTS)
async def on_participant(notification: Notification[MeetingParticipantData]) -> None:
    """Someone joined or left."""
    assert_type(notification.data.email, str | None)


@receiver.on(Resource.RECORDINGS)
async def on_recording(notification: Notification[RecordingData]) -> None:
    """A recording is available."""
    assert_type(notification.data.download_url, str | None)


@receiver.on(Resource.MEETING_TRANSCRIPTS)
async def on_transcript(notification: Notification[MeetingTranscriptData]) -> None:
    """A transcript is available."""
    assert_type(notification.data.vtt_download_link, str | None)


@receiver.on("messages")
async def on_message_by_text(notification: Notification[MessageData]) -> None:
    """A resource can be given by its name."""


@receiver.on(Resource.MEMBERSHIPS, Event.CREATED)
@receiver.on(Resource.ROOMS)
async def on_several(notification: Notification[MembershipData | RoomData]) -> None:
    """A handler of several resources takes the data of each."""
    assert_type(notification.data.id, str)


@receiver.on(Resource.MEMBERSHIPS)
@receiver.on(Resource.ROOMS)
@receiver.on()
async def on_anything(notification: Notification[NotificationData]) -> None:
    """A handler of everything takes any data, and can match on its class."""
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
    """A handler of an unknown resource declares what it expects."""


@receiver.on(Resource.TELEPHONY_MWI)
@receiver.on(event=Event.DELETED)
async def on_whatever(notification: Notification[Any]) -> None:
    """A handler of `Notification[Any]` fits everywhere."""


@receiver.on(Resource.ROOMS)  # type: ignore[type-var] # the mistake
async def on_wrong(notification: Notification[MessageData]) -> None:
    """The data of another resource is an error."""


@receiver.on()  # type: ignore[type-var] # the mistake
async def on_too_little(notification: Notification[MessageData]) -> None:
    """A handler of everything can't take the data of one resource only."""


@receiver.on(Resource.MESSAGES)  # type: ignore[type-var] # the mistake
def on_sync(notification: Notification[MessageData]) -> None:
    """A function that isn't async is an error."""


router = Router()


@router.on(Resource.MESSAGES, Event.CREATED)
async def on_routed_message(notification: Notification[MessageData]) -> int:
    """A router knows the class of the data as a receiver does."""
    assert_type(notification.data, MessageData)
    return 1


@receiver.middleware
@router.middleware
async def around(notification: Notification[Any], call_next: CallNext) -> str:
    """A middleware knows the notification, and what it calls."""
    assert_type(notification.resource, str)
    assert_type(call_next, Callable[[], Awaitable[None]])
    assert_type(await call_next(), None)
    return "done"


@router.middleware  # type: ignore[type-var] # the mistake
async def around_nothing(notification: Notification[Any]) -> None:
    """A middleware takes two arguments."""


@router.middleware  # type: ignore[type-var] # the mistake
def not_async(notification: Notification[Any], call_next: CallNext) -> None:
    """A middleware is async."""


async def a_middleware_stays_a_function(notification: Notification[MessageData]) -> None:
    """It keeps its type; and a notification of any data can be dispatched."""

    async def call_next() -> None: ...

    assert_type(await around(notification, call_next), str)
    assert_type(await receiver.dispatch(notification), None)
    await router.dispatch(notification)
    await router.dispatch(b"{}")  # type: ignore[arg-type] # a notification


def a_handler_has_a_type(handler: Handler[MessageData]) -> Handler[MessageData]:
    """The type of a handler can be written."""
    assert_type(handler, Callable[[Notification[MessageData]], Coroutine[Any, Any, object]])
    receiver.on(Resource.ROOMS)(handler)  # type: ignore[type-var] # of another resource
    return receiver.on(Resource.MESSAGES)(handler)


async def registration_changes_no_function(notification: Notification[MessageData]) -> None:
    """A registered handler keeps its type, so that it can be called."""
    assert_type(await on_message(notification), str)


def parsing_returns_the_union(body: bytes, headers: dict[str, str]) -> None:
    """A parsed notification has data of any class."""
    notification = parse_notification(body, headers, secrets="secret")
    assert_type(notification, Notification[NotificationData])
    assert_type(parse_unverified_notification(body), Notification[NotificationData])
    assert_type(parse_unverified_notification("{}"), Notification[NotificationData])
    assert_type(to_json(notification), bytes)
    assert_type(from_json(body, Notification[MessageData]), Notification[MessageData])


def headers_come_in_any_form(body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """As a mapping, or as pairs of bytes; secrets are one or several."""
    verify(body, sign(body, "secret"), ["secret", "old secret"], minimum=SignatureAlgorithm.SHA512)
    verify(body, headers, "secret")
    verify(body, {}, b"secret")  # type: ignore[arg-type] # text
    verify(body, {}, "secret", minimum="sha256")  # type: ignore[arg-type] # of the enum


def reasons_can_be_distinguished(error: SignatureError) -> str:
    """A type checker knows all reasons."""
    match error.reason:
        case "missing" | "malformed":
            return "not from Webex"
        case "mismatch":
            return "another secret"
        case "too_weak":
            return "an old signature"


async def report(error: Exception, notification: Notification[NotificationData]) -> None:
    """Report what a handler raised; it may be async."""


async def a_receiver_is_a_context_manager() -> None:
    """Entered, it is of its own type."""
    async with Receiver(("secret",), background=True, on_error=report) as entered:
        assert_type(entered, Receiver)
    Receiver("secret", on_error=lambda error, notification: None)


class OwnDeduplicator:
    """A deduplicator of a user's own."""

    async def claim(self, key: str) -> Claim:
        """Grant every claim."""
        return Claim.GRANTED

    async def confirm(self, key: str) -> None:
        """Do nothing."""

    async def release(self, key: str) -> None:
        """Do nothing."""


async def a_deduplicator_is_of_any_kind(client: redis.asyncio.Redis) -> None:
    """A deduplicator is one of the package's, any class with the three methods, or `None`."""
    redis_deduplicator = RedisDeduplicator(client, ttl=60, prefix="bot:")
    several: list[Deduplicator] = [MemoryDeduplicator(60, max_entries=10), redis_deduplicator]
    for deduplicator in (*several, OwnDeduplicator(), None):
        Receiver("secret", deduplicator=deduplicator)
    match await several[0].claim("key"):
        case Claim.GRANTED:
            pass
        case Claim.IN_PROGRESS | Claim.DONE as other:
            assert_type(other, Literal[Claim.DONE, Claim.IN_PROGRESS])
    await check_deduplicator(MemoryDeduplicator)
    await check_deduplicator(MemoryDeduplicator())  # type: ignore[arg-type] # no factory


def data_is_covariant(notification: Notification[MessageData]) -> Notification[NotificationData]:
    """A notification of messages is also a notification of any data."""
    return notification


def what_cannot_be_is_an_error() -> None:
    """Type checkers find what would be refused at run time, or never match."""
    Receiver("secret", deduplicator=set())  # type: ignore[arg-type] # no deduplicator
    receiver.on(5)  # type: ignore[call-overload] # no resource
