"""An embedded Webex: what a client calls when there is no account and no network."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx

from webex_webhooks_async.catalog import BASE_URL
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.clock import Clock, system_clock
from webex_webhooks_async.testing.delivery import Deliverer, Delivery
from webex_webhooks_async.testing.faults import Body, Fault, Faults, RetryAfter
from webex_webhooks_async.testing.gateway import Gateway, Sleep
from webex_webhooks_async.testing.health import Health
from webex_webhooks_async.testing.in_process import InProcessTransport
from webex_webhooks_async.testing.loopback import serve_on_loopback
from webex_webhooks_async.testing.messages import Messages
from webex_webhooks_async.testing.occurrences import Occurrence
from webex_webhooks_async.testing.people import Person
from webex_webhooks_async.testing.recording import RecordedRequest
from webex_webhooks_async.testing.service import Service
from webex_webhooks_async.testing.store import WebhookStore
from webex_webhooks_async.testing.tokens import Tokens

MAX_RECORDED = 10_000
"""So many requests are kept, and so many deliveries; older ones are forgotten."""


class Sandbox:
    """An embedded Webex.

    It answers as Webex does. Any token is taken that isn't empty, and all of them belong to one and
    the same bot. Where Webex's own behaviour isn't documented, it does what is most useful:

    * A list is in the order of creation. Without ``ownedBy`` it has every owner's webhooks.
    * An equal webhook is accepted as another one. There is no limit to their number.
    * A PUT that leaves the secret out keeps it, as one does that sends it empty. ``inactive`` is
      taken for a status.
    * A resource or an event that the sandbox doesn't know is taken, for there may be new ones. A
      known event that a known resource doesn't have is refused, and so is a filter's key.
    * A notification is delivered once, within `delivery_timeout`; a failed one isn't sent again.
    * Of messages there are create, get and list, and nobody else has to be in a room.

    >>> sandbox = Sandbox()
    >>> async with sandbox.http_client() as http_client:
    ...     page = await Client("any-token", http_client=http_client).webhooks.list()
    >>> page.items
    ()

    Args:
        clock: Tells the time, aware: for the timestamps, and for when a webhook is switched off.
        sleep: Waits for the delay of a fault, in seconds.
        on_request: Is called with each request, once it was answered: before what follows from it.
        on_delivery: Is called with each attempt to deliver a notification, once its outcome is
            known.
        deliver_with: Notifications go through this client; it is left open. With httpx's
            ``ASGITransport`` in it they reach an application with no socket.
        delivery_timeout: Seconds that a target may take to answer.

    Attributes:
        bot: Whom every token belongs to; its id is the ``created_by`` of every webhook.

    Raises:
        ValueError: `delivery_timeout` isn't positive.
    """

    base_url: ClassVar[str] = BASE_URL
    """Where `http_client` finds it. It answers there for any other host as well."""

    def __init__(  # noqa: PLR0913 - each is an option of its own
        self,
        *,
        clock: Clock = system_clock,
        sleep: Sleep = asyncio.sleep,
        on_request: Callable[[RecordedRequest], None] | None = None,
        on_delivery: Callable[[Delivery], None] | None = None,
        deliver_with: httpx.AsyncClient | None = None,
        delivery_timeout: float = 10.0,
    ) -> None:
        if not delivery_timeout > 0:
            raise ValueError(f"delivery_timeout must be positive, got {delivery_timeout}")
        self.bot: Person = Person(email="sandbox@webex.bot", display_name="Sandbox Bot")
        self._clock = clock
        self._on_request = on_request
        self._on_delivery = on_delivery
        self._store = WebhookStore()
        self._tokens = Tokens()
        self._faults = Faults()
        self._requests: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED)
        self._deliveries: deque[Delivery] = deque(maxlen=MAX_RECORDED)
        health = Health(clock)
        self._deliverer = Deliverer(
            store=self._store,
            health=health,
            http_client=deliver_with,
            timeout=delivery_timeout,
            record=self._record_delivery,
        )
        self._messages = Messages(
            tokens=self._tokens, bot=self.bot, clock=clock, notify=self._deliverer.deliver
        )
        service = Service(
            store=self._store,
            tokens=self._tokens,
            health=health,
            bot=self.bot,
            clock=clock,
        )
        self._gateway = Gateway(
            service.application(self._messages.routes()),
            faults=self._faults,
            sleep=sleep,
            record=self._record_request,
        )

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """The webhooks that are there, oldest first."""
        return tuple(self._store)

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """What was said, by `say` and by the bot, oldest first; by the keys on the wire."""
        return tuple(self._messages)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last requests that were answered, or that got no answer, oldest first."""
        return tuple(self._requests)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The last attempts to deliver a notification, oldest first."""
        return tuple(self._deliveries)

    def http_client(self) -> httpx.AsyncClient:
        """A client that reaches the sandbox with no socket. Close it as any other."""
        return httpx.AsyncClient(
            base_url=self.base_url, transport=InProcessTransport(self._gateway), trust_env=False
        )

    @asynccontextmanager
    async def serve(self, *, port: int = 0) -> AsyncGenerator[str, None]:
        """Serve it on loopback as long as the block runs, for clients in any language.

        Args:
            port: Where to listen; 0 takes any free port.

        Yields:
            The base URL, such as ``http://127.0.0.1:8900/v1``.

        Raises:
            OSError: The port is taken, or may not be used.
            ValueError: `port` is no port.
        """
        async with serve_on_loopback(self._gateway, port) as origin:
            yield f"{origin}/v1"

    async def emit(
        self,
        resource: str,
        event: str,
        data: Mapping[str, Any] | None = None,
        *,
        actor_id: str | None = None,
    ) -> list[Delivery]:
        """Let something happen, and notify each active webhook that watches for it.

        >>> await sandbox.emit("messages", "created", {"roomId": "Y2lz..."})  # nobody watches
        []

        Args:
            resource: What it happens to: a concrete resource, not ``all``. Any word will do.
            event: What happens: a concrete event, not ``all``. Any word will do.
            data: What the notification's data shall have, by the keys on the wire, laid over a
                sample that is distinct each time; a value of None leaves a key out. For a resource
                whose data aren't known they are all.
            actor_id: Who does it; left out, it is the person whom `data` names, or someone made
                up. With ``sandbox.bot.id`` it is the bot's own action.

        Returns:
            The attempt for each webhook, oldest first. There is one each: nothing is tried again.

        Raises:
            ValueError: The resource or the event is ``all``: no notification says that.
        """
        occurrence = Occurrence.of(
            resource,
            event,
            data,
            actor=self._person(actor_id) if actor_id else None,
            now=self._clock(),
        )
        return await self._deliverer.deliver(occurrence)

    async def say(self, text: str) -> list[Delivery]:
        """Let someone write to the bot, in a direct room.

        The bot finds the message at ``GET /messages/{id}``, and answers with ``POST /messages``;
        `messages` has both. A program in another language says something to the bot when it posts
        a message to the bot's own address.

        >>> await sandbox.say("Hello, bot!")  # nobody watches
        []
        >>> [message["text"] for message in sandbox.messages]
        ['Hello, bot!']

        Returns:
            The attempt for each webhook, as `emit` returns it.

        Raises:
            ValueError: The text is empty.
        """
        if not text:
            raise ValueError("text is empty")
        occurrence = self._messages.say({"toPersonEmail": self.bot.email, "text": text})
        return await self._deliverer.deliver(occurrence)

    def fail(  # noqa: PLR0913 - each is a fault of its own, and they combine
        self,
        *,
        status: int | None = None,
        retry_after: RetryAfter | None = None,
        body: Body | None = None,
        drop: bool = False,
        delay: float = 0.0,
        carry_out: bool = False,
        times: int | None = 1,
        method: str | None = None,
    ) -> None:
        """Let the next requests fail.

        Faults strike in the order in which they were asked for, one a request.

        >>> sandbox.fail(status=429, retry_after=1, times=2)
        >>> sandbox.fail(status=503, body="<html>Service unavailable</html>", method="POST")
        >>> sandbox.fail(drop=True, carry_out=True)  # done, but the answer is lost
        >>> sandbox.fail(delay=60)  # done at once, answered late
        >>> sandbox.fail(body="no JSON", times=None)

        Args:
            status: Answer with this status: 200 to 599.
            retry_after: With this ``Retry-After``: seconds, or the header's raw text.
            body: With this body: text or bytes as they are, anything else as JSON. Left out, it is
                Webex's error body. Without a status, the status is 200.
            drop: Break the connection off, with no byte of an answer.
            delay: Wait so many seconds first. Alone, it delays the real answer.
            carry_out: Carry the operation out all the same, before the delay. So only its answer
                is lost or replaced.
            times: Strike so many requests; None for all from now on.
            method: Strike requests of this HTTP method only.

        Raises:
            ValueError: An argument makes no sense, alone or beside the others.
        """
        fault = Fault.of(
            status=status,
            retry_after=retry_after,
            body=body,
            drop=drop,
            delay=delay,
            carry_out=carry_out,
            method=method,
        )
        self._faults.add(fault, times)

    def clear_faults(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()

    def revoke(self, token: str) -> None:
        """Answer 401 to this access token from now on, and grant nothing for this refresh token."""
        self._tokens.revoke(token)

    def _person(self, person_id: str) -> Person:
        return self.bot if person_id == self.bot.id else Person.made_up(person_id)

    def _record_request(self, request: RecordedRequest) -> None:
        self._requests.append(request)
        if self._on_request is not None:
            self._on_request(request)

    def _record_delivery(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        if self._on_delivery is not None:
            self._on_delivery(delivery)
