"""A bot with an inbox, which says what it does: `uvicorn --app-dir tests/chaos inbox_bot:app`."""

import asyncio
import logging
import os

from webex_webhooks_async import (
    Event,
    MessageData,
    Notification,
    Receiver,
    Resource,
    SQLiteInbox,
)

logging.basicConfig(level=logging.WARNING)

WORK = float(os.environ["WORK"])  # seconds that a handler takes

app = Receiver(
    os.environ["WEBEX_WEBHOOK_SECRET"],
    inbox=SQLiteInbox(os.environ["INBOX"], lease=float(os.environ["LEASE"])),
    max_pending=20,
)


@app.on(Resource.MESSAGES, Event.CREATED)
async def work(notification: Notification[MessageData]) -> None:
    """Say when the work begins and when it is done."""
    print("begins", notification.data.id, flush=True)  # noqa: T201 - what it is for
    await asyncio.sleep(WORK)
    print("handled", notification.data.id, flush=True)  # noqa: T201 - the same
