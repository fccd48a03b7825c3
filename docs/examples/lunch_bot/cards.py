"""The card, and what happens when someone submits it."""

from webex_webhooks_async import AttachmentActionData, Client, Notification, Router

LUNCH = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "Input.Text", "id": "dish", "placeholder": "Pasta"}],
        "actions": [{"type": "Action.Submit", "title": "Order"}],
    },
}


def router(client: Client) -> Router:
    """Return the handlers of card submissions."""
    router = Router()

    @router.on("attachmentActions", "created")
    async def confirm(notification: Notification[AttachmentActionData]) -> None:
        action = await client.fetch(notification)
        dish = (action.inputs or {}).get("dish") or "nothing"
        await client.post("messages", json={"roomId": action.room_id, "text": f"Ordered: {dish}"})

    return router
