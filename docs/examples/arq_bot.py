"""A bot of several processes: receivers that enqueue, and arq workers that reply.

$ uvicorn arq_bot:app
$ arq arq_bot.WorkerSettings

Webex posts to https://bot.example.com/webex
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

from arq import Retry, create_pool
from arq.connections import ArqRedis, RedisSettings
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from webex_webhooks_async import (
    Client,
    Event,
    MessageData,
    Notification,
    RateLimitError,
    Receiver,
    Resource,
    to_json,
)

REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])
REDIS_TIMEOUT = float(os.environ.get("REDIS_TIMEOUT", "5"))  # seconds

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def enqueue(notification: Notification[MessageData]) -> None:
    """Put a notification into the queue before the response; duplicates are enqueued once."""
    queue: ArqRedis = app.state.queue
    job_id = hashlib.sha256(to_json(notification)).hexdigest()
    async with asyncio.timeout(REDIS_TIMEOUT):
        await queue.enqueue_job(
            work.__name__, notification, _job_id=job_id, _expires=timedelta(days=7)
        )


async def work(ctx: dict[str, Any], notification: Notification[MessageData]) -> None:
    """Reply to a message; this may run twice."""
    client: Client = ctx["client"]
    try:
        message = await client.fetch(notification)
        reply = {"roomId": message.room_id, "text": f"You said: {message.text or 'nothing'}"}
        await client.post("messages", json=reply)
    except RateLimitError as error:
        raise Retry(defer=error.retry_after or 60) from error
    print("replied to", message.id, flush=True)


async def open_client(ctx: dict[str, Any]) -> None:
    """Create the client that all jobs of a worker share."""
    ctx["client"] = Client.from_env()


async def close_client(ctx: dict[str, Any]) -> None:
    """Close it after the last job."""
    await ctx["client"].aclose()


class WorkerSettings:
    """The settings that the command `arq` reads."""

    redis_settings = REDIS
    functions: ClassVar = [work]
    on_startup = open_client
    on_shutdown = close_client
    job_timeout = 300  # seconds; ten seconds later another worker takes the job of a killed one
    health_check_interval = 10  # seconds; `arq --check` notices a dead worker after that time
    job_completion_wait = 30  # seconds for running jobs when the worker stops
    keep_result = 3600  # seconds in which a duplicate is recognized
    max_tries = 1000  # a rate limit counts as a try, and so does the death of a worker


async def health(_: Request) -> PlainTextResponse:
    """Report whether the bot can accept notifications."""
    try:
        async with asyncio.timeout(REDIS_TIMEOUT):
            await app.state.queue.ping()
    except (RedisError, TimeoutError):
        return PlainTextResponse("Redis doesn't respond\n", status_code=503)
    return PlainTextResponse("ok\n")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """Open the queue before the receiver, and close it after the receiver."""
    async with await create_pool(REDIS) as app.state.queue, receiver:
        yield


app = Starlette(
    routes=[Route("/webex", receiver), Route("/health", health)],
    lifespan=lifespan,
)
