"""Clients of a sandbox."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.bot.doubles import Webex
from webex_webhooks_async import Client
from webex_webhooks_async.testing import Sandbox


@pytest.fixture
async def api(webex_sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client without any part of the package, with a token."""
    async with webex_sandbox.http_client() as client:
        client.headers["Authorization"] = "Bearer token"
        yield client


@pytest.fixture
def webex(webex_sandbox: Sandbox, webex_client: Client) -> Webex:
    """A sandbox, and a client that calls it."""
    return Webex(webex_sandbox, webex_client)
