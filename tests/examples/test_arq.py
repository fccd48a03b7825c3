"""The program docs/examples/arq_bot.py, run as processes with a Redis between them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.metadata import version

import httpx
import pytest

from tests.support.redis_server import free_port
from tests.support.services import PATIENCE, Service
from tests.support.stage import SECRET, Stage, stage
from webex_webhooks_async import (
    NotFoundError,
    Notification,
    NotificationData,
    parse_unverified_notification,
    to_json,
)
from webex_webhooks_async.testing import sample_notification, signed_request

pytest.importorskip("arq", reason="arq needs an older redis-py than taskiq-redis allows")

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name, in_progress_key_prefix
from arq.jobs import Job, JobStatus

pytestmark = pytest.mark.skipif(
    int(version("redis").partition(".")[0]) >= 6, reason="arq needs a redis-py below 6"
)

RECEIVER = "arq_bot:app"
WORKER = "arq arq_bot.WorkerSettings"


@pytest.fixture
async def bot() -> AsyncGenerator[Stage]:
    """Set up where the bot runs, with short timeouts for Redis."""
    async with stage(REDIS_TIMEOUT="1") as empty:
        yield empty


@asynccontextmanager
async def queue_of(bot: Stage) -> AsyncGenerator[ArqRedis]:
    """The queue, as the program that enqueues has it."""
    queue = await create_pool(RedisSettings.from_dsn(bot.settings["REDIS_URL"]))
    yield queue
    await queue.aclose()


async def test_a_notification_is_worked_on_once(bot: Stage) -> None:
    """A worker gets each notification once, equal to what arrived, from any number of receivers."""
    ports = [free_port(), free_port()]
    for port in ports:
        await bot.start_receiver(RECEIVER, port)
    worker = bot.services.start(WORKER)
    for each in ("M1", "M2"):
        await bot.webex.emit("messages", "created", {"id": each})
    bodies = [notification(each) for each in ("M1", "M2")]
    async with httpx.AsyncClient(trust_env=False) as http_client:
        responses = [
            await http_client.send(signed_request(f"http://127.0.0.1:{port}/webex", body, SECRET))
            for body in bodies
            for port in ports
        ]
    received = [parse_unverified_notification(body) for body in bodies]
    async with queue_of(bot) as queue:
        jobs = [Job(sha256(to_json(each)).hexdigest(), queue) for each in received]
        for job in jobs:
            await job.result(timeout=PATIENCE, poll_delay=0.1)
        results = [await job.result_info() for job in jobs]

    assert [response.status_code for response in responses] == [204] * 4
    assert sorted(worked_on(worker)) == ["replied to M1", "replied to M2"]
    assert [result and result.args for result in results] == [(each,) for each in received]


async def test_a_rate_limit_does_not_hold_a_worker(bot: Stage) -> None:
    """After a long Retry-After the job is enqueued for later, and a worker does it then."""
    await bot.webex.emit("messages", "created", {"id": "M1"})
    worker = bot.services.start(WORKER)
    bot.webex.fail(status=429, retry_after=3600)
    async with queue_of(bot) as queue:
        job = await queue.enqueue_job("work", parsed("M1"), _job_id="J1")
        assert job is not None
        await becomes_deferred(job)
        await queue.zincrby(default_queue_name, -3600_000, "J1")  # an hour passes
        await job.result(timeout=PATIENCE, poll_delay=0.1)

    assert worked_on(worker) == ["replied to M1"]


async def test_an_error_comes_back_as_it_was(bot: Stage) -> None:
    """The result of a failed job is the error, with all its attributes."""
    bot.services.start(WORKER)
    async with queue_of(bot) as queue:
        job = await queue.enqueue_job("work", parsed("no-message"))
        assert job is not None
        with pytest.raises(NotFoundError) as caught:
            await job.result(timeout=PATIENCE, poll_delay=0.1)
    (request,) = bot.webex.requests

    assert (caught.value.status_code, caught.value.path) == (404, "/v1/messages/no-message")
    assert caught.value.tracking_id == request.tracking_id


async def test_what_a_dead_worker_had_is_done_by_another(bot: Stage) -> None:
    """A job whose worker was killed is done when its lock expires, soon after the timeout."""
    await bot.webex.emit("messages", "created", {"id": "M1"})
    bot.webex.fail(delay=60)
    worker = bot.services.start(WORKER)
    async with queue_of(bot) as queue:
        job = await queue.enqueue_job("work", parsed("M1"), _job_id="J1")
        assert job is not None
        await bot.services.until(lambda: worker.says("J1:work("))
        worker.kill()
        bot.webex.clear_faults()
        lock = in_progress_key_prefix + "J1"
        locked = await queue.pttl(lock)
        await queue.pexpire(lock, 1)  # the time of its lock passes
        await job.result(timeout=PATIENCE, poll_delay=0.1)

    assert 300_000 < locked <= 310_000
    assert worked_on(worker) == ["replied to M1"]


def notification(message_id: str) -> bytes:
    """The body of a notification about a message."""
    return sample_notification("messages", "created", data={"id": message_id})


def parsed(message_id: str) -> Notification[NotificationData]:
    """The same as the receiver enqueues it."""
    return parse_unverified_notification(notification(message_id))


async def becomes_deferred(job: Job) -> None:
    """Wait until a job is deferred."""
    async with asyncio.timeout(PATIENCE):
        while await job.status() != JobStatus.deferred:  # noqa: ASYNC110 - Redis doesn't notify
            await asyncio.sleep(0.1)


def worked_on(worker: Service) -> list[str]:
    """What a worker has printed about its work."""
    return [line for line in worker.lines if line.startswith("replied to")]
