"""A bot that asks one question after the other.

$ uvicorn dialog_bot:bot

WEBEX_INBOX is the file in which it keeps what was asked and answered.
"""

from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env()


@bot.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    dish = await context.ask("Which dish?")
    count = await context.ask("How many?")
    await context.reply(f"Ordered: {count.text} {dish.text}")


@bot.command("cancel")
async def cancel(context: MessageContext) -> None:
    """Forget the order."""
    ended = await context.end_conversations()
    await context.reply("No order, then." if ended else "There is no order.")


@bot.message()
async def other(context: MessageContext) -> None:
    await context.reply(markdown=bot.help)
