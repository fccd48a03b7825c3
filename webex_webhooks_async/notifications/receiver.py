"""Receives what Webex sends: verified, deduplicated, and handed to the handlers."""

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from types import EllipsisType, NoneType, TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from attrs import frozen

from webex_webhooks_async.errors import InProgressError, PayloadError, SignatureError
from webex_webhooks_async.formatting import on_one_line
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
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.notifications.asgi import (
    BodyTooLargeError,
    ClientDisconnectError,
    Receive,
    Scope,
    Send,
    follow_lifespan,
    read_body,
    refuse_websocket,
    send_answer,
)
from webex_webhooks_async.notifications.deduplication import Deduplicator, MemoryDeduplicator
from webex_webhooks_async.notifications.in_flight import InFlight
from webex_webhooks_async.notifications.parsing import parse_notification
from webex_webhooks_async.notifications.signatures import (
    Headers,
    SignatureAlgorithm,
    checked_secrets,
)
from webex_webhooks_async.validation import check_type

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")

Handler = Callable[[Notification[T]], Coroutine[Any, Any, object]]
"""An async function that takes a notification."""

# A handler stays the function that it is, whichever one that is for the resource.
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

ErrorHandler = Callable[[Exception, Notification[NotificationData]], object]
"""A plain or an async function that takes what a handler raised, and the notification."""


@frozen(kw_only=True)
class Work:
    """A notification and what is to be done with it."""

    notification: Notification[NotificationData]
    handlers: tuple[Handler[Any], ...]
    key: str

    def __str__(self) -> str:
        told = self.notification
        return on_one_line(f"{told.resource} {told.event} of webhook {told.id}")


class Receiver:
    """Hands notifications to handlers: verified ones, each once, none lost.

    It is an ASGI application: serve it alone or mount it in another. For servers that aren't
    ASGI, `handle` does the same.

    ::

        receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"])

        @receiver.on(Resource.MESSAGES, Event.CREATED)
        async def answer(notification: Notification[MessageData]) -> None: ...

    The handlers of a notification run one after the other, in the order of their registration.
    The first that fails ends it: the answer is 500, and when the notification comes again, all
    of them run again. While they run, and once they are done, a copy is taken for handled; with
    a `LeasingDeduplicator` only once they are done. Order is not kept between notifications, for
    Webex doesn't keep it either.

    By default the handlers run before the answer. That Webex hangs up meanwhile doesn't stop
    them. A server that cancels the request does: the notification counts as not handled then.

    With ``background=True`` the answer goes out first, and the handlers run on their own. What was
    accepted is handled before the server shuts down, if it tells the receiver so: as ASGI servers
    do, but only the application that they serve. Where the receiver is mounted in another, or used
    through `handle`, that application has to call `aclose`, or use the receiver as an ``async
    with`` block, for as long as it is up.

    ======  ==========================================================================
    answer  meaning
    ======  ==========================================================================
    204     it is handled, or accepted, or a copy, or nothing to us
    400     it is signed, but no notification
    401     the signature is missing or wrong
    405     it is no POST
    413     it is larger than `max_body`
    500     a handler failed
    503     too much is pending, or it is shutting down, or the deduplicator is down,
            or a copy is being handled under a lease
    ======  ==========================================================================

    Args:
        secrets: The webhook's secret, or several of which any will do, while one is replaced.
        background: Whether to answer before the handlers run.
        max_pending: With `background`, how many notifications may be accepted and not yet done;
            they all run at once.
        deduplicator: Remembers what was handled; by default a `MemoryDeduplicator` of its own.
            `None` lets every copy through.
        ignore_own_actions: Whether to leave out what the webhook's own creator did.
        max_body: The size in bytes of the largest body to read.
        minimum: The weakest signature algorithm to accept.
        on_error: Called with each exception that a handler raises, and the notification. Without
            it they are logged.

    Raises:
        ValueError: A secret is empty or no valid Unicode, or there is none; or a limit isn't
            positive.
        TypeError: A secret is no string, or another argument is of a wrong type.
    """

    def __init__(  # noqa: PLR0913 - what a receiver can be told, each with a default
        self,
        secrets: str | Iterable[str],
        *,
        background: bool = False,
        max_pending: int = 1000,
        deduplicator: Deduplicator | EllipsisType | None = ...,
        ignore_own_actions: bool = False,
        max_body: int = 1_048_576,
        minimum: SignatureAlgorithm = SignatureAlgorithm.SHA1,
        on_error: ErrorHandler | None = None,
    ) -> None:
        check_type("minimum", minimum, SignatureAlgorithm)
        if not (on_error is None or callable(on_error)):
            raise TypeError(f"on_error must be a function, got {on_error!r}")
        if deduplicator is not ...:
            check_type("deduplicator", deduplicator, Deduplicator, NoneType)
        check_type("max_pending", max_pending, int)
        check_type("max_body", max_body, int)
        if max_pending < 1:
            raise ValueError(f"max_pending must be positive, got {max_pending}")
        if max_body < 1:
            raise ValueError(f"max_body must be a positive number of bytes, got {max_body}")
        self._secrets = checked_secrets(secrets)
        self._background = background
        self._max_pending = max_pending
        self._claims = InFlight(MemoryDeduplicator() if deduplicator is ... else deduplicator)
        self._ignore_own_actions = ignore_own_actions
        self._max_body = max_body
        self._minimum = minimum
        self._on_error = on_error
        self._handlers: list[tuple[str | None, str | None, Handler[Any]]] = []
        self._has_received = False
        self._is_closing = False
        self._pending: set[asyncio.Task[bool]] = set()

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
        """Register a handler: ``@receiver.on(Resource.MESSAGES, Event.CREATED)``.

        Type checkers know the class of the data by the resource. Data that doesn't fit that class
        comes as a plain mapping all the same.

        Args:
            resource: Which resource's notifications to handle; every one's if it is left out.
            event: Which events' notifications to handle; every one's if it is left out.

        Raises:
            ValueError: It is ``all``, as no notification's resource or event is.
            TypeError: It isn't called with a resource; or what it decorates is no async function.
            RuntimeError: A notification was received already, and would have missed the handler.
        """
        _check_word("resource", resource)
        _check_word("event", event)

        def register(handler: Handler[Any]) -> Handler[Any]:
            if not _is_async(handler):
                raise TypeError(f"a handler must be an async function, got {handler!r}")
            if self._has_received:
                raise RuntimeError(
                    "a notification was received already: register every handler before the first"
                )
            self._handlers.append((resource, event, handler))
            return handler

        return register

    async def handle(self, body: bytes, headers: Headers) -> int:
        """Receive a request, on a server that isn't ASGI.

        Args:
            body: The raw bytes of the request, as they came.
            headers: The headers of the request, as any framework has them.

        Returns:
            The status to answer with, as in the table above; the answer needs no body.

        Raises:
            TypeError: The body isn't bytes, or there are no headers.
        """
        if len(body) > self._max_body:
            return self._refuse_large()
        try:
            notification = parse_notification(
                body, headers, secrets=self._secrets, minimum=self._minimum
            )
        except SignatureError as error:
            logger.warning("refused a request: %s", error)
            return HTTPStatus.UNAUTHORIZED
        except PayloadError as error:
            logger.warning("refused a signed request: %s", error)
            return HTTPStatus.BAD_REQUEST
        self._has_received = True
        if self._ignore_own_actions and notification.is_own_action:
            return HTTPStatus.NO_CONTENT
        handlers = self._handlers_of(notification)
        if not handlers:
            return HTTPStatus.NO_CONTENT
        return await self._handle_once(
            Work(notification=notification, handlers=handlers, key=hashlib.sha256(body).hexdigest())
        )

    async def aclose(self) -> None:
        """Accept no more notifications, and wait until those that were accepted are handled."""
        self._is_closing = True
        # A handler that closes its receiver doesn't wait for itself.
        while unfinished := self._unfinished() - {asyncio.current_task()}:
            await asyncio.wait(unfinished)

    async def __aenter__(self) -> Self:
        self._is_closing = False
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive a request, as an ASGI application."""
        match scope["type"]:
            case "http":
                status = await self._receive_http(scope, receive)
                if status is not None:
                    await send_answer(send, status)
            case "lifespan":
                await follow_lifespan(receive, send, self)
            case "websocket":
                await refuse_websocket(receive, send)
            case other:
                raise ValueError(f"a receiver knows no ASGI scope of type {other!r}")

    async def _receive_http(self, scope: Scope, receive: Receive) -> int | None:
        """The status to answer with; `None` if nobody is there to answer."""
        if scope["method"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        try:
            body = await read_body(scope, receive, limit=self._max_body)
        except BodyTooLargeError:
            return self._refuse_large()
        except ClientDisconnectError:
            return None
        return await self.handle(body, scope["headers"])

    def _refuse_large(self) -> int:
        logger.warning("refused a request: its body is larger than %d bytes", self._max_body)
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def _handlers_of(self, notification: Notification[Any]) -> tuple[Handler[Any], ...]:
        return tuple(
            handler
            for resource, event, handler in self._handlers
            if resource in {None, notification.resource} and event in {None, notification.event}
        )

    async def _handle_once(self, work: Work) -> int:
        try:
            claimed = await self._claims.claim(work.key)
        except InProgressError as error:
            logger.info("%s has to come again: %s", work, error)
            return HTTPStatus.SERVICE_UNAVAILABLE
        except Exception:
            logger.exception("%s is not handled: the deduplicator failed", work)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if not claimed:
            return HTTPStatus.NO_CONTENT
        if self._is_closing or len(self._pending) >= self._max_pending:
            await self._claims.settle(work.key, done=False)
            why = "the receiver is shutting down" if self._is_closing else "too much is pending"
            logger.warning("%s is not handled: %s", work, why)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if self._background:
            task = asyncio.create_task(self._carry_out(work))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            return HTTPStatus.NO_CONTENT
        done = await self._carry_out(work)
        return HTTPStatus.NO_CONTENT if done else HTTPStatus.INTERNAL_SERVER_ERROR

    async def _carry_out(self, work: Work) -> bool:
        done = False
        try:
            done = await self._run_handlers(work)
        finally:  # also of a request that was cancelled
            await self._claims.settle(work.key, done=done)
        return done

    async def _run_handlers(self, work: Work) -> bool:
        try:
            for handler in work.handlers:
                await _run(handler, work.notification)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises
            await self._report(error, work)
            return False
        return True

    async def _report(self, error: Exception, work: Work) -> None:
        if self._on_error is None:
            logger.error("a handler of %s failed", work, exc_info=error)
            return
        try:
            reported = self._on_error(error, work.notification)
            if inspect.isawaitable(reported):
                await reported
        except Exception:
            logger.exception("on_error failed for %s", work)

    def _unfinished(self) -> set[asyncio.Task[Any]]:
        return {*self._pending, *self._claims.being_settled}


async def _run(handler: Handler[Any], notification: Notification[Any]) -> None:
    try:
        await handler(notification)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Something that the handler waited for was cancelled, not we: the handler failed.
        raise RuntimeError("what a handler waited for was cancelled") from error


def _check_word(name: str, word: object) -> None:
    if word is not None and not isinstance(word, str):
        raise TypeError(
            f"{name} must be a str, got {word!r}; write @receiver.on() to handle everything"
        )
    if word == "all":
        raise ValueError(f"no notification's {name} is 'all'; leave it out to handle every one")


def _is_async(handler: object) -> bool:
    # An object with an async __call__ will do as well.
    return any(map(inspect.iscoroutinefunction, (handler, type(handler).__call__)))
