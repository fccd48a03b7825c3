"""Webhooks on a sandbox, and a way there on which things happen."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from attrs import frozen

from tests.support.clocks import QuickClock
from webex_webhooks_async import RetryPolicy, StaticToken, Webhooks
from webex_webhooks_async.client.clock import Clock
from webex_webhooks_async.client.requester import Requester
from webex_webhooks_async.testing import Sandbox


async def nothing_happens() -> None:
    """Leave a request alone."""


@frozen(kw_only=True)
class Interference:
    """What happens on the way.

    Attributes:
        before: Is awaited before the sandbox carries a request out.
        after: Is awaited before its answer arrives.
    """

    before: Callable[[], Awaitable[object]] = nothing_happens
    after: Callable[[], Awaitable[object]] = nothing_happens


@asynccontextmanager
async def webhooks_on(
    sandbox: Sandbox,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    interference: Interference = Interference(),
) -> AsyncGenerator[Webhooks]:
    """The webhooks of a client whose clock is quick.

    Args:
        sandbox: Where they are.
        clock: Another clock.
        retry: Another policy than the default one.
        interference: What happens on the way.
    """
    async with sandbox.http_client() as direct:
        transport = Requester(
            StaticToken("a-token"),
            base_url=Sandbox.base_url,
            http_client=httpx.AsyncClient(transport=Way(direct, interference)),
            timeout=30.0,
            retry=retry or RetryPolicy(),
            max_concurrency=20,
            clock=clock or QuickClock(),
        )
        yield Webhooks(transport)


class Way(httpx.AsyncBaseTransport):
    """The way to a sandbox."""

    def __init__(self, direct: httpx.AsyncClient, interference: Interference) -> None:
        self._direct = direct
        self._interference = interference

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the sandbox answer, and things happen before and after."""
        await self._interference.before()
        answer = await self._direct.send(request)
        await self._interference.after()
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
