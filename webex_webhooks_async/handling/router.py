"""Registers handlers of notifications, so that they can live in several modules."""

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from weakref import WeakSet

from webex_webhooks_async.errors import WebexWarning
from webex_webhooks_async.handling.dispatch import (
    Execution,
    Handler,
    HandlerIndex,
    Middleware,
    Placed,
    Registration,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource, warn_if_misspelled
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, log_debug
from webex_webhooks_async.notifications.identity import is_job
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


class Tree:
    """The registrations on a router, and the trees of those that it includes, in one order."""

    def __init__(self) -> None:
        self.entries: list[Registration | Tree] = []
        # the functions around its handlers; the first one is the outermost
        self.middlewares: list[Middleware] = []
        # the functions around handlers that get a context; of a BotRouter
        self.context_middlewares: list[Any] = []
        self.included_by: WeakSet[Tree] = WeakSet()  # the trees that include this one
        self.frozen_by: str = ""  # the event after which nothing more is registered; empty before
        self.changes: int = 0  # a number that rises with what is registered here and below

    def add(self, entry: "Registration | Tree") -> None:
        """Register a handler, or include a tree."""
        self.check_is_open()
        self.entries.append(entry)
        if isinstance(entry, Tree):
            entry.included_by.add(self)
        self.note_change(set())

    def note_change(self, noted: "set[Tree]") -> None:
        """Count a change, here and in the trees that include this one."""
        self.changes += 1
        noted.add(self)
        for each in self.included_by - noted:
            each.note_change(noted)

    def freeze(self, event: str) -> list[Placed]:
        """Refuse to register more here and in all included trees; return what is there."""
        trees = set[Tree]()
        placed = self.placed(trees)
        for tree in trees:
            tree.frozen_by = event
        return placed

    def placed(self, trees: "set[Tree] | None" = None) -> list[Placed]:
        """Return all that is registered, in its order; each included tree, once, in its place."""
        found = self.walk(set() if trees is None else trees, (), ())
        return [Placed(number, *each) for number, each in enumerate(found)]

    def walk(
        self, trees: "set[Tree]", around: tuple[Any, ...], around_context: tuple[Any, ...]
    ) -> Iterator[tuple[Registration, tuple[Any, ...], tuple[Any, ...]]]:
        """Yield what is registered, each with the middleware around it."""
        trees.add(self)
        around = (*around, self.middlewares)
        around_context = (*around_context, *self.context_middlewares)
        for entry in self.entries:
            if not isinstance(entry, Tree):
                yield entry, around, around_context
            elif entry not in trees:
                yield from entry.walk(trees, around, around_context)

    def check_is_open(self) -> None:
        """Check that more can be registered."""
        if self.frozen_by:
            raise RuntimeError(
                f"it is too late: register and include all handlers before {self.frozen_by}"
            )


class Registry:
    """The base of all on which handlers, middleware and routers are registered.

    There are two kinds. The handlers of a `Router` need a notification alone, so that it runs them
    itself, by `Router.dispatch`. Handlers of a `BotRouter` also need what a `Bot` fetches, so that
    only a bot includes it. The parts that both have are here.
    """

    def __init__(self) -> None:
        self._tree = Tree()

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
        check_words(resource, event)

        def register(handler: Handler[Any]) -> Handler[Any]:
            check_function("a handler", handler, "one argument, the notification", 1)
            self._tree.add(Registration(resource, event, handler))
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
        self._tree.check_is_open()
        self._tree.middlewares.append(function)
        return function

    def _include(self, router: "Registry", *kinds: "type[Registry]") -> None:
        check_type("router", router, *kinds)
        if callable(router):  # a receiver is an application, and a router isn't
            kind, router_kind = type(router).__name__, _first_of(kinds, router).__name__
            raise TypeError(
                f"a {kind} receives by itself, so it can't be included: register its handlers on a "
                f"{router_kind}, and include that"
            )
        self._tree.add(router._tree)  # noqa: SLF001 - a router's own


def _first_of(kinds: "tuple[type[Registry], ...]", router: Registry) -> "type[Registry]":
    """Return the class of a router that is included in place of a receiver."""
    return next(each for each in type(router).__mro__ if each in kinds)


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

    _selection: "Selection | None" = None  # since the first `dispatch`

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
            Exception: An error of a handler or a middleware. Later handlers haven't run.
        """
        check_type("notification", notification, Notification)
        if self._selection is None:
            self._selection = RouterSelection(self._tree)
        execution = self._selection.begin(notification, "")
        if execution is not None:
            try:
                await execution.run()
            finally:
                execution.end()


class Selection(ABC):
    """Says what runs for what a receiver is to handle. A bot has one of its own."""

    # whether a notification that nothing stores counts as handled after a failure, so that a copy
    # of it isn't handled
    failed_is_handled: bool
    # whether a notification that fails, and is due in ten seconds or later, holds up nobody until
    # then
    leaves_line: bool = False

    @abstractmethod
    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Execution | None:
        """Return the execution of a notification, or of a job; nothing dispatched has a key.

        If nothing is to be run for it, that is `None`; of a notification, the log says why.
        """

    def watched(self, placed: Iterable[Placed]) -> Iterator[tuple[str, str]]:
        """Yield the resources and events that handlers need."""
        yield from watched_by(each.entry for each in placed)

    @abstractmethod
    def is_own(self, notification: Notification[Any]) -> bool:
        """Whether a notification is about what the bot did itself, which is ignored."""

    def line_and_owner(self, notification: Notification[Any]) -> tuple[str | None, str | None]:  # noqa: ARG002 - most have none
        """Return the line of a notification, and its owner, if it has them, as `lines` says."""
        return None, None

    def why_not(self) -> str | None:
        """Return why nothing can be received now; it is empty if something can.

        `None` leaves that to the receiver: its inbox and its lifespan are open then.
        """
        return None

    def note_missed(self) -> None:  # noqa: B027 - most fetch nothing
        """Note that the inbox has failed to store something."""

    def secrets(self) -> tuple[str, ...]:
        """Return what no response and no stored error may show, besides the receiver's secrets."""
        return ()


class RouterSelection(Selection):
    """Selects the handlers of a router."""

    failed_is_handled = False

    def __init__(self, tree: Tree, *, ignore_own_actions: bool = False) -> None:
        self._tree = tree
        self._ignore_own_actions = ignore_own_actions
        self._handlers: HandlerIndex | None = None

    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Execution | None:
        """Return the execution of a notification; a receiver has no jobs."""
        if is_job(key):
            return None
        if self._handlers is None:
            self._handlers = HandlerIndex(self._tree.freeze("the first notification"))
        if self.is_own(notification):
            log_debug(OWN_ACTION, notification)
            return None
        execution = Execution(notification)
        execution.records = records
        return self._handlers.begin(execution)

    def is_own(self, notification: Notification[Any]) -> bool:
        return self._ignore_own_actions and notification.is_own_action


def watched_by(entries: Iterable[Registration]) -> Iterator[tuple[str, str]]:
    """Yield the resources and events of what is registered."""
    for entry in entries:
        if entry.resource is not None:
            yield entry.resource, entry.event or Event.ALL


def check_words(resource: str | None, event: str | None) -> None:
    """Check the words with which a handler is registered; warnings point to where that is done."""
    _check_word("resource", resource)
    _check_word("event", event)
    warn_if_misspelled(resource, event, stacklevel=3)
    _warn_if_undocumented(resource, event)


def _check_word(name: str, word: object) -> None:
    if word is None:
        return
    if not isinstance(word, str):
        raise TypeError(f"{name} must be a str, got {word!r}; write on() to handle everything")
    if word in {"", Event.ALL}:
        raise ValueError(f"a notification's {name} is never {word!r}; leave it out to handle all")


def _warn_if_undocumented(resource: str | None, event: str | None) -> None:
    """Warn of a known event that a known resource doesn't have."""
    # Imported here: a bot of commands alone has no such handler.
    from webex_webhooks_async.catalog import CATALOG  # noqa: PLC0415 - see above

    watchable = CATALOG.get(resource or "")
    documented = watchable.events if watchable else frozenset[str]()
    if documented and event in Event.__members__.values() and event not in documented:
        warnings.warn(
            f"the resource {str(resource)!r} has no event {str(event)!r}, only "
            f"{', '.join(sorted(documented))}",
            WebexWarning,
            stacklevel=4,
        )


def check_function(what: str, function: Any, arguments: str, count: int) -> None:  # noqa: ANN401 - whatever the user registers
    """Check that something is an async function that takes so many arguments."""
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
