"""The program docs/examples/kitchen_bot, on a real PostgreSQL."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from itertools import cycle
from uuid import uuid4

import httpx
import psycopg
import pytest
from attrs import define
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from docs.examples.kitchen_bot.web import create_app
from tests.examples.serving import EXAMPLES
from tests.support.postgres_server import PostgresServer
from tests.support.services import environment_with
from tests.support.wire import PATIENCE
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytestmark = pytest.mark.once

MANAGER = "ann@example.com"

IS_LAST_ATTEMPT = b"""
UPDATE webex_webhooks.notifications SET failures = 4, due = now()
WHERE failures > 0 AND token IS NULL
"""


@define
class Kitchen:
    """The service that knows what is left: ten of each dish, once it responds."""

    status: int = 200

    async def left(self, _: Request) -> Response:
        return JSONResponse(10, self.status)


@define
class Product:
    """What the application reads in its environment, and what is around it."""

    database_url: str
    kitchen: Kitchen
    sandbox: Sandbox

    async def says(self, text: str, person: str = MANAGER) -> str:
        """Write to the bot, and return what it replies."""
        await self.sandbox.say(text, person=person)
        return await self.reply()

    async def reply(self) -> str:
        return str((await self.sandbox.next_reply(PATIENCE)).text)

    async def changes(self, update: bytes) -> None:
        """Change what is in the inbox, as soon as something there fits."""
        async with (
            asyncio.timeout(PATIENCE),
            await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection,
        ):
            while (await connection.execute(update)).rowcount == 0:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer) -> str:
    """A database with the tables that a deploy makes."""
    name = f"kitchen_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = postgres.url.removesuffix("postgres") + name
    command = [sys.executable, "-m", "kitchen_bot.tables"]
    environment = environment_with({"DATABASE_URL": url})
    subprocess.run(command, cwd=EXAMPLES, env=environment, check=True, timeout=PATIENCE)
    return url


@pytest.fixture
async def product(
    database_url: str, webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Product]:
    """What the application needs, beside its database: the kitchen, and Webex."""
    kitchen = Kitchen()
    service = Starlette(routes=[Route("/left", kitchen.left)])
    async with serve_on_loopback(service, 0) as kitchen_url:
        monkeypatch.setenv("WEBEX_TARGET_URL", "https://bot.example.com/webex/")
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("KITCHEN_URL", kitchen_url)
        monkeypatch.setenv("MANAGERS", f"{MANAGER} bea@example.com")
        monkeypatch.setenv("REMIND_AFTER", "0")
        yield Product(database_url, kitchen, webex_sandbox)


@pytest.fixture
async def app(product: Product) -> AsyncGenerator[FastAPI]:
    """The application in this process, started."""
    async with product.sandbox.run(f"{EXAMPLES}/kitchen_bot/web.py:create_app") as app:
        yield app


@pytest.mark.usefixtures("app")
async def test_a_dialog_ends_with_an_order_and_a_reminder(product: Product) -> None:
    """Two questions make an order, of which a job reminds in the thread of the last answer."""
    replies = [await product.says(text) for text in ("Order", "Pasta", "a few", "2")]
    ordered = product.sandbox.messages[-1]
    reminder = await product.sandbox.next_reply(PATIENCE)
    replies.append(await product.says("3"))

    assert replies == [
        "Which dish?",
        "How many?",
        "A number below 100, please.",
        "Ordered: 2 Pasta",
        "Write order to order lunch.",
    ]
    assert (reminder.text, reminder.parent_id) == ("Lunch is ready!", ordered.parent_id)


@pytest.mark.usefixtures("app")
async def test_only_managers_see_all_orders(product: Product) -> None:
    """For others there is no such command."""
    before = await product.says("all orders")
    for text in ("Order", "Pasta", "2"):
        await product.says(text, "Bea@example.com")
    await product.reply()  # the reminder
    after = await product.says("all orders")

    assert int(after.split()[0]) == int(before.split()[0]) + 2
    assert await product.says("all orders", "eve@example.com") == "Write order to order lunch."


@pytest.mark.usefixtures("app")
async def test_an_apology(product: Product) -> None:
    """Who asks while the kitchen fails gets an apology after the last attempt."""
    product.sandbox.raise_handler_errors = False
    product.kitchen.status = 500
    await product.sandbox.say("left Pasta")
    await product.changes(IS_LAST_ATTEMPT)

    assert await product.reply() == "Sorry, that didn't work."


async def test_health_and_metrics(app: FastAPI, product: Product) -> None:
    """The routes say whether the bot is ready and alive, and what is in its inbox."""
    transport = httpx.ASGITransport(app)
    assert await product.says("left Pasta") == "10 are left."
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as probe:
        health, life = await probe.get("/healthz"), await probe.get("/livez")
        metrics = await probe.get("/metrics")

    assert (health.status_code, health.json(), life.status_code) == (200, {"ready": True}, 200)
    assert 'kitchen_inbox{state="waiting"} 0.0' in metrics.text


async def test_two_replicas(app: FastAPI, product: Product) -> None:
    """A dialog goes on in whichever replica a message reaches."""
    other = create_app()
    turns = cycle([app, other])

    async def balancer(scope: Scope, receive: Receive, send: Send) -> None:
        await next(turns)(scope, receive, send)

    product.sandbox.deliver_to(balancer)
    async with other.router.lifespan_context(other):
        conversation = [await product.says(text) for text in ("order", "Pasta", "2")]
        conversation.append(await product.reply())

    assert conversation == ["Which dish?", "How many?", "Ordered: 2 Pasta", "Lunch is ready!"]
    assert len(product.sandbox.webhooks) == 2
