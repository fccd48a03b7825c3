"""Clients of a server that sends raw bytes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.wire import Step, Wire
from webex_webhooks_async import Client, RetryPolicy, TokenProvider

TOKEN = "a-token"


def client_of(
    wire: Wire,
    token: str | TokenProvider = TOKEN,
    *,
    attempts: int = 1,
    **options: Any,  # noqa: ANN401 - a client's own
) -> Client:
    """A client that sends each request once, or so many times without waiting between."""
    retry = RetryPolicy(attempts=attempts, base_delay=0.0)
    return Client(token, base_url=wire.base_url, retry=retry, **options)


@asynccontextmanager
async def client_on(
    *script: Step,
    token: str | TokenProvider = TOKEN,
    attempts: int = 1,
    **options: Any,  # noqa: ANN401 - a client's own
) -> AsyncGenerator[tuple[Wire, Client]]:
    """A server with this script, and a client of it."""
    async with (
        Wire(*script) as wire,
        client_of(wire, token, attempts=attempts, **options) as client,
    ):
        yield wire, client
