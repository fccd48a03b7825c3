"""A receiver in an aiohttp application.

$ python aiohttp_app.py

Webex posts to https://bot.example.com/webex
"""

import os
from collections.abc import AsyncGenerator

from aiohttp import web

from webex_webhooks_async import Event, MessageData, Notification, Receiver, Resource

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], respond_within=0)


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def on_message(notification: Notification[MessageData]) -> None:
    """Handle a message."""
    print(notification.data.person_email, "wrote", notification.data.id)


async def webex(request: web.Request) -> web.Response:
    """Pass a request on to the receiver."""
    return web.Response(status=await receiver.handle(await request.read(), request.headers))


async def receiving(_: web.Application) -> AsyncGenerator[None]:
    """Finish the accepted notifications before the server stops."""
    async with receiver:
        yield


app = web.Application()
app.router.add_post("/webex", webex)
app.cleanup_ctx.append(receiving)

if __name__ == "__main__":
    web.run_app(app)
