"""The bot's tests. They need no account and no network."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import FastAPI

from webex_webhooks_async import Bot, Client
from webex_webhooks_async.testing import Sandbox

from .main import create_app


@pytest.fixture(autouse=True)
async def app(webex_sandbox: Sandbox, webex_client: Client) -> AsyncGenerator[FastAPI]:
    """The bot, started, with the sandbox as its Webex."""
    bot = Bot(webex_client, "a-secret-of-the-tests", target_url="https://bot.example.com/webex/")
    app = create_app(bot)
    webex_sandbox.deliver_to(app)
    async with app.router.lifespan_context(app):
        yield app


async def test_everyone_who_writes_gets_a_card(webex_sandbox: Sandbox) -> None:
    """The bot replies in a thread, with the card."""
    (delivery,) = await webex_sandbox.say("Hello", person="ann@example.com")

    question, offer = webex_sandbox.messages
    assert delivery.status_code == 204
    assert offer["parentId"] == question["id"]
    assert offer["attachments"]


async def test_an_order_is_confirmed(webex_sandbox: Sandbox) -> None:
    """The bot repeats what was submitted with the card."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    await webex_sandbox.submit(webex_sandbox.messages[-1]["id"], {"dish": "Pasta"})

    assert webex_sandbox.messages[-1]["text"] == "Ordered: Pasta"


async def test_the_health_route_says_who_is_at_work(app: FastAPI) -> None:
    """A load balancer sees that the bot has been started."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://bot") as http_client:
        assert (await http_client.get("/health")).json() == "Sandbox Bot is at work"
