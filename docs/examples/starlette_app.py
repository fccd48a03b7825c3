"""A receiver mounted in a Starlette application.

$ uvicorn starlette_app:app

Webex posts to https://bot.example.com/webex/
"""

import os

from starlette.applications import Starlette
from starlette.routing import Mount

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource, lifespan_of

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


# The receiver finishes the accepted notifications before the server stops.
app = Starlette(routes=[Mount("/webex", receiver)], lifespan=lifespan_of(receiver))
