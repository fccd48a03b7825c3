"""The programs docs/examples/celery_bot.py and dramatiq_bot.py, run as processes with a Redis."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.support.redis_server import free_port
from tests.support.stage import SECRET, Stage, stage
from webex_webhooks_async.testing import signed_request

pytest.importorskip("celery", reason="Celery's transport needs a newer redis-py")
pytestmark = pytest.mark.once

PROGRAMS = {
    "celery_bot": "celery --app celery_bot worker --concurrency 2 --loglevel INFO",
    "dramatiq_bot": "dramatiq dramatiq_bot --processes 1 --threads 2",
}
"""What an operator types to start the workers."""


@pytest.fixture
async def bot() -> AsyncGenerator[Stage]:
    """Set up where the bot runs."""
    async with stage() as empty:
        yield empty


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_notification_is_worked_on_once(bot: Stage, program: str) -> None:
    """A worker replies to what a receiver enqueued; a copy isn't enqueued."""
    port = free_port()
    await bot.start_receiver(f"{program}:receiver", port)
    worker = bot.services.start(PROGRAMS[program])
    await bot.make_webhook(f"http://127.0.0.1:{port}/")
    async with httpx.AsyncClient(trust_env=False) as http_client:
        (first,) = await bot.webex.say("Hello")
        copy = await http_client.send(signed_request(first.url, first.body, SECRET))
        await bot.webex.say("Bye")
    await bot.services.until(lambda: len(replies(worker.lines)) > 1)
    worker.stop()
    await bot.services.until(lambda: bool(worker.statuses))

    assert (first.status_code, copy.status_code) == (204, 204)
    assert len(replies(worker.lines)) == 2
    said = {each["text"] for each in bot.webex.messages if each["personId"] == bot.webex.bot.id}
    assert said == {"You said: Hello", "You said: Bye"}


def replies(lines: list[str]) -> list[str]:
    """What a worker prints about its work."""
    return [line for line in lines if "replied to" in line]
