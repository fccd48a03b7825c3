"""The steps of the demo, which shows the code of each function as it is here, and runs it."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

import httpx

from webex_webhooks_async.bot.bot import Bot
from webex_webhooks_async.bot.contexts.contexts import MessageContext, SubmissionContext
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.pagination import Page
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.testing import Delivery, Sandbox, signed_request

MORE = (Resource.MEMBERSHIPS, Resource.ROOMS, Resource.ATTACHMENT_ACTIONS)

NOWHERE = "https://webex-webhooks.invalid/receiver"
"""Where the webhooks of the demo point to: a host that can't exist, so nobody gets anything."""


CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish", "placeholder": "Pasta"}],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}],
}


def make_bot(client: Client, target_url: str, secret: str) -> Bot:
    """A bot. It makes its webhooks when it starts, one for messages and one for cards."""
    bot = Bot(client, secret, target_url=target_url)

    @bot.command("lunch")
    async def lunch(context: MessageContext) -> None:
        await context.reply("Lunch?", card=CARD)

    @bot.submission("order")
    async def order(context: SubmissionContext) -> None:
        await context.reply(f"One {context.inputs['dish']}, please!")

    return bot  # an ASGI application


async def write(sandbox: Sandbox) -> Message:
    """Someone writes to the bot. Webex notifies it, and it replies with a card."""
    await sandbox.say("lunch")
    return await sandbox.next_reply()


async def submit(sandbox: Sandbox, card: Message) -> Message:
    """The person submits the card. The bot is notified of that, too."""
    await sandbox.submit(card.id, {"dish": "pizza"})
    return await sandbox.next_reply()


async def list_first_page(client: Client) -> Page[Webhook]:
    """List the webhooks."""
    return await client.webhooks.list(max=10)


async def create(client: Client, name: str, target_url: str, secret: str) -> Webhook:
    """Create a webhook."""
    return await client.webhooks.create(
        NewWebhook(
            name=name,
            target_url=target_url,
            resource=Resource.MESSAGES,
            event=Event.CREATED,
            secret=secret,
        )
    )


async def get(client: Client, webhook_id: str) -> Webhook:
    """Get it by its id."""
    return await client.webhooks.get(webhook_id)


async def update(client: Client, webhook: Webhook) -> Webhook:
    """Update it. A PUT that starts from the current state loses nothing."""
    return await client.webhooks.update(
        webhook.id, WebhookUpdate.of(webhook, target_url=f"{NOWHERE}/v2")
    )


async def create_more(client: Client, name: str) -> list[Webhook]:
    """Create some more, for other resources."""
    return [
        await client.webhooks.create(
            NewWebhook(
                name=f"{name} {resource}",
                target_url=NOWHERE,
                resource=resource,
                event=Event.CREATED,
            )
        )
        for resource in MORE
    ]


async def list_pages(client: Client) -> AsyncGenerator[Page[Webhook]]:
    """List page by page. The token is never sent to another host."""
    async for page in client.webhooks.list(max=2).pages():
        yield page


async def fail(client: Client) -> Webhook:
    """Meet an error. Its text has the tracking id that Webex's support asks for."""
    return await client.webhooks.get("an-id-that-nothing-has")


async def retry(client: Client, webhook_id: str) -> Webhook:
    """Wait after a 429. Webex says how long, and the client retries then."""
    return await client.webhooks.get(webhook_id)


async def delete(client: Client, webhooks: Iterable[Webhook]) -> None:
    """Delete the webhooks."""
    for webhook in webhooks:
        await client.webhooks.delete(webhook.id)


def receive(secret: str, report: Callable[[Notification[MessageData]], None]) -> Receiver:
    """Receive notifications. A receiver verifies, parses, and handles each once."""
    receiver = Receiver(secret)

    @receiver.on(Resource.MESSAGES, Event.CREATED)
    async def respond(notification: Notification[MessageData]) -> None:
        report(notification)

    return receiver  # an ASGI application


async def emit(sandbox: Sandbox) -> Delivery:
    """Someone writes a message. Webex signs a notification, and sends it."""
    (delivery,) = await sandbox.emit(Resource.MESSAGES, Event.CREATED)
    return delivery


async def forge(http_client: httpx.AsyncClient, delivery: Delivery) -> httpx.Response:
    """Forge a notification. Without the secret, its signature is wrong."""
    return await http_client.send(signed_request(delivery.url, delivery.body, "a guess"))


async def repeat(http_client: httpx.AsyncClient, delivery: Delivery) -> httpx.Response:
    """Send the first one again. The receiver knows it, and doesn't handle it twice."""
    return await http_client.post(delivery.url, content=delivery.body, headers=delivery.headers)
