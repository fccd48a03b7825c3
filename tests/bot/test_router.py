"""Which handler gets a message or a submitted card."""

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.bot.doubles import URL, Handlers, Webex, noting
from tests.support.refusals import refused
from webex_webhooks_async import (
    Bot,
    BotRouter,
    Context,
    MessageContext,
    Notification,
    Receiver,
    Router,
    SubmissionContext,
)
from webex_webhooks_async.testing import SandboxPerson
from webex_webhooks_async.types import CallNext

pytestmark = pytest.mark.once


Inputs = dict[str, Any]


@pytest.fixture
def bot(webex: Webex) -> Bot:
    """A bot to register them on."""
    return webex.bot()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("order", ""),
        ("ORDER", ""),
        ("order  two\tpizzas ", "two\tpizzas"),
        ("Order\n\nwith\nlines", "with\nlines"),
        ("buy it", "it"),
        ("place  an\norder now", "now"),
        ("my", ""),
        ("my own", ""),
        *((other, None) for other in ("orders", "order!", "an order", "or", "place anorder")),
    ],
)
async def test_a_command_is_a_name_and_arguments(
    text: str, arguments: str | None, bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """The text is one of the names, or begins with one and whitespace, whatever its case."""
    handlers.command(bot, "order", "buy", "place an order", "my", "my own", "[a-z]+", "o.der")
    async with webex.running(bot):
        (delivery,) = await webex.sandbox.say(text)

    assert delivery.status_code == 204
    assert [context.arguments for _, context in handlers.heard] == (
        [] if arguments is None else [arguments]
    )


async def test_a_pattern_is_searched_in_the_text(
    bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """The handler gets what was found; that of a command has nothing, and asking is an error."""
    handlers.command(bot, "order")
    handlers.message(bot, r"ticket #(\d+)")
    await webex.hear(bot, "Where is ticket #42?", "Where is my ticket?", "order")

    (_, found), (_, command) = handlers.heard
    assert found.match[1] == "42"
    with pytest.raises(RuntimeError, match="this handler has no pattern"):
        _ = command.match


async def test_the_first_registration_that_matches_handles_a_message(
    bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """They are tried in order, those of an included router in its place, and it is fetched once."""
    router, nested = BotRouter(), BotRouter()
    handlers.command(bot, "one")
    bot.include(router)
    bot.include(router)
    handlers.command(bot, "four")
    handlers.message(bot)
    router.include(nested)
    handlers.command(nested, "two")
    handlers.message(router, "o")
    async with webex.running(bot):
        before = len(webex.sandbox.requests)
        for text in ("one", "two", "four", "else"):
            await webex.sandbox.say(text)

    assert handlers.names == ["one", "two", "o", "all"]
    assert [each.method for each in webex.sandbox.requests[before:]] == ["GET"] * 4


@pytest.mark.parametrize(
    ("wanted", "given", "is_match"),
    [
        ({"action": "order"}, {"action": "order", "dish": "Pasta"}, True),
        ({"action": "order", "dish": "Pasta"}, {"action": "order"}, False),
        ({"n": 1}, {"n": 1.0}, True),
        ({"n": 1}, {"n": True}, False),
        ({"n": True}, {"n": 1}, False),
        ({"n": True}, {"n": "true"}, False),
        ({"n": "1"}, {"n": 1}, False),
        ({"n": None}, {"n": None}, True),
        ({"n": None}, {}, False),
        ({"self": "x"}, {"self": "x"}, True),
    ],
)
async def test_a_submission_is_chosen_by_its_inputs(  # noqa: PLR0913 - fixtures
    bot: Bot, handlers: Handlers, webex: Webex, *, wanted: Inputs, given: Inputs, is_match: bool
) -> None:
    """Each input has the value that was asked for, of the same type in JSON."""
    handlers.submission(bot, "chosen", wanted)
    handlers.submission(bot, "other")
    async with webex.running(bot):
        data = {"id": "A1", "inputs": given}
        await webex.sandbox.emit("attachmentActions", "created", data=data)

    ((name, context),) = handlers.heard
    assert name == ("chosen" if is_match else "other")
    assert context.inputs == given


async def test_handlers_of_notifications_run_in_addition(
    bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """`on` takes a handler of the same notification, in routers of both kinds as well."""
    seen: list[str] = []
    routers = BotRouter(), Router()
    for each in (bot, *routers):
        each.on("messages", "created")(noting(seen, lambda notification: notification.data.id))
    for each in routers:
        bot.include(each)
    handlers.message(bot)
    await webex.hear(bot, "Hello")

    assert (len(seen), handlers.names) == (3, ["all"])


async def test_middleware_runs_around_the_handlers_of_its_router(bot: Bot, webex: Webex) -> None:
    """The bot's is around everything, a router's once around all that is handled there."""
    trace: list[str] = []
    outer, inner = BotRouter(), BotRouter()
    outer.include(inner)
    bot.include(outer)

    def named(name: str) -> Any:  # noqa: ANN401 - a handler of anything
        async def handle(_: object) -> None:
            trace.append(name)

        return handle

    for name, router in (("bot", bot), ("outer", outer), ("inner", inner)):

        async def note(_: Notification[Any], call_next: CallNext, name: str = name) -> None:
            trace.append(name)
            await call_next()
            trace.append(f"/{name}")

        router.middleware(note)
    inner.on("messages")(named("first"))
    inner.command("one")(named("ONE"))
    inner.on("messages")(named("last"))
    outer.submission()(named("TWO"))
    bot.message()(named("ALL"))
    async with webex.running(bot):
        await webex.sandbox.say("one")
        await webex.sandbox.say("else")
        await webex.sandbox.emit("attachmentActions", "created")

    one = "bot outer inner first ONE last /inner /outer /bot"
    other = "bot outer inner first last /inner /outer ALL /bot"
    assert " ".join(trace) == f"{one} {other} bot outer TWO /outer /bot"


async def handler(_: object) -> None:
    """Do nothing."""


async def other(_: object) -> None:
    """Do nothing, too."""


async def test_a_condition_decides_whether_a_handler_is_for_a_message(
    bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """`where` is asked before `allow`; the next one that matches follows; the help lists all."""
    bot = webex.bot(allow=lambda _: False, refusal="You may not use this bot.")

    async def is_about_lunch(context: MessageContext) -> bool:
        return "lunch" in context.arguments

    @bot.command("order", where=is_about_lunch)
    async def order(context: MessageContext) -> None:
        """Order lunch."""

    @bot.message(where=lambda context: context.text == "open")
    async def opened(context: MessageContext) -> None: ...

    handlers.command(bot, "order")
    async with webex.running(bot):
        await webex.sandbox.say("else")
        assert webex.texts == ["else"]
        await webex.sandbox.say("open")
        assert webex.texts == ["else", "open", "You may not use this bot."]
    assert bot.help == "* **order**: Order lunch."


@pytest.mark.parametrize(
    ("text", "wanted"), [("order lunch", "where"), ("order", "order"), ("other", "all")]
)
async def test_the_first_handler_whose_condition_holds_handles_a_message(
    text: str, wanted: str, bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """A handler with a condition hides none that is registered after it."""

    @bot.command("order", where=lambda context: context.arguments == "lunch")
    @bot.message(where=lambda context: context.text == "")
    async def where(context: MessageContext) -> None:
        handlers.heard.append(("where", context))

    handlers.command(bot, "order")
    handlers.message(bot)
    async with webex.running(bot):
        await webex.sandbox.say(text)
    assert handlers.names == [wanted]


def divide(_: MessageContext) -> bool:
    """Fail."""
    return 1 / 0 > 1


def text_of(context: MessageContext) -> Any:  # noqa: ANN401 - a mistake
    """Return what isn't a boolean."""
    return context.text


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (divide, ZeroDivisionError("division by zero")),
        (text_of, TypeError("where of handler of message() must return True or False, got str")),
    ],
)
async def test_a_condition_that_fails_is_a_failure_of_the_handling(
    where: Callable[[MessageContext], Any], error: Exception, handlers: Handlers, webex: Webex
) -> None:
    """No handler runs, and `on_error` gets what the condition raised."""
    reported: list[Exception] = []
    bot = webex.bot(on_error=lambda failure, _: reported.append(failure))
    bot.message(where=where)(handler)
    handlers.message(bot)
    async with webex.running(bot):
        with pytest.raises(type(error)):
            await webex.sandbox.say("Hello")
    assert (repr(reported), handlers.names) == (repr([error]), [])


async def test_middleware_of_contexts_runs_around_the_handler_alone(
    handlers: Handlers, webex: Webex
) -> None:
    """It runs in order, a router's inside of the bot's, and neither around `on` nor for nothing."""
    bot = webex.bot(allow=lambda person: person.display_name != "Eve")
    trace: list[str] = []
    outer, inner = BotRouter(), BotRouter()
    inner.command("in")(bot.command("out")(noting(trace, lambda context: context.text)))
    bot.on("messages")(noting(trace, lambda _: "on"))
    for name, router in (("first", bot), ("second", bot), ("outer", outer), ("inner", inner)):

        async def note(
            context: MessageContext | SubmissionContext, call_next: CallNext, name: str = name
        ) -> None:
            trace.append(f"{name} {context.person_id == context.notification.actor_id}")
            await call_next()
            trace.append(f"/{name}")

        router.context_middleware(note)
    outer.include(inner)
    bot.include(outer)
    bot.include(inner)
    eve = SandboxPerson(emails=["eve@example.com"], display_name="Eve")
    async with webex.running(bot):
        for text in ("out", "in", "else"):
            await webex.sandbox.say(text)
        await webex.sandbox.say("out", person=eve)

    out = "first True, second True, out, /second, /first, on"
    in_ = "on, first True, second True, outer True, inner True, in, /inner, /outer, /second, /first"
    assert ", ".join(trace) == f"{out}, {in_}, on, on"


async def test_the_route_of_a_context(webex: Webex) -> None:
    """It says what was registered, and numbers equal ones in the order of their registration."""
    bot = webex.bot()
    routes: list[str] = []

    async def note(context: Context) -> None:
        routes.append(context.route)

    def only(text: str) -> Callable[[MessageContext], bool]:
        return lambda context: context.text == text

    router = BotRouter()
    bot.command("swap", "change")(note)
    bot.include(router)
    bot.message(where=only("2"))(note)
    router.message(re.compile("ticket"))(note)
    router.message(where=only("1"))(functools.partial(note))
    bot.submission("take", where=lambda _: False)(note)
    bot.submission("take")(note)
    bot.submission()(note)
    async with webex.running(bot):
        buttons = {"take": "Take it", "give": "Give it"}
        choice = await bot.send("?", buttons=buttons, to_person_email="ann@example.com")
        for text in ("change it", "a ticket", "1", "2"):
            await webex.sandbox.say(text, person="ann@example.com")
        for press in buttons.values():
            await webex.sandbox.submit(choice.id, press=press, person="ann@example.com")

    assert routes == [
        *("command swap", "message note", "message partial"),
        *("message note 2", "submission take 2", "submission note"),
    ]


async def test_what_a_middleware_sets_is_seen_by_its_handler_alone(webex: Webex) -> None:
    """Each message has a state of its own; a name that isn't there is an error that says so."""
    bot = webex.bot()
    seen: list[Any] = []

    @bot.context_middleware
    async def count(context: MessageContext, call_next: CallNext) -> None:
        with pytest.raises(AttributeError, match="the state has no 'number': yield"):
            _ = context.state.number
        context.state.number = len(seen)
        await call_next()

    bot.message()(noting(seen, lambda context: context.state.number))
    await webex.hear(bot, "Hello", "Hello")
    assert seen == [0, 1]


async def test_a_middleware_may_keep_a_handler_from_running(
    bot: Bot, handlers: Handlers, webex: Webex
) -> None:
    """Without `call_next`, the handler doesn't run; what the middleware raises is a failure."""
    handlers.message(bot)

    @bot.context_middleware
    async def refuse(context: MessageContext, call_next: CallNext) -> None:
        if context.text == "fail":
            raise ValueError("no")

    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        with pytest.raises(ValueError, match="no"):
            await webex.sandbox.say("fail")
    assert handlers.names == []


Register = Callable[[BotRouter], Callable[[Any], Any]]

HIDDEN: list[tuple[Register, Register, str]] = [
    (
        BotRouter.message,
        lambda router: router.command("order", "buy"),
        "other of command('order', 'buy') gets nothing, because handler of message() takes ",
    ),
    (
        BotRouter.message,
        lambda router: router.message(re.compile("a")),
        "other of message(re.compile('a')) gets nothing",
    ),
    (
        BotRouter.submission,
        lambda router: router.submission({"action": "order", "n": 1}),
        "other of submission({'action': 'order', 'n': 1}) gets nothing, because handler of subm",
    ),
    (
        lambda router: router.command("order", "buy"),
        lambda router: router.command("Buy"),
        "other of command('Buy') gets no 'buy', because handler of command('order', 'buy') takes ",
    ),
    (
        lambda router: router.command("my"),
        lambda router: router.command("my own orders"),
        "other of command('my own orders') gets no 'my own orders', because handler of command(",
    ),
]


@pytest.mark.parametrize(("first", "second", "error"), HIDDEN)
async def test_a_handler_that_would_get_nothing_is_an_error(
    first: Register, second: Register, error: str, bot: Bot, webex: Webex
) -> None:
    """It is named at the registration, or at the start, with what is registered before it."""
    early, late = BotRouter(), BotRouter()
    bot.include(early)
    first(bot)(handler)
    second(late)(other)
    for register in (lambda: second(bot)(other), lambda: bot.include(late)):
        with pytest.raises(ValueError, match=re.escape(error)):
            register()
    await bot.wanted_webhooks(name="bot", target_url=URL)  # what was refused isn't kept

    first(early)(other)
    with pytest.raises(ValueError, match=r"handler of .*, because other of "):
        await bot.__aenter__()
    assert webex.sandbox.requests == ()


NO_BOT = "TypeError: a Bot receives by itself, so it can't be included: register its handlers on a "

WRONG: list[tuple[Callable[[BotRouter], Any], str]] = [
    (lambda router: router.command(), "ValueError: a command needs a name, such as command"),
    (lambda router: router.command(""), "ValueError: the name of a command is the text before"),
    (lambda router: router.command("a", " b"), "ValueError: the name of a command is the text"),
    (lambda router: router.command(7), "TypeError: the name of a command must be str, got int"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.command(handler), "TypeError: command takes names: write @bot.command"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.message(handler), "TypeError: message takes a pattern: write @bot.me"),  # type: ignore[arg-type] # it is refused
    (
        lambda router: router.message("a.b"),  # type: ignore[arg-type] # it is refused
        "TypeError: a pattern must be compiled, such as re.compile('a.b'); for messages that begin",
    ),
    (lambda router: router.message(re.compile(b"a")), "TypeError: the text of pattern must be str"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.message(7), "TypeError: pattern must be Pattern, got int"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.submission({1: "a"}), "TypeError: the name of an input must be str"),  # type: ignore[dict-item] # it is refused
    (lambda router: router.submission({"a": [1]}), "TypeError: the value of input 'a' must be"),  # type: ignore[dict-item] # it is refused
    (
        lambda router: router.submission(action="order"),  # type: ignore[arg-type] # it is refused
        "TypeError: submission takes the inputs as a dict: write submission({'action': 'order'})",
    ),
    (lambda router: router.submission(7), "TypeError: inputs must be str or Mapping, got int"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.submission(handler), "TypeError: submission takes inputs: write @bot."),  # type: ignore[arg-type] # it is refused
    (lambda router: router.message(where="a"), "TypeError: where must be a function that takes"),  # type: ignore[arg-type] # it is refused
    (lambda router: router.command("a", where=1), "TypeError: where must be a function that"),  # type: ignore[arg-type] # it is refused
    (
        lambda router: router.context_middleware(handler),  # type: ignore[type-var] # it is refused
        "TypeError: a context middleware must take two arguments, the context and call_next",
    ),
    (lambda router: router.include(Bot), "TypeError: router must be BotRouter or Router"),  # type: ignore[arg-type] # it is refused
    (lambda router: Receiver("s").include(router), "TypeError: router must be Router, got BotRout"),  # type: ignore[arg-type] # it is refused
    *(
        (lambda router, into=into: (into or router).include(Bot("t", "s")), NO_BOT)
        for into in (None, Bot("t", "s"), Receiver("s"), Router())
    ),
    (lambda router: router.include(Receiver("s")), "TypeError: a Receiver receives by itself, so"),
]


@pytest.mark.parametrize(("register", "error"), WRONG)
def test_a_wrong_registration_is_an_error_at_once(
    register: Callable[[BotRouter], Any], error: str
) -> None:
    """The error says what to write."""
    with refused(error):
        register(BotRouter())


@pytest.mark.parametrize(
    "decorator",
    [BotRouter().command("a"), BotRouter().message(), BotRouter().submission()],
    ids=["command", "message", "submission"],
)
def test_a_handler_is_an_async_function_of_a_context(decorator: Callable[[Any], Any]) -> None:
    """Anything else is an error where it is registered."""

    async def takes_two(_context: MessageContext, _other: object) -> None: ...

    with pytest.raises(TypeError, match="a handler must be an async function, got <built-in"):
        decorator(print)
    with pytest.raises(TypeError, match="a handler must take one argument, the context; got "):
        decorator(takes_two)


async def test_registering_ends_with_the_start(bot: Bot, webex: Webex) -> None:
    """From the start on, a bot and its routers take nothing more."""
    router, plain = BotRouter(), Router()
    router.include(plain)
    bot.include(router)
    bot.message()(handler)
    async with webex.running(bot):
        for register in (
            lambda: bot.command("late")(handler),
            lambda: router.message()(handler),
            lambda: router.submission()(handler),
            lambda: bot.on("messages")(handler),
            lambda: plain.on("messages")(handler),
            lambda: bot.include(Router()),
            lambda: router.include(BotRouter()),
        ):
            with pytest.raises(
                RuntimeError, match=r"it is too late: .* before the start of the bot$"
            ):
                register()


def test_help_is_made_of_docstrings(bot: Bot, handlers: Handlers) -> None:
    """The commands that have a docstring are listed in their order, in Markdown."""
    router = BotRouter()

    async def order(_: MessageContext) -> None:
        """Order lunch.

        And more about it.
        """

    async def mine(_: MessageContext) -> None:
        """
        Show *your* orders."""  # noqa: D200, D212 - as people write

    async def cards(_: SubmissionContext) -> None:
        """Not a command."""

    bot.command("order", "buy")(order)
    handlers.command(bot, "undocumented")
    bot.include(router)
    bot.command("partial")(functools.partial(order))
    bot.submission()(cards)
    bot.message(re.compile("x"))(order)
    router.command("my orders")(mine)

    assert bot.help == "* **order**, **buy**: Order lunch.\n* **my orders**: Show *your* orders."
