"""Something that happened in the simulated Webex, and its notification."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.sample_data import sample_data
from webex_webhooks_async.testing.service.shared.wire import webex_id

_ALERTS = frozenset({Resource.CONTROL_HUB_ALERTS, Resource.VIDEO_MESH_ALERTS})


@frozen(kw_only=True)
class WebexEvent:
    """Something that happened.

    Attributes:
        resource: What it happened to: a concrete resource.
        event: What happened: a concrete event.
        actor_id: Who did it; None for an alert, which has no actor.
        data: The notification's data, by the keys on the wire.
        audience: The ids of the persons whose webhooks are notified; None for everyone's.
    """

    resource: str
    event: str
    actor_id: str | None
    data: Mapping[str, Any]
    audience: frozenset[str] | None = None

    def notification_for(self, webhook: Webhook) -> dict[str, Any]:
        """The notification that a webhook gets, by the keys on the wire."""
        of_webhook: dict[str, Any] = unstructure(webhook)
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


def fake_data(
    resource: str, event: str, given: Mapping[str, Any], *, subject: SandboxPerson, now: datetime
) -> dict[str, Any]:
    """Sample data, or for a resource without a sample, the id that `given` lacks altogether."""
    sample = sample_data(resource, event, actor=subject, now=now)
    if sample is None:
        sample = {} if given else {"id": webex_id(resource.upper())}
    return sample


def actor_of(resource: str, actor_id: str | None, subject: SandboxPerson) -> str | None:
    """Who acts: the given actor, or the person that the data is about; an alert has no actor."""
    return actor_id or (None if resource in _ALERTS else subject.id)


def check_concrete(resource: str, event: str) -> None:
    """Refuse ``all``.

    Raises:
        ValueError: The resource or the event is ``all``.
    """
    if Resource.ALL in {resource, event}:
        raise ValueError(
            f"a notification is of a concrete resource and event, got {resource} {event}"
        )


def without_nones(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that are present: one that is None is absent."""
    return {key: value for key, value in members.items() if value is not None}
