"""A bot with an inbox, which says what it does: `uvicorn --app-dir tests/chaos inbox_bot:bot`."""

import asyncio
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from webex_webhooks_async import Bot, MessageContext, SQLiteInbox, once

logging.basicConfig(level=logging.WARNING)

WORK = float(os.environ["WORK"])  # seconds that a handler takes
INBOX = Path(os.environ["INBOX"])

bot = Bot.from_env(
    secrets=os.environ["WEBEX_WEBHOOK_SECRET"],  # it has spaces
    inbox=SQLiteInbox(INBOX, lease=float(os.environ["LEASE"])),
    max_pending=20,
)


@bot.message()
async def work(context: MessageContext) -> None:
    """Say when the work begins and when it is done; reply twice, and create a row."""
    message_id = context.message.id
    print("begins", message_id, flush=True)  # noqa: T201 - what it is for
    await context.reply(f"{message_id} has come")
    await once("row", lambda: asyncio.to_thread(create_row, message_id))
    await asyncio.sleep(WORK)
    await context.reply(f"{message_id} is done")
    print("handled", message_id, flush=True)  # noqa: T201 - the same


def create_row(message_id: str) -> None:
    """Create a row that another system would have, which nothing keeps from coming twice."""
    with closing(sqlite3.connect(INBOX.with_name("rows.db"), timeout=60)) as rows, rows:
        rows.execute("CREATE TABLE IF NOT EXISTS rows (message_id)")
        rows.execute("INSERT INTO rows VALUES (?)", [message_id])
