"""A receiver in a Quart application.

$ hypercorn quart_app:app

Webex posts to https://bot.example.com/webex
"""

import os
from collections.abc import AsyncGenerator

from quart import Quart, Response, request

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


app = Quart(__name__)


@app.post("/webex")
async def webex() -> Response:
    """Pass a request on to the receiver."""
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    return Response(status=await receiver.handle(body, request.headers))


@app.while_serving
async def receiving() -> AsyncGenerator[None]:
    """Finish the accepted notifications before the server stops."""
    async with receiver:
        yield
