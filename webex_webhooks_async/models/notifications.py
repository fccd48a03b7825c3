"""Notifications: something happened to a resource that a webhook watches.

Notifications carry ids, not content: neither the text of a message nor the inputs of a card. Fetch
those by id.

An optional field is `None`, or an empty tuple, when Webex didn't send it, or sent a value that
doesn't fit.

Facts: https://developer.webex.com/docs/receive-and-verify-webhooks and
https://developer.webex.com/docs/api/guides/webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from attrs import frozen

from webex_webhooks_async.models import extra_field
from webex_webhooks_async.models.ids import is_same

D_co = TypeVar("D_co", covariant=True)
"""The class of a notification's data."""


@frozen(kw_only=True, slots=False)
class Notification(Generic[D_co]):
    """A notification: something happened to a resource that a webhook watches.

    The other attributes are those of the `Webhook`.

    Attributes:
        id: The webhook's id. Neither the delivery nor the event has an id.
        resource: The kind of resource, usually a `Resource`, never ``all``.
        event: The event, usually an `Event`, never ``all``.
        data: The thing that it happened to: an instance of the resource's data class. It is the
            mapping that Webex sent when the resource has no data class, or when a required field of
            the data is missing or doesn't fit.
        org_id: The organization of the webhook's creator, not of who acted.
        created: When the webhook was created, not when the event happened.
        actor_id: The person who did it. Alerts have no actor, nor has a meeting that ended.
    """

    id: str
    name: str
    resource: str
    event: str
    data: D_co
    target_url: str | None = None
    filter: str | None = None
    org_id: str | None = None
    created_by: str | None = None
    app_id: str | None = None
    owned_by: str | None = None
    status: str | None = None
    created: datetime | None = None
    actor_id: str | None = None
    extra: Mapping[str, Any] = extra_field()

    @property
    def is_own_action(self) -> bool:
        """Whether the webhook's creator did it. A bot is notified of its own messages, too."""
        return bool(self.created_by) and is_same(self.actor_id, self.created_by)


@cache
def data_classes() -> Mapping[str, type[Any]]:
    """The data class of each resource that has one; the first call imports them."""
    # Imported here: attrs takes a while to make the classes, and a program that calls Webex, or
    # waits for its first notification, needs none of them.
    from webex_webhooks_async.models.notification_data import DATA_CLASSES  # noqa: PLC0415 - see above

    return DATA_CLASSES
