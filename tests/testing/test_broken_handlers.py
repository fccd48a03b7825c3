"""What a handler raises fails the test of a bot, on the line that said something."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.bot.doubles import CARD, SECRET, Webex
from tests.support.wire import PATIENCE
from tests.testing.doubles import ANN, NEW, Api, created
from webex_webhooks_async import (
    JobContext,
    MessageContext,
    PayloadError,
    Receiver,
    SQLiteInbox,
    WebexError,
)
from webex_webhooks_async.bot.bot import BotOptions

pytestmark = pytest.mark.once

Handler = Callable[[MessageContext], Coroutine[Any, Any, object]]

KINDS = ("plain", "background", "inbox")


def options_of(kind: str, folder: Path) -> BotOptions:
    """What makes a bot respond before its handlers run, or not."""
    if kind == "inbox":
        return {"inbox": SQLiteInbox(folder / "inbox.db"), "attempts": 1}
    return {"respond_within": 0} if kind == "background" else {}


async def crash(_context: MessageContext) -> None:
    """Take what isn't there."""
    inputs: dict[str, str] = {}
    del inputs["dish"]


async def reply_a_number(context: MessageContext) -> None:
    """Reply what isn't text."""
    await context.reply(42)  # type: ignore[arg-type] # wrong on purpose


async def reply_a_list(context: MessageContext) -> None:
    """Reply a card that is a list."""
    await context.reply(card=[CARD])  # type: ignore[arg-type] # wrong on purpose


async def reply_without_a_version(context: MessageContext) -> None:
    """Reply a card without a version."""
    await context.reply(card={key: CARD[key] for key in ("type", "body")})


async def reply_nothing(_context: MessageContext) -> None:
    """Reply nothing."""


async def forget_await(context: MessageContext) -> None:
    """Forget to await a reply."""
    context.reply("Hello")  # type: ignore[unused-coroutine] # wrong on purpose


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("handler", "error", "words"),
    [
        (crash, KeyError, "dish"),
        (reply_a_number, TypeError, "text must be str, got int"),
        (reply_a_list, TypeError, "card must be"),
        (reply_without_a_version, (ValueError, WebexError), "ersion"),
        (reply_nothing, TimeoutError, r"it responded 204\); does a handler reply, and await that"),
        (forget_await, TimeoutError, r"it responded 204\); does a handler reply, and await that"),
    ],
)
async def test_a_broken_handler(  # noqa: PLR0913, PLR0917 - fixtures and a table
    webex: Webex, tmp_path: Path, kind: str, handler: Handler, error: type[Exception], words: str
) -> None:
    """Each mistake is raised by the line that says something, or that waits for the reply."""
    bot = webex.bot(**options_of(kind, tmp_path))
    has_run = asyncio.Event()

    @bot.message()
    async def run(context: MessageContext) -> None:
        try:
            await handler(context)
        finally:
            has_run.set()

    forgets: AbstractContextManager[object] = nullcontext()
    if handler is forget_await:
        forgets = pytest.warns(RuntimeWarning, match="never awaited")

    async with webex.running(bot):
        with forgets, pytest.raises(error, match=words) as raised:  # noqa: PT012 - the two lines of a user's test
            await webex.sandbox.say("Hello")
            await has_run.wait()
            await webex.sandbox.next_reply(timeout=0.1 if error is TimeoutError else PATIENCE)

    delivery = webex.sandbox.deliveries[0]
    assert delivery.ok
    if error is TimeoutError:
        assert delivery.handler_error is None
    else:
        assert delivery.handler_error == f"{type(raised.value).__name__}: {raised.value}"
        names = [entry.name for entry in raised.traceback]
        assert {"test_a_broken_handler", handler.__name__} <= {*names}


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_failures_after_the_response(webex: Webex, tmp_path: Path, kind: str) -> None:
    """Each is raised once, one by one, before a message that waits."""
    bot = webex.bot(**options_of(kind, tmp_path))
    assert webex.sandbox.raise_handler_errors  # by default

    @bot.message()
    async def fail(context: MessageContext) -> None:
        await context.reply(f"Heard {context.text}")
        if context.text.isdigit():
            raise ValueError(context.text)

    async with webex.running(bot):
        for text in ("1", "2"):
            await webex.sandbox.say(text)
            with pytest.raises(ValueError, match=text):  # noqa: PT012 - the failure comes before or after it
                assert (await webex.sandbox.next_reply()).text == f"Heard {text}"
                await webex.sandbox.next_reply()
        webex.sandbox.raise_handler_errors = False
        await webex.sandbox.say("3")
        assert (await webex.sandbox.next_reply()).text == "Heard 3"
        await bot.aclose()
        webex.sandbox.raise_handler_errors = True
        with pytest.raises(TimeoutError):
            await webex.sandbox.next_reply(timeout=0)

    errors = [each.handler_error for each in webex.sandbox.deliveries]
    assert [each for each in errors if each] == [f"ValueError: {n}" for n in (1, 2, 3)]


async def test_a_job_that_fails(webex: Webex, tmp_path: Path) -> None:
    """What a job raises is raised like a failure after the response, wherever it was enqueued."""
    bot = webex.bot(**options_of("inbox", tmp_path))

    @bot.job("remind")
    async def remind(context: JobContext) -> None:
        raise LookupError(context.value)

    @bot.message()
    async def enqueue(context: MessageContext) -> None:
        await context.enqueue("remind", "Ann")

    async with webex.running(bot):
        await webex.sandbox.say("Hello")
        with pytest.raises(LookupError, match="Ann"):
            await webex.sandbox.next_reply(PATIENCE)
        await bot.enqueue("remind", "Bob")
        with pytest.raises(LookupError, match="Bob"):
            await webex.sandbox.next_reply(PATIENCE)


@pytest.mark.filterwarnings("ignore:every event of")
async def test_several_failures(webex: Webex) -> None:
    """All deliveries are made; several failures are a group, and `redeliver` raises as well."""
    first, second = (webex.bot(name=name) for name in ("one", "two"))
    for bot in (first, second):
        bot.message()(crash)
    receiver = Receiver(SECRET)

    @receiver.on()
    async def fail(_notification: object) -> None:
        raise LookupError("another one")

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        name = "one" if b'"one:' in body else "two"
        status = await {"one": first, "two": second}[name].handle(body, scope["headers"])
        if name == "one":
            await receiver.handle(body, scope["headers"])
        await Response(status_code=status)(scope, receive, send)

    webex.sandbox.deliver_to(both)
    async with first, second:
        with pytest.raises(ExceptionGroup, match="3 handlers failed") as raised:
            await webex.sandbox.say("Hello")
    webex.sandbox.deliver_to(receiver)
    with pytest.raises(LookupError, match="another one"):
        await webex.sandbox.redeliver(webex.sandbox.deliveries[0])

    kinds = sorted(type(each).__name__ for each in raised.value.exceptions)
    assert kinds == ["KeyError", "KeyError", "LookupError"]
    assert webex.sandbox.deliveries[-1].handler_error == "LookupError: another one"


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_copies(webex: Webex, tmp_path: Path, kind: str) -> None:
    """A failure is noted at each delivery of its notification, and raised once."""
    bot = webex.bot(**options_of(kind, tmp_path))
    may_fail = asyncio.Event()
    later = Receiver(SECRET)

    @bot.message()
    async def fail(context: MessageContext) -> None:
        await may_fail.wait()
        if context.text == "Hello":
            raise LookupError("once")

    @later.on("messages", "created")
    async def fail_later(_notification: object) -> None:
        raise LookupError("later")

    async with webex.running(bot):
        (first,) = await webex.sandbox.say("Hello")
        await webex.sandbox.redeliver(first)
        may_fail.set()
        with pytest.raises(LookupError, match="once"):
            await webex.sandbox.next_reply(PATIENCE)
        with pytest.raises(TimeoutError):
            await webex.sandbox.next_reply(timeout=0)
        (fine,) = await webex.sandbox.say("Hi")
        await webex.sandbox.idle(PATIENCE)
    webex.sandbox.deliver_to(later)
    with pytest.raises(LookupError, match="later"):
        await webex.sandbox.redeliver(fine)

    assert [each.handler_error for each in webex.sandbox.deliveries] == [
        *["LookupError: once"] * 2,
        None,
        "LookupError: later",
    ]


async def test_two_webhooks_of_one_bot(webex: Webex, api: Api) -> None:
    """Both deliveries of a message note why its one handler failed, which is raised once."""
    bot = webex.bot()
    heard: list[str] = []

    @bot.message()
    async def fail(context: MessageContext) -> None:
        heard.append(context.text)
        raise LookupError(context.text)

    async with webex.running(bot):
        (first,) = webex.sandbox.webhooks
        another = {"targetUrl": first.target_url, "secret": SECRET}
        await created(api, "/webhooks", **{**NEW, **another})
        with pytest.raises(LookupError, match=r"^Hello$"):
            await webex.sandbox.say("Hello")

    assert heard == ["Hello"]
    assert [each.handler_error for each in webex.sandbox.deliveries] == ["LookupError: Hello"] * 2


class LeavingError(BaseException):
    """What a test framework doesn't take for a failure."""


async def test_what_is_a_failure(webex: Webex) -> None:
    """Data that doesn't fit is one, what would end the test is named, what is settled is none."""
    bot = webex.bot()
    endings = {"exit": SystemExit(2), "leave": LeavingError("now")}

    @bot.middleware
    async def settle(_notification: object, call_next: Callable[[], Awaitable[None]]) -> None:
        with suppress(LookupError):
            await call_next()

    @bot.message()
    async def fail(context: MessageContext) -> None:
        raise endings.get(context.text, LookupError(context.text))

    async with webex.running(bot):
        (settled,) = await webex.sandbox.say("settle")
        with pytest.raises(PayloadError):
            await webex.sandbox.emit("messages", "created", data={"roomId": 7})
        for text, error in endings.items():
            with pytest.raises(RuntimeError, match=r"a handler raised \w+: ") as raised:
                await webex.sandbox.say(text)
            assert raised.value.__cause__ is error

    assert settled.handler_error is None


async def test_what_follows_from_a_request(webex: Webex, api: Api) -> None:
    """What is notified because of a request is noted, and raised nowhere."""
    bot = webex.bot()
    bot.message()(crash)

    async with webex.running(bot):
        fields = {"toPersonEmail": webex.sandbox.bot.emails[0], "text": "Hello"}
        await created(api, "messages", ANN, **fields)
        with pytest.raises(TimeoutError, match=r"204\); a handler raised KeyError: 'dish'$"):
            await webex.sandbox.next_reply(timeout=0)

    assert [each.handler_error for each in webex.sandbox.deliveries] == ["KeyError: 'dish'"]


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (KeyError("dish"), "KeyError: 'dish'"),
        (ValueError("one\ntwo\r\x1b[31m"), r"ValueError: one\ntwo\r\x1b[31m"),
        (ValueError("a" * 1_000_000), f"ValueError: {'a' * 488}"),
        (ValueError("\n" * 500), "ValueError: " + r"\n" * 244),
        (UnreadableError(), "UnreadableError"),
    ],
)
async def test_how_a_failure_is_noted(webex: Webex, error: Exception, noted: str) -> None:
    """The class and the text are on one line of at most 500 characters."""
    webex.sandbox.raise_handler_errors = False
    bot = webex.bot()

    @bot.message()
    async def fail(_context: MessageContext) -> None:
        raise error

    async with webex.running(bot):
        (delivery,) = await webex.sandbox.say("Hello")

    assert (delivery.handler_error, delivery.ok) == (noted, True)
    assert webex.sandbox.deliveries == (delivery,)
