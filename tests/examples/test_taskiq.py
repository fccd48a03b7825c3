"""The program docs/examples/taskiq_bot.py, run as processes with a Redis between them."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.examples.serving import EXAMPLES, import_again
from tests.support.redis_server import free_port
from tests.support.services import PATIENCE, Service
from tests.support.stage import SECRET, Stage, stage
from webex_webhooks_async import PermissionDeniedError, parse_unverified_notification, to_json
from webex_webhooks_async.testing import sample_notification, signed_request

pytest.importorskip("taskiq_redis", reason="taskiq-redis needs a newer redis-py")

from redis.asyncio import Redis
from taskiq import ScheduledTask
from taskiq.serializers import PickleSerializer

pytestmark = pytest.mark.once

RECEIVER = "taskiq_bot:app"
WORKER = "taskiq worker --workers 1 taskiq_bot:broker"
SCHEDULER = "taskiq scheduler taskiq_bot:scheduler --update-interval 1"


@pytest.fixture
def longest_task() -> str:
    """Seconds after which a worker counts as dead, for tests in which none dies."""
    return "600"


@pytest.fixture
async def bot(longest_task: str) -> AsyncGenerator[Stage]:
    """Set up where the bot runs, with short timeouts for Redis."""
    async with stage(LONGEST_TASK=longest_task, REDIS_TIMEOUT="1") as empty:
        yield empty


@pytest.fixture
async def program(bot: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ModuleType]:
    """The program, imported here as the process that enqueues imports it."""
    for name, value in bot.settings.items():
        monkeypatch.setenv(name, value)
    module = import_again(EXAMPLES / "taskiq_bot.py", monkeypatch)
    await module.broker.startup()
    yield module
    await module.broker.shutdown()
    await module.schedules._connection_pool.disconnect()  # it ends in no other way


async def test_a_notification_is_worked_on_once(bot: Stage) -> None:
    """A worker does what a receiver enqueued; a copy isn't enqueued."""
    port = free_port()
    await bot.start_receiver(RECEIVER, port)
    worker = bot.services.start(WORKER)
    await bot.make_webhook(f"http://127.0.0.1:{port}/webex")
    async with httpx.AsyncClient(trust_env=False) as http_client:
        (first,) = await bot.webex.emit("messages", "created", {"id": "M1"})
        copy = await http_client.send(signed_request(first.url, first.body, SECRET))
        await bot.webex.emit("messages", "created", {"id": "M2"})
    await bot.services.until(lambda: len(worked_on(worker)) > 1)

    assert (first.status_code, copy.status_code) == (204, 204)
    assert sorted(worked_on(worker)) == ["replied to M1", "replied to M2"]


async def test_a_rate_limit_does_not_hold_a_worker(bot: Stage, program: ModuleType) -> None:
    """After a long Retry-After the task is enqueued for later, and a worker does it then."""
    await bot.webex.emit("messages", "created", {"id": "M1"})
    worker = bot.services.start(WORKER)
    bot.webex.fail(status=429, retry_after=3600, path="/messages")
    job = job_of("M1")
    started = datetime.now(UTC)
    result = await (await program.work.kiq(job)).wait_result(timeout=PATIENCE)
    (later,) = await scheduled(bot)

    assert (result.error, worked_on(worker), later.args) == (None, [], [job])
    assert later.time is not None
    assert 3600 <= (later.time - started).total_seconds() < 3600 + PATIENCE

    await program.schedules.delete_schedule(later.schedule_id)
    await program.schedules.add_schedule(later.model_copy(update={"time": started}))
    bot.services.start(SCHEDULER)
    await bot.services.until(lambda: bool(worked_on(worker)))
    assert worked_on(worker) == ["replied to M1"]


async def test_an_error_comes_back_as_it_was(bot: Stage, program: ModuleType) -> None:
    """The result of a failed task is the error, with all its attributes."""
    bot.services.start(WORKER)
    bot.webex.fail(status=403, path="/messages")
    task = await program.work.kiq(job_of("M1"))
    result = await task.wait_result(timeout=PATIENCE)
    *_, request = bot.webex.requests

    assert isinstance(result.error, PermissionDeniedError)
    assert (result.error.status_code, result.error.path) == (403, "/v1/messages/M1")
    assert result.error.tracking_id == request.tracking_id


@pytest.mark.parametrize("longest_task", ["2"])
async def test_what_a_dead_worker_had_is_done_by_another(bot: Stage, program: ModuleType) -> None:
    """A task whose worker was killed is done in the end, even without another task."""
    await bot.webex.emit("messages", "created", {"id": "M1"})
    bot.webex.fail(delay=60, times=None, path="/messages")
    worker = bot.services.start(WORKER)
    await program.work.kiq(job_of("M1"))
    await bot.services.until(lambda: worker.says("Executing task"))
    worker.kill()
    bot.webex.clear_faults()
    bot.services.start(SCHEDULER)
    await bot.services.until(lambda: bool(worked_on(worker)))

    assert worked_on(worker) == ["replied to M1"]


async def test_without_redis_nothing_is_taken(bot: Stage) -> None:
    """While Redis hangs or is down, the receiver isn't healthy, and responds 503."""
    port = free_port()
    await bot.start_receiver(RECEIVER, port)
    await bot.make_webhook(f"http://127.0.0.1:{port}/webex")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as probe:

        async def statuses() -> tuple[int, int | None]:
            (delivery,) = await bot.webex.emit("messages", "created")
            return (await probe.get("/health")).status_code, delivery.status_code

        healthy = await statuses()
        bot.redis.freeze()
        silent = await statuses()
        bot.redis.thaw()
        thawed = await statuses()
        bot.redis.stop()
        gone = await statuses()
        bot.redis.restart()
        await statuses()  # the first task finds a broken connection
        back = await statuses()

    assert [healthy, silent, thawed, gone, back] == [
        (200, 204),
        (503, 503),
        (200, 204),
        (503, 503),
        (200, 204),
    ]


async def test_a_receiver_ends_when_its_requests_are_done(bot: Stage) -> None:
    """A receiver that is stopped first responds to the requests that it has."""
    port = free_port()
    receiver = await bot.start_receiver(RECEIVER, port)
    body = sample_notification("messages", "created")
    request = signed_request(f"http://127.0.0.1:{port}/webex", body, SECRET)
    headers = b"".join(b"%s: %s\r\n" % each for each in request.headers.raw)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /webex HTTP/1.1\r\nExpect: 100-continue\r\n" + headers + b"\r\n")
    await reader.readuntil(b"100 Continue\r\n\r\n")
    receiver.stop()
    await bot.services.until(lambda: receiver.says("Waiting for connections to close"))
    writer.write(body)
    response = await reader.read()
    writer.close()
    await bot.services.until(lambda: bool(receiver.statuses))

    assert response.startswith(b"HTTP/1.1 204")
    assert receiver.says("Application shutdown complete.")


async def test_a_worker_ends_when_its_tasks_are_done(bot: Stage, program: ModuleType) -> None:
    """A worker that is stopped first finishes its tasks."""
    await bot.webex.emit("messages", "created", {"id": "M1"})
    bot.webex.fail(delay=1, path="/messages")
    worker = bot.services.start(WORKER)
    await program.work.kiq(job_of("M1"))
    await bot.services.until(lambda: worker.says("Executing task"))
    worker.stop()
    await bot.services.until(lambda: bool(worker.statuses))

    assert (worked_on(worker), worker.statuses) == (["replied to M1"], [0])


def job_of(message_id: str) -> str:
    """A notification as the receiver enqueues it."""
    body = sample_notification("messages", "created", data={"id": message_id})
    return to_json(parse_unverified_notification(body)).decode()


def worked_on(worker: Service) -> list[str]:
    """What a worker prints about its work."""
    return [line for line in worker.lines if line.startswith("replied to")]


async def scheduled(bot: Stage) -> list[ScheduledTask]:
    """The tasks that are enqueued for later."""
    redis: Any = Redis(port=bot.redis.port)  # its types are incomplete
    async with redis:
        stored = [await redis.get(key) for key in await redis.keys("schedule:data:*")]
    return [ScheduledTask.model_validate(PickleSerializer().loadb(each)) for each in stored]
