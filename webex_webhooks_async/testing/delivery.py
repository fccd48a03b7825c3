"""Notifications on their way to the webhooks' targets.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

import attrs
import httpx
from attrs import field, frozen

from webex_webhooks_async.client.transports.pool import tls_context
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.models.vocabulary import Status
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.health import Health
from webex_webhooks_async.testing.occurrences import Occurrence, encode
from webex_webhooks_async.testing.samples import signed_request
from webex_webhooks_async.testing.store import WebhookStore
from webex_webhooks_async.testing.subscriptions import matches

_MAX_CONCURRENCY = 50


@frozen(kw_only=True)
class Delivery:
    """An attempt to deliver a notification.

    Attributes:
        webhook: The webhook, as it was then.
        url: Where the notification went.
        body: What was sent.
        headers: The headers of the request; the signatures are among them if the webhook has a
            secret. A repr doesn't show them.
        status_code: The status of the answer; None if there was none.
        error: Why there was none.
        switched_off: Whether Webex switched the webhook off for it: one failure too many.
    """

    webhook: Webhook
    url: str
    body: bytes
    headers: Mapping[str, str] = field(hash=False, repr=False)
    status_code: int | None = None
    error: str | None = None
    switched_off: bool = False

    @property
    def ok(self) -> bool:
        """Whether the notification was accepted: any 2xx is success. A redirect is none."""
        return self.status_code is not None and httpx.codes.is_success(self.status_code)


class Deliverer:
    """Delivers to every webhook that watches for what happened."""

    def __init__(
        self,
        *,
        store: WebhookStore,
        health: Health,
        http_client: httpx.AsyncClient | None,
        timeout: float,
        record: Callable[[Delivery], None],
    ) -> None:
        self._store = store
        self._health = health
        self._http_client = http_client
        self._timeout = timeout
        self._record = record

    async def deliver(self, occurrence: Occurrence) -> list[Delivery]:
        """Notify the webhooks that watch for it, many at a time; oldest first in the result."""
        notifications = [
            (webhook, encode(occurrence.notification_for(webhook)))
            for webhook in self._store
            if webhook.status == Status.ACTIVE
            and matches(webhook, occurrence.resource, occurrence.event, occurrence.data)
        ]
        slots = asyncio.Semaphore(_MAX_CONCURRENCY)

        async def notify(webhook: Webhook, body: bytes) -> Delivery:
            async with slots:
                delivery = await self._attempt(http_client, webhook, body)
            delivery = attrs.evolve(delivery, switched_off=self._switch_off_after(delivery))
            self._record(delivery)
            return delivery

        async with self._client() as http_client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(notify(*notification)) for notification in notifications]
        return [task.result() for task in tasks]

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        if self._http_client is not None:
            yield self._http_client
        else:
            async with httpx.AsyncClient(verify=tls_context(), trust_env=False) as http_client:
                yield http_client

    async def _attempt(
        self, http_client: httpx.AsyncClient, webhook: Webhook, body: bytes
    ) -> Delivery:
        request = signed_request(webhook.target_url, body, webhook.secret)
        attempt = Delivery(
            webhook=webhook, url=webhook.target_url, body=body, headers=dict(request.headers)
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await http_client.send(request, auth=None, follow_redirects=False)
        except TimeoutError:
            return attrs.evolve(attempt, error=f"no answer within {self._timeout:g} seconds")
        except Exception as error:  # noqa: BLE001 - an application in process raises what it likes
            return attrs.evolve(attempt, error=describe_exception(error))
        return attrs.evolve(attempt, status_code=response.status_code)

    def _switch_off_after(self, delivery: Delivery) -> bool:
        """Switch the webhook off if this is one failure too many; true if so."""
        webhook = self._store.get(delivery.webhook.id)
        if webhook is None or delivery.ok:  # it may have been deleted in the meantime
            return False
        if not self._health.attempt_failed(webhook.id) or webhook.status != Status.ACTIVE:
            return False
        self._store.replace(attrs.evolve(webhook, status=Status.INACTIVE))
        return True
