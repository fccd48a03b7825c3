"""A bot in AWS Lambda, behind a function URL or an API Gateway.

Webex posts to the function's URL. Set the handler to lambda_bot.handler.

Lambda imports this module once for each instance of the function: a cold start. The bot asks then
who it is, which is one request to Webex. An instance that stays warm keeps the bot, its event loop
and its connections.
"""

import asyncio
import base64
from typing import Any

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env(watch=None)  # nothing runs between two requests
runner = asyncio.Runner()


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text or 'nothing'}")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle one request."""
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    return {"statusCode": runner.run(bot.handle(raw, event["headers"]))}


runner.run(bot.__aenter__())
