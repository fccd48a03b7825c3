"""A dialog of two questions: each answer may reach another process."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from webex_webhooks_async import BotRouter, MessageContext, once

from .tables import Order

router = BotRouter()


@router.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    dish = await context.ask("Which dish?")
    count = await context.ask("How many?")
    while not (count.text.isdecimal() and 0 < int(count.text) < 100):
        count = await context.ask("A number below 100, please.")
    store = partial(store_order, context.person_id, dish.text, int(count.text))
    await once("order", store, within=context.state.sessions.begin)
    await count.reply(f"Ordered: {count.text} {dish.text}")
    reminder = {"room_id": count.room_id, "parent_id": count.thread_id}
    await context.enqueue("remind", reminder, after=context.state.settings.remind_after)


async def store_order(person_id: str, dish: str, count: int, session: AsyncSession) -> None:
    session.add(Order(person_id=person_id, dish=dish, count=count))


@router.message()
async def other(context: MessageContext) -> None:
    await context.reply("Write order to order lunch.")
