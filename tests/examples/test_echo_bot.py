"""The programs docs/examples/{echo_bot,bot}.py."""

import re
import sys
from contextlib import suppress

import httpx
import pytest
import uvicorn

from tests.examples.running import read_until, running
from tests.examples.serving import EXAMPLES, PUBLIC_URL, running_bot, sandboxed, settings_of
from tests.testing.doubles import ANN, created
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


def texts(sandbox: Sandbox) -> list[str | None]:
    """The texts of all messages, in order."""
    return [message.get("text") for message in sandbox.messages]


async def test_it_says_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot replies once to a text, in its thread; started again, it keeps its webhook."""
    port = 0

    async def to_the_bot(request: httpx.Request) -> None:
        assert str(request.url) == PUBLIC_URL
        request.url = httpx.URL(f"http://127.0.0.1:{port}/webex")

    tunnel = httpx.AsyncClient(event_hooks={"request": [to_the_bot]}, trust_env=False)
    sandbox = Sandbox(deliver_with=tunnel)
    command = (sys.executable, "-W", "error", "-m", "uvicorn", "echo_bot:bot", "--port", "0")
    picture = {"toPersonEmail": sandbox.bot.email, "files": ["https://example.com/a.png"]}
    async with (
        tunnel,
        sandbox.serve() as base_url,
        sandbox.http_client() as someone,
        running(*command, settings=settings_of(base_url), folder=EXAMPLES) as bot,
    ):
        said = await read_until(bot, "(Press CTRL+C")
        port = int(re.findall(r"running on http://127\.0\.0\.1:(\d+)", said)[0])
        before = sandbox.webhooks
        await sandbox.say("Hello, bot!")
        await created(someone, "messages", ANN, **picture)
    async with running_bot("echo_bot.py", sandbox, monkeypatch):
        pass

    assert [delivery.status_code for delivery in sandbox.deliveries] == [204, 204, 204]
    assert texts(sandbox) == ["Hello, bot!", "You said: Hello, bot!", None]
    first, reply, _ = sandbox.messages
    assert reply["parentId"] == first["id"]
    assert len(before) == 1
    assert sandbox.webhooks == before


async def test_it_takes_orders(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """README's bot knows a command, a card, and what it can do."""
    async with running_bot("bot.py", webex_sandbox, monkeypatch):
        await webex_sandbox.say("Lunch")
        card = webex_sandbox.messages[-1]["id"]
        await webex_sandbox.submit(card, {"dish": "Pasta"}, press="Order")
        await webex_sandbox.say("What can you do?")

    assert texts(webex_sandbox)[1::2] == ["What would you like?", "What can you do?"]
    assert texts(webex_sandbox)[2] == "One Pasta, please!"
    assert webex_sandbox.messages[-1]["markdown"] == "I understand:\n\n* **lunch**: Order lunch."


async def test_a_bot_without_a_token_that_works_does_not_serve(
    webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends, and says why."""
    webex_sandbox.revoke("a-token-of-nobody")
    async with sandboxed("echo_bot.py", webex_sandbox, monkeypatch) as program:
        server = uvicorn.Server(uvicorn.Config(program.bot, port=0, log_config=None))
        with suppress(SystemExit):  # of newer releases
            await server.serve()

    assert not server.started
    assert "AuthenticationError: GET /v1/people/me: 401 Unauthorized" in caplog.text
    assert "Application startup failed. Exiting." in caplog.text
    assert "a-token-of-nobody" not in caplog.text
