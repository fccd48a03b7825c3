"""Webhooks on a sandbox, and a way there on which things happen."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from tests.clocks import QuickClock
from webex_webhooks_async import RetryPolicy, StaticToken, Webhooks
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.transport import Clock, Transport

Hook = Callable[[], Awaitable[object]]


async def nothing_happens() -> None:
    """Leave a request alone."""


@asynccontextmanager
async def webhooks_on(
    sandbox: Sandbox,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    before: Hook = nothing_happens,
    after: Hook = nothing_happens,
) -> AsyncGenerator[Webhooks]:
    """The webhooks of a client whose clock is quick.

    Args:
        sandbox: Where they are.
        clock: Another clock.
        retry: Another policy than the default one.
        before: What happens before the sandbox carries a request out.
        after: What happens before its answer arrives.
    """
    async with sandbox.http_client() as direct:
        transport = Transport(
            StaticToken("a-token"),
            base_url=Sandbox.base_url,
            http_client=httpx.AsyncClient(transport=Way(direct, before, after)),
            timeout=30.0,
            retry=retry or RetryPolicy(),
            max_concurrency=20,
            clock=clock or QuickClock(),
        )
        yield Webhooks(transport)


class Way(httpx.AsyncBaseTransport):
    """The way to a sandbox."""

    def __init__(self, direct: httpx.AsyncClient, before: Hook, after: Hook) -> None:
        self._direct = direct
        self._before = before
        self._after = after

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the sandbox answer, and things happen before and after."""
        await self._before()
        answer = await self._direct.send(request)
        await self._after()
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
