"""A receiver mounted in a FastAPI application.

$ uvicorn fastapi_app:app

Webex posts to https://bot.example.com/webex/
"""

import os

from fastapi import FastAPI

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource, lifespan_of

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


# The receiver finishes the accepted notifications before the server stops.
app = FastAPI(lifespan=lifespan_of(receiver))
app.mount("/webex", receiver)
