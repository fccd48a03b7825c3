"""What type checkers know about bots. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar, Unpack, assert_type

from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from webex_webhooks_async import (
    Bot,
    BotRouter,
    Client,
    Context,
    JobContext,
    Message,
    MessageContext,
    MessageData,
    Notification,
    Person,
    Receiver,
    ReceiverThread,
    Router,
    SubmissionContext,
    attempt,
    once,
)
from webex_webhooks_async.types import AskOptions, CallNext

engine = create_async_engine("postgresql+asyncpg://")
sessions = async_sessionmaker(engine)


async def create_order(session: AsyncSession) -> int:
    """Write into the user's own database."""
    return len(session.new)


async def create_row(connection: AsyncConnection) -> None:
    """The same, without a session."""


async def do_exactly_once() -> None:
    """What the function gets is what the context yields."""
    assert_type(await once("order", create_order, within=sessions.begin), Any)
    assert_type(await once("row", create_row, within=engine.begin), Any)
    assert_type(await once("order", create_order, within=sessions.begin, into=int), int)
    await once("row", create_row, within=sessions.begin)  # type: ignore[misc] # a session
    await once("order", create_order)  # type: ignore[arg-type] # it gets nothing


P = ParamSpec("P")
R = TypeVar("R")

bot = Bot.from_env(name="lunch", watch_every=None, on_error=lambda error, notification: None)
Bot("token", ["secret", "old secret"], target_url="https://bot.example.com")
Bot(Client("token"), "secret", allow=lambda person: person.org_id == "ORG")


@bot.command("order", "buy")
async def order(context: MessageContext) -> None:
    """A command has a message and arguments."""
    assert_type(context.match, re.Match[str])
    assert_type(await once("ticket", context.person), Any)
    assert_type(await once("ticket", context.person, into=Person), Person)
    assert_type(await once("ticket", context.person, into=lambda known: str(known["id"])), str)
    assert_type(attempt().is_last, bool)
    await context.reply(txt="Hello")  # type: ignore[call-arg] # it is refused
    await context.reply("Hello", card="card")  # type: ignore[arg-type] # it is refused
    await bot.send("Hello", room="R")  # type: ignore[call-arg] # it is refused


@bot.message(re.compile("ticket"))
@bot.message()
async def ticket(context: MessageContext) -> str:
    """A handler may have several registrations, and return anything."""
    return context.match[1]


@bot.submission({"action": "order", "amount": 1, "paid": True, "note": None})
@bot.submission("order", where=lambda context: context.person_id == "ANN")
async def ordered(context: SubmissionContext) -> None:
    """A submission has inputs."""
    assert_type(context.inputs, Mapping[str, Any])


def timed(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap a handler."""

    @wraps(handler)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return await handler(*args, **kwargs)

    return wrapper


@bot.job("remind")
async def remind(context: JobContext) -> None:
    """A job has any value, and may enqueue the next one."""
    await context.send(context.value["text"], room_id="ROOM")
    assert_type(await context.enqueue("remind", [1], key="k", after=0.5, line="ROOM"), bool)
    assert_type(await bot.enqueue("remind", None), bool)
    assert_type(await context.cancel("remind", key="k"), bool)
    assert_type(await bot.claim("report", 60), bool)


@bot.schedule("summary", "0 7 * * 1-5", timezone="Europe/Berlin", max_delay=timedelta(hours=1))
async def summary(context: JobContext) -> None:
    """A schedule has a value and a due time; it writes elsewhere, and edits by an id."""
    assert_type(context.due, datetime | None)
    message = await context.send("Hello", room_id="ROOM", buttons={"yes": "Yes"}, key="k")
    assert_type(await context.edit(message.id, "Goodbye"), Message)
    await context.send("Hello", roomId="ROOM")  # type: ignore[call-arg] # it is room_id
    await context.enqueue("remind", 1, when=5)  # type: ignore[call-arg] # no such argument


@bot.context_middleware
async def measured(context: Context, call_next: CallNext) -> None:
    """One middleware is around everything that gets a context."""
    assert_type((context.route, context.age), tuple[str, float])
    await call_next()


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


def what_cannot_be_is_an_error(
    of_message: Callable[[MessageContext], Coroutine[Any, Any, None]],
    of_submission: Callable[[SubmissionContext], Coroutine[Any, Any, None]],
    of_notification: Callable[[Notification[MessageData]], Coroutine[Any, Any, None]],
    not_async: Callable[[MessageContext], None],
) -> None:
    """A handler is async and takes the context of what it handles, whatever is around it."""
    bot.command("wrong")(of_submission)  # type: ignore[type-var] # it is refused
    bot.submission()(timed(of_message))  # type: ignore[type-var] # it is refused
    bot.message()(of_notification)  # type: ignore[type-var] # it is refused
    bot.message()(not_async)  # type: ignore[type-var] # it is refused
    bot.message(of_message)  # type: ignore[arg-type] # the decorator is called
    bot.message("ticket")  # type: ignore[arg-type] # it is refused
    bot.message(re.compile(b"ticket"))  # type: ignore[arg-type] # it is refused
    bot.command(7)  # type: ignore[arg-type] # it is refused
    bot.job("remind")(of_message)  # type: ignore[type-var] # it is refused
    bot.submission(action="order")  # type: ignore[arg-type] # it is refused
    bot.submission({"dishes": ["Pasta"]})  # type: ignore[dict-item] # it is refused
    bot.message(where=lambda context: context.text)  # type: ignore[arg-type,return-value] # it is refused
    bot.context_middleware(of_message)  # type: ignore[type-var] # it is refused
    Bot("token", "secret", title="lunch")  # type: ignore[call-arg] # it is refused
    Bot.from_env(title="lunch")  # type: ignore[call-arg] # it is refused
    ReceiverThread("token")  # type: ignore[arg-type] # it is refused


router = BotRouter()
router.include(BotRouter())
bot.include(router)
bot.include(Router())
Receiver("secret").include(router)  # type: ignore[arg-type] # it is refused


@router.on("messages", "created")
async def on_message(notification: Notification[MessageData]) -> None:
    """`on` is the one of `Router`, and so is `middleware`."""
    await router.dispatch(notification)  # type: ignore[attr-defined] # it has none


@router.middleware
async def around(notification: Notification[Any], call_next: CallNext) -> None:
    """Middleware, too."""
    await call_next()


@router.context_middleware
async def session(context: MessageContext | SubmissionContext, call_next: CallNext) -> None:
    """What a middleware of contexts gets has the ids of who, where, and the state."""
    assert_type(context.person_id, str)
    assert_type(context.room_id, str)
    if isinstance(context, MessageContext):
        assert_type(context.thread_id, str)
    context.state.session = context.state.sessions()
    await call_next()


@bot.command("leave")
async def leave(context: MessageContext) -> None:
    """A question is answered by a message, one with a card or buttons by a submission."""
    day = await context.ask("Which day?", timeout=60, commands=False)
    assert_type(day, MessageContext)
    assert_type(await day.ask("Really?", buttons={"yes": "Yes"}), SubmissionContext)
    assert_type(await context.ask(card={"type": "AdaptiveCard"}, room_id="R"), SubmissionContext)
    assert_type(await context.ask("Where?", card=None, buttons=None), MessageContext)
    assert_type(await context.ask("Where?", default=None), MessageContext | None)
    assert_type(await day.ask("?", buttons={"y": "Y"}, default="n"), SubmissionContext | str)
    assert_type(await day.ask(card={}, default=None), SubmissionContext | None)
    await context.ask("Where?", room_id="R")  # type: ignore[call-overload] # nobody's answer
    assert_type(await context.stop_earlier(), bool)


async def ask_all(context: Context, team: list[str], card: dict[str, Any]) -> None:
    """Each name has an answer of the kind of the question, or none; `until` gets those that are."""
    texts = await context.ask_all("Which day?", to=team, timeout=60, until=2)
    assert_type(texts, dict[str, MessageContext | None])
    cards = await context.ask_all(to=team, card=card, until=lambda some: "x" in some, key="k")
    assert_type(cards, dict[str, SubmissionContext | None])

    async def is_enough(answers: Mapping[str, SubmissionContext]) -> bool:
        return all(each.action == "yes" for each in answers.values())

    buttons = {"yes": "Yes"}
    found = await context.ask_all("?", to=team, buttons=buttons, until=is_enough, keep_card=True)
    assert_type(found, dict[str, SubmissionContext | None])
    await context.ask_all("?", to=team, until=is_enough)  # type: ignore[arg-type] # of texts
    await context.ask_all("?", to=team, room_id="R")  # type: ignore[call-overload] # no place


async def ask_again(context: Context, text: str, **options: Unpack[AskOptions]) -> None:
    """With options of its own, a question has either answer."""
    assert_type(await context.ask(text, **options), MessageContext | SubmissionContext)
    found = await context.ask(text, default=None, **options)
    assert_type(found, MessageContext | SubmissionContext | None)
    card = options.get("card")
    assert_type(await context.ask(text, card=card), MessageContext | SubmissionContext)


def synchronous() -> None:
    """What a bot in a thread runs has the type of its result."""
    assert_type(ReceiverThread(bot).run(bot.send("Hello", room_id="R")), Message)


async def running() -> None:
    """A bot is a context manager."""
    async with bot as entered:
        assert_type(entered, Bot)
