"""A bot in a Flask application, which has no event loop.

$ flask --app flask_bot run
$ gunicorn --preload --workers 2 flask_bot:app

Webex posts to https://bot.example.com/webex

The receiver and the client use one event loop, which runs in its own thread. It starts with the
first request: a server may import this module in one process, and handle requests in others.
"""

import asyncio
import atexit
import os
from collections.abc import Coroutine
from functools import cache
from threading import Lock, Thread
from typing import Any, TypeVar

from flask import Flask, Response, request

from webex_webhooks_async import Client, MessageData, Notification, Receiver

T = TypeVar("T")

client = Client.from_env()
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
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
    return Response(status=run(receiver.handle(request.get_data(), request.headers)))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the event loop of this process, and wait for its result."""
    with starting:
        loop = event_loop()
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


starting = Lock()


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Start the event loop of this process in a thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    atexit.register(stop, loop, thread)
    return loop


def stop(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    """Close the receiver and the client in their event loop, then stop it."""
    asyncio.run_coroutine_threadsafe(close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def close() -> None:
    """Finish what is in progress, and close the connections."""
    await receiver.aclose()
    await client.aclose()
