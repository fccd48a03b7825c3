"""A bot that says everything back."""

import asyncio
import os
from contextlib import suppress

import uvicorn

from webex_webhooks_async import Client, MessageData, Notification, Receiver

client = Client.from_env()  # WEBEX_ACCESS_TOKEN
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)


@receiver.on("messages", "created")
async def echo(notification: Notification[MessageData]) -> None:
    message = await client.fetch(notification)  # notifications carry ids, not content
    if message.text:  # a file may come without text
        reply = {"roomId": message.room_id, "text": f"You said: {message.text}"}
        await client.post("messages", json=reply)


async def main() -> None:
    async with client:
        wanted = receiver.webhooks(name="bot", target_url=os.environ["PUBLIC_URL"])
        await client.webhooks.ensure(wanted, prune="bot:")
        port = int(os.environ.get("PORT", "8000"))
        await uvicorn.Server(uvicorn.Config(receiver, port=port)).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
