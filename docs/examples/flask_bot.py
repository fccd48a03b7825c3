"""A bot in a Flask application, which has no event loop.

$ flask --app flask_bot run
$ gunicorn --preload --workers 2 flask_bot:app

Webex posts to https://bot.example.com/webex, which is the PUBLIC_URL.

The bot has an event loop in a thread of its own. Both start with the first request, because a
server may import this module in one process and handle requests in others. So let your service
manager call /health after the start, which makes the webhooks, and restart the process if that
isn't a 200: a bot that failed to start can't start again.
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
    return Response(status=run(bot.handle(request.get_data(), request.headers)))


@app.get("/health")
def health() -> str:
    """Say who is at work."""
    event_loop()
    return str(bot.me.display_name)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the event loop of this process, and wait for its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop()).result()


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process, with the bot started in it."""
    with starting:  # one request at a time
        return started()


starting = Lock()


@cache
def started() -> asyncio.AbstractEventLoop:
    """Start an event loop in a thread, and the bot in it."""
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
