"""Receives what Webex sends: verified, each notification once, and passed to the handlers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from os import PathLike
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypedDict

from webex_webhooks_async.claims import Claims, MemoryClaims, check_claim
from webex_webhooks_async.errors import PayloadError, SignatureError
from webex_webhooks_async.formatting import described_database
from webex_webhooks_async.handling.direct_worker import DirectWorker
from webex_webhooks_async.handling.in_flight import ErrorHandler, InFlight
from webex_webhooks_async.handling.router import Router, RouterSelection, Selection
from webex_webhooks_async.handling.sandbox_reports import ASK_HEADER, ERROR_HEADER, header_of
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, log_debug
from webex_webhooks_async.notifications.identity import key_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import (
    Headers,
    SignatureAlgorithm,
    check_body,
    verify_with_keys,
)
from webex_webhooks_async.notifications.signing_secrets import Keys, Secrets
from webex_webhooks_async.receiving.activity import Activity
from webex_webhooks_async.receiving.application import Application
from webex_webhooks_async.receiving.asgi import (
    BodyTooLargeError,
    ClientDisconnectError,
    Receive,
    Scope,
    Send,
    receive_body,
    send_response,
)
from webex_webhooks_async.receiving.lifespan import Life, Lifespan
from webex_webhooks_async.validation import (
    check_count,
    check_flag,
    check_port,
    check_text,
    check_type,
    seconds_of,
)

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.inbox.base import Inbox
    from webex_webhooks_async.models.webhooks import NewWebhook

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class ReceiverOptions(TypedDict, total=False):
    """The arguments that a `Receiver` has besides the secrets, and a `Bot` as well."""

    inbox: "Inbox | None"
    attempts: int | EllipsisType
    respond_within: float | timedelta | EllipsisType | None
    max_pending: int | EllipsisType
    max_body: int
    minimum_algorithm: SignatureAlgorithm
    on_error: ErrorHandler | None
    lifespan: Lifespan | None


class Receiver(Router, Application):
    """Passes verified notifications to handlers, each notification once.

    It is an ASGI application: serve it alone or mount it in another one. On servers that aren't
    ASGI, call `handle`.

    ::

        receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"])

        @receiver.on(Resource.MESSAGES, Event.CREATED)
        async def reply(notification: Notification[MessageData]) -> None: ...

    The handlers of a notification run one after the other, in the order of their registration. When
    one fails, those after it don't run: the response is 500, and when the notification comes again,
    all handlers run again. While they run, and for ten minutes after they are done, a copy counts
    as a duplicate: this process remembers the last 100,000 that it has handled. A copy that comes
    to another process is handled there, too; an `inbox` recognizes it. Notifications are handled
    in no particular order, as Webex promises none.

    A handler of a resource only ever gets that resource's data class. When a required field of the
    data is missing or doesn't fit, the handlers without a resource get the mapping that was sent,
    and then, where the resource has handlers of its own, the execution fails with a `PayloadError`.

    By default the response comes when the handlers are done. If Webex hangs up meanwhile, they go
    on. If the server cancels the request, they are cancelled, and the notification counts as not
    handled.

    After `respond_within` seconds, the response is 204, and the handlers go on, also if the server
    cancels the request. A later failure is logged, and reported to `on_error`; a copy is handled
    again. A shutdown waits for what was accepted, if the receiver is what an ASGI server serves. An
    application that mounts it, or calls `handle`, has to call `aclose` or enter the receiver with
    ``async with``.

    With an `inbox`, the response comes when the notification is stored, and a killed process loses
    nothing that it has accepted. The handlers run from the inbox, again after 1, 4, 16 and 64
    seconds if they fail, and not before the ``retry_after`` of a `RateLimitError`, up to an hour;
    each failure is logged, the last one as an ERROR, and reported. After `attempts` failures, or
    a `GiveUpError`, the notification is kept as failed, and so is one whose data doesn't fit, or
    whose process was killed five times while its handlers ran. The receiver works on its inbox, and
    accepts notifications, from the start to the end of its lifespan or of ``async with``.

    ========  ========================================================================
    response  meaning
    ========  ========================================================================
    204       handled, queued, duplicate, or no matching handler
    400       signed, but not a notification
    401       the signature is missing or wrong
    405       the method isn't POST
    413       the body is larger than `max_body`
    500       a handler failed, or the data doesn't fit its class
    503       too much is queued, the receiver isn't running, or the inbox or a function for
              the secrets failed
    ========  ========================================================================

    Args:
        secrets: The webhook's secret, or several of which any may have signed. Or a plain or async
            function that returns them, so that they can change: it is called for each request. If
            it fails, or returns none, the response is 503, and an ERROR is logged.
        respond_within: Seconds, or a `timedelta`, after which the response comes at the
            latest; ``0`` is before any handler code, `None` waits without a limit. The default is
            `None`, of a `Bot` 5.0. It can't be passed with an `inbox`.
        inbox: Stores what is accepted, until it is handled, and knows what was handled. The
            receiver closes it.
        attempts: How often the handlers of a notification run if they fail, by default five times;
            for an `inbox` alone, because only what is stored can be tried again.
        max_pending: With `respond_within`, how many notifications may be unfinished at a time, by
            default 1,000, those within their seconds included; beyond that the response is 503.
            With an `inbox`, how many are handled at a time. It needs one of the two.
        ignore_own_actions: Whether to ignore what the webhook's own creator did.
        max_body: The size in bytes of the largest body to read.
        minimum_algorithm: The weakest signature algorithm to accept.
        on_error: Called with the exception of a handler that failed, or with the `PayloadError` of
            data that doesn't fit, and the notification, after the exception was logged. The
            `SystemExit` of a handler, which argparse raises, is the cause of a `RuntimeError`.
        lifespan: A resource of the receiver: a function that takes the receiver, and returns an
            async context manager, usually made by ``@asynccontextmanager``. It is entered before
            anything is handled, and left after the last handler has ended. The yielded mapping or
            `None` is in `state`. An error ends the start.

    Raises:
        ValueError: A secret is empty or not valid Unicode, or none is given, or a limit
            isn't positive, or `inbox` is passed with `respond_within`, `attempts` without an
            `inbox`, or `max_pending` with neither.
        TypeError: An argument has a wrong type.
    """

    _sleep: Callable[[float], Awaitable[object]] = staticmethod(asyncio.sleep)  # of the worker

    def __init__(  # noqa: PLR0913 - the settings of a receiver, each with a default
        self,
        secrets: Secrets,
        *,
        inbox: "Inbox | None" = None,
        attempts: int | EllipsisType = ...,
        respond_within: float | timedelta | EllipsisType | None = ...,
        max_pending: int | EllipsisType = ...,
        ignore_own_actions: bool = False,
        max_body: int = 1_048_576,
        minimum_algorithm: SignatureAlgorithm = SignatureAlgorithm.SHA1,
        on_error: ErrorHandler | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        super().__init__()
        check_type("minimum_algorithm", minimum_algorithm, SignatureAlgorithm)
        check_flag("ignore_own_actions", ignore_own_actions)
        if isinstance(inbox, (str, PathLike)):
            raise TypeError(f"inbox must be an Inbox{_inbox_of(str(inbox))}")
        if inbox is not None and respond_within is not ...:
            raise ValueError("an inbox takes the place of respond_within: leave that out")
        if respond_within is ...:
            respond_within = None
        elif respond_within is not None:
            respond_within = seconds_of("respond_within", respond_within, or_zero=True)
        check_count("max_body", max_body)
        attempts = _attempts(attempts, inbox)
        max_pending = _max_pending(max_pending, inbox, respond_within)
        self._life = Life(lifespan)
        self._keys = Keys(secrets)
        self._max_body = max_body
        self._minimum = minimum_algorithm
        self._inbox = inbox
        self._claims: Claims = MemoryClaims() if inbox is None else inbox
        selection = self._selection_of(ignore_own_actions=ignore_own_actions)
        self._in_flight = InFlight(selection, on_error, self._keys)
        self._worker = None if inbox is None else self._worker_on(inbox, attempts, max_pending)
        self._activity = Activity(self._in_flight, self._worker, inbox)
        self._direct = DirectWorker(
            self._in_flight, respond_within=respond_within, limit=max_pending
        )

    def _selection_of(self, *, ignore_own_actions: bool) -> Selection:
        """Return what selects the handlers, of which a `Bot` has one of its own."""
        return RouterSelection(self._tree, ignore_own_actions=ignore_own_actions)

    def _worker_on(self, inbox: "Inbox", attempts: int, limit: int) -> "InboxWorker":
        from webex_webhooks_async.handling.inbox_worker import InboxWorker  # noqa: PLC0415 - most receivers have no inbox

        return InboxWorker(
            inbox, self._in_flight, attempts=attempts, limit=limit, sleep=self._sleep
        )

    async def wanted_webhooks(
        self, *, name: str, target_url: str, owned_by: str | None = None
    ) -> "tuple[NewWebhook, ...]":
        """Return the webhooks that the registered handlers need, for `Webhooks.ensure`.

        There is one for each resource and event, in the order of registration, with the receiver's
        first secret. A handler of all events of a resource covers the handlers of single events::

            url = "https://bot.example.com/webex"
            wanted = await receiver.wanted_webhooks(name="bot", target_url=url)
            await client.webhooks.ensure(wanted, prune="bot:")

        A handler without a resource adds none.

        Args:
            name: The beginning of the webhooks' names: ``bot`` makes ``bot:messages:created`` and,
                for all events, ``bot:messages:all``.
            target_url: The absolute http(s) URL that Webex posts to.
            owned_by: Usually an `OwnedBy`; Webex's default is the creator.

        Raises:
            ValueError: No handler names a resource, or an argument is empty, not valid Unicode, or
                not an absolute URL.
            TypeError: An argument isn't a string.
            Exception: Any error of the function for the secrets.
        """
        from webex_webhooks_async.models.webhooks import NewWebhook  # noqa: PLC0415 - what only receives needs none

        check_text("name", name)
        if not name:
            raise ValueError("name is empty; pass what the names of the webhooks begin with")
        wanted = dict.fromkeys(self._in_flight.selection.watched(self._tree.placed()))
        if not wanted:
            # An empty result would let `prune` delete every webhook.
            raise ValueError("no handler names a resource: register one with on(Resource.MESSAGES)")
        secret = (await self._keys.current())[0].decode()
        return tuple(
            NewWebhook(
                name=f"{name}:{resource}:{event}",
                target_url=target_url,
                resource=resource,
                event=event,
                secret=secret,
                owned_by=owned_by,
            )
            for resource, event in wanted
            if event == Event.ALL or (resource, Event.ALL) not in wanted
        )

    def run(
        self,
        host: str = "127.0.0.1",
        *,
        port: int = 8000,
        graceful_timeout: float | timedelta = 30.0,
    ) -> None:
        """Serve it with uvicorn until it is stopped, by Ctrl-C or SIGTERM.

        It belongs at the end of a program::

            if __name__ == "__main__":
                bot.run()

        The command of a server, such as ``uvicorn bot:bot``, has options for production.

        The port is taken before anything starts. When it is stopped, it waits for the handlers. A
        second Ctrl-C cancels them, and what hasn't ended five seconds later is abandoned.

        Args:
            host: The address to listen on; ``0.0.0.0`` is every one of the machine.
            port: The port to listen on.
            graceful_timeout: When it is stopped, requests without a response are given up after so
                many seconds, or a `timedelta`, such as one that came half.

        Raises:
            ValueError: `port` isn't from 0 to 65535, or `graceful_timeout` not positive, or
                more than a century.
            TypeError: One of them has a wrong type.
            ImportError: uvicorn is missing; the extra ``cli`` installs it.
            SystemExit: It can't be started, and the reason was logged.
        """
        check_port(port)
        seconds = seconds_of("graceful_timeout", graceful_timeout)
        try:
            from webex_webhooks_async.receiving.serving import serve_until_stopped  # noqa: PLC0415 - the extra of uvicorn may be missing
        except ImportError as error:
            raise ImportError(
                'run needs uvicorn: install it with pip install "webex-webhooks-async[cli]", or '
                "serve the application with another ASGI server"
            ) from error
        serve_until_stopped(self, host, port, seconds)

    async def dispatch(self, notification: Notification[Any]) -> None:
        """Run the handlers for a notification from anywhere, as `Router.dispatch` does.

        Raises:
            RuntimeError: The receiver has a `lifespan`, and isn't running.
        """
        if not self._life.has_begun:
            raise RuntimeError(_NOT_RUNNING)
        check_type("notification", notification, Notification)
        execution = self._in_flight.begin(notification, "")
        if execution is not None:
            try:
                await execution.run()
            finally:
                self._in_flight.end(execution)

    async def handle(self, body: bytes, headers: Headers) -> int:
        """Receive a request, on a server that isn't ASGI.

        If each call has an event loop of its own, or the process is frozen after the response, as
        in AWS Lambda, pass ``respond_within=None``. A `ReceiverThread` keeps one event loop for all
        calls.

        Args:
            body: The raw bytes of the request, as they came.
            headers: The headers of the request, as any framework has them.

        Returns:
            The status of the response, one of those that `Receiver` lists; it needs no body.

        Raises:
            TypeError: `body` isn't bytes, or `headers` aren't headers.
        """
        status, _ = await self._respond_to(body, headers)
        return status

    async def _respond_to(
        self, body: bytes, headers: Headers
    ) -> "tuple[int, BaseException | str | None]":
        """Return the status of the response, and what a handler raised, or why none runs now."""
        if why := self._why_not():
            logger.error("refused a request: %s", why)
            return HTTPStatus.SERVICE_UNAVAILABLE, None
        check_body(body)
        keys = self._keys.fixed or await self._asked_keys()
        notification = self._verified(body, headers, keys)
        if not isinstance(notification, Notification):
            return notification, None
        if self._worker is not None:
            return await self._store(notification, body, self._worker)
        execution = self._in_flight.begin(notification, key_of(notification, body))
        if execution is None:
            return HTTPStatus.NO_CONTENT, None
        return await self._direct.handle(execution)

    async def claim(self, name: str, seconds: float | timedelta) -> bool:
        """Return True for the first who asks within so many seconds, or a `timedelta`.

        ::

            if await bot.claim(f"report:{today}", 86_400):
                await bot.send(report, room_id=ROOM)

        One of all the processes that share an `inbox` gets True. Without an inbox, the claims are
        those of this process. A claim that is refused prolongs nothing.
        If the one that got True fails or is killed, nobody does what it was for.

        Raises:
            ValueError: `name` is empty, or `seconds` isn't positive, or more than a century.
            TypeError: An argument has a wrong type.
            RuntimeError: It has an inbox or a lifespan, or is a `Bot`, and isn't running; or it is
                called within the transaction of `once`.
            Exception: Any error of the inbox.
        """
        from webex_webhooks_async.handling.records import check_outside  # noqa: PLC0415 - as in `_worker_on`

        _, seconds = check_claim(name, seconds)
        check_outside("claim anything")
        self._check_is_running()
        return await self._claims.claim(f"claim:{name}", seconds)  # our own claims have other names

    async def _start(self) -> None:
        await self._life.begin(self)
        await self._open()

    async def _open(self) -> None:
        if self._worker is not None:
            with suppress(Exception):  # so that errors can be redacted before the first request
                await self._keys.current()
            await self._worker.open()
        self._direct.open()

    async def _stop(self) -> None:
        try:
            if self._worker is not None:
                await self._worker.aclose()
            await self._direct.aclose()
        finally:
            try:
                await self._life.end()
            finally:
                if self._inbox is not None:  # which the lifespan may have used at its end
                    await self._inbox.aclose()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_response(send, HTTPStatus.METHOD_NOT_ALLOWED)
            return
        headers = tuple(scope["headers"])  # ASGI allows an iterable that can be read once
        try:
            body = await receive_body(headers, receive, limit=self._max_body)
        except BodyTooLargeError:
            await send_response(send, self._refuse_large())
            return
        except ClientDisconnectError:
            return
        status, why = await self._respond_to(body, headers)
        extra: list[tuple[bytes, bytes]] = []
        if why is not None and _ASK in headers:  # so the request was verified
            known = self._in_flight.known_secrets()
            shown = why.encode() if isinstance(why, str) else header_of(why, known)
            extra = [(ERROR_HEADER.encode(), shown)]
        await send_response(send, status, extra)

    def _why_not(self) -> str:
        """Return why nothing can be received now; it is empty if something can."""
        why = self._in_flight.selection.why_not()
        if why is not None:
            return why
        is_open = self._worker is None or self._worker.is_open
        return "" if is_open and self._life.has_begun else _NOT_RUNNING

    async def _asked_keys(self) -> tuple[bytes, ...] | None:
        try:
            return await self._keys.current()
        except Exception:
            logger.exception("refused a request: the function for the secrets failed")
            return None

    def _verified(
        self, body: bytes, headers: Headers, keys: tuple[bytes, ...] | None
    ) -> "Notification[Any] | HTTPStatus":
        """Return the notification in a request, or the status that refuses the request."""
        if len(body) > self._max_body:
            return self._refuse_large()
        if keys is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            verify_with_keys(body, headers, keys, self._minimum)
            return parse_unverified_notification(body)
        except SignatureError as error:
            logger.warning("refused a request: %s", error)
            return HTTPStatus.UNAUTHORIZED
        except PayloadError as error:
            logger.warning("refused a signed request: %s", error)
            return HTTPStatus.BAD_REQUEST

    def _refuse_large(self) -> HTTPStatus:
        logger.warning("refused a request: its body is larger than %d bytes", self._max_body)
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    async def _store(
        self, notification: Notification[Any], body: bytes, worker: "InboxWorker"
    ) -> tuple[HTTPStatus, str | None]:
        if self._in_flight.selection.is_own(notification):
            log_debug(OWN_ACTION, notification)
            return HTTPStatus.NO_CONTENT, None
        if await worker.accept(notification, body):
            return HTTPStatus.NO_CONTENT, None
        return HTTPStatus.SERVICE_UNAVAILABLE, "the inbox failed"

    def _check_is_running(self) -> None:
        """Check that the lifespan and the inbox are open, also while the last handlers run."""
        if not (self._life.has_begun and (self._is_started or self._worker is None)):
            raise RuntimeError(_NOT_RUNNING)


def _inbox_of(text: str) -> str:
    if database := described_database(text):
        return f", got {database}: write PostgresInbox(...) around it"
    return f": write SQLiteInbox({text!r})"


def _attempts(given: int | EllipsisType, inbox: "Inbox | None") -> int:
    if given is ...:
        return 5
    check_count("attempts", given)
    if inbox is None:
        raise ValueError(
            "attempts needs an inbox, because only what is stored can be tried again: pass one, "
            "such as inbox=SQLiteInbox('inbox.db'), or leave attempts out"
        )
    return given


def _max_pending(
    given: int | EllipsisType, inbox: "Inbox | None", respond_within: float | None
) -> int:
    if given is ...:
        return 1000
    check_count("max_pending", given)
    if inbox is None and respond_within is None:
        raise ValueError(
            "max_pending needs respond_within or an inbox: without them, requests wait for their "
            "handlers, and the server decides how many do at a time"
        )
    return given


_ASK = (ASK_HEADER.encode(), b"1")
_NOT_RUNNING = (
    "the receiver isn't running: its inbox and its lifespan are open while the server runs its "
    "ASGI lifespan, or inside of `async with receiver:`"
)
