"""Something that happened at Webex, and the notification of it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization import to_wire
from webex_webhooks_async.testing.people import Person, webex_id
from webex_webhooks_async.testing.sample_data import sample_data

_ALERTS = frozenset({Resource.CONTROL_HUB_ALERTS, Resource.VIDEO_MESH_ALERTS})


@frozen(kw_only=True)
class Occurrence:
    """Something that happened.

    Attributes:
        resource: What it happened to: a concrete resource.
        event: What happened: a concrete event.
        actor_id: Who did it; None for an alert, which nobody did.
        data: What a notification tells of it, by the keys on the wire.
    """

    resource: str
    event: str
    actor_id: str | None
    data: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        resource: str,
        event: str,
        data: Mapping[str, Any] | None,
        *,
        actor: Person | None,
        now: datetime,
    ) -> "Occurrence":
        """Something that happens now, its data laid over a sample.

        Raises:
            ValueError: The resource or the event is ``all``: no notification says that.
        """
        if Resource.ALL in {resource, event}:
            raise ValueError(
                f"a notification is of a concrete resource and event, got {resource} {event}"
            )
        given = dict(data or {})
        doer = actor or Person.made_up(given.get("personId") or given.get("creatorId"))
        sample = sample_data(resource, event, actor=doer, now=now)
        if sample is None:
            sample = {} if given else {"id": webex_id(resource.upper())}
        return cls(
            resource=resource,
            event=event,
            actor_id=doer.id if actor or resource not in _ALERTS else None,
            data=without_nones({**sample, **given}),
        )

    def notification_for(self, webhook: Webhook) -> dict[str, Any]:
        """The notification that a webhook gets of it, by the keys on the wire."""
        of_webhook: dict[str, Any] = to_wire(webhook)
        of_webhook.pop("secret", None)
        return without_nones(
            {
                **of_webhook,
                "resource": self.resource,
                "event": self.event,
                "actorId": self.actor_id,
                "data": self.data,
            }
        )


def without_nones(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that are there: None stands for absence."""
    return {key: value for key, value in members.items() if value is not None}


def encode(notification: Mapping[str, Any]) -> bytes:
    """The body of a notification's request."""
    return json.dumps(notification, separators=(",", ":"), allow_nan=False).encode()
