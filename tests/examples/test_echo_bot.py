"""The programs docs/examples/{echo_bot,bot}.py, served as processes."""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from attrs import define

from tests.examples.running import read_until, running
from tests.examples.serving import EXAMPLES
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

PUBLIC_URL = "https://bot.example.com/webex"


@define
class Tunnel:
    """Leads from the bot's public URL to its port."""

    port: int = 0

    async def __call__(self, request: httpx.Request) -> None:
        """Send a request for the public URL to the port."""
        assert str(request.url) == PUBLIC_URL
        request.url = httpx.URL(f"http://127.0.0.1:{self.port}/webex")


@pytest.fixture
def tunnel() -> Tunnel:
    """A tunnel that the bot will be behind."""
    return Tunnel()


@pytest.fixture
async def sandbox(tunnel: Tunnel) -> AsyncGenerator[Sandbox]:
    """A sandbox that reaches the bot through the tunnel alone."""
    async with httpx.AsyncClient(
        event_hooks={"request": [tunnel]}, trust_env=False
    ) as deliver_with:
        yield Sandbox(deliver_with=deliver_with)


@asynccontextmanager
async def running_bot(name: str, sandbox: Sandbox, tunnel: Tunnel) -> AsyncGenerator[None]:
    """Run a bot as long as the block runs."""
    async with sandbox.serve() as base_url:
        settings = {
            "WEBEX_ACCESS_TOKEN": "a-token-of-nobody",
            "WEBEX_BASE_URL": base_url,
            "WEBEX_WEBHOOK_SECRET": "a secret",
            "PUBLIC_URL": PUBLIC_URL,
        }
        command = (sys.executable, "-W", "error", "-m", "uvicorn", f"{name}:bot", "--port", "0")
        async with running(*command, settings=settings, folder=EXAMPLES) as bot:
            said = await read_until(bot, "(Press CTRL+C")
            (port,) = re.findall(r"running on http://127\.0\.0\.1:(\d+)", said)
            tunnel.port = int(port)
            yield


def texts(sandbox: Sandbox) -> list[str | None]:
    """The texts of all messages, in order."""
    return [message.get("text") for message in sandbox.messages]


async def test_it_says_everything_back(sandbox: Sandbox, tunnel: Tunnel) -> None:
    """The bot replies once to a text, in its thread; started again, it keeps its webhook."""
    async with running_bot("echo_bot", sandbox, tunnel), sandbox.http_client() as someone:
        created = sandbox.webhooks
        await sandbox.say("Hello, bot!")
        await someone.post(
            "messages",
            headers={"Authorization": "Bearer person:ann@example.com"},
            json={"toPersonEmail": sandbox.bot.email, "files": ["https://example.com/a.png"]},
        )
    async with running_bot("echo_bot", sandbox, tunnel):
        pass

    assert [delivery.status_code for delivery in sandbox.deliveries] == [204, 204, 204]
    assert texts(sandbox) == ["Hello, bot!", "You said: Hello, bot!", None]
    said, reply, _ = sandbox.messages
    assert reply["parentId"] == said["id"]
    assert len(created) == 1
    assert sandbox.webhooks == created


async def test_it_takes_orders(sandbox: Sandbox, tunnel: Tunnel) -> None:
    """README's bot knows a command, a card, and what it can do."""
    async with running_bot("bot", sandbox, tunnel):
        await sandbox.say("Lunch")
        await sandbox.submit(sandbox.messages[-1]["id"], {"dish": "Pasta"}, press="Order")
        await sandbox.say("What can you do?")

    assert texts(sandbox)[1::2] == ["What would you like?", "What can you do?"]
    assert texts(sandbox)[2] == "One Pasta, please!"
    assert sandbox.messages[-1]["markdown"] == "I understand:\n\n* **lunch**: Order lunch."


async def test_a_bot_without_a_token_that_works_does_not_serve(
    sandbox: Sandbox, tunnel: Tunnel
) -> None:
    """The server ends, and says why."""
    sandbox.revoke("a-token-of-nobody")
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        async with running_bot("echo_bot", sandbox, tunnel):
            pass

    said = caught.value.partial.decode()
    assert "AuthenticationError: GET /v1/people/me: 401 Unauthorized" in said
    assert "Application startup failed. Exiting." in said
    assert "a-token-of-nobody" not in said
