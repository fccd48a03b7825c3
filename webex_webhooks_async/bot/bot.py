"""The application of a bot: it starts, receives, passes on to the handlers, and ends."""

import asyncio
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast
from urllib.parse import urlsplit

from webex_webhooks_async.bot.access import Access, Allow, check_access, check_reply, decision
from webex_webhooks_async.bot.answers import Answers
from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    JobContext,
    JobOptions,
    MessageContext,
    SubmissionContext,
    age_of,
)
from webex_webhooks_async.bot.contexts.mentions import text_without_mention
from webex_webhooks_async.bot.contexts.questions import (
    Conversation,
    Questions,
    context_of,
    known_in,
)
from webex_webhooks_async.bot.contexts.writing import SendOptions, delete, edit, send
from webex_webhooks_async.bot.jobs import cancel, enqueue
from webex_webhooks_async.bot.outage import Outage
from webex_webhooks_async.bot.router import BotRouter, Job, Route, Schedule
from webex_webhooks_async.bot.schedules import Schedules, line_of
from webex_webhooks_async.claims import InboxUnavailableError, SharedClaims
from webex_webhooks_async.client.auth import TokenProvider
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.environment import (
    WEBEX_INBOX,
    WEBEX_TARGET_URL,
    WEBEX_WEBHOOK_SECRET,
    token_from_env,
)
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.errors import (
    APIError,
    GoneError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from webex_webhooks_async.formatting import conninfo_in, short_id, storable
from webex_webhooks_async.handling.dispatch import (
    Handler,
    Handling,
    Registration,
    active_handling,
    in_middleware,
    run_each,
)
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, describe, log_debug
from webex_webhooks_async.notifications.identity import schedule_of
from webex_webhooks_async.notifications.signing_secrets import Secrets
from webex_webhooks_async.receiving.lifespan import State
from webex_webhooks_async.receiving.receiver import Receiver, ReceiverOptions
from webex_webhooks_async.validation import (
    check_flag,
    check_keywords,
    check_seconds,
    check_text,
    check_type,
    check_url,
    is_loopback,
)

if TYPE_CHECKING:
    from webex_webhooks_async.bot.webhooks import BotWebhooks
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.handling.records import Records
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class BotOptions(ReceiverOptions, total=False):
    """The arguments of a `Bot` besides the client and the secrets.

    As `ReceiverOptions`, it has those of a `Receiver`.
    """

    name: str
    target_url: str | None
    watch_every: float | None
    allow: Allow | None
    refusal: str | None
    error_reply: str | None
    in_order: bool


class Bot(BotRouter, Receiver):
    """A `Receiver` with handlers of messages and cards, a `Client`, and the webhooks it needs.

    ::

        bot = Bot.from_env()  # bot.py, served by: uvicorn bot:bot

        @bot.command("hello")
        async def hello(context: MessageContext) -> None:
            await context.reply("Hello!")

    It is an ASGI application. When the server starts it, it asks who it is, makes the webhooks
    match its handlers, and keeps them so. If that fails, the server doesn't start, and shows the
    reason. When the server stops it, it finishes what it has accepted or, with an inbox, begun. An
    application that mounts it, or calls `handle`, enters it with ``async with bot:``, which does
    the same. Until then, and after the end, requests get 503, and an ERROR is logged.

    An outage of Webex (a `TransportError`, a `ServerError`, a `RateLimitError`, or a start that
    takes longer than 10 seconds) doesn't end the start: it is an ERROR, and the start goes on in
    the background, after 1, 2, 4 and up to 60 seconds. Until the bot knows itself, requests get 503
    or, with an `inbox`, are stored, and nothing is handled. `is_ready` says when all is done.

    What the bot itself did is ignored. A message, or a submission, is fetched once, and passed to
    the first handler that matches; one that was deleted in the meantime is skipped.

    The response comes after 5 seconds at the latest (`respond_within`), and the handlers go on. A
    handler that fails is logged, and reported to `on_error`; so is data that doesn't fit. The
    response is 204 all the same: Webex documents no second delivery, and 100 failed deliveries
    within five minutes switch the webhook off, for everybody. With an `inbox`, it runs again.

    What isn't said here is that of `Receiver`.

    Args:
        client: A `Client`, which stays open; or an access token or `TokenProvider`, of which the
            bot makes a client for each start, and closes it at the end.
        secrets: As for a `Receiver`. The webhooks get the first one; each look at them asks a
            function again.
        name: What the names of the bot's webhooks begin with. Others that begin with it and a
            colon are deleted.
        target_url: Where Webex posts notifications to; an absolute http(s) URL. Without one, and
            for a bot that has only jobs, no webhook is created, changed or deleted.
        watch_every: Seconds between two looks at the webhooks; `None` for the one at the start.
        allow: A plain or an async function that gets the `Person` who wrote a message or submitted
            a card, and returns whether the handler of it runs. It is asked only where one matches;
            handlers of `on` run in any case. The `Person` may be ten minutes old. If it fails, or
            doesn't return a boolean, nobody is let in, and that is a failure like that of a
            handler.
        refusal: What to reply to a person who may not use the bot, once a day at most; with an
            `inbox`, by all processes that share it. By default nothing.
        error_reply: What to reply to a message or a submission whose handler has failed; with an
            `inbox`, when it is kept as failed, once for each message. It isn't replied after a
            `GiveUpError`, nor to whom `allow` hasn't let in. By default nothing.
        in_order: Whether the messages and submissions of one room are handled one after the other,
            in the order in which they were stored, by all processes that share the `inbox`, which
            it needs. One that failed doesn't hold up its room, and `dispatch` doesn't wait.
        options: The other arguments of `Receiver`.

    Attributes:
        client: The client.

    Raises:
        ValueError: The token or a secret is empty or can't be used, `name` is empty, `target_url`
            isn't an absolute http(s) URL, `refusal` is empty, too long or without `allow`,
            `in_order` is passed without an `inbox`; or as for a `Receiver`.
        TypeError: An argument has a wrong type.
    """

    _instead = "register its handlers on a BotRouter, and include that"
    _failed_is_handled = True
    _respond_within = 5.0

    def __init__(  # noqa: PLR0913 - the settings of a bot, each with a default
        self,
        client: Client | str | TokenProvider,
        secrets: Secrets,
        *,
        name: str = "bot",
        target_url: str | None = None,
        watch_every: float | None = 300.0,
        allow: Allow | None = None,
        refusal: str | None = None,
        error_reply: str | None = None,
        in_order: bool = False,
        **options: Unpack[ReceiverOptions],
    ) -> None:
        known = BotOptions.__annotations__
        check_keywords(type(self).__name__, options, known)
        check_type("client", client, Client, str, TokenProvider)
        check_text("name", name)
        if not name:
            raise ValueError("name is empty; pass what the names of the bot's webhooks begin with")
        if target_url is not None:
            check_url("target_url", target_url)
        if watch_every is not None:
            check_seconds("watch_every", watch_every)
        check_access(allow, refusal)
        if error_reply is not None:
            check_reply("error_reply", error_reply)
        check_flag("in_order", in_order)
        if in_order and options.get("inbox") is None:
            raise ValueError(
                "in_order needs an inbox, which keeps the order: pass one, such as "
                "inbox=SQLiteInbox('inbox.db'), or leave in_order out"
            )
        super().__init__(secrets, **options)
        self._error_reply = error_reply
        self._access: Access | None = None
        if allow is not None:
            self._access = Access(allow, refusal, bot=name, inbox=self._inbox)
        self._keeper: Schedules | None = None
        if self._worker is not None:
            self._worker.outage = Outage(self)
            self._keeper = Schedules(self._worker)
        self._in_order = in_order
        admits = None if self._access is None else self._access.is_open_to
        wake = None if self._worker is None else self._worker.wake
        self._asker = Questions(self._inbox, in_order=in_order, admits=admits, wake=wake)
        self._make_client: Callable[[], Client] | None = None
        if not isinstance(client, Client):
            self._make_client = partial(Client, client)
        self.client: Client = client if isinstance(client, Client) else Client(client)
        self._name = name
        self._target_url = target_url
        self._watch_every = watch_every
        self._me: Person | None = None
        self._knows_itself: asyncio.Future[None] | None = None  # since the start
        self._starting: asyncio.Task[Any] | None = None
        self._state = _State.ENDED
        self._labels_now: Mapping[Registration, str] = {}  # since the start
        self._task: asyncio.Task[None] | None = None
        self._has_said_that_it_is_shared = False

    @classmethod
    def from_env(
        cls,
        *,
        client: Client | None = None,
        secrets: Secrets | None = None,
        prefix: str = "",
        **options: Unpack[BotOptions],
    ) -> Self:
        """Return a bot with what the environment variables hold.

        ``WEBEX_WEBHOOK_SECRET`` is the webhook's secret, or several, separated by whitespace.
        ``WEBEX_TARGET_URL`` is the `target_url`. ``WEBEX_INBOX`` is the `inbox`, unless that or
        `respond_within` is passed: the path of a `SQLiteInbox`, or the URL of a `PostgresInbox`,
        ``postgresql://...``. An argument takes the place of its variable. The client is that of
        `Client.from_env`.

        Args:
            client: A `Client`, which stays open; no variable is read for it then.
            secrets: As for a `Bot`; by default what the variable holds.
            prefix: What the names of all variables begin with, for several bots in one program:
                with ``LUNCH_``, the token is in ``LUNCH_WEBEX_ACCESS_TOKEN``. Variables without it
                don't count then.
            options: The other arguments of a `Bot`.

        Raises:
            ValueError: The token or the secret is missing (one error names each that is),
                ``WEBEX_TARGET_URL`` isn't an absolute http(s) URL, ``WEBEX_INBOX`` can't be an
                inbox, or as when made directly.
            TypeError: As when made directly.
            ImportError: ``WEBEX_INBOX`` is a URL, and psycopg isn't installed.
        """
        check_type("client", client, Client, NoneType)
        check_text("prefix", prefix)
        missing: list[str] = []
        if client is None:
            try:
                token_from_env(prefix)
            except ValueError as error:
                missing.append(str(error))
        if secrets is None:
            secrets = os.environ.get(prefix + WEBEX_WEBHOOK_SECRET, "").split()
        if secrets == []:
            missing.append(
                f"set the environment variable {prefix + WEBEX_WEBHOOK_SECRET} to a long random "
                "text, which Webex signs its requests with"
            )
        if missing:
            raise ValueError("; ".join(missing))
        name = prefix + WEBEX_TARGET_URL
        if options.get("target_url") is None and (url := os.environ.get(name)):
            check_url(name, url)
            options["target_url"] = url
        place = os.environ.get(prefix + WEBEX_INBOX)
        if place and not {"inbox", "respond_within"} & options.keys():
            options["inbox"] = _inbox_in(place)
        if client is not None:
            return cls(client, secrets, **options)
        make_client = partial(Client.from_env, prefix=prefix)
        bot = cls(make_client(), secrets, **options)
        bot._make_client = make_client
        return bot

    @property
    def me(self) -> Person:
        """The bot itself.

        Raises:
            RuntimeError: The bot hasn't been started.
        """
        if self._me is None:
            raise RuntimeError(
                "the bot doesn't know itself before it is started, and Webex has responded"
            )
        return self._me

    @property
    def is_ready(self) -> bool:
        """Whether the start is complete, for health checks: the bot runs, and has its webhooks."""
        return self._state is _State.READY

    @property
    def help(self) -> str:
        """The commands whose handlers have a docstring, in Markdown: a line each.

        ::

            @bot.command("help")
            async def help_(context: MessageContext) -> None:
                await context.reply(markdown=bot.help)
        """
        return "\n".join(
            f"* {', '.join(f'**{name}**' for name in route.names)}: {summary}"
            for route in self._routes()
            if route.names and (summary := _summary(route.handler))
        )

    async def dispatch(self, notification: Notification[Any]) -> None:
        """Run the handlers for a notification from anywhere, as `Receiver.dispatch` does.

        While a start is under way, also during an outage of Webex, it waits until the bot knows
        itself.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended, or its `lifespan` calls this.
            Exception: What has ended the start.
        """
        knows_itself = self._knows_itself
        if knows_itself is None:
            raise RuntimeError(_NOT_RUNNING)
        if not knows_itself.done():
            if asyncio.current_task() is self._starting:
                raise RuntimeError("the lifespan can't wait for the bot, which starts after it")
            await asyncio.wait([knows_itself])  # which doesn't cancel it
        knows_itself.result()
        await super().dispatch(notification)

    async def wanted_webhooks(
        self,
        *,
        name: str | None = None,
        target_url: str | None = None,
        owned_by: str | None = None,
    ) -> tuple[NewWebhook, ...]:
        """Return the webhooks that the registered handlers need, for `Webhooks.ensure`.

        A bot makes them itself. `name` and `target_url` are those of the bot by default; the rest
        is as in `Receiver.wanted_webhooks`.

        Raises:
            ValueError: Neither has a URL; or as for a `Receiver`.
        """
        name = self._name if name is None else name
        target_url = self._target_url if target_url is None else target_url
        if target_url is None:
            raise ValueError("pass target_url, where Webex posts to: the bot has none itself")
        return await super().wanted_webhooks(name=name, target_url=target_url, owned_by=owned_by)

    def _watched(self) -> Iterator[tuple[str, str]]:
        """Yield also what answers questions, if a handler may ask some."""
        yield from super()._watched()
        if self._inbox is not None and self._labels():
            yield Resource.MESSAGES, Event.CREATED
            yield Resource.ATTACHMENT_ACTIONS, Event.CREATED

    async def send(self, text: str | None = None, **options: Unpack[SendOptions]) -> Message:
        """Write into a room or to a person, from anywhere in the program.

        ::

            await bot.send("Lunch is ready!", to_person_email="ann@example.com")

        Pass the place as one of `room_id`, `to_person_id` and `to_person_email`; with `parent_id`,
        the id of a message there, it is in the thread which that begins. The other arguments, and
        the errors, are those of `MessageContext.reply`.

        Raises:
            ValueError: Not one of the three is given, or an empty one; or as for
                `MessageContext.reply`.
            RuntimeError: The bot hasn't been started, or has ended.
        """
        self._check_is_running()
        return await send(self.client, text, options, me=self._me)

    async def enqueue(self, name: str, value: object, **options: Unpack[JobOptions]) -> bool:
        """Store a job in the inbox, from anywhere in the program; a handler of `job` runs it.

        ::

            await bot.enqueue("remind", {"room": room_id}, key=f"lunch:{today}", after=3600)

        It survives the end of the process, and any process that shares the inbox may run it. It
        runs like a notification: again after a failure, with the same pauses, until it is kept as
        failed, and what it has said isn't said again.

        With `replace`, the new job takes the place of the one that has its key, with all its
        attempts. One that runs at the moment goes on; the new one runs when it is due, and not
        before that one is completed or kept as failed. `cancel` removes a job.

        Args:
            name: The name of the job.
            value: What the handler gets: anything that JSON can hold, or an attrs instance of it.
            options: When the job is due (`after` or `at`, by default at once), its `key`, whether
                it may `replace` a job with that, and its `line`.

        Returns:
            False if it is known, and so isn't stored. In a handler that runs again, what the call
            returned before.

        Raises:
            ValueError: No job of this name is registered, `key` or `line` is empty, both `after`
                and `at` are given, `after` isn't finite or longer than 6,000 years, `at` has no
                time zone or isn't before the year 9000, there is `replace` without a `key`, or a
                job has the `key` of the job that enqueues it, without `replace`; nothing was
                stored.
            TypeError: JSON can't hold the value, or an argument is unknown or has a wrong type;
                nothing was stored.
            RuntimeError: The bot has no inbox, hasn't been started, or has ended; or it is called
                inside of a call of `once` with ``within``, which may be rolled back.
            Exception: What the inbox raised.
        """
        worker = self._worker_of_jobs()
        job = self._jobs().get(name)
        if job is None:
            raise ValueError(
                f"no job {name!r} is registered: write @bot.job({name!r}) on a handler"
            )
        if isinstance(job, Schedule):
            if value is not None or options.get("line") is not None:
                raise ValueError(
                    f"{name!r} is a schedule, which has its own value and line: write "
                    f"enqueue({name!r}, None)"
                )
            options["line"] = line_of(name)
        return await enqueue(worker, name, value, options)

    async def cancel(self, name: str, *, key: str) -> bool:
        """Remove a job that was enqueued with a key, so that it doesn't run, and free the key.

        ::

            await bot.cancel("remind", key=f"lunch:{today}")

        A job that runs at the moment isn't stopped; the one that was to take its place is removed.

        Args:
            name: The name of the job, registered or not.
            key: Its key.

        Returns:
            Whether there was something to remove. In a handler that runs again, what the call
            returned before.

        Raises:
            ValueError: `name` or `key` is empty.
            TypeError: `name` or `key` isn't text.
            RuntimeError: As for `enqueue`.
            Exception: What the inbox raised.
        """
        return await cancel(self._worker_of_jobs(), name, key)

    def _worker_of_jobs(self) -> "InboxWorker":
        if self._worker is None:
            raise RuntimeError('jobs are in an inbox: pass one, such as SQLiteInbox("inbox.db")')
        self._check_is_running()
        return self._worker

    async def edit(
        self, message: Message | str, text: str | None = None, *, markdown: str | None = None
    ) -> Message:
        """Change what a message of the bot says, from anywhere in the program.

        The arguments, and the errors, are those of `MessageContext.edit`.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended.
        """
        self._check_is_running()
        return await edit(self.client, message, text, markdown)

    async def delete(self, message: Message | str) -> None:
        """Delete a message of the bot, or the one with this id, unless it is already gone.

        The errors are those of `MessageContext.delete`.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended.
        """
        self._check_is_running()
        await delete(self.client, message)

    async def start(self) -> Self:
        """Start the bot, as entering ``async with`` does, and return it; `aclose` ends it.

        ::

            bot = await Bot.from_env().start()

        Raises:
            RuntimeError: It has been started, and not ended since, or is ended while it starts.
            ValueError: There is a `target_url`, and no handler needs a webhook or is of a job.
            APIError: Webex has refused something: the token, say. An outage isn't raised.
            TypeError: As for `Receiver.start`.
            Exception: What the lifespan, the inbox or a function for the secrets raises.
        """
        return await super().start()

    async def aclose(self) -> None:
        """End the bot, as leaving ``async with`` does, and close its own client.

        Raises:
            RuntimeError: A handler of this bot called it, and would wait for itself.
            Exception: What the lifespan raises.
        """
        await super().aclose()

    async def _start(self) -> None:
        self._knows_itself = asyncio.get_running_loop().create_future()
        self._starting = asyncio.current_task()
        try:
            await self._start_soon()
        except Exception as error:
            self._end_knowing(error)
            raise
        finally:
            self._starting = None

    async def _start_soon(self) -> None:
        """Start, as far as that is possible soon; what remains is done in a task."""
        if self._make_client is not None and self.client.http_client.is_closed:
            self.client = self._make_client()
        self._freeze("the start of the bot")
        self._check_routes()  # of all, now that no router gets more
        self._labels_now = self._labels()
        if self._worker is None and (schedules := self._schedules()):
            raise ValueError(
                f"the schedule {schedules[0].name!r} needs an inbox: pass one, such as "
                'inbox=SQLiteInbox("inbox.db")'
            )
        self._me = None
        if self._keeps_webhooks():
            await self.wanted_webhooks()  # what is wrong there is an error before any request
        elif not self._has_only_jobs():
            logger.warning(_NO_WEBHOOK)
        if self._access is not None:
            self._access.forget()
        await self._life.begin(self)
        if self._keeper is not None:
            await self._keeper.start(self._schedules())
        webhooks = self._own_webhooks()
        pause: float | None
        try:
            pause = await self._look_soon(webhooks)
        except _OUTAGES as error:
            pause = self._pause_after(error, webhooks, 0.0)
            self._state = max(self._state, _State.ACCEPTING)
            if self._worker is not None:
                self._worker.accept()
        self._task = asyncio.create_task(self._keep_looking(webhooks, pause))

    def _keeps_webhooks(self) -> bool:
        only_jobs = self._inbox is None and self._has_only_jobs()
        return self._target_url is not None and not only_jobs

    def _own_webhooks(self) -> "BotWebhooks":
        # Imported here, as in `Client.webhooks`.
        from webex_webhooks_async.bot.webhooks import BotWebhooks  # noqa: PLC0415 - see above

        shared = None if self._inbox is None else SharedClaims(self._inbox)
        return BotWebhooks(self.client, self._name, shared, _clock)

    async def _look_soon(self, webhooks: "BotWebhooks") -> float | None:
        """Look, unless that takes longer than an application can wait for its start."""
        limit = asyncio.timeout(_LONGEST_START)
        try:
            async with limit:
                return await self._look(webhooks)
        except TimeoutError:
            if not limit.expired():
                raise
            why = "no response to the start within"
            if webhooks.waits:
                why = "another replica has been making the webhooks for"
            raise RequestTimeoutError(f"{why} {_LONGEST_START:g} s") from None

    async def _keep_looking(self, webhooks: "BotWebhooks", pause: float | None) -> None:
        """Go on with a start that an outage has interrupted, and keep the webhooks as wanted."""
        while pause is not None:
            await _clock.sleep(pause)
            pause = await self._look_again(webhooks, pause)

    async def _look_again(self, webhooks: "BotWebhooks", pause: float) -> float | None:
        was_ready = self.is_ready
        try:
            every = await self._look(webhooks)
        except Exception as error:  # noqa: BLE001 - it is logged there
            return self._pause_after(error, webhooks, pause)
        if not was_ready:
            logger.info("the bot is ready")
        return every

    async def _look(self, webhooks: "BotWebhooks") -> float | None:
        """Do what remains of the start, or look whether the webhooks are as wanted.

        Returns:
            The seconds until the next look; `None` if none follows.
        """
        keeps_webhooks = self._keeps_webhooks()
        every = self._watch_every if keeps_webhooks else None
        if self.is_ready and every is not None and not await webhooks.is_turn(every):
            return every
        await self._ask_who_it_is()
        if self._state < _State.HANDLING:
            await self._open()
            self._state = _State.HANDLING
        if keeps_webhooks:
            wanted = await self.wanted_webhooks()
            await (webhooks.look(wanted) if self.is_ready else webhooks.start(wanted))
        self._state = _State.READY
        return every

    async def _ask_who_it_is(self) -> None:
        before = self._me
        self._me = await self.client.get("people/me", into=Person)
        if before is not None and not is_same(before.id, self._me.id):
            ids = short_id(self._me.id), short_id(before.id)
            logger.warning("the bot is %s now, and was %s: the token is another bot's", *ids)
        if self._knows_itself is not None and not self._knows_itself.done():
            self._knows_itself.set_result(None)

    def _pause_after(self, error: Exception, webhooks: "BotWebhooks", pause: float) -> float:
        """Log why the start, or a look, isn't complete; return the seconds until the next try."""
        if self.is_ready:
            return webhooks.pause_after(error, self._watch_every or pause)
        if isinstance(error, _OUTAGES):
            pause = max(min(2 * pause or _FIRST_PAUSE, _LAST_PAUSE), _retry_after(error))
            logger.error(_NOT_READY, self._explain(error), pause)
            return pause
        logger.error("the bot isn't ready; trying again in %g s", _LAST_PAUSE, exc_info=error)
        return _LAST_PAUSE

    def _explain(self, error: Exception) -> str:
        """Say what an outage is; on this machine, it is a sandbox that isn't there."""
        url = self.client._requester.base_url  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
        if isinstance(error, TransportError) and is_loopback(urlsplit(url).hostname or ""):
            return f"no sandbox responds at {url} (webex-webhooks sandbox starts one): {error}"
        return str(error)

    async def _stop(self) -> None:
        self._state = min(self._state, _State.HANDLING)
        try:
            if self._task is not None and not self._task.get_loop().is_closed():
                self._task.cancel()
                await asyncio.wait([self._task])
            if self._keeper is not None:
                await self._keeper.aclose()
            await super()._stop()
        finally:
            if self._make_client is not None:
                await self.client.aclose()
            self._state = _State.ENDED
            self._end_knowing(RuntimeError(_NOT_RUNNING))

    def _end_knowing(self, error: Exception) -> None:
        """Let those who wait until the bot knows itself know why it never will."""
        waiting, self._knows_itself = self._knows_itself, None
        if waiting is not None and not (waiting.done() or waiting.get_loop().is_closed()):
            waiting.set_exception(error)
            waiting.exception()  # nobody has to wait for it

    def _own_secrets(self) -> tuple[str, ...]:
        token = self.client._requester.token_in_use  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - nobody else needs it
        return (*super()._own_secrets(), token)

    def _handling_of(
        self, notification: Notification[Any], records: "Records | None" = None
    ) -> Handling | None:
        if records is not None and (known := known_in(records)):
            routes = {self._labels_now[each]: each for each in self._routes()}
            if known["route"] not in routes:
                return None
        return super()._handling_of(notification, records)

    def _steps_of(self, handling: Handling) -> list[Handler[Any]]:
        """Fetch what messages and submissions are about, if that may be for a handler."""
        routes = [each for each in self._routes() if each.is_for(handling.notification)]
        may_answer = handling.records is not None and _may_answer(handling.notification)
        if not ((routes or may_answer) and handling.fits):
            return super()._steps_of(handling)
        return in_middleware(self._middlewares, [partial(self._pass_on, handling, routes)])

    async def _pass_on(
        self, handling: Handling, routes: Sequence[Route], notification: Notification[Any]
    ) -> None:
        """Fetch a message or a submission; run the first handler that is for it, and those of `on`.

        Where it can't be fetched, those of `on` have run.
        """
        failure: Exception | None = None
        choice: Choice | None = None, None
        try:
            choice = await self._resumed(handling) or await self._choice(
                routes, notification, self._answers_of(handling)
            )
        except Exception as error:  # noqa: BLE001 - it is raised below
            failure = error
        if choice is None:
            return
        chosen, context = choice
        if chosen is not None and context is not None:
            self._begin_conversation(handling, context)
        select = partial(self._selected, handling, *choice)
        await run_each(self._inner_steps(select, set()), notification)
        if failure is not None:
            raise failure

    def _selected(
        self,
        handling: Handling,
        chosen: Route | None,
        context: MessageContext | SubmissionContext | None,
        entry: Registration,
    ) -> Handler[Any] | None:
        """Return what runs of a registration: of messages and submissions, the chosen one alone."""
        conversation = handling.conversation
        if not isinstance(entry, Route):
            handler = handling.select(entry)
            if handler is None or not isinstance(conversation, Conversation):
                return handler
            return conversation.once(handler)
        if entry is not chosen or context is None:
            return None
        handling.handlers += 1
        handling.route = self._labels_now[entry]
        if self._error_reply is not None:
            handling.apology = partial(context.reply, self._error_reply, key=_ERROR_REPLY)
        return partial(self._run_in_middleware, entry, context)

    async def _run_in_middleware(self, entry: Route | Job, context: Context, *_: object) -> None:
        middlewares = self._context_middlewares_of(entry, set()) or ()
        (step,) = in_middleware(middlewares, [entry.handler])
        await step(context)

    def _begin_conversation(self, handling: Handling, context: Context) -> None:
        if handling.records is not None and handling.records.stored is not None:
            Conversation(handling, handling.records, context)

    def _answers_of(self, handling: Handling) -> Answers | None:
        records, data = handling.records, handling.notification.data
        if records is None or records.stored is None:
            return None
        return Answers(self._asker, records, records.stored, self.me, data)

    async def _resumed(self, handling: Handling) -> "Choice | None":
        """Return the handler that has asked, with the context that it had, if one has."""
        records = handling.records
        if records is None or not (known := known_in(records)):
            return None
        route = next(each for each in self._routes() if self._labels_now[each] == known["route"])
        of_each = {**self._of_each_context(route), "age": known["age"]}
        details = route.details(known["text"]) if "text" in known else None
        match = (details or {}).get("match")
        more = {} if match is None else {"match": match}
        return route, context_of(known, handling.notification, {**of_each, **more})

    async def _choice(
        self,
        routes: Sequence[Route],
        notification: Notification[Any],
        answers: Answers | None = None,
    ) -> "Choice | None":
        """Fetch what a notification is about, and choose its handler; `None` for the bot's own."""
        may_answer = answers is not None and await answers.look()
        if answers is not None and (answers.has_answered or not (routes or may_answer)):
            return None, None
        try:
            said, context_of = await self._fetched(notification)
        except (NotFoundError, GoneError):
            logger.info("%s is passed over: it is gone", describe(notification))
            self._look_for_another_bot(notification)
            return None, None
        if context_of is None:
            log_debug(OWN_ACTION, notification)
            return None
        choice: Choice = None, None
        if may_answer and answers is not None:
            choice = await self._match((each for each in routes if each.names), said, context_of)
            is_command, context = choice[0] is not None, context_of(None)
            if await answers.take(context, is_command=is_command, admits=self._admits):
                return None, None
        if choice == (None, None):
            choice = await self._match(routes, said, context_of)
        route, chosen = choice
        if route is None or chosen is None:
            log_debug("%s has no matching handler", notification)
            return None, None
        if answers is not None:
            answers.note_handler()
        return (route if await self._admits(chosen) else None), chosen

    async def _fetched(
        self, notification: Notification[Any]
    ) -> "tuple[object, MakeContext | None]":
        """Fetch what a notification is about; return what it says, and what makes a context.

        The bot's own has no context.
        """
        fetched = await self.client.fetch(notification)
        found = cast("Message | AttachmentAction", fetched)  # its notification says which
        if is_same(found.person_id, self.me.id):
            return None, None
        said: object
        make: Callable[..., MessageContext | SubmissionContext]
        if isinstance(found, Message):
            said = text = text_without_mention(found, self.me.id)
            make = partial(MessageContext, message=found, text=text)
        else:
            said = found.inputs or {}
            make = partial(SubmissionContext, action=found)
        make = partial(make, notification=notification, age=age_of(found.created))

        def context_of(
            registered: Registration | None, **details: object
        ) -> MessageContext | SubmissionContext:
            return make(**self._of_each_context(registered), **details)

        return said, context_of

    async def _match(
        self, routes: Iterable[Route], said: object, context_of: "MakeContext"
    ) -> "Choice":
        """Return the first of some handlers that is for what was said, with what it gets."""
        for route in routes:
            details = route.details(said)
            if details is None:
                continue
            context = context_of(route, **details)
            where = route.where
            if where is None or await decision(f"where of {route.title}", where, context):
                return route, context
        return None, None

    async def _admits(self, context: MessageContext | SubmissionContext) -> bool:
        return self._access is None or await self._access.admits(context)

    def _of_each_context(self, registered: Registration | None) -> dict[str, Any]:
        return {
            "client": self.client,
            "me": self.me,
            "state": State.copy(self._life.state),  # which may hold something called `copy`
            "route": "" if registered is None else self._labels_now[registered],
            "jobs": self,
            "asker": self._asker,
        }

    def _handling_of_job(
        self, notification: Notification[Any], records: "Records | None" = None
    ) -> Handling | None:
        job = self._jobs().get(notification.event)
        schedule = schedule_of(notification)
        if job is None or schedule not in {None, job.schedule}:
            return None
        handling = Handling(notification)
        handling.records = records
        handling.steps = [partial(self._run_job, job, handling)]
        handling.handlers = 1
        handling.route = self._labels_now[job]
        handling.attempts = job.attempts
        return handling

    async def _run_job(self, job: Job, handling: Handling, notification: Notification[Any]) -> None:
        data = notification.data
        due = datetime.fromisoformat(data["due"])
        if not await self._may_begin(job, due, notification):
            return
        context = JobContext(
            value=job.value if isinstance(job, Schedule) else data["value"],
            key=data.get("id"),
            due=due,
            **{"age": age_of(due), **self._of_each_context(job)},
        )
        self._begin_conversation(handling, context)
        await self._run_in_middleware(job, context)

    async def _may_begin(self, job: Job, due: datetime, notification: Notification[Any]) -> bool:
        """Whether a job runs: the time of a schedule may have passed."""
        if not isinstance(job, Schedule) or schedule_of(notification) is None:
            return True
        handling = cast("Handling", active_handling())
        if not handling.is_first or await cast("Schedules", self._keeper).begin(job, due):
            return True
        handling.handlers = 0
        return False

    def _look_for_another_bot(self, notification: Notification[Any]) -> None:
        """Say once that another bot may use the inbox, if its webhook brought what is gone here."""
        owner, is_of_org = notification.created_by, notification.owned_by == OwnedBy.ORG
        if self._inbox is None or self._has_said_that_it_is_shared or is_of_org:
            return
        if owner is not None and not is_same(owner, self.me.id):
            self._has_said_that_it_is_shared = True
            values = describe(notification), short_id(owner), short_id(self.me.id)
            logger.error(_SHARED, *values)

    def _line_of(self, notification: Notification[Any]) -> str | None:
        data: object = notification.data
        if self._in_order and isinstance(data, MessageData | AttachmentActionData):
            return storable(comparable(data.room_id)) or None
        return None

    def _is_own(self, notification: Notification[Any]) -> bool:
        # The webhook may be somebody else's, so it matters who the bot is. And a webhook of this
        # name may be of the bot that had another token, or another sandbox, before.
        is_me = self._me is not None and is_same(notification.actor_id, self._me.id)
        return is_me or (
            notification.is_own_action and notification.name.startswith(f"{self._name}:")
        )

    def _why_not(self) -> str:
        if self._state < _State.ACCEPTING:
            return _NOT_RUNNING
        if self._me is None and self._worker is None:
            return _WAITING
        return super()._why_not()

    def _check_is_running(self) -> None:
        if self._state < _State.ACCEPTING:
            raise RuntimeError(_NOT_RUNNING)


def _may_answer(notification: Notification[Any]) -> bool:
    data: object = notification.data
    return notification.event == Event.CREATED and isinstance(
        data, MessageData | AttachmentActionData
    )


def _inbox_in(place: str) -> "Inbox":
    """Return the inbox that a variable names."""
    # Imported here: most bots have another inbox, or none.
    if (conninfo := conninfo_in(place)) is not None:
        from webex_webhooks_async.inbox.postgres.inbox import PostgresInbox  # noqa: PLC0415 - see above

        return PostgresInbox(conninfo)
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox  # noqa: PLC0415 - see above

    return SQLiteInbox(place)


class _State(IntEnum):
    """How far a bot has started: each does more than the one before."""

    ENDED = 0
    ACCEPTING = 1  # during an outage: with an inbox, what comes is stored
    HANDLING = 2  # it knows itself; not all webhooks may be there
    READY = 3


MakeContext = Callable[..., MessageContext | SubmissionContext]
"""Makes the context for a handler, with what the handler has found."""

Choice = tuple[Route | None, MessageContext | SubmissionContext | None]
"""The handler that was found, and the context that it gets."""

_ERROR_REPLY = "webex-webhooks:error_reply"  # the key of that reply

_NOT_RUNNING = (
    "the bot isn't running: serve it as the application, or enter it with `async with bot:` in the "
    "lifespan of the application that it is a part of"
)


_WAITING = "the bot isn't ready: it waits for Webex, which hasn't responded since its start"
_NOT_READY = "the bot isn't ready: %s; trying again in %g s"
_NO_WEBHOOK = (
    "the bot makes no webhook, so it hears nothing unless you make one: set WEBEX_TARGET_URL, or "
    "pass target_url, to the URL at which Webex reaches it"
)
_SHARED = (
    "%s is of a webhook that %s made, and %s, this bot, can't read it: if another bot uses the "
    "same inbox, each loses messages of the other; give each one its own: another file, or "
    "another PostgresInbox(schema=...)"
)

_OUTAGES = (TransportError, ServerError, RateLimitError, InboxUnavailableError)
_LONGEST_START = 10.0  # seconds; a process that serves nothing for longer may be killed
_FIRST_PAUSE = 1.0
_LAST_PAUSE = 60.0

_clock = Clock()  # tests replace it


def _retry_after(error: Exception) -> float:
    """How long Webex wants to be left alone, up to an hour."""
    seconds = error.retry_after if isinstance(error, APIError) else None
    return min(seconds or 0.0, 3600.0)


def _summary(handler: object) -> str:
    """The first line of a function's docstring."""
    docstring = handler.__doc__ if handler.__doc__ != type(handler).__doc__ else None
    return inspect.cleandoc(docstring or "").partition("\n")[0]
