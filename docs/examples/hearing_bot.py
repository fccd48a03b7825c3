"""A bot that hears: it prints who wrote to it."""

import asyncio
import os
from contextlib import suppress

import uvicorn

from webex_webhooks_async import (
    Client,
    Event,
    MessageData,
    NewWebhook,
    Notification,
    Receiver,
    Resource,
)

PORT = int(os.environ.get("PORT", "8000"))
SECRET = os.environ["WEBEX_WEBHOOK_SECRET"]

receiver = Receiver(SECRET)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def hear(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id, flush=True)


async def main() -> None:
    """Tell Webex where the bot is, and hear until Ctrl-C."""
    webhook = NewWebhook(
        name="my-bot:messages",
        target_url=os.environ["PUBLIC_URL"],
        resource=Resource.MESSAGES,
        event=Event.CREATED,
        secret=SECRET,
    )
    async with Client.from_env() as client:  # its token is in WEBEX_ACCESS_TOKEN
        await client.webhooks.ensure([webhook])
        await uvicorn.Server(uvicorn.Config(receiver, port=PORT)).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
