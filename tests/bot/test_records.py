"""What handlers do again when an inbox runs them again, and what they don't."""

# pyright: reportPrivateUsage=false

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import aiosqlite
import pytest
from attrs import frozen

from tests.bot.doubles import CARD, Webex
from tests.bot.talking import Talk
from tests.support.clocks import Time
from tests.support.inboxes import retry_all_in, taken
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import (
    BadRequestError,
    DecodeError,
    File,
    GiveUpError,
    JobContext,
    Message,
    MessageContext,
    MessageData,
    Notification,
    Receiver,
    Resource,
    SQLiteInbox,
    attempt,
    once,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import Attempt, CallNext, InboxEntry

pytestmark = pytest.mark.once

BODY = sample_notification("messages", "created")


class Slow(SQLiteInbox):
    """An inbox that says when it records something, and takes a turn of the event loop for it."""

    recording: asyncio.Event

    async def remember(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is there
        self.recording.set()
        await asyncio.sleep(0)
        await super().remember(*args, **options)


class Attempts(Talk):
    """A bot whose handler fails in its first attempts, after it has done what a test wants."""

    number = 0

    def __init__(self, webex: Webex, path: Path, time: Time) -> None:
        self.done: list[Any] = []
        super().__init__(webex, path, time)

    @property
    def said(self) -> list[str | None]:
        return self.webex.texts[1:]

    async def run(self, act: Callable[[MessageContext], Awaitable[object]]) -> None:
        """Let the handler do something in each attempt, the first of which fails."""

        @self.bot.message()
        async def handler(context: MessageContext) -> None:
            self.number += 1
            self.done.append(await act(context))
            if self.number == 1:
                raise ConnectionError("the database is down")

        async with self.running():
            await self.say("Hello")
            await self.settle("retrying")
            await self.time.pass_(1)
            await self.settle()


@pytest.fixture
def attempts(talk: Talk) -> Attempts:
    """A handler that fails once."""
    return Attempts(talk.webex, talk.path, talk.time)


async def test_what_was_said_is_not_said_again(attempts: Attempts) -> None:
    """The same message to the same place is sent once; its `Message` is returned again."""
    later = datetime(2024, 5, 17, tzinfo=UTC)
    file = File("menu.txt", b"Pasta", "text/plain")

    async def say(context: MessageContext) -> list[Message]:
        return [
            await context.reply("Hello"),
            await context.reply("Hello"),
            await context.send("Hello"),
            await attempts.bot.send("Hello", to_person_email="ann@example.com"),
            await context.reply(markdown="word " * 2000),
            await context.reply("A card", card={**CARD, "speak": later}),
            await context.reply("A file", file=file),
        ]

    await attempts.run(say)

    first, second = attempts.done
    assert first == second
    said = attempts.said
    assert len(said) == 8
    assert [said.count(each) for each in ("Hello", "A card", "A file")] == [4, 1, 1]


async def test_a_reply_returns_when_it_is_recorded(attempts: Attempts) -> None:
    """A process that dies when `reply` has returned doesn't say the same again."""

    async def say(context: MessageContext) -> object:
        await context.reply("Hello")
        with closing(sqlite3.connect(attempts.path)) as file:
            said = "SELECT count(*) FROM webex_records WHERE name LIKE 'said:%'"
            return file.execute(said).fetchone()

    await attempts.run(say)

    assert attempts.done == [(1,), (1,)]


async def test_what_differs_is_said(attempts: Attempts) -> None:
    """Another text, place, card, or content of a file is another message."""

    async def say(context: MessageContext) -> None:
        number = attempts.number
        await context.reply(f"Attempt {number}")
        await (context.reply if number == 1 else context.send)("Hello")
        await attempts.bot.send("Hello", to_person_email=f"person-{number}@example.com")
        await context.reply("A card", card={**CARD, "fallbackText": str(number)})
        await context.reply("A file", file=File("a", str(number).encode()))

    await attempts.run(say)

    assert len(attempts.said) == 10


async def test_what_is_known_by_its_key(attempts: Attempts) -> None:
    """With `key`, a message whose words have changed isn't sent again; equal keys are numbered."""
    prices = iter(range(9))

    async def say(context: MessageContext) -> list[str]:
        place = "ann@example.com"
        sent = [
            await context.reply(f"{next(prices)} EUR", key="price"),
            await context.reply(f"{next(prices)} EUR", key="price"),
            await context.send(f"{next(prices)} EUR", key="price", to_person_email=place),
            await context.reply(f"{next(prices)} " * 4000, key="long"),
        ]
        return [each.id for each in sent]

    await attempts.run(say)

    first, second = attempts.done
    assert first == second
    assert attempts.said[:3] == ["0 EUR", "1 EUR", "2 EUR"]
    assert len(attempts.said) == 5


async def test_what_was_edited_is_not_edited_again(attempts: Attempts) -> None:
    """An edit is known by the message and what it says then, whatever came after it."""

    async def work(context: MessageContext) -> list[str | None]:
        message = await context.reply("0 %")
        texts = [(await context.edit(message, text)).text for text in ("50 %", "100 %")]
        return [*texts, (await context.edit(message.id, "50 %")).text]

    await attempts.run(work)

    edits = [each for each in attempts.webex.sandbox.requests if each.method == "PUT"]
    assert attempts.done == 2 * [["50 %", "100 %", "50 %"]]
    assert len(edits) == 3


async def test_what_was_deleted_is_said_again(attempts: Attempts) -> None:
    """A message that the bot has deleted is sent again by the next attempt, and can be edited."""

    async def say(context: MessageContext) -> None:
        working = await context.reply("Working on it ...")
        if attempts.number == 1:
            await context.delete(working)
        else:
            await context.edit(working, "Done")

    await attempts.run(say)

    assert attempts.said == ["Done"]


async def test_the_same_at_the_same_time(attempts: Attempts) -> None:
    """Each of several messages that are the same counts, also when they are sent at once."""

    async def say(context: MessageContext) -> set[str]:
        count = 2 + attempts.number
        sent = await asyncio.gather(*(context.reply("Hello") for _ in range(count)))
        return {each.id for each in sent}

    await attempts.run(say)

    first, second = attempts.done
    assert (len(first), len(second)) == (3, 4)
    assert first < second
    assert len(attempts.said) == 4


async def test_a_message_that_failed_does_not_count(attempts: Attempts) -> None:
    """What Webex refused wasn't said, so it is said when it is tried again."""
    attempts.webex.sandbox.fail(status=400, method="POST", path="/messages")

    async def say(context: MessageContext) -> list[str]:
        ids: list[str] = []
        for _ in range(2):
            try:
                ids.append((await context.reply("Hello")).id)
            except BadRequestError:
                ids.append("refused")
        return ids

    await attempts.run(say)

    (refused, first), (again, second) = attempts.done
    assert (refused, again) == ("refused", first)
    assert second not in {refused, first}


async def test_a_task_that_outlives_its_notification(attempts: Attempts) -> None:
    """What is sent after the execution of a notification has ended is sent each time."""
    ended = asyncio.Event()
    tasks: list[asyncio.Task[Message]] = []

    async def later(context: MessageContext) -> Message:
        await ended.wait()
        return await context.reply("Later")

    async def say(context: MessageContext) -> None:
        tasks.append(asyncio.create_task(later(context)))

    await attempts.run(say)
    ended.set()
    async with attempts.bot:
        await asyncio.gather(*tasks)

    assert attempts.said == ["Later", "Later"]


async def test_a_record_that_cannot_be_written(attempts: Attempts, caplog: Log) -> None:
    """It is written with the outcome; until then, a WARNING says what may come twice."""
    errors: list[Exception] = []

    class Full(SQLiteInbox):
        async def remember(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is there
            for each in errors:
                raise each
            await super().remember(*args, **options)

    attempts.store_in(Full)

    async def say(context: MessageContext) -> object:
        errors.append(OSError("the disk is full"))
        await context.reply("Hello")
        number = await once("ticket", lambda: asyncio.sleep(0, attempts.number))
        errors.clear()
        return number

    await attempts.run(say)

    assert attempts.said == ["Hello"]
    assert attempts.done == [1, 1]
    warnings = [each.getMessage() for each in caplog.records if "recorded" in each.getMessage()]
    assert len(warnings) == 2
    assert warnings[0].startswith("a message of messages created ")
    assert warnings[1].startswith("'ticket' of messages created ")
    assert warnings[0].endswith(
        "can't be recorded yet, and may come twice if the process ends now: OSError: the disk is "
        "full"
    )


async def test_records_that_cannot_be_read(attempts: Attempts, caplog: Log) -> None:
    """No handler runs while it isn't known what an earlier one did: reading is tried again."""
    failures = [OSError("the disk is gone"), OSError("the disk is gone")]

    class Gone(SQLiteInbox):
        async def records(self, entry: InboxEntry) -> Mapping[str, bytes]:
            if failures:
                asyncio.get_running_loop().call_soon(attempts.time.advance, 1)
                raise failures.pop()
            return await super().records(entry)

    attempts.store_in(Gone)

    async def say(context: MessageContext) -> str:
        return (await context.reply("Hello")).id

    await attempts.run(say)

    first, second = attempts.done
    assert second == first
    assert attempts.said == ["Hello"]
    assert caplog.text.count("the inbox can't be read: OSError: the disk is gone") == 2


async def test_a_reply_that_is_cancelled_is_recorded(attempts: Attempts) -> None:
    """A message that was sent is recorded, also if the handler is cancelled meanwhile."""
    Slow.recording = asyncio.Event()
    attempts.store_in(Slow)

    async def say(context: MessageContext) -> None:
        replying = asyncio.create_task(context.reply("Hello"))
        await Slow.recording.wait()
        replying.cancel()
        await asyncio.wait({replying})

    await attempts.run(say)

    assert attempts.said == ["Hello"]


@frozen
class Ticket:
    """A result that is a class of the user's own."""

    number: int


@pytest.mark.parametrize(
    ("result", "given_back"),
    [
        (Ticket(7), {"number": 7}),
        (None, None),
        ([1, "two"], [1, "two"]),
        ((1,), [1]),
        ({1}, [1]),
        ({"day": date(2026, 11, 30)}, {"day": "2026-11-30"}),
        ([time(9, 30)], ["09:30:00"]),
        (Decimal("1.50"), "1.50"),
        (Path("report.pdf"), "report.pdf"),
        (datetime(2026, 11, 30, 9, tzinfo=UTC), "2026-11-30T09:00:00.000Z"),
    ],
    ids=str,
)
async def test_what_is_done_once(attempts: Attempts, result: object, given_back: object) -> None:
    """A function is called once for a notification, and its result is what JSON gives back."""
    calls = 0

    async def create() -> object:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return result

    async def act(_: MessageContext) -> list[object]:
        at_once = await asyncio.gather(once("ticket", create), once("ticket", create))
        return [*at_once, await asyncio.create_task(once("ticket", create))]

    await attempts.run(act)

    assert attempts.done == [[given_back] * 3] * 2
    assert calls == 1


async def test_what_is_done_once_is_known_while_it_is_recorded(attempts: Attempts) -> None:
    """If a call is cancelled while its result is recorded, the next one of the attempt gets it."""
    calls, Slow.recording = 0, asyncio.Event()
    attempts.store_in(Slow)

    async def create() -> int:
        nonlocal calls
        calls += 1
        return calls

    async def act(_: MessageContext) -> int:
        creating = asyncio.create_task(once("ticket", create))
        await Slow.recording.wait()
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        return int(await once("ticket", create))

    await attempts.run(act)
    assert attempts.done == [1, 1]


@pytest.mark.parametrize(
    ("into", "given_back"),
    [
        (Ticket, Ticket(7)),
        (dict[str, int], {"number": 7}),
        (lambda known: known["number"] + 1, 8),
        (list[Ticket], DecodeError),
        (lambda known: known["missing"], KeyError),
    ],
)
async def test_what_is_done_once_in_a_class(
    attempts: Attempts, into: Callable[[Any], Any], given_back: object
) -> None:
    """What was recorded is read into a class each time; a misfit is an error each time."""
    create = AsyncMock(return_value=Ticket(7))

    async def act(_: MessageContext) -> object:
        try:
            return await once("ticket", create, into=into)
        except (DecodeError, KeyError) as error:
            return type(error)

    await attempts.run(act)

    assert attempts.done == [given_back] * 2
    create.assert_awaited_once_with()


async def test_what_failed_is_not_done(attempts: Attempts) -> None:
    """If the function raises, that is raised, and it is called again, in the same attempt too."""
    outcomes: list[BaseException | int] = [ValueError("no"), 5]

    async def create() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def act(_: MessageContext) -> list[Any]:
        return await asyncio.gather(
            *(once("ticket", create) for _ in range(2)), return_exceptions=True
        )

    await attempts.run(act)

    (refused, first), again = attempts.done
    assert (repr(refused), first, again) == ("ValueError('no')", 5, [5, 5])


async def test_what_json_cannot_hold(attempts: Attempts) -> None:
    """The call happened, so each attempt raises the same `TypeError`, and none calls again."""
    calls: list[int] = []

    async def create() -> object:
        calls.append(attempts.number)
        return object()

    async def act(_: MessageContext) -> list[str]:
        errors: list[str] = []
        for _number in range(2):
            with pytest.raises(TypeError) as raised:
                await once("ticket", create)
            errors.append(str(raised.value))
        return errors

    await attempts.run(act)

    assert calls == [1]
    error = "the result of once('ticket') isn't JSON: $: JSON can't hold a value of type object"
    assert attempts.done == [[error] * 2] * 2


async def test_one_inside_of_another_one() -> None:
    """`attempt` and `once` are about what is being handled: in a handler within one, the inner."""
    outer, inner = Receiver("a-secret"), Receiver("a-secret")
    made: list[object] = []

    @inner.on()
    async def deep(_: Notification[Any]) -> None:
        made.append(await once("name", lambda: asyncio.sleep(0, "inner")))
        raise GiveUpError

    @inner.middleware
    async def ask(_: Notification[Any], call_next: CallNext) -> None:
        try:
            await call_next()
        finally:
            made.append(attempt())

    @outer.on()
    async def handler(_: Notification[Any]) -> None:
        made.append(await once("name", lambda: asyncio.sleep(0, "outer")))
        with pytest.raises(GiveUpError):
            await inner.dispatch(parse_unverified_notification(BODY))
        made.append(await once("name", lambda: asyncio.sleep(0, "again")))

    await outer.dispatch(parse_unverified_notification(BODY))
    assert made == [*("outer", "inner"), Attempt(number=1, is_first=True, is_last=True), "outer"]
    with pytest.raises(RuntimeError, match=r"^attempt is for what is being handled: call it in a"):
        attempt()


async def test_once_inside_of_itself() -> None:
    """It is an error, also through another name and a task; afterwards, the name is free."""
    receiver = Receiver("a-secret")
    ended = asyncio.Event()
    results: list[object] = []
    left: list[asyncio.Task[object]] = []

    async def later() -> object:
        await ended.wait()
        return await once("ticket", inside)

    async def inside() -> object:
        left.append(asyncio.create_task(later()))
        return await once("other", lambda: asyncio.create_task(once("ticket", inside)))

    @receiver.on(Resource.MESSAGES)
    async def handler(_: Notification[MessageData]) -> None:
        with pytest.raises(RuntimeError, match=r"once\('ticket'\) is called inside of itself"):
            await once("ticket", inside)
        results.extend(
            await asyncio.gather(*(once("ticket", lambda: asyncio.sleep(0, 5)) for _ in range(2)))
        )
        ended.set()
        results.append(await left[0])

    await receiver.dispatch(parse_unverified_notification(BODY))
    assert results == [5, 5, 5]


async def test_once_everywhere() -> None:
    """It works in middleware, in handlers of `on`, in `on_error` and in `dispatch`, by name."""
    calls: list[str] = []

    async def note(where: str) -> None:
        async def call() -> str:
            calls.append(where)
            return where

        assert await once("name", call) == "middleware"
        assert await once(where, call) == where

    async def on_error(_: Exception, __: Notification[Any]) -> None:
        await note("on_error")

    receiver = Receiver("a-secret", on_error=on_error)

    @receiver.middleware
    async def around(_: Notification[Any], call_next: CallNext) -> None:
        await note("middleware")
        await call_next()

    @receiver.on(Resource.MESSAGES)
    async def handler(_: Notification[MessageData]) -> None:
        await note("handler")
        raise ConnectionError

    assert await receiver.handle(BODY, sign(BODY, "a-secret")) == 500
    with pytest.raises(ConnectionError):  # the caller gets it, and no record is left from before
        await receiver.dispatch(parse_unverified_notification(BODY))

    handled = ["middleware", "middleware", "handler"]
    assert calls == [*handled, "on_error", *handled]
    with pytest.raises(RuntimeError, match="call it in a handler"):
        await once("name", handler)  # type: ignore[arg-type] # takes an argument


async def test_without_an_inbox(webex: Webex) -> None:
    """Nothing is recorded without an inbox: what is said is sent, beside what is done once."""
    bot = webex.bot()

    @bot.message()
    async def handler(context: MessageContext) -> None:
        number = await once("ticket", lambda: asyncio.sleep(0, 7))
        working = await context.reply(f"Ticket {number}")
        await context.reply(f"Ticket {number}")
        await context.delete(working)

    await webex.hear(bot, "Hello")

    assert webex.texts == ["Hello", "Ticket 7"]


@pytest.mark.parametrize(
    ("name", "call", "error"),
    [
        ("x", lambda: asyncio.sleep(0, object()), r"\$: JSON can't hold a value of type object"),
        ("x", lambda: asyncio.sleep(0, float("nan")), "once\\('x'\\) isn't JSON"),
        ("x", lambda: 5, "once takes an async function, got .*: write async def"),
        ("x", 5, "once takes an async function, got 5: pass the function, without calling it"),
        (5, lambda: asyncio.sleep(0), "name"),
    ],
)
async def test_wrong_arguments_of_once(name: Any, call: Any, error: str) -> None:  # noqa: ANN401 - wrong
    """What can't be recorded or called is a `TypeError`, without an inbox as well."""
    receiver = Receiver("a-secret")

    @receiver.on(Resource.MESSAGES)
    async def handler(_: Notification[MessageData]) -> None:
        await once(name, call)

    with pytest.raises(TypeError, match=error):
        await receiver.dispatch(parse_unverified_notification(BODY))


async def test_records_after_inbox_retry(attempts: Attempts, caplog: Log) -> None:
    """What was kept as failed and gets another round doesn't say again what it has said."""
    caplog.set_level(logging.ERROR)

    @attempts.bot.message()
    async def handler(context: MessageContext) -> None:
        attempts.number += 1
        attempts.done.append((await context.reply("Hello")).id)
        if attempts.number == 1:
            raise GiveUpError("the database is down")

    async with attempts.running():
        await attempts.say("Hello")
        await attempts.settle("failed")
        assert "kept as failed" in caplog.text
        retry_all_in(attempts.path, attempts.time.now_in_seconds)
        await attempts.time.pass_(1)
        await until(lambda: attempts.number == 2)

    assert attempts.done[0] == attempts.done[1]


async def test_nothing_is_said_within_a_transaction(attempts: Attempts) -> None:
    """Within a transaction of `once`, nothing is said, edited, deleted, stored or claimed."""
    refused: list[str] = []

    @asynccontextmanager
    async def transaction() -> AsyncGenerator[aiosqlite.Connection]:
        async with aiosqlite.connect(attempts.path) as connection:
            yield connection
            await connection.commit()

    @attempts.bot.job("remind")
    async def remind(context: JobContext) -> None: ...

    async def act(context: MessageContext) -> object:
        said = await context.reply("Hello")

        async def create(_: aiosqlite.Connection) -> int:
            for doing in (
                context.reply("Hello"),
                context.send("Hello"),
                context.edit(said, "Bye"),
                context.delete(said),
                context.enqueue("remind", 5),
                attempts.bot.claim("report", 60),
                once("other", partial(asyncio.sleep, 0)),
            ):
                with pytest.raises(RuntimeError, match=r"within the transaction of once") as caught:
                    await doing
                refused.append(str(caught.value))
            return 5

        return await once("order", create, within=transaction)

    await attempts.run(act)

    assert attempts.done == [5, 5]
    assert len(refused) == 7
    assert attempts.said == ["Hello"]


async def test_a_takeover_is_logged(talk: Talk, caplog: Log) -> None:
    """A process that goes on with the work of killed ones says so, with its route and attempt."""
    caplog.set_level(logging.INFO)
    dead = SQLiteInbox(talk.path, clock=talk.time.now_in_seconds)
    ran = asyncio.Event()

    @talk.bot.job("remind")
    async def remind(_: JobContext) -> None:
        ran.set()

    async with talk.running():
        await talk.bot.enqueue("remind", None, after=60)
    for _ in range(2):
        talk.time.advance(60)
        await taken(dead)
    talk.time.advance(60)
    await dead.aclose()
    async with talk.running():
        await ran.wait()
        await talk.settle()

    (said,) = (each for each in caplog.records if "is begun again" in each.getMessage())
    assert said.getMessage().endswith(" is begun again: attempt 1, 2 leases have expired")
    fields = vars(said)
    assert (said.levelname, fields["webex_attempt"]) == ("INFO", 1)
    assert (fields["webex_route"], fields["webex_event"]) == ("job remind", "remind")
