"""What runs again with an answer, what doesn't, and how a conversation ends."""

# pyright: reportPrivateUsage=false

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest

from tests.bot.doubles import CARD, Webex, asking, ignore, noting, raising, replying
from tests.bot.talking import ANN, BOSS, BUTTONS, Talk
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import (
    APIError,
    GiveUpError,
    HandlerSuspended,
    JobContext,
    MessageContext,
    MessageData,
    NoAnswerError,
    Notification,
    Person,
    SQLiteInbox,
    SubmissionContext,
    TransportError,
    attempt,
    once,
)
from webex_webhooks_async.types import InboxEntry

pytestmark = pytest.mark.once

_LOST = {"drop": True, "execute": True}
"""The fault of a message that is sent, and has no response."""


@pytest.mark.parametrize("buttons", [None, {"yes": "Yes"}])
async def test_the_end_of_a_question(talk: Talk, buttons: dict[str, str] | None) -> None:
    """After the timeout, `ask` raises an error with the question in each run; it is sent once."""
    seen: list[str | None] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        try:
            if buttons is None:
                await context.ask("Well?", timeout=timedelta(minutes=2))
            else:
                await context.ask("Well?", buttons=buttons, timeout=timedelta(minutes=2))
        except NoAnswerError as error:
            seen.append(error.message.text)
            await context.delete(error.message)
        answer = await context.ask("Still there?")
        await context.reply(answer.text)

    async with talk.running():
        await talk.exchange("go", "Well?", "asking")
        await talk.pass_(119, "asking")
        await talk.later(1, "Still there?", "asking")
        await talk.exchange("Yes", "Yes")

    assert seen == ["Well?", "Well?"]
    assert "Well?" not in talk.webex.texts
    sent = [each for each in talk.webex.sandbox.requests if each.method == "POST"]
    assert sum(b"Well?" in each.body for each in sent) == 1


@pytest.mark.parametrize("who", ["began", "else", "job"])
async def test_an_end_that_nobody_catches(who: str, talk: Talk, caplog: Log) -> None:
    """It ends the execution, with a line; where somebody else was asked, it is a failure."""
    caplog.set_level(logging.INFO)

    @talk.command()
    async def go(context: MessageContext) -> None:
        if who == "began":
            await context.ask("Well?", timeout=60)
        await context.ask("Well?", timeout=60, to_person_email=BOSS)

    talk.bot.job("go")(asking("Well?", timeout=60, to_person_email=BOSS))
    async with talk.running():
        await (talk.bot.enqueue("go", None) if who == "job" else talk.say("go"))
        await talk.hear("Well?", "asking")
        await talk.pass_(60, *(["failed"] if who == "else" else []))

    ends = [
        each for each in caplog.messages if each.endswith("is ended: nobody has answered in time")
    ]
    assert len(ends) == (0 if who == "else" else 1)
    assert [type(each) for each in talk.errors] == ([NoAnswerError] if who == "else" else [])


async def test_an_answer_comes_before_the_end(talk: Talk) -> None:
    """What was sent while no process ran counts: after a start, a question has two more minutes."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask("Well?", timeout=60)
        await context.reply(answer.text)

    async with talk.running():
        await talk.exchange("go", "Well?", "asking")
    talk.time.advance(3600)
    bot = talk.replica()
    bot.command("go")(go)
    async with talk.running(bot):
        await talk.pass_(118, "asking")
        await talk.exchange("Here", "Here")


@pytest.mark.parametrize("buttons", [None, BUTTONS])
async def test_an_answer_that_is_held_up(talk: Talk, buttons: dict[str, str] | None) -> None:
    """An answer that was stored in time counts, also if a failing message holds it up."""
    bot = talk.replica(attempts=3)

    @bot.job("page")
    async def page(context: JobContext) -> None:
        talk.runs += 1
        try:
            if buttons is None:
                await context.ask("Well?", to_person_email=BOSS, timeout=60)
            else:
                await context.ask("Well?", buttons=buttons, to_person_email=BOSS, timeout=60)
        except NoAnswerError:
            await context.send("Nobody", to_person_email=BOSS)
        else:
            await context.send("Answered", to_person_email=BOSS)

    bot.command("fail")(raising(LookupError))
    async with talk.running(bot):
        await bot.enqueue("page", None)
        question = await talk.hear("Well?", "asking")
        await talk.say("fail", BOSS)
        await (talk.say("Here", BOSS) if buttons is None else talk.press(question, "Yes", BOSS))
        await talk.settle("asking", "retrying", "waiting")
        await talk.pass_(60)
        await until(lambda: talk.runs > 1)
        await talk.settle("asking", "retrying", "waiting")
        await talk.pass_(4)
        if buttons is not None:
            await talk.hear("Well? Yes")
        await talk.hear("Answered", "failed")


async def test_handlers_of_on_run_once(talk: Talk) -> None:
    """Those beside a handler that is suspended run before it waits, and not with the answer."""
    ran: list[str] = []
    fails = [True]

    def register(name: str) -> None:
        @talk.bot.on("messages", "created")
        async def note(_: Notification[MessageData]) -> None:
            ran.append(name)
            if name == "after" and fails:
                fails.pop()
                raise ConnectionError(name)

    register("before")

    @talk.command()
    async def go(context: MessageContext) -> None:
        ran.append("go")
        await context.reply((await context.ask("Well?")).text)

    register("after")
    async with talk.running():
        await talk.exchange("go", "Well?", "retrying")
        await talk.pass_(2, "asking")
        assert ran == ["before", "go", "after", "go", "after"]
        await talk.end("Yes", after="Yes")

    assert ran[5:] == ["before", "after", "go"]  # those of the answer, and the handler again


async def test_what_a_finally_does_meanwhile(talk: Talk, caplog: Log) -> None:
    """It does nothing while the handler is suspended, with one warning; it runs with the answer."""
    raised: list[type[BaseException]] = []

    async def do(call: Awaitable[object]) -> None:
        try:
            await call
        except HandlerSuspended as suspended:
            raised.append(type(suspended))

    @talk.command()
    async def go(context: MessageContext) -> None:
        message = await context.reply("Wait")
        try:
            await context.ask("Well?")
        finally:
            await do(context.reply("Bye"))
            await do(context.edit(message, "Waited"))
            await do(context.delete(message))
            await do(once("x", lambda: asyncio.sleep(0)))
            await do(context.enqueue("work", 1))
            await do(context.cancel("work", key="k"))
            await do(context.ask("Really?"))

    talk.bot.job("work")(ignore)

    async with talk.running():
        await talk.exchange("go", "Wait")
        await talk.hear("Well?", "asking")
        assert raised == [HandlerSuspended] * 7
        assert talk.webex.texts[1:] == ["Wait", "Well?"]
        await talk.exchange("Yes", "Bye")

    warnings = [each for each in caplog.messages if "waits for an answer can't" in each]
    assert len(warnings) == 1


async def test_a_suspension_that_is_swallowed(talk: Talk) -> None:
    """A handler that returns although its question is open fails, and the question stays open."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        with suppress(BaseException):
            await context.ask("Well?")

    async with talk.running():
        await talk.exchange("go", "Well?", "retrying")
        await talk.pass_(0)

    (error,) = talk.errors[:1]
    assert str(error).startswith("a handler has ended although its question is open: let Handler")


async def test_a_group_of_tasks(talk: Talk) -> None:
    """A question in a task of a group suspends the handler, as in the handler itself."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(cast("Any", context.ask("Well?")))
        await context.reply(asking.result().text)

    async with talk.running():
        await talk.exchange("go", "Well?", "asking")
        await talk.exchange("Yes", "Yes")

    assert talk.errors == []


async def test_one_question_at_a_time(talk: Talk) -> None:
    """A second question while one is asked is refused, and a handler may give up at a question."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        asked = await asyncio.gather(
            *(context.ask(text) for text in ("One?", "Two?")), return_exceptions=True
        )
        raise GiveUpError(str(asked[1])) from None

    async with talk.running():
        await talk.after("go", "failed")

    assert str(talk.errors[0]).startswith("a handler asks one question at a time")


async def test_another_question_in_each_run(talk: Talk, caplog: Log) -> None:
    """A question that isn't the same is asked, with a warning that names `key=`, and then fails."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask(f"Is {talk.runs} right?")

    @talk.command("price")
    async def price(context: MessageContext) -> None:
        answer = await context.ask(f"Is {talk.runs} right?", key="price")
        await context.reply(answer.text)

    async with talk.running():
        await talk.say("go")
        for number in (1, 2):
            await talk.hear(f"Is {number} right?")
            await talk.say("Yes")
        await talk.settle("failed")
        await talk.exchange("price", "Is 4 right?")
        await talk.exchange("Of course", "Of course")

    (warning,) = [each for each in caplog.records if "isn't taken" in each.getMessage()]
    assert warning.levelno == logging.WARNING
    for part in ("'Is 1 right?'", "'Is 2 right?'", "pass the same key="):
        assert part in warning.getMessage()
    assert isinstance(talk.errors[0], GiveUpError)


async def test_an_answer_that_the_handler_does_not_come_to(talk: Talk, caplog: Log) -> None:
    """A handler that ends before its question when it runs again is named in a warning."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        if talk.runs == 1:
            await context.ask("Why?")

    async with talk.running():
        await talk.exchange("go", "Why?")
        await talk.after("A full disk")

    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "the answer to 'Why?' isn't taken, because the handler ended" in warning.getMessage()


async def test_equal_questions(talk: Talk) -> None:
    """The n-th equal question gets the n-th answer, also where one had none."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        answers: list[str] = []
        while len(answers) < 3:
            try:
                answers.append((await context.ask("Next?", timeout=60)).text)
            except NoAnswerError:
                answers.append("none")
        await context.reply(" ".join(answers))

    async with talk.running():
        await talk.exchange("go", "Next?")
        await talk.exchange("a", "Next?", "asking")
        await talk.later(60, "Next?")
        await talk.exchange("c", "a none c")


async def test_an_answer_is_progress(talk: Talk) -> None:
    """After an answer the attempts begin at 1, and are never the first; what fails goes on."""
    attempts: list[tuple[int, bool]] = []
    failures = ["before", "after"]

    @talk.command()
    async def go(context: MessageContext) -> None:
        attempts.append((attempt().number, attempt().is_first))
        if failures and failures[0] == "before":
            raise ConnectionError(failures.pop(0))
        answer = await context.ask("Well?")
        if failures:
            raise ConnectionError(failures.pop(0))
        await context.reply(answer.text)

    async with talk.running():
        await talk.after("go", "retrying")
        await talk.later(2, "Well?", "asking")
        await talk.after("Yes", "retrying")
        await talk.later(2, "Yes")

    assert attempts == [(1, True), (2, False), (1, False), (2, False)]


async def test_what_was_said_and_deleted_before_a_question(talk: Talk) -> None:
    """It stays done for good, and so does what was edited."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        working = await context.reply("Working")
        await context.delete(working)
        shown = await context.reply("One")
        await context.edit(shown, "Two")
        await context.ask("Well?")

    async with talk.running():
        await talk.exchange("go", "Working")
        await talk.hear("One")
        await talk.hear("Well?", "asking")
        await talk.after("Yes")

    posts = [each for each in talk.webex.sandbox.requests if each.path == "/v1/messages"]
    assert len([each for each in posts if each.method == "POST"]) == 3
    assert len([each for each in talk.webex.sandbox.requests if each.method == "PUT"]) == 1


async def test_a_message_whose_handler_failed_is_no_answer(talk: Talk) -> None:
    """It is tried again, although a question was opened meanwhile."""
    heard: list[str] = []

    @talk.bot.job("ask")
    async def ask(context: JobContext) -> None:
        answer = await context.ask("Well?", to_person_email=ANN)
        await context.send(f"Answer: {answer.text}", to_person_email=ANN)

    @talk.bot.message()
    async def message(context: MessageContext) -> None:
        heard.append(context.text)
        if len(heard) == 1:
            raise ConnectionError("the database is down")

    async with talk.running():
        await talk.after("first", "retrying")
        await talk.bot.enqueue("ask", None)
        await talk.hear("Well?")
        await talk.pass_(2, "asking")
        await talk.exchange("second", "Answer: second")

    assert heard == ["first", "first"]


async def test_a_version_without_the_handler(talk: Talk) -> None:
    """A process without the handler gives the conversation back, with what may answer it."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        one, two = await context.ask("One?"), await context.ask("Two?")
        await context.reply(f"{one.text} {two.text}")

    old = talk.replica()
    heard: list[str] = []
    old.message()(noting(heard, lambda context: context.text))
    async with talk.running():
        await talk.exchange("go", "One?", "asking")
    async with talk.running(old):
        await talk.say("1")
        await until(lambda: [each.state for each in talk.stored] == ["retrying"])
        await talk.after("2", "retrying", "waiting")
    new = talk.replica()
    new.command("go")(go)
    async with talk.running(new):
        await talk.later(31, "Two?")
        await talk.end("1 2")

    assert heard == []


async def test_a_version_without_the_handler_of_a_card(talk: Talk) -> None:
    """A conversation whose first card couldn't be sent is given back as well."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask("Well?", buttons=BUTTONS)

    old, new = talk.replica(), talk.replica()
    new.command("go")(go)

    old.job("other")(ignore)

    async with talk.running():
        talk.webex.sandbox.fail(method="POST", path="/messages", status=403, times=1)
        await talk.after("go", "retrying")
    async with talk.running(old):
        await talk.pass_(2, "retrying")
    async with talk.running(new):
        await talk.later(31, "Well?")


async def test_who_may_answer(talk: Talk) -> None:
    """`allow` is asked about who is asked, and who answers; a refusal leaves the question open."""
    allowed = {ANN, BOSS}

    async def allow(person: Person) -> bool:
        return person.emails[0] in allowed

    bot = talk.replica(allow=allow, refusal="Not you")

    @bot.command("go")
    async def go(context: MessageContext) -> None:
        to = "stranger@example.com" if context.arguments else None
        answer = await context.ask("Well?", to_person_email=to)
        await context.reply(answer.text)

    async with talk.running(bot):
        await talk.exchange("go", "Well?", "asking")
        allowed.remove(ANN)
        await talk.exchange("Yes", "Not you", "asking")
        allowed.add(ANN)
        await talk.exchange("Now", "Now")
        await talk.after("go stranger", "failed")

    assert isinstance(talk.errors[0], RuntimeError)
    assert str(talk.errors[0]).startswith("who is asked 'Well?' may not use the bot")
    assert "Well?" not in talk.webex.texts[5:]


@pytest.mark.parametrize(
    "fault", [{"status": 403}, {"status": 404}, {"status": 500}, _LOST, {"delay": 3600}]
)
async def test_a_question_that_is_not_sent(fault: dict[str, Any], talk: Talk) -> None:
    """Nothing is open then that would take the next message, also before the handler has ended."""
    goes_on, sandbox = asyncio.Event(), talk.webex.sandbox

    def is_sent() -> bool:
        posts = [each.path for each in sandbox.requests if each.method == "POST"]
        return "/v1/messages" in posts or "Well?" in talk.webex.texts

    @talk.command()
    async def go(context: MessageContext) -> None:
        asking = asyncio.ensure_future(context.ask("Well?", to_person_email=BOSS))
        if "delay" in fault:
            await until(is_sent)
            asking.cancel()
        with pytest.raises((APIError, TransportError, asyncio.CancelledError)):
            await asking
        await goes_on.wait()

    talk.bot.message()(replying(lambda context: f"Heard {context.text}"))
    async with talk.running():
        sandbox.fail(method="POST", path="/messages", **fault, times=1)
        await talk.say("go")
        if "delay" in fault or fault is _LOST:
            await talk.hear("Well?")  # which has no response
        await until(is_sent)
        await talk.exchange("Yes", "Heard Yes", person=BOSS)
        goes_on.set()
        await talk.settle()

    assert talk.errors == []


async def test_a_question_that_is_cancelled_while_it_is_opened(talk: Talk) -> None:
    """It isn't sent, and takes no message."""
    opened, goes_on = asyncio.Event(), asyncio.Event()

    class Hanging(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            await super().ask(*args, **options)
            opened.set()
            return await asyncio.Event().wait()

    talk.store_in(Hanging)

    @talk.command()
    async def go(context: MessageContext) -> None:
        asking = asyncio.ensure_future(context.ask("Well?", to_person_email=BOSS))
        await opened.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await context.reply("Never mind")
        await goes_on.wait()

    talk.bot.message()(replying(lambda context: f"Heard {context.text}"))
    async with talk.running():
        await talk.exchange("go", "Never mind")
        await talk.exchange("Yes", "Heard Yes", person=BOSS)
        goes_on.set()
        await talk.settle()


async def test_an_old_message_is_no_answer(talk: Talk) -> None:
    """A message that was written before what it would follow is an ordinary one."""
    talk.command()(asking("Well?"))

    @talk.bot.message()
    async def message(context: MessageContext) -> None:
        await context.send(f"Heard {context.text}")

    sandbox = talk.webex.sandbox
    await talk.say("old")
    old = sandbox.messages[0]
    async with talk.running():
        await talk.exchange("go", "Well?")
        data = {
            "id": old.id,
            "roomId": old.room_id,
            "roomType": "direct",
            "personId": old.person_id,
        }
        await sandbox.emit("messages", "created", data=data, actor_id=old.person_id)
        await talk.hear("Heard old", "asking")


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        ({"card": CARD, "buttons": BUTTONS}, ValueError("buttons make a card")),
        ({"buttons": {}}, ValueError("buttons is empty")),
        ({"buttons": ["Yes"]}, TypeError('such as {"approve": "Approve"}, got list')),
        ({"text": " "}, ValueError('there is nothing to ask: pass a text, such as "Which day?"')),
        ({"buttons": {"a": 1}}, TypeError("what the button 'a' says must be")),
        ({"timeout": 0}, ValueError("timeout must be a positive number of seconds")),
        ({"timeout": timedelta(-1)}, ValueError("timeout must be a positive number of seconds")),
        ({"timeout": "1"}, TypeError("timeout must be")),
        ({"room_id": "ROOM"}, ValueError("a text in a room answers nobody's question")),
        ({"room_id": "R", "to_person_id": "P", "card": CARD}, ValueError("pass one of room_id")),
        ({"commands": False, "buttons": BUTTONS}, ValueError("commands=False is for a question")),
        ({"key": ""}, ValueError("key is empty")),
        ({"to_person_email": "nobody@example.invalid"}, ValueError("nobody in Webex has the addr")),
        ({"colour": "red"}, TypeError("ask has no argument 'colour'")),
        ({"button": BUTTONS}, TypeError("ask has no argument 'button': write buttons")),
    ],
)
async def test_wrong_questions(ask: dict[str, Any], error: Exception, talk: Talk) -> None:
    """They are an error that says what to write, and nothing was sent."""
    raised: list[Exception] = []
    options: dict[str, Any] = {"text": "Well?", **ask}

    @talk.command()
    async def go(context: MessageContext) -> None:
        try:
            await context.ask(**options)
        except (ValueError, TypeError) as wrong:
            raised.append(wrong)

    async with talk.running():
        await talk.after("go")

    assert [type(each) for each in raised] == [type(error)]
    assert str(error) in str(raised[0])
    assert talk.webex.texts == ["go"]


async def test_where_nothing_can_be_asked(talk: Talk, webex: Webex) -> None:
    """Without an inbox or order, in `once` or `dispatch`, or outside of a handler it is refused."""
    late: list[MessageContext] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        late.append(context)
        with pytest.raises(RuntimeError, match="don't ask anything in a call of once"):
            await once("x", lambda: context.ask("Well?"))
        await context.enqueue("job", None)

    @talk.bot.job("job")
    async def job(context: JobContext) -> None:
        with pytest.raises(ValueError, match="nobody began this, so say who is asked"):
            await context.ask("Well?")

    async with talk.running():
        await talk.after("go")
        for call in (late[0].ask("Well?"), late[0].stop_earlier()):
            with pytest.raises(RuntimeError, match="only a handler of a command, a message"):
                await call
    assert talk.errors == []
    known, bot = late[0], talk.replica(inbox=None)
    bot.message()(asking("Well?"))
    async with bot:
        with pytest.raises(RuntimeError, match="a handler can't ask anything in dispatch"):
            await bot.dispatch(known.notification)
    given: dict[str, Any] = {"me": known.me, "message": known.message, "text": ""}
    with pytest.raises(RuntimeError, match="this context isn't of a bot"):
        await MessageContext(client=webex.client, notification=known.notification, **given).ask(
            "Well?"
        )
    async with talk.running(bot):
        await talk.say("go")
        await until(lambda: len(talk.errors) == 1)
    assert "without an inbox, a handler can't ask anything" in str(talk.errors[0])
    assert "Well?" not in talk.webex.texts


async def test_a_conversation_that_a_card_begins(talk: Talk) -> None:
    """Its texts are asked of the person who submitted, in the thread of the card, fetched once."""

    @talk.bot.submission("order")
    async def ordered(context: SubmissionContext) -> None:
        count = await context.ask("How many?")
        sure = await context.ask("Sure?", buttons=BUTTONS)
        await context.ask("Any wishes?")
        await sure.reply(f"{count.text} {context.inputs['dish']} {sure.action}")

    async with talk.running():
        card = await talk.bot.send("A card", card=CARD, to_person_email=ANN)
        await talk.webex.sandbox.next_reply()
        await talk.webex.sandbox.submit(card.id, {"dish": "Pasta"}, person=ANN)
        question = await talk.hear("How many?")
        await talk.say("2")
        await talk.answer(await talk.hear("Sure?"), "Yes")
        await talk.hear("Any wishes?")
        await talk.end("2 Pasta yes", after="No")

    assert question.parent_id == card.id
    fetched = [each.path for each in talk.webex.sandbox.requests if each.method == "GET"]
    assert fetched.count(f"/v1/messages/{card.id}") == 1


@pytest.mark.parametrize("is_earlier", [False, True])
async def test_a_card_that_is_deleted_before_a_question(talk: Talk, *, is_earlier: bool) -> None:
    """The person who submitted it answers a text in the direct room all the same."""

    async def is_there(context: SubmissionContext) -> bool:
        if is_earlier:
            await context.delete(context.message_id)
        return True

    @talk.bot.submission("order", where=is_there)
    async def ordered(context: SubmissionContext) -> None:
        await context.delete(context.message_id)
        count = await context.ask("How many?")
        wishes = await context.ask("Any wishes?")
        await context.reply(f"{count.text} {wishes.text}")

    sandbox = talk.webex.sandbox
    async with talk.running():
        card = await talk.bot.send("A card", card=CARD, to_person_email=ANN)
        await sandbox.next_reply()
        await sandbox.submit(card.id, {"dish": "Pasta"}, person=ANN)
        await talk.hear("How many?")
        await talk.exchange("2", "Any wishes?")
        await talk.exchange("None", "2 None")

    rooms = sum(each.path == f"/v1/rooms/{card.room_id}" for each in sandbox.requests)
    assert rooms == is_earlier


async def test_a_question_that_cannot_be_closed_yet(talk: Talk, caplog: Log) -> None:
    """A question that wasn't sent is closed with the outcome, if the inbox fails before."""
    failures = [OSError("the disk is full")]

    class FailsFirst(SQLiteInbox):
        async def unask(self, entry: InboxEntry, record: str) -> None:
            if failures:
                raise failures.pop()
            await super().unask(entry, record)

    talk.store_in(FailsFirst)
    talk.command()(asking("Well?"))
    async with talk.running():
        talk.webex.sandbox.fail(method="POST", path="/messages", status=403)
        await talk.after("go", "retrying")
        await talk.later(2, "Well?")

    assert "a question can't be closed yet: OSError: the disk is full" in caplog.text


@pytest.mark.parametrize(
    ("method", "call"),
    [("questions", 1), ("questions", 2), ("ask", 1), ("ask", 2), ("remember", 1), ("answer", 1)],
)
async def test_an_inbox_that_fails_once(talk: Talk, method: str, call: int) -> None:
    """A question comes once, and its answer arrives, whichever call of the inbox fails."""
    works, calls = getattr(SQLiteInbox, method), count(1)

    async def fails(*given: object, **options: object) -> object:
        if next(calls) == call:
            raise OSError("the disk is full")
        return await works(*given, **options)

    talk.store_in(type("Failing", (SQLiteInbox,), {method: fails}))

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask("Well?")
        await context.reply(f"Thanks: {answer.text}")

    async def hear(text: str) -> None:
        hearing = asyncio.create_task(talk.hear(text))
        while not hearing.done():
            await until(lambda: hearing.done() or is_retrying())
            await talk.pass_(1)
        await hearing

    def is_retrying() -> bool:
        return any(each.state == "retrying" for each in talk.stored)

    async with talk.running():
        await talk.say("go")
        await hear("Well?")
        await talk.say("Yes")
        await hear("Thanks: Yes")
        await talk.settle()
    assert next(calls) > call


async def test_another_question_after_a_failure(talk: Talk) -> None:
    """A run that no answer began may ask something else: the question before it is closed."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask(f"Is {talk.runs} right?")
        await context.reply(answer.text)

    @talk.bot.on("messages", "created")
    async def fail(_: Notification[MessageData]) -> None:
        if talk.runs == 1:
            raise ConnectionError("the database is down")

    async with talk.running():
        await talk.exchange("go", "Is 1 right?", "retrying")
        await talk.later(2, "Is 2 right?", "asking")


async def test_a_lost_lease(talk: Talk) -> None:
    """A process whose lease is over by then opens no question."""

    class Lost(SQLiteInbox):
        async def ask(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as it is there
            return None

    talk.store_in(Lost)
    talk.command()(asking("Well?"))
    async with talk.running():
        await talk.say("go")
        await until(lambda: len(talk.errors) == 1)

    assert "has lost its lease, so another process asks" in str(talk.errors[0])


async def test_a_question_that_ends_beside_its_answer(talk: Talk) -> None:
    """A message whose question is closed at that moment is an ordinary one."""

    class EndsFirst(SQLiteInbox):
        async def answer(self, entry: InboxEntry, question: int, value: bytes) -> bool:
            await self.end([question])
            return await super().answer(entry, question, value)

    talk.store_in(EndsFirst)
    talk.command()(asking("Well?"))
    talk.bot.message()(replying(lambda context: f"Heard {context.text}"))
    async with talk.running():
        await talk.exchange("before", "Heard before")
        await talk.exchange("go", "Well?", "asking")
        await talk.end("Heard Yes", after="Yes", parent_id=talk.webex.sandbox.messages[0].id)
