"""An embedded Webex: what a client calls when there is no account and no network."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar

import httpx

from webex_webhooks_async.models import Webhook
from webex_webhooks_async.testing.faults import Body, Fault, Faults, RetryAfter
from webex_webhooks_async.testing.gateway import Gateway, Sleep
from webex_webhooks_async.testing.health import Clock, Health
from webex_webhooks_async.testing.identity import Identity
from webex_webhooks_async.testing.in_process import InProcessTransport
from webex_webhooks_async.testing.loopback import serve_on_loopback
from webex_webhooks_async.testing.recording import RecordedRequest
from webex_webhooks_async.testing.service import Service
from webex_webhooks_async.testing.store import WebhookStore
from webex_webhooks_async.testing.tokens import Tokens

MAX_RECORDED = 10_000
"""So many requests are kept; older ones are forgotten."""


def _now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """An embedded Webex.

    It answers as Webex does, as far as that is known: see the documentation's page about it for
    what it decides where Webex's own behaviour isn't documented. Any token is taken that isn't
    empty, and all of them belong to one and the same bot.

    >>> sandbox = Sandbox()
    >>> async with Client("any token", http_client=sandbox.http_client()) as client:
    ...     await client.webhooks.create(NewWebhook(...))

    Args:
        clock: Tells the time, aware: for the timestamps, and for when a webhook is switched off.
        sleep: Waits for the delay of a fault, in seconds.
        on_request: Is called with each request, after it was answered.
    """

    base_url: ClassVar[str] = "https://webexapis.com/v1"
    """Where `http_client` finds it. It answers there for any other host as well."""

    def __init__(
        self,
        *,
        clock: Clock = _now,
        sleep: Sleep = asyncio.sleep,
        on_request: Callable[[RecordedRequest], None] | None = None,
    ) -> None:
        self.identity = Identity()
        self._on_request = on_request
        self._store = WebhookStore()
        self._tokens = Tokens()
        self._faults = Faults()
        self._requests: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED)
        service = Service(
            store=self._store,
            tokens=self._tokens,
            health=Health(clock),
            identity=self.identity,
            clock=clock,
        )
        self._gateway = Gateway(
            service.application(), faults=self._faults, sleep=sleep, record=self._record
        )

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """The webhooks that are there, oldest first."""
        return tuple(self._store)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last requests that were answered, or that got no answer, oldest first."""
        return tuple(self._requests)

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

    def _record(self, request: RecordedRequest) -> None:
        self._requests.append(request)
        if self._on_request is not None:
            self._on_request(request)
