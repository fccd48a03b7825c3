"""A bot that takes orders for lunch."""

from webex_webhooks_async import Bot, MessageContext, SubmissionContext

bot = Bot.from_env()  # WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, WEBEX_TARGET_URL
DISH = {"type": "Input.Text", "id": "dish", "placeholder": "Pasta"}
ORDER = {"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}
MENU = {"type": "AdaptiveCard", "version": "1.3", "body": [DISH], "actions": [ORDER]}


@bot.command("lunch")
async def lunch(context: MessageContext) -> None:
    """Order lunch."""
    await context.reply("What would you like?", card=MENU)


@bot.submission("order")
async def ordered(context: SubmissionContext) -> None:
    await context.reply(f"One {context.inputs.get('dish') or 'surprise'}, please!")


@bot.message()  # everything else
async def fallback(context: MessageContext) -> None:
    await context.reply(markdown=f"I understand:\n\n{bot.help}")
