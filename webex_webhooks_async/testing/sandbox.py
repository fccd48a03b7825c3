"""The sandbox, a local Webex simulator: what a test calls. A bot calls `service/`."""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any, ClassVar

import attrs
import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from webex_webhooks_async.handling.sandbox_reports import watchers
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications import identity
from webex_webhooks_async.receiving.activity import activities
from webex_webhooks_async.serialization.converter import structure
from webex_webhooks_async.testing.delivering.chaos import Chaos
from webex_webhooks_async.testing.delivering.deliveries import MAX_RECORDED, DeliveryService
from webex_webhooks_async.testing.delivering.delivery import Delivery
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.delivering.replies import (
    Replies,
    describe_deliveries,
    describe_words,
    raise_all,
)
from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.loopback_server import serve_on_loopback
from webex_webhooks_async.testing.page_server.page_actions import PageActions
from webex_webhooks_async.testing.page_server.web_app import WebApp
from webex_webhooks_async.testing.requests import Entrance, InProcessTransport, RecordedRequest
from webex_webhooks_async.testing.service import attachment_actions, cards, documents, messages
from webex_webhooks_async.testing.service.application import application
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.formats import system_clock
from webex_webhooks_async.testing.service.responses import RefusedCallError
from webex_webhooks_async.testing.service.sandbox_person import (
    BOT_EMAIL,
    BOT_NAME,
    SandboxPerson,
    fake_person,
)
from webex_webhooks_async.testing.service.state import DIRECT, Json, State
from webex_webhooks_async.testing.service.token_store import TokenRules
from webex_webhooks_async.testing.target import Target
from webex_webhooks_async.testing.variables import environment
from webex_webhooks_async.validation import (
    check_flag,
    check_not_empty,
    check_text,
    check_type,
    seconds_of,
)

_MAX_BODY = 1_000_000  # bytes of a request that are kept
_POLL_SECONDS = 0.01
_ORIGIN = "https://bot.example.com"


class Sandbox:
    """A local Webex simulator that a bot can live in.

    It has one bot, and any number of persons, rooms and messages. An access token
    ``person:ann@example.com`` is that person's; every other non-empty token is the bot's, unless it
    was granted after `authorize_as`. A person exists as soon as somebody uses the address. The
    first message between two makes their direct room.

    If Webex's own behavior isn't documented, the sandbox does what helps most in tests:

    * Lists are in the order of creation, rooms and messages in the opposite order. Without
      ``ownedBy``, the list of webhooks has both kinds. Everyone sees only their own webhooks.
    * A webhook equal to another one is accepted. The number of webhooks isn't limited.
    * A PUT without a secret, or with an empty one, keeps the secret. It may set ``inactive``.
    * Unknown resources and events are accepted, because Webex adds new ones. A known event that a
      known resource doesn't have is refused, and so is an unknown key of a filter.
    * A message may be a plain form, not JSON alone, because many published programs send one.
    * Inputs that a card can't submit are refused, so that a test doesn't misspell one.
    * A notification is sent once, within `delivery_timeout`; a failed one isn't sent again. With
      `chaos`, some are late, come twice or are lost.
    * A person who writes into a group room, or is mentioned there, joins it:
      ``memberships.created`` is notified before the message. Only the bot has to be a member before
      it can write.
    * When a team is deleted, the members of its rooms are notified, as of any deleted room. Nobody
      is notified of an edit.
    * ``GET /people`` finds everyone who could have an address, as a message to it introduces a
      person. An address in ``.invalid`` is nobody's.
    * Webhooks are notified of what their owner can see. In a group room the bot sees and can read
      only messages that mention it, and its own; it can list only those that mention it.

    >>> sandbox = Sandbox()
    >>> async with sandbox.http_client() as http_client:
    ...     page = await Client("any-token", http_client=http_client).webhooks.list()
    >>> page.items
    ()

    Args:
        clock: Returns the current time, aware: for timestamps, and for when a webhook is switched
            off. By default it is the machine's.
        sleep: Waits for the delay of a fault, or of a delivery that is late, in seconds.
        on_request: Is called with each request when its response begins, before what follows from
            it.
        on_delivery: Is called with each attempt to deliver a notification, after its outcome.
        deliver_with: Notifications go through this client, whatever host they go to; it stays
            open.
        allow_remote: Whether notifications may leave this machine. By default only loopback is
            called; a webhook with another host gets a failed `Delivery`. `deliver_to` and
            `deliver_with` don't need it. Requests to a sandbox that is served may then name
            another host, too.
        delivery_timeout: Seconds, or a `timedelta`, that a target has for its response.
        bot: The bot's address or person; by default ``sandbox@webex.bot``. Its organization is that
            of everyone who wasn't given another one.
        raise_handler_errors: Whether `say`, `submit`, `emit` and `redeliver` raise what a handler
            of an application in process raised, as far as `on_error` of its receiver would get it;
            `next_reply` raises what one raises after the response, from an inbox, or in a job. An
            application is in process with `deliver_to`. A delivery that follows from a request,
            such as one of the bot, raises nothing.
        token_life: Seconds for which an access token is valid that is granted, by `clock`; a
            `timedelta` as well. By default all are, until they are revoked.
        rotate: Whether a refresh gives another refresh token, and ends the one that it was asked
            with.
        client_secret: The secret of the clients that ask for tokens; another one is refused with
            ``invalid_client``. By default any is accepted.
        private: Whether what belongs to somebody, as a meeting does, is in nobody else's lists, and
            a 404 for others: whose webhooks are notified of it may read it. By default everybody
            may.
        chaos: Any number, by which some deliveries aren't as one hopes. About 20 of 100 are up to a
            second late, and others overtake them; 10 come twice, with the same bytes; and 1 is
            lost, which counts as no failure. It depends on this number and on how many deliveries
            came before. By default each is sent once, at once.

    Attributes:
        base_url: The base URL of `http_client`, which reaches the sandbox at any other host, too.
        bot: The bot; its id is the ``created_by`` of the webhooks that it creates.

    Raises:
        ValueError: `delivery_timeout` or `token_life` isn't positive, or not finite, or
            `client_secret` is empty.
        TypeError: An argument has a wrong type.
    """

    base_url: ClassVar[str] = BASE_URL

    def __init__(  # noqa: PLR0913 - each is an option of its own
        self,
        *,
        clock: Callable[[], datetime] = system_clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        on_request: Callable[[RecordedRequest], None] | None = None,
        on_delivery: Callable[[Delivery], None] | None = None,
        deliver_with: httpx.AsyncClient | None = None,
        allow_remote: bool = False,
        delivery_timeout: float | timedelta = 10.0,
        bot: SandboxPerson | None = None,
        raise_handler_errors: bool = True,
        token_life: float | timedelta | None = None,
        rotate: bool = False,
        client_secret: str | None = None,
        private: bool = False,
        chaos: int | None = None,
    ) -> None:
        check_flag("rotate", rotate)
        check_flag("private", private)
        check_type("bot", bot, SandboxPerson, NoneType)
        check_type("chaos", chaos, int, NoneType)
        self.bot: SandboxPerson = bot or SandboxPerson(emails=[BOT_EMAIL], display_name=BOT_NAME)
        self._on_request = on_request
        if client_secret is not None:
            check_not_empty("client_secret", client_secret)
        life = None if token_life is None else seconds_of("token_life", token_life)
        rules = TokenRules(life=life, rotate=rotate, client_secret=client_secret)
        self._state = State(bot=self.bot, clock=clock, rules=rules, private=private)
        self._someone: SandboxPerson | None = None
        self._faults = Faults()
        self._requests: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED)
        self._events = EventStream(self._state)
        self._replies = Replies(self._state, raise_handler_errors=raise_handler_errors)
        self._delivery_service = DeliveryService(
            state=self._state,
            events=self._events,
            replies=self._replies,
            http_client=deliver_with,
            allow_remote=allow_remote,
            timeout=seconds_of("delivery_timeout", delivery_timeout),
            on_delivery=on_delivery,
            chaos=Chaos(chaos),
            sleep=sleep,
        )
        self._allow_remote = allow_remote
        service = application(self._state, self._delivery_service.announce)
        self._entrance = Entrance(
            service, faults=self._faults, sleep=sleep, record=self._record_request
        )
        self._unrecorded = Entrance(
            service, faults=Faults(), sleep=sleep, record=lambda _request, _response: None
        )

    @property
    def raise_handler_errors(self) -> bool:
        """As the argument; a test may set it. A failure while it is false is never raised."""
        return self._replies.raise_handler_errors

    @raise_handler_errors.setter
    def raise_handler_errors(self, value: bool) -> None:
        self._replies.raise_handler_errors = value

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """Everyone's webhooks, oldest first."""
        return tuple(self._state.webhooks)

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, oldest first.

        Raises:
            DecodeError: A message that was reported with `emit` isn't a `Message`.
        """
        return tuple(self._message(each) for each in self._state.messages)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last requests, oldest first, including those that got no response.

        The first megabyte of a body, such as that of an upload, is kept.
        """
        return tuple(self._requests)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The last attempts to deliver a notification, oldest first."""
        return self._delivery_service.deliveries

    def http_client(self) -> httpx.AsyncClient:
        """A client that reaches the sandbox in process, without a socket. Close it after use."""
        return httpx.AsyncClient(
            base_url=self.base_url, transport=InProcessTransport(self._entrance), trust_env=False
        )

    @asynccontextmanager
    async def serve(self, *, port: int = 0, page: bool = False) -> AsyncGenerator[str, None]:
        """Serve the sandbox on loopback while the block runs, for clients in any language.

        The URLs of files in `messages`, and of what `next_reply` returns, are then below its URL.

        Requests must name this machine as their host, unless the sandbox has `allow_remote`. At the
        end, an application of `deliver_to` finishes what it is notified of.

        Args:
            port: The port to listen on; 0 takes a free one.
            page: Whether a page for the browser is served at ``/``: it talks to the bot, and shows
                the requests and the deliveries.

        Yields:
            The base URL, such as ``http://127.0.0.1:8900/v1``.

        Raises:
            OSError: The port is taken, or may not be used.
            ValueError: `port` isn't from 0 to 65535.
        """
        web_app = WebApp(
            self._entrance,
            unrecorded=self._unrecorded,
            events=self._events,
            actions=PageActions(self._state, self._events, self._faults, self._delivery_service),
            page=page,
            allow_remote=self._allow_remote,
        )
        self._delivery_service.is_served = True
        await self._delivery_service.warm_up()
        async with serve_on_loopback(web_app, port) as origin:
            self._state.base_url = f"{origin}/v1"
            try:
                yield self._state.base_url
            finally:
                self._state.base_url = self.base_url
                await self._delivery_service.finish()

    @asynccontextmanager
    async def run(self, target: str) -> AsyncGenerator[Any, None]:
        """Run a program in this process while the block runs, and deliver to it.

        ::

            async with webex_sandbox.run("bot:bot") as bot:
                await webex_sandbox.say("Hello")

        It serves the sandbox, and sets those variables of `Bot.from_env` and `Integration.from_env`
        that aren't set. It imports the modules in the program's folder again, and starts the
        application as a server does. At the end, modules and variables are as they were before.
        ``WEBEX_BASE_URL`` is the sandbox's in any case, and no proxy is set. An inbox is the
        program's own, or that of the fixture `webex_inbox`. Of two that overlap, the second has to
        end first.

        Args:
            target: As for ``webex-webhooks dev``: a module or a file; after a colon, the
                application or a function that makes it.

        Yields:
            The application.

        Raises:
            ValueError: The file or the application doesn't exist, or it could be several.
            ModuleNotFoundError: No module has this name.
            TypeError: `target` isn't a string.
            RuntimeError: The application says why it doesn't start.
            Exception: The program's own error, from its import to its end.
        """
        from webex_webhooks_async.testing import program  # noqa: PLC0415 - most sandboxes run none

        check_text("target", target)
        parsed = Target.parse(target)
        async with AsyncExitStack() as stack:
            base_url = await stack.enter_async_context(self.serve())
            folder = stack.enter_context(TemporaryDirectory(prefix="webex-webhooks-test-"))
            stack.enter_context(environment(base_url, _ORIGIN, folder))
            app = stack.enter_context(program.imported(parsed))
            program.find_mounts(app, _ORIGIN)
            state: dict[str, object] = {}

            async def respond(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": {**state}}, receive, send)

            stack.callback(self.deliver_to, self._delivery_service.app)
            self.deliver_to(respond)
            await stack.enter_async_context(program.running(app, state))
            yield app

    def deliver_to(self, app: ASGIApp | None) -> None:
        """Deliver notifications to an ASGI application in process, until ``deliver_to(None)``.

        It gets the notifications of all webhooks, whatever host they name; host, path and query
        stay as they are in the webhook. It takes precedence over `deliver_with`.

        >>> sandbox.deliver_to(Receiver("a-secret"))
        >>> sandbox.deliver_to(None)

        Raises:
            TypeError: `app` isn't callable.
        """
        if app is not None and not callable(app):
            raise TypeError(f"app must be an ASGI application or None, got {type(app).__name__}")
        self._delivery_service.app = app
        watchers[identity.RESOURCE] = self._replies

    async def emit(
        self,
        resource: str,
        event: str,
        *,
        data: Mapping[str, Any] | None = None,
        actor_id: str | None = None,
        owner: SandboxPerson | str | None = None,
    ) -> list[Delivery]:
        """Report an event, and notify each active webhook that watches for it.

        The reported data is stored: GET by id finds it for every resource with a REST path, until
        it is reported as ``deleted``. The room of a message, a membership or an attachment action
        exists from then on, with the bot and the actor as members. Unlike what is said with `say`,
        a message is notified and readable without a mention, in a group room as well.

        >>> await sandbox.emit("messages", "created", data={"text": "Hello"})  # nobody watches
        []

        Args:
            resource: A concrete resource, not ``all``. Any word is accepted.
            event: A concrete event, not ``all``. Any word is accepted.
            data: The notification's data, by the keys on the wire, laid over what is stored with
                this id, or over a sample that is distinct each time; a value of None leaves a key
                out. For a resource without a documented shape it is all the data. Fields that Webex
                doesn't put into a notification (``text``, ``markdown``, ``html`` and
                ``attachments`` of a message, ``inputs`` of an attachment action) are only stored.
            actor_id: The person who acts; by default the one whom `data` names, or a fake one. With
                ``sandbox.bot.id`` it is the bot's own action.
            owner: Whose it is: an address, the id of a known person, or a `SandboxPerson`. Only
                the webhooks that this person created are notified, and those of the organization.
                By default a meeting, a recording or a transcript is that of the person in its
                ``hostUserId``, and a call that of the one in its ``personId``, if the sandbox knew
                that person before; otherwise everyone's webhooks are notified.

        Returns:
            One attempt for each webhook, oldest first. Failed ones aren't repeated.

        Raises:
            ValueError: The resource or the event is ``all``: no notification says that. Or `owner`
                is an unknown id.
            TypeError: `owner` is something else.
            Exception: The error of a handler, with `raise_handler_errors`; an `ExceptionGroup` of
                several. All deliveries are made before.
        """
        with _refusal_as_value_error():
            known = None if owner is None else self._known(owner)
        event_ = documents.emit(self._state, resource, event, data, actor_id=actor_id, owner=known)
        return await self._deliver([event_])

    async def say(  # noqa: PLR0913 - what there is to know of a message
        self,
        text: str,
        *,
        person: SandboxPerson | str | None = None,
        room_id: str | None = None,
        parent_id: str | None = None,
        mention: SandboxPerson | str | Iterable[SandboxPerson | str] | None = None,
        files: Iterable[File] = (),
    ) -> list[Delivery]:
        """Write a message to the bot, or into a room.

        The bot finds the message at ``GET /messages/{id}``, and replies with ``POST /messages``;
        `messages` has both.

        >>> await sandbox.say("Hello, bot!", person="ann@example.com")  # nobody watches
        []
        >>> [message.text for message in sandbox.messages]
        ['Hello, bot!']

        Args:
            text: The text; it may be empty if there are files. With a mention, the names of the
                mentioned persons come first.
            person: The author: an address, the id of a known person, or a `SandboxPerson`. By
                default the other member of a direct room, or else one fake person, the same each
                time.
            room_id: The room; by default the direct room of `person`.
            parent_id: The first message of the thread that this one belongs to; it replies to that
                one. Its room is the default of `room_id`.
            mention: Whom the message mentions, such as ``sandbox.bot``: one or several persons.
            files: The files of the message; everyone who can see the message can download them.

        Returns:
            The attempts for each webhook, as `emit` returns them; first those for a direct room
            that is new, and for a person who joins a room.

        Raises:
            ValueError: The text is empty; a person or the room is unknown; the person isn't a
                member of a direct room; the bot would write to itself; the message of `parent_id`
                is unknown, a reply itself, or in another room.
            TypeError: An argument has a wrong type.
            Exception: As for `emit`.
        """
        check_text("text", text)
        check_type("room_id", room_id, str, NoneType)
        check_type("parent_id", parent_id, str, NoneType)
        attached = tuple(files)
        for each in attached:
            check_type("each of files", each, File)
        if not (text or attached):
            raise ValueError("text must not be empty")
        parent = self._state.messages.get(parent_id or "")
        if room_id is None and parent is not None:
            room_id = parent["roomId"]
        with _refusal_as_value_error():
            room = None if room_id is None else messages.find_room(self._state, room_id)
            author = self._author(person, room)
            if room is None:
                if author.id == self.bot.id:
                    raise ValueError(
                        "the bot can't write to itself: pass room_id or another person"
                    )
                room = self._state.direct_room(author, self.bot)
            content = messages.spoken(text, self._mentioned(mention), attached, parent_id)
            events = messages.post(self._state, author, room, content)
        return await self._deliver(events)

    async def submit(
        self,
        message_id: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        press: str | None = None,
        person: SandboxPerson | str | None = None,
    ) -> list[Delivery]:
        """Press a button of a card that the bot posted.

        The bot finds what it submits at ``GET /attachment/actions/{id}``: the button's ``data``,
        the inputs that are filled in, and the others that have a ``value`` in the card. A button
        in an ``Action.ShowCard`` submits its own card and those around it.

        Args:
            message_id: The id of the message with the card.
            inputs: The values that are filled in, by the ids of the card's inputs. The values of
                the button's ``data`` may be repeated.
            press: The title of the button; needed if the card has several.
            person: The person who submits, as in `say`.

        Returns:
            The attempts for each webhook, as `emit` returns them.

        Raises:
            ValueError: The message is unknown or has no card; the card doesn't have the button, or
                has several and `press` doesn't say which; it doesn't have one of the inputs, or a
                choice of it; a date isn't one; the button's data has another value; the person is
                unknown, or isn't a member of the message's direct room.
            TypeError: An argument has a wrong type, such as a message in place of its id.
            Exception: As for `emit`.
        """
        check_type("message_id", message_id, str)
        check_type("inputs", inputs, Mapping, NoneType)
        check_type("press", press, str, NoneType)
        with _refusal_as_value_error():
            message = self._state.messages.get(message_id)
            if message is None:
                raise ValueError(f"no message has the id {message_id!r}")
            values = cards.submitted(attachment_actions.cards_of(message), inputs or {}, press)
            room = messages.find_room(self._state, message["roomId"])
            author = self._author(person, room)
            events = messages.join(self._state, room, author)
            events.append(attachment_actions.submit(self._state, author, message, values))
        return await self._deliver(events)

    async def next_reply(self, timeout: float | timedelta = 5.0) -> Message:  # noqa: ASYNC109 - of a test
        """Wait so many seconds at most for the next message of the bot, in any room.

        Each message is returned once, oldest first, also one that the bot wrote before the call.

        >>> hello = {"toPersonEmail": "ann@example.com", "text": "Hello, Ann!"}
        >>> async with sandbox.http_client() as http_client:
        ...     message = await Client("any-token", http_client=http_client).post(
        ...         "messages", json=hello
        ...     )
        >>> (await sandbox.next_reply()).text
        'Hello, Ann!'

        Raises:
            TimeoutError: The bot didn't write one. It says what the bot was notified of, how it
                responded, and what it has said since somebody last said something.
            ValueError: `timeout` is negative, or longer than a century.
            Exception: The error of a handler after the response, from an inbox or in a job, with
                `raise_handler_errors`: each failure once, before a message.
        """
        seconds = seconds_of("timeout", timeout, or_zero=True)
        message = await self._replies.next(seconds)
        if message is None:
            notified = describe_deliveries(self.bot, self.deliveries)
            said = describe_words(self._state)
            raise TimeoutError(f"no reply within {seconds:g} seconds; {notified}{said}")
        return self._message(message)

    async def idle(self, timeout: float | timedelta = 5.0) -> None:  # noqa: ASYNC109 - of a test
        """Wait so many seconds at most until everything that was said has been handled.

        Then no delivery is under way, no handler of a receiver in this process runs, and nothing
        in the inboxes of these receivers is due; what is due later isn't waited for. A receiver or
        a bot counts from its start to its end.

        >>> await sandbox.say("Hello", person="ann@example.com")  # nobody watches
        []
        >>> await sandbox.idle()

        Raises:
            TimeoutError: Something still runs; the text names it.
            ValueError: `timeout` is negative, or longer than a century.
            Exception: As for `next_reply`, as soon as a handler has failed.
        """
        seconds = seconds_of("timeout", timeout, or_zero=True)
        busy = await self._unfinished()
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                while busy:
                    await asyncio.sleep(_POLL_SECONDS)
                    busy = await self._unfinished()
        except TimeoutError:
            if not limit.expired():  # it is that of a handler
                raise
            raise TimeoutError(f"not idle within {seconds:g} seconds: {', '.join(busy)}") from None

    async def _unfinished(self) -> list[str]:
        begun = self._begun()
        unfinished = self._running()
        for each in tuple(activities):
            unfinished += await each.due()
        self._replies.raise_next()
        # What was due may have been taken meanwhile; what has begun meanwhile, and ended, may have
        # made something else due.
        return (
            unfinished or self._running() or ["something has just begun"] * (begun != self._begun())
        )

    def _running(self) -> list[str]:
        of_receivers = (name for each in tuple(activities) for name in each.running())
        return [*self._delivery_service.unfinished(), *of_receivers]

    def _begun(self) -> tuple[int, int]:
        of_receivers = sum(each.begun for each in tuple(activities))
        return self._delivery_service.begun, of_receivers

    async def redeliver(self, delivery: Delivery) -> Delivery:
        """Send a notification to its target once more: a duplicate, as Webex may send one.

        It has the same body and headers. It is recorded, and counts like any delivery.

        Raises:
            TypeError: It isn't a `Delivery`.
            Exception: As for `emit`.
        """
        check_type("delivery", delivery, Delivery)
        attempt = await self._delivery_service.redeliver(delivery, by_api=False)
        raise_all(attempt.errors)
        return attempt.delivery

    def authorize_as(self, person: SandboxPerson | str) -> None:
        """Choose who authorizes at ``/authorize`` from now on, and whose tokens are granted.

        Until then it is the bot, or in a browser whom one chooses there. A request with
        ``login_hint`` is of the person with that address. A token that was granted stays with its
        owner, and so do those that its refresh token is exchanged for.

        Args:
            person: An address, the id of a known person, or a `SandboxPerson`.

        Raises:
            ValueError: The person is unknown.
            TypeError: `person` is something else.
        """
        with _refusal_as_value_error():
            self._state.tokens.chosen = self._known(person)

    def fail(  # noqa: PLR0913 - each is a fault of its own, and they combine
        self,
        *,
        status: int | None = None,
        retry_after: float | str | None = None,
        body: bytes | str | Mapping[str, Any] | Sequence[Any] | None = None,
        drop: bool = False,
        delay: float = 0.0,
        execute: bool = False,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Make the next requests fail.

        Faults are applied in the order of the calls, one to each request.

        >>> sandbox.fail(status=429, retry_after=1, times=2)
        >>> sandbox.fail(drop=True, execute=True)  # executed, but the response is lost
        >>> sandbox.fail(delay=60)  # executed at once, with a late response
        >>> sandbox.fail(status=423, retry_after=1, path="/contents")

        Args:
            status: Respond with this status: 200 to 599.
            retry_after: Send this ``Retry-After``: seconds, or the header's raw text.
            body: Respond with this body: text or bytes as they are, anything else as JSON. By
                default it is Webex's error body. Without a status, the status is 200.
            drop: Drop the connection without a byte of a response.
            delay: Wait this many seconds first. Alone, it delays the real response.
            execute: Execute the operation all the same, before the delay, so that only its
                response is lost or replaced.
            times: Apply the fault to this many requests; None for all from now on.
            method: Apply it to requests of this HTTP method only.
            path: Apply it to this path and those below it only, such as ``messages`` or
                ``/messages``, without ``/v1``.

        Raises:
            ValueError: An argument makes no sense, alone or together with the others.
            TypeError: `path` isn't a string.
        """
        fault = Fault(
            status=status,
            retry_after=retry_after,
            body=body,
            drop=drop,
            delay=delay,
            execute=execute,
            method=method,
            path=path,
        )
        self._faults.add(fault, times)

    def clear_faults(self) -> None:
        """Remove all pending faults."""
        self._faults.clear()

    def revoke(self, token: str) -> None:
        """Respond with 401 to this access token from now on; refuse this refresh token.

        Raises:
            ValueError: The token is empty.
            TypeError: It isn't a string.
        """
        check_text("token", token)
        if not token:
            raise ValueError("token is empty; pass the access or refresh token to refuse")
        self._state.tokens.revoke(token)

    def revoke_user(self, person: SandboxPerson | str) -> None:
        """End all that a person has authorized: refuse each token that was granted, and each code.

        ``DELETE /authorizations?clientId=`` with a token of the person does so for one client. The
        argument and the errors are those of `authorize_as`.
        """
        with _refusal_as_value_error():
            self._state.tokens.end_grants(self._known(person))

    async def _deliver(self, events: Sequence[WebexEvent]) -> list[Delivery]:
        attempts = await self._delivery_service.deliver(events, by_api=False)
        raise_all([error for attempt in attempts for error in attempt.errors])
        return [attempt.delivery for attempt in attempts]

    def _message(self, document: Json) -> Message:
        return structure(self._state.seen_by(None, document), Message)

    def _author(self, person: SandboxPerson | str | None, room: Json | None) -> SandboxPerson:
        if person is not None:
            return self._known(person)
        others = frozenset[str]()
        if room is not None and room["type"] == DIRECT:
            others = self._state.members(room["id"]) - {self.bot.id}
        for each in self._state.persons:
            if each.id in others:
                return each
        if self._someone is None:
            self._someone = self._state.introduce(fake_person())
        return self._someone

    def _known(self, person: SandboxPerson | str) -> SandboxPerson:
        check_type("person", person, SandboxPerson, str)
        if isinstance(person, str):
            return self._state.named(person)
        person = self._state.of_an_organization(person)
        known = self._state.persons.find(person.id)
        return self._state.named(person.id) if known == person else self._state.introduce(person)

    def _mentioned(
        self, mention: SandboxPerson | str | Iterable[SandboxPerson | str] | None
    ) -> tuple[SandboxPerson, ...]:
        if mention is None:
            return ()
        check_type("mention", mention, SandboxPerson, str, Iterable)
        persons = [mention] if isinstance(mention, SandboxPerson | str) else mention
        return tuple(self._known(each) for each in persons)

    def _record_request(self, request: RecordedRequest, response: bytes) -> None:
        self._requests.append(attrs.evolve(request, body=request.body[:_MAX_BODY]))
        self._events.record_request(request, response)
        if self._on_request is not None:
            self._on_request(request)


@contextmanager
def _refusal_as_value_error() -> Generator[None, None, None]:
    try:
        yield
    except RefusedCallError as error:
        raise ValueError(str(error)) from None
