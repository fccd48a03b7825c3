"""A dialog of two questions, kept in a table: each message may reach another process."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from webex_webhooks_async import BotRouter, MessageContext, once

from .tables import Order, Question

router = BotRouter()


@router.command("order")
async def order(context: MessageContext) -> None:
    """Order lunch."""
    question = Question(room_id=context.room_id, person_id=context.person_id, dish=None)
    await context.state.session.merge(question)
    await context.reply("Which dish?")


@router.message()
async def answer(context: MessageContext) -> None:
    step = partial(take_step, context.room_id, context.person_id, context.text)
    reply, is_ordered = await once("step", step, within=context.state.sessions.begin)
    await context.reply(reply)
    if is_ordered:
        reminder = {"room_id": context.room_id, "parent_id": context.thread_id}
        await context.enqueue("remind", reminder, after=context.state.settings.remind_after)


async def take_step(
    room_id: str, person_id: str, text: str, session: AsyncSession
) -> tuple[str, bool]:
    """Take a message for an answer: return what to reply, and whether it completes an order."""
    question = await session.get(Question, (room_id, person_id))
    if question is None:
        return "Write order to order lunch.", False
    if question.dish is None:
        question.dish = text
        return "How many?", False
    if not (text.isdecimal() and 0 < int(text) < 100):
        return "A number below 100, please.", False
    session.add(Order(person_id=person_id, dish=question.dish, count=int(text)))
    await session.delete(question)
    return f"Ordered: {text} {question.dish}", True
