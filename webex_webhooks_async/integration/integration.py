"""An application for many users: each connects an account, and handlers run with their tokens."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Container,
    Coroutine,
    Generator,
    Iterable,
)
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

import httpx
from attrs import evolve

from webex_webhooks_async.applications.decisions import decision
from webex_webhooks_async.applications.inboxes import inbox_in
from webex_webhooks_async.applications.jobs import Job, JobOptions, cancel, enqueue
from webex_webhooks_async.applications.outage import Outage
from webex_webhooks_async.client import environment
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.oauth import Tokens
from webex_webhooks_async.errors import (
    NotConnectedError,
    PayloadError,
    RateLimitError,
    SignatureError,
)
from webex_webhooks_async.formatting import conninfo_in
from webex_webhooks_async.handling.in_flight import ErrorHandler, InFlight
from webex_webhooks_async.handling.inbox_worker import InboxWorker
from webex_webhooks_async.handling.once import once
from webex_webhooks_async.handling.router import check_function, check_words, watched_by
from webex_webhooks_async.handling.suspension import exceptions_in
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.integration.app import NOT_RUNNING, App
from webex_webhooks_async.integration.contexts import UserContext, UserJobContext
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.looks import LOOK_SECONDS, Looks
from webex_webhooks_async.integration.pages import CurrentAccount, Pages, RefusedError
from webex_webhooks_async.integration.selection import UserHandler, UserSelection
from webex_webhooks_async.integration.store import UserCounts, UserStore
from webex_webhooks_async.integration.tokens import TokenKeeper, UserToken
from webex_webhooks_async.integration.users import (
    Change,
    ConnectedUser,
    Details,
    User,
    Users,
    in_state,
)
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import BASE_URL, Event, OwnedBy, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.notifications.identity import body_of_job, key_of_job
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, verify_with_keys
from webex_webhooks_async.notifications.signing_secrets import Keys
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
from webex_webhooks_async.serialization.converter import structure, unstructure
from webex_webhooks_async.validation import (
    absolute_url,
    check_count,
    check_flag,
    check_inherits,
    check_keywords,
    check_not_empty,
    check_text,
    check_type,
    is_loopback,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from webex_webhooks_async.models import notification_data as data

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")
UserHandlerOf = Callable[[UserContext[T]], Coroutine[Any, Any, object]]
"""An async function that takes a `UserContext`, such as ``UserHandlerOf[MeetingData]``."""

if TYPE_CHECKING:
    # One type variable per resource, as for `Router.on`.
    H = TypeVar("H", bound=UserHandlerOf[Any])
    OnMessage = TypeVar("OnMessage", bound=UserHandlerOf[data.MessageData])
    OnSubmission = TypeVar("OnSubmission", bound=UserHandlerOf[data.AttachmentActionData])
    OnMembership = TypeVar("OnMembership", bound=UserHandlerOf[data.MembershipData])
    OnRoom = TypeVar("OnRoom", bound=UserHandlerOf[data.RoomData])
    OnTelephonyCall = TypeVar("OnTelephonyCall", bound=UserHandlerOf[data.TelephonyCallData])
    OnServiceApp = TypeVar("OnServiceApp", bound=UserHandlerOf[data.ServiceAppData])
    OnMeeting = TypeVar("OnMeeting", bound=UserHandlerOf[data.MeetingData])
    OnParticipant = TypeVar("OnParticipant", bound=UserHandlerOf[data.MeetingParticipantData])
    OnRecording = TypeVar("OnRecording", bound=UserHandlerOf[data.RecordingData])
    OnTranscript = TypeVar("OnTranscript", bound=UserHandlerOf[data.MeetingTranscriptData])
    OnAnything = TypeVar("OnAnything", bound=UserHandlerOf[data.NotificationData])
    J = TypeVar("J", bound=Callable[[UserJobContext], Coroutine[Any, Any, object]])
    U = TypeVar("U", bound=Callable[[ConnectedUser], Coroutine[Any, Any, object]])

AllowUser = Callable[[ConnectedUser], "bool | Awaitable[bool]"]
"""A plain or an async function that returns whether somebody may connect an account."""


class IntegrationOptions(TypedDict, total=False):
    """The arguments of an `Integration` that `Integration.from_env` reads from no variable."""

    name: str
    allow: AllowUser | None
    refusal: str | None
    current_account: CurrentAccount | None
    owned_by: str | None
    watch_every: float | timedelta
    attempts: int
    max_pending: int
    http_client: "httpx.AsyncClient | httpx.AsyncBaseTransport | None"
    on_error: ErrorHandler | None
    lifespan: Lifespan | None


class HandlerOptions(TypedDict, total=False):
    """The other arguments of `Integration.on`."""

    attempts: int | None
    in_order: bool


class Integration(Application):
    """An integration of Webex that many people connect their accounts to.

    ::

        integration = Integration.from_env()  # minutes.py, served by: uvicorn minutes:integration

        @integration.on(Resource.MEETINGS, Event.ENDED)
        async def ended(context: UserContext[MeetingData]) -> None:
            meeting = await context.fetch(into=Meeting)  # with the owner's token

    It is an ASGI application, alone or mounted in another one. People open ``/connect`` below
    `public_url`, allow the scopes at Webex, and come back to ``/callback``. Their tokens are stored
    encrypted, their webhooks are made, and what happens to them is notified to ``/notifications``,
    stored in the inbox, and handled with their own token.

    It is started by its server, or with ``async with integration:``. A start asks Webex for
    nothing, and succeeds while the store is away. It works on its inbox as a `Receiver` does, and
    closes the inbox and the store at the end.

    A token is refreshed before it ends, by one process at a time. Somebody is lost only when Webex
    says that the grant is gone.

    Args:
        store: The store of the users, a `SQLiteUserStore` or a `PostgresUserStore`.
        encryption_keys: The keys, each of 32 bytes in URL-safe base64. The first one encrypts, any
            decrypts. Replace a key in three deploys: ``[OLD, NEW]``, ``[NEW, OLD]``, ``[NEW]``.
        inbox: The inbox of its notifications and jobs; that of a bot is another one.
        public_url: The URL at which browsers and Webex reach the integration; https, or http on
            loopback.
        client_id: The id of the integration.
        client_secret: Its secret.
        scopes: The scopes that people are asked to allow, also as one text with blanks.
        name: The beginning of the names of its webhooks, which stays what it was: others that begin
            with it and a colon are deleted.
        allow: A plain or an async function that gets a `ConnectedUser`, and returns whether they
            may connect; it is asked before anything is stored.
        refusal: What somebody reads whom `allow` doesn't let in.
        current_account: A plain or an async function that takes the ASGI scope of a request, and
            returns who is logged in to your application, or `None`. With it, only they connect,
            and ``POST /disconnect`` lets all users of an account leave.
        owned_by: The owner of the webhooks, usually an `OwnedBy`; Webex's default is the creator.
        watch_every: After how many seconds, or which `timedelta`, the webhooks of a user are looked
            at again, by one of all processes.
        attempts: How often the handlers of a notification run if they fail.
        max_pending: How many notifications and jobs are handled at a time.
        base_url: The URL of the API.
        http_client: As for a `Client`. It stays open.
        on_error: As for a `Receiver`.
        lifespan: As for a `Receiver`.

    Attributes:
        public_url: The URL below which its pages are.

    Raises:
        ValueError: A key isn't one, or there is none; `public_url` isn't https or on loopback; an
            argument is empty, or isn't positive.
        TypeError: An argument has a wrong type.
        ImportError: cryptography isn't installed; the extra ``integration`` installs it.
    """

    _clock: Clock = Clock()

    def __init__(  # noqa: PLR0913 - the settings of an integration
        self,
        store: UserStore,
        *,
        encryption_keys: Iterable[str],
        inbox: Inbox,
        public_url: str,
        client_id: str,
        client_secret: str,
        scopes: str | Iterable[str],
        name: str = "integration",
        allow: AllowUser | None = None,
        refusal: str | None = None,
        current_account: CurrentAccount | None = None,
        owned_by: str | None = None,
        watch_every: float | timedelta = 600.0,
        attempts: int = 5,
        max_pending: int = 100,
        base_url: str = BASE_URL,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        on_error: ErrorHandler | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        check_inherits("store", store, UserStore)
        check_inherits("inbox", inbox, Inbox)
        check_not_empty("name", name)
        for each, function in (("allow", allow), ("current_account", current_account)):
            if not (function is None or callable(function)):
                raise TypeError(f"{each} must be a function, got {function!r}")
        if refusal is not None:
            check_not_empty("refusal", refusal)
        if owned_by is not None:
            check_not_empty("owned_by", owned_by)
        check_count("attempts", attempts)
        check_count("max_pending", max_pending)
        self.public_url: str = _checked_public_url(public_url)
        self._keyring = Keyring(encryption_keys)
        self._app = App(
            client_id,
            client_secret,
            scopes,
            base_url=base_url,
            http_client=http_client,
            clock=self._clock,
        )
        self._name = name
        self._owned_by = owned_by
        self._inbox = inbox
        self._store = store
        self._users = Users(store, self._keyring)
        self._selection = UserSelection(self, self._opened, is_of_org=owned_by == OwnedBy.ORG)
        self._selection.hidden = self._hidden
        self._selection.own = {
            "on_lost": self._run_on_lost,
            "on_disconnect": self._run_on_disconnect,
        }
        keys = Keys([client_secret, *self._keyring.texts()])
        self._in_flight = InFlight(self._selection, on_error, keys)
        self._worker = InboxWorker(inbox, self._in_flight, attempts=attempts, limit=max_pending)
        self._selection.worker = self._worker
        self._activity = Activity(self._in_flight, self._worker, inbox)
        self._life = Life(lifespan)
        self._keeper = TokenKeeper(self._users, self._app.refresh, self._lose, self._clock)
        self._looks = Looks(
            self._users,
            self._keyring,
            partial(self._client_of, may_leave=True),
            self._webhooks,
            prefix=f"{name}:",
            welcome=self._welcome,
            part=self._part,
            every=seconds_of("watch_every", watch_every),
            clock=self._clock,
        )
        self._pages = Pages(
            self._app,
            self._keyring,
            self._clock,
            public_url=lambda: self.public_url,
            connect=partial(self._connect, allow=allow, refusal=refusal),
            disconnect=self._disconnect,
            current_account=current_account,
        )
        self._on: dict[str, Callable[[ConnectedUser], Coroutine[Any, Any, object]]] = {}
        self._failed: deque[tuple[str, ...]] = deque(maxlen=max_pending + _REMEMBERED)
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    def from_env(cls, *, prefix: str = "", **options: Unpack[IntegrationOptions]) -> Self:
        """Return an integration with what the environment variables hold.

        ``WEBEX_CLIENT_ID`` and ``WEBEX_CLIENT_SECRET`` are those of the integration,
        ``WEBEX_SCOPES`` and ``WEBEX_ENCRYPTION_KEYS`` have blanks between, ``WEBEX_PUBLIC_URL`` is
        the `public_url`. ``WEBEX_USER_STORE`` and ``WEBEX_INTEGRATION_INBOX`` are paths of files,
        or ``postgresql://...``. ``WEBEX_BASE_URL`` takes the place of the default `base_url`.

        Args:
            prefix: The beginning of the names of all variables.
            options: The other arguments of an `Integration`.

        Raises:
            ValueError: A variable is missing (one error names each that is); or as when made
                directly.
            TypeError: As when made directly.
            ImportError: As when made directly, or a variable is ``postgresql://...``, and psycopg
                isn't installed.
        """
        check_text("prefix", prefix)
        check_keywords("from_env", options, IntegrationOptions.__annotations__)
        names = {each: prefix + each for each in _VARIABLES}
        values = {each: os.environ.get(name, "").strip() for each, name in names.items()}
        if missing := [names[each] for each, value in values.items() if not value]:
            raise ValueError(f"set the environment variable {' and '.join(missing)}")
        return cls(
            _store_in(values[environment.WEBEX_USER_STORE]),
            encryption_keys=values[environment.WEBEX_ENCRYPTION_KEYS].split(),
            inbox=inbox_in(values[environment.WEBEX_INTEGRATION_INBOX]),
            public_url=values[environment.WEBEX_PUBLIC_URL],
            client_id=values[environment.WEBEX_CLIENT_ID],
            client_secret=values[environment.WEBEX_CLIENT_SECRET],
            scopes=values[environment.WEBEX_SCOPES],
            base_url=environment.base_url_from_env(prefix),
            **options,
        )

    @overload
    def on(
        self,
        resource: Literal[Resource.MESSAGES, "messages"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnMessage], OnMessage]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.ATTACHMENT_ACTIONS, "attachmentActions"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnSubmission], OnSubmission]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEMBERSHIPS, "memberships"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnMembership], OnMembership]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.ROOMS, "rooms"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnRoom], OnRoom]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.TELEPHONY_CALLS, "telephony_calls"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnTelephonyCall], OnTelephonyCall]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.SERVICE_APP, "serviceApp"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnServiceApp], OnServiceApp]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETINGS, "meetings"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnMeeting], OnMeeting]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_PARTICIPANTS, "meetingParticipants"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnParticipant], OnParticipant]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.RECORDINGS, "recordings"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnRecording], OnRecording]": ...
    @overload
    def on(
        self,
        resource: Literal[Resource.MEETING_TRANSCRIPTS, "meetingTranscripts"],
        event: str | None = None,
        **options: Unpack[HandlerOptions],
    ) -> "Callable[[OnTranscript], OnTranscript]": ...
    @overload
    def on(
        self, resource: None = None, event: str | None = None, **options: Unpack[HandlerOptions]
    ) -> "Callable[[OnAnything], OnAnything]": ...
    @overload
    def on(
        self, resource: str, event: str | None = None, **options: Unpack[HandlerOptions]
    ) -> "Callable[[H], H]": ...
    def on(
        self,
        resource: str | None = None,
        event: str | None = None,
        *,
        attempts: int | None = None,
        in_order: bool = True,
    ) -> Callable[[Any], Any]:
        """Register a handler: ``@integration.on(Resource.MEETINGS, Event.ENDED)``.

        Each handler of a resource makes a webhook for each user. All handlers that match run, in
        the order of their registration. It gets a `UserContext`. For somebody who isn't connected
        any more, nothing runs.

        Args:
            resource: As for `Router.on`.
            event: As for `Router.on`.
            attempts: How often it runs if it fails; by default as often as the integration says. Of
                several handlers, the largest number counts.
            in_order: Whether what is next for the same user waits until this has ended. Of several
                handlers, one is enough.

        Raises:
            ValueError: As for `Router.on`, or `attempts` is below 1.
            TypeError: As for `Router.on`.
            RuntimeError: The integration has been started.
        """
        check_words(resource, event)
        _check_attempts(attempts)
        check_flag("in_order", in_order)

        def register(handler: Any) -> Any:  # noqa: ANN401 - of each resource
            check_function("a handler", handler, "one argument, the context", 1)
            self._check_is_open()
            label = self._selection.label(f"on {getattr(handler, '__name__', 'handler')}")
            self._selection.handlers.append(
                UserHandler(resource, event, handler, label, attempts, in_order)
            )
            return handler

        return register

    def job(self, name: str, *, attempts: int | None = None) -> "Callable[[J], J]":
        """Register a handler of the jobs that are enqueued with a name.

        It gets a `UserJobContext`.

        Raises:
            ValueError: `name` is empty, taken, or one of the integration's own; or `attempts` is
                below 1.
            TypeError: An argument has a wrong type, or the handler isn't an async function that
                takes one argument.
            RuntimeError: The integration has been started.
        """
        check_not_empty("name", name)
        _check_attempts(attempts)
        if name in _OWN_JOBS:
            raise ValueError(f"the job {name!r} is the integration's own: use another name")

        def register(handler: Any) -> Any:  # noqa: ANN401 - as above
            return self._register_job(name, handler, attempts)

        return register

    def on_connect(self, handler: "J") -> "J":
        """Register what runs each time somebody has connected, when the webhooks are there.

        It runs as a job of that user, with a `UserJobContext`.

        Raises:
            ValueError: There is one already.
            TypeError: It isn't an async function that takes one argument.
            RuntimeError: The integration has been started.
        """
        return self._register_job(_OWN_JOBS[0], handler, None)

    def on_lost(self, handler: "U") -> "U":
        """Register what runs once for each time that somebody's permission is gone.

        It runs as a job, with the `ConnectedUser`, before the state of the user is ``lost``. The
        errors are those of `on_connect`.
        """
        return self._register_on("on_lost", handler)

    def on_disconnect(self, handler: "U") -> "U":
        """Register what runs when somebody has left, and nothing of them is stored any more.

        It runs as a job, with the `ConnectedUser`. The errors are those of `on_connect`.
        """
        return self._register_on("on_disconnect", handler)

    @asynccontextmanager
    async def client(self, person_id: str) -> AsyncGenerator[Client]:
        """Open a client that calls Webex as somebody who is connected.

        ::

            async with integration.client(person_id) as client:
                me = await client.get("people/me")

        All clients of a user share one refresh. Each request may raise a `NotConnectedError` as
        well.

        Raises:
            NotConnectedError: The person isn't connected; no request was sent.
            RuntimeError: The integration hasn't been started, or has ended.
            OSError: The store can't be read.
        """
        async with self._opened(person_id) as (_, client):
            yield client

    async def get(self, person_id: str) -> ConnectedUser | None:
        """Return somebody who is connected, leaves or is lost; `None` for anybody else.

        Raises:
            OSError: The store can't be read.
        """
        user = await self._users.get(check_not_empty("person_id", person_id))
        return None if user is None else user.public

    def list(self, account: str | None = None) -> "UserList":
        """Return all users, or those of an account; nothing is read before it is used.

        ::

            async for user in integration.list():
                print(user.display_name, user.state)

        ``await integration.list()`` is a tuple of them. What reads them raises an `OSError` if the
        store can't be read.
        """
        return UserList(lambda: self._each(account))

    async def counts(self) -> UserCounts:
        """Count the users, by their state.

        Raises:
            OSError: The store can't be read.
        """
        return await self._store.counts(self._keyring.first)

    async def connect(self, tokens: Tokens, account: str | None = None) -> ConnectedUser:
        """Connect the person whose tokens these are, from elsewhere, as of a service app.

        `allow` isn't asked.

        Raises:
            APIError: Webex refuses the access token, or responded with another error status.
            TransportError: No response arrived.
            RuntimeError: The integration hasn't been started, or has ended.
            OSError: The store can't be used.
        """
        check_type("tokens", tokens, Tokens)
        return await self._connect(tokens, account)

    async def disconnect(self, person_id: str) -> bool:
        """Let somebody leave.

        From now on nobody gets a client for them, and no handler begins. A look deletes their
        webhooks, in an outage for up to seven days. Then the store has nothing of them, and the
        function of `on_disconnect` runs. The inbox keeps what has failed until it is dropped, and a
        job until it is due.

        Returns:
            False for somebody who isn't stored, or who leaves already.

        Raises:
            RuntimeError: The integration hasn't been started, or has ended.
            OSError: The store can't be used.
        """
        self._check_running()
        is_new = False

        def leave(user: User | None) -> Change | None:
            nonlocal is_new
            is_new = user is not None and user.row.state != "leaving"
            if user is None or not is_new:
                return None
            return Change(in_state(user.details, "leaving", self._clock.now()), due_in=0.0)

        await self._users.change(check_not_empty("person_id", person_id), leave)
        self._looks.wake()
        return is_new

    async def enqueue(
        self, name: str, value: object, *, person_id: str, **options: Unpack[JobOptions]
    ) -> bool:
        """Store a job of somebody, as `Bot.enqueue` does; a handler of `job` runs it.

        Keys are of each user. The errors are those of `Bot.enqueue`; an empty `person_id` is a
        `ValueError`, and an integration that isn't running a `RuntimeError`.
        """
        self._check_running()
        if name not in self._selection.jobs:
            raise ValueError(
                f"no job {name!r} is registered: write @integration.job({name!r}) on a handler"
            )
        person = check_not_empty("person_id", person_id)
        return await enqueue(
            self._worker, name, value, options, now=self._clock.now(), person=person
        )

    async def cancel(
        self, name: str, *, person_id: str, key: str, transaction: object = None
    ) -> bool:
        """Remove a job of somebody that was enqueued with a key, as `Bot.cancel` does.

        The errors are those of `Bot.cancel`, and of `enqueue`.
        """
        self._check_running()
        person = check_not_empty("person_id", person_id)
        return await cancel(self._worker, name, key, transaction=transaction, person=person)

    async def _disconnect(self, account: str) -> None:
        async for user in self._each(account):
            await self.disconnect(user.person_id)

    async def _start(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # it is waited for
            await self._store.counts(self._keyring.first)
        self._app.open()
        self._worker.outage = _Outage(self._app, self._clock)
        await self._life.begin(self)
        self._selection.state = self._life.state
        await self._worker.open()
        self._looking = asyncio.create_task(self._looks.run())

    async def _stop(self) -> None:
        looking, self._looking = self._looking, None
        try:
            if looking is not None:
                looking.cancel()
                await asyncio.wait([looking])
            await self._worker.aclose()
            await self._keeper.aclose()
        finally:
            try:
                await self._life.end()
            finally:
                await self._app.aclose()
                await self._store.aclose()
                await self._inbox.aclose()

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._app.is_open:
            logger.error("refused a request: %s", NOT_RUNNING)
            await send_response(send, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        page = await self._pages.respond(scope)
        if page is not None:
            await page.send(send)
            return
        headers = tuple(scope["headers"])
        try:
            body = await receive_body(headers, receive, limit=_MAX_BODY)
        except BodyTooLargeError:
            logger.warning("refused a request: its body is larger than %d bytes", _MAX_BODY)
            await send_response(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        except ClientDisconnectError:
            return
        await send_response(send, await self._received(body, headers))

    async def _received(self, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> HTTPStatus:
        """Store a notification, if it is one; return the status of the response."""
        try:
            notification = parse_unverified_notification(body)
            person = comparable(notification.created_by or "")
            secrets = [self._keyring.secret_of(person, each).encode() for each in self._keyring.ids]
            verify_with_keys(body, headers, secrets if person else (), SignatureAlgorithm.SHA1)
        except (PayloadError, SignatureError) as error:
            logger.warning("refused a request: %s", error)
            return HTTPStatus.UNAUTHORIZED
        if self._worker.is_open and await self._worker.accept(notification, body):
            return HTTPStatus.NO_CONTENT
        return HTTPStatus.SERVICE_UNAVAILABLE

    @asynccontextmanager
    async def _opened(self, person_id: str) -> AsyncGenerator[tuple[User, Client]]:
        self._check_running()
        user = await self._users.get(check_not_empty("person_id", person_id))
        if user is None:
            raise NotConnectedError(person_id, "unknown")
        if user.row.state != "connected":
            raise NotConnectedError(user.public.person_id, user.row.state)
        async with self._client_of(user) as client:
            yield user, client

    @asynccontextmanager
    async def _client_of(self, user: User, *, may_leave: bool = False) -> AsyncGenerator[Client]:
        token = UserToken(self._keeper, user, may_leave=may_leave)
        client = self._app.client_with(token)
        try:
            yield client
        except BaseException:
            person = user.row.person
            hooks = (self._keyring.secret_of(person, each) for each in self._keyring.ids)
            self._failed.append((*token.secrets(), *hooks))
            raise
        finally:
            await client.aclose()

    def _hidden(self) -> tuple[str, ...]:
        """Return the secrets of users whose handlers have failed, which no error may show."""
        return tuple(secret for each in self._failed for secret in each)

    async def _connect(
        self,
        tokens: Tokens,
        account: str | None,
        *,
        allow: AllowUser | None = None,
        refusal: str | None = None,
    ) -> ConnectedUser:
        async with self._app.client_with(tokens.access_token) as client:
            me = await client.get("people/me", into=Person)
        public = ConnectedUser(
            person_id=me.id,
            email=me.emails[0] if me.emails else None,
            display_name=me.display_name,
            account=account,
            since=self._clock.now(),
        )
        if allow is not None and not await decision("allow", allow, public):
            raise RefusedError(HTTPStatus.FORBIDDEN, refusal or _REFUSAL)

        def connect(before: User | None) -> Change:
            details = Details(user=public, tokens=tokens)
            if before is not None:
                names, named_by = before.details.names, before.details.named_by
                details = evolve(details, names=names, named_by=named_by)
            return Change(details, due_in=LOOK_SECONDS)

        user = await self._users.change(me.id, connect)
        if user is not None:  # pragma: no branch - it was stored
            await self._looks.look_soon(user, _SECONDS_FOR_WEBHOOKS)
        return public

    async def _each(self, account: str | None) -> AsyncIterator[ConnectedUser]:
        async for user in self._users.each(account):
            yield user.public

    def _webhooks(self, secret: str) -> tuple[NewWebhook, ...]:
        watched = dict.fromkeys(watched_by(self._selection.handlers))
        return tuple(
            NewWebhook(
                name=f"{self._name}:{resource}:{event}",
                target_url=f"{self.public_url}/notifications",
                resource=resource,
                event=event,
                secret=secret,
                owned_by=self._owned_by,
            )
            for resource, event in watched
            if event == Event.ALL or (resource, Event.ALL) not in watched
        )

    async def _lose(self, details: Details) -> None:
        if "on_lost" in self._on:
            await self._store_own("on_lost", details.grant, details, {"user": details.user})

    async def _welcome(self, user: User) -> None:
        if "on_connect" in self._selection.jobs:
            await self._store_own("on_connect", user.details.connection, user.details, None)

    async def _part(self, user: User) -> None:
        details = user.details
        value = {"user": details.user, "connection": details.connection}
        await self._store_own("on_disconnect", details.connection, details, value)

    async def _store_own(self, name: str, key: str, details: Details, value: object) -> None:
        """Store one of the integration's own jobs, once for each key."""
        person = details.user.person_id
        body = body_of_job(name, unstructure(value), None, self._clock.now(), person=person)
        await self._worker.woken_by(self._worker.inbox.put(key_of_job("own", name, key), body))

    async def _run_on_lost(self, job: Notification[Any]) -> None:
        await self._on["on_lost"](structure(job.data["value"]["user"], ConnectedUser))

    async def _run_on_disconnect(self, job: Notification[Any]) -> None:
        value = job.data["value"]
        user = structure(value["user"], ConnectedUser)
        has_left = await once("removed", lambda: self._remove(user, value["connection"]))
        if has_left and (handler := self._on.get("on_disconnect")):
            await handler(user)

    async def _remove(self, leaving: ConnectedUser, connection: str) -> bool:
        while True:
            user = await self._users.get(leaving.person_id)
            if user is None:
                return True
            if user.row.state != "leaving" or user.details.connection != connection:
                return False  # who has connected again
            if await self._store.remove(user.row.person, user.row.version):
                return True

    def _register_job(self, name: str, handler: "J", attempts: int | None) -> "J":
        self._check_handler(name, handler, "the context", self._selection.jobs)
        self._selection.jobs[name] = Job(None, None, handler, name, attempts)
        return handler

    def _register_on(self, name: str, handler: "U") -> "U":
        self._check_handler(name, handler, "the user", self._on)
        self._on[name] = handler
        return handler

    def _check_handler(self, name: str, handler: object, what: str, there: Container[str]) -> None:
        check_function(f"the handler of {name}", handler, f"one argument, {what}", 1)
        self._check_is_open()
        if name in there:
            raise ValueError(f"{name} has a handler already")

    def _check_is_open(self) -> None:
        if self._is_started:
            raise RuntimeError("it is too late: register all handlers before the start")

    def _check_running(self) -> None:
        if not self._app.is_open:
            raise RuntimeError(NOT_RUNNING)


class UserList:
    """The users of an integration: iterate it, or await it for all of them."""

    def __init__(self, each: Callable[[], AsyncIterator[ConnectedUser]]) -> None:
        self._each = each

    def __aiter__(self) -> AsyncIterator[ConnectedUser]:
        return self._each()

    def __await__(self) -> Generator[Any, None, tuple[ConnectedUser, ...]]:
        async def users() -> tuple[ConnectedUser, ...]:
            return tuple([each async for each in self])

        return users().__await__()


class _Outage(Outage):
    """An outage of Webex; a rate limit is that of one user."""

    async def has_caused(self, error: BaseException) -> bool:
        return not exceptions_in(error, RateLimitError) and await super().has_caused(error)


def _checked_public_url(url: str) -> str:
    check_text("public_url", url)
    parts = absolute_url(url)
    if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("public_url must be an absolute URL, without a query and a fragment")
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"public_url must be https, or on loopback, got {url!r}")
    return url.rstrip("/")


def _check_attempts(attempts: int | None) -> None:
    if attempts is not None:
        check_count("attempts", attempts)


def _store_in(place: str) -> UserStore:
    if (conninfo := conninfo_in(place)) is not None:
        from webex_webhooks_async.integration.postgres_store import PostgresUserStore  # noqa: PLC0415 - an extra

        return PostgresUserStore(conninfo)
    from webex_webhooks_async.integration.sqlite_store import SQLiteUserStore  # noqa: PLC0415 - as above

    return SQLiteUserStore(place)


_VARIABLES = (
    environment.WEBEX_CLIENT_ID,
    environment.WEBEX_CLIENT_SECRET,
    environment.WEBEX_SCOPES,
    environment.WEBEX_ENCRYPTION_KEYS,
    environment.WEBEX_PUBLIC_URL,
    environment.WEBEX_USER_STORE,
    environment.WEBEX_INTEGRATION_INBOX,
)
_OWN_JOBS = ("on_connect", "on_lost", "on_disconnect")  # which it stores by itself
_REFUSAL = "This account can't be connected."
_MAX_BODY = 1_048_576
_SECONDS_FOR_WEBHOOKS = 5.0
_REMEMBERED = 16  # users whose handlers have failed, besides those at the moment
