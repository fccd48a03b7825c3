"""Commands about the kitchen: one for everybody, one for managers."""

from sqlalchemy import func, select

from webex_webhooks_async import BotRouter, MessageContext

from .tables import Order

router = BotRouter()


def is_manager(context: MessageContext) -> bool:
    address = context.message.person_email or ""
    return address.lower() in context.state.settings.managers


@router.command("all orders", where=is_manager)
async def all_orders(context: MessageContext) -> None:
    count = await context.state.session.scalar(select(func.sum(Order.count)))
    await context.reply(f"{count or 0} dishes are ordered.")


@router.command("left")
async def left(context: MessageContext) -> None:
    """Say how many are left of a dish: left DISH."""
    response = await context.state.kitchen.get("/left", params={"dish": context.arguments})
    response.raise_for_status()
    await context.reply(f"{response.json()} are left.")
