"""A bot in Azure Functions: this is the whole application, beside a host.json.

Webex posts to https://bot.azurewebsites.net/api/webex
"""

import azure.functions

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env()


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text or 'nothing'}")


app = azure.functions.AsgiFunctionApp(bot, azure.functions.AuthLevel.ANONYMOUS)
