"""What is left of the card of a question that is over."""

import logging
from typing import Any

import pytest

from tests.bot.doubles import CARD, asking
from tests.bot.talking import ANN, BOSS, BUTTONS, Talk
from tests.support.logs import Log
from webex_webhooks_async import MessageContext, SQLiteInbox, SubmissionContext

pytestmark = pytest.mark.once


def cards(talk: Talk) -> list[str | None]:
    """The texts of the cards that are there."""
    return [each.text for each in talk.webex.sandbox.messages if each.attachments]


async def test_what_was_pressed_stands_in_the_place_of_the_card(talk: Talk) -> None:
    """The text and the title are posted once, the card goes, and a reply is in that thread."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        decision = await context.ask(
            "May <@all>?", markdown="May *Ann* & <@all>?", buttons=BUTTONS, to_person_email=BOSS
        )
        await context.delete(decision.message_id)
        await decision.reply("Thanks")
        why = await decision.ask("Why?")
        await context.reply(f"{decision.action}: {why.text}")

    async with talk.running():
        await talk.say("go")
        question = await talk.webex.sandbox.next_reply()
        await talk.press(question, "No", BOSS)
        left = await talk.hear("May Ann & <@all>? No")
        thanks, why = await talk.hear("Thanks"), await talk.hear("Why?")
        await talk.end("no: No time", after="No time", person=BOSS)

    assert left.markdown == "May *Ann* & &lt;@all>? **No**"
    assert (left.room_id, left.parent_id) == (question.room_id, None)
    assert {thanks.parent_id, why.parent_id} == {left.id}
    assert cards(talk) == []
    assert talk.runs == 3


async def test_a_card_in_a_thread(talk: Talk) -> None:
    """What was pressed is in the thread of the card, and outside of it if that is gone."""

    @talk.bot.submission("order")
    async def ordered(context: SubmissionContext) -> None:
        for each in ("One?", "Two?"):
            await context.ask(each, buttons=BUTTONS)

    async with talk.running():
        root = await talk.bot.send("Begin", card=CARD, to_person_email=ANN)
        await talk.press(await talk.hear("Begin"), "Order")
        await talk.press(await talk.hear("One?"), "Yes")
        assert (await talk.hear("One? Yes")).parent_id == root.id
        two = await talk.hear("Two?")
        assert two.parent_id == root.id
        await talk.settle("asking")
        await talk.bot.delete(root)
        await talk.press(two, "Yes")
        assert (await talk.hear("Two? Yes")).parent_id is None
        await talk.settle()


async def test_a_text_of_several_lines(talk: Talk) -> None:
    """The title is below it, outside of a block of code that it ends with."""
    talk.command()(asking("Run it?\n```\nls\n", buttons=BUTTONS))
    async with talk.running():
        await talk.say("go")
        await talk.press(await talk.webex.sandbox.next_reply(), "Yes")
        left = await talk.webex.sandbox.next_reply()

    assert left.markdown == "Run it?\n```\nls\n```\n\n**Yes**"


@pytest.mark.parametrize("way", ["nobody", "card", "keep"])
async def test_what_posts_nothing(talk: Talk, way: str) -> None:
    """A card that nobody pressed, or of one's own, is deleted alone; `keep_card` keeps it."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        options: dict[str, Any] = {"card": CARD} if way == "card" else {"buttons": BUTTONS}
        answer = await context.ask(
            "?", **options, keep_card=way == "keep", default=None, timeout=20
        )
        if isinstance(answer, SubmissionContext):
            await answer.reply("Thanks")

    async with talk.running():
        question = await talk.exchange("go", "?", "asking")
        if way == "nobody":
            await talk.pass_(60)
        else:
            await talk.press(question, "Order" if way == "card" else "Yes")
            await talk.hear("Thanks")
        await talk.settle()

    assert cards(talk) == (["?"] if way == "keep" else [])


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_fails(talk: Talk, method: str, caplog: Log) -> None:
    """The card stays, with a warning; what failed is tried again when the handler runs again."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask("One?", buttons=BUTTONS)
        await context.ask("Two?")

    async with talk.running():
        question = await talk.exchange("go", "One?", "asking")
        talk.webex.sandbox.fail(method=method, path="messages", status=403)
        await talk.press(question, "Yes")
        if method == "DELETE":
            await talk.hear("One? Yes")
        await talk.hear("Two?")
        assert cards(talk) == ["One?"]
        await talk.say("2")
        if method == "POST":
            await talk.hear("One? Yes")
        await talk.settle()

    assert cards(talk) == []
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "the card of 'One?' stays: " in warning.getMessage()


async def test_a_card_that_is_gone(talk: Talk, caplog: Log) -> None:
    """It counts as deleted."""
    talk.command()(asking("One?", buttons=BUTTONS))
    async with talk.running():
        question = await talk.exchange("go", "One?", "asking")
        talk.webex.sandbox.fail(method="DELETE", status=410)
        await talk.answer(question, "Yes")
        await talk.settle()

    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_stop_right_after_the_answer(talk: Talk) -> None:
    """What was pressed is posted all the same, and nothing that the handler says."""

    class Stopped(SQLiteInbox):
        async def answer(self, *args: Any) -> bool:  # noqa: ANN401 - as it is there
            is_answered = await super().answer(*args)
            await self.stop("", before=1_000)  # all that is here
            return is_answered

    talk.store_in(Stopped)

    @talk.command()
    async def go(context: MessageContext) -> None:
        await context.ask("One?", buttons=BUTTONS)
        await context.reply("Never")

    async with talk.running():
        await talk.say("go")
        await talk.answer(await talk.hear("One?"), "Yes")
        await talk.settle()

    assert cards(talk) == []
    assert "Never" not in talk.webex.texts


async def test_keeping_the_card_of_a_text(talk: Talk) -> None:
    """A question without a card or buttons has no card to keep."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        wrong: dict[str, Any] = {"keep_card": True}
        await context.ask("Which day?", **wrong)

    async with talk.running():
        await talk.after("go", "retrying")

    (error,) = talk.errors
    assert str(error) == "keep_card is for a question with buttons or a card: leave it out"
