"""A bot that says everything back."""

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env()  # WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, WEBEX_TARGET_URL


@bot.message()
async def echo(context: MessageContext) -> None:
    if context.text:  # a file may come without text
        await context.reply(f"You said: {context.text}")
