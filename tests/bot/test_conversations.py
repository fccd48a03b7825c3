"""Conversations: what a handler asks, and who answers."""

# pyright: reportPrivateUsage=false

import asyncio
import re
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import timedelta
from typing import Any

import pytest

from tests.bot.doubles import CARD, asking, noting, raising, replying
from tests.bot.talking import ANN, BOB, BOSS, BUTTONS, Talk
from tests.support.wire import until
from webex_webhooks_async import (
    APIError,
    Context,
    GiveUpError,
    HandlerSuspended,
    JobContext,
    Message,
    MessageContext,
    NoAnswerError,
    SQLiteInbox,
    SubmissionContext,
    once,
)
from webex_webhooks_async.types import CallNext, InboxEntry

pytestmark = pytest.mark.once


async def test_a_conversation(talk: Talk) -> None:
    """A handler runs again with each answer, in its middleware; what it said and did once stays."""
    did: list[str] = []

    @talk.bot.context_middleware
    async def around(_: Context, call_next: CallNext) -> None:
        did.append("middleware")
        await call_next()

    async def log() -> None:
        did.append("once")

    @talk.command("order")
    async def order(context: MessageContext) -> None:
        await context.reply("Welcome")
        await once("log", log)
        dish = await context.ask("Which dish?")
        size = await dish.ask("Which size?", buttons={"s": "Small", "l": "Large"})
        await size.reply(f"{size.action} {dish.text} for {context.arguments}")

    async with talk.running():
        await talk.exchange("order lunch", "Welcome")
        await talk.hear("Which dish?", "asking")
        await talk.say("Pasta")
        await talk.answer(await talk.hear("Which size?"), "Large")
        await talk.end("l Pasta for lunch")

    assert did == ["middleware", "once", "middleware", "middleware"]


async def test_answers_that_are_typed_ahead(talk: Talk) -> None:
    """What a person writes at once answers the questions in its order, and then is a message."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        one, two = await context.ask("One?"), await context.ask("Two?")
        await context.send(f"{one.text} {two.text}")

    @talk.bot.message()
    async def other(context: MessageContext) -> None:
        await context.send(f"Heard {context.text}")

    async with talk.running():
        for text in ("go", "1", "2", "3"):
            await talk.say(text)
        await talk.settle()

    assert talk.webex.texts[4:] == ["One?", "Two?", "1 2", "Heard 3"]


async def test_a_conversation_survives_its_process(talk: Talk) -> None:
    """Another process goes on: nothing is fetched again, and a command that was edited counts."""

    @talk.command("go")
    async def go(context: MessageContext) -> None:
        answer = await context.ask("Which day?")
        said = (context.text, context.arguments, context.message.text, context.thread_id)
        await context.reply(f"{answer.text}: {said == (*said[:3], context.message.id)}, {said[:3]}")

    async with talk.running():
        await talk.exchange("go on", "Which day?", "asking")
    began, age = next(each for each in talk.webex.sandbox.messages), talk.runs
    bot = talk.replica()
    bot.command("go")(go)
    fetched = f"/v1/messages/{began.id}"
    count = [each.path for each in talk.webex.sandbox.requests].count(fetched)
    async with talk.running(bot):
        await talk.end("Monday: True, ('go on', 'on', 'go on')", after="Monday")

    assert [each.path for each in talk.webex.sandbox.requests].count(fetched) == count == age


async def test_somebody_else_is_asked(talk: Talk) -> None:
    """Who is asked answers by a button of the question; other presses are submissions."""
    presses: list[tuple[str, Any]] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        decision = await context.ask(
            "May Ann?", buttons=BUTTONS, to_person_email=BOSS, keep_card=True
        )
        await context.reply(f"{decision.action} by {(await decision.person()).emails[0]}")

    @talk.bot.submission()
    async def other(context: SubmissionContext) -> None:
        presses.append(((await context.person()).emails[0], context.action))

    async with talk.running():
        card = await talk.bot.send("A card", card=CARD, to_person_email=BOSS)
        await talk.webex.sandbox.next_reply()
        question = await talk.exchange("go", "May Ann?")
        await talk.press(card, "Order", BOSS)
        await talk.say("Hello", BOSS)
        await talk.press(question, "No", BOSS)
        await talk.hear("no by boss@example.com")
        await talk.press(question, "Yes", BOSS)
        await talk.settle()
        await until(lambda: len(presses) == 2)

    assert presses == [(BOSS, "order"), (BOSS, "yes")]


async def test_anybody_in_a_room_is_asked(talk: Talk) -> None:
    """The first submission of the card in a room answers, also in a job."""

    @talk.bot.job("poll")
    async def poll(context: JobContext) -> None:
        who = await context.ask("Who?", buttons=BUTTONS, room_id=context.value)
        await context.send((await who.person()).emails[0], room_id=context.value)

    room = await talk.webex.client.post("rooms", json={"title": "Team"})
    async with talk.running():
        await talk.bot.enqueue("poll", room["id"])
        question = await talk.hear("Who?")
        await talk.answer(question, "Yes", BOB)
        await talk.end(BOB)


async def test_a_press_of_somebody_else(talk: Talk) -> None:
    """In a group, it is a submission, and the question waits for the person who is asked."""
    room = await talk.webex.client.post("rooms", json={"title": "Team"})

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask("Well?", buttons=BUTTONS)
        await context.reply(f"Answer: {answer.action}")

    talk.bot.submission()(replying(lambda context: f"Pressed: {context.action}"))
    async with talk.running():
        await talk.say("go", room_id=room["id"], mention=talk.webex.sandbox.bot)
        question = await talk.hear("Well?")
        await talk.press(question, "No", BOB)
        await talk.hear("Pressed: no")
        await talk.answer(question, "Yes")
        await talk.end("Answer: yes")


async def test_a_card_is_submitted_as_a_whole(talk: Talk) -> None:
    """Whatever is submitted with the card of a question is its answer."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask(card=CARD)
        await answer.reply(answer.inputs["dish"])

    async with talk.running():
        await talk.say("go")
        question = await talk.webex.sandbox.next_reply()
        await talk.webex.sandbox.submit(question.id, {"dish": "Pasta"}, person=ANN)
        await talk.hear("Pasta")


async def test_a_default(talk: Talk) -> None:
    """It is returned when nobody has answered in time, in each run, and isn't what is asked."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        first = await context.ask("One?", default=f"none {talk.runs}", timeout=20)
        second = await context.ask("Two?", default=None)
        await context.reply(f"{first}, {second and second.text}")

    async with talk.running():
        await talk.exchange("go", "One?", "asking")
        await talk.later(60, "Two?")
        await talk.end("none 3, 2", after="2")


async def test_what_an_ordinary_message_costs(talk: Talk) -> None:
    """It costs one read of the inbox more, which asks what is open, and nothing else."""
    called: list[str] = []

    def counted(name: str) -> Any:  # noqa: ANN401 - a method
        async def method(*args: Any, **options: Any) -> object:  # noqa: ANN401 - as it is there
            called.append(name)
            return await getattr(SQLiteInbox, name)(*args, **options)

        return method

    names = ("questions", "records", "recall", "remember", "ask", "answer", "complete")
    talk.store_in(type("Counting", (SQLiteInbox,), {name: counted(name) for name in names}))
    talk.command()(raising(NotImplementedError))

    @talk.bot.message()
    async def other(_: MessageContext) -> None: ...

    async with talk.running():
        await talk.after("Hello")

    assert called == ["questions", "complete"]


async def test_commands(talk: Talk) -> None:
    """A command stays one while a question is open, unless `commands` is false."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        one = await context.ask("One?")
        two = await context.ask("Two?", commands=False)
        await context.reply(f"{one.text} {two.text}")

    talk.command("time")(replying(lambda _: "Noon"))
    talk.bot.message()(raising(NotImplementedError))
    async with talk.running():
        await talk.exchange("go", "One?")
        await talk.exchange("time", "Noon")
        await talk.exchange("1", "Two?")
        await talk.exchange("time", "1 time")


async def test_a_new_conversation_ends_one_that_waits_for_a_text(talk: Talk) -> None:
    """It ends an earlier one that asks its person for a text; one that asks by buttons goes on."""

    @talk.command("text")
    async def text(context: MessageContext) -> None:
        answer = await context.ask(f"Text {context.arguments}?")
        await context.reply(f"{context.arguments}: {answer.text}")

    @talk.command("card")
    async def card(context: MessageContext) -> None:
        await context.ask("Card?", buttons=BUTTONS)
        answer = await context.ask("Text after the card?")
        await context.reply(f"card: {answer.text}")

    async with talk.running():
        question = await talk.exchange("card", "Card?")
        for number in "12":
            await talk.exchange(f"text {number}", f"Text {number}?")
        await talk.settle("asking", "asking")
        await talk.answer(question, "Yes")
        await talk.hear("Text after the card?", "asking", "asking")
        await talk.exchange("one", "2: one")
        await talk.end("card: two", after="two")


async def test_the_newest_conversation_that_asks_at_a_place(talk: Talk) -> None:
    """It ends earlier ones there, and comes before a job's, also if a newer one is elsewhere."""
    room = await talk.webex.client.post("rooms", json={"title": "A ward"})
    there: dict[str, Any] = {"room_id": room["id"], "mention": talk.webex.sandbox.bot}

    @talk.bot.job("survey")
    async def survey(context: JobContext) -> None:
        await context.ask("Survey?", to_person_id=context.value)

    @talk.bot.command("swap")
    async def swap(context: MessageContext) -> None:
        answer = await context.ask(f"{context.arguments}?", to_person_id=context.person_id)
        await context.enqueue("survey", context.person_id)
        later = await context.ask("When?", to_person_id=context.person_id)
        await later.reply(f"{context.arguments}: {answer.text}, {later.text}")

    talk.command("here")(asking("Here?"))
    async with talk.running():
        await talk.exchange("swap 1", "1?")
        for number in "23":
            await talk.exchange(f"swap {number}", f"{number}?", "asking", **there)
        await talk.exchange("here", "Here?", **there)
        await talk.say("Ben")
        assert {(await talk.webex.sandbox.next_reply()).text for _ in "12"} == {"Survey?", "When?"}
        await talk.settle("asking", "asking", "asking")
        await talk.exchange("tonight", "3: Ben, tonight")


async def test_a_conversation_leaves_what_a_job_has_asked(talk: Talk) -> None:
    """The next text answers a new conversation, the one after it the question of the job."""

    @talk.bot.job("survey")
    async def survey(context: JobContext) -> None:
        answer = await context.ask("Survey?", to_person_email=ANN)
        await context.send(f"Survey: {answer.text}", to_person_email=ANN)

    talk.command("go")(asking("Well?"))
    async with talk.running():
        await talk.bot.enqueue("survey", None)
        await talk.hear("Survey?")
        await talk.exchange("go", "Well?", "asking", "asking")
        await talk.after("Ben", "asking")
        await talk.exchange("good", "Survey: good")


async def test_a_group(talk: Talk) -> None:
    """In a group room, a message in the thread of the question answers, or one in no thread."""
    sandbox = talk.webex.sandbox
    room = await talk.webex.client.post("rooms", json={"title": "Team"})
    there: dict[str, Any] = {"room_id": room["id"], "mention": sandbox.bot}

    @talk.command()
    async def go(context: MessageContext) -> None:
        answers = [(await context.ask(f"{each}?")).text for each in ("One", "Two")]
        await context.reply(f"{answers} {context.me.display_name}")

    @talk.bot.message()
    async def other(context: MessageContext) -> None:
        await context.send(f"Heard {context.text}")

    async with talk.running():
        await talk.exchange("begin", "Heard begin", **there)
        thread = sandbox.messages[0].id
        question = await talk.exchange("go", "One?", **there)
        await talk.exchange("elsewhere", "Heard elsewhere", parent_id=thread, mention=sandbox.bot)
        await talk.exchange("Bob", "Heard Bob", person=BOB, **there)
        await talk.say("in the thread", parent_id=question.parent_id, mention=sandbox.bot)
        await talk.hear("Two?")
        await talk.say("outside", **there)
        await talk.hear(f"['in the thread', 'outside'] {sandbox.bot.display_name}")


async def test_a_question_in_another_room(talk: Talk) -> None:
    """After a press in a group, a text that is asked in the direct room is answered there."""
    sandbox, heard = talk.webex.sandbox, list[str | None]()

    @talk.bot.submission()
    async def pressed(context: SubmissionContext) -> None:
        answer = await context.ask("Why?", to_person_email=ANN)
        await context.reply(f"Because {answer.text}")

    talk.bot.message()(noting(heard, lambda context: context.text))
    room = await talk.webex.client.post("rooms", json={"title": "Team"})
    async with talk.running():
        card = await talk.bot.send("Yes?", buttons=BUTTONS, room_id=room["id"])
        await sandbox.next_reply()
        await talk.press(card, "No")
        question = await talk.hear("Why?")
        await talk.say("in the group", room_id=room["id"], mention=sandbox.bot)
        await until(lambda: heard == ["in the group"])
        reply = await talk.end("Because it rains", after="it rains")

    assert heard == ["in the group"]
    assert (question.room_type, reply.room_id) == ("direct", room["id"])


async def test_what_was_said_before_a_question(talk: Talk) -> None:
    """A message that was stored before somebody else is asked doesn't answer that."""
    goes_on = asyncio.Event()

    @talk.command()
    async def go(context: MessageContext) -> None:
        answer = await context.ask("May I?", to_person_email=BOSS)
        await context.reply(f"Answer: {answer.text}")

    @talk.command("wait")
    async def wait(_: MessageContext) -> None:
        await goes_on.wait()

    talk.bot.message()(replying(lambda context: f"Heard {context.text}"))
    async with talk.running():
        await talk.say("wait", BOSS)
        await talk.after("before", "running", "waiting", person=BOSS)
        await talk.exchange("go", "May I?")
        goes_on.set()
        await talk.hear("Heard before")
        await talk.exchange("after", "Answer: after", person=BOSS)


async def test_a_message_whose_handler_has_failed(talk: Talk) -> None:
    """It goes to its handler again before its person is asked, and so it is no answer."""
    room = await talk.webex.client.post("rooms", json={"title": "Team"})
    failures = [RuntimeError("the handler failed")]

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask("May Ann?", buttons=BUTTONS, to_person_email=BOSS)
        answer = await context.ask("Which day?", to_person_email=ANN)
        await context.send(f"Answer: {answer.text}")

    @talk.bot.message()
    async def other(context: MessageContext) -> None:
        if failures:
            raise failures.pop()
        await context.send(f"Heard {context.text}")

    async with talk.running():
        await talk.say("go", room_id=room["id"], mention=talk.webex.sandbox.bot)
        decision = await talk.hear("May Ann?")
        await talk.after("Hello", "asking", "retrying")
        await talk.press(decision, "Yes", BOSS)
        await talk.later(2, "Heard Hello")
        await talk.hear("May Ann? Yes")
        await talk.hear("Which day?")
        await talk.exchange("Monday", "Answer: Monday")


async def test_questions_to_one_person_queue(talk: Talk) -> None:
    """A text question waits until no other one of others is open, and is sent then."""

    @talk.bot.job("ask")
    async def ask(context: JobContext) -> None:
        answer = await context.ask(f"{context.value}?", to_person_email=BOSS)
        await context.send(f"{context.value}: {answer.text}", to_person_email=BOSS)

    async with talk.running():
        for number, name in enumerate("ABC", 1):
            await talk.bot.enqueue("ask", name)
            await talk.settle(*number * ["asking"])
        for number, name in enumerate("ABC"):
            await talk.hear(f"{name}?")
            await talk.exchange(f"{number}", f"{name}: {number}", person=BOSS)
        await talk.settle()


async def test_a_question_that_waits_is_asked_whatever_ends_the_one_before(talk: Talk) -> None:
    """Also when nobody answers that one in time, or when it fails."""

    @talk.bot.job("ask")
    async def ask(context: JobContext) -> None:
        try:
            await context.ask(f"{context.value}?", to_person_email=BOSS, timeout=20)
        except NoAnswerError:
            if context.value == "B":
                raise GiveUpError("B") from None

    async with talk.running():
        for number, name in enumerate("ABC", 1):
            await talk.bot.enqueue("ask", name)
            await talk.settle(*number * ["asking"])
        await talk.hear("A?")
        await talk.later(60, "B?", "asking", "asking")
        await talk.later(60, "C?", "failed", "asking")

    assert [type(each) for each in talk.errors] == [GiveUpError]


async def test_ten_people_ask_one_boss_at_once(talk: Talk) -> None:
    """Each gets the boss's own answer to it: texts one after the other, buttons in any order."""
    people = [f"person-{number}@example.com" for number in range(10)]

    @talk.command("text")
    async def text(context: MessageContext) -> None:
        name = context.arguments
        answer = await context.ask(f"May {name}?", to_person_email=BOSS)
        await context.reply(f"{name}: {answer.text}")

    @talk.command("card")
    async def card(context: MessageContext) -> None:
        name = context.arguments
        answer = await context.ask(f"May {name}?", buttons=BUTTONS, to_person_email=BOSS)
        await context.reply(f"{name}: {answer.action}")

    def asked() -> list[Message]:
        said = talk.webex.sandbox.messages
        return [each for each in said if re.fullmatch(r"May \d\?", each.text or "")]

    async with talk.running():
        for number, person in enumerate(people):
            await talk.say(f"text {number}", person)
        for count in range(1, 11):
            await until(lambda: len(asked()) == count)  # noqa: B023 - used at once
            await talk.say(f"yes to {asked()[-1].text}", BOSS)
        await talk.settle()
        for number, person in enumerate(people):
            await talk.say(f"card {number}", person)
        await until(lambda: len(asked()) == 20)
        await talk.settle(*["asking"] * 10)
        cards = asked()[10:]
        for number, question in reversed([*enumerate(cards)]):
            await talk.press(question, "Yes" if number % 2 else "No", BOSS)
        await talk.settle()

    said = set(talk.webex.texts)
    assert {f"{number}: yes to May {number}?" for number in range(10)} <= said
    pressed = {str(each.text)[4:-1]: number for number, each in enumerate(cards)}
    assert {f"{name}: {'yes' if at % 2 else 'no'}" for name, at in pressed.items()} <= said


async def test_a_week(talk: Talk) -> None:
    """A conversation of a week goes on, with a question of a day each, and restarts in between."""
    # The clock of the inbox jumps ahead of Webex's, so what was said would be caught up with again.
    talk.bot = talk.replica(catch_up=None)

    @talk.command()
    async def go(context: MessageContext) -> None:
        days = [
            (await context.ask(f"Day {day}?", timeout=timedelta(days=1))).text for day in range(7)
        ]
        await context.reply(" ".join(days))

    bot = talk.bot
    for day in range(7):
        async with talk.running(bot):
            if day == 0:
                await talk.exchange("go", "Day 0?")
            await talk.settle("asking")
            await talk.pass_(23 * 3600, "asking")
            await talk.exchange(f"{day}", f"Day {day + 1}?" if day < 6 else "0 1 2 3 4 5 6")
        bot = talk.replica(catch_up=None)
        bot.command("go")(go)


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_press_that_is_quicker_than_its_question(talk: Talk, processes: int) -> None:
    """A press waits until it is known whether it is of the card that is being sent."""
    opens = asyncio.Event()

    class Late(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            if options.get("seconds") is not None:
                await opens.wait()
            return await super().ask(*args, **options)

    talk.store_in(Late)

    async def go(context: MessageContext) -> None:
        answer = await context.ask("Well?", buttons=BUTTONS, to_person_email=BOSS)
        await context.reply(answer.action)

    async def other(_: SubmissionContext) -> None:
        raise NotImplementedError

    bots = [talk.bot, *(talk.replica() for _ in range(processes - 1))]
    for each in bots:
        each.command("go")(go)
        each.submission()(other)
    async with AsyncExitStack() as stack:
        for each in reversed(bots):
            await stack.enter_async_context(talk.running(each))
        card = await talk.exchange("go", "Well?")
        talk.webex.sandbox.deliver_to(bots[-1])
        await talk.press(card, "Yes", BOSS)
        await talk.settle("running", "retrying")
        opens.set()
        await talk.settle("asking", "retrying")
        await talk.time.pass_(2, processes)
        await talk.hear("Well? Yes")
        await talk.hear("yes")


async def test_a_press_of_another_card_while_one_is_sent(talk: Talk) -> None:
    """A press that another card's question may be waiting for goes to its handler afterwards."""
    sends, posted = asyncio.Event(), asyncio.Event()

    class Late(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            if options.get("seconds") is not None:
                posted.set()
                await sends.wait()
            return await super().ask(*args, **options)

    talk.store_in(Late)
    talk.command()(asking("Well?", buttons=BUTTONS, to_person_email=BOSS))
    talk.bot.submission()(replying(lambda context: f"Heard {context.submission.inputs}"))
    async with talk.running():
        card = await talk.bot.send("Another", buttons=BUTTONS, to_person_email=BOSS)
        await talk.hear("Another")
        await talk.say("go")
        await posted.wait()
        await talk.hear("Well?")
        await talk.press(card, "Yes", BOSS)
        await talk.settle("running", "retrying")
        sends.set()
        await talk.settle("asking", "retrying")
        await talk.later(2, "Heard {'action': 'yes'}")


async def test_a_card_that_is_not_sent(talk: Talk) -> None:
    """Nobody's press waits for a card that could not be sent."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        with suppress(APIError):
            await context.ask("Well?", buttons=BUTTONS, to_person_email=BOSS)

    talk.bot.submission()(replying(lambda _: "Heard"))
    async with talk.running():
        card = await talk.bot.send("Another", buttons=BUTTONS, to_person_email=BOSS)
        await talk.hear("Another")
        talk.webex.sandbox.fail(method="POST", path="messages", status=403)
        await talk.after("go")
        await talk.press(card, "Yes", BOSS)
        await talk.hear("Heard")


async def test_the_time_is_over_while_a_card_is_looked_at(talk: Talk) -> None:
    """The handler hears that nobody has answered, and the card isn't sent again."""

    class Slow(SQLiteInbox):
        async def ask(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
            if talk.runs == 2 and options.get("seconds") is not None:
                talk.time.seconds += 30
            return await super().ask(*args, **options)

    talk.store_in(Slow)

    @talk.command()
    async def go(context: MessageContext) -> None:
        try:
            await context.ask("Well?", buttons=BUTTONS, to_person_email=BOSS, timeout=20)
        except NoAnswerError:
            await context.reply("Nobody")
        except HandlerSuspended:
            raise ValueError("broken") from None

    async with talk.running():
        await talk.exchange("go", "Well?", "retrying")
        await talk.pass_(2)
        await talk.end("Nobody")


async def test_a_message_whose_lease_is_lost(talk: Talk) -> None:
    """A process that comes back after its lease runs no handler: another one does."""
    heard: list[str] = []
    thief = SQLiteInbox(talk.path, clock=talk.time.now_in_seconds)
    stolen: list[object] = []

    class Slow(SQLiteInbox):
        async def questions(self, *places: str, entry: InboxEntry | None = None) -> Any:  # noqa: ANN401 - as there
            if entry is not None and not stolen:
                talk.time.seconds += entry.lease + 1
                stolen.append(await thief.take())
            return await super().questions(*places, entry=entry)

    talk.store_in(Slow)
    talk.bot.message()(noting(heard, lambda context: context.text))
    async with aclosing(thief), talk.running():
        await talk.say("Hello")
        await until(lambda: bool(stolen) and not talk.bot._activity.running())
    assert heard == []
