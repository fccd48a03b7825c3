"""A bot that takes orders for lunch from colleagues. It was written with webex_bot.

$ uvicorn moved_from_webex_bot:bot
"""

from typing import Any

from webex_webhooks_async import (
    Bot,
    CallNext,
    MessageContext,
    MessageData,
    Notification,
    Person,
    SubmissionContext,
)

bot = Bot.from_env(name="lunch")  # WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, PUBLIC_URL

MENU = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"callback_keyword": "order"}}],
}


@bot.middleware
async def colleagues_only(notification: Notification[Any], call_next: CallNext) -> None:
    if isinstance(notification.data, MessageData):
        addresses = [notification.data.person_email]
    else:  # a submitted card comes without an address
        person = await bot.client.get("people", notification.data.person_id, into=Person)
        addresses = list(person.emails or ())
    if any(address.lower().endswith("@example.com") for address in addresses):
        await call_next()


@bot.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    await context.reply(f"Ordered: {context.arguments or 'nothing'}")


@bot.command("menu")
async def menu(context: MessageContext) -> None:
    """Choose from the menu."""
    await context.reply(card=MENU)


@bot.submission(callback_keyword="order")
async def ordered(context: SubmissionContext) -> None:
    await context.send(f"Ordered: {context.inputs.get('dish')}")
    await context.client.delete("messages", context.message_id)


@bot.message()
async def show_help(context: MessageContext) -> None:
    await context.reply(markdown=bot.help)
