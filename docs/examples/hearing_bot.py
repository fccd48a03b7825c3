"""A bot that listens: it prints who wrote to it."""

import asyncio
import os
from contextlib import suppress

import uvicorn

from webex_webhooks_async import Client, MessageData, Notification, Receiver

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"])


@receiver.on("messages", "created")
async def listen(notification: Notification[MessageData]) -> None:
    print(notification.data.person_email, "wrote message", notification.data.id, flush=True)


async def main() -> None:
    async with Client.from_env() as client:  # WEBEX_ACCESS_TOKEN
        wanted = receiver.webhooks(name="bot", target_url=os.environ["PUBLIC_URL"])
        await client.webhooks.ensure(wanted, prune="bot:")
        port = int(os.environ.get("PORT", "8000"))
        await uvicorn.Server(uvicorn.Config(receiver, port=port)).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
