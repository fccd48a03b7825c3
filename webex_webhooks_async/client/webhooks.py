"""The webhooks resource: create, get, list, update, delete, and keep as wanted.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

from collections.abc import AsyncGenerator, Iterable
from math import inf
from types import NoneType
from urllib.parse import quote, urlencode

from attrs import frozen

from webex_webhooks_async.client.desired_state.planning import DesiredState, Plan, Result
from webex_webhooks_async.client.desired_state.reconciler import Reconciler
from webex_webhooks_async.client.links import absolute_link, next_link, target_on
from webex_webhooks_async.client.pagination import AsyncPaginator, Page
from webex_webhooks_async.client.requester import Request, Requester
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate
from webex_webhooks_async.serialization import to_json
from webex_webhooks_async.validation import check_text, check_type

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

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

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
            ValueError: The id is empty or no valid Unicode.
            TypeError: The id is no string.
        """
        return (await self._send("GET", _path_of(webhook_id))).to(Webhook)

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Change a webhook; ``status="active"`` switches it on again.

        Raises:
            NotFoundError: There is none.
            ValueError: The id is empty or no valid Unicode.
            TypeError: The id is no string.
        """
        return (await self._send("PUT", _path_of(webhook_id), update)).to(Webhook)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook.

        Raises:
            NotFoundError: There is none. Where an attempt before may have deleted it, for its
                answer was lost, nothing is raised.
            ValueError: The id is empty or no valid Unicode.
            TypeError: The id is no string.
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
            start: A `Page.next_url` that was kept, to go on from there. It has a page size and an
                owner of its own, so `max` and `owned_by` don't count then.
            prefetch: Ask for the next page while the consumer works on this one.

        Raises:
            ValueError: `max` is no whole number of at least 1, or a text no valid Unicode.
            TypeError: `owned_by` or `start` is no string.
        """
        if max is not None and (type(max) is not int or max < 1):
            raise ValueError(f"max must be a whole number of at least 1, got {max}")
        for name, text in (("owned_by", owned_by), ("start", start)):
            if text is not None:
                check_text(name, text)
        parameters = {"max": max, "ownedBy": owned_by}
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        first = f"{self._requester.base_url}{PATH}?{query}".removesuffix("?")

        async def fetch(url: str) -> Page[Webhook]:
            name = "start, which must be a kept next_url," if url == start else "the next link"
            target = target_on(self._requester.base_url, url, name)
            answer = await self._requester.send(Request(method="GET", target=target))
            link = next_link(answer.links)
            return Page(
                items=answer.to(_Items).items,
                next_url=link and absolute_link(link, url),
            )

        return AsyncPaginator(fetch, start or first, prefetch=prefetch)

    async def ensure(self, wanted: Iterable[NewWebhook], prune: str | None = None) -> Result:
        """Let there be exactly one webhook of each wanted name, and as it is wanted.

        It sends no more than that takes: nothing but GETs where all is as wanted. Run it at every
        start of a program, in each of its processes, and again after an error.

        Args:
            wanted: The webhooks that shall be there; they are matched by name.
            prune: A prefix: webhooks whose name starts with it, and that aren't wanted, are
                deleted. Without it, what isn't wanted isn't touched.

        Raises:
            ValueError: One name is wanted twice, or `prune` is empty; nothing was sent.
            TypeError: An argument is of a wrong type; nothing was sent.

        Warns:
            WebhookPlanWarning: What is wanted can't work as it seems to be meant.
        """
        plan = await self._reconciler.plan(DesiredState.of(wanted, prune))
        return await plan.apply()

    async def plan(self, wanted: Iterable[NewWebhook], prune: str | None = None) -> Plan:
        """What `ensure` would do; ``await plan.apply()`` does it.

        Raises:
            ValueError: As `ensure`.
            TypeError: As `ensure`.

        Warns:
            WebhookPlanWarning: As `ensure`.
        """
        return await self._reconciler.plan(DesiredState.of(wanted, prune))

    def watch(
        self, wanted: Iterable[NewWebhook], *, every: float = 300.0, prune: str | None = None
    ) -> AsyncGenerator[Result]:
        """Do what `ensure` does, at once and then every so many seconds, until it is cancelled.

        ::

            async for result in client.webhooks.watch(wanted):
                print(result.changes)

        It yields only when something was changed. What passes is logged, and waited for: a
        `TransportError`, a `ServerError`, a `LockedError` and a `RateLimitError`, where it waits
        as long as Webex asks. Any other error is raised. A webhook that Webex switches off again
        within five minutes after it was re-activated here stays off until they are over.

        Args:
            wanted: As for `ensure`.
            every: Seconds from one look to the next.
            prune: As for `ensure`.

        Raises:
            ValueError: As `ensure`, or `every` isn't positive and finite; at the call itself.
            TypeError: As `ensure`, or `every` is no number; at the call itself.

        Warns:
            WebhookPlanWarning: As `ensure`, once.
        """
        check_type("every", every, float, int)
        if not 0 < every < inf:
            raise ValueError(f"every must be a positive number of seconds, got {every}")
        return self._reconciler.watch(DesiredState.of(wanted, prune), every=every)

    @property
    def _reconciler(self) -> Reconciler:
        return Reconciler(self, retry=self._requester.retry, clock=self._requester.clock)

    async def _send(
        self, method: str, path: str, content: NewWebhook | WebhookUpdate | None = None
    ) -> Response:
        check_type("what is sent", content, NewWebhook, WebhookUpdate, NoneType)
        return await self._requester.send(
            Request(
                method=method,
                target=self._requester.target(path),
                content=None if content is None else to_json(content),
                secrets=(content.secret,) if content is not None and content.secret else (),
            )
        )


def _path_of(webhook_id: str) -> str:
    check_text("webhook_id", webhook_id)
    if not webhook_id:
        raise ValueError("webhook_id is empty")
    segment = quote(webhook_id, safe="")
    if segment in {".", ".."}:  # would be resolved on its way
        segment = segment.replace(".", "%2E")
    return f"{PATH}/{segment}"
