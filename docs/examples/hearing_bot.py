"""A bot that listens: it prints what people write to it."""

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env()  # WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, PUBLIC_URL


@bot.message()
async def listen(context: MessageContext) -> None:
    print(context.message.person_email, "wrote:", context.text, flush=True)
