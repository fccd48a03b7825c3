import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from tests.support.clients import TOKEN, client_on
from tests.support.wire import FOUND, WEBHOOK, Act, Peer, Step, http_response, raw_http_response
from webex_webhooks_async import (
    BadRequestError,
    Client,
    DecodeError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    TransportError,
)

LIMIT = 2_000_000


def bomb(size: int, level: int = 9) -> bytes:
    """So many bytes of JSON, compressed."""
    return gzip.compress(b'"' + b" " * (size - 2) + b'"', level)


def gzipped(body: bytes, coding: str = "gzip", status: int = 200) -> bytes:
    """A response with this body."""
    return http_response(status, body, f"Content-Encoding: {coding}")


def endlessly(start: bytes, piece: bytes) -> Act:
    """Send this, and then a piece again and again."""

    async def act(peer: Peer) -> None:
        await peer.send(start)
        while not peer.is_gone:
            await peer.send(piece)

    return act


GZIP = "Content-Encoding: gzip"
TOO_LARGE: dict[str, Step] = {
    "endless": endlessly(raw_http_response(200, b""), bytes(65_536)),
    "trailing": endlessly(raw_http_response(200, gzip.compress(b"{}"), GZIP), bytes(65_536)),
    "nothing": endlessly(
        raw_http_response(200, gzip.compress(b"{}")[:10], GZIP), b"\0\0\0\xff\xff" * 10_000
    ),
    "bomb": gzipped(bomb(20_000_000)),
    "one too many": gzipped(bomb(LIMIT + 1)),
    "error": gzipped(bomb(LIMIT + 1), status=400),
    "plain": http_response(200, bytes(LIMIT + 1)),
}


async def peak(call: Callable[[], Any]) -> int:
    """The most memory that a call needs."""
    tracemalloc.start()
    try:
        await call()
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("name", "is_download"),
    [*((each, False) for each in TOO_LARGE), ("endless", True), ("bomb", True), ("error", True)],
)
async def test_a_body_that_is_too_large_is_left_while_it_is_read(
    name: str, *, is_download: bool
) -> None:
    """It takes no more memory than the largest allowed one, and is never asked for again."""
    script = [gzipped(bomb(LIMIT)), TOO_LARGE[name]]
    async with client_on(*script, attempts=4, max_body=LIMIT) as (wire, client):
        allowed = await peak(lambda: client.get("people/me"))

        async def ask() -> None:
            url = f"{wire.base_url}/contents/C1"
            asked = client.download(url, max_bytes=LIMIT) if is_download else client.get("x")
            with pytest.raises(ResponseTooLargeError, match=r"more than 2000000 bytes") as raised:
                await asked
            assert raised.value.tracking_id == wire.requests[-1].headers["trackingid"]

        attacked = await peak(ask)

    assert attacked < 1.5 * allowed
    assert len(wire.requests) == 2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip, identity", "deflate,gzip"])
async def test_more_than_one_content_coding_is_an_error(coding: str) -> None:
    """It is a `DecodeError`, after one request, and nothing is inflated."""
    twice = gzip.compress(gzip.compress(b"{}"))
    async with client_on(gzipped(twice, coding), FOUND, attempts=4) as (wire, client):
        with pytest.raises(DecodeError, match="more than one content coding"):
            await client.get("people/me")
        await client.get("people/me")

    assert len(wire.requests) == 2


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"{}")[:-1], zlib.compress(b"{}")],
    ids=["no-gzip", "cut", "zlib"],
)
async def test_a_body_that_isn_t_compressed_as_it_says_counts_as_lost(body: bytes) -> None:
    """Also one that ends too early; it is asked for again."""
    async with client_on(gzipped(body), FOUND, attempts=2) as (wire, client):
        assert await client.get("people/me") == WEBHOOK

    assert len(wire.requests) == 2


async def test_inflating_ends_in_time_and_holds_up_nobody() -> None:
    """The timeout counts while a body is inflated, and other tasks run in between."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with client_on(gzipped(bomb(10_000_000)), max_body=10_000_000) as (_, client):
        other = asyncio.create_task(others())
        await client.get("people/me")
        other.cancel()

    assert turns > 10_000_000 / 65_536


async def test_a_timeout_ends_a_body_that_is_inflated() -> None:
    """However fast the bytes arrive."""
    stream = bomb(LIMIT)

    async def body() -> AsyncGenerator[bytes]:
        loop = asyncio.get_running_loop()
        later = loop.time() + 100.0
        setattr(loop, "time", lambda: later)  # noqa: B010 - for type checkers
        yield stream

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=body())

    async with Client(
        TOKEN, http_client=httpx.MockTransport(respond), retry=RetryPolicy.none()
    ) as client:
        with pytest.raises(RequestTimeoutError):
            await client.get("people/me")


async def test_an_error_status_keeps_its_message() -> None:
    """A compressed error is read like any other response."""
    refusal = gzipped(gzip.compress(b'{"message": "no such room"}'), status=400)
    async with client_on(refusal) as (_, client):
        with pytest.raises(BadRequestError, match="no such room"):
            await client.get("rooms")


async def test_what_a_mock_has_read_is_limited_too() -> None:
    """A body that is in memory already is refused all the same."""
    mock = httpx.MockTransport(lambda _: httpx.Response(200, json="x" * 100))
    async with Client(TOKEN, http_client=mock, max_body=50) as client:
        with pytest.raises(ResponseTooLargeError):
            await client.get("people/me")


@pytest.mark.parametrize("location", ["https://xn--a.com/", "mailto:ann@example.com", "https:x"])
async def test_a_redirect_that_httpx_can_t_read_is_a_transport_error(location: str) -> None:
    """Httpx reads the URL of a redirect, also of one that isn't followed."""
    redirect = http_response(302, b"", f"Location: {location}")
    async with client_on(redirect) as (_, client):
        with pytest.raises(TransportError, match="no response"):
            await client.get("people/me")
