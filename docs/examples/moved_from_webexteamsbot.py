"""A bot that takes orders for lunch from a few people. It was written with webexteamsbot.

$ uvicorn moved_from_webexteamsbot:bot --host 0.0.0.0 --port 8080
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

APPROVED_USERS = {"ann@example.com"}
MENU = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order"}],
}


@bot.middleware
async def approved_users_only(notification: Notification[Any], call_next: CallNext) -> None:
    if isinstance(notification.data, MessageData):
        addresses = [notification.data.person_email]
    else:  # a submitted card comes without an address
        person = await bot.client.get("people", notification.data.person_id, into=Person)
        addresses = list(person.emails or ())
    if any(address.lower() in APPROVED_USERS for address in addresses):
        await call_next()


@bot.command("/order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    await context.send(f"Ordered: {context.arguments or 'nothing'}")


@bot.command("/menu")
async def menu(context: MessageContext) -> None:
    """Choose from the menu."""
    await context.send("What would you like?", card=MENU)


@bot.submission()
async def ordered(context: SubmissionContext) -> None:
    await context.send(f"Ordered: {context.inputs.get('dish')}")


@bot.message()
async def show_help(context: MessageContext) -> None:
    await context.send(markdown=f"I understand the following commands:\n\n{bot.help}")
