"""Offers lunch to everyone who writes."""

from webex_webhooks_async import Client, MessageData, Notification, Router

from .cards import LUNCH


def router(client: Client) -> Router:
    """Return the handlers of messages."""
    router = Router()

    @router.on("messages", "created")
    async def offer(notification: Notification[MessageData]) -> None:
        message = await client.fetch(notification)
        reply = {
            "roomId": message.room_id,
            "parentId": message.parent_id or message.id,
            "text": "What would you like?",
            "attachments": [LUNCH],
        }
        await client.post("messages", json=reply)

    return router
