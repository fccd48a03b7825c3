"""Webhooks on a sandbox, with interference around each request."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from attrs import evolve

from tests.support.clocks import QuickClock
from webex_webhooks_async import NewWebhook, RetryPolicy, Webhooks
from webex_webhooks_async.client.auth import StaticToken
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.requester import Requester
from webex_webhooks_async.testing import Sandbox

TOKEN = "the-access-token"
SECRET = "a secret"

MESSAGES = NewWebhook(
    name="bot:messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
    filter="roomType=direct",
    secret=SECRET,
)
CARDS = evolve(MESSAGES, name="bot:cards", resource="attachmentActions", filter=None, secret=None)


Interfere = Callable[[], Awaitable[object]]


@asynccontextmanager
async def webhooks_on(
    sandbox: Sandbox,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    before: Interfere | None = None,  # is awaited before the sandbox executes a request
    after: Interfere | None = None,  # is awaited before its response arrives
) -> AsyncGenerator[Webhooks]:
    """The webhooks of a client whose clock doesn't wait."""

    async def respond(request: httpx.Request) -> httpx.Response:
        if before is not None:
            await before()
        response = await direct.send(request)
        if after is not None:
            await after()
        return httpx.Response(
            response.status_code, headers=response.headers, content=response.content
        )

    async with sandbox.http_client() as direct:
        requester = Requester(
            StaticToken(TOKEN),
            base_url=Sandbox.base_url,
            http_client=httpx.AsyncClient(transport=httpx.MockTransport(respond)),
            timeout=30.0,
            retry=retry or RetryPolicy(),
            max_concurrency=20,
            max_body=1_000_000,
            clock=clock or QuickClock(),
        )
        yield Webhooks(requester)
