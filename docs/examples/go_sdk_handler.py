"""The handler for webhooks in the README of the Go SDK for Webex, as a receiver.

$ uvicorn go_sdk_handler:receiver --port 8080

Webex posts to https://bot.example.com/webhook-receiver

The original accepts a request without a signature, compares signatures in a time that depends on
how much of a guess is right, and reads a body of any size. The receiver does none of that.
"""

from webex_webhooks_async import (
    Event,
    MembershipData,
    MessageData,
    Notification,
    Receiver,
    Resource,
)
from webex_webhooks_async.types import NotificationData

receiver = Receiver("mySecretToValidateRequests")


@receiver.on()
async def received(notification: Notification[NotificationData]) -> None:
    """Print every event."""
    print(f"Received webhook: {notification.resource} - {notification.event}")


@receiver.on(Resource.MESSAGES, Event.CREATED)
async def message_created(notification: Notification[MessageData]) -> None:
    """Print a new message."""
    print(f"New message from {notification.data.person_email} in room {notification.data.room_id}")


@receiver.on(Resource.MEMBERSHIPS)
async def membership_changed(notification: Notification[MembershipData]) -> None:
    """Print who joins or leaves, or becomes a moderator."""
    print(f"Membership event: {notification.event}")
