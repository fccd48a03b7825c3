"""A bot in a Flask application, which has no event loop.

$ flask --app flask_bot run
$ gunicorn --preload --workers 2 flask_bot:app

Webex posts to https://bot.example.com/webex, which is the PUBLIC_URL.

The bot uses one event loop, which runs in its own thread. It starts with the first request: a
server may import this module in one process, and handle requests in others. So let your service
manager or load balancer look at /health: that makes the webhooks, too.
"""

import asyncio
import atexit
from collections.abc import Coroutine
from functools import cache
from threading import Lock, Thread
from typing import Any, TypeVar

from flask import Flask, Response, request

from webex_webhooks_async import Bot, MessageContext

T = TypeVar("T")

bot = Bot.from_env()
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1_048_576  # the bot's own limit; Flask has none


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text or 'nothing'}")


@app.post("/webex")
def webex() -> Response:
    """Pass a request on to the bot, and wait for its status."""
    started()
    return Response(status=run(bot.handle(request.get_data(), request.headers)))


@app.get("/health")
def health() -> str:
    """Say who is at work."""
    started()
    return str(bot.me.display_name)


def started() -> None:
    """Start the bot in this process, if it isn't."""
    with starting:
        event_loop()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the event loop of this process, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop()).result()


starting = Lock()


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Start the event loop of this process in a thread, and the bot in it."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(bot.__aenter__(), loop).result()
    atexit.register(stop, loop, thread)
    return loop


def stop(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    """Finish what is in progress, close the connections, and stop the event loop."""
    asyncio.run_coroutine_threadsafe(bot.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
