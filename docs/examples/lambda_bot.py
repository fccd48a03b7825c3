"""A bot in AWS Lambda, behind a function URL, an API Gateway or a load balancer.

Webex posts to the function's URL. Set the handler to lambda_bot.handler.

Lambda imports this module once for each instance of the function: a cold start. The first request
starts the bot, which asks Webex who it is. An instance that stays warm keeps the bot, its event
loop and its connections.
"""

import base64
import logging
from typing import Any

from webex_webhooks_async import Bot, MessageContext, ReceiverThread

bot = Bot.from_env(watch_every=None, respond_within=None)  # nothing runs between two requests
bot_thread = ReceiverThread(bot)


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text or 'nothing'}")


def handler(event: Any, _context: object) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Handle one request."""
    try:
        body, headers = request_of(event)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        logging.getLogger().error("the event isn't a request: %r", error)  # noqa: TRY400 - it says all
        return {"statusCode": 400}
    status = bot_thread.handle(body, headers)
    if not bot.is_ready:  # an outage: nothing goes on between two requests, so begin again
        bot_thread.close()
    return {"statusCode": int(status)}


def request_of(event: Any) -> tuple[bytes, dict[str, str]]:  # noqa: ANN401 - JSON
    """Return the body and the headers, which a load balancer may send as lists."""
    headers = event.get("headers") or {
        name: ", ".join(values) for name, values in event["multiValueHeaders"].items()
    }
    body = event["body"] or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    return raw, {str(name): str(value) for name, value in headers.items()}
