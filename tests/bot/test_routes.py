"""What is found of many handlers, and what registering them costs."""

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.bot.doubles import Handlers, Webex, ignore, noting
from webex_webhooks_async import BotRouter
from webex_webhooks_async.bot.routes import Routes

pytestmark = pytest.mark.once


def calls_of(function: Callable[[], object]) -> int:
    """Count the calls of functions of the package."""
    count = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and "webex_webhooks_async" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def test_each_registration_costs_the_same() -> None:
    """The 800th command costs what the second one costs, also beside included routers."""
    bot = BotRouter()
    for number in range(3):
        bot.include(router := BotRouter())
        router.command(f"included-{number}")(ignore)
    bot.command("first")(ignore)
    costs = [calls_of(lambda: bot.command(f"c{each}")(ignore)) for each in range(800)]  # noqa: B023 - called at once

    assert set(costs) == {costs[0]}


def test_a_router_that_has_got_more_is_checked_again() -> None:
    """A handler that gets nothing is refused, also because of what was included and came later."""
    outer, inner, innermost = BotRouter(), BotRouter(), BotRouter()
    outer.include(inner)
    inner.include(innermost)
    outer.submission()(ignore)
    innermost.message()(ignore)

    with pytest.raises(ValueError, match=r"command\('one'\) gets nothing, because ignore of mess"):
        outer.command("one")(ignore)


def test_a_refused_router_is_not_included() -> None:
    """What is refused leaves no trace: what comes after it is registered."""
    outer, inner = BotRouter(), BotRouter()
    inner.message()(ignore)
    inner.job("remind")(ignore)
    outer.job("remind")(ignore)
    with pytest.raises(ValueError, match="two handlers are for the job 'remind'"):
        outer.include(inner)
    outer.command("one")(ignore)


def routes_of(register: Callable[[BotRouter], object]) -> Routes:
    """What is found in a router."""
    router = BotRouter()
    register(router)
    return Routes(router._tree.placed())  # pyright: ignore[reportPrivateUsage] - a bot does this at its start


def test_one_command_of_many_is_looked_at() -> None:
    """Of 200 commands, the one with the first word of a message is looked at, and no other."""

    def register(router: BotRouter) -> None:
        for number in range(200):
            router.command(f"c{number}")(ignore)
        router.message(re.compile("x"))(ignore)

    routes = routes_of(register)

    assert len(routes.of_text("c150 and more")) == 2
    assert len(routes.of_text("something else")) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order", "ORDER\tlunch"),
        ("order lunch", "Order lunch today"),
        ("straße", "STRAßE 5"),
        ("istanbul", "İSTANBUL"),
        ("ILIK", "\N{LATIN SMALL LETTER DOTLESS I}l\N{LATIN SMALL LETTER DOTLESS I}k"),
        ("kelvin", "\N{KELVIN SIGN}elvin"),
        ("σας", "ΣΑΣ"),
        ("\N{LATIN SMALL LETTER LONG S}o", "SO"),
    ],
)
def test_a_command_is_found_in_any_case(name: str, text: str) -> None:
    """A command is found by all that its pattern takes for the same, in any alphabet."""
    routes = routes_of(lambda router: router.command(name)(ignore))
    (found,) = routes.of_text(text)

    assert found.entry.details(text) is not None  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] - it is a route


async def test_the_order_of_registration_counts(webex: Webex) -> None:
    """Commands and patterns are asked in the order of their registration, those of routers too."""
    bot, router, handlers = webex.bot(), BotRouter(), Handlers()
    handlers.message(bot, "lunch$")
    handlers.command(router, "order", "buy")
    bot.include(router)
    handlers.message(bot, "^order")
    handlers.command(bot, "eat")
    handlers.message(bot)
    said = ["order lunch", "order soup", "BUY soup", "ordering", "eat", "eat lunch", "drink", ""]
    async with webex.running(bot):
        for text in said:
            await webex.sandbox.say(text or "x", person="ann@example.com")

    assert handlers.names == [
        *("lunch$", "order", "order", "^order", "eat", "lunch$", "all", "all")
    ]


async def test_middleware_of_contexts_is_that_of_the_routers(webex: Webex) -> None:
    """Around a handler runs the middleware of the routers that it is in, the outermost first."""
    bot, inner, other = webex.bot(), BotRouter(), BotRouter()
    ran: list[str] = []

    def middleware(name: str) -> Any:  # noqa: ANN401 - it fits everywhere
        async def run(_: object, call_next: Any) -> None:  # noqa: ANN401 - as middleware is called
            ran.append(name)
            await call_next()

        return run

    bot.context_middleware(middleware("bot"))
    inner.context_middleware(middleware("inner"))
    other.context_middleware(middleware("other"))
    bot.include(other)
    bot.include(inner)
    inner.command("inner")(bot.command("outer")(noting(ran, lambda context: context.text)))
    await webex.hear(bot, "inner", "outer")

    assert ran == ["bot", "inner", "inner", "bot", "outer"]
