"""Notifications without a sandbox, for tests of what receives them."""

from collections.abc import Mapping
from typing import Any

import httpx

from webex_webhooks_async.models.vocabulary import OwnedBy, WebhookStatus
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.signatures import sign
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.testing.service.events import (
    WebexEvent,
    actor_of,
    check_concrete,
    fake_data,
)
from webex_webhooks_async.testing.service.formats import (
    system_clock,
    to_utc_milliseconds,
    tracking_id,
    webex_id,
    without_nones,
)
from webex_webhooks_async.testing.service.sandbox_person import fake_person


def sample_notification(
    resource: str, event: str, *, data: Mapping[str, Any] | None = None, **envelope: object
) -> bytes:
    """The body of a notification as Webex sends it, distinct each time.

    >>> body = sample_notification("messages", "created", data={"roomId": "Y2lz..."})

    The arguments are those of `Sandbox.emit`, with the data laid over a sample; the others are laid
    over what is around the data, such as ``orgId`` or ``actorId``.

    Raises:
        ValueError: The resource or the event is ``all``: no notification says that.
    """
    check_concrete(resource, event)
    given = dict(data or {})
    subject = fake_person(person_id=given.get("personId") or given.get("creatorId"))
    now = system_clock()
    happened = WebexEvent(
        resource=resource,
        event=event,
        actor_id=actor_of(resource, None, subject),
        data=without_nones(
            {**fake_data(resource, event, given, subject=subject, now=now), **given}
        ),
    )
    webhook = Webhook(
        id=webex_id("WEBHOOK"),
        name="Sample",
        target_url="https://example.com/webhook-receiver",
        resource=resource,
        event=event,
        status=WebhookStatus.ACTIVE,
        created=to_utc_milliseconds(now),
        owned_by=OwnedBy.CREATOR,
        org_id=webex_id("ORGANIZATION"),
        created_by=webex_id("PEOPLE"),
        app_id=webex_id("APPLICATION"),
    )
    return dump_json(without_nones({**happened.notification_for(webhook), **envelope}))


def signed_request(url: str, body: bytes, secret: str | None) -> httpx.Request:
    """The request with which Webex would deliver a body, with the signatures of the secret.

    >>> request = signed_request("https://bot.example.com/webex", b"{}", "secret")
    >>> request.headers["X-Spark-Signature"]
    '5d61605c3feea9799210ddcb71307d4ba264225f'

    With None as the secret, as of a webhook without one, it isn't signed. The other headers are
    those that a generator of Cisco's staff sends; no delivery of Webex was recorded with headers.

    Raises:
        ValueError: The secret is empty.
        httpx.InvalidURL: `url` isn't a URL.
    """
    signatures = {} if secret is None else sign(body, secret)
    headers = {
        "Content-Type": "application/json;charset=UTF-8",
        "User-Agent": "SparkWebhook/1.0",
        "TrackingID": tracking_id(),
        **signatures,
    }
    return httpx.Request("POST", url, content=body, headers=headers)
