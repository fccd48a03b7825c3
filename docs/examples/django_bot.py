"""A bot in a Django view.

$ uvicorn django_bot:app

Webex posts to https://bot.example.com/webex

An async view runs in the server's event loop, so the receiver and the client run there. Under a
WSGI server Django makes a loop for each request: run a loop in a thread, as flask_bot.py does.
"""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from webex_webhooks_async import Client, MessageData, Notification, Receiver

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY=os.environ["SECRET_KEY"])
django.setup()

client = Client.from_env()
receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)


@receiver.on("messages", "created")
async def echo(notification: Notification[MessageData]) -> None:
    """Reply to a message."""
    message = await client.fetch(notification)
    reply = {"roomId": message.room_id, "text": f"You said: {message.text or 'nothing'}"}
    await client.post("messages", json=reply)


@csrf_exempt
@require_POST
async def webex(request: HttpRequest) -> HttpResponse:
    """Pass a request on to the receiver."""
    return HttpResponse(status=await receiver.handle(request.body, request.headers))


urlpatterns = [path("webex", webex)]
app = get_asgi_application()
