"""A receiver mounted in a Starlette application.

$ uvicorn starlette_app:app

Webex posts to https://bot.example.com/webex/
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """Finish the accepted notifications before the server stops."""
    async with receiver:
        yield


app = Starlette(routes=[Mount("/webex", receiver)], lifespan=lifespan)
