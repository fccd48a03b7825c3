"""Registers what a bot does about messages and submitted cards, in one module or in several."""

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, ClassVar, Never, TypeVar

from attrs import frozen

from webex_webhooks_async.bot.contexts import MessageContext, SubmissionContext
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.notifications.dispatch import Handler, Middleware
from webex_webhooks_async.notifications.router import Registry, Router, check_function
from webex_webhooks_async.validation import check_text, check_type

C = TypeVar("C", MessageContext, SubmissionContext)

ContextHandler = Callable[[C], Coroutine[Any, Any, object]]
"""An async function that takes a context."""

# A decorated handler keeps its own type.
OnMessage = TypeVar("OnMessage", bound=ContextHandler[MessageContext])
OnSubmission = TypeVar("OnSubmission", bound=ContextHandler[SubmissionContext])


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
    of `on` run in addition, for everything that they are registered for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._routes: list[Route | BotRouter] = []

    def command(self, *names: str) -> Callable[[OnMessage], OnMessage]:
        """Register a handler of messages that begin with a word: ``@bot.command("order")``.

        It gets a message whose text is one of the names, or begins with one and whitespace, in
        upper or lower case. What follows is in ``context.arguments``. The first line of its
        docstring is its line in `Bot.help`.

        Args:
            names: The command, and other names for it.

        Raises:
            ValueError: There is no name; one is empty or has whitespace around it; or the handler
                would get nothing, because a handler that is registered before it takes everything.
            TypeError: A name isn't a string, or the handler isn't an async function that can be
                called with one argument.
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
        longest_first = sorted(names, key=len, reverse=True)
        pattern = re.compile(
            rf"\A(?:{'|'.join(map(re.escape, longest_first))})(?:\s+(?P<arguments>.*))?\Z",
            re.IGNORECASE | re.DOTALL,
        )

        def register(handler: OnMessage) -> OnMessage:
            _check_handler(handler)
            self._add_route(MessageRoute(handler=handler, pattern=pattern, names=names))
            return handler

        return register

    def message(self, pattern: re.Pattern[str] | None = None) -> Callable[[OnMessage], OnMessage]:
        r"""Register a handler of messages in whose text a pattern is found, or of all messages.

        ::

            @bot.message(re.compile(r"ticket #(\d+)"))
            async def ticket(context: MessageContext) -> None:
                await context.reply(f"Looking at {context.match[1]}")

        ``context.match`` is what `re.search` finds in ``context.text``. Register the handler of all
        messages last.

        Args:
            pattern: A compiled pattern. Without one, every message matches.

        Raises:
            ValueError: A handler of all messages is registered before it.
            TypeError: `pattern` isn't a compiled pattern of text, or the handler isn't an async
                function that can be called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        _check_pattern(pattern)

        def register(handler: OnMessage) -> OnMessage:
            _check_handler(handler)
            self._add_route(MessageRoute(handler=handler, pattern=pattern))
            return handler

        return register

    def submission(
        self, /, *_unnamed: Never, **inputs: str | float | bool | None
    ) -> Callable[[OnSubmission], OnSubmission]:
        """Register a handler of submitted cards: all of them, or those with certain inputs.

        ::

            @bot.submission(action="order")
            async def ordered(context: SubmissionContext) -> None:
                await context.reply(f"One {context.inputs['dish']}, please!")

        Args:
            inputs: The values that inputs must have, by their names. Give each button of a card
                ``"data": {"action": ...}`` to tell them apart. `True` is neither ``1`` nor
                ``"true"``.

        Raises:
            ValueError: A handler of all submissions is registered before it.
            TypeError: A value is an array or an object, or has no name; or the handler isn't an
                async function that can be called with one argument.
            RuntimeError: A bot with this handler has been started.
        """
        if _unnamed:
            raise TypeError('submission takes inputs by name: write submission(action="order")')
        for name, value in inputs.items():
            _check_scalar(name, value)

        def register(handler: OnSubmission) -> OnSubmission:
            _check_handler(handler)
            self._add_route(SubmissionRoute(handler=handler, inputs=inputs))
            return handler

        return register

    def include(self, router: "BotRouter | Router") -> None:
        """Include the handlers of a router, also those that are added to it later.

        They count in the place of this call among the handlers that are registered here.

        Raises:
            ValueError: A handler would get nothing, because one that is registered before it takes
                everything.
            TypeError: `router` is neither a `BotRouter` nor a `Router`.
            RuntimeError: The bot has been started.
        """
        check_type("router", router, BotRouter, Router)
        if isinstance(router, BotRouter):
            self._add_route(router)
        self._check_is_open()
        self._entries.append(router)

    def _add_route(self, route: "Route | BotRouter") -> None:
        self._check_is_open()
        self._routes.append(route)
        try:
            self._check_routes()
        except ValueError:
            self._routes.pop()
            raise

    def _check_routes(self) -> None:
        """Check that each handler may get something."""
        takes_all: dict[type, Route] = {}
        commands = dict[str, Route]()
        for route, _ in self._all_routes({self}):
            if other := takes_all.get(type(route)):
                raise ValueError(
                    f"{route} gets nothing, because {other} takes everything: register that last"
                )
            if route.takes_all:
                takes_all[type(route)] = route
            names = [name.lower() for name in route.names]
            for name in names:
                for end in (*(each.start() for each in re.finditer(r"\s", name)), len(name)):
                    if other := commands.get(name[:end]):
                        raise ValueError(
                            f"{route} gets no {name!r}, because {other} takes {name[:end]!r} and "
                            "what follows it: give it another name, or register it first"
                        )
            commands |= dict.fromkeys(names, route)

    def _all_routes(
        self, routers: "set[BotRouter]", middlewares: tuple[Middleware, ...] = ()
    ) -> "Iterator[tuple[Route, tuple[Middleware, ...]]]":
        """Yield each route here and in included routers, with the middleware of those."""
        for entry in self._routes:
            if not isinstance(entry, BotRouter):
                yield entry, middlewares
            elif entry not in routers:
                routers.add(entry)
                yield from entry._all_routes(routers, (*middlewares, *entry._middlewares))  # noqa: SLF001 - a router's own


@frozen(kw_only=True)
class MessageRoute:
    """A handler of messages, and which ones it handles.

    Attributes:
        handler: The handler.
        pattern: Is found in the text of these messages; `None` for all messages.
        names: The names of the command, if it is one.
    """

    resource: ClassVar = Resource.MESSAGES

    handler: ContextHandler[MessageContext]
    pattern: re.Pattern[str] | None = None
    names: tuple[str, ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether it handles every message."""
        return self.pattern is None

    def __str__(self) -> str:
        if self.names:
            return _title(self.handler, "command", ", ".join(map(repr, self.names)))
        return _title(self.handler, "message", repr(self.pattern) if self.pattern else "")

    def match(self, context: MessageContext | SubmissionContext) -> Handler[Any] | None:
        """Return what handles a message, if it is for this handler."""
        if not isinstance(context, MessageContext):
            return None
        if self.pattern is None:
            return lambda _: self.handler(context)
        found = self.pattern.search(context.text)
        if found is None:
            return None
        own = MessageContext(  # evolve takes far longer
            client=context.client,
            notification=context.notification,
            message=context.message,
            me=context.me,
            text=context.text,
            arguments=(found["arguments"] or "") if self.names else "",
            match=None if self.names else found,
        )
        return lambda _: self.handler(own)


@frozen(kw_only=True)
class SubmissionRoute:
    """A handler of submitted cards, and which ones it handles.

    Attributes:
        handler: The handler.
        inputs: The values that inputs of these cards have.
    """

    resource: ClassVar = Resource.ATTACHMENT_ACTIONS
    names: ClassVar[tuple[str, ...]] = ()

    handler: ContextHandler[SubmissionContext]
    inputs: Mapping[str, str | float | bool | None]

    @property
    def takes_all(self) -> bool:
        """Whether it handles every submission."""
        return not self.inputs

    def __str__(self) -> str:
        inputs = ", ".join(f"{name}={value!r}" for name, value in self.inputs.items())
        return _title(self.handler, "submission", inputs)

    def match(self, context: MessageContext | SubmissionContext) -> Handler[Any] | None:
        """Return what handles a submission, if it is for this handler."""
        if not isinstance(context, SubmissionContext):
            return None
        given = context.inputs
        if all(name in given and _is(given[name], value) for name, value in self.inputs.items()):
            return lambda _: self.handler(context)
        return None


Route = MessageRoute | SubmissionRoute


def _title(handler: object, decorator: str, arguments: str) -> str:
    """Name a route in an error, as it was registered."""
    return f"{getattr(handler, '__name__', handler)} of {decorator}({arguments})"


def _is(given: object, value: object) -> bool:
    """Whether two values are the same in JSON, where a boolean isn't a number."""
    return given == value and isinstance(given, bool) == isinstance(value, bool)


def _check_handler(handler: object) -> None:
    check_function("a handler", handler, "one argument, the context", 1)


def _check_pattern(pattern: object) -> None:
    if isinstance(pattern, str):
        raise TypeError(
            f"a pattern must be compiled, such as re.compile({pattern!r}); for messages that begin "
            f"with a word, write command({pattern!r})"
        )
    if callable(pattern):
        raise TypeError("message takes a pattern: write @bot.message() for all messages")
    if pattern is not None:
        check_type("pattern", pattern, re.Pattern)
        check_text("the text of pattern", getattr(pattern, "pattern", None))


def _check_scalar(name: str, value: object) -> None:
    if not isinstance(value, str | int | float | None):
        raise TypeError(
            f"the value of input {name!r} must be text, a number, a boolean or None, got "
            f"{type(value).__name__}: look at context.inputs in the handler"
        )
