"""Webhooks: one that exists, one to create, and one to update.

Facts: https://developer.webex.com/docs/api/v1/webhooks and
https://developer.webex.com/docs/register-and-manage-webhooks
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast

import attrs
from attrs import field, frozen

from webex_webhooks_async.formatting import short_id
from webex_webhooks_async.models import extra_field
from webex_webhooks_async.models.vocabulary import warn_if_misspelled
from webex_webhooks_async.validation import check_keywords, check_text, check_type, check_url

T = TypeVar("T")


@frozen(kw_only=True, slots=False)
class Webhook:
    """A webhook that exists.

    An optional field is `None` when Webex didn't send it, or sent a value that doesn't fit.

    Attributes:
        id: An opaque id: compare it, never parse it.
        target_url: The URL that Webex posts notifications to.
        resource: The resource that it watches, usually a `Resource`.
        event: The event that it watches for, usually an `Event`.
        filter: The conditions of an event, such as ``roomId=Y2lz...``, joined by ``&``.
        secret: The key that notifications are signed with. Webex returns it in clear text.
        status: Whether Webex calls it, usually a `WebhookStatus`.
        created: When it was created; aware.
        owned_by: Whose events it watches, usually an `OwnedBy`.
        org_id: The organization of its creator.
        created_by: The person or bot that created it.
        app_id: The application whose token created it.
        extra: Unknown keys, and optional values that don't fit, by their names in JSON.
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


@frozen(kw_only=True)
class UnreadableWebhook:
    """An item of a list that isn't a webhook that can be read."""

    id: str | None
    name: str | None
    problems: tuple[str, ...]  # the values that don't fit, with their paths in the page

    def __str__(self) -> str:
        known = None if self.id is None else short_id(self.id)
        which = "without an id that can be read" if known is None else f"with the id {known!r}"
        return f"{', '.join(self.problems)} (in the webhook {which})"


def _text(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    check_text(attribute.name, value)
    if not value:
        remedy = "leave it out" if attribute.default is None else "Webex requires it"
        raise ValueError(f"{attribute.name} is empty; {remedy}")


def _absolute_url(_: object, attribute: "attrs.Attribute[Any]", value: str) -> None:
    check_url(attribute.name, value)


def conditions_of(filter_: str | None) -> tuple[tuple[str, str], ...]:
    """The conditions of a filter, all of which must hold: their keys and values."""
    parts = [part.partition("=") for part in filter_.split("&")] if filter_ else []
    return tuple((key, value) for key, _, value in parts)


def _checking_keywords(cls: type[T]) -> type[T]:
    """Make the class name the right keyword in its error for one in camelCase."""
    init: Callable[..., None] = cls.__init__
    known = [each.name for each in attrs.fields(cast("Any", cls))]

    @wraps(init)
    def checking_init(self: T, *args: object, **fields: object) -> None:
        check_keywords(cls.__name__, fields, known)
        init(self, *args, **fields)

    cls.__init__ = checking_init  # type: ignore[method-assign, assignment] # of a class that attrs makes
    return cls


_optional_text = attrs.validators.optional(_text)


@_checking_keywords
@frozen(kw_only=True)
class NewWebhook:
    """A webhook to create.

    Attributes:
        target_url: The absolute http(s) URL that Webex posts notifications to.
        resource: The resource to watch, usually a `Resource`.
        event: The event to watch for, usually an `Event`.
        filter: The conditions of an event, such as ``roomId=Y2lz...``, joined by ``&``.
        secret: The key to sign notifications with. Without it, nothing proves where they come from.
        owned_by: Whose events to watch, usually an `OwnedBy`; by default the creator's.

    New resources and events appear without notice, so any word is taken. A word that is close
    to a known one, such as ``mesages``, is a `WebexWarning`.

    Raises:
        ValueError: A field is empty or not valid Unicode, or `target_url` isn't an absolute
            http(s) URL.
        TypeError: A field isn't a string.
    """

    name: str = field(validator=_text)
    target_url: str = field(validator=[_text, _absolute_url])
    resource: str = field(validator=_text)
    event: str = field(validator=_text)
    filter: str | None = field(default=None, validator=_optional_text)
    secret: str | None = field(default=None, validator=_optional_text, repr=False)
    owned_by: str | None = field(default=None, validator=_optional_text)

    def __attrs_post_init__(self) -> None:
        warn_if_misspelled(self.resource, self.event, stacklevel=4)


class WebhookChanges(TypedDict, total=False):
    """The fields of a webhook that an update can change."""

    name: str
    target_url: str
    secret: str | None
    status: str | None


@_checking_keywords
@frozen(kw_only=True)
class WebhookUpdate:
    """An update of a webhook. It is a PUT, so `name` and `target_url` are always sent.

    Attributes:
        target_url: The absolute http(s) URL that Webex posts notifications to.
        secret: The key to sign notifications with. It isn't documented whether leaving it out
            keeps the old one, so send it whenever you know it.
        status: ``active`` makes Webex call a disabled webhook again.

    Raises:
        ValueError: A field is empty or not valid Unicode, or `target_url` isn't an absolute
            http(s) URL.
        TypeError: A field isn't a string.
    """

    name: str = field(validator=_text)
    target_url: str = field(validator=[_text, _absolute_url])
    secret: str | None = field(default=None, validator=_optional_text, repr=False)
    status: str | None = field(default=None, validator=_optional_text)

    @classmethod
    def of(cls, webhook: Webhook, **changes: Unpack[WebhookChanges]) -> Self:
        """Make an update from a webhook and some changes, so that the PUT loses nothing.

        Raises:
            TypeError: `webhook` isn't a `Webhook`, or `changes` has an unknown field, or one that
                can't change: resource, event, filter or owned_by.
            ValueError: A field is empty or not valid Unicode, or the URL isn't absolute.
        """
        check_type("webhook", webhook, Webhook)
        known = [each.name for each in attrs.fields(Webhook)]
        check_keywords("WebhookUpdate.of", changes, known)
        fixed = changes.keys() - WebhookChanges.__annotations__.keys()
        if fixed:
            raise TypeError(
                f"{', '.join(sorted(fixed))} can't change, only "
                f"{', '.join(WebhookChanges.__annotations__)} can: delete the webhook and create "
                "another"
            )
        return cls(
            name=changes.get("name", webhook.name),
            target_url=changes.get("target_url", webhook.target_url),
            secret=changes.get("secret", webhook.secret or None),
            status=changes.get("status", webhook.status or None),
        )
