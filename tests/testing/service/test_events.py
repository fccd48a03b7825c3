from tests.testing.doubles import webhook
from webex_webhooks_async.testing.service.events import WebexEvent


def test_the_notification() -> None:
    """The envelope is the webhook's, without its secret, with the event, its actor and its data."""
    event = WebexEvent(
        resource="messages", event="created", actor_id="P", data={"id": "M", "roomId": "R"}
    )
    watching = webhook(
        resource="all", event="all", filter="roomId=R", secret="s3cret", status="active", org_id="O"
    )

    assert event.notification_for(watching) == {
        "id": "W1",
        "name": "Messages",
        "targetUrl": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
        "filter": "roomId=R",
        "status": "active",
        "ownedBy": "creator",
        "createdBy": "BOT",
        "orgId": "O",
        "actorId": "P",
        "data": {"id": "M", "roomId": "R"},
    }


def test_without_an_actor() -> None:
    """The notification of an alert has no actor."""
    alert = WebexEvent(resource="videoMeshAlerts", event="triggered", actor_id=None, data={})

    assert "actorId" not in alert.notification_for(webhook())
