import httpx
import pytest

from webex_webhooks_async.testing import Sandbox

TOKEN = {"Authorization": "Bearer token"}


@pytest.mark.parametrize(
    "url", ["https://webexapis.com/v1/webhooks", "http://localhost:1/v1/webhooks", "/webhooks"]
)
async def test_any_host_is_the_sandbox(webex_sandbox: Sandbox, url: str) -> None:
    """The sandbox responds for any host."""
    async with webex_sandbox.http_client() as client:
        response = await client.get(url, headers=TOKEN)

    assert response.status_code == 200


async def test_a_dropped_connection(webex_sandbox: Sandbox) -> None:
    """A dropped connection is the error that httpx raises for one, with its request."""
    webex_sandbox.fail(drop=True)

    async with webex_sandbox.http_client() as client:
        with pytest.raises(httpx.RemoteProtocolError) as raised:
            await client.get("/webhooks", headers=TOKEN)

    assert raised.value.request.url.path == "/v1/webhooks"


async def test_the_read_timeout_is_honoured(webex_sandbox: Sandbox) -> None:
    """A late response is a timeout, as over a socket."""
    webex_sandbox.fail(delay=3600)

    async with webex_sandbox.http_client() as client:
        with pytest.raises(httpx.ReadTimeout) as raised:
            await client.get("/webhooks", headers=TOKEN, timeout=0.01)

    assert raised.value.request.url.path == "/v1/webhooks"


async def test_no_timeout() -> None:
    """A client without a timeout waits as long as it takes."""

    async def no_time(_seconds: float) -> None: ...

    sandbox = Sandbox(sleep=no_time)
    sandbox.fail(delay=3600)

    async with sandbox.http_client() as client:
        response = await client.get("/webhooks", headers=TOKEN, timeout=None)

    assert response.status_code == 200
