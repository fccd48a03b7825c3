"""The application of a bot: it starts, receives, passes on to the handlers, and ends."""

import inspect
import logging
import os
from datetime import timedelta
from functools import partial
from secrets import token_urlsafe
from types import EllipsisType, NoneType
from typing import TYPE_CHECKING, Any, Self, Unpack

from webex_webhooks_async.applications.inboxes import inbox_in
from webex_webhooks_async.applications.jobs import Job, JobOptions, cancel, enqueue
from webex_webhooks_async.applications.outage import Outage
from webex_webhooks_async.bot.access import Access, Allow, check_access, check_reply
from webex_webhooks_async.bot.contexts.writing import SendOptions, delete, deletion_of, edit, send
from webex_webhooks_async.bot.router import BotRouter
from webex_webhooks_async.bot.routes import Route
from webex_webhooks_async.bot.schedules import Schedule
from webex_webhooks_async.bot.selection import BotSelection
from webex_webhooks_async.bot.start import NOT_RUNNING, Stage, Startup
from webex_webhooks_async.claims import SharedClaims
from webex_webhooks_async.client.auth import TokenProvider
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.environment import (
    PASS_AN_INBOX,
    WEBEX_INBOX,
    WEBEX_TARGET_URL,
    WEBEX_WEBHOOK_SECRET,
    base_url_from_env,
    token_from_env,
)
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.handling.router import Selection
from webex_webhooks_async.models.messages import Message, Person
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.notifications.lines import line_of_schedule
from webex_webhooks_async.notifications.signing_secrets import Secrets
from webex_webhooks_async.receiving.receiver import Receiver, ReceiverOptions
from webex_webhooks_async.validation import (
    check_keywords,
    check_text,
    check_type,
    check_url,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from webex_webhooks_async.bot.catch_up import CatchUp
    from webex_webhooks_async.bot.webhooks import BotWebhooks
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class BotOptions(ReceiverOptions, total=False):
    """The arguments of a `Bot` besides the client and the secrets.

    As `ReceiverOptions`, it has those of a `Receiver`.
    """

    name: str
    target_url: str | None
    watch_every: float | timedelta | None
    allow: Allow | None
    refusal: str | None
    error_reply: str | None
    catch_up: float | timedelta | EllipsisType | None


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
    or, with an `inbox`, are stored, and nothing is handled. `is_ready` says when
    that is so, or all is done.

    What the bot itself does to messages, submissions, memberships and rooms is ignored. With a
    person's token, that is what this person does there; a meeting or a recording of theirs isn't
    ignored. A message, or a submission, is fetched once, and passed to the first handler that
    matches; one that was deleted in the meantime is skipped.

    The response comes after 5 seconds at the latest (`respond_within`), and the handlers go on. A
    handler that fails is logged, and reported to `on_error`; so is data that doesn't fit. The
    response is 204 all the same: Webex documents no second delivery, and 100 failed deliveries
    within five minutes switch the webhook off, for everybody. With an `inbox`, it runs again.

    Everything else is as in a `Receiver`.

    Args:
        client: A `Client`, which stays open; or an access token or `TokenProvider`, of which the
            bot makes a client for each start, and closes it at the end.
        secrets: As for a `Receiver`. The webhooks get the first one; each look at them asks a
            function again. A bot that only sends, without a `target_url` and with handlers of jobs
            alone, needs none: then each request gets 401.
        name: The beginning of the names of the bot's webhooks. Others that begin with it and a
            colon are deleted.
        target_url: The absolute http(s) URL that Webex posts to. Without one, and with a
            person's token for jobs alone, no webhook is created, changed or deleted. With a bot's
            token, jobs have the webhooks that bring answers.
        watch_every: Seconds, or a `timedelta`, between two looks at the webhooks; `None`
            for the one at the start.
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
        catch_up: For how many seconds, or a `timedelta`, the bot looks back at most for messages
            that it has missed, at its start, after a webhook was missing or switched off, and after
            its inbox has failed; `None` for never. The default with an `inbox` and a `target_url`
            is a quarter of an hour, or half of the `keep` of the inbox if that is less. It needs
            both, and is at most half of `keep`, because a message that isn't known any more would
            be handled again.
        options: The other arguments of `Receiver`.

    Attributes:
        client: The client.

    Raises:
        ValueError: The token or a secret is empty or can't be used, `name` is empty, `target_url`
            isn't an absolute http(s) URL or there are no `secrets` beside it, `refusal` is empty,
            too long or without `allow`, `catch_up` is passed without an `inbox` or a `target_url`,
            or isn't positive, or is more than half of the inbox's `keep`; or as for a `Receiver`.
        TypeError: An argument has a wrong type, or `catch_up` is passed and the `inbox` has no
            `caught_up` and `set_caught_up`.
    """

    _clock: Clock = Clock()

    def __init__(  # noqa: PLR0913 - the settings of a bot, each with a default
        self,
        client: Client | str | TokenProvider,
        secrets: Secrets | None = None,
        *,
        name: str = "bot",
        target_url: str | None = None,
        watch_every: float | timedelta | None = 300.0,
        allow: Allow | None = None,
        refusal: str | None = None,
        error_reply: str | None = None,
        catch_up: float | timedelta | EllipsisType | None = ...,
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
            watch_every = seconds_of("watch_every", watch_every)
        check_access(allow, refusal)
        if error_reply is not None:
            check_reply("error_reply", error_reply)
        inbox = options.get("inbox")
        if inbox is None and options.get("respond_within", ...) is ...:
            options["respond_within"] = _RESPOND_WITHIN
        self._startup = Startup(watch_every)
        self._selected = BotSelection(
            self,
            self._startup,
            name=name,
            access=None
            if allow is None
            else Access(allow, refusal, bot=name, inbox=inbox, clock=self._clock),
            error_reply=error_reply,
            inbox=inbox,
            clock=self._clock,
        )
        self._has_secret = secrets is not None
        super().__init__(_secrets(secrets, target_url), **options)
        if self._worker is not None:
            self._worker.outage = Outage(self, self._clock)
            self._selected.work_with(self._worker)
        self._new_client: Callable[[], Client] | None = None
        if not isinstance(client, Client):
            self._new_client = partial(Client, client)
            client = self._new_client()
        self.client: Client = client
        self._name = name
        self._target_url = target_url
        self._watch_every = watch_every
        self._catch_up_seconds = _checked(catch_up, inbox, target_url)

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

        ``WEBEX_WEBHOOK_SECRET`` is the webhook's secret, or several, separated by whitespace; a bot
        that only sends needs none.
        ``WEBEX_TARGET_URL`` is the `target_url`. ``WEBEX_INBOX`` is the `inbox`, unless that or
        `respond_within` is passed: the path of a `SQLiteInbox`, or the URL of a `PostgresInbox`,
        ``postgresql://...``. An argument takes the place of its variable. The client is that of
        `Client.from_env`.

        Args:
            client: A `Client`, which stays open; no variable is read for it then.
            secrets: As for a `Bot`; by default what the variable holds.
            prefix: The beginning of the names of all variables, for several bots in one program:
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
        caller: Client | str | TokenProvider | None = client
        base_url = BASE_URL
        if caller is None:
            base_url = base_url_from_env(prefix)
            try:
                caller = token_from_env(prefix)
            except ValueError as error:
                missing.append(str(error))
        if secrets is None:
            secrets = os.environ.get(prefix + WEBEX_WEBHOOK_SECRET, "").split() or None
        name = prefix + WEBEX_TARGET_URL
        if options.get("target_url") is None and (url := os.environ.get(name)):
            check_url(name, url)
            options["target_url"] = url
        if not secrets and (missing or options.get("target_url") is not None):
            missing.append(_HEARS.format(prefix + WEBEX_WEBHOOK_SECRET))
        if caller is None or missing:
            raise ValueError("; ".join(missing))
        place = os.environ.get(prefix + WEBEX_INBOX)
        if place and not {"inbox", "respond_within"} & options.keys():
            try:
                options["inbox"] = inbox_in(place)
            except ValueError as error:
                raise ValueError(f"{prefix}{WEBEX_INBOX}: {error}") from error
        if isinstance(caller, Client):
            return cls(caller, secrets, **options)
        new_client = partial(Client, caller, base_url=base_url)
        bot = cls(new_client(), secrets, **options)
        bot._new_client = new_client  # so it closes its client, and makes another one
        return bot

    def _selection_of(self, *, ignore_own_actions: bool) -> Selection:  # noqa: ARG002 - of a receiver
        return self._selected

    @property
    def me(self) -> Person:
        """The bot itself.

        Raises:
            RuntimeError: The bot hasn't been started.
        """
        if self._startup.me is None:
            raise RuntimeError(
                "the bot doesn't know itself before it is started, and Webex has responded"
            )
        return self._startup.me

    @property
    def is_ready(self) -> bool:
        """Whether the bot takes what Webex delivers, for health checks.

        Without an inbox, the start is complete, with the webhooks. With one, what arrives can be
        stored, also while Webex doesn't respond to the start.
        """
        if self._worker is None:
            return self._startup.is_ready
        return self._worker.works and not self._why_not()

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
            for route in (each.entry for each in self._tree.placed())
            if isinstance(route, Route) and route.names and (summary := _summary(route.handler))
        )

    async def dispatch(self, notification: Notification[Any]) -> None:
        """Run the handlers for a notification from anywhere, as `Receiver.dispatch` does.

        While a start is under way, also during an outage of Webex, it waits until the bot knows
        itself.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended, or its `lifespan` calls this.
            Exception: The error that has ended the start.
        """
        await self._startup.known()
        await super().dispatch(notification)

    async def wanted_webhooks(
        self, *, name: str | None = None, target_url: str | None = None, owned_by: str | None = None
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
        placed = self._tree.placed()
        has_jobs = self._inbox is not None and any(isinstance(each.entry, Job) for each in placed)
        if has_jobs and not any(self._selected.watched(placed)):
            return ()  # of a person's token
        return await super().wanted_webhooks(name=name, target_url=target_url, owned_by=owned_by)

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
        return await send(self.client, text, options, me=self._startup.me)

    async def enqueue(self, name: str, value: object, **options: Unpack[JobOptions]) -> bool:
        """Store a job in the inbox, from anywhere in the program; a handler of `job` runs it.

        ::

            await bot.enqueue("remind", {"room": room_id}, key=f"lunch:{today}", after=3600)

        It survives the end of the process, and any process that shares the inbox may run it. It
        runs like a notification: again after a failure, with the same pauses, until it is kept as
        failed, and what it has said isn't said again.

        With `replace`, the new job takes the place of the one that has its key, with all its
        attempts. A job that runs at the moment goes on; the new one runs when it is due, and not
        before that one is completed or kept as failed. `cancel` removes a job.

        Args:
            name: The name of the job.
            value: The handler's value: anything that JSON can hold, or an attrs instance of it.
            options: When the job is due (`after` or `at`, by default at once), its `key`, whether
                it may `replace` a job with that, its `line`, and a `transaction` of yours.

        Returns:
            False if it is known, and so isn't stored. In a handler that runs again, what the call
            returned before. With a `transaction`, which nobody knows the end of, always True.

        Raises:
            ValueError: No job of this name is registered, `key` or `line` is empty, both `after`
                and `at` are given, `after` is negative or longer than a century, `at` has no
                time zone or isn't before the year 9000, there is `replace` without a `key`, or a
                job has the `key` of the job that enqueues it, without `replace`; nothing was
                stored.
            TypeError: JSON can't hold the value, or an argument is unknown or has a wrong type;
                nothing was stored. `transaction` isn't in a connection or session of this kind.
            RuntimeError: The bot has no inbox, hasn't been started, or has ended; no transaction is
                open in `transaction`, or it is in another database; or it is called without one
                inside of a call of `once` with ``within``, which may be rolled back.
            Exception: Any error of the inbox.
        """
        worker = self._worker_of_jobs()
        placed = self._selected.routes.jobs.get(name)
        if placed is None:
            raise ValueError(
                f"no job {name!r} is registered: write @bot.job({name!r}) on a handler"
            )
        if isinstance(placed.entry, Schedule):
            if value is not None or options.get("line") is not None:
                raise ValueError(
                    f"{name!r} is a schedule, which has its own value and line: write "
                    f"enqueue({name!r}, None)"
                )
            options["line"] = line_of_schedule(name)
        return await enqueue(worker, name, value, options, now=self._clock.now())

    async def cancel(self, name: str, *, key: str, transaction: object = None) -> bool:
        """Remove a job that was enqueued with a key, so that it doesn't run, and free the key.

        ::

            await bot.cancel("remind", key=f"lunch:{today}")

        A job that runs or asks is stopped, as by `MessageContext.stop_earlier`, and its question
        and the job that was to take its place are removed. Its key is free when it has ended; what
        is enqueued with it before runs after that. A job doesn't stop itself.

        Args:
            name: The name of the job, registered or not.
            key: Its key.
            transaction: As of `enqueue`: a job that waits is removed if that is committed; one that
                runs or asks goes on.

        Returns:
            Whether there was something to remove or to stop. In a handler that runs again, what the
            call returned before. With a `transaction`, always True.

        Raises:
            ValueError: `name` or `key` is empty.
            TypeError: `name` or `key` isn't text, or as for `enqueue`.
            RuntimeError: As for `enqueue`.
            Exception: Any error of the inbox.
        """
        return await cancel(self._worker_of_jobs(), name, key, transaction=transaction)

    def _worker_of_jobs(self) -> "InboxWorker":
        if self._worker is None:
            raise RuntimeError(f"jobs are in an inbox: {PASS_AN_INBOX}")
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

    async def delete(
        self, message: Message | str, *, after: float | timedelta | None = None
    ) -> None:
        """Delete a message of the bot, or the one with this id, unless it is already gone.

        The arguments, and the errors, are those of `MessageContext.delete`.

        Raises:
            RuntimeError: The bot hasn't been started, or has ended.
        """
        self._check_is_running()
        if after is None:
            await delete(self.client, message)
        else:
            await self.enqueue(**deletion_of(message), after=after)

    async def start(self) -> Self:
        """Start the bot, as entering ``async with`` does, and return it; `aclose` ends it.

        ::

            bot = await Bot.from_env().start()

        Raises:
            RuntimeError: It has been started, and not ended since, or is ended while it starts.
            ValueError: There is a `target_url`, and no handler needs a webhook or is of a job;
                there is such a handler, and no secret; or there is a job, and no inbox.
            APIError: Webex has refused something: the token, say. An outage isn't raised.
            TypeError: As for `Receiver.start`.
            Exception: Any error of the lifespan, the inbox or a function for the secrets.
        """
        return await super().start()

    async def aclose(self) -> None:
        """End the bot, as leaving ``async with`` does, and close its own client.

        Raises:
            RuntimeError: A handler of this bot called it, and would wait for itself.
            Exception: Any error of the lifespan.
        """
        await super().aclose()

    async def _start(self) -> None:
        with self._startup.under_way():
            if self._new_client is not None and self.client.http_client.is_closed:
                self.client = self._new_client()
            self._selected.prepare(self._tree.freeze("the start of the bot"))
            webhooks = await self._own_webhooks()
            await self._life.begin(self)
            if self._selected.schedules is not None:
                await self._selected.schedules.start(self._selected.routes.schedules())
            await self._startup.begin(self.client, webhooks, self._open, self._accept, self._clock)

    async def _accept(self) -> None:
        if self._worker is not None:
            await self._worker.look()

    async def _own_webhooks(self) -> "BotWebhooks | None":
        """Return the webhooks that the bot keeps; what is wrong there is an error of the start."""
        placed = self._tree.placed()
        hears = any(not isinstance(each.entry, Job) for each in placed)
        if hears and not self._has_secret:
            raise ValueError(_HEARS.format(WEBEX_WEBHOOK_SECRET) + ", or pass secrets")
        if self._target_url is None:
            if hears:
                logger.warning(_NO_WEBHOOK)
            return None
        # Imported here, as in `Client.webhooks`.
        from webex_webhooks_async.bot.webhooks import BotWebhooks, brings_messages  # noqa: PLC0415 - see above

        wanted = await self.wanted_webhooks()
        shared = None if self._inbox is None else SharedClaims(self._inbox)
        catch_up = self._new_catch_up() if any(map(brings_messages, wanted)) else None
        self._selected.catch_up = catch_up
        return BotWebhooks(
            self.client, self._name, self.wanted_webhooks, shared, self._clock, missed=catch_up
        )

    def _new_catch_up(self) -> "CatchUp | None":
        """Return what fetches what the bot has missed before its start, which begins."""
        seconds = self._catch_up_seconds
        if seconds is None or self._inbox is None or self._worker is None:
            return None
        from webex_webhooks_async.bot.catch_up import CatchUp  # noqa: PLC0415 - as above

        if self._watch_every is not None and self._watch_every > seconds:
            logger.warning(_WATCHES_RARELY, self._watch_every, seconds)
        caught = CatchUp(
            self.client,
            self._inbox,
            self._worker,
            self._activity,
            seconds=seconds,
            clock=self._clock,
        )
        caught.note()
        return caught

    async def _stop(self) -> None:
        try:
            await self._startup.stop_looking()
            if self._selected.catch_up is not None:
                await self._selected.catch_up.aclose()
            if self._selected.schedules is not None:
                await self._selected.schedules.aclose()
            await super()._stop()
        finally:
            if self._new_client is not None:
                await self.client.aclose()
            self._startup.end()

    def _check_is_running(self) -> None:
        if self._startup.stage is Stage.ENDED:
            raise RuntimeError(NOT_RUNNING)


_HEARS = (
    "set the environment variable {} to a long random text, which Webex signs its requests with, "
    "unless the bot only sends"
)

_NO_WEBHOOK = (
    "the bot makes no webhook, so it hears nothing unless you make one: set WEBEX_TARGET_URL, or "
    "pass target_url, to the URL at which Webex reaches it"
)

_WATCHES_RARELY = (
    "watch_every is %g s, and catch_up is %g s: what a webhook misses before that is noticed stays "
    "lost; pass a longer catch_up or a shorter watch_every"
)

_RESPOND_WITHIN = 5.0


def _secrets(given: Secrets | None, target_url: str | None) -> Secrets:
    """Return the secrets; of a bot that hears nothing, one with which nobody signs."""
    if given is None and target_url is not None:
        raise ValueError("a bot with a target_url needs the secret of its webhooks: pass secrets")
    return token_urlsafe() if given is None else given


def _checked(
    catch_up: float | timedelta | EllipsisType | None, inbox: "Inbox | None", target_url: str | None
) -> float | None:
    """Return how many seconds a bot looks back for what it has missed; `None` for never."""
    if catch_up is None or (catch_up is ... and (inbox is None or target_url is None)):
        return None
    # Imported here: a bot without an inbox needs none of it.
    from webex_webhooks_async.bot.catch_up import checked_catch_up  # noqa: PLC0415 - see above

    return checked_catch_up(catch_up, inbox, target_url)


def _summary(handler: object) -> str:
    """The first line of a function's docstring."""
    docstring = handler.__doc__ if handler.__doc__ != type(handler).__doc__ else None
    return inspect.cleandoc(docstring or "").partition("\n")[0]
