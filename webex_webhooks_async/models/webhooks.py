"""Webhooks as Webex knows them, and the words that it uses for them.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import attrs
from attrs import field, frozen

from webex_webhooks_async.models.extra import extra_field
from webex_webhooks_async.models.spelling import warn_if_misspelled
from webex_webhooks_async.validation import check_text


@frozen(kw_only=True)
class Webhook:
    """A webhook that is there.

    Attributes:
        id: Opaque: compare it, never parse it.
        name: What its creator calls it.
        target_url: Where Webex posts notifications to.
        resource: What is watched, usually a `Resource`.
        event: What must happen, usually an `Event`.
        filter: Which of those events, such as ``roomId=Y2lz...``; joined by ``&``.
        secret: The key that notifications are signed with. Webex returns it in clear text.
        status: Usually a `Status`.
        created: When the webhook was made; aware.
        owned_by: Usually an `OwnedBy`.
        org_id: The organization of the webhook's creator.
        created_by: The person or bot that made it.
        app_id: The application whose token it was made with.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    name: str
    target_url: str
    resource: str
    event: str
    filter: str | None = None
    secret: str | None = field(default=None, repr=False)
    status: str | None = None
    created: datetime | None = None
    owned_by: str | None = None
    org_id: str | None = None
    created_by: str | None = None
    app_id: str | None = None
    extra: Mapping[str, Any] = extra_field()


def _text(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    check_text(attribute.name, value)
    if not value:
        remedy = "leave it out" if attribute.default is None else "Webex requires it"
        raise ValueError(f"{attribute.name} is empty; {remedy}")


def _absolute_url(_: object, attribute: "attrs.Attribute[Any]", value: str) -> None:
    try:
        parts = urlsplit(value)
        absolute = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _port = parts.port  # raises for one that is no number, or out of range
    except ValueError:
        absolute = False
    if not absolute or " " in value or not value.isprintable():
        raise ValueError(f"{attribute.name} must be an absolute http(s) URL, got {value!r}")


_optional_text = attrs.validators.optional(_text)


@frozen(kw_only=True)
class NewWebhook:
    """A webhook to make.

    Attributes:
        name: What to call it.
        target_url: Where Webex shall post notifications to; an absolute http(s) URL.
        resource: What to watch, usually a `Resource`.
        event: What must happen, usually an `Event`.
        filter: Which of those events, such as ``roomId=Y2lz...``; joined by ``&``.
        secret: The key to sign notifications with. Without one nothing proves where they come from.
        owned_by: Usually an `OwnedBy`; the service's default is the creator.

    New resources and events appear without notice, so any word is taken. One that is one typo away
    from a known one, such as ``mesages``, is a `UserWarning`.

    Raises:
        ValueError: A field is empty or no valid Unicode, or `target_url` is no absolute http(s)
            URL.
        TypeError: A field is no string.
    """

    name: str = field(validator=_text)
    target_url: str = field(validator=[_text, _absolute_url])
    resource: str = field(validator=_text)
    event: str = field(validator=_text)
    filter: str | None = field(default=None, validator=_optional_text)
    secret: str | None = field(default=None, validator=_optional_text, repr=False)
    owned_by: str | None = field(default=None, validator=_optional_text)

    def __attrs_post_init__(self) -> None:
        warn_if_misspelled(self.resource, self.event)


class WebhookChanges(TypedDict, total=False):
    """What can change in a webhook's life."""

    name: str
    target_url: str
    secret: str | None
    status: str | None


@frozen(kw_only=True)
class WebhookUpdate:
    """What a webhook shall become. An update is a PUT: `name` and `target_url` are always sent.

    Attributes:
        name: What to call it.
        target_url: Where Webex shall post notifications to; an absolute http(s) URL.
        secret: The key to sign notifications with. Whether leaving it out keeps the old one is
            not documented: send it whenever it is known.
        status: ``active`` switches a webhook on again.

    Raises:
        ValueError: A field is empty or no valid Unicode, or `target_url` is no absolute http(s)
            URL.
        TypeError: A field is no string.
    """

    name: str = field(validator=_text)
    target_url: str = field(validator=[_text, _absolute_url])
    secret: str | None = field(default=None, validator=_optional_text, repr=False)
    status: str | None = field(default=None, validator=_optional_text)

    @classmethod
    def of(cls, webhook: Webhook, **changes: Unpack[WebhookChanges]) -> Self:
        """An update that starts from what is there, so that a PUT loses nothing.

        Raises:
            TypeError: `changes` names what is fixed for a webhook's life: resource, event, filter
                and owned_by. Delete the webhook and create another.
            ValueError: As when it is made directly.
        """
        fixed = changes.keys() - WebhookChanges.__annotations__.keys()
        if fixed:
            raise TypeError(
                f"{', '.join(sorted(fixed))} can't change in a webhook's life, only "
                f"{', '.join(WebhookChanges.__annotations__)}; delete it and create another"
            )
        return cls(
            name=changes.get("name", webhook.name),
            target_url=changes.get("target_url", webhook.target_url),
            secret=changes.get("secret", webhook.secret or None),
            status=changes.get("status", webhook.status or None),
        )
