"""A library around this package, which annotates all that it passes on with public names alone.

Type checkers check this file; nothing runs it.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Generic, TypeVar, Unpack, assert_type

from webex_webhooks_async import (
    Bot,
    Client,
    MessageContext,
    MessageData,
    Notification,
    Person,
    Receiver,
    SubmissionContext,
    parse_notification,
)
from webex_webhooks_async.types import (
    Allow,
    BotOptions,
    CallNext,
    ClientOptions,
    ContextHandler,
    ContextMiddleware,
    ErrorHandler,
    Handler,
    Headers,
    Lifespan,
    Middleware,
    NotificationData,
    Params,
    ReceiverOptions,
    Secrets,
)

C = TypeVar("C", MessageContext, SubmissionContext)


def make_client(token: str, **options: Unpack[ClientOptions]) -> Client:
    """The options of a client are passed on, and completed."""
    options.setdefault("timeout", 10.0)
    options["wrong"] = 1  # type: ignore[typeddict-unknown-key] # it has none
    return Client(token, **options)


def make_receiver(secrets: Secrets, **options: Unpack[ReceiverOptions]) -> Receiver:
    """Those of a receiver are also those of a bot."""
    assert_type(make_bot("token", secrets, "example.com", **options), Bot)
    return Receiver(secrets, **options)


def make_bot(token: str, secrets: Secrets, domain: str, **options: Unpack[BotOptions]) -> Bot:
    """A bot that lets some people in."""
    options["allow"] = only(domain)
    options["lifespan"] = with_pool(nullcontext())
    options["on_error"] = log_errors(logging.getLogger("bots"))
    return Bot(token, secrets, **options)


def with_pool(pool: AbstractAsyncContextManager[object]) -> Lifespan:
    """Open a pool with each bot or receiver."""

    @asynccontextmanager
    async def lifespan(_: Receiver) -> AsyncGenerator[Mapping[str, object]]:
        async with pool as opened:
            yield {"pool": opened}

    return lifespan


def only(domain: str) -> Allow:
    """Let the people of a domain in."""

    async def allow(person: Person) -> bool:
        return any(address.endswith(f"@{domain}") for address in person.emails)

    return allow


def log_errors(logger: logging.Logger) -> ErrorHandler:
    """Log what handlers raise."""

    def log(error: Exception, notification: Notification[NotificationData]) -> None:
        logger.error("%s: %r", notification.resource, error)

    return log


def counted(count: Callable[[str], None]) -> Middleware:
    """Count notifications."""

    async def around(notification: Notification[Any], call_next: CallNext) -> None:
        count(notification.resource)
        await call_next()

    return around


def in_session(sessions: Callable[[], object]) -> ContextMiddleware:
    """Give each handler a session."""

    async def around(context: MessageContext | SubmissionContext, call_next: CallNext) -> None:
        context.state.session = sessions()
        await call_next()

    return around


class Registry(Generic[C]):
    """Keeps handlers of contexts, of one kind."""

    def __init__(self, handlers: Iterable[ContextHandler[C]]) -> None:
        self._handlers: tuple[ContextHandler[C], ...] = tuple(handlers)

    async def run(self, context: C) -> None:
        """Run all of them."""
        for handler in self._handlers:
            await handler(context)


def logged(handler: Handler[MessageData]) -> Handler[MessageData]:
    """Wrap a handler of notifications."""

    async def wrapper(notification: Notification[MessageData]) -> object:
        assert_type(notification.data.person_email, str)
        return await handler(notification)

    return wrapper


def received(body: bytes, headers: Headers, secrets: str) -> Notification[NotificationData]:
    """Take the headers of any framework."""
    return parse_notification(body, headers, secrets=secrets)


def rooms(client: Client, params: Params | None = None) -> Awaitable[Any]:
    """Pass the parameters of a query on."""
    return client.get("rooms", params=params)


async def register(bot: Bot, of_messages: ContextHandler[MessageContext]) -> None:
    """What is made here goes where it is wanted."""
    bot.command("lunch")(of_messages)
    bot.middleware(counted(print))
    bot.context_middleware(in_session(object))
    bot.on("messages")(logged(on_message))


async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
