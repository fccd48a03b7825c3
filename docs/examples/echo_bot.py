"""A bot that says everything back.

On Webex it needs three settings: WEBEX_ACCESS_TOKEN, the token of a bot; WEBEX_WEBHOOK_SECRET, any
long text that nobody knows; PUBLIC_URL, where Webex reaches port 8000 of this machine. Without a
token the bot is shown on a sandbox.
"""

import asyncio
import json
import os
import secrets
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
from webex_webhooks_async.testing import Sandbox

BASE_URL = os.environ.get("WEBEX_BASE_URL", "https://webexapis.com/v1")
PORT = int(os.environ.get("PORT", "8000"))


def echo_bot(secret: str, webex: httpx.AsyncClient) -> Receiver:
    """Make the bot, which calls Webex through `webex`."""
    receiver = Receiver(secret, ignore_own_actions=True)  # else the bot would echo itself

    @receiver.on(Resource.MESSAGES, Event.CREATED)
    async def echo(notification: Notification[MessageData]) -> None:
        # The text isn't in the notification: it is fetched by the message's id.
        answer = await webex.get(f"messages/{quote(notification.data.id, safe='')}")
        message = answer.raise_for_status().json()
        if "text" in message:  # a file may come without
            reply = {"roomId": message["roomId"], "text": message["text"]}
            (await webex.post("messages", json=reply)).raise_for_status()

    return receiver


def webhook(target_url: str, secret: str) -> NewWebhook:
    """Say which webhook the bot needs."""
    return NewWebhook(
        name="echo-bot:messages",
        target_url=target_url,
        resource=Resource.MESSAGES,
        event=Event.CREATED,
        secret=secret,
    )


async def run_on_webex() -> None:
    """Echo until the program is told to stop."""
    secret = os.environ["WEBEX_WEBHOOK_SECRET"]
    authorization = {"Authorization": f"Bearer {os.environ['WEBEX_ACCESS_TOKEN']}"}
    async with (
        Client.from_env(base_url=BASE_URL) as client,
        httpx.AsyncClient(base_url=BASE_URL, headers=authorization) as webex,
    ):
        await client.webhooks.ensure([webhook(os.environ["PUBLIC_URL"], secret)])
        await uvicorn.Server(uvicorn.Config(echo_bot(secret, webex), port=PORT)).serve()


async def show_on_sandbox() -> None:
    """Echo one message."""
    secret = secrets.token_urlsafe()
    async with (
        httpx.AsyncClient(base_url=BASE_URL, transport=httpx.MockTransport(stand_in)) as webex,
        httpx.AsyncClient(transport=httpx.ASGITransport(echo_bot(secret, webex))) as to_the_bot,
    ):
        sandbox = Sandbox(deliver_with=to_the_bot)
        async with (
            sandbox.http_client() as http_client,
            Client("any-token", http_client=http_client) as client,
        ):
            await client.webhooks.ensure([webhook("https://bot.example.com/", secret)])
        await sandbox.emit("messages", "created")


def stand_in(request: httpx.Request) -> httpx.Response:
    """Answer for Webex's messages: a sandbox has notifications of them, but not themselves."""
    if request.method == "GET":
        return httpx.Response(200, json={"roomId": "R1", "text": "Hello, bot!"})
    print("the bot says:", json.loads(request.content)["text"])
    return httpx.Response(200, json={})


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        asyncio.run(run_on_webex() if "WEBEX_ACCESS_TOKEN" in os.environ else show_on_sandbox())
