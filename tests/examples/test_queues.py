"""The programs docs/examples/{celery,dramatiq}_bot.py, with a Redis, and a worker as a process."""

import asyncio
import inspect
from types import ModuleType
from unittest.mock import Mock

import httpx
import pytest

from tests.examples.serving import EXAMPLES, import_again
from tests.support.stage import SECRET, Stage, job_of
from webex_webhooks_async.testing import signed_request

pytest.importorskip("celery", reason="it is in a group of its own")
pytest.importorskip("taskiq_redis", reason="it is in a group of its own")

from redis.exceptions import ConnectionError as RedisConnectionError

pytestmark = pytest.mark.once
PROGRAMS = {
    "celery_bot": "celery --app celery_bot worker --concurrency 1 --loglevel INFO"
    " --without-gossip --without-heartbeat --without-mingle",  # which take seconds
    "dramatiq_bot": "dramatiq dramatiq_bot --processes 1 --threads 1",
}
"""What an operator types to start the workers."""


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_notification_is_worked_on_once(
    bot: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker replies to what a receiver enqueued, and skips the copy of another receiver."""
    worker = bot.services.start(PROGRAMS[name])
    one, other = [import_again(EXAMPLES / f"{name}.py", monkeypatch) for _ in range(2)]
    bot.webex.deliver_to(one.receiver)
    await bot.make_webhook()
    transport = httpx.ASGITransport(other.receiver)
    async with httpx.AsyncClient(transport=transport) as http_client:
        (first,) = await bot.webex.say("Hello")
        copy = await http_client.send(signed_request(first.url, first.body, SECRET))
        await bot.webex.say("Bye")
    await bot.services.until(lambda: len(replies(worker.lines)) > 1)
    worker.stop()
    await bot.services.until(lambda: bool(worker.statuses))

    assert (first.status_code, copy.status_code) == (204, 204)
    assert len(replies(worker.lines)) == 2
    said = {each.text for each in bot.webex.messages if each.person_id == bot.webex.bot.id}
    assert said == {"You said: Hello", "You said: Bye"}


@pytest.mark.parametrize("name", [*PROGRAMS, "taskiq_bot"])
async def test_a_worker_that_starts_in_an_outage_loses_nothing(
    bot: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the queue is worked on when Webex responds again."""
    program = import_again(EXAMPLES / f"{name}.py", monkeypatch)
    ids = [f"M{number}" for number in range(20)]
    for each in ids:
        await bot.webex.emit("messages", "created", data={"id": each, "text": each})
    await enqueue(program, ids)
    bot.webex.fail(status=501, path="/people/me", times=2)
    worker = bot.services.start(PROGRAMS.get(name, "taskiq worker --workers 1 taskiq_bot:broker"))
    await bot.services.until(lambda: len(replies(worker.lines)) >= len(ids))

    assert worker.says("the bot isn't ready")
    said = {each.text for each in bot.webex.messages if each.person_id == bot.webex.bot.id}
    assert said == {f"You said: {each}" for each in ids}


async def test_what_an_outage_of_redis_interrupts_is_done_again(
    bot: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task of Celery that Redis failed isn't lost, also if Redis is back before it ends."""
    program = import_again(EXAMPLES / "celery_bot.py", monkeypatch)
    await bot.webex.emit("messages", "created", data={"id": "M1", "text": "Hello"})
    monkeypatch.setattr(program, "redis", Mock(exists=Mock(side_effect=[RedisConnectionError, 0])))
    await asyncio.to_thread(program.work.apply, [job_of("M1")])
    await asyncio.to_thread(program.bot_thread.close)

    assert [each.text for each in bot.webex.messages] == ["Hello", "You said: Hello"]


async def enqueue(program: ModuleType, ids: list[str]) -> None:
    """Put notifications of messages into the queue, as the receiver of a program does."""
    if hasattr(program, "broker"):  # of taskiq
        await program.broker.startup()
    work = program.work
    put = next(getattr(work, each) for each in ("kiq", "delay", "send") if hasattr(work, each))
    for each in ids:
        done = await asyncio.to_thread(put, job_of(each))
        if inspect.isawaitable(done):
            await done
    if hasattr(program, "broker"):
        await program.broker.shutdown()
        await program.schedules._connection_pool.disconnect()  # it ends in no other way


def replies(lines: list[str]) -> list[str]:
    """What a worker prints about its work."""
    return [line for line in lines if "replied to" in line]
