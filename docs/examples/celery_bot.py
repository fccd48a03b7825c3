"""A bot of several processes: a receiver that enqueues, and Celery's workers that reply.

$ uvicorn celery_bot:receiver
$ celery --app celery_bot worker

Webex posts to https://bot.example.com/
"""

import asyncio
import os

from celery import Celery, Task
from redis import Redis
from redis.exceptions import RedisError

from webex_webhooks_async import (
    Bot,
    MessageContext,
    Notification,
    RateLimitError,
    Receiver,
    ReceiverThread,
    notification_key,
    parse_unverified_notification,
    to_json,
)
from webex_webhooks_async.types import NotificationData

REDIS_URL = os.environ["REDIS_URL"]

redis = Redis.from_url(REDIS_URL)  # pyright: ignore[reportUnknownMemberType] - redis-py's
queue = Celery("celery_bot", broker=REDIS_URL)
queue.conf.update(
    task_acks_late=True,  # what a killed worker had begun is begun again
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
)
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
bot = Bot.from_env()
bot_thread = ReceiverThread(bot)  # of each process of a worker, from its first task on


@receiver.on()
async def enqueue(notification: Notification[NotificationData]) -> None:
    """Put a notification into the queue before the response."""
    await asyncio.to_thread(work.delay, to_json(notification).decode())


@queue.task(bind=True, max_retries=10, autoretry_for=(RedisError,), retry_backoff=True)
def work(task: Task[[str], None], job: str) -> None:
    """Run the handlers, later if Webex says so, and skip what is done; they may run twice."""
    notification = parse_unverified_notification(job)
    done = f"done:{notification_key(notification)}"
    if redis.exists(done):
        return
    try:
        bot_thread.run(bot.dispatch(notification))
    except RateLimitError as error:
        raise task.retry(exc=error, countdown=error.retry_after or 60) from error
    redis.set(done, "", ex=600)


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text}")
    print("replied to", context.message.id, flush=True)
