"""A bot that takes orders for lunch from colleagues. It was written with webex_bot.

$ uvicorn moved_from_webex_bot:bot
"""

from webex_webhooks_async import Bot, MessageContext, Person, SubmissionContext

MENU = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"callback_keyword": "order"}}],
}


def is_colleague(person: Person) -> bool:
    return any(email.lower().endswith("@example.com") for email in person.emails)


# It reads WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, WEBEX_TARGET_URL.
bot = Bot.from_env(name="lunch", allow=is_colleague)


@bot.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    await context.reply(f"Ordered: {context.arguments or 'nothing'}")


@bot.command("menu")
async def menu(context: MessageContext) -> None:
    """Choose from the menu."""
    await context.reply(card=MENU)


@bot.submission({"callback_keyword": "order"})
async def ordered(context: SubmissionContext) -> None:
    await context.send(f"Ordered: {context.inputs.get('dish')}")
    await context.delete(context.message_id)


@bot.message()
async def show_help(context: MessageContext) -> None:
    await context.reply(markdown=bot.help)
