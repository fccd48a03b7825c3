"""A bot of several processes: a receiver that enqueues, and dramatiq's workers that reply.

$ uvicorn dramatiq_bot:receiver
$ dramatiq dramatiq_bot

Webex posts to https://bot.example.com/
"""

import asyncio
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

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
dramatiq.set_broker(RedisBroker(url=REDIS_URL))  # type: ignore[no-untyped-call] # its own
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
bot = Bot.from_env()
bot_thread = ReceiverThread(bot)  # of each process; all threads of a worker share it


@receiver.on()
async def enqueue(notification: Notification[NotificationData]) -> None:
    """Put a notification into the queue before the response."""
    await asyncio.to_thread(work.send, to_json(notification).decode())


@dramatiq.actor(max_retries=10)
def work(job: str) -> None:
    """Run the handlers, later if Webex says so, and skip what is done; they may run twice."""
    notification = parse_unverified_notification(job)
    done = f"done:{notification_key(notification)}"
    if redis.exists(done):
        return
    try:
        bot_thread.run(bot.dispatch(notification))
    except RateLimitError as error:
        raise dramatiq.Retry(delay=round((error.retry_after or 60) * 1000)) from error
    redis.set(done, "", ex=600)


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text}")
    print("replied to", context.message.id, flush=True)
