"""A poll in a room, in which each person has one vote: the last one.

$ uvicorn poll_bot:bot

The votes and the inbox are in the file poll.db. Install sqlalchemy[asyncio] and aiosqlite.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import Column, MetaData, String, Table, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from webex_webhooks_async import Bot, MessageContext, SQLiteInbox, SubmissionContext, once

DISHES = ("Pasta", "Soup", "Salad")
VOTES = [
    {"type": "Action.Submit", "title": each, "data": {"action": "vote", "dish": each}}
    for each in DISHES
]
COUNT = {"type": "Action.Submit", "title": "Count", "data": {"action": "count"}}
CARD = {"type": "AdaptiveCard", "version": "1.3", "actions": [*VOTES, COUNT]}

engine = create_async_engine("sqlite+aiosqlite:///poll.db")
sessions = async_sessionmaker(engine)
votes = Table(
    "votes",
    MetaData(),
    Column("poll", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("dish", String),
)


@asynccontextmanager
async def lifespan(_: Bot) -> AsyncGenerator[None]:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(votes.metadata.create_all)
        yield
    finally:
        await engine.dispose()


bot = Bot.from_env(inbox=SQLiteInbox("poll.db"), lifespan=lifespan)


@bot.command("poll")
async def poll(context: MessageContext) -> None:
    """Ask everyone in the room what they want."""
    await context.send("What do you want?", card=CARD)


@bot.submission("vote")
async def vote(context: SubmissionContext) -> None:
    dish = context.inputs.get("dish")
    if dish not in DISHES:
        return  # the card doesn't offer it

    async def write(session: AsyncSession) -> None:
        new = insert(votes).values(poll=context.message_id, person=context.person_id, dish=dish)
        await session.execute(new.on_conflict_do_update(set_={"dish": dish}))

    await once("vote", write, within=sessions.begin)


@bot.submission("count")
async def count(context: SubmissionContext) -> None:
    of_poll = select(votes.c.dish, func.count()).where(votes.c.poll == context.message_id)
    async with sessions() as session:
        found = await session.execute(of_poll.group_by(votes.c.dish).order_by(votes.c.dish))
    await context.reply(", ".join(f"{dish}: {number}" for dish, number in found) or "No votes.")
