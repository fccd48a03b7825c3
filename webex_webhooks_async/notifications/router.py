"""Registers handlers of notifications, so that they can live in several modules."""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar, overload

from attrs import frozen

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.notifications import (
    AttachmentActionData,
    MeetingData,
    MeetingParticipantData,
    MeetingTranscriptData,
    MembershipData,
    MessageData,
    Notification,
    NotificationData,
    RecordingData,
    RoomData,
    ServiceAppData,
    TelephonyCallData,
)
from webex_webhooks_async.models.spelling import warn_if_misspelled, warn_user
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.validation import check_type

T = TypeVar("T")

Handler = Callable[[Notification[T]], Coroutine[Any, Any, object]]
"""An async function that takes a notification."""

# One type variable per resource: a decorated handler keeps its own type.
H = TypeVar("H", bound=Handler[Any])
OnMessage = TypeVar("OnMessage", bound=Handler[MessageData])
OnAttachmentAction = TypeVar("OnAttachmentAction", bound=Handler[AttachmentActionData])
OnMembership = TypeVar("OnMembership", bound=Handler[MembershipData])
OnRoom = TypeVar("OnRoom", bound=Handler[RoomData])
OnTelephonyCall = TypeVar("OnTelephonyCall", bound=Handler[TelephonyCallData])
OnServiceApp = TypeVar("OnServiceApp", bound=Handler[ServiceAppData])
OnMeeting = TypeVar("OnMeeting", bound=Handler[MeetingData])
OnMeetingParticipant = TypeVar("OnMeetingParticipant", bound=Handler[MeetingParticipantData])
OnRecording = TypeVar("OnRecording", bound=Handler[RecordingData])
OnMeetingTranscript = TypeVar("OnMeetingTranscript", bound=Handler[MeetingTranscriptData])
OnAnything = TypeVar("OnAnything", bound=Handler[NotificationData])


class Router:
    """Handlers of notifications, which a `Receiver` includes.

    A module can register its handlers without a receiver, and so without a secret at import time::

        # cards.py
        router = Router()

        @router.on(Resource.ATTACHMENT_ACTIONS)
        async def submitted(notification: Notification[AttachmentActionData]) -> None: ...

        # bot.py
        receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"])
        receiver.include(cards.router)

    A router can be included into several receivers, and into other routers. Within one receiver its
    handlers count once, however often it is included.
    """

    def __init__(self) -> None:
        self._entries: list[Registration | Router] = []
        self._is_frozen = False

    @overload
    def on(
        self, resource: Literal[Resource.MESSAGES, "messages"], event: str | None = None
    ) -> Callable[[OnMessage], OnMessage]: ...
    @overload
    def on(
        self,
        resource: Literal[Resource.ATTACHMENT_ACTIONS, "attachmentActions"],
        event: str | None = None,
    ) -> Callable[[OnAttachmentAction], OnAttachmentAction]: ...
    @overload
    def on(
        self, resource: Literal[Resource.MEMBERSHIPS, "memberships"], event: str | None = None
    ) -> Callable[[OnMembership], OnMembership]: ...
    @overload
    def on(
        self, resource: Literal[Resource.ROOMS, "rooms"], event: str | None = None
    ) -> Callable[[OnRoom], OnRoom]: ...
    @overload
    def on(
        self,
        resource: Literal[Resource.TELEPHONY_CALLS, "telephony_calls"],
        event: str | None = None,
    ) -> Callable[[OnTelephonyCall], OnTelephonyCall]: ...
    @overload
    def on(
        self, resource: Literal[Resource.SERVICE_APP, "serviceApp"], event: str | None = None
    ) -> Callable[[OnServiceApp], OnServiceApp]: ...
    @overload
    def on(
        self, resource: Literal[Resource.MEETINGS, "meetings"], event: str | None = None
    ) -> Callable[[OnMeeting], OnMeeting]: ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_PARTICIPANTS, "meetingParticipants"],
        event: str | None = None,
    ) -> Callable[[OnMeetingParticipant], OnMeetingParticipant]: ...
    @overload
    def on(
        self, resource: Literal[Resource.RECORDINGS, "recordings"], event: str | None = None
    ) -> Callable[[OnRecording], OnRecording]: ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_TRANSCRIPTS, "meetingTranscripts"],
        event: str | None = None,
    ) -> Callable[[OnMeetingTranscript], OnMeetingTranscript]: ...
    @overload
    def on(
        self, resource: None = None, event: str | None = None
    ) -> Callable[[OnAnything], OnAnything]: ...
    @overload
    def on(self, resource: str, event: str | None = None) -> Callable[[H], H]: ...
    def on(self, resource: str | None = None, event: str | None = None) -> Callable[[Any], Any]:
        """Register a handler: ``@router.on(Resource.MESSAGES, Event.CREATED)``.

        Type checkers know the class of the data from the resource, and a handler of a resource
        never gets anything else. A handler without a resource gets data that doesn't fit the class
        as the mapping that was sent.

        A resource or an event that is one typo away from a known one, such as ``mesages`` or
        ``attachment_actions``, is a `UserWarning`, and so is a known event that a known resource
        doesn't have. Other new words are allowed.

        Args:
            resource: The resource whose notifications to handle; all resources by default.
            event: The event to handle; all events by default.

        Raises:
            ValueError: `resource` or `event` is ``all`` or empty, which no notification has.
            TypeError: `resource` or `event` isn't a string, or the handler isn't an async function
                that can be called with one argument.
            RuntimeError: A receiver of this handler has already received a notification.
        """
        _check_word("resource", resource)
        _check_word("event", event)
        warn_if_misspelled(resource, event)
        _warn_if_undocumented(resource, event)

        def register(handler: Handler[Any]) -> Handler[Any]:
            _check_handler(handler)
            self._add(Registration(resource, event, handler))
            return handler

        return register

    def include(self, router: "Router") -> None:
        """Include the handlers of a router, also those that are added to it later.

        They run in the place of this call among the handlers that are registered here.

        Raises:
            TypeError: `router` isn't a `Router`.
            RuntimeError: A notification has already been received.
        """
        check_type("router", router, Router)
        self._add(router)

    def _add(self, entry: "Registration | Router") -> None:
        if self._is_frozen:
            raise RuntimeError(
                "a notification has already been received: register and include all handlers "
                "before the first one"
            )
        self._entries.append(entry)

    def _registrations(self, routers: "set[Router]") -> "Iterator[Registration]":
        """Yield the registrations here and in all included routers; add these to `routers`."""
        if self not in routers:
            routers.add(self)
            for entry in self._entries:
                if isinstance(entry, Router):
                    yield from entry._registrations(routers)  # noqa: SLF001 - a router's own
                else:
                    yield entry

    def _freeze(self) -> "tuple[Registration, ...]":
        """Return all registrations, and refuse further ones here and in all included routers."""
        routers = set[Router]()
        registrations = tuple(self._registrations(routers))
        for router in routers:
            router._is_frozen = True  # noqa: SLF001 - a router's own
        return registrations


@frozen
class Registration:
    """A handler, and what it handles.

    Attributes:
        resource: The resource; `None` for all.
        event: The event; `None` for all.
        handler: The handler.
    """

    resource: str | None
    event: str | None
    handler: Handler[Any]


def _check_word(name: str, word: object) -> None:
    if word is None:
        return
    if not isinstance(word, str):
        raise TypeError(f"{name} must be a str, got {word!r}; write on() to handle everything")
    if word in {"", Event.ALL}:
        raise ValueError(f"a notification's {name} is never {word!r}; leave it out to handle all")


def _warn_if_undocumented(resource: str | None, event: str | None) -> None:
    """Warn of a known event that a known resource doesn't have."""
    watchable = CATALOG.get(resource or "")
    documented = watchable.events if watchable else frozenset[str]()
    if documented and event in Event.__members__.values() and event not in documented:
        warn_user(
            f"the resource {str(resource)!r} has no event {str(event)!r}, only "
            f"{', '.join(sorted(documented))}"
        )


def _check_handler(handler: object) -> None:
    # An object with an async __call__ is a handler, too.
    if not any(map(inspect.iscoroutinefunction, (handler, type(handler).__call__))):
        raise TypeError(f"a handler must be an async function, got {handler!r}")
    if not _takes_one_argument(handler):
        raise TypeError(f"a handler must take one argument, the notification; got {handler!r}")


def _takes_one_argument(handler: Any) -> bool:  # noqa: ANN401 - whatever the user registers
    try:
        # A decorator may pass arguments of its own to the function that it wraps.
        signature = inspect.signature(handler, follow_wrapped=False)
    except Exception:  # noqa: BLE001 - annotations are evaluated, and may raise anything
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True
