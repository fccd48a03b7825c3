"""Registers what a bot does about messages and submitted cards, in one module or in several."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from types import NoneType
from typing import Any, Never, TypeVar

from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.bot.contexts.contexts import JobContext, MessageContext, SubmissionContext
from webex_webhooks_async.bot.routes import Checks, Route
from webex_webhooks_async.bot.schedules import Schedule, Times
from webex_webhooks_async.handling.dispatch import CallNext, Registration
from webex_webhooks_async.handling.router import Registry, Router, check_function
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.serialization.strict_json import is_same
from webex_webhooks_async.validation import (
    check_count,
    check_flag,
    check_not_empty,
    check_text,
    check_type,
    seconds_of,
)

C = TypeVar("C", MessageContext, SubmissionContext, JobContext)

ContextHandler = Callable[[C], Coroutine[Any, Any, object]]
"""An async function that takes a context."""

ContextMiddleware = Callable[[Any, CallNext], Coroutine[Any, Any, object]]
"""An async function that runs around handlers that get a context.

It takes the `Context`, and ``call_next``.
"""

Where = Callable[[C], bool | Awaitable[bool]]
"""A plain or an async function that returns whether a handler is for a context."""

# A decorated handler keeps its own type.
OnMessage = TypeVar("OnMessage", bound=ContextHandler[MessageContext])
OnSubmission = TypeVar("OnSubmission", bound=ContextHandler[SubmissionContext])
OnJob = TypeVar("OnJob", bound=ContextHandler[JobContext])

H = TypeVar("H", bound=ContextHandler[Any])
M = TypeVar("M", bound=ContextMiddleware)

_LEAST_DELAY = 60.0  # seconds

Value = str | float | bool | None


class BotRouter(Registry):
    """Handlers of messages, submitted cards and notifications, which a `Bot` includes.

    A module can register its handlers without the bot, and so without a token at import time::

        # lunch.py
        router = BotRouter()

        @router.command("order")
        async def order(context: MessageContext) -> None:
            "Order lunch."

        # main.py
        bot = Bot.from_env()
        bot.include(lunch.router)

    A message is handled by the first of the handlers of `command` and `message` that matches it,
    in the order of their registration, and a submitted card by the first of `submission`. Handlers
    of `on` run in addition. All of them run in the order of their registration.

    The middleware of a router runs once around all of its handlers that a notification is for: the
    one that was found for a message or a submission, and those of `on`. That of a bot is also
    around the request that fetches these.
    """

    _checks: Checks | None = None  # of what is registered
    _checked = 0  # the changes of the tree that they know

    def command(
        self, *names: str, where: Where[MessageContext] | None = None, in_order: bool = True
    ) -> Callable[[OnMessage], OnMessage]:
        """Register a handler of messages that begin with a word: ``@bot.command("order")``.

        It gets a message whose text is one of the names, or begins with one and whitespace, in
        upper or lower case. The rest of the text is in ``context.arguments``. The first line of its
        docstring is its line in `Bot.help`.

        Args:
            names: The command, and other names for it.
            where: A plain or an async function that gets the context, and returns whether this
                handler is for it. If not, the next handler that matches is asked. It is asked
                before the bot's `allow`. If it raises, or doesn't return a boolean, that is a
                failure like that of a handler.
            in_order: Whether, with an inbox, the person's next message or submission waits until
                this handler has ended, or asks. With False, for a handler that takes long, it is
                handled beside it; what failed or was killed then holds up nobody either.

        Raises:
            ValueError: There is no name; one is empty or has whitespace around it; or the handler
                would get nothing, because a handler that is registered before it takes everything.
            TypeError: A name isn't a string, `where` isn't a function, `in_order` isn't a boolean,
                or the handler isn't an async function that can be called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        if not names:
            raise ValueError('a command needs a name, such as command("order")')
        for name in names:
            if callable(name):
                raise TypeError('command takes names: write @bot.command("order")')
            check_text("the name of a command", name)
            if not name or name != name.strip():
                raise ValueError(
                    f"the name of a command is the text before its arguments, got {name!r}"
                )
        longest_first = sorted(map(str.split, names), key=len, reverse=True)
        either = "|".join(r"\s+".join(map(re.escape, words)) for words in longest_first)
        pattern = re.compile(
            rf"(?:{either})(?:\s+(?P<arguments>.*))?\Z",
            re.IGNORECASE | re.DOTALL,
        )

        def find(text: str) -> Mapping[str, str] | None:
            found = pattern.match(text)
            return found and {"arguments": found["arguments"] or ""}

        _check_options(where, in_order)
        return self._registering(
            partial(
                Route,
                Resource.MESSAGES,
                Event.CREATED,
                call=f"command({', '.join(map(repr, names))})",
                name=names[0],
                find=find,
                names=names,
                where=where,
                in_order=in_order,
            )
        )

    def message(
        self,
        pattern: re.Pattern[str] | None = None,
        *,
        where: Where[MessageContext] | None = None,
        in_order: bool = True,
    ) -> Callable[[OnMessage], OnMessage]:
        r"""Register a handler of messages in whose text a pattern is found, or of all messages.

        ::

            @bot.message(re.compile(r"ticket #(\d+)"))
            async def ticket(context: MessageContext) -> None:
                await context.reply(f"Looking at {context.match[1]}")

        ``context.match`` is what `re.search` finds in ``context.text``. Register the handler of all
        messages last.

        Args:
            pattern: A compiled pattern. Without one, every message matches.
            where: As for `command`.
            in_order: As for `command`.

        Raises:
            ValueError: A handler of all messages is registered before it.
            TypeError: `pattern` isn't a compiled pattern of text, `where` isn't a function,
                `in_order` isn't a boolean, or the handler isn't an async function that can be
                called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        _check_options(where, in_order)
        route = partial(Route, Resource.MESSAGES, Event.CREATED, where=where, in_order=in_order)
        if pattern is None:
            return self._registering(partial(route, call="message()"))
        _check_pattern(pattern)

        def find(text: str) -> Mapping[str, re.Match[str]] | None:
            found = pattern.search(text)
            return found and {"match": found}

        return self._registering(partial(route, call=f"message({pattern})", find=find))

    def submission(
        self,
        inputs: str | Mapping[str, Value] | None = None,
        /,
        *,
        where: Where[SubmissionContext] | None = None,
        in_order: bool = True,
        **named: Never,
    ) -> Callable[[OnSubmission], OnSubmission]:
        """Register a handler of submitted cards: all of them, or those with certain inputs.

        ::

            @bot.submission("order")
            async def ordered(context: SubmissionContext) -> None:
                await context.reply(f"One {context.inputs.get('dish') or 'surprise'}, please!")

        Args:
            inputs: The values that inputs must have, by their names. ``"order"`` is short for
                ``{"action": "order"}``: give each button of a card ``"data": {"action": ...}`` to
                tell them apart. `True` is neither ``1`` nor ``"true"``. Without it, the handler is
                for every submission.
            where: As for `command`.
            in_order: As for `command`.
            named: Refused: names of inputs are in `inputs`.

        Raises:
            ValueError: A handler of all submissions is registered before it.
            TypeError: `inputs` is neither text nor a mapping, a name isn't text, a value is an
                array or an object, `where` isn't a function, `in_order` isn't a boolean, or the
                handler isn't an async function that can be called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        if named:
            raise TypeError(f"submission takes the inputs as a dict: write submission({named!r})")
        if callable(inputs):
            raise TypeError("submission takes inputs: write @bot.submission() for all submissions")
        check_type("inputs", inputs, str, Mapping, NoneType)
        wanted = {"action": inputs} if isinstance(inputs, str) else dict(inputs or {})
        for name, value in wanted.items():
            check_type("the name of an input", name, str)
            _check_scalar(name, value)

        def find(given: Mapping[str, object]) -> Mapping[str, Never] | None:
            fits = (name in given and is_same(given[name], value) for name, value in wanted.items())
            return {} if all(fits) else None

        _check_options(where, in_order)
        action = wanted.get("action")
        return self._registering(
            partial(
                Route,
                Resource.ATTACHMENT_ACTIONS,
                Event.CREATED,
                call=f"submission({'' if inputs is None else repr(inputs)})",
                name=action if isinstance(action, str) else None,
                find=find if wanted else None,
                where=where,
                in_order=in_order,
            )
        )

    def job(self, name: str, *, attempts: int | None = None) -> Callable[[OnJob], OnJob]:
        """Register a handler of work that the bot gives itself: ``@bot.job("remind")``.

        ::

            @bot.job("remind")
            async def remind(context: JobContext) -> None:
                await context.send("Lunch!", room_id=context.value["room"])

        `Bot.enqueue`, or ``enqueue`` of a context, stores such a job in the bot's inbox. Around it
        runs `context_middleware`, and no other middleware.

        Args:
            name: The name of the jobs. It stays in the inbox, so a release that renames it no
                longer runs what was enqueued before.
            attempts: How often such a job runs if it fails, by default as often as the bot's
                `attempts` say. The pauses are 1, 4, 16, 64, 256 and 1,024 seconds, then an hour,
                each lengthened by up to a quarter at random: five attempts last at least 85
                seconds, ten 3.4 hours. An outage of Webex uses up none.

        Raises:
            ValueError: `name` is empty, there is a handler of it, or `attempts` is below 1.
            TypeError: `name` isn't text, `attempts` isn't an `int`, or the handler isn't an async
                function that can be called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        if callable(name):
            raise TypeError('job takes a name: write @bot.job("remind")')
        check_not_empty("name", name)
        if attempts is not None:
            check_count("attempts", attempts)
        return self._registering(partial(Job, None, None, name=name, attempts=attempts))

    def schedule(  # noqa: PLR0913 - all but three have a default
        self,
        name: str,
        expression: str,
        *,
        timezone: str,
        max_delay: float | timedelta = 3600.0,
        value: Any = None,  # noqa: ANN401 - whatever the handler needs
        attempts: int | None = None,
    ) -> Callable[[OnJob], OnJob]:
        """Register a handler that runs at certain times, once over all that share the inbox.

        ::

            @bot.schedule("summary", "0 7 * * 1-5", timezone="Europe/Berlin")
            async def summary(context: JobContext) -> None:
                await context.send("Good morning!", room_id=ROOM)

        It needs the bot's inbox, which holds the next time as a job. ``context.due`` is the time of
        the expression, in the time zone; ``context.key`` is `None`. One run of a schedule is done
        after another. A time that has passed while no process ran is caught up with: the last one
        alone, and if it is at most `max_delay` old; each that is left out is a WARNING.
        ``enqueue("summary", None)`` runs it now.

        Args:
            name: The name, as of a job; there is no job of the same name.
            expression: Five fields of cron: minute, hour, day of the month, month, and day of the
                week. At the start of summer time, what is in the missing hour runs after it; in the
                hour that comes twice, a fixed time runs once.
            timezone: The name of the time zone in the time zone database.
            max_delay: How many seconds late a run may begin, or the `timedelta`: 60 at least.
            value: The value is in ``context.value``, any object. It isn't stored.
            attempts: As for `job`.

        Raises:
            ValueError: `name` is empty, there is a handler of it, `expression` has another form or
                never comes, there is no such `timezone`, `max_delay` is less than 60 seconds or
                longer than a century, or `attempts` is below 1.
            TypeError: An argument has a wrong type, or the handler isn't an async function that can
                be called with one argument.
            ImportError: cronsim is missing; the extra ``schedule`` installs it.
            RuntimeError: A bot with this handler has been started.
        """
        if callable(name):
            raise TypeError(
                'schedule takes a name: write @bot.schedule("summary", "0 7 * * *", timezone=...)'
            )
        check_not_empty("name", name)
        times = Times.of(expression, timezone)
        seconds = seconds_of("max_delay", max_delay)
        if seconds < _LEAST_DELAY:
            raise ValueError(f"max_delay must be at least {_LEAST_DELAY:g} seconds")
        if attempts is not None:
            check_count("attempts", attempts)
        return self._registering(
            partial(
                Schedule,
                None,
                None,
                name=name,
                attempts=attempts,
                times=times,
                max_delay=seconds,
                value=value,
            )
        )

    def context_middleware(self, function: M) -> M:
        """Register a function that runs around handlers that get a context.

        ::

            @bot.context_middleware
            async def session(context: Context, call_next: CallNext) -> None:
                async with context.state.sessions.begin() as context.state.session:
                    await call_next()

        It runs when a handler of this router, or of one that it includes, was found for a message
        or a submission and may run (after `where` and the bot's `allow`), and around its jobs and
        schedules. Handlers of `on` run in any case, outside of it. The first one registered is the
        outermost; those of an included router are inside of these.

        ``await call_next()`` runs the next one; in the last one, it runs the handler. Without it,
        the handler doesn't run; with two, it runs twice. If it catches the handler's error, the
        notification or the job counts as handled.

        Raises:
            TypeError: It isn't an async function that can be called with two arguments.
            RuntimeError: A bot with it has been started.
        """
        check_function(
            "a context middleware", function, "two arguments, the context and call_next", 2
        )
        self._tree.check_is_open()
        self._tree.context_middlewares.append(function)
        return function

    def include(self, router: "BotRouter | Router") -> None:
        """Include the handlers of a router, also those that are added to it later.

        They count in the place of this call among the handlers that are registered here.

        Raises:
            ValueError: A handler would get nothing, because one that is registered before it takes
                everything.
            TypeError: `router` is neither a `BotRouter` nor a `Router`, or it is a `Bot` or a
                `Receiver`.
            RuntimeError: The bot has been started.
        """
        self._include(router, BotRouter, Router)
        try:
            self._check_all()
        except ValueError:
            self._tree.entries.pop()
            raise

    def _registering(self, entry_of: Callable[[H], Registration]) -> Callable[[H], H]:
        def register(handler: H) -> H:
            check_function("a handler", handler, "one argument, the context", 1)
            self._tree.check_is_open()
            checks = self._checks
            if checks is None or self._checked != self._tree.changes:
                checks = self._check_all()  # an included router may have got more
            entry = entry_of(handler)
            checks.add(entry)
            self._tree.add(entry)
            self._checked = self._tree.changes
            return handler

        return register

    def _check_all(self) -> Checks:
        checks = Checks()
        for each in self._tree.placed():
            checks.add(each.entry)
        self._checks, self._checked = checks, self._tree.changes
        return checks


def _check_options(where: object, in_order: object) -> None:
    check_flag("in_order", in_order)
    if not (where is None or callable(where)):
        raise TypeError(f"where must be a function that takes the context, got {where!r}")


def _check_pattern(pattern: object) -> None:
    if isinstance(pattern, str):
        raise TypeError(
            f"a pattern must be compiled, such as re.compile({pattern!r}); for messages that begin "
            f"with a word, write command({pattern!r})"
        )
    if callable(pattern):
        raise TypeError("message takes a pattern: write @bot.message() for all messages")
    check_type("pattern", pattern, re.Pattern)
    check_text("the text of pattern", getattr(pattern, "pattern", None))


def _check_scalar(name: str, value: object) -> None:
    if not isinstance(value, str | int | float | None):
        raise TypeError(
            f"the value of input {name!r} must be text, a number, a boolean or None, got "
            f"{type(value).__name__}: look at context.inputs in the handler"
        )
