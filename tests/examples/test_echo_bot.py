"""The program docs/examples/echo_bot.py, on a Webex that has messages too."""

import asyncio
import os
import re
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.examples.serving import EXAMPLES
from tests.wire import PATIENCE
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback import serve_on_loopback

PROGRAM = EXAMPLES / "echo_bot.py"
PUBLIC_URL = "https://bot.example.com/webex"
TOKEN = "a-token-of-nobody"


class Webex:
    """A sandbox, the messages that it lacks, and a tunnel to the bot.

    Attributes:
        sandbox: Has the webhooks, and notifies.
        messages: What people wrote, by id.
        replies: What the bot wrote.
        bot_port: Where the tunnel ends.
    """

    def __init__(self, deliver_with: httpx.AsyncClient) -> None:
        deliver_with.event_hooks = {"request": [self._tunnel]}
        self.sandbox = Sandbox(deliver_with=deliver_with)
        self.messages: dict[str, dict[str, Any]] = {}
        self.replies: list[dict[str, Any]] = []
        self.bot_port = 0

    def application(self) -> Starlette:
        """All of it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/messages", self._create, methods=["POST"]),
                Route("/v1/messages/{id:path}", self._get),
                Route("/{path:path}", self._pass_on, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def _tunnel(self, request: httpx.Request) -> None:
        assert str(request.url) == PUBLIC_URL
        request.url = httpx.URL(f"http://127.0.0.1:{self.bot_port}/webex")

    async def _create(self, request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        self.replies.append(await request.json())
        return JSONResponse({})

    async def _get(self, request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        return JSONResponse(self.messages[request.path_params["id"]])

    async def _pass_on(self, request: Request) -> Response:
        async with self.sandbox.http_client() as http_client:
            answer = await http_client.request(
                request.method,
                str(request.url),
                headers=request.headers,
                content=await request.body(),
            )
        return Response(answer.content, answer.status_code, answer.headers)


@pytest.fixture
async def webex() -> AsyncGenerator[Webex]:
    """A Webex."""
    async with httpx.AsyncClient(trust_env=False) as deliver_with:
        yield Webex(deliver_with)


@asynccontextmanager
async def running_bot(webex: Webex) -> AsyncGenerator[None]:
    """Run the program as its operator does, as long as the block runs."""
    async with asyncio.timeout(PATIENCE), serve_on_loopback(webex.application(), 0) as origin:
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", PROGRAM),
            env={
                **os.environ,
                "WEBEX_ACCESS_TOKEN": TOKEN,
                "WEBEX_BASE_URL": f"{origin}/v1",
                "WEBEX_WEBHOOK_SECRET": "a secret",
                "PUBLIC_URL": PUBLIC_URL,
                "PORT": "0",
            },
            stderr=PIPE,
        )
        try:
            webex.bot_port = await announced_port(bot)
            yield
        finally:
            if bot.returncode is None:
                bot.terminate()
            await bot.communicate()


async def announced_port(bot: Process) -> int:
    """Read the port on which the program says that it is running."""
    assert bot.stderr is not None
    said = await bot.stderr.readuntil(b"(Press CTRL+C")
    (port,) = re.findall(rb"running on http://127\.0\.0\.1:(\d+)", said)
    return int(port)


async def test_it_says_everything_back(webex: Webex) -> None:
    """A message is fetched by its id, and its text goes into the room that it came from."""
    webex.messages["an/id?"] = {"roomId": "R1", "text": "Hello, bot!"}
    async with running_bot(webex):
        (delivery,) = await webex.sandbox.emit("messages", "created", {"id": "an/id?"})

    assert delivery.status_code == 204
    assert webex.replies == [{"roomId": "R1", "text": "Hello, bot!"}]


async def test_it_does_not_answer_itself(webex: Webex) -> None:
    """What the bot wrote comes as a notification, too, and isn't echoed."""
    webex.messages["M1"] = {"roomId": "R1", "text": "Hello, bot!"}
    async with running_bot(webex):
        (delivery,) = await webex.sandbox.emit(
            "messages", "created", {"id": "M1"}, actor_id=webex.sandbox.bot.id
        )

    assert (delivery.status_code, webex.replies) == (204, [])


async def test_a_message_may_have_no_text(webex: Webex) -> None:
    """Nothing is said to a file that comes without words."""
    webex.messages["M1"] = {"roomId": "R1", "files": ["https://webexapis.com/v1/contents/1"]}
    async with running_bot(webex):
        (delivery,) = await webex.sandbox.emit("messages", "created", {"id": "M1"})

    assert (delivery.status_code, webex.replies) == (204, [])


async def test_it_makes_its_webhook_once(webex: Webex) -> None:
    """Started again, the bot keeps the webhook that it has."""
    async with running_bot(webex):
        created = webex.sandbox.webhooks
    async with running_bot(webex):
        pass

    assert len(created) == 1
    assert webex.sandbox.webhooks == created


def test_it_is_shown_without_an_account() -> None:
    """Without a token it echoes a message on a sandbox, with no warning, and ends."""
    done = subprocess.run(
        [sys.executable, "-W", "error", PROGRAM],
        env={name: value for name, value in os.environ.items() if not name.startswith("WEBEX_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the bot says: Hello, bot!\n"
