"""A bot that takes orders for lunch from a few people. It was written with webexteamsbot.

$ uvicorn moved_from_webexteamsbot:bot --host 0.0.0.0 --port 8080
"""

from webex_webhooks_async import Bot, MessageContext, Person, SubmissionContext

APPROVED_USERS = {"ann@example.com"}
MENU = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order"}],
}


def is_approved(person: Person) -> bool:
    return any(email.lower() in APPROVED_USERS for email in person.emails)


# It reads WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, WEBEX_TARGET_URL.
bot = Bot.from_env(name="lunch", allow=is_approved)


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
