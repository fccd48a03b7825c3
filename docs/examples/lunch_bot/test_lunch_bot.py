"""The bot's tests. They need no account and no network."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import FastAPI

from webex_webhooks_async import Client
from webex_webhooks_async.testing import Sandbox

from .main import create_app


@pytest.fixture
async def app(
    webex_sandbox: Sandbox, webex_client: Client, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[FastAPI]:
    """The bot, started, with the sandbox as its Webex."""
    monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", "a-secret-of-the-tests")
    monkeypatch.setenv("PUBLIC_URL", "https://bot.example.com")
    app = create_app(webex_client)
    webex_sandbox.deliver_to(app)
    async with app.router.lifespan_context(app):
        yield app


@pytest.mark.usefixtures("app")
async def test_everyone_who_writes_gets_a_card(webex_sandbox: Sandbox) -> None:
    """The bot replies in a thread, with the card."""
    (delivery,) = await webex_sandbox.say("Hello", person="ann@example.com")

    question, offer = webex_sandbox.messages
    assert delivery.status_code == 204
    assert offer["parentId"] == question["id"]
    assert offer["attachments"]


@pytest.mark.usefixtures("app")
async def test_an_order_is_confirmed(webex_sandbox: Sandbox) -> None:
    """The bot repeats what was submitted with the card."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    await webex_sandbox.submit(webex_sandbox.messages[-1]["id"], {"dish": "Pasta"})

    assert webex_sandbox.messages[-1]["text"] == "Ordered: Pasta"


async def test_the_health_route_reports_a_watch_that_ended(app: FastAPI) -> None:
    """A load balancer sees that nobody repairs the webhooks any more."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://bot") as http_client:
        healthy = await http_client.get("/health")
        app.state.watching.cancel()
        await asyncio.wait([app.state.watching])
        ill = await http_client.get("/health")

    assert [healthy.status_code, ill.status_code] == [200, 503]
