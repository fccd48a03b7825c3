"""Registers handlers of notifications, so that they can live in several modules."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.errors import WebexWarning
from webex_webhooks_async.handling.dispatch import (
    Handler,
    Handling,
    Middleware,
    Registration,
    in_middleware,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource, warn_if_misspelled
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, log_debug
from webex_webhooks_async.validation import check_type, is_async_function

if TYPE_CHECKING:
    from webex_webhooks_async.handling.records import Records
    from webex_webhooks_async.models.notification_data import (
        AttachmentActionData,
        MeetingData,
        MeetingParticipantData,
        MeetingTranscriptData,
        MembershipData,
        MessageData,
        NotificationData,
        RecordingData,
        RoomData,
        ServiceAppData,
        TelephonyCallData,
    )

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

M = TypeVar("M", bound=Middleware)

Select = Callable[[Registration], Handler[Any] | None]


class Registry:
    """What handlers, middleware and routers are registered on: a tree, in one order.

    There are two kinds. The handlers of a `Router` need a notification alone, so that it runs them
    itself, by `Router.dispatch`. Those of a `BotRouter` also need what a `Bot` fetches, so that
    only a bot includes it. What both do is here.
    """

    _instead = ""  # what to do instead of including one of this class

    def __init__(self) -> None:
        self._entries: list[Registration | Registry] = []
        self._middlewares: list[Middleware] = []
        self._frozen_by = ""

    @overload
    def on(
        self, resource: Literal[Resource.MESSAGES, "messages"], event: str | None = None
    ) -> "Callable[[OnMessage], OnMessage]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.ATTACHMENT_ACTIONS, "attachmentActions"],
        event: str | None = None,
    ) -> "Callable[[OnAttachmentAction], OnAttachmentAction]": ...
    @overload
    def on(
        self, resource: Literal[Resource.MEMBERSHIPS, "memberships"], event: str | None = None
    ) -> "Callable[[OnMembership], OnMembership]": ...
    @overload
    def on(
        self, resource: Literal[Resource.ROOMS, "rooms"], event: str | None = None
    ) -> "Callable[[OnRoom], OnRoom]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.TELEPHONY_CALLS, "telephony_calls"],
        event: str | None = None,
    ) -> "Callable[[OnTelephonyCall], OnTelephonyCall]": ...
    @overload
    def on(
        self, resource: Literal[Resource.SERVICE_APP, "serviceApp"], event: str | None = None
    ) -> "Callable[[OnServiceApp], OnServiceApp]": ...
    @overload
    def on(
        self, resource: Literal[Resource.MEETINGS, "meetings"], event: str | None = None
    ) -> "Callable[[OnMeeting], OnMeeting]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_PARTICIPANTS, "meetingParticipants"],
        event: str | None = None,
    ) -> "Callable[[OnMeetingParticipant], OnMeetingParticipant]": ...
    @overload
    def on(
        self, resource: Literal[Resource.RECORDINGS, "recordings"], event: str | None = None
    ) -> "Callable[[OnRecording], OnRecording]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_TRANSCRIPTS, "meetingTranscripts"],
        event: str | None = None,
    ) -> "Callable[[OnMeetingTranscript], OnMeetingTranscript]": ...
    @overload
    def on(
        self, resource: None = None, event: str | None = None
    ) -> "Callable[[OnAnything], OnAnything]": ...
    @overload
    def on(self, resource: str, event: str | None = None) -> "Callable[[H], H]": ...
    def on(self, resource: str | None = None, event: str | None = None) -> Callable[[Any], Any]:
        """Register a handler: ``@router.on(Resource.MESSAGES, Event.CREATED)``.

        Type checkers know the class of the data from the resource. A handler without a resource
        gets data that doesn't fit the class as the mapping that was sent.

        A resource or an event that is one typo away from a known one, such as ``mesages`` or
        ``attachment_actions``, is a `WebexWarning`, and so is a known event that a known resource
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
        warn_if_misspelled(resource, event, stacklevel=2)
        _warn_if_undocumented(resource, event)

        def register(handler: Handler[Any]) -> Handler[Any]:
            check_function("a handler", handler, "one argument, the notification", 1)
            self._add(Registration(resource, event, handler))
            return handler

        return register

    def middleware(self, function: M) -> M:
        """Register a function that runs around the handlers of this router.

        ::

            @router.middleware
            async def timed(notification: Notification[Any], call_next: CallNext) -> None:
                with timer(notification.resource):
                    await call_next()

        ``await call_next()`` runs the next middleware; in the last one, it runs the handlers, those
        of included routers as well. The first one registered is the outermost.

        If it catches a handler's error, the notification counts as handled. If it doesn't call
        ``call_next``, the handlers of this router don't run; those of others still do. Calling it
        twice runs the handlers twice. Without a matching handler, no middleware runs.

        Data that doesn't fit its class is the mapping that was sent.

        Raises:
            TypeError: It isn't an async function that can be called with two arguments.
            RuntimeError: A receiver of these handlers has already received a notification.
        """
        check_function("a middleware", function, "two arguments, the notification and call_next", 2)
        self._check_is_open()
        self._middlewares.append(function)
        return function

    def _include(self, router: "Registry", *kinds: "type[Registry]") -> None:
        check_type("router", router, *kinds)
        if instead := router._instead:  # noqa: SLF001 - a router's own
            kind = type(router).__name__
            raise TypeError(f"a {kind} receives by itself, so it can't be included: {instead}")
        self._add(router)

    def _add(self, entry: "Registration | Registry") -> None:
        self._check_is_open()
        self._entries.append(entry)

    def _freeze(self, event: str) -> None:
        """Refuse to register anything more here and in all included routers."""
        routers = set[Registry]()
        for _ in self._registrations(routers):
            pass
        for router in routers:
            router._frozen_by = event  # noqa: SLF001 - a router's own

    def _registrations(self, routers: "set[Registry]") -> Iterator[Registration]:
        """Yield all handlers, those of included routers in their place; note each router."""
        routers.add(self)
        for entry in self._entries:
            if not isinstance(entry, Registry):
                yield entry
            elif entry not in routers:
                yield from entry._registrations(routers)  # noqa: SLF001 - a router's own

    def _steps(self, select: Select, routers: "set[Registry]") -> list[Handler[Any]]:
        """Return the selected handlers in their order, each router's within its middleware.

        Args:
            select: Returns what runs of a registration, if anything does.
            routers: Those that have had their turn: each counts once.
        """
        return in_middleware(self._middlewares, self._inner_steps(select, routers))

    def _inner_steps(self, select: Select, routers: "set[Registry]") -> list[Handler[Any]]:
        routers.add(self)
        steps: list[Handler[Any]] = []
        for entry in self._entries:
            if not isinstance(entry, Registry):
                if (handler := select(entry)) is not None:
                    steps.append(handler)
            elif entry not in routers:
                steps += entry._steps(select, routers)  # noqa: SLF001 - a router's own
        return steps

    def _check_is_open(self) -> None:
        if self._frozen_by:
            raise RuntimeError(
                f"it is too late: register and include all handlers before {self._frozen_by}"
            )


class Router(Registry):
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

    def include(self, router: "Router") -> None:
        """Include the handlers of a router, also those that are added to it later.

        They run in the place of this call among the handlers that are registered here.

        Raises:
            TypeError: `router` isn't a `Router`, or it is a `Receiver`.
            RuntimeError: A notification has already been received.
        """
        self._include(router, Router)

    async def dispatch(self, notification: Notification[Any]) -> None:
        """Run the matching handlers, and the middleware around them, for a notification.

        Use it for notifications that were verified and deduplicated before, in the worker of a task
        queue say. It ignores a notification that no handler matches.

        Raises:
            PayloadError: The data doesn't fit the class that matching handlers need. The handlers
                without a resource have run.
            TypeError: `notification` isn't a `Notification`.
            Exception: What a handler or a middleware raised. Later handlers haven't run.
        """
        check_type("notification", notification, Notification)
        handling = self._begun(notification)
        if handling is None:
            return
        try:
            with handling:
                await handling()
        finally:
            self._ended(handling)

    def _begun(self, notification: Notification[Any]) -> Handling | None:
        return self._handling_of(notification)

    def _ended(self, handling: Handling) -> None:
        handling.end()

    def _handling_of(
        self, notification: Notification[Any], records: "Records | None" = None
    ) -> Handling | None:
        """Return the handling of a notification; if there is nothing to run, log why."""
        if not self._frozen_by:
            self._freeze("the first notification")
        handling = Handling(notification)
        handling.records = records
        if self._is_own(notification):
            log_debug(OWN_ACTION, notification)
            return None
        handling.steps = self._steps_of(handling)
        if handling.steps or handling.misfit:
            return handling
        log_debug("%s has no matching handler", notification)
        return None

    def _handling_of_job(
        self,
        notification: Notification[Any],  # noqa: ARG002 - a Bot's
        records: "Records | None" = None,  # noqa: ARG002 - a Bot's
    ) -> Handling | None:
        """Return the handling of a job; `None` if no job of its name is registered."""
        return None

    def _steps_of(self, handling: Handling) -> list[Handler[Any]]:
        return self._steps(handling.select, set())

    def _is_own(self, notification: Notification[Any]) -> bool:  # noqa: ARG002 - a receiver's
        """Whether a notification is about an action of the bot itself, which is to be ignored."""
        return False


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
        warnings.warn(
            f"the resource {str(resource)!r} has no event {str(event)!r}, only "
            f"{', '.join(sorted(documented))}",
            WebexWarning,
            stacklevel=3,
        )


def check_function(what: str, function: Any, arguments: str, count: int) -> None:  # noqa: ANN401 - whatever the user registers
    """Check that something is an async function that takes so many arguments.

    Raises:
        TypeError: It isn't; the error says what it is for, and what it must take.
    """
    if not is_async_function(function):
        raise TypeError(f"{what} must be an async function, got {function!r}: write async def")
    try:
        # A decorator may pass arguments of its own to the function that it wraps.
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception:  # noqa: BLE001 - annotations are evaluated, and may raise anything
        return
    try:
        signature.bind(*[None] * count)
    except TypeError:
        # Without the cause, which speaks of arguments that the user hasn't passed.
        raise TypeError(f"{what} must take {arguments}; got {function!r}") from None
