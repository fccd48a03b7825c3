"""A bot that writes each order exactly once, in the transaction of its record.

$ uvicorn exactly_once_bot:bot

The orders and the inbox are in the file orders.db. Install sqlalchemy[asyncio] and aiosqlite.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from webex_webhooks_async import Bot, MessageContext, SQLiteInbox, once

Path("orders.db").touch(0o600)  # nobody else may read what people write
engine = create_async_engine("sqlite+aiosqlite:///orders.db")
sessions = async_sessionmaker(engine)
orders = Table(
    "orders",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("what", String),
)


@asynccontextmanager
async def lifespan(_: Bot) -> AsyncGenerator[None]:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(orders.metadata.create_all)
        yield
    finally:
        await engine.dispose()


bot = Bot.from_env(inbox=SQLiteInbox("orders.db"), lifespan=lifespan)


@bot.command("order")
async def order(context: MessageContext) -> None:
    """Order something."""

    async def create(session: AsyncSession) -> int:
        new = insert(orders).values(what=context.arguments)
        return int((await session.execute(new.returning(orders.c.number))).scalar_one())

    number = await once("order", create, within=sessions.begin)
    await context.reply(f"Order {number}: {context.arguments}")
