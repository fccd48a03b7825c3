"""A bot that takes orders, looks at files, greets and apologizes.

$ uvicorn --factory order_bot.bot:main
"""

import hashlib
from collections import defaultdict

from webex_webhooks_async import (
    Bot,
    MembershipData,
    MessageContext,
    Notification,
    SubmissionContext,
)

SORRY = "Sorry, something went wrong."
CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "fallbackText": "Your client can't show the menu.",
    "body": [
        {"type": "TextBlock", "text": "What would you like?"},
        {"type": "Input.Text", "id": "dish", "placeholder": "Pasta", "isRequired": True},
    ],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}],
}


def main() -> Bot:
    """Make the bot that the environment describes."""
    return make_bot(Bot.from_env(error_reply=SORRY))


def make_bot(bot: Bot) -> Bot:
    """Register what the bot does; tests pass a bot of the sandbox."""
    be_polite(bot)
    take_orders(bot)
    look_at_files(bot)
    return bot


def be_polite(bot: Bot) -> None:
    @bot.on("memberships", "created")
    async def greet(notification: Notification[MembershipData]) -> None:
        if notification.data.person_id == bot.me.id:
            greeting = f"Hello!\n\n{bot.help}"
            await bot.send(markdown=greeting, room_id=notification.data.room_id)

    @bot.command("help")
    async def show_help(context: MessageContext) -> None:
        """Show what I can do."""
        await context.reply(markdown=bot.help)


def take_orders(bot: Bot) -> None:
    orders: dict[str, list[str]] = defaultdict(list)  # by person

    @bot.command("order")
    async def order(context: MessageContext) -> None:
        """Order lunch."""
        await context.reply(card=CARD)

    @bot.submission("order")
    async def ordered(context: SubmissionContext) -> None:
        dish = context.inputs.get("dish") or "surprise"
        orders[context.notification.data.person_id].append(dish)
        await context.reply(f"One {dish}, please!")

    @bot.command("my orders")
    async def my_orders(context: MessageContext) -> None:
        """Show what you have ordered."""
        own = orders[context.notification.data.person_id]
        await context.reply(", ".join(own) or "You haven't ordered anything.")

    @bot.command("cancel")
    async def cancel(context: MessageContext) -> None:
        """Cancel your last order."""
        dish = orders[context.notification.data.person_id].pop()
        await context.reply(f"No {dish}, then.")


def look_at_files(bot: Bot) -> None:
    @bot.message()
    async def look(context: MessageContext) -> None:
        for url in context.message.files:
            file = await context.client.download(url)
            digest = hashlib.sha256(file.content).hexdigest()
            await context.reply(f"{file.name}: {len(file.content)} bytes, SHA-256 {digest}")
