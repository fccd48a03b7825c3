"""A bot that says everything back."""

import asyncio
import os
from contextlib import suppress
from urllib.parse import quote

import httpx
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

webex = httpx.AsyncClient(
    base_url=os.environ.get("WEBEX_BASE_URL", "https://webexapis.com/v1"),
    headers={"Authorization": f"Bearer {os.environ['WEBEX_ACCESS_TOKEN']}"},
)
receiver = Receiver(SECRET, ignore_own_actions=True)  # else the bot would answer itself


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def echo(notification: Notification[MessageData]) -> None:
    """Answer a message. Its text isn't in the notification: it is fetched by its id."""
    answer = await webex.get(f"messages/{quote(notification.data.id, safe='')}")
    message = answer.raise_for_status().json()
    if "text" in message:  # a file may come without
        reply = {"roomId": message["roomId"], "text": f"You said: {message['text']}"}
        (await webex.post("messages", json=reply)).raise_for_status()


async def main() -> None:
    """Tell Webex where the bot is, and answer until Ctrl-C."""
    webhook = NewWebhook(
        name="my-bot:messages",
        target_url=os.environ["PUBLIC_URL"],
        resource=Resource.MESSAGES,
        event=Event.CREATED,
        secret=SECRET,
    )
    async with Client.from_env() as client, webex:
        await client.webhooks.ensure([webhook])
        await uvicorn.Server(uvicorn.Config(receiver, port=PORT)).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
