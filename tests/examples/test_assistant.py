"""The assistant of docs/examples, in front of a server that answers as a model's does."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.examples.serving import Run
from tests.support.wire import until
from webex_webhooks_async import SQLiteInbox
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytest.importorskip("openai", reason="it is in a group of its own")

pytestmark = pytest.mark.once

Pieces = Iterable[str | dict[str, Any]]
Talking = Callable[..., AbstractAsyncContextManager[None]]


def order(*dishes: str) -> dict[str, Any]:
    """What a model says that wants to order dishes."""
    calls = [{"name": "order", "arguments": json.dumps({"dish": each})} for each in dishes]
    return {
        "tool_calls": [
            {"index": index, "id": f"CALL-{index}", "type": "function", "function": call}
            for index, call in enumerate(calls)
        ]
    }


class Model:
    """A server whose model gives these answers, one after the other, and the last one for ever.

    Attributes:
        answers: The pieces of each answer.
        asked: What it was told, by each request.
        status: The status of its responses.
        breaks_off: Whether its next answer has no end.
        waits: Whether it goes on for ever after the pieces.
    """

    def __init__(self, *answers: Pieces) -> None:
        self.answers = [*answers]
        self.asked: list[list[Mapping[str, Any]]] = []
        self.status = 200
        self.breaks_off = False
        self.waits = False

    async def complete(self, request: Request) -> Response:
        self.asked.append((await request.json())["messages"])
        assert request.headers["Authorization"] == "Bearer a key"
        pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.status != 200:
            return Response("{}", self.status, {"retry-after-ms": "1"})  # what the SDK follows
        return StreamingResponse(self._stream(pieces), media_type="text/event-stream")

    async def _stream(self, pieces: Pieces) -> AsyncIterator[str]:
        for piece in pieces:
            yield chunk({"content": piece} if isinstance(piece, str) else piece)
        if self.waits:
            await asyncio.Event().wait()
        if not self.breaks_off:
            yield chunk({}, "stop")
        self.breaks_off = False
        yield "data: [DONE]\n\n"


def chunk(delta: Mapping[str, Any], reason: str | None = None) -> str:
    """A part of an answer, as the server sends it."""
    said = {"role": "assistant", **delta}  # the role is in each piece of Ollama's
    choice = {"index": 0, "delta": said, "finish_reason": reason}
    about = {"id": "ID", "object": "chat.completion.chunk", "created": 1, "model": "a model"}
    return f"data: {json.dumps({**about, 'choices': [choice]})}\n\n"


@pytest.fixture
def talking(
    webex_inbox: SQLiteInbox, run_example: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Talking:
    """Let the bot run in front of a model."""
    del webex_inbox  # its variable is what the program reads

    @asynccontextmanager
    async def talk(model: Model, program: str = "model_bot") -> AsyncGenerator[None]:
        app = Starlette(routes=[Route("/v1/chat/completions", model.complete, methods=["POST"])])
        async with AsyncExitStack() as stack:
            origin = await stack.enter_async_context(serve_on_loopback(app, 0))
            monkeypatch.setenv("OPENAI_BASE_URL", f"{origin}/v1")
            monkeypatch.setenv("OPENAI_API_KEY", "a key")
            monkeypatch.chdir(tmp_path)
            bot = await stack.enter_async_context(run_example(f"{program}.py"))
            if program == "model_bot":
                stack.callback(bot.turns.close)
                stack.push_async_callback(bot.model._client.close)
            else:
                stack.push_async_callback(bot.agent.model.client.close)
            yield

    return talk


def replies(sandbox: Sandbox) -> list[str]:
    """What the bot has written."""
    return [str(each.text) for each in sandbox.messages if each.person_id == sandbox.bot.id]


async def test_an_answer_grows_within_the_limits(webex_sandbox: Sandbox, talking: Talking) -> None:
    """All of it is shown, in messages that Webex takes, which are edited ten times at most."""
    code = [f"line_{number} = 'é'\n" for number in range(700)]
    table = [f"| {number} | ü |\n" for number in range(700)]
    pieces = ["So:\n```\n", *code, "```\n| a | b |\n| - | - |\n", *table, "\nThat's all."]
    async with talking(Model(pieces)):
        await webex_sandbox.say("Why?")
        await webex_sandbox.idle()

    shown = [str(each.markdown) for each in webex_sandbox.messages[1:]]
    edits = Counter(each.path for each in webex_sandbox.requests if each.method == "PUT")
    written = "".join(pieces).replace("```", "").split()
    assert "\n".join(shown).replace("```", "").split() == written
    assert [each.count("```") % 2 for each in shown] == [0] * 3
    assert max(edits.values(), default=0) <= 10
    assert {each.status_code for each in webex_sandbox.requests} <= {200, 204}


async def order_two(sandbox: Sandbox) -> None:
    """Order two dishes: press a button of each of the bot's questions."""
    await sandbox.say("I'm hungry")
    await sandbox.next_reply()
    for title in ("Yes", "No"):
        question = await sandbox.next_reply()
        await sandbox.submit(question.id, press=title)
        await sandbox.next_reply()  # what was pressed
    await until(lambda: "It is ordered." in replies(sandbox))
    await sandbox.idle()


async def test_it_asks_before_it_acts(webex_sandbox: Sandbox, talking: Talking) -> None:
    """A tool asks the person; the model is told, asked nothing twice, and remembers."""
    model = Model([order("pasta", "pie")], ["It is ", "ordered."], ["Pasta."])
    async with talking(model):
        await order_two(webex_sandbox)
        await webex_sandbox.say("What did I order?")
        await until(lambda: "Pasta." in replies(webex_sandbox))
        await webex_sandbox.idle()

    calls = order("pasta", "pie")["tool_calls"]
    for each in calls:
        del each["index"]
    said: list[dict[str, object]] = [
        {"role": "user", "content": "I'm hungry"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "CALL-0", "content": "ordered"},
        {"role": "tool", "tool_call_id": "CALL-1", "content": "no"},
        {"role": "assistant", "content": "It is ordered."},
        {"role": "user", "content": "What did I order?"},
    ]
    assert model.asked == [said[:1], said[:4], said]


async def test_an_agent_asks(webex_sandbox: Sandbox, talking: Talking) -> None:
    """Tools of a framework's agent ask; no call of the model is made again for an answer."""
    model = Model([order("pasta", "pie")], ["It is ", "ordered."])
    async with talking(model, "agent_bot"):
        await order_two(webex_sandbox)
    roles = [[each["role"] for each in said] for said in model.asked]
    assert roles == [["user"], ["user", "assistant", "tool", "tool"]]
    assert [each["content"] for each in model.asked[1][2:]] == ["ordered", "refused"]


async def test_it_is_stopped(webex_sandbox: Sandbox, talking: Talking) -> None:
    """What was written so far stays, and says so; nothing is asked again."""
    model = Model(["Once upon a time"])
    model.waits = True
    async with talking(model):
        await webex_sandbox.say("Tell me a story")
        await until(lambda: bool(model.asked))
        await webex_sandbox.say("stop")
        await until(lambda: "Stopped." in replies(webex_sandbox))
        await webex_sandbox.idle()

    assert len(model.asked) == 1
    assert any(each.endswith("⏹ stopped") for each in replies(webex_sandbox))


@pytest.mark.parametrize(
    ("program", "status"), [("model_bot", 503), ("model_bot", 200), ("agent_bot", 503)]
)
async def test_a_model_that_is_out(
    webex_sandbox: Sandbox,
    talking: Talking,
    caplog: pytest.LogCaptureFixture,
    program: str,
    status: int,
) -> None:
    """While it is out, and where its answer breaks off, the bot doesn't ask again at once."""
    caplog.set_level("INFO")
    model = Model(["Half an"])
    model.status, model.breaks_off = status, True
    async with talking(model, program):
        await webex_sandbox.say("Why?")
        await until(lambda: "is put off for" in caplog.text)
    assert len(model.asked) == {"model_bot": 1, "agent_bot": 3}[program]  # its SDK repeats twice
    assert replies(webex_sandbox)[0].startswith("Half an" if status == 200 else "💭")
