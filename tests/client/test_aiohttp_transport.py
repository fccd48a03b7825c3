import sys
from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.support.clients import TOKEN, client_on
from tests.support.wire import FOUND, Step, Wire, http_response, reset, unused_port
from webex_webhooks_async import AiohttpTransport, Client, TransportError


async def test_it_is_left_open_by_a_client_that_it_was_given_to() -> None:
    """A client leaves it open; after its own `aclose` nothing is sent."""
    async with Wire(FOUND) as wire, AiohttpTransport() as transport:
        for _ in range(2):
            async with Client(TOKEN, base_url=wire.base_url, http_client=transport) as client:
                await client.webhooks.get("W1")
        await transport.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await Client(TOKEN, base_url=wire.base_url, http_client=transport).webhooks.get("W1")
        await wire.closed()

    assert (wire.connections, len(wire.requests)) == (1, 2)


async def test_it_serves_any_client_of_httpx() -> None:
    """It works with any client of httpx, also for bodies that come in parts."""

    async def parts() -> AsyncGenerator[bytes]:
        yield b"one, "
        yield b"two"

    async with (
        Wire(http_response(200, b"three")) as wire,
        httpx.AsyncClient(transport=AiohttpTransport()) as http_client,
    ):
        response = await http_client.post(wire.origin, content=parts())

    assert response.text == "three"
    assert wire.requests[0].body == b"one, two"


@pytest.mark.parametrize("earlier", [0, 1], ids=["new-connection", "idle-connection"])
async def test_what_was_lost_isn_t_sent_again_by_aiohttp(earlier: int) -> None:
    """A lost request isn't repeated by aiohttp: only the client decides that."""
    script: list[Step] = [*[FOUND] * earlier, reset]
    async with (
        AiohttpTransport() as transport,
        client_on(*script, http_client=transport) as (wire, client),
    ):
        for _ in range(earlier):
            await client.webhooks.get("W1")
        with pytest.raises(TransportError, match="ReadError: "):
            await client.webhooks.get("W1")

    assert len(wire.requests) == earlier + 1


async def test_an_error_doesn_t_hold_the_request() -> None:
    """The raised error has the text of aiohttp's error, but not its headers with the token."""
    url = f"http://127.0.0.1:{unused_port()}"
    async with AiohttpTransport() as transport:
        with pytest.raises(httpx.ConnectError, match="ClientConnectorError: ") as raised:
            await transport.handle_async_request(httpx.Request("GET", url))

    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "broken", [b'HTTP/1.1 200 OK\r\n"%s\r\n\r\n', b"%s\r\n\r\n"], ids=["header", "status-line"]
)
async def test_an_error_quotes_nothing_of_a_response(broken: bytes) -> None:
    """The error doesn't quote the response, which may hold a part of a secret."""
    async with Wire(broken % b"secret" * 9) as wire, AiohttpTransport() as transport:
        with pytest.raises(httpx.ReadError) as raised:
            await transport.handle_async_request(httpx.Request("GET", wire.origin))

    assert str(raised.value) == "ClientResponseError"


async def test_a_proxy_that_aiohttp_doesn_t_know_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A SOCKS proxy is refused, because aiohttp would send it the token over HTTP."""
    async with Wire(FOUND) as proxy, AiohttpTransport() as transport:
        monkeypatch.setenv("HTTP_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(httpx.UnsupportedProtocol):
            await transport.handle_async_request(httpx.Request("GET", "http://127.0.0.1"))

    assert proxy.connections == 0


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiohttp, creating the transport raises an error that names the extra."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    with pytest.raises(ImportError, match=r"pip install \"webex-webhooks-async\[aiohttp\]\""):
        AiohttpTransport()
