"""The program docs/examples/taskiq_bot.py with a Redis: once as processes, else in this one."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from tests.examples.serving import EXAMPLES, import_again
from tests.support.clocks import soon
from tests.support.stage import SECRET, Stage, job_of
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async import PermissionDeniedError
from webex_webhooks_async.testing import sample_notification, signed_request

pytest.importorskip("taskiq_redis", reason="it is in a group of its own")

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from taskiq import ScheduledTask
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq.serializers import PickleSerializer

pytestmark = [
    pytest.mark.once,
    # A worker that ends while taskiq-redis looks for what others left drops its pipeline.
    pytest.mark.filterwarnings("ignore:Unclosed client session <redis.asyncio:ResourceWarning"),
]


@pytest.fixture
async def program(bot: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ModuleType]:
    """The program, as its processes import it."""
    module = import_again(EXAMPLES / "taskiq_bot.py", monkeypatch)
    yield module
    await module.schedules._connection_pool.disconnect()  # it ends in no other way


@asynccontextmanager
async def running(endless: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run this as long as the block runs."""
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        while not task.done():  # on Python 3.11, asyncio.wait_for may swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=1)


@asynccontextmanager
async def worker_of(program: ModuleType) -> AsyncGenerator[None]:
    """Run a worker in this process."""
    program.broker.is_worker_process = True
    await program.broker.startup()
    worker = asyncio.create_task(run_receiver_task(program.broker))
    try:
        yield
    finally:
        worker.cancel()
        while not (await asyncio.wait([worker], timeout=1))[0]:
            await program.knock.kiq()  # on Python 3.11, it may wait for one more task
            worker.cancel()
    await program.broker.shutdown()


async def test_processes(bot: Stage) -> None:
    """A worker replies once to what a receiver enqueued; stopped, both finish what they have."""
    port = unused_port()
    worker = bot.services.start("taskiq worker --workers 1 taskiq_bot:broker")
    receiver = await bot.start_receiver("taskiq_bot:app", port)
    await bot.make_webhook(f"http://127.0.0.1:{port}/webex")
    async with httpx.AsyncClient(trust_env=False) as http_client:
        (first,) = await bot.webex.emit("messages", "created", data={"id": "M1"})
        copy = await http_client.send(signed_request(first.url, first.body, SECRET))
    await bot.services.until(lambda: worker.says("replied to M1"))
    bot.webex.fail(delay=1, path="/messages")
    await bot.webex.emit("messages", "created", data={"id": "M2"})
    await bot.services.until(lambda: "".join(worker.lines).count("Executing task") > 1)
    worker.stop()

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
    await bot.services.until(lambda: bool(worker.statuses and receiver.statuses))

    assert (first.status_code, copy.status_code) == (204, 204)
    assert response.startswith(b"HTTP/1.1 204")
    replied = [line for line in worker.lines if line.startswith("replied to")]
    assert (replied, worker.statuses) == (["replied to M1", "replied to M2"], [0])
    assert receiver.says("Application shutdown complete.")


async def test_a_rate_limit_does_not_hold_a_worker(
    bot: Stage, program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a long Retry-After the task is enqueued for later, and a worker does it then."""
    await bot.webex.emit("messages", "created", data={"id": "M1"})
    bot.webex.fail(status=429, retry_after=3600, path="/messages")
    job = job_of("M1")
    started = datetime.now(UTC)
    async with worker_of(program):
        result = await (await program.work.kiq(job)).wait_result(timeout=PATIENCE)
        (later,) = await scheduled(bot)

        assert (result.error, capsys.readouterr().out, later.args) == (None, "", [job])
        assert later.time is not None
        assert 3600 <= (later.time - started).total_seconds() < 3600 + PATIENCE

        await program.schedules.delete_schedule(later.schedule_id)
        await program.schedules.add_schedule(later.model_copy(update={"time": started}))
        async with running(run_scheduler_task(program.scheduler)):
            await replied_to_m1(capsys)


async def test_what_is_done_is_skipped(
    bot: Stage, program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker replies once, also if a copy is enqueued by another receiver after that."""
    await bot.webex.emit("messages", "created", data={"id": "M1"})
    job = job_of("M1")
    async with worker_of(program):
        for _ in range(2):
            result = await (await program.work.kiq(job)).wait_result(timeout=PATIENCE)
            assert not result.is_err

    assert capsys.readouterr().out == "replied to M1\n"


async def test_an_error_comes_back_as_it_was(bot: Stage, program: ModuleType) -> None:
    """The result of a failed task, which isn't repeated, is the error with its attributes."""
    bot.webex.fail(status=403, path="/messages")
    async with worker_of(program):
        task = await program.work.kiq(job_of("M1"))
        result = await task.wait_result(timeout=PATIENCE)
        (group,) = await program.redis.xinfo_groups("taskiq")
    *_, request = bot.webex.requests

    assert isinstance(result.error, PermissionDeniedError)
    assert (result.error.status_code, result.error.path) == (403, "/v1/messages/M1")
    assert result.error.tracking_id == request.tracking_id
    assert group["pending"] == 0, "it isn't repeated"


@pytest.mark.parametrize("bot", [{"LONGEST_TASK": "1"}], indirect=True)
async def test_what_a_dead_worker_had_is_done_by_another(
    bot: Stage, program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A task that a worker took and didn't finish is done in the end, even if no other comes."""
    await bot.webex.emit("messages", "created", data={"id": "M1"})
    await program.broker.startup()
    await program.work.kiq(job_of("M1"))
    dead = program.broker.listen()
    await anext(dead)
    await dead.aclose()
    await program.broker.shutdown()

    async with worker_of(program), running(run_scheduler_task(program.scheduler)):
        await replied_to_m1(capsys)


@pytest.mark.parametrize("bot", [{"LONGEST_TASK": "1"}], indirect=True)
async def test_what_an_outage_of_redis_interrupts_is_done_again(
    bot: Stage,
    program: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A task that Redis failed isn't lost, also if Redis is back before the task ends."""
    await bot.webex.emit("messages", "created", data={"id": "M1"})
    exists = AsyncMock(side_effect=[RedisConnectionError, 0])
    monkeypatch.setattr(program, "redis", AsyncMock(exists=exists))
    async with worker_of(program), running(run_scheduler_task(program.scheduler)):
        result = await (await program.work.kiq(job_of("M1"))).wait_result(timeout=PATIENCE)
        assert isinstance(result.error, RedisConnectionError)

        await replied_to_m1(capsys)


async def test_without_redis_nothing_is_taken(bot: Stage, program: ModuleType) -> None:
    """While Redis hangs or is down, the receiver isn't healthy, and responds 500."""
    await bot.make_webhook()
    bot.webex.raise_handler_errors = False
    bot.webex.deliver_to(program.app)
    transport = httpx.ASGITransport(program.app)
    async with (
        program.lifespan(program.app),
        httpx.AsyncClient(transport=transport, base_url="http://bot") as probe,
    ):

        async def statuses() -> tuple[int, int | None]:
            (delivery,) = await bot.webex.emit("messages", "created")
            return (await probe.get("/health")).status_code, delivery.status_code

        healthy = await statuses()
        bot.redis.freeze()
        silent = await soon(statuses(), program.REDIS_TIMEOUT)
        bot.redis.thaw()
        thawed = await statuses()
        bot.redis.stop()
        gone = await soon(statuses(), program.REDIS_TIMEOUT)
        bot.redis.restart()
        await statuses()  # the first task finds a broken connection
        back = await statuses()

    assert [healthy, thawed, back] == [(200, 204)] * 3
    assert [silent, gone] == [(503, 500)] * 2


async def replied_to_m1(capsys: pytest.CaptureFixture[str]) -> None:
    """Wait until a worker in this process has printed that it replied."""
    printed = ""
    async with asyncio.timeout(PATIENCE):
        while not printed:
            await asyncio.sleep(0.05)
            printed = capsys.readouterr().out

    assert printed == "replied to M1\n"


async def scheduled(bot: Stage) -> list[ScheduledTask]:
    """The tasks that are enqueued for later."""
    redis: Any = Redis(port=bot.redis.port)  # its types are incomplete
    async with redis:
        stored = [await redis.get(key) for key in await redis.keys("schedule:data:*")]
    return [ScheduledTask.model_validate(PickleSerializer().loadb(each)) for each in stored]
