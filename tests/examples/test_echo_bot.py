"""The programs docs/examples/{echo_bot,bot}.py."""

import sys
from contextlib import suppress

import pytest
import uvicorn

from tests.bot.doubles import texts
from tests.examples.serving import EXAMPLES, Import, Run, settings_of
from tests.support.programs import read_until, running
from tests.support.wire import until, unused_port
from tests.testing.doubles import ANN, created
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def test_it_says_everything_back(
    base_url: str, webex_sandbox: Sandbox, run_example: Run
) -> None:
    """The bot replies once to a text, in its thread; started again, it keeps its webhook."""
    sandbox, port = webex_sandbox, str(unused_port())
    url = {"WEBEX_TARGET_URL": f"http://127.0.0.1:{port}/webex"}
    command = (sys.executable, "-W", "error", "-m", "uvicorn", "echo_bot:bot", "--port", port)
    picture = {"toPersonEmail": sandbox.bot.emails[0], "files": ["https://example.com/a.png"]}
    async with (
        sandbox.http_client() as someone,
        running(*command, settings=settings_of(base_url, **url), folder=EXAMPLES) as bot,
    ):
        await read_until(bot, "(Press CTRL+C")
        before = sandbox.webhooks
        await sandbox.say("Hello, bot!")
        await created(someone, "messages", ANN, **picture)
        await until(lambda: len(sandbox.deliveries) == 3)  # the bot's own message is one of them
    async with run_example("echo_bot.py", **url):
        pass

    assert [delivery.status_code for delivery in sandbox.deliveries] == [204, 204, 204]
    assert texts(sandbox) == ["Hello, bot!", "You said: Hello, bot!", None]
    first, reply, _ = sandbox.messages
    assert reply.parent_id == first.id
    assert len(before) == 1
    assert sandbox.webhooks == before


async def test_it_takes_orders(webex_sandbox: Sandbox, run_example: Run) -> None:
    """README's bot knows a command, a card, and what it can do."""
    async with run_example("bot.py"):
        await webex_sandbox.say("Lunch")
        card = webex_sandbox.messages[-1].id
        await webex_sandbox.submit(card, {"dish": "Pasta"}, press="Order")
        await webex_sandbox.say("What can you do?")

    assert texts(webex_sandbox)[1::2] == ["What would you like?", "What can you do?"]
    assert texts(webex_sandbox)[2] == "One Pasta, please!"
    assert webex_sandbox.messages[-1].markdown == "I understand:\n\n* **lunch**: Order lunch."


async def test_a_bot_without_a_token_that_works_does_not_serve(
    webex_sandbox: Sandbox, import_example: Import, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends, and says why."""
    webex_sandbox.revoke("a-token-of-nobody")
    bot = import_example("echo_bot.py").bot
    server = uvicorn.Server(uvicorn.Config(bot, port=0, log_config=None))
    with suppress(SystemExit):  # of newer releases
        await server.serve()

    assert not server.started
    assert "AuthenticationError: GET /v1/people/me: 401 Unauthorized" in caplog.text
    assert "Application startup failed. Exiting." in caplog.text
    assert "a-token-of-nobody" not in caplog.text
