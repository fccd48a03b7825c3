"""A bot that also writes by itself: every day at the same time.

$ uvicorn reminding_bot:app

ROOM_ID is the room that it reminds. The bot has to be a member.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.routing import Mount

from webex_webhooks_async import Bot, MessageContext, WebexError

logger = logging.getLogger(__name__)
bot = Bot.from_env()


@bot.message()
async def echo(context: MessageContext) -> None:
    await context.reply(f"You said: {context.text}")


async def remind() -> None:
    """Remind the room every day at 11:45."""
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    due = now.replace(hour=11, minute=45, second=0, microsecond=0)
    if due < now:
        due += timedelta(days=1)
    while True:
        await sleep_until(due)
        try:
            await bot.send("Lunch?", room_id=os.environ["ROOM_ID"])
        except WebexError:
            logger.exception("nobody was reminded of lunch")
        due += timedelta(days=1)


async def sleep_until(due: datetime) -> None:
    await asyncio.sleep(due.timestamp() - time.time())


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    async with bot:
        reminding = asyncio.create_task(remind())
        yield
        reminding.cancel()


app = Starlette(routes=[Mount("/", bot)], lifespan=lifespan)
