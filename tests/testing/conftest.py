"""A plain HTTP client of a sandbox, in process and over a socket."""

from collections.abc import AsyncIterator

import httpx
import pytest

from webex_webhooks_async.testing import Sandbox


@pytest.fixture(params=["in process", "on loopback"])
async def api(
    request: pytest.FixtureRequest, webex_sandbox: Sandbox
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without any part of the package, with a token."""
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
