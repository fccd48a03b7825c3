"""Questions to several people at once."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import CARD, Webex, asking
from tests.bot.talking import ANN, BOB, BOSS, BUTTONS, Talk
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import PATIENCE, until
from webex_webhooks_async import (
    Inbox,
    JobContext,
    Message,
    MessageContext,
    PostgresInbox,
    SQLiteInbox,
    SubmissionContext,
)
from webex_webhooks_async.types import InboxEntry

pytestmark = pytest.mark.once

TEAM = [ANN, BOB, BOSS]
Answers = Mapping[str, MessageContext | SubmissionContext | None]


def shown(answers: Answers) -> str:
    """The answers, as a line of text."""
    said = {
        name.partition("@")[0]: answer.text if isinstance(answer, MessageContext) else answer.action
        for name, answer in answers.items()
        if answer is not None
    }
    names = (name.partition("@")[0] for name in answers)
    return ", ".join(f"{name}: {said.get(name)}" for name in names)


async def hear(talk: Talk, *texts: str) -> list[Message]:
    """Wait for the next things that the bot says."""
    return [await talk.hear(each) for each in texts]


async def test_all_answer_by_buttons(talk: Talk) -> None:
    """Each card is replaced when its answer is there, and the handler ends with the last one."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        answers = await context.ask_all("Lunch?", to=(each for each in TEAM), buttons=BUTTONS)
        if boss := answers[BOSS]:
            await boss.reply("Thanks")
        rest = await context.ask("Anything else?")
        await context.reply(f"{shown(answers)}; {rest.text}")

    async with talk.running():
        await talk.say("go")
        ann, bob, boss = await hear(talk, *["Lunch?"] * 3)
        await talk.settle("asking")
        await talk.answer(bob, "No", BOB)
        await talk.settle("asking")
        await talk.answer(ann, "Yes")
        await talk.press(boss, "Yes", BOSS)
        left, thanks, _ = await hear(talk, "Lunch? Yes", "Thanks", "Anything else?")
        await talk.end("ann: yes, bob: no, boss: yes; No", after="No")

    assert thanks.parent_id == left.id
    assert len({ann.room_id, bob.room_id, boss.room_id}) == 3
    assert not [each for each in talk.webex.sandbox.messages if each.attachments]


async def test_all_answer_by_texts_in_a_job(talk: Talk) -> None:
    """A text that queues is sent when the other question to the person is over."""

    @talk.bot.job("ask")
    async def ask(context: JobContext) -> None:
        day = await context.ask("First?", to_person_email=BOB)
        await context.send(f"First: {day.text}", to_person_email=BOB)

    @talk.bot.job("all")
    async def ask_all(context: JobContext) -> None:
        answers = await context.ask_all("Day?", to=[ANN, BOB])
        await context.send(shown(answers), to_person_email=BOSS)

    async with talk.running():
        await talk.bot.enqueue("ask", None)
        await talk.hear("First?", "asking")
        await talk.bot.enqueue("all", None)
        await talk.hear("Day?", "asking", "asking")
        await talk.say("1", BOB)
        await hear(talk, "First: 1")
        await talk.hear("Day?")
        await talk.after("2", "asking", person=BOB)
        await talk.end("ann: 3, bob: 2", after="3")


async def test_a_text_that_queues_while_the_others_are_over(talk: Talk) -> None:
    """It is never sent, and nobody waits for its answer."""
    talk.bot.job("ask")(asking("First?", to_person_email=BOB))

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.reply(shown(await context.ask_all("Day?", to=[BOB, BOSS], timeout=20)))

    async with talk.running():
        await talk.bot.enqueue("ask", None)
        await talk.hear("First?", "asking")
        await talk.exchange("go", "Day?", "asking", "asking")
        await talk.later(60, "bob: None, boss: None")
        await talk.after("1", person=BOB)

    assert talk.webex.texts.count("Day?") == 1


async def test_the_time_is_over(talk: Talk) -> None:
    """Who hasn't answered is `None`, and the card of each is deleted."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.reply(shown(await context.ask_all("?", to=TEAM, card=CARD, timeout=20)))

    async with talk.running():
        await talk.say("go")
        ann, *_ = await hear(talk, "?", "?", "?")
        await talk.settle("asking")
        await talk.press(ann, "Order")
        await talk.settle("asking")
        await talk.pass_(60)
        await talk.end("ann: order, bob: None, boss: None")

    assert not [each for each in talk.webex.sandbox.messages if each.attachments]


@pytest.mark.parametrize("is_shared", [False, True])
async def test_many_people(
    webex: Webex, tmp_path: Path, request: pytest.FixtureRequest, *, is_shared: bool
) -> None:
    """The calls of the inbox grow as the number of people does, although each answer is a run."""
    people = [f"{number}@example.com" for number in range(8)]
    calls: Counter[str] = Counter()
    inbox: Inbox = SQLiteInbox(tmp_path / "inbox.db")
    if is_shared:
        url, schema = request.getfixturevalue("postgres").url, request.getfixturevalue("schema")
        inbox = PostgresInbox(url, schema=schema)

    def counted(name: str, call: Any) -> Any:  # noqa: ANN401 - each method of an inbox
        def count(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as there
            calls[name] += any(isinstance(each, InboxEntry) for each in (*args, *options.values()))
            return call(*args, **options)

        return count

    for name in Inbox.__abstractmethods__:
        setattr(inbox, name, counted(name, getattr(inbox, name)))
    bot = webex.bot(inbox=inbox)

    @bot.command("go")
    async def go(context: MessageContext) -> None:
        await context.ask_all("?", to=people[: int(context.arguments)])
        await context.reply("Thanks")

    async def answer(person: str, waits: int) -> None:
        await until(lambda: calls["wait"] == waits)
        await webex.sandbox.say("1", person=person)

    async def calls_for(count: int) -> int:
        calls.clear()
        await webex.sandbox.say(f"go {count}")
        for _ in range(count):
            assert (await webex.sandbox.next_reply(PATIENCE)).text == "?"
        for waits, person in enumerate(people[:count], 1):
            await answer(person, waits)
        assert (await webex.sandbox.next_reply(PATIENCE)).text == "Thanks"
        await until(lambda: calls["complete"] == count + 1)
        return calls.total()

    async with webex.running(bot):
        assert await calls_for(4) * 2 >= await calls_for(8)


@pytest.mark.parametrize("way", ["number", "plain", "async"])
async def test_until_there_are_enough(talk: Talk, way: str) -> None:
    """The rest end then, and later runs have the same; a function hears of each answer once."""
    heard: list[list[str]] = []

    def plain(answers: Answers) -> bool:
        heard.append([*answers])
        return len(answers) > 1

    async def later(answers: Answers) -> bool:
        return plain(answers)

    enough: Any = {"number": 2, "plain": plain, "async": later}[way]

    @talk.command()
    async def go(context: MessageContext) -> None:
        answers = await context.ask_all("?", to=TEAM, buttons=BUTTONS, until=enough)
        await context.ask("Anything else?")
        await context.reply(shown(answers))

    async with talk.running():
        await talk.say("go")
        ann, bob, boss = await hear(talk, "?", "?", "?")
        await talk.settle("asking")
        await talk.answer(boss, "Yes", BOSS)
        await talk.settle("asking")
        await talk.answer(ann, "No")
        await talk.hear("Anything else?", "asking")
        await talk.end("ann: no, bob: None, boss: yes", after="No")

    assert heard == ([] if way == "number" else [[BOSS], [BOSS, ANN]])
    assert bob.id not in {each.id for each in talk.webex.sandbox.messages}


async def test_who_can_not_be_asked(talk: Talk, caplog: Log) -> None:
    """Nobody, somebody whom `allow` refuses, and a 403 are `None` with a warning, in each run."""
    sandbox = talk.webex.sandbox
    strangers = {"nobody@example.invalid", "Tm9ib2R5"}
    bot = talk.replica(allow=lambda person: person.emails != (BOSS,))

    @bot.command("go")
    async def go(context: MessageContext) -> None:
        talk.runs += 1
        if talk.runs == 1:
            sandbox.fail(method="POST", path="messages", status=403)
        answers = await context.ask_all("?", to=[*sorted(strangers), BOSS, BOB, ANN])
        await context.reply(f"{[each for each, said in answers.items() if said]}")

    async with talk.running(bot):
        await talk.say("Hello", BOB)
        await talk.say("Hello", BOSS)
        await talk.exchange("go", "?", "asking")
        await talk.end(f"['{ANN}']", after="1")

    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len([each for each in warnings if " can't be asked: " in each]) == 4


async def test_another_error_is_a_failure(talk: Talk) -> None:
    """Who was looked up, or asked, isn't again, when the handler runs again."""
    ann = (await talk.webex.client.get("people", params={"email": ANN}))["items"][0]["id"]
    sandbox = talk.webex.sandbox

    @talk.command()
    async def go(context: MessageContext) -> None:
        if talk.runs == 1:
            sandbox.fail(method="GET", path="people", status=403)
        if talk.runs == 2:
            sandbox.fail(method="POST", path="messages", delay=0.001)  # Ann's works
            sandbox.fail(method="POST", path="messages", status=409)
        await context.ask_all("?", to=[ann, BOB], buttons=BUTTONS)

    async with talk.running():
        await talk.after("go", "retrying")
        await talk.pass_(2, "retrying")
        await talk.pass_(9, "asking")

    assert talk.webex.texts.count("?") == 2
    assert [each.path for each in sandbox.requests].count(f"/v1/people/{ann}") == 2


async def test_somebody_who_is_named_twice(talk: Talk) -> None:
    """They are asked once, and the answer is under each name; nobody is `{}`."""
    bob = (await talk.webex.client.get("people", params={"email": BOB}))["items"][0]["id"]

    @talk.command()
    async def go(context: MessageContext) -> None:
        assert await context.ask_all("?", to=[]) == {}
        answers = await context.ask_all("?", to=[bob, ANN, BOB])
        assert [*answers] == [bob, ANN, BOB]
        assert answers[bob] is answers[BOB]
        await context.reply(shown({ANN: answers[ANN], BOB: answers[BOB]}))

    async with talk.running():
        await talk.say("go")
        await hear(talk, "?", "?")
        await talk.settle("asking")
        await talk.after("1", "asking")
        await talk.exchange("2", "ann: 1, bob: 2", person=BOB)


async def test_a_key(talk: Talk) -> None:
    """Each question is known by the key and the person, whatever it says, and whoever else is."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        to = [ANN, BOB] if talk.runs == 1 else [BOB, BOSS]
        answers = await context.ask_all(f"Run {talk.runs}?", to=to, key="price", until=2)
        await context.reply(shown(answers))

    async with talk.running():
        await talk.say("go")
        await hear(talk, "Run 1?", "Run 1?")
        await talk.settle("asking")
        await talk.exchange("1", "Run 2?", "asking", person=BOB)
        await talk.end("bob: 1, boss: 2", after="2", person=BOSS)


async def test_an_end_that_fails(talk: Talk) -> None:
    """`until` isn't asked again after it held; who answers before the end is in the result."""
    asked: list[int] = []
    cards: dict[str, Message] = {}

    class Late(SQLiteInbox):
        async def end(self, *args: Any) -> int:  # noqa: ANN401 - as it is there
            if talk.runs == 2:
                raise OSError
            await talk.press(cards[BOB], "No", BOB)
            await talk.settle("running")
            return await super().end(*args)

    talk.store_in(Late)

    @talk.command()
    async def go(context: MessageContext) -> None:
        def enough(answers: Answers) -> bool:
            asked.append(len(answers))
            return True

        answers = await context.ask_all("?", to=TEAM, buttons=BUTTONS, until=enough)
        await context.reply(shown(answers))

    async with talk.running():
        await talk.say("go")
        cards.update(zip(TEAM, await hear(talk, "?", "?", "?"), strict=True))
        await talk.settle("asking")
        await talk.answer(cards[ANN], "Yes")
        await talk.retry(2)
        await hear(talk, "? No", "ann: yes, bob: no, boss: None")
        await talk.settle()

    assert asked == [1]


async def test_a_question_to_others_each_time(talk: Talk) -> None:
    """A handler that asks another question in each run fails, as with `ask`."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask_all(f"{talk.runs}?", to=[ANN, BOB])

    async with talk.running():
        await talk.say("go")
        for number in (1, 2):
            await hear(talk, f"{number}?", f"{number}?")
            await talk.settle("asking")
            await talk.say("Yes", BOB)
        await talk.settle("failed")

    assert [type(each).__name__ for each in talk.errors] == ["RefusedQuestionError"]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"to": ANN}, 'TypeError: to must have ids or addresses, such as ["ann'),
        ({"to": 7}, "TypeError: to must have ids or addresses, such as ["),
        ({"to": [7]}, "TypeError: a person in to must be str, got int"),
        ({"to": [""]}, "ValueError: a person in to is empty"),
        ({"until": True}, "TypeError: until must be a number of answers or a function, got True"),
        ({"until": "2"}, "TypeError: until must be a number of answers or a function, got '2'"),
        ({"until": 0}, "ValueError: until must be at least 1, got 0"),
        ({"text": ""}, "ValueError: there is nothing to ask: pass a text, such as "),
        ({"keep_card": True}, "ValueError: keep_card is for a question with buttons or a card"),
        ({"room_id": "ROOM"}, "TypeError: ask_all has no argument 'room_id'"),
    ],
)
async def test_wrong_arguments(wrong: dict[str, Any], error: str, talk: Talk) -> None:
    """The error says what to pass, and nothing is sent."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        given: dict[str, Any] = {"text": "?", "to": [ANN], **wrong}
        with refused(error):
            await context.ask_all(**given)

    async with talk.running():
        await talk.after("go")

    assert talk.webex.texts == ["go"]


async def test_what_until_returns(talk: Talk) -> None:
    """Something else than a bool is an error."""
    wrong: Any = len

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask_all("?", to=[ANN, BOB], until=wrong)

    async with talk.running():
        await talk.say("go")
        await hear(talk, "?", "?")
        await talk.settle("asking")
        await talk.after("1", "retrying")

    assert [str(each) for each in talk.errors] == ["until must return True or False, got int"]
