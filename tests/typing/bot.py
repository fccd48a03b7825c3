"""What type checkers know about bots. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar, assert_type

from webex_webhooks_async import (
    Bot,
    BotRouter,
    CallNext,
    Client,
    File,
    Message,
    MessageContext,
    MessageData,
    Notification,
    Person,
    PhoneNumber,
    Receiver,
    ReceiverThread,
    Router,
    StaticToken,
    SubmissionContext,
)

P = ParamSpec("P")
R = TypeVar("R")

bot = Bot.from_env(name="lunch", watch=None, on_error=lambda error, notification: None)
Bot("token", "secret")
Bot(StaticToken("token"), ["secret", "old secret"], target_url="https://bot.example.com")
Bot(Client("token"), "secret", background=True)
Bot("token", "secret", allow=lambda person: person.org_id == "ORG", refusal="No", in_order=True)

Bot("token", "secret", title="lunch")  # type: ignore[call-arg] # it is refused
Bot.from_env(title="lunch")  # type: ignore[call-arg] # it is refused

assert_type(bot.client, Client)
assert_type(bot.is_last_attempt, bool)
receiver: Receiver = bot
assert_type(bot.me, Person)
assert_type((bot.me.id, bot.me.emails), tuple[str, tuple[str, ...] | None])
assert_type(bot.help, str)


@bot.command("order", "buy")
async def order(context: MessageContext) -> None:
    """A command has a message and arguments."""
    assert_type((context.text, context.arguments), tuple[str, str])
    assert_type(context.match, re.Match[str])
    assert_type(await bot.once("ticket", context.person), Any)
    assert_type(context.message, Message)
    assert_type(context.notification, Notification[MessageData])
    assert_type(context.client, Client)
    assert_type(context.me, Person)
    assert_type(context.me.phone_numbers, tuple[PhoneNumber, ...] | None)
    assert_type(await context.reply("Hello", card={"type": "AdaptiveCard"}), Message)
    assert_type(await context.send(markdown="**Hello**", files=["https://example.com"]), Message)
    message = await context.send("Hello", parent_id=context.message.id)
    assert_type(await context.edit(message, "Hello", markdown=None), Message)
    await context.delete(message)
    await context.edit("M1", "Hello")  # type: ignore[arg-type] # a Message, for its room
    await context.reply(file=File("menu.txt", b"Pasta"))
    await context.reply(file="menu.txt")  # type: ignore[arg-type] # it is refused
    await context.reply(txt="Hello")  # type: ignore[call-arg] # it is refused
    await context.reply("Hello", card="card")  # type: ignore[arg-type] # it is refused


@bot.message(re.compile("ticket"))
@bot.message()
async def ticket(context: MessageContext) -> str:
    """A handler may have several registrations, and return anything."""
    return context.match[1]


@bot.submission(action="order", amount=1, paid=True, note=None)
async def ordered(context: SubmissionContext) -> None:
    """A submission has inputs."""
    assert_type(context.inputs, Mapping[str, Any])
    assert_type((context.message_id, await context.person()), tuple[str, Person])
    assert_type(await bot.send("Hello", room_id="R", card={"type": "AdaptiveCard"}), Message)
    message = await bot.send("Hello", room_id="R", parent_id="M")
    assert_type(await bot.edit(message, markdown="**Hello**"), Message)
    await bot.delete(message.id)
    await bot.send("Hello", "R")  # type: ignore[call-arg] # it is refused
    assert_type(await context.reply("Thank you"), Message)


def timed(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap a handler."""

    @wraps(handler)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return await handler(*args, **kwargs)

    return wrapper


@bot.command("wrapped")
@timed
async def wrapped(context: MessageContext) -> int:
    """A function that a decorator has wrapped keeps its types."""
    return len(context.text)


async def calls(message: MessageContext, submission: SubmissionContext) -> None:
    """A decorated handler can be called as it is, and in a test."""
    assert_type(await order(message), None)
    assert_type(await wrapped(message), int)
    await wrapped(submission)  # type: ignore[arg-type] # it is refused


@bot.command("wrong")  # type: ignore[type-var] # it is refused
async def wrong_context(context: SubmissionContext) -> None:
    """A command doesn't get a submission."""


@bot.submission()  # type: ignore[type-var] # it is refused
@timed
async def wrong_wrapped(context: MessageContext) -> None:
    """A submission isn't a message, whatever is around the handler."""


@bot.message()  # type: ignore[type-var] # it is refused
async def wrong_notification(notification: Notification[MessageData]) -> None:
    """Handlers of messages get a context."""


@bot.message()  # type: ignore[type-var] # it is refused
def not_async(context: MessageContext) -> None:
    """A handler is an async function."""


@bot.message  # type: ignore[arg-type] # it is refused
async def without_parentheses(context: MessageContext) -> None:
    """The decorator is called."""


bot.message("ticket")  # type: ignore[arg-type] # it is refused
bot.message(re.compile(b"ticket"))  # type: ignore[arg-type] # it is refused
bot.command(7)  # type: ignore[arg-type] # it is refused
bot.submission("order")  # type: ignore[arg-type] # it is refused
bot.submission(dishes=["Pasta"])  # type: ignore[arg-type] # it is refused


router = BotRouter()
router.include(BotRouter())
bot.include(router)
bot.include(Router())
Receiver("secret").include(router)  # type: ignore[arg-type] # it is refused


@router.on("messages", "created")
async def on_message(notification: Notification[MessageData]) -> None:
    """`on` is the one of `Router`."""
    assert_type(await bot.handle(b"", {}), int)
    await bot.dispatch(notification)
    await router.dispatch(notification)  # type: ignore[attr-defined] # it has none


@router.middleware
async def around(notification: Notification[Any], call_next: CallNext) -> None:
    """Middleware, too."""
    await call_next()


def synchronous(body: bytes) -> None:
    """A bot in a thread is called without await."""
    bot_thread = ReceiverThread(bot)
    assert_type(bot_thread.handle(body, {}), int)
    assert_type(bot_thread.run(bot.send("Hello", room_id="R")), Message)
    bot_thread.start()
    bot_thread.close()
    ReceiverThread("token")  # type: ignore[arg-type] # it is refused


async def running() -> None:
    """A bot is a context manager."""
    async with bot as entered:
        assert_type(entered, Bot)
