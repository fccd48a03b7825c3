"""A bot of several processes: receivers that enqueue, and taskiq workers that reply.

$ uvicorn taskiq_bot:app
$ taskiq worker taskiq_bot:broker
$ taskiq scheduler taskiq_bot:scheduler --update-interval 1

Webex posts to https://bot.example.com/webex
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqScheduler, TaskiqState
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

from webex_webhooks_async import (
    Bot,
    MessageContext,
    Notification,
    RateLimitError,
    Receiver,
    notification_key,
    parse_unverified_notification,
    to_json,
)
from webex_webhooks_async.types import NotificationData

REDIS_URL = os.environ["REDIS_URL"]
REDIS_TIMEOUT = float(os.environ.get("REDIS_TIMEOUT", "5"))  # seconds
LONGEST_TASK = int(os.environ.get("LONGEST_TASK", "600"))  # seconds; then others take over

redis = Redis.from_url(REDIS_URL)  # pyright: ignore[reportUnknownMemberType] - redis-py's
schedules = ListRedisScheduleSource(REDIS_URL)
broker = RedisStreamBroker(
    REDIS_URL,
    consumer_id="0",  # read what was enqueued before the first worker started
    maxlen=1_000_000,  # completed tasks stay in the stream, so limit it
    idle_timeout=LONGEST_TASK * 1000,
).with_result_backend(RedisAsyncResultBackend[None](REDIS_URL, result_ex_time=3600))
scheduler = TaskiqScheduler(broker, [schedules, LabelScheduleSource(broker)])

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
bot = Bot.from_env()  # runs in the workers


@receiver.on()
async def enqueue(notification: Notification[NotificationData]) -> None:
    """Put a notification into the queue before the response."""
    async with asyncio.timeout(REDIS_TIMEOUT):
        await work.kiq(to_json(notification).decode())


@broker.task(ack_type="manual")
async def work(job: str, context: Context = TaskiqDepends()) -> None:  # noqa: B008 - taskiq reads it
    """Run the handlers, later if Webex says so, and skip what is done; they may run twice.

    While Redis fails, a task isn't acknowledged, so a worker does it again after LONGEST_TASK.
    """
    notification = parse_unverified_notification(job)
    done = f"done:{notification_key(notification)}"
    if not await redis.exists(done):
        try:
            await bot.dispatch(notification)
        except RateLimitError as error:
            due = datetime.now(UTC) + timedelta(seconds=error.retry_after or 60)
            await work.kicker().schedule_by_time(schedules, due, job)
        except Exception:
            await context.ack()  # what a handler raises isn't repeated
            raise
        else:
            await redis.set(done, "", ex=600)
    await context.ack()


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text}")
    print("replied to", context.message.id, flush=True)


@broker.task(schedule=[{"interval": LONGEST_TASK}])
async def knock() -> None:
    """Do nothing. Workers look for a killed worker's tasks only when a new task arrives."""


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(_: TaskiqState) -> None:
    """Start the bot of a worker."""
    # taskiq configures logging only for workers that are forked, which ends with Python 3.14.
    logging.basicConfig(level=logging.INFO)
    await bot.start()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def end(_: TaskiqState) -> None:
    """End it after the last task."""
    await bot.aclose()
    await redis.aclose()


async def health(_: Request) -> PlainTextResponse:
    """Report whether the bot can accept notifications."""
    try:
        async with asyncio.timeout(REDIS_TIMEOUT):
            await redis.ping()  # pyright: ignore[reportUnknownMemberType] - redis-py's
    except (RedisError, TimeoutError):
        return PlainTextResponse("Redis doesn't respond\n", status_code=503)
    return PlainTextResponse("ok\n")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """Open the queue before the receiver, and close it after the receiver."""
    await broker.startup()
    try:
        async with redis, receiver:  # `health` asks Redis
            yield
    finally:
        await broker.shutdown()


app = Starlette(
    routes=[Route("/webex", receiver), Route("/health", health)],
    lifespan=lifespan,
)
