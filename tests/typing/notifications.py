"""What type checkers know about notifications and inboxes. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from webex_webhooks_async import (
    AttachmentActionData,
    Event,
    Inbox,
    MeetingData,
    MeetingParticipantData,
    MeetingTranscriptData,
    MembershipData,
    MessageData,
    Notification,
    Receiver,
    RecordingData,
    Resource,
    RoomData,
    Router,
    ServiceAppData,
    SignatureAlgorithm,
    SQLiteInbox,
    TelephonyCallData,
    from_json,
    parse_notification,
    parse_unverified_notification,
    sign,
    to_json,
    verify,
)
from webex_webhooks_async.types import (
    CallNext,
    Handler,
    InboxCounts,
    InboxEntry,
    NotificationData,
    Question,
    StoredNotification,
)

receiver = Receiver(["secret", "old secret"], on_error=lambda error, notification: None)


router = Router()


async def ask_a_vault() -> list[str]:
    """Return the secrets of the moment."""
    return ["secret"]


def the_resource_decides_the_class_of_the_data(  # noqa: PLR0913, PLR0917 - one of each
    message: Handler[MessageData],
    card: Handler[AttachmentActionData],
    membership: Handler[MembershipData],
    room: Handler[RoomData],
    call: Handler[TelephonyCallData],
    service_app: Handler[ServiceAppData],
    meeting: Handler[MeetingData],
    participant: Handler[MeetingParticipantData],
    recording: Handler[RecordingData],
    transcript: Handler[MeetingTranscriptData],
    mapping: Handler[Mapping[str, Any]],
    anything: Handler[Any],
) -> None:
    """Given as text, too; a handler of an unknown resource declares what it expects."""
    receiver.on(Resource.MESSAGES, Event.CREATED)(message)
    receiver.on("messages")(message)
    receiver.on(Resource.ATTACHMENT_ACTIONS)(card)
    receiver.on(Resource.MEMBERSHIPS)(membership)
    receiver.on(Resource.ROOMS)(room)
    receiver.on(Resource.TELEPHONY_CALLS)(call)
    receiver.on(Resource.SERVICE_APP)(service_app)
    receiver.on(Resource.MEETINGS)(meeting)
    receiver.on(Resource.MEETING_PARTICIPANTS)(participant)
    receiver.on(Resource.RECORDINGS)(recording)
    receiver.on(Resource.MEETING_TRANSCRIPTS)(transcript)
    receiver.on("telepathy")(mapping)
    receiver.on(Resource.TELEPHONY_MWI)(receiver.on(event=Event.DELETED)(anything))
    receiver.on(Resource.ROOMS)(message)  # type: ignore[type-var] # of another resource
    receiver.on()(message)  # type: ignore[type-var] # everything isn't a message


@receiver.on(Resource.MEMBERSHIPS, Event.CREATED)
@receiver.on(Resource.ROOMS)
async def on_several(notification: Notification[MembershipData | RoomData]) -> str:
    """A handler of several resources takes the data of each."""
    return assert_type(notification.data.id, str)


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


@receiver.on(Resource.MESSAGES)  # type: ignore[type-var] # the mistake
def on_sync(notification: Notification[MessageData]) -> None:
    """A function that isn't async is an error."""


@router.on(Resource.MESSAGES, Event.CREATED)
async def on_routed_message(notification: Notification[MessageData]) -> int:
    """A router knows the class of the data as a receiver does."""
    return 1


@receiver.middleware
@router.middleware
async def around(notification: Notification[Any], call_next: CallNext) -> str:
    """A middleware knows what it calls."""
    assert_type(call_next, Callable[[], Awaitable[None]])
    return "done"


@router.middleware  # type: ignore[type-var] # the mistake
async def around_nothing(notification: Notification[Any]) -> None:
    """A middleware takes two arguments."""


@router.middleware  # type: ignore[type-var] # the mistake
def not_async(notification: Notification[Any], call_next: CallNext) -> None:
    """A middleware is async."""


async def registration_changes_no_function(
    notification: Notification[MessageData], call_next: CallNext
) -> None:
    """A handler and a middleware keep their types; a notification of any data is dispatched."""
    assert_type(await on_routed_message(notification), int)
    assert_type(await around(notification, call_next), str)
    assert_type(await receiver.dispatch(notification), None)
    await router.dispatch(notification)
    await router.dispatch(b"{}")  # type: ignore[arg-type] # a notification


def a_handler_has_a_type(handler: Handler[MessageData]) -> Handler[MessageData]:
    """The type of a handler can be written."""
    assert_type(handler, Callable[[Notification[MessageData]], Coroutine[Any, Any, object]])
    return receiver.on(Resource.MESSAGES)(handler)


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
    strong = SignatureAlgorithm.SHA512
    secrets = ["secret", "old secret"]
    verify(body, sign(body, "secret"), secrets=secrets, minimum_algorithm=strong)
    verify(body, headers, secrets="secret")
    verify(body, {}, secrets=b"secret")  # type: ignore[arg-type] # text
    verify(body, {}, secrets="secret", minimum_algorithm="sha256")  # type: ignore[arg-type] # enum


async def report(error: Exception, notification: Notification[NotificationData]) -> None:
    """Report what a handler raised; it may be async."""


async def a_receiver_is_a_context_manager() -> None:
    """Entered, it is of its own type."""
    async with Receiver(("secret",), respond_within=0, on_error=report) as entered:
        assert_type(entered, Receiver)
    Receiver("secret", on_error=lambda error, notification: None)
    Receiver(ask_a_vault)
    Receiver(lambda: ("new secret", "old secret"))


class OwnInbox(Inbox):
    keep = 60.0

    async def put(  # noqa: PLR0913 - as in the class
        self,
        key: str,
        body: bytes,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
        owner: str | None = None,
    ) -> bool:
        return bool(key and body and line and after and at and replace and owner)

    async def cancel(self, key: str) -> bool:
        return bool(key)

    async def take(self) -> InboxEntry | None:
        return InboxEntry(key="key", body=b"{}", token="1")

    async def renew(self, entry: InboxEntry, *, in_line: bool = True) -> bool:
        return entry.token == "1" and in_line

    async def complete(self, entry: InboxEntry) -> bool:
        return entry.expiries == 0

    async def fail(
        self,
        entry: InboxEntry,
        *,
        error: str,
        retry_in: float | None,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        return entry.failures == 0 and bool(error) and retry_in is None and holds and counts

    async def release(
        self, entry: InboxEntry, *, retry_in: float = 0.0, outage: bool = False, holds: bool = False
    ) -> bool:
        return entry.releases == 0 and retry_in > 0 and outage and holds

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        return entry.body if name else None

    async def remember(
        self, entry: InboxEntry, name: str, value: bytes, *, leased: bool = False
    ) -> None: ...

    async def records(self, entry: InboxEntry) -> Mapping[str, bytes]:
        return {} if entry.waits else {"name": entry.body}

    async def ask(  # noqa: PLR0913 - as `Inbox.ask`
        self,
        entry: InboxEntry,
        record: str,
        *,
        place: str,
        data: bytes,
        seconds: float | None = None,
        line: str | None = None,
        owner: str | None = None,
        queues: bool = False,
        beside: bool = False,
    ) -> Question | bytes | None:
        if seconds is None and queues and line and not beside:
            return record.encode()
        number = entry.number
        return Question(
            id=1, number=number, record=record, place=place, owner=owner, opened=None, data=data
        )

    async def unask(self, entry: InboxEntry, record: str) -> None: ...

    async def questions(
        self, *places: str, entry: InboxEntry | None = None
    ) -> Sequence[Question] | None:
        return None if entry else [] if places else ()

    async def wait(self, entry: InboxEntry, *records: str) -> bool:
        return entry.key in records

    async def answer(self, entry: InboxEntry, question_id: int, value: bytes) -> bool:
        return entry.number == question_id and bool(value)

    async def end(self, question_ids: Iterable[int], data: bytes = b"") -> int:
        return sum(question_ids, len(data))

    async def stop(
        self, owner: str, *, before: int | None = None, data: bytes = b""
    ) -> Mapping[int, bytes]:
        return {} if before is None else {before: owner.encode() + data}

    async def stopping(self) -> Collection[int]:
        return ()

    async def postpone(self, seconds: float) -> None: ...

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        return bool(name) and seconds > 0 and not renew

    async def unclaim(self, name: str) -> None: ...

    async def counts(self) -> InboxCounts:
        return InboxCounts(waiting=0, running=0, failed=0, oldest=None)

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        return
        yield

    async def retry(self, keys: Iterable[str]) -> int:
        return len([*keys])

    async def drop(self, keys: Iterable[str]) -> int:
        return len([*keys])


def made(*, lease: float, keep: float) -> Inbox:
    """A factory, as the check calls it."""
    SQLiteInbox("inbox.db", lease=timedelta(seconds=10), keep=timedelta(days=2))
    return SQLiteInbox("inbox.db", lease=lease, keep=keep)


async def inboxes_of_several_kinds() -> None:
    """The package's, and what inherits from `Inbox`."""
    for inbox in (SQLiteInbox(Path("inbox.db"), clock=lambda: 0.0), OwnInbox(), None):
        Receiver("secret", inbox=inbox, attempts=3)


def data_is_covariant(notification: Notification[MessageData]) -> Notification[NotificationData]:
    """A notification of messages is also a notification of any data."""
    return notification


async def what_cannot_be_is_an_error() -> None:
    """Type checkers find what would be refused at run time, or never match."""
    receiver.on(5)  # type: ignore[call-overload] # no resource
    Receiver("secret", inbox="inbox.db")  # type: ignore[arg-type] # the inbox itself
    Receiver("secret", inbox=object())  # type: ignore[arg-type] # no inbox
