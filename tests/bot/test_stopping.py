"""What a person has begun is stopped, and its handler hears of it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import Webex, asking, noting, raising
from tests.bot.talking import ANN, BOB, BOSS, BUTTONS, Talk
from tests.support.clocks import Time
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    Context,
    Event,
    HandlerStopped,
    JobContext,
    Message,
    MessageContext,
    Notification,
    Resource,
    RetryLaterError,
    SQLiteInbox,
    once,
)
from webex_webhooks_async.notifications.lines import line_of_id, owner_of
from webex_webhooks_async.types import CallNext

pytestmark = pytest.mark.once

Handler = Callable[[MessageContext], Coroutine[Any, Any, None]]


class Stoppable(Talk):
    """People who talk with a bot that they can stop, and the questions that were stopped."""

    def __init__(self, webex: Webex, path: Path, time: Time) -> None:
        self.told: list[Message | None] = []
        super().__init__(webex, path, time)

    def replica(self, **options: Any) -> Bot:  # noqa: ANN401 - any option
        bot = super().replica(**options)

        @bot.context_middleware
        async def note(_: Context, call_next: CallNext) -> None:
            try:
                await call_next()
            except HandlerStopped as error:
                self.told.append(error.message)
                raise

        @bot.command("cancel")
        async def cancel(context: MessageContext) -> None:
            await context.reply(f"Stopped: {await context.stop_earlier()}")

        @bot.command("everything")
        async def everything(context: MessageContext) -> None:
            await context.reply(f"Stopped: {await context.stop_earlier(everywhere=True)}")

        return bot

    @property
    def texts_told(self) -> list[str | None]:
        return [None if each is None else each.text for each in self.told]


@pytest.fixture
def talk(talk: Stoppable) -> Stoppable:
    """People who talk with a bot that they can stop."""
    return Stoppable(talk.webex, talk.path, talk.time)


def long(talk: Talk) -> Callable[[Handler], Handler]:
    """Register the handler of a command that takes long."""
    return talk.bot.command("go", in_order=False)


async def test_what_waits_for_an_answer(talk: Stoppable, caplog: Log) -> None:
    """A handler that waits runs again, gets HandlerStopped, cleans up, and is completed."""
    caplog.set_level(logging.INFO)
    told: list[Message | None] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.reply("Begun")
        try:
            await context.ask("Boss?", buttons=BUTTONS, to_person_email=BOSS, default=None)
        except HandlerStopped as error:
            told.append(error.message)
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(context.reply("Cleaned up"))
            await context.ask("Sure?")

    @talk.command("name")
    async def name(context: MessageContext) -> None:
        await context.reply(f"Hello {(await context.ask('Name?')).text}")

    async with talk.running():
        await talk.exchange("go", "Begun")
        question = await talk.hear("Boss?")
        await talk.exchange("name", "Name?", "asking", "asking", person=BOB)
        await talk.exchange("cancel", "Stopped: True")
        await talk.hear("Cleaned up", "asking")
        await talk.exchange("Bob", "Hello Bob", person=BOB)
        await talk.end("Stopped: False", after="cancel")

    assert [each and each.id for each in told] == [question.id]
    assert len(talk.told) == 1
    assert talk.errors == []
    ends = [each.split(") ")[-1] for each in caplog.messages if each.endswith("is stopped")]
    assert len(ends) == 1


async def test_the_older_of_two_conversations_is_told(talk: Stoppable) -> None:
    """A new conversation stops the one that asks its person for a text."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask(f"{context.arguments}?")

    async with talk.running():
        await talk.exchange("go one", "one?")
        await talk.exchange("go two", "two?", "asking")

    assert talk.texts_told == ["one?"]


async def _say(context: MessageContext) -> None:
    await context.reply("Never")


async def _wait(_: Context) -> None:
    await _forever()


async def _yield(_: Context) -> None:
    while True:  # noqa: ASYNC110 - what is tested
        await asyncio.sleep(0)


@pytest.mark.parametrize("then", [_say, _wait, _yield])
async def test_what_runs(talk: Stoppable, then: Handler) -> None:
    """What is under way in a handler ends before it is stopped; `once` isn't cut in half."""
    gate, did = asyncio.Event(), list[str]()

    async def order() -> str:
        did.append("begun")
        await gate.wait()
        did.append("ordered")
        return "it"

    @long(talk)
    async def go(context: MessageContext) -> None:
        try:
            await once("order", order)
            await then(context)
        finally:
            await context.reply("Bye")

    talk.bot.on(Resource.MESSAGES, Event.CREATED)(noting(did, lambda _: "heard"))
    async with talk.running():
        await talk.say("go")
        await until(lambda: "begun" in did)
        await talk.exchange("cancel", "Stopped: True")
        await talk.exchange("cancel", "Stopped: False")
        gate.set()
        await talk.end("Bye")

    assert did.count("heard") == 3
    assert [each for each in did if each != "heard"] == ["begun", "ordered"]
    assert "Never" not in talk.webex.texts
    assert talk.errors == []


Wait = Callable[[MessageContext, list[str]], Coroutine[Any, Any, None]]


async def _forever() -> None:
    await asyncio.Event().wait()


async def in_sleep(_: MessageContext, did: list[str]) -> None:
    """Wait for nothing."""
    did.append("begun")
    await _forever()


async def in_no_sleep(_: MessageContext, did: list[str]) -> None:
    """Let others run, and be run again."""
    did.append("begun")
    while True:  # noqa: ASYNC110 - what is tested
        await asyncio.sleep(0)


async def in_a_call_that_may_be_cut(_: MessageContext, did: list[str]) -> None:
    """Wait for a model."""

    async def model() -> None:
        did.append("begun")
        await _forever()

    await once("model", model, stoppable=True)


async def in_the_body_of_a_group(_: MessageContext, did: list[str]) -> None:
    """Wait beside a task."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_forever())
        did.append("begun")
        await _forever()


async def at_the_end_of_a_group(context: MessageContext, did: list[str]) -> None:
    """Wait for a task, which cleans up."""

    async def child() -> None:
        did.append("begun")
        try:
            await _forever()
        finally:
            await context.send("from a child")

    async with asyncio.TaskGroup() as group:
        group.create_task(child())


async def in_a_timeout(_: MessageContext, did: list[str]) -> None:
    """Wait for so long."""
    async with asyncio.timeout(600):
        did.append("begun")
        await _forever()


async def gathering(_: MessageContext, did: list[str]) -> None:
    """Wait for several."""
    did.append("begun")
    await asyncio.gather(_forever(), asyncio.shield(asyncio.sleep(0.01)))


@pytest.mark.parametrize(
    "wait",
    [
        *(in_sleep, in_no_sleep, in_a_call_that_may_be_cut, in_the_body_of_a_group),
        *(at_the_end_of_a_group, in_a_timeout, gathering),
    ],
)
async def test_where_a_handler_is_stopped(talk: Stoppable, wait: Wait) -> None:
    """It is stopped where it awaits, alone or in a group, once; it is completed, and no failure."""
    did = list[str]()

    @long(talk)
    async def go(context: MessageContext) -> None:
        try:
            await wait(context, did)
        except BaseException:
            did.append("ended")
            raise

    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(did))
        await talk.after("cancel")

    assert did == ["begun", "ended"]
    assert talk.errors == []
    assert talk.webex.texts.count("from a child") == (wait is at_the_end_of_a_group)


async def test_a_handler_that_catches_the_stop(talk: Stoppable) -> None:
    """It goes on, but asks nothing; another error is a failure, and stopped again when it runs."""
    did = list[str]()

    @long(talk)
    async def go(context: MessageContext) -> None:
        try:
            did.append("begun")
            if len(did) == 1:
                await _forever()
            await context.reply("Never")
        except HandlerStopped:
            await asyncio.sleep(0)
        with pytest.raises(HandlerStopped):
            await context.ask("Sure?")
        did.append("told")
        raise OSError(context.text)

    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(did))
        await talk.say("cancel")
        await until(lambda: bool(talk.errors))
        await talk.retry(10)
        await until(lambda: len(talk.errors) == 2)

    assert did == ["begun", "told", "begun", "told"]


async def test_a_handler_that_swallows_the_stop(talk: Stoppable) -> None:
    """It runs to its end, and is completed."""
    did = list[str]()

    async def stubborn() -> None:
        try:
            did.append("begun")
            await _forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    @long(talk)
    async def go(context: MessageContext) -> None:
        await asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await context.reply("Done")

    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(did))
        await talk.say("cancel")
        await until(lambda: "Done" in talk.webex.texts)
        await talk.settle()


@pytest.mark.parametrize("ends", [False, True])
async def test_in_another_process(talk: Stoppable, *, ends: bool) -> None:
    """What runs in another process is stopped there, too, also while that one shuts down."""
    did = list[str]()
    other = talk.replica(max_pending=1)

    async def go(context: MessageContext) -> None:
        did.append("begun")
        try:
            await _forever()
        finally:
            await context.reply("Bye")

    for bot in (other, talk.bot):
        bot.command("go", in_order=False)(go)
    async with talk.running(other):
        await talk.say("go")
        await until(lambda: bool(did))
        async with talk.running(), asyncio.TaskGroup() as group:
            if ends:
                group.create_task(other.aclose())
                await until(lambda: not other.is_ready)
            await talk.exchange("cancel", "Stopped: True")
            await talk.time.pass_(0, 2)  # both wait, for less than a second
            talk.time.advance(1)
            await talk.end("Bye")


async def _stream(context: MessageContext) -> None:
    async with context.stream() as answer:
        answer.write("Never")


async def _say_again(context: MessageContext) -> None:
    await context.reply("Gone", key="gone")


async def _call(_: MessageContext) -> None:
    await once("never", lambda: raising(ValueError("never"))(None))


@pytest.mark.parametrize("rest", [_say, _stream, _say_again, _call])
async def test_what_has_failed(talk: Stoppable, rest: Handler) -> None:
    """What waits for its next attempt repeats what is recorded, and is stopped before the rest."""
    did = list[str]()

    async def note() -> None:
        did.append("noted")

    @talk.bot.on(Resource.MESSAGES, Event.CREATED)
    async def heard(_: Notification[Any]) -> None:
        await once(f"heard {len(did)}", note)

    @talk.bot.command("go")
    async def go(context: MessageContext) -> None:
        did.append("begun")
        await once("note", note)
        await context.reply("Begun", key="begun")
        if did.count("begun") == 1:
            await context.delete(await context.reply("Gone", key="gone"))
            raise RetryLaterError("the service is out", after=30)
        await rest(context)

    async with talk.running():
        await talk.exchange("go", "Begun", "retrying")
        await talk.exchange("cancel", "Stopped: True")
        await talk.pass_(60)
        await talk.settle()

    assert did == ["noted", "begun", "noted", "noted", "noted", "begun"]
    assert (talk.webex.texts, talk.errors) == (["go", "Begun", "cancel", "Stopped: True"], [])


async def test_what_has_not_begun(talk: Stoppable, caplog: Log) -> None:
    """It is completed without its handler, but handlers of `on` run; it makes no stop true."""
    caplog.set_level(logging.INFO)
    did, gate = list[str](), asyncio.Event()

    @talk.bot.command("slow")
    async def slow(_: MessageContext) -> None:
        await gate.wait()

    talk.command()(raising(NotImplementedError))

    @talk.bot.on(Resource.MESSAGES, Event.CREATED)
    async def heard(notification: Notification[Any]) -> None:
        did.append(notification.data.id)

    async with talk.running():
        await talk.after("slow", "running")
        await talk.say("go")
        (message,) = [each for each in talk.webex.sandbox.messages if each.text == "go"]
        await talk.settle("running", "waiting")
        line = line_of_id(message.person_id or "")
        assert line is not None
        async with aclosing(SQLiteInbox(talk.path, clock=talk.time.now_in_seconds)) as inbox:
            begun = await inbox.stop(owner_of(line), before=1_000)
        assert len(begun) == 1
        gate.set()
        await talk.settle()

    assert message.id in did
    assert any(each.endswith("is stopped before it began") for each in caplog.messages)


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_stop_while_a_question_is_sent(talk: Stoppable, *, is_open: bool) -> None:
    """The question is sent and ended, also one that opens later, and its handler is told of it."""
    held, sends = asyncio.Event(), asyncio.Event()

    class Late(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            if is_open == ("seconds" in options):
                held.set()
                await sends.wait()
            return await super().ask(*args, **options)

    talk.store_in(Late)
    long(talk)(asking("Well?", buttons=BUTTONS))
    async with talk.running():
        await talk.say("go")
        await held.wait()
        await talk.say("cancel")
        await until(lambda: "Stopped: True" in talk.webex.texts)
        sends.set()
        await talk.settle()

    assert talk.texts_told == ["Well?"]


@pytest.mark.parametrize("how", ["nothing", "a card", "several cards"])
async def test_a_question_that_was_never_open(talk: Stoppable, how: str) -> None:
    """A card that an earlier run has sent is deleted when the next one is stopped."""

    class Failing(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            if how == "nothing" or "seconds" in options:
                raise OSError("the disk is full")
            return await super().ask(*args, **options)

    talk.store_in(Failing)

    @long(talk)
    async def go(context: MessageContext) -> None:
        if how == "several cards":
            await context.ask_all("Well?", to=[BOSS, BOB], buttons=BUTTONS)
        await context.ask("Well?", buttons=BUTTONS)

    async with talk.running():
        await talk.say("go")
        sent = None if how == "nothing" else await talk.hear("Well?")
        await talk.settle("retrying")
        await talk.exchange("cancel", "Stopped: True")
        await talk.pass_(10)
        await talk.settle()

    known = sent if how == "a card" else None  # of several there isn't one message
    assert [each and each.id for each in talk.told] == [known and known.id]
    assert "Well?" not in talk.webex.texts


async def test_other_rooms(talk: Stoppable) -> None:
    """What began or asks in this room is stopped; with `everywhere`, what does elsewhere, too."""
    sandbox = talk.webex.sandbox
    room = await talk.webex.client.post("rooms", json={"title": "Team"})
    there: dict[str, Any] = {"room_id": room["id"], "mention": sandbox.bot}
    direct = {"b": {"to_person_email": ANN}, "c": {"to_person_email": ANN, "buttons": BUTTONS}}

    @talk.command()
    async def go(context: MessageContext) -> None:
        options: Any = direct.get(context.arguments, {"buttons": BUTTONS})
        await context.ask(f"{context.arguments}?", **options)

    await talk.webex.client.post("memberships", json={"roomId": room["id"], "personEmail": ANN})
    async with talk.running():
        for name in "abc":
            await talk.exchange(f"go {name}", f"{name}?", **there)
        await talk.settle(*["asking"] * 3)
        await talk.exchange("cancel", "Stopped: True", "asking")
        assert sorted(map(str, talk.texts_told)) == ["b?", "c?"]
        await talk.exchange("cancel", "Stopped: False")
        await talk.end("Stopped: True", after="everything")
    assert talk.texts_told[-1] == "a?"


async def test_a_job_is_cancelled(talk: Stoppable) -> None:
    """One that asks or runs is stopped; its key is free when it has ended, or for what follows."""
    told: list[str] = []

    @talk.bot.job("survey")
    async def survey(context: JobContext) -> None:
        try:
            if context.value == "asks":
                await context.ask("Survey?", to_person_email=ANN)
            elif context.value == "runs":
                told.append("runs")
                await _forever()
            await context.send(f"Ended {context.value}", to_person_email=ANN)
        finally:
            if context.value == "own":
                told.append(f"own {await context.cancel('survey', key='k')}")

    async def cancelled(value: str) -> bool:
        assert await talk.bot.enqueue("survey", value, key="k")
        await until(lambda: "Survey?" in talk.webex.texts if value == "asks" else bool(told))
        await talk.settle("asking" if value == "asks" else "running")
        return await talk.bot.cancel("survey", key="k")

    async with talk.running():
        assert await cancelled("asks")
        await talk.settle()
        assert await cancelled("runs")
        await talk.bot.enqueue("survey", "next", key="k")
        await until(lambda: "Ended next" in talk.webex.texts)
        await talk.settle()
        assert not await talk.bot.cancel("survey", key="k")
        await talk.bot.enqueue("survey", "own", key="own")
        await until(lambda: "Ended own" in talk.webex.texts)
        await talk.settle()
    assert told == ["runs", "own False"]
    assert talk.errors == []


@pytest.mark.parametrize("is_caught", [False, True])
async def test_an_answer_that_grows(talk: Stoppable, *, is_caught: bool) -> None:
    """The text so far stays, and a line below it says that it was stopped."""

    @long(talk)
    async def go(context: MessageContext) -> None:
        with suppress(HandlerStopped) if is_caught else nullcontext():
            async with context.stream() as answer:
                answer.write("Half of it")
                await _forever()

    async with talk.running():
        await talk.exchange("go", "💭 ...")
        await talk.end("Stopped: True", after="cancel")
    texts = [each.markdown for each in talk.webex.sandbox.messages]
    assert "Half of it\n\n⏹ *stopped*" in texts


async def test_where_nothing_can_be_stopped(talk: Stoppable) -> None:
    """In a job and in a call of `once`, and with what is no flag, an error says what to do."""
    contexts: list[MessageContext] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        contexts.append(context)
        with pytest.raises(TypeError, match="everywhere"):
            await context.stop_earlier(everywhere="yes")  # type: ignore[arg-type] # what is tested
        with pytest.raises(TypeError, match="stoppable must be True or False"):
            await once("a", context.person, stoppable="yes")  # type: ignore[call-overload] # what is tested
        with pytest.raises(ValueError, match="pass stoppable or within"):
            await once("a", context.person, within=_forever, stoppable=True)  # type: ignore[call-overload] # what is tested
        await once("stop", context.stop_earlier)

    @talk.bot.job("job")
    async def job(_: JobContext) -> None:
        with pytest.raises(RuntimeError, match="a job can't stop"):
            await contexts[0].stop_earlier()

    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(talk.errors))
        await talk.bot.enqueue("job", None)
        await talk.settle("retrying")
    (error,) = talk.errors
    assert "don't stop what was begun in a call of once" in str(error)


async def test_before_the_handler_begins(talk: Stoppable) -> None:
    """What is stopped while a handler of `on` runs ends without its own."""
    gate, did = asyncio.Event(), list[str]()

    @talk.bot.on(Resource.MESSAGES, Event.CREATED)
    async def first(notification: Notification[Any]) -> None:
        did.append(notification.data.id)
        if len(did) == 1:
            await gate.wait()

    long(talk)(raising(NotImplementedError))
    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(did))
        await talk.exchange("cancel", "Stopped: True")
        gate.set()
        await talk.settle()
    assert talk.errors == []


async def _ask(context: MessageContext) -> None:
    await context.ask("Well?")


async def _ask_in_a_group(context: MessageContext) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(context))


async def _ask_in_a_task(context: MessageContext) -> None:
    task = asyncio.create_task(_ask(context))
    try:
        await asyncio.wait({task})
        task.result()
    except HandlerStopped:
        with pytest.raises(HandlerStopped):
            await task
        raise


@pytest.mark.parametrize("ask", [_ask_in_a_group, _ask_in_a_task])
async def test_a_question_of_a_task(talk: Stoppable, ask: Handler) -> None:
    """If a task of the handler asks, the handler is stopped, and the task is told as well."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await ask(context)

    async with talk.running():
        await talk.exchange("go", "Well?", "asking")
        await talk.end("Stopped: True", after="cancel")
    assert talk.texts_told == ["Well?"]


async def test_several_people_are_not_asked_any_more(talk: Stoppable) -> None:
    """Who asks several people hears of one stop, and no card is left."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask_all("Well?", to=[BOB, BOSS], buttons=BUTTONS)

    async with talk.running():
        await talk.say("go")
        cards = [await talk.hear("Well?") for _ in range(2)]
        await talk.press(cards[0], "Yes", BOB)
        await talk.hear("Well? Yes", "asking")
        await talk.end("Stopped: True", after="cancel")

    assert talk.told == [None]
    left = {each.id for each in talk.webex.sandbox.messages}
    assert not left & {each.id for each in cards}
