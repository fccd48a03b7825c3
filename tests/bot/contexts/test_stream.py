"""Answers that grow: what is shown when, in which messages, and what is left after a failure."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bot.talking import ANN, Talk
from tests.support.inboxes import retry_all_in
from tests.support.logs import Log
from tests.support.programs import printed_by
from tests.support.wire import idle_loop, until
from webex_webhooks_async import GiveUpError, Message, MessageContext, SQLiteInbox
from webex_webhooks_async.bot.contexts.stream import Stream
from webex_webhooks_async.bot.contexts.writing import split_markdown
from webex_webhooks_async.client.limiter import Limiter
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = pytest.mark.once

STATUS = "💭 ..."
MARK = "⚠️ *interrupted*"
WHOLE = "++++++++ Done"
Act = Callable[[Stream], object]


def shown(talk: Talk) -> list[str]:
    """What the bot's messages were asked to show, one after the other."""
    return [
        json.loads(each.body)["markdown"]
        for each in talk.webex.sandbox.requests
        if each.path.startswith("/v1/messages") and each.method in {"POST", "PUT"}
    ]


def standing(talk: Talk) -> list[str | None]:
    """What the bot's messages show now."""
    return [each.markdown for each in talk.webex.sandbox.messages if each.person_email != ANN]


def use_clock(talk: Talk) -> None:
    """Let the bot's client wait in the time of the test."""
    requester = InternalRequests.of(talk.webex.client).requester
    requester.clock = talk.time
    requester._limiter = Limiter(10, talk.time)


class Writer:
    """A handler that does with its stream what a test tells it, piece by piece."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.acts: asyncio.Queue[Act | BaseException | None] = asyncio.Queue()
        self.messages: list[tuple[Message, ...]] = []
        use_clock(talk)
        talk.command()(self._go)

    async def _go(self, context: MessageContext) -> None:
        stream = context.stream()
        try:
            async with stream as answer:
                while (act := await self.acts.get()) is not None:
                    if isinstance(act, BaseException):
                        raise act
                    act(answer)
        finally:
            self.messages.append(stream.messages)

    async def begin(self, runs: int = 1) -> None:
        """Let Ann write the command, and wait until the stream is open."""
        if runs == 1:
            await self.talk.say("go")
        await until(lambda: self.talk.runs == runs)
        await idle_loop()

    async def write(self, piece: str, seconds: float = 0.0, shows: int | None = None) -> None:
        """Write a piece, as `do` does anything."""
        await self.do(lambda answer: answer.write(piece), seconds, shows)

    async def do(self, act: Act, seconds: float = 0.0, shows: int | None = None) -> None:
        """Do something, let so many seconds pass, and wait until so much was shown since then."""
        before = len(shown(self.talk))
        self.acts.put_nowait(act)
        await until(self.acts.empty)
        await idle_loop()
        self.talk.time.advance(seconds)
        if shows is None:
            shows = 1 if seconds else 0
        await until(lambda: len(shown(self.talk)) >= before + shows)
        await idle_loop()

    async def use_up(self) -> None:
        """Write as often as that is shown."""
        for pause in (1.5, 2.3, 3.6, 5.6, 8.7, 13.4, 20.8, 32.3):
            await self.write("+", seconds=pause)

    async def end(self, error: BaseException | None = None) -> None:
        """End the block, with an error or without one."""
        self.acts.put_nowait(error)
        await idle_loop()

    @asynccontextmanager
    async def answering(
        self, error: BaseException | None = None, *states: str
    ) -> AsyncGenerator[None]:
        """Run the bot and open the stream; at the end, end the block, and wait for these states."""
        async with self.talk.running():
            await self.begin()
            yield
            await self.end(error)
            await self.talk.settle(*states)

    async def again(self) -> None:
        """Let the handler fail, and run again."""
        await self.end(ValueError("broken"))
        await self.talk.settle("retrying")
        await self.talk.pass_(2)
        await self.begin(runs=2)


@pytest.fixture
def writer(talk: Talk) -> Writer:
    """A handler that waits for what the test tells it."""
    talk.bot = talk.replica(attempts=2)
    return Writer(talk)


async def test_a_short_answer(talk: Talk, writer: Writer) -> None:
    """The status is there before the first piece, and what is written at once is one edit."""
    async with writer.answering():
        assert shown(talk) == [STATUS]
        await writer.write("Hello, ")
        await writer.write("Ann")
    assert shown(talk) == [STATUS, "Hello, Ann"]
    assert [each.markdown for each in writer.messages[0]] == ["Hello, Ann"]


async def test_it_is_shown_while_it_grows(talk: Talk, writer: Writer) -> None:
    """Edits come ever less often; what doesn't change costs none; two are left for the end."""
    async with writer.answering():
        await writer.write("1", seconds=1.4, shows=0)
        assert shown(talk) == [STATUS]
        await writer.do(lambda _: None, seconds=0.1)
        assert shown(talk)[1:] == ["1 ▌"]
        await writer.do(lambda _: None, seconds=100, shows=0)
        assert shown(talk)[2:] == []
        for pause in (2.3, 3.6, 5.6, 8.7, 13.4, 20.8, 32.3):
            await writer.write("+", seconds=pause)
        for _ in range(2):
            await writer.write("+", seconds=500, shows=0)
    grown = [f"1{'+' * count} ▌" for count in range(8)]
    assert shown(talk) == [STATUS, *grown, "1" + "+" * 9]


async def test_the_status(talk: Talk, writer: Writer) -> None:
    """A status stands below the text until something is written; without text, it stands alone."""
    async with writer.answering():
        await writer.do(lambda answer: setattr(answer, "status", "looking it up"), seconds=2)
        await writer.do(lambda answer: setattr(answer, "status", ""), seconds=3)
        await writer.write("```py\nx = 1", seconds=4)
        await writer.do(lambda answer: setattr(answer, "status", "testing"), seconds=6)
        await writer.write("\n```", seconds=9)
    code = "```py\nx = 1\n```"
    assert shown(talk)[1:] == [
        "looking it up",
        STATUS,
        f"{code}\n▌",
        f"{code}\n\ntesting",
        f"{code} ▌",
        code,
    ]


async def test_a_long_answer(talk: Talk, writer: Writer) -> None:
    """A text that outgrows its message continues in the next one at once; full parts stay."""
    lines = [f"Line {number} of a long answer\n" for number in range(700)]
    async with writer.answering():
        for line in lines:
            await writer.write(line)
        await until(lambda: len(standing(talk)) == 3)
        full = standing(talk)[:2]
    assert standing(talk)[:2] == full
    assert "".join(str(each) for each in standing(talk)) == "".join(lines).rstrip()
    assert all(len(str(each).encode()) <= 7000 for each in standing(talk))
    assert [each.markdown for each in writer.messages[0]] == standing(talk)


@pytest.mark.parametrize(
    "text",
    [
        "é" * 40 + "\n```python\n" + "x = 1\n" * 20 + "```\n" + "word " * 20,
        "~~~~\n" + "é\n" * 60 + "~~~~\n\n```\ncode\n" * 9,
        "a\n\n" * 90,
    ],
)
def test_a_full_part_stays(text: str) -> None:
    """A piece that another one follows is the same for each longer text."""
    before: list[str] = []
    for end in range(len(text)):
        pieces = [*split_markdown(text[:end], 60)]
        assert pieces[: len(before)] == before
        before = pieces[:-1]
    assert len(before) > 1


def test_a_line_that_looks_like_a_fence_where_it_is_cut() -> None:
    """A piece that has to be closed for that has no more bytes than allowed, all the same."""
    markdown = "``` " + "x" * 53 + " `" + "y" * 60
    pieces = [*split_markdown(markdown, 60)]
    assert all(len(each.encode()) <= 60 for each in pieces)
    assert "x" * 53 in "".join(each.removesuffix("\n```") for each in pieces).replace("```\n", "")


async def test_nothing_is_written(talk: Talk, writer: Writer) -> None:
    """An answer of whitespace alone deletes its message."""
    async with writer.answering():
        await writer.write(" \n", seconds=5, shows=0)
    assert standing(talk) == []
    assert writer.messages == [()]


async def test_a_mention_is_text(talk: Talk, writer: Writer) -> None:
    """What a model writes mentions nobody, also in two pieces."""
    async with writer.answering():
        await writer.write("Hello <", seconds=2)
        await writer.write("@all>")
    assert "spark-mention" not in str(talk.webex.sandbox.messages[-1].html)
    assert talk.webex.texts[-1] == "Hello <@all>"


async def test_the_text_is_replaced(talk: Talk, writer: Writer) -> None:
    """What is shown stays while a new text is shorter; at the end, surplus messages go."""
    async with writer.answering():
        await writer.write("long " * 2000, seconds=2, shows=2)
        before = standing(talk)
        assert len(before) == 2
        await writer.do(lambda answer: setattr(answer, "text", "short"), seconds=50, shows=0)
        assert standing(talk) == before
    assert standing(talk) == ["short"]


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 502}, {"status": 404}])
async def test_progress_fails(
    talk: Talk, writer: Writer, fault: dict[str, Any], caplog: Log
) -> None:
    """An edit that shows progress isn't repeated, is logged, and doesn't fail the handler."""
    async with writer.answering():
        talk.webex.sandbox.fail(method="PUT", times=2, **fault)
        await writer.write("one ", seconds=2)
        await writer.write("two ", seconds=3)
        await writer.write("three")
    assert shown(talk) == [STATUS, "one ▌", "one two ▌", "one two three"]
    assert standing(talk) == ["one two three"]
    assert "isn't shown for now" in caplog.text
    assert [each.levelno for each in caplog.records if "isn't shown" in each.message] == [
        logging.WARNING
    ]


async def test_the_rate_limit(talk: Talk, writer: Writer, caplog: Log) -> None:
    """After a 429 no progress comes before its Retry-After."""
    async with writer.answering():
        talk.webex.sandbox.fail(method="PUT", status=429, retry_after=30)
        await writer.write("one ", seconds=2)
        await until(lambda: "isn't shown for now" in caplog.text)
        await writer.write("two ", seconds=20, shows=0)
        assert len(shown(talk)) == 2
        await writer.write("three ", seconds=10)
    assert shown(talk)[2:] == ["one two three ▌", "one two three"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"status": 429, "retry_after": 2}, {"drop": True}, {"delay": 0.1}],
    ids=str,
)
async def test_the_end_fails(talk: Talk, writer: Writer, fault: dict[str, Any]) -> None:
    """The last edit is repeated until the whole text is there; a slow one is waited for."""
    async with talk.running():
        await writer.begin()
        talk.webex.sandbox.fail(method="PUT", **fault)
        await writer.write("one")
        await writer.end()

        def is_repeated() -> bool:
            talk.time.advance(1)
            return standing(talk) == ["one"] and not talk.stored

        await until(is_repeated)
    assert shown(talk) == [STATUS, *["one"] * (1 if "delay" in fault else 2)]


async def test_the_end_is_refused(talk: Talk, writer: Writer) -> None:
    """An error that lasts is raised after one request, and sends nothing else."""
    async with writer.answering(None, "retrying"):
        talk.webex.sandbox.fail(method="PUT", status=403)
        await writer.write("one")
    assert "403" in str(talk.stored[0].error)
    assert shown(talk) == [STATUS, "one"]
    assert standing(talk) == [STATUS]


async def test_a_message_is_deleted_while_it_grows(talk: Talk, writer: Writer) -> None:
    """A message that somebody deletes is sent again at the end."""
    async with writer.answering():
        await writer.write("word " * 1500, seconds=2, shows=2)
        await talk.webex.client.delete("messages", talk.webex.sandbox.messages[-1].id)
        await writer.write("end")
    assert "".join(str(each) for each in standing(talk)) == "word " * 1500 + "end"


async def test_it_goes_on_when_edits_are_used_up(talk: Talk, writer: Writer) -> None:
    """A message that shows no progress any more is completed once another one begins."""
    async with writer.answering():
        await writer.use_up()
        await writer.write("word " * 2000, shows=2)
        assert [len(str(each)) > 1000 for each in standing(talk)] == [True, True]


async def test_edits_are_used_up(talk: Talk, writer: Writer) -> None:
    """Where Webex takes no more edits, the message is sent again; it never gets an eleventh."""
    async with writer.answering(ValueError("broken"), "failed"):
        await writer.use_up()
        await writer.again()
        await writer.write("+" * 8 + "a")
    assert standing(talk) == [f"{'+' * 8}a\n\n{MARK}"]
    puts = [each for each in talk.webex.sandbox.requests if each.method == "PUT"]
    assert len(puts) <= 10


@pytest.mark.parametrize("length", [1, 1500, 3000])
async def test_a_second_attempt(talk: Talk, writer: Writer, length: int) -> None:
    """It goes on in the messages of the first one, which show what they did until more is there."""
    async with writer.answering():
        await writer.write("word " * 1500, seconds=2, shows=2)
        await writer.again()
        before = standing(talk)
        await writer.write("x" * 5000, seconds=40, shows=0)
        assert standing(talk) == before
        await writer.do(lambda answer: setattr(answer, "text", "text " * length))
    assert "".join(str(each) for each in standing(talk)) == ("text " * length).rstrip()
    assert writer.messages[0][0].id == writer.messages[1][0].id


@pytest.mark.parametrize(
    ("text", "sent"), [("Hello", []), ("Bye", ["Bye"]), ("", [])], ids=["same", "other", "none"]
)
async def test_it_ended_before(talk: Talk, text: str, sent: list[str]) -> None:
    """An answer that was whole isn't sent again if it says the same."""
    texts = ["Hello", text]
    use_clock(talk)

    @talk.command()
    async def go(context: MessageContext) -> None:
        async with context.stream() as answer:
            answer.write(texts[talk.runs - 1])
        if talk.runs == 1:
            raise ValueError("broken")

    async with talk.running():
        await talk.after("go", "retrying")
        await talk.pass_(2)
        await talk.settle()
    assert shown(talk) == [STATUS, "Hello", *sent]
    assert standing(talk) == [*filter(None, [text])]


async def test_two_streams(talk: Talk) -> None:
    """Streams are told apart by their order, and by their keys."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        order = [("a", "1"), (None, "2"), (None, "3")]
        for key, text in order if talk.runs == 1 else order[1:]:
            async with context.stream(key=key) as answer:
                answer.write(text)
        if talk.runs == 1:
            raise ValueError("broken")

    async with talk.running():
        await talk.after("go", "retrying")
        await talk.pass_(2)
        await talk.settle()
    assert standing(talk) == ["1", "2", "3"]
    assert len(shown(talk)) == 6


@pytest.mark.parametrize("has_inbox", [True, False])
@pytest.mark.parametrize("is_caught", [False, True])
@pytest.mark.parametrize("error", [ValueError("broken"), GiveUpError("enough"), TimeoutError()])
async def test_it_ends_in_the_middle(
    talk: Talk, error: Exception, *, is_caught: bool, has_inbox: bool
) -> None:
    """A line below what was written says so, with an inbox and without one."""
    bot = talk.replica(attempts=1) if has_inbox else talk.webex.bot(respond_within=None)

    @bot.command("go")
    async def go(context: MessageContext) -> None:
        with suppress(Exception) if is_caught else nullcontext():
            async with asyncio.timeout(None) as limit, context.stream() as answer:
                answer.write("Half")
                if not isinstance(error, TimeoutError):
                    raise error
                limit.reschedule(0)
                await asyncio.Event().wait()

    async with talk.running(bot):
        await talk.say("go")
        await until(lambda: standing(talk) == [f"Half\n\n{MARK}"])


@pytest.mark.parametrize("error", [GiveUpError("enough"), asyncio.CancelledError()])
async def test_a_failure_for_good(talk: Talk, writer: Writer, error: BaseException) -> None:
    """A retry marks nothing; what is kept as failed is marked below what was written."""
    async with writer.answering(error, "failed"):
        await writer.write("One ", seconds=2)
        await writer.again()
        assert standing(talk) == ["One"]
        await writer.write("One two")
    assert standing(talk) == [f"One two\n\n{MARK}"]


async def test_it_is_never_opened_again(talk: Talk) -> None:
    """A stream that no later attempt opens is marked at the end, below what is shown."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        if talk.runs == 1:
            async with context.stream() as answer:
                answer.write("Half")
                raise ValueError("broken")

    async with talk.running():
        await talk.after("go", "retrying")
        assert standing(talk) == ["Half"]
        await talk.pass_(2)
        await talk.settle()
    assert standing(talk) == [f"Half\n\n{MARK}"]


async def test_a_mark_without_an_edit_left(talk: Talk, writer: Writer) -> None:
    """The mark is a message of its own then, and a retry sends the whole answer again."""
    async with talk.running():
        await writer.begin()
        await writer.use_up()
        await writer.write("-")
        for state in ("retrying", "failed"):
            talk.webex.sandbox.fail(method="PUT", status=500)  # which may have been an edit
            await writer.end()
            await talk.settle(state)
            if state == "retrying":
                await talk.pass_(2)
                await writer.begin(runs=2)
                await writer.write("+" * 8 + "-")
        assert standing(talk) == ["+" * 8 + " ▌", MARK]
        retry_all_in(talk.path, talk.time.now_in_seconds)
        await talk.pass_(1)
        await writer.begin(runs=3)
        await writer.write("+" * 8 + "-")
        await writer.end()
        await talk.settle()
    assert standing(talk) == ["+" * 8 + "-"]


async def test_a_mark_that_fails(talk: Talk, writer: Writer, caplog: Log) -> None:
    """A WARNING says that the message can't say that its answer ends in the middle."""
    async with writer.answering(GiveUpError("enough"), "failed"):
        await writer.write("Half")
        talk.webex.sandbox.fail(method="PUT", status=403, times=2)
    assert standing(talk) == [STATUS]
    assert "an answer ends in the middle, and its message can't say so" in caplog.text


async def test_a_long_answer_is_cut_off(talk: Talk, writer: Writer) -> None:
    """All that was written is there, and the mark below it."""
    async with talk.running():
        await writer.begin()
        await writer.write("long " * 3000, seconds=2, shows=3)
        writer.acts.put_nowait(asyncio.CancelledError())
        await talk.retry(2)
        await writer.begin(runs=2)
        writer.acts.put_nowait(lambda answer: answer.write("long " * 4500))
        writer.acts.put_nowait(asyncio.CancelledError())
        await talk.settle("failed")
    shows = [str(each) for each in standing(talk)]
    assert len(shows) == 4
    assert "".join(shows) == ("long " * 4500).rstrip() + f"\n\n{MARK}"


async def test_a_question_inside(talk: Talk) -> None:
    """While a question waits, the text stands there with the last status, without the cursor."""

    @talk.command()
    async def go(context: MessageContext) -> None:
        async with context.stream() as answer:
            answer.write("Which one? ")
            answer.status = "asking"
            which = await context.ask("Which?")
            answer.write(which.text)

    async with talk.running():
        await talk.after("go", "asking")
        assert standing(talk)[0] == "Which one?\n\nasking"
        await talk.after("This")
    assert standing(talk)[0] == "Which one? This"


async def test_what_is_refused(talk: Talk) -> None:
    """What can't be shown is an error before anything is sent, and so is what comes too late."""
    refused: list[str] = []

    def note(call: Callable[[], object]) -> None:
        with pytest.raises((ValueError, TypeError, RuntimeError)) as raised:
            call()
        refused.append(raised.typename.removesuffix("Error"))

    @talk.command()
    async def go(context: MessageContext) -> None:
        wrong: tuple[dict[str, Any], ...] = {"status": ""}, {"status": "x" * 301}, {"key": ""}
        for each in (*wrong, {"status": 5}):
            note(partial(context.stream, **each))
        stream = context.stream()
        note(lambda: stream.write("early"))
        assert stream.messages == ()
        async with stream:
            stream.write("x")
            note(lambda: setattr(stream, "status", "x" * 301))
            assert (stream.text, stream.status) == ("x", "")
        note(lambda: setattr(stream, "text", "late"))
        note(lambda: setattr(stream, "status", "late"))
        with pytest.raises(RuntimeError):
            await stream.__aenter__()

    async with talk.running():
        await talk.after("go")
    assert " ".join(refused) == "Value Value Value Type Runtime Value Runtime Runtime"
    assert standing(talk) == ["x"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("moments", "shows", "edits"),
    [
        (["before 3"], WHOLE, 3),
        (["after 3"], WHOLE, 4),
        (["after 9", "before 1"], WHOLE, 9),
        (["after 9", "after 1"], WHOLE, 10),
        (["after 1"] * 5, f"{WHOLE}\n\n{MARK}", 6),
    ],
)
async def test_processes_are_killed(
    webex_sandbox: Sandbox, tmp_path: Path, moments: list[str], shows: str, edits: int
) -> None:
    """The answer is whole in one message of ten edits at most, or says that it isn't."""
    path = tmp_path / "inbox.db"
    async with webex_sandbox.serve() as base_url, aclosing(SQLiteInbox(path)) as inbox:
        await webex_sandbox.say("go", person=ANN)
        (message,) = webex_sandbox.messages
        data = {"id": message.id, "roomId": message.room_id, "personId": message.person_id}
        await inbox.put("go", sample_notification("messages", "created", data=data))
        await printed_by("-m", "tests.bot.contexts.killed_stream", base_url, path, *moments)
    (answer,) = [each for each in webex_sandbox.messages if each.person_email != ANN]
    assert answer.markdown == shows
    assert sum(each.method == "PUT" for each in webex_sandbox.requests) == edits
