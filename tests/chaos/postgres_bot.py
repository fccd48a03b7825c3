"""A bot on PostgreSQL, which writes down what it does there, and nothing on its disk.

It runs as `uvicorn --app-dir tests/chaos postgres_bot:bot`. Version 2 handles memberships, too.
"""

import asyncio
import logging
import os

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from webex_webhooks_async import (
    Bot,
    Event,
    MembershipData,
    MessageContext,
    Notification,
    PostgresInbox,
    Resource,
    once,
)

logging.basicConfig(level=logging.WARNING)

DATABASE = os.environ["DATABASE"]
PATIENCE = 60  # seconds in which the database restarts

engine = create_async_engine(
    DATABASE.replace("postgresql:", "postgresql+asyncpg:"), pool_pre_ping=True
)
bot = Bot.from_env(
    secrets=os.environ["WEBEX_WEBHOOK_SECRET"],  # it has spaces
    inbox=PostgresInbox(DATABASE, lease=float(os.environ["LEASE"])),
    max_pending=20,
)


async def note(what: str, message_id: str, room_id: str = "") -> None:
    """Write down that something happens now, also while the database restarts."""
    insert = text("INSERT INTO events (what, message_id, room) VALUES (:what, :id, :room)")
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with engine.begin() as connection:
                    await connection.execute(
                        insert, {"what": what, "id": message_id, "room": room_id}
                    )
            except (DBAPIError, OSError):
                await asyncio.sleep(0.1)
            else:
                return


@bot.message()
async def work(context: MessageContext) -> None:
    """Reply twice, create a row once, and another one exactly once."""
    message_id, room_id = context.message.id, context.room_id
    await note("begins", message_id, room_id)

    async def create(connection: AsyncConnection) -> str:
        await connection.execute(text("INSERT INTO rows VALUES (:id)"), {"id": message_id})
        return message_id

    try:
        await context.reply(f"{message_id} has come")
        await once("row", lambda: note("row", message_id))
        await once("within", create, within=engine.begin)
        await context.reply(f"{message_id} is done")
    except Exception:
        await note("fails", message_id, room_id)
        raise
    await note("handled", message_id, room_id)


if os.environ["VERSION"] == "2":

    @bot.on(Resource.MEMBERSHIPS, Event.CREATED)
    async def greet(notification: Notification[MembershipData]) -> None:
        """Do what the first version can't do."""
        await note("handled", notification.data.id)
