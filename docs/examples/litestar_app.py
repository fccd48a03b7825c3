"""A receiver in a Litestar application.

$ uvicorn litestar_app:app

Webex posts to https://bot.example.com/webex
"""

import os
from typing import Any

from litestar import Litestar, Request, Response, post

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


@post("/webex")
async def webex(request: Request[Any, Any, Any]) -> Response[None]:
    """Pass a request on to the receiver."""
    status = await receiver.handle(await request.body(), request.headers)
    return Response(None, status_code=status)


# As a lifespan, the receiver finishes the accepted notifications before the server stops.
app = Litestar([webex], lifespan=[receiver])
