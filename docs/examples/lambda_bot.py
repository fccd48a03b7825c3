"""A bot in AWS Lambda, behind a function URL or an API Gateway.

Webex posts to the function's URL. Set the handler to lambda_bot.handler.

A function that stays warm keeps its event loop, and with it the client's connections. Functions run
side by side and share no memory, so use a RedisDeduplicator where a duplicate must not be handled.
"""

import asyncio
import base64
import os
from typing import Any

from webex_webhooks_async import Client, MessageData, Notification, Receiver

client = Client.from_env()
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
runner = asyncio.Runner()


@receiver.on("messages", "created")
async def echo(notification: Notification[MessageData]) -> None:
    """Reply to a message."""
    message = await client.fetch(notification)
    reply = {"roomId": message.room_id, "text": f"You said: {message.text or 'nothing'}"}
    await client.post("messages", json=reply)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle one request."""
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    return {"statusCode": runner.run(receiver.handle(raw, event["headers"]))}
