"""A bot in a Flask application, which has no event loop.

$ flask --app flask_bot run

Webex posts to https://bot.example.com/webex

The receiver and the client use one event loop, which runs in its own thread.
"""

import asyncio
import atexit
import os
from threading import Thread

from flask import Flask, Response, request

from webex_webhooks_async import Client, MessageData, Notification, Receiver

client = Client.from_env()
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
loop = asyncio.new_event_loop()
thread = Thread(target=loop.run_forever, daemon=True)
thread.start()

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1_048_576  # the receiver's own limit; Flask has none


@receiver.on("messages", "created")
async def echo(notification: Notification[MessageData]) -> None:
    """Reply to a message."""
    message = await client.fetch(notification)
    reply = {"roomId": message.room_id, "text": f"You said: {message.text or 'nothing'}"}
    await client.post("messages", json=reply)


@app.post("/webex")
def webex() -> Response:
    """Pass a request on to the receiver, and wait for its status."""
    handling = receiver.handle(request.get_data(), request.headers)
    return Response(status=asyncio.run_coroutine_threadsafe(handling, loop).result())


async def close() -> None:
    """Finish what is in progress, and close the connections."""
    await receiver.aclose()
    await client.aclose()


@atexit.register
def stop() -> None:
    """Close the receiver and the client in their event loop, then stop it."""
    asyncio.run_coroutine_threadsafe(close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
