"""A bot in the applications and servers that its users have, on a real socket."""

import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.bot.doubles import SECRET, echo, texts
from tests.examples.serving import EXAMPLES, SERVERS, serving, settings_of
from tests.support.programs import running
from tests.support.wire import until, unused_port
from webex_webhooks_async import Bot, Client
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


def alone(bot: Bot) -> Bot:
    """The bot is the application."""
    return bot


def in_starlette(bot: Bot) -> Starlette:
    """Mounted, and started by the lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with bot:
            yield

    return Starlette(routes=[Mount("/webex", bot)], lifespan=lifespan)


def in_litestar(bot: Bot) -> Litestar:
    """Mounted, and itself the lifespan."""
    route = asgi("/webex", is_mount=True, copy_scope=True)(bot)
    return Litestar([route], lifespan=[bot], logging_config=None)  # or it sets the root's level


@pytest.mark.parametrize(
    ("server", "application_of"),
    [("hypercorn", alone), ("uvicorn", in_starlette), ("uvicorn", in_litestar)],
    ids=["hypercorn", "Starlette", "Litestar"],
)
async def test_a_bot_is_a_part_of_an_application(
    server: str, application_of: Callable[[Bot], Any], webex_client: Client, webex_sandbox: Sandbox
) -> None:
    """It starts with the server, gets what Webex posts, and ends with the server."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/webex/"
    bot = Bot(webex_client, SECRET, target_url=url)
    bot.message()(echo)
    async with serving(SERVERS[server], application_of(bot), listener):
        await until(lambda: bool(webex_sandbox.webhooks))
        (delivery,) = await webex_sandbox.say("Hello")

    assert delivery.status_code == 204
    assert texts(webex_sandbox) == ["Hello", "You said: Hello"]
    assert await bot.handle(b"", {}) == 503


async def test_granian_serves_a_bot() -> None:
    """A server in Rust runs the lifespan as well."""
    url = f"http://127.0.0.1:{unused_port()}/"
    patient = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5))
    sandbox = Sandbox(deliver_with=patient)
    async with patient, sandbox.serve() as base_url:
        settings = settings_of(base_url, WEBEX_TARGET_URL=url)
        command = f"granian --interface asgi --port {httpx.URL(url).port} echo_bot:bot"
        async with running(*command.split(), settings=settings, folder=EXAMPLES):
            await until(lambda: bool(sandbox.webhooks))
            (delivery,) = await sandbox.say("Hello")

    assert delivery.status_code == 204
    assert texts(sandbox) == ["Hello", "You said: Hello"]
