"""The order in which a bot handles what a person says."""

# pyright: reportPrivateUsage=false

import asyncio
import logging
import re
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import psycopg
import pytest

from tests.bot.doubles import CARD, SECRET, Webex, noting, raising, replying
from tests.bot.talking import ANN, BUTTONS, Talk
from tests.support.clocks import Time, timed
from tests.support.logs import Log
from tests.support.postgres_server import PostgresServer
from tests.support.wire import PATIENCE, until
from webex_webhooks_async import (
    Bot,
    BotRouter,
    Context,
    MessageContext,
    Notification,
    PostgresInbox,
    SQLiteInbox,
    SubmissionContext,
    once,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import CallNext

pytestmark = pytest.mark.once


class Slow:
    """Handlers that note what they get, and end when a test lets them."""

    def __init__(self, bot: Bot) -> None:
        self.began: list[str] = []
        self.may_end = asyncio.Event()
        bot.message()(self._said)
        bot.submission()(self._submitted)

    async def _said(self, context: MessageContext) -> None:
        self.began.append(context.text)
        await self.may_end.wait()
        if context.text == "fail":
            raise ConnectionError("the database is down")

    async def _submitted(self, context: SubmissionContext) -> None:
        self.began.append(context.inputs["dish"])
        await self.may_end.wait()


async def test_one_after_the_other(webex: Webex, tmp_path: Path) -> None:
    """What a person says waits for what that person said before, and for nobody else."""
    webex.sandbox.raise_handler_errors = False
    bot = webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"), attempts=1)
    slow = Slow(bot)
    async with webex.running(bot), asyncio.TaskGroup() as group:
        card = await bot.send("A card", card=CARD, to_person_email="ann@example.com")
        said = [("ann", "fail"), ("ann", "two"), ("bob", "other person"), ("ann", "three")]
        for name, text in said:
            group.create_task(webex.sandbox.say(text, person=f"{name}@example.com"))
            await asyncio.sleep(0)
        group.create_task(webex.sandbox.submit(card.id, {"dish": "four"}, person="ann@example.com"))
        await until(lambda: len(slow.began) == 2)
        assert sorted(slow.began) == ["fail", "other person"]
        slow.may_end.set()
        await until(lambda: len(slow.began) == 5)

    slow.began.remove("other person")
    assert slow.began == ["fail", "two", "three", "four"]


async def test_what_waits_does_not_hang(webex: Webex, tmp_path: Path, caplog: Log) -> None:
    """Of two messages of a person, the log says after a while that the first one may hang."""
    caplog.set_level(logging.WARNING)
    time = Time()
    webex.bots = timed(Bot, sleep=time.sleep)
    inbox = SQLiteInbox(tmp_path / "inbox.db", clock=time.now_in_seconds)
    bot = webex.bot(inbox=inbox)
    slow = Slow(bot)
    async with webex.running(bot):
        for text in ("one", "two"):
            await webex.sandbox.say(text)
        await until(lambda: slow.began == ["one"])
        await time.pass_(250)
        slow.may_end.set()
        await until(lambda: slow.began == ["one", "two"])

    assert sum("does it hang?" in each for each in caplog.messages) == 1


async def test_a_busy_person(webex: Webex, tmp_path: Path) -> None:
    """What waits in line takes no place of others, and begins when the one before it ends."""
    webex.bots = timed(Bot, sleep=Time().sleep)  # in which no time passes
    inbox = SQLiteInbox(tmp_path / "inbox.db")
    bot = webex.bot(inbox=inbox, max_pending=2)
    slow = Slow(bot)
    async with webex.running(bot):
        for number in range(20):
            await webex.sandbox.say(f"{number}")
        await webex.sandbox.say("other person", person="bob@example.com")
        await until(lambda: len(slow.began) == 2)
        assert (await inbox.counts()).waiting == 19
        slow.may_end.set()
        await until(lambda: len(slow.began) == 21)

    assert slow.began == ["0", "other person", *map(str, range(1, 20))]


async def test_an_odd_person(webex: Webex, tmp_path: Path) -> None:
    """A notification of a person whose id no storage holds as it is, is accepted all the same."""
    bot = webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"))
    bot.message()(AsyncMock())
    data = {"id": "M1", "roomId": "R1", "personId": "\ud800"}
    body = sample_notification("messages", "created", data=data)
    async with webex.running(bot):
        assert await bot.handle(body, sign(body, SECRET)) == 204


async def test_what_appears_late(webex: Webex, postgres: PostgresServer, schema: str) -> None:
    """No message goes to a handler while its author is asked, also one whose storing took long."""
    bot, replica = (
        webex.bot(inbox=PostgresInbox(postgres.url, schema=schema), watch_every=None)
        for _ in range(2)
    )
    router = BotRouter()
    bot.include(router)
    replica.include(router)

    @router.command("go")
    async def go(context: MessageContext) -> None:
        await context.reply((await context.ask("Which dish?")).text)

    router.message()(replying(lambda context: f"Heard {context.text}"))
    async with webex.running(bot), replica:
        webex.sandbox.deliver_to(None)
        deliveries = [(await webex.sandbox.say(text))[0] for text in ("Pasta", "go", "Soup")]
        bodies = [each.body for each in deliveries]
        first = webex.sandbox.messages[0].id
        # It has its number, and isn't committed before this lock is given back.
        postgres.execute(
            f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            "    PERFORM pg_advisory_xact_lock(4); RETURN NEW; END $$",
            f"CREATE TRIGGER wait AFTER INSERT ON {schema}.notifications FOR EACH ROW"
            f"    WHEN (position('{first}'::bytea IN NEW.body) > 0)"
            f"    EXECUTE FUNCTION {schema}.wait()",
        )
        with psycopg.connect(postgres.url) as connection:
            connection.execute("SELECT pg_advisory_lock(4)")
            late = asyncio.create_task(replica.handle(bodies[0], sign(bodies[0], SECRET)))
            await until(lambda: postgres.blocked() == 1)
            command = asyncio.create_task(bot.handle(bodies[1], sign(bodies[1], SECRET)))
            await until(lambda: postgres.blocked() == 2)
        assert {*await asyncio.gather(late, command)} == {204}
        said = [(await webex.sandbox.next_reply(PATIENCE)).text for _ in range(2)]
        assert await bot.handle(bodies[2], sign(bodies[2], SECRET)) == 204
        said.append((await webex.sandbox.next_reply(PATIENCE)).text)

    assert said == ["Heard Pasta", "Which dish?", "Soup"]


UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def person_in(cluster: str) -> str:
    """The id of a person that names a cluster."""
    return b64encode(f"ciscospark://{cluster}/PEOPLE/{UUID}".encode()).decode().rstrip("=")


@pytest.mark.parametrize("line", [UUID, UUID.upper(), person_in("urn:TEAM:us-west-2_r")])
async def test_a_person_has_several_ids(line: str, webex: Webex, tmp_path: Path) -> None:
    """A person is one line, also where the id names another cluster or is a bare UUID, of a job."""
    bot = webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"))
    slow = Slow(bot)
    ran: list[object] = []
    bot.job("note")(noting(ran, lambda context: context.value))
    async with webex.running(bot):
        data = {"personId": person_in("us"), "text": "one"}
        await webex.sandbox.emit("messages", "created", data=data)
        await until(lambda: slow.began == ["one"])
        await bot.enqueue("note", "in line", line=line)
        await bot.enqueue("note", "elsewhere")
        await until(lambda: ran == ["elsewhere"])
        slow.may_end.set()
        await until(lambda: ran == ["elsewhere", "in line"])


async def test_dispatch_is_not_in_line(webex: Webex, tmp_path: Path) -> None:
    """What comes from a task queue runs at once; that queue keeps its own order."""
    bot = webex.bot(inbox=SQLiteInbox(tmp_path / "inbox.db"))
    slow = Slow(bot)
    async with webex.running(bot), asyncio.TaskGroup() as group:
        group.create_task(webex.sandbox.say("one"))
        await until(lambda: slow.began == ["one"])
        webex.sandbox.deliver_to(None)
        (delivery,) = await webex.sandbox.say("two")
        group.create_task(bot.dispatch(parse_unverified_notification(delivery.body)))
        await until(lambda: slow.began == ["one", "two"])
        slow.may_end.set()


@pytest.mark.parametrize("kind", ["command", "message", "submission"])
async def test_a_handler_that_leaves_its_line(talk: Talk, kind: str) -> None:
    """What its person says next is handled beside it, also while it waits to run again."""
    heard: list[str] = []
    may_end = asyncio.Event()
    register: Any = {
        "command": partial(talk.bot.command, "long"),
        "message": partial(talk.bot.message, re.compile("long")),
        "submission": partial(talk.bot.submission, "yes"),
    }[kind]

    async def long(_: Context) -> None:
        heard.append("begun")
        await may_end.wait()
        raise ConnectionError("it is away for a second")

    register(in_order=False)(long)
    talk.bot.message()(noting(heard, lambda context: context.text))
    async with talk.running():
        card = await talk.bot.send("Yes?", buttons=BUTTONS, to_person_email=ANN)
        await (talk.press(card, "Yes") if kind == "submission" else talk.say("long"))
        await until(lambda: heard == ["begun"])
        await talk.say("beside it")
        await until(lambda: heard == ["begun", "beside it"])
        may_end.set()
        await talk.settle("retrying")
        await talk.say("meanwhile")
        await until(lambda: heard == ["begun", "beside it", "meanwhile"])
        await talk.pass_(1)
        await until(lambda: heard[3:] == ["begun"])
        await talk.settle("retrying")


async def test_who_may_not_use_the_bot_stays_in_line(talk: Talk) -> None:
    """A handler that doesn't begin leaves no line."""
    bot = talk.replica(allow=lambda _: False)
    bot.message(in_order=False)(AsyncMock())
    async with talk.running(bot):
        with patch.object(SQLiteInbox, "renew") as renew:
            await talk.after("Hello")

    assert renew.call_args_list == []


async def test_the_next_command_after_a_failing_one(talk: Talk) -> None:
    """A failed command holds up its person for short pauses alone, and is no answer then."""
    heard: list[str] = []
    talk.command("fail")(raising(ConnectionError("it is away")))

    @talk.bot.command("ask")
    async def ask(context: MessageContext) -> None:
        heard.append((await context.ask("Well?")).text)

    async with talk.running():
        await talk.after("fail", "retrying")
        await talk.say("ask")
        for runs in (1, 2):
            await until(lambda: talk.runs == runs)  # noqa: B023 - used at once
            await talk.settle("retrying", "waiting")
            await talk.pass_(5)
        await talk.hear("Well?", "retrying", "asking")
        runs = talk.runs
        await talk.pass_(30)
        await until(lambda: talk.runs > runs)
        await talk.settle("retrying", "asking")
        await talk.say("Here")
        await until(lambda: heard == ["Here"])


async def test_a_question_of_a_handler_that_has_left_its_line(talk: Talk) -> None:
    """Its answer comes after the question, and a newer conversation's question comes first."""
    heard: list[str] = []
    may_ask = asyncio.Event()

    @talk.bot.command("long", in_order=False)
    async def long(context: MessageContext) -> None:
        await may_ask.wait()
        heard.append(f"long {(await context.ask('How long?')).text}")

    @talk.bot.command("short")
    async def short(context: MessageContext) -> None:
        heard.append(f"short {(await context.ask('How short?')).text}")

    talk.bot.message()(noting(heard, lambda context: context.text))
    async with talk.running():
        await talk.say("long")
        await talk.say("before")
        await until(lambda: heard == ["before"])
        await talk.exchange("short", "How short?")
        may_ask.set()
        await talk.settle("asking", "asking")
        await talk.say("one")
        await until(lambda: heard == ["before", "short one"])
        await talk.hear("How long?", "asking")
        await talk.say("two")
        await until(lambda: heard == ["before", "short one", "long two"])
        await talk.settle()


async def test_a_handler_that_takes_long_without_an_inbox(webex: Webex) -> None:
    """Without an inbox there is no line to leave, and the handler runs as any other."""
    bot, heard = webex.bot(), asyncio.Event()

    @bot.middleware
    async def around(_: Notification[Any], call_next: CallNext) -> None:
        await once("before", AsyncMock(return_value=None))
        await call_next()

    @bot.command("long", in_order=False)
    async def long(_: MessageContext) -> None:
        heard.set()

    async with webex.running(bot):
        await webex.sandbox.say("long")
        await heard.wait()
