"""The webhooks resource: create, get, list, update and delete.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

from urllib.parse import quote, urlencode

from attrs import frozen

from webex_webhooks_async.answers import Answer
from webex_webhooks_async.links import absolute_link, next_link, target_on
from webex_webhooks_async.models import NewWebhook, Webhook, WebhookUpdate
from webex_webhooks_async.pagination import AsyncPaginator, Page
from webex_webhooks_async.serialization import to_json
from webex_webhooks_async.transport import Request, Transport

PATH = "/webhooks"


@frozen(kw_only=True)
class _Items:
    """The body of a page."""

    items: tuple[Webhook, ...]


class Webhooks:
    """The webhooks of the token's owner. A `Client` has it as ``client.webhooks``.

    Each method raises an `APIError` when Webex refuses, a `TransportError` when no answer comes,
    and a `DecodeError` when an answer doesn't fit.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, webhook: NewWebhook) -> Webhook:
        """Make a webhook.

        It is never sent twice when it may have been carried out: after a `TransportError` or a
        `ServerError`, look whether the webhook is there.
        """
        return (await self._send("POST", PATH, webhook)).to(Webhook)

    async def get(self, webhook_id: str) -> Webhook:
        """The webhook with this id.

        Raises:
            NotFoundError: There is none.
            ValueError: The id is empty.
        """
        return (await self._send("GET", _path_of(webhook_id))).to(Webhook)

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Change a webhook; ``status="active"`` switches it on again.

        Raises:
            NotFoundError: There is none.
            ValueError: The id is empty.
        """
        return (await self._send("PUT", _path_of(webhook_id), update)).to(Webhook)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook.

        Raises:
            NotFoundError: There is none. Where an attempt before may have deleted it, for its
                answer was lost, nothing is raised.
            ValueError: The id is empty.
        """
        await self._send("DELETE", _path_of(webhook_id))

    def list(
        self,
        *,
        max: int | None = None,  # noqa: A002 - Webex's own name for it
        owned_by: str | None = None,
        start: str | None = None,
        prefetch: bool = False,
    ) -> AsyncPaginator[Webhook]:
        """The webhooks; nothing is sent before it is iterated or awaited.

        Args:
            max: Items a page, 1 or more; the service takes 100 when it isn't told, and no more.
            owned_by: ``org`` for those of the whole organization, else the token owner's own.
            start: A `Page.next_url` that was kept, to go on from there. It has a page size of its
                own, so `max` doesn't count then.
            prefetch: Ask for the next page while the consumer works on this one.

        Raises:
            ValueError: `max` is below 1.
        """
        if max is not None and max < 1:
            raise ValueError(f"max must be at least 1, got {max}")
        parameters = {"max": max, "ownedBy": owned_by}
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        first = f"{self._transport.base_url}{PATH}?{query}".removesuffix("?")

        async def fetch(url: str) -> Page[Webhook]:
            target = target_on(self._transport.base_url, url)
            answer = await self._transport.send(Request(method="GET", target=target))
            link = next_link(answer.links)
            return Page(
                items=answer.to(_Items).items,
                next_url=link and absolute_link(link, answer.url, owned_by=owned_by),
            )

        return AsyncPaginator(fetch, start or first, prefetch=prefetch)

    async def _send(
        self, method: str, path: str, content: NewWebhook | WebhookUpdate | None = None
    ) -> Answer:
        return await self._transport.send(
            Request(
                method=method,
                target=self._transport.target(path),
                content=None if content is None else to_json(content),
                secrets=(content.secret,) if content is not None and content.secret else (),
            )
        )


def _path_of(webhook_id: str) -> str:
    if not webhook_id:
        raise ValueError("webhook_id is empty")
    segment = quote(webhook_id, safe="")
    if segment in {".", ".."}:  # would be resolved on its way
        segment = segment.replace(".", "%2E")
    return f"{PATH}/{segment}"
