"""A receiver mounted in a FastAPI application.

$ uvicorn fastapi_app:app

Webex posts to https://bot.example.com/webex/
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Finish the accepted notifications before the server stops."""
    async with receiver:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/webex", receiver)
