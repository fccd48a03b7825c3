"""The requests about webhooks, one operation each.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar, cast

from webex_webhooks_async.client.pagination import AsyncPaginator
from webex_webhooks_async.client.resource import APIResource
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.models.webhooks import (
    NewWebhook,
    UnreadableWebhook,
    Webhook,
    WebhookUpdate,
)
from webex_webhooks_async.serialization.converter import structure
from webex_webhooks_async.serialization.strict_json import JSON
from webex_webhooks_async.validation import check_not_empty, check_text, check_type

_PATH = "webhooks"

F = TypeVar("F", bound=Callable[..., Awaitable[object]])

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


def _written_as(example: str) -> Callable[[F], F]:
    """Show how the operation is called, in the error for keywords that it doesn't have."""

    def decorate(operation: F) -> F:
        @wraps(operation)
        async def call(*args: object, **fields: object) -> object:
            try:
                called = operation(*args, **fields)
            except TypeError as error:
                raise TypeError(f"{error}: write {example}") from None
            return await called

        return cast("F", call)

    return decorate


class WebhookRequests(APIResource):
    """The operations that Webex itself has; those that keep webhooks as wanted are made of them."""

    @_written_as("create(NewWebhook(name=..., target_url=..., resource=..., event=...))")
    async def create(self, webhook: NewWebhook) -> Webhook:
        """Create a webhook.

        The request is never repeated when Webex may have processed it: after a `TransportError` or
        a `ServerError`, check whether the webhook exists.

        Raises:
            TypeError: The argument isn't a `NewWebhook`.
        """
        check_type("webhook", webhook, NewWebhook)
        return await self._send("POST", _PATH, json=webhook, into=Webhook)

    async def get(self, webhook_id: str) -> Webhook:
        """Return the webhook with this id.

        Raises:
            NotFoundError: It doesn't exist.
        """
        return await self._send("GET", _PATH, _checked(webhook_id), into=Webhook)

    @_written_as("update(webhook.id, WebhookUpdate.of(webhook, target_url=...))")
    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Change a webhook; ``status="active"`` switches it on again.

        Raises:
            NotFoundError: It doesn't exist.
            TypeError: `update` isn't a `WebhookUpdate`.
        """
        check_type("update", update, WebhookUpdate)
        return await self._send("PUT", _PATH, _checked(webhook_id), json=update, into=Webhook)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook.

        Raises:
            NotFoundError: It doesn't exist. After an attempt that may have deleted it, because its
                response was lost, nothing is raised.
        """
        await self._delete(_PATH, _checked(webhook_id))

    def list(
        self,
        *,
        max: int | None = None,  # noqa: A002 - Webex's own name for it
        owned_by: str | None = None,
        start_url: str | None = None,
        prefetch: bool = False,
    ) -> AsyncPaginator[Webhook]:
        """Return the webhooks; nothing is sent before the result is iterated or awaited.

        A webhook whose id, name, target URL, resource or event is missing or doesn't fit is left
        out. One warning per page is logged, with the id of each and what doesn't fit. An optional
        field that doesn't fit is `None`, and its value is in ``extra``.

        Args:
            max: Items a page, 1 or more; by default the service sends up to 100, which is also its
                limit.
            owned_by: ``org`` for those of the whole organization, otherwise the token owner's own.
            start_url: A kept `Page.next_url` to continue from. It has a page size and an owner of
                its own, so `max` and `owned_by` don't apply.
            prefetch: Request the next page while the caller works on this one.

        Raises:
            ValueError: `max` isn't a whole number of at least 1, `start_url` is empty, or a text
                isn't valid Unicode.
            TypeError: `owned_by` or `start_url` isn't a string.
        """
        if max is not None and (type(max) is not int or max < 1):
            raise ValueError(f"max must be a whole number of at least 1, got {max}")
        if owned_by is not None:
            check_text("owned_by", owned_by)
        params = {"max": max, "ownedBy": owned_by}
        return self._paginate(
            _read_webhooks, _PATH, params=params, start_url=start_url, prefetch=prefetch
        )

    def _scan(self, owned_by: str | None) -> AsyncPaginator[Webhook | UnreadableWebhook]:
        return self._paginate(_read, _PATH, params={"ownedBy": owned_by})


def _read_webhooks(response: Response) -> tuple[Webhook, ...]:
    return tuple(each for each in _read(response) if isinstance(each, Webhook))


def _read(response: Response) -> tuple[Webhook | UnreadableWebhook, ...]:
    """The items of a page; a warning names those that can't be read."""
    try:
        return response.items("items", Webhook)
    except DecodeError:  # in one of the items, or in the page
        items: tuple[JSON, ...] = response.items("items", None)
    webhooks = tuple(
        _read_item(each, f"$.items[{index}]", response.redact) for index, each in enumerate(items)
    )
    unreadable = [str(each) for each in webhooks if isinstance(each, UnreadableWebhook)]
    more = f" and {len(unreadable) - _SHOWN} more" if len(unreadable) > _SHOWN else ""
    logger.warning(
        "webhooks that can't be read are left out of a list: %s%s",
        "; ".join(unreadable[:_SHOWN]),
        more,
    )
    return webhooks


_SHOWN = 10


def _read_item(item: JSON, path: str, redact: Redactor) -> Webhook | UnreadableWebhook:
    try:
        return structure(item, Webhook, path)
    except DecodeError as error:
        members = cast("dict[str, JSON]", item) if isinstance(item, dict) else {}
        webhook_id, name = members.get("id"), members.get("name")
        return UnreadableWebhook(
            id=redact(webhook_id) if isinstance(webhook_id, str) else None,
            name=name if isinstance(name, str) else None,
            problems=error.problems,
        )


def _checked(webhook_id: str) -> str:
    return check_not_empty("webhook_id", webhook_id)
