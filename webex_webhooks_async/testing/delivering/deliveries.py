"""Delivers notifications to the targets of the webhooks.

Facts: https://developer.webex.com/docs/receive-and-verify-webhooks and
https://developer.webex.com/docs/api/guides/webhooks
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING

import attrs
import httpx

from webex_webhooks_async.client.bodies import CodingError, TooLargeError, read_body
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.formatting import summarize_exception
from webex_webhooks_async.handling.sandbox_reports import ASK_HEADER, named_in, watchers
from webex_webhooks_async.models.notifications import data_classes
from webex_webhooks_async.models.vocabulary import OwnedBy, WebhookStatus
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.identity import key_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.testing.delivering.chaos import Chaos, Fate
from webex_webhooks_async.testing.delivering.delivery import Delivery
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.delivering.reasons import reason_without_response
from webex_webhooks_async.testing.delivering.replies import Replies, as_exception
from webex_webhooks_async.testing.samples import signed_request
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.state import State
from webex_webhooks_async.testing.service.webhooks import matches
from webex_webhooks_async.validation import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_MAX_CONCURRENCY = 50
_MAX_BODY = 65_536  # bytes of a response

MAX_RECORDED = 10_000
"""This many requests are kept, and this many deliveries; older ones are dropped."""

_NOT_SENT = (
    "not sent, because {} isn't this machine: deliver in process with sandbox.deliver_to(app), or "
    "allow other hosts with Sandbox(allow_remote=True), on the command line with --allow-remote"
)


class DeliveryAttempt:
    """An attempt to deliver; it takes what the handlers raise meanwhile, or later.

    With `by_api` it follows from a request: no caller in the test can get an error.
    """

    def __init__(
        self, delivery: Delivery, *, events: EventStream, replies: Replies, by_api: bool
    ) -> None:
        self.delivery: Delivery = delivery
        self.errors: list[Exception] = []  # from before the response, to be raised in the test
        self.is_over: bool = False
        self.by_api: bool = by_api
        self._events = events
        self._replies = replies
        self._copies = _copies_of(delivery.body)
        self._copies.attempts.append(self)

    def finish(self, delivery: Delivery) -> None:
        """Note that it is over."""
        self.delivery = delivery
        self.is_over = True
        self._copies.forget_if_over()

    def note(self, error: BaseException) -> None:
        """Note what a handler raised, if it is the first failure."""
        before = self.delivery
        if before.handler_error is None:
            self.delivery = attrs.evolve(before, handler_error=summarize_exception(error))
            if self.is_over:
                self._events.amend_delivery(before, self.delivery)

    def keep(self, error: BaseException, *, is_late: bool) -> None:
        """Keep what a handler raised, to be raised in the test."""
        if is_late or self.is_over:
            self._replies(error)
        elif self._replies.raise_handler_errors:
            self.errors.append(as_exception(error))


class Copies:
    """All deliveries of what receivers take for one notification, until its execution has ended."""

    def __init__(self, key: str) -> None:
        self.attempts: list[DeliveryAttempt] = []
        self._key = key
        self._has_ended = False

    def __call__(self, error: BaseException, *, is_late: bool) -> None:
        """Take what a handler raised: each delivery notes it, and one keeps it to be raised."""
        for each in self.attempts:
            each.note(error)
        keeping = [each for each in self.attempts if not each.by_api]
        keeping.sort(key=lambda each: each.is_over)  # whose caller waits comes first
        if keeping:
            keeping[0].keep(error, is_late=is_late)

    def end(self) -> None:
        """Note that a receiver has handled it, or won't try again."""
        self._has_ended = True
        self.forget_if_over()

    def forget_if_over(self) -> None:
        """Leave later failures to later deliveries, once no receiver can be handling these."""
        if self._has_ended and all(each.is_over for each in self.attempts):
            watchers.pop(self._key, None)


def _copies_of(body: bytes) -> Copies:
    key = key_of(parse_unverified_notification(body), body)
    copies = watchers.get(key)  # which lives as long as one of its attempts
    if not isinstance(copies, Copies):
        watchers[key] = copies = Copies(key)
    return copies


class DeliveryService:
    """Notifies every webhook that watches for an event.

    While `may_begin` is cleared, events wait for a bot that hasn't made its webhooks yet.
    """

    def __init__(  # noqa: PLR0913 - each is a collaborator or an option of its own
        self,
        *,
        state: State,
        events: EventStream,
        replies: Replies,
        http_client: httpx.AsyncClient | None,
        allow_remote: bool,
        timeout: float,
        on_delivery: Callable[[Delivery], None] | None,
        chaos: Chaos,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self.app: ASGIApp | None = None  # which gets all notifications in process
        self.is_served: bool = False  # then bots elsewhere are asked for their errors
        self.learns_errors: bool = True  # by their responses; the program of `dev` reports its own
        self.may_begin: asyncio.Event = asyncio.Event()
        self.may_begin.set()
        self._in_process: set[asyncio.Task[DeliveryAttempt]] = set()
        self._state = state
        self._events = events
        self._replies = replies
        self._http_client = http_client
        self._allow_remote = allow_remote
        self._timeout = timeout
        self._on_delivery = on_delivery
        self._chaos = chaos
        self._sleep = sleep
        self._attempts: deque[DeliveryAttempt] = deque(maxlen=MAX_RECORDED)
        self._under_way: set[DeliveryAttempt] = set()
        self._announced = 0
        self.begun: int = 0

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The last deliveries, oldest first, each with what is known of it now."""
        return tuple(each.delivery for each in tuple(self._attempts) if each.is_over)

    def announce(self, events: Sequence[WebexEvent]) -> Callable[[], Awaitable[object]]:
        """Return what notifies the webhooks of what follows from a request, after its response."""
        self._announced += 1

        async def deliver() -> None:
            try:
                await self.deliver(events)
            finally:
                self._announced -= 1

        return deliver

    async def deliver(
        self, events: Iterable[WebexEvent], *, by_api: bool = True, is_forged: bool = False
    ) -> list[DeliveryAttempt]:
        """Notify the webhooks that watch for events, of each event concurrently.

        With `by_api` the events follow from a request, and no caller in the test gets an error;
        with `is_forged`, another secret than the webhook's signs.

        Returns:
            One attempt for each event and webhook, oldest first; a second one of chaos isn't there.
        """
        await self.may_begin.wait()
        limit = asyncio.Semaphore(_MAX_CONCURRENCY)
        tasks: list[asyncio.Task[DeliveryAttempt]] = []
        async with self._client() as http_client, asyncio.TaskGroup() as group:

            async def deliver(attempt: DeliveryAttempt, fate: Fate) -> DeliveryAttempt:
                if fate.delay:
                    await self._sleep(fate.delay)
                async with limit:
                    return await self._deliver(http_client, attempt, fate.times)

            unwatched: list[str] = []
            for event in events:
                # All are known before the first is sent: one execution may be that of several.
                attempts = [
                    self._new_attempt(each, by_api=by_api)
                    for each in self._notifications(event, is_forged=is_forged)
                ]
                if not attempts:
                    unwatched.append(f"{event.resource} {event.event}")
                fates = [self._chaos.next() for _ in attempts]
                begun = [*map(group.create_task, map(deliver, attempts, fates))]
                tasks += begun
                if self.app is not None:
                    self._in_process.update(begun)
                    for task in begun:
                        task.add_done_callback(self._in_process.discard)
                if in_time := [
                    task for task, fate in zip(begun, fates, strict=True) if not fate.delay
                ]:
                    await asyncio.wait(in_time)
            if unwatched and not tasks:
                logger.info("no active webhook watches %s", ", ".join(unwatched))
        return [task.result() for task in tasks]

    def unfinished(self) -> list[str]:
        """Describe the deliveries that are under way, or that wait for a response."""
        waiting = ["what follows from a request isn't notified yet"] * bool(self._announced)
        return [*waiting, *(f"a delivery to {each.delivery.url}" for each in self._under_way)]

    async def warm_up(self) -> None:
        """Import what the first delivery needs: it took so long that a second one overtook it."""
        from anyio import lowlevel  # noqa: PLC0415 - as httpx does with its first connection

        async with self._client():
            await lowlevel.checkpoint()  # which imports what anyio has for asyncio
        data_classes()  # with which a notification is read, for its key

    async def finish(self) -> None:
        """Wait for the application in process, for as long as an attempt may take.

        If it were cancelled, the thread of a WSGI application would wait for it forever.
        """
        if self._in_process:
            await asyncio.wait(self._in_process, timeout=self._timeout)

    async def redeliver(self, delivery: Delivery, *, by_api: bool = True) -> DeliveryAttempt:
        """Send the bytes of a delivery to its URL once more."""
        again = Delivery(
            webhook=delivery.webhook, url=delivery.url, body=delivery.body, headers=delivery.headers
        )
        attempt = self._new_attempt(again, by_api=by_api)
        async with self._client() as http_client:
            return await self._deliver(http_client, attempt)

    def _notifications(self, event: WebexEvent, *, is_forged: bool) -> list[Delivery]:
        return [
            self._notification(event, webhook, is_forged=is_forged)
            for webhook in self._state.webhooks
            if webhook.status == WebhookStatus.ACTIVE
            and matches(webhook, event.resource, event.event, event.document)
            and _may_know(webhook, event)
        ]

    def _notification(self, event: WebexEvent, webhook: Webhook, *, is_forged: bool) -> Delivery:
        data = self._state.seen_by(webhook.created_by, event.data)
        body = dump_json(attrs.evolve(event, data=data).notification_for(webhook))
        url = webhook.target_url
        secret = token_hex() if is_forged else webhook.secret
        headers = dict(signed_request(url, body, secret).headers)
        if self.is_served:
            headers[ASK_HEADER] = "1"
        return Delivery(webhook=webhook, url=url, body=body, headers=headers)

    def _new_attempt(self, notification: Delivery, *, by_api: bool) -> DeliveryAttempt:
        attempt = DeliveryAttempt(
            notification, events=self._events, replies=self._replies, by_api=by_api
        )
        self._attempts.append(attempt)
        self._under_way.add(attempt)
        self.begun += 1
        return attempt

    async def _deliver(
        self, http_client: httpx.AsyncClient, attempt: DeliveryAttempt, times: int = 1
    ) -> DeliveryAttempt:
        notification = attempt.delivery
        try:
            if times:
                delivery, response = await self._attempt(http_client, notification)
            else:
                lost = f"lost on its way, by chaos={self._chaos.seed}"
                delivery, response = attrs.evolve(notification, error=lost), b""
            switched_off = bool(times) and self._switch_off_after(delivery)
        finally:
            self._under_way.discard(attempt)
        handler_error = attempt.delivery.handler_error or delivery.handler_error
        attempt.finish(
            attrs.evolve(delivery, handler_error=handler_error, switched_off=switched_off)
        )
        self._events.record_delivery(attempt.delivery, response)
        if self._on_delivery is not None:
            self._on_delivery(attempt.delivery)
        if times > 1:
            again = self._new_attempt(notification, by_api=True)
            await self._deliver(http_client, again, times - 1)
        return attempt

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        if self.app is None and self._http_client is not None:
            yield self._http_client
            return
        if self.app is not None:
            transport: httpx.AsyncBaseTransport = httpx.ASGITransport(self.app)
        else:
            transport = httpx.AsyncHTTPTransport(verify=tls_context())
        async with httpx.AsyncClient(transport=transport, trust_env=False) as http_client:
            yield http_client

    async def _attempt(
        self, http_client: httpx.AsyncClient, attempt: Delivery
    ) -> tuple[Delivery, bytes]:
        """The outcome, and the body of the response; empty if it is too large, or can't be read."""
        request = httpx.Request(
            "POST",
            attempt.url,
            content=attempt.body,
            headers=attempt.headers,
            extensions={"timeout": {}},  # one timeout covers the whole attempt
        )
        body = b""
        any_host = self._allow_remote or self._http_client is not None or self.app is not None
        if not (any_host or is_loopback(request.url.host)):
            return attrs.evolve(attempt, error=_NOT_SENT.format(request.url.host)), body
        try:
            async with asyncio.timeout(self._timeout):
                response = await http_client.send(
                    request, auth=None, follow_redirects=False, stream=True
                )
                with suppress(TooLargeError, CodingError):  # only the status counts
                    body = await read_body(response, _MAX_BODY)
        except TimeoutError:
            error = f"no response within {self._timeout:g} seconds"
            return attrs.evolve(attempt, error=error), body
        except Exception as error:  # noqa: BLE001 - an application in process raises anything
            return attrs.evolve(attempt, error=reason_without_response(error, attempt.url)), body
        named = named_in(response.headers)
        is_refused = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        delivery = attrs.evolve(
            attempt,
            status_code=response.status_code,
            error=named if is_refused else None,
            location=response.headers.get("location"),
            handler_error=named if self.learns_errors and not is_refused else None,
        )
        return delivery, body

    def _switch_off_after(self, delivery: Delivery) -> bool:
        """Switch the webhook off if this is one failure too many; true if so."""
        webhook = self._state.webhooks.get(delivery.webhook.id)
        if webhook is None or delivery.ok:  # it may have been deleted in the meantime
            return False
        if (
            not self._state.failures.attempt_failed(webhook.id, self._state.clock())
            or webhook.status != WebhookStatus.ACTIVE
        ):
            return False
        self._state.webhooks.put(webhook.id, attrs.evolve(webhook, status=WebhookStatus.INACTIVE))
        return True


def _may_know(webhook: Webhook, event: WebexEvent) -> bool:
    return (
        event.audience is None
        or webhook.owned_by == OwnedBy.ORG
        or webhook.created_by in event.audience
    )
