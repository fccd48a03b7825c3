import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from tests.clocks import START, QuickClock
from tests.wire import (
    FOUND,
    WEBHOOK,
    Peer,
    Step,
    Wire,
    answer,
    broken_off,
    hang_up,
    reset,
    reset_unread,
    silence,
    until,
    unused_port,
)
from webex_webhooks_async.errors import (
    APIError,
    LockedError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.retries import RetryPolicy
from webex_webhooks_async.tokens import StaticToken, TokenProvider
from webex_webhooks_async.transport import Clock, Request, Transport

TOKEN = "a-token"
METHODS = ("GET", "PUT", "DELETE", "POST")
IDEMPOTENT = ("GET", "PUT", "DELETE")
ONCE_EACH = dict.fromkeys(METHODS, 1)
ALWAYS_AGAIN = dict.fromkeys(METHODS, 3)
AGAIN_UNLESS_POST = {**ALWAYS_AGAIN, "POST": 1}
AGAIN_FOR_GET = {**ONCE_EACH, "GET": 3}

THRICE = RetryPolicy(attempts=3)


@asynccontextmanager
async def transport_to(  # noqa: PLR0913 - a transport's own arguments
    base_url: str,
    *,
    clock: Clock | None = None,
    retry: RetryPolicy = THRICE,
    timeout: float = 20.0,  # noqa: ASYNC109 - likewise
    max_concurrency: int = 20,
    http_client: httpx.AsyncClient | None = None,
    tokens: TokenProvider | None = None,
) -> AsyncGenerator[Transport]:
    """A transport, with the time in the test's hands."""
    transport = Transport(
        tokens or StaticToken(TOKEN),
        base_url=base_url,
        http_client=http_client,
        timeout=timeout,
        retry=retry,
        max_concurrency=max_concurrency,
        clock=clock or QuickClock(),
    )
    try:
        yield transport
    finally:
        await transport.aclose()


def request(method: str = "GET") -> Request:
    """A request for a webhook."""
    return Request(
        method=method,
        target="/v1/webhooks/W1",
        content=b"{}" if method in {"PUT", "POST"} else None,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("step", "sent", "error"),
    [
        pytest.param(answer(429, b"", "Retry-After: 7"), ALWAYS_AGAIN, RateLimitError, id="429"),
        pytest.param(
            answer(429, b"", f"Retry-After: {format_datetime(START + timedelta(hours=1))}"),
            ONCE_EACH,
            RateLimitError,
            id="429-date-too-far",
        ),
        pytest.param(
            answer(429, b"", f"Retry-After: {format_datetime(START + timedelta(seconds=9))}"),
            ALWAYS_AGAIN,
            RateLimitError,
            id="429-date",
        ),
        pytest.param(
            answer(429, b"", "Retry-After: rand(30),add(30)"),
            ALWAYS_AGAIN,
            RateLimitError,
            id="429-garbage",
        ),
        pytest.param(answer(429), ALWAYS_AGAIN, RateLimitError, id="429-bare"),
        pytest.param(answer(423, b"", "Retry-After: 7"), ALWAYS_AGAIN, LockedError, id="423"),
        pytest.param(
            answer(423, b"", "Retry-After: soon"), ALWAYS_AGAIN, LockedError, id="423-garbage"
        ),
        pytest.param(answer(423), ONCE_EACH, LockedError, id="423-bare"),
        pytest.param(answer(500), AGAIN_FOR_GET, ServerError, id="500"),
        pytest.param(answer(501), ONCE_EACH, ServerError, id="501"),
        pytest.param(answer(502), AGAIN_UNLESS_POST, ServerError, id="502"),
        pytest.param(answer(503), AGAIN_UNLESS_POST, ServerError, id="503"),
        pytest.param(answer(504), AGAIN_UNLESS_POST, ServerError, id="504"),
        pytest.param(answer(505), ONCE_EACH, ServerError, id="505"),
        pytest.param(answer(400), ONCE_EACH, APIError, id="400"),
        pytest.param(answer(404), ONCE_EACH, NotFoundError, id="404"),
        pytest.param(answer(302, b"", "Location: /x"), ONCE_EACH, APIError, id="302"),
    ],
)
async def test_an_error_status_is_met_with_so_many_requests(
    step: Step, sent: dict[str, int], error: type[WebexError], method: str
) -> None:
    """Which status is tried again, and for which methods, is as the table says."""
    async with Wire(step) as wire, transport_to(wire.base_url) as transport:
        with pytest.raises(error):
            await transport.send(request(method))

    assert [each.method for each in wire.requests] == [method] * sent[method]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(reset_unread, id="reset-before-it-was-read"),
        pytest.param(reset, id="reset-after-it-was-read"),
        pytest.param(hang_up, id="closed"),
        pytest.param(broken_off(answer(200, b"x" * 1000)), id="half-a-body"),
        pytest.param(broken_off(b"HTTP/1.1 200 OK\r\nContent-"), id="half-a-header"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="no-http"),
        pytest.param(answer(200, b"no gzip", "Content-Encoding: gzip"), id="no-gzip"),
    ],
)
async def test_a_lost_answer_is_met_with_so_many_requests(step: Step, method: str) -> None:
    """Without an answer all but a POST is sent again; each attempt is over a new connection."""
    async with Wire(step) as wire, transport_to(wire.base_url) as transport:
        with pytest.raises(TransportError):
            await transport.send(request(method))

    assert wire.connections == AGAIN_UNLESS_POST[method]
    assert len(wire.requests) <= wire.connections


@pytest.mark.parametrize("method", METHODS)
async def test_silence_is_met_with_so_many_requests(method: str) -> None:
    """After a timeout all but a POST is sent again."""
    async with Wire(silence) as wire, transport_to(wire.base_url, timeout=0.2) as transport:
        with pytest.raises(RequestTimeoutError):
            await transport.send(request(method))

    assert len(wire.requests) == AGAIN_UNLESS_POST[method]


@pytest.mark.parametrize("method", METHODS)
async def test_a_refused_connection_is_met_with_so_many_attempts(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody listens all but a POST is tried again."""
    base_url = f"http://127.0.0.1:{unused_port()}/v1"
    with caplog.at_level(logging.DEBUG, "webex_webhooks_async"):
        async with transport_to(base_url) as transport:
            with pytest.raises(TransportError):
                await transport.send(request(method))

    assert len(caplog.records) == AGAIN_UNLESS_POST[method]


@pytest.mark.parametrize("lost", [answer(502), answer(503), answer(504), reset, hang_up])
async def test_what_passes_is_survived(lost: Step) -> None:
    """A request ends well as soon as an attempt does."""
    async with Wire(lost, lost, FOUND) as wire, transport_to(wire.base_url) as transport:
        found = await transport.send(request())

    assert found.json() == WEBHOOK
    assert wire.connections + len(wire.requests) > 3


async def in_pieces(peer: Peer) -> None:
    """Answer a part of the body at a time."""
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        await asyncio.sleep(0)
        await peer.send(b"1\r\n \r\n")
    await peer.send(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([FOUND], id="answered"),
        pytest.param([in_pieces], id="answered-in-pieces"),
        pytest.param([answer(503), FOUND], id="retried"),
        pytest.param([answer(429, b"", "Retry-After: 1"), FOUND], id="paused"),
        pytest.param([reset, FOUND], id="reset"),
        pytest.param([broken_off(FOUND), FOUND], id="broken-off"),
        pytest.param([answer(200, b"-", "Content-Encoding: gzip"), FOUND], id="no-gzip"),
    ],
)
@pytest.mark.parametrize("earlier", [0, 1], ids=["new-connection", "idle-connection"])
async def test_a_request_may_be_cancelled_at_any_moment(
    script: Sequence[Step], earlier: int
) -> None:
    """Wherever it is cancelled, the next request passes at once, and nothing is left at the end."""
    for moment in range(200):
        async with Wire(FOUND) as wire:
            async with transport_to(wire.base_url, max_concurrency=1, timeout=5) as transport:
                for _ in range(earlier):
                    await transport.send(request())
                wire.script = [*script]
                cancelled = await cancelled_after(moment, transport.send(request()))
                wire.script = [FOUND]
                await transport.send(request("POST"))  # which would be sent once

                await until(lambda: wire.open == 1)
            await wire.closed()
        if not cancelled:
            break
    else:
        pytest.fail("it never ends")
    gc.collect()  # warns of what wasn't closed


async def cancelled_after(steps: int, doing: Coroutine[Any, Any, object]) -> bool:
    """Cancel after so many steps of the event loop, and tell whether it was still under way."""
    task = asyncio.create_task(doing)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()
