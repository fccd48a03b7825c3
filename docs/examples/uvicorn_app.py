"""A receiver alone, served by uvicorn.

$ uvicorn uvicorn_app:receiver

Webex posts to https://bot.example.com/
"""

import os

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)
