"""A bot in a Django view.

$ uvicorn django_bot:application

Webex posts to https://bot.example.com/webex, which is the WEBEX_TARGET_URL.

An async view runs in the server's event loop, so the bot runs there. Under a WSGI server Django
makes a loop for each request: use a ReceiverThread, as flask_bot.py does.
"""

import os
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from webex_webhooks_async import Bot, MessageContext

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY=os.environ["SECRET_KEY"])
django.setup()

bot = Bot.from_env()


@bot.message()
async def echo(context: MessageContext) -> None:
    """Reply to a message."""
    await context.reply(f"You said: {context.text or 'nothing'}")


@csrf_exempt
@require_POST
async def webex(request: HttpRequest) -> HttpResponse:
    """Pass a request on to the bot."""
    return HttpResponse(status=await bot.handle(request.body, request.headers))


urlpatterns = [path("webex", webex)]
app = get_asgi_application()


async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
    """Start and end the bot with the server, which Django doesn't; leave the rest to Django."""
    serve = bot if scope["type"] == "lifespan" else app
    await serve(scope, receive, send)
