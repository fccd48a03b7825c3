"""A plain HTTP client of a sandbox."""

from collections.abc import AsyncIterator

import httpx
import pytest

from webex_webhooks_async.testing import Sandbox


@pytest.fixture
async def api(webex_sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client without any part of the package, with a token."""
    async with webex_sandbox.http_client() as client:
        client.headers["Authorization"] = "Bearer token"
        yield client
