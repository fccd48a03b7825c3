"""A plain HTTP client on a sandbox, with no socket and over one."""

from collections.abc import AsyncIterator

import httpx
import pytest

from webex_webhooks_async.testing import Sandbox


@pytest.fixture(params=["in process", "on loopback"])
async def api(
    request: pytest.FixtureRequest, webex_sandbox: Sandbox
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that the package has no part in, with a token."""
    headers = {"Authorization": "Bearer token"}
    if request.param == "in process":
        async with webex_sandbox.http_client() as client:
            client.headers.update(headers)
            yield client
    else:
        async with (
            webex_sandbox.serve() as base_url,
            httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False) as client,
        ):
            yield client
