"""Webhooks on a sandbox, with interference around each request."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from attrs import frozen

from tests.support.clocks import QuickClock
from webex_webhooks_async import RetryPolicy, StaticToken, Webhooks
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.requester import Requester
from webex_webhooks_async.testing import Sandbox

TOKEN = "the-access-token"


async def do_nothing() -> None:
    """Don't interfere."""


@frozen(kw_only=True)
class Interference:
    """What happens around each request.

    Attributes:
        before: Is awaited before the sandbox executes the request.
        after: Is awaited before the response arrives.
    """

    before: Callable[[], Awaitable[object]] = do_nothing
    after: Callable[[], Awaitable[object]] = do_nothing


@asynccontextmanager
async def webhooks_on(
    sandbox: Sandbox,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    interference: Interference = Interference(),
) -> AsyncGenerator[Webhooks]:
    """The webhooks of a client whose clock doesn't wait.

    Args:
        sandbox: The sandbox that has the webhooks.
        clock: Another clock.
        retry: Another policy than the default one.
        interference: What happens around each request.
    """
    async with sandbox.http_client() as direct:
        transport = Requester(
            StaticToken(TOKEN),
            base_url=Sandbox.base_url,
            http_client=httpx.AsyncClient(transport=Way(direct, interference)),
            timeout=30.0,
            retry=retry or RetryPolicy(),
            max_concurrency=20,
            max_body=1_000_000,
            clock=clock or QuickClock(),
        )
        yield Webhooks(transport)


class Way(httpx.AsyncBaseTransport):
    """A transport to a sandbox, with interference around each request."""

    def __init__(self, direct: httpx.AsyncClient, interference: Interference) -> None:
        self._direct = direct
        self._interference = interference

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response of the sandbox."""
        await self._interference.before()
        response = await self._direct.send(request)
        await self._interference.after()
        return httpx.Response(
            response.status_code, headers=response.headers, content=response.content
        )
