import asyncio
import contextlib
import gc
import gzip
import logging
import random
import re
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from importlib.metadata import version
from typing import Any

import httpx
import pytest

from tests.support.clocks import START, QuickClock, StoppedClock
from tests.support.wire import (
    FOUND,
    WEBHOOK,
    Peer,
    Step,
    Wire,
    after,
    answer,
    broken_off,
    hang_up,
    raw_answer,
    reset,
    reset_unread,
    then_hang_up,
    until,
)
from webex_webhooks_async.client.auth import StaticToken, TokenProvider
from webex_webhooks_async.client.clock import Clock
from webex_webhooks_async.client.requester import Request, Requester
from webex_webhooks_async.client.retries import RetryPolicy
from webex_webhooks_async.client.transports.pool import ConnectionPool
from webex_webhooks_async.errors import (
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WebexError,
)

TOKEN = "a-token"
METHODS = ("GET", "PUT", "DELETE", "POST")

THRICE = RetryPolicy(attempts=3)

pytestmark = pytest.mark.usefixtures("engine")


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
) -> AsyncGenerator[Requester]:
    """A transport, with the time in the test's hands."""
    transport = Requester(
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


@pytest.mark.parametrize("lost", [answer(502), answer(503), answer(504), reset, hang_up])
async def test_what_passes_is_survived(lost: Step) -> None:
    """A request ends well as soon as an attempt does."""
    async with Wire(lost, lost, FOUND) as wire, transport_to(wire.base_url) as transport:
        found = await transport.send(request())

    assert found.json() == WEBHOOK
    assert wire.connections + len(wire.requests) > 3


@pytest.mark.parametrize("method", METHODS)
async def test_no_retry_is_no_retry(method: str) -> None:
    """With `RetryPolicy.none()` each request is sent once, whatever comes of it."""
    for step in (answer(429, b"", "Retry-After: 0"), answer(503), reset):
        async with (
            Wire(step) as wire,
            transport_to(wire.base_url, retry=RetryPolicy.none()) as transport,
        ):
            with pytest.raises(WebexError):
                await transport.send(request(method))

        assert wire.connections == len(wire.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [
        (["Retry-After: 7"], [7.0, 7.0]),
        (["Retry-After: 0"], [0.0, 0.0]),
        (
            [f"Retry-After: {format_datetime(START + timedelta(seconds=9), usegmt=True)}"],
            [9.0, 0.0],
        ),
        (["Retry-After: Fri, 17 May 2024 09:30:09 -0000"], [9.0, 0.0]),
        (["Retry-After: rand(30),add(30)"], [0.25, 0.5]),
        (["Retry-After: ²"], [0.25, 0.5]),
        (["Retry-After: -3"], [0.25, 0.5]),
        (["Retry-After: 1", "Retry-After: 2"], [0.25, 0.5]),
        ([], [0.25, 0.5]),
    ],
)
async def test_it_waits_as_long_as_the_service_says(
    retry_after: list[str], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After is seconds or a date; for anything else the backoff serves."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    clock = QuickClock()
    async with (
        Wire(answer(429, b"", *retry_after)) as wire,
        transport_to(wire.base_url, clock=clock) as transport,
    ):
        with pytest.raises(RateLimitError):
            await transport.send(request())

    assert clock.slept == waits


async def test_the_backoff_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is a random part of a doubling delay, up to `max_delay`."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    clock, retry = QuickClock(), RetryPolicy(attempts=6, base_delay=2.0, max_delay=10.0)
    async with (
        Wire(answer(503)) as wire,
        transport_to(wire.base_url, clock=clock, retry=retry) as transport,
    ):
        with pytest.raises(ServerError):
            await transport.send(request())

    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


async def test_a_long_retry_after_is_raised_and_not_slept() -> None:
    """It is for the caller to come again; other requests aren't held up either."""
    clock = QuickClock()
    async with (
        Wire(answer(429, b"<html>", "Retry-After: 3600"), FOUND) as wire,
        transport_to(wire.base_url, clock=clock) as transport,
    ):
        with pytest.raises(RateLimitError) as raised:
            await transport.send(request())
        await transport.send(request())

    assert raised.value.retry_after == 3600.0
    assert clock.slept == []


@pytest.mark.parametrize("method", METHODS)
async def test_one_429_pauses_every_request(method: str) -> None:
    """While one waits for Retry-After none is sent, and then all are."""
    clock = StoppedClock()
    async with (
        Wire(answer(429, b"", "Retry-After: 30"), FOUND) as wire,
        transport_to(wire.base_url, clock=clock, max_concurrency=3) as transport,
    ):
        first = asyncio.create_task(transport.send(request()))
        await until(lambda: clock.sleepers == 1)
        others = [asyncio.create_task(transport.send(request(method))) for _ in range(3)]
        await until(lambda: clock.sleepers == 4)
        clock.advance(29.9)
        await settled()
        before = len(wire.requests)
        clock.advance(0.2)
        await asyncio.gather(first, *others)

    assert (before, len(wire.requests)) == (1, 5)


async def test_a_429_of_the_last_attempt_pauses_the_others_too() -> None:
    """It speaks for the whole client, also where it is raised."""
    clock = StoppedClock()
    async with (
        Wire(answer(429, b"", "Retry-After: 30"), FOUND) as wire,
        transport_to(wire.base_url, clock=clock, retry=RetryPolicy.none()) as transport,
    ):
        with pytest.raises(RateLimitError):
            await transport.send(request())
        other = asyncio.create_task(transport.send(request()))
        await until(lambda: clock.sleepers == 1)
        before = len(wire.requests)
        clock.advance(30.0)
        await other

    assert (before, len(wire.requests)) == (1, 2)


async def test_a_pause_grows_and_never_shrinks() -> None:
    """Of two 429s the longer one counts, whichever comes first."""
    clock = StoppedClock()
    long, short = (answer(429, b"", f"Retry-After: {seconds}") for seconds in (30, 10))
    both_here = asyncio.Event()
    async with (
        Wire(after(both_here, long), after(both_here, short), FOUND) as wire,
        transport_to(wire.base_url, clock=clock) as transport,
    ):
        tasks = [asyncio.create_task(transport.send(request())) for _ in range(2)]
        await wire.received(2)
        both_here.set()
        await until(lambda: clock.sleepers == 2)
        clock.advance(10.0)
        await settled()
        before = len(wire.requests)
        clock.advance(20.0)
        await asyncio.gather(*tasks)

    assert (before, len(wire.requests)) == (2, 4)


async def test_other_errors_pause_nobody() -> None:
    """A 503 or a 423 speaks for its own request alone."""
    clock = StoppedClock()
    async with (
        Wire(answer(503), answer(423, b"", "Retry-After: 30"), FOUND) as wire,
        transport_to(wire.base_url, clock=clock) as transport,
    ):
        waiting = [asyncio.create_task(transport.send(request())) for _ in range(2)]
        await until(lambda: clock.sleepers == 2)
        await transport.send(request())
        clock.advance(30.0)
        await asyncio.gather(*waiting)

    assert len(wire.requests) == 5


async def test_a_request_that_waits_for_its_retry_holds_no_slot() -> None:
    """With a single slot another request passes meanwhile."""
    clock = StoppedClock()
    async with (
        Wire(answer(503), FOUND) as wire,
        transport_to(wire.base_url, clock=clock, max_concurrency=1) as transport,
    ):
        waiting = asyncio.create_task(transport.send(request("DELETE")))
        await until(lambda: clock.sleepers == 1)
        await transport.send(request("PUT"))
        clock.advance(30.0)
        await waiting

    assert [each.method for each in wire.requests] == ["DELETE", "PUT", "DELETE"]


async def test_a_request_cancelled_in_a_pause_frees_its_slot() -> None:
    """Whoever gives up during a pause leaves nothing behind."""
    clock = StoppedClock()
    async with (
        Wire(answer(429, b"", "Retry-After: 30"), FOUND) as wire,
        transport_to(
            wire.base_url, clock=clock, max_concurrency=1, retry=RetryPolicy.none()
        ) as transport,
    ):
        with pytest.raises(RateLimitError):
            await transport.send(request())
        given_up = asyncio.create_task(transport.send(request()))
        await until(lambda: clock.sleepers == 1)
        given_up.cancel()
        await asyncio.wait([given_up])
        clock.advance(30.0)
        await transport.send(request())

    assert len(wire.requests) == 2


@pytest.mark.parametrize("lost", [reset, hang_up, reset_unread, *map(answer, (502, 503, 504))])
@pytest.mark.parametrize("between", [[], [answer(429)], [answer(502)]])
async def test_a_delete_that_finds_nothing_after_a_lost_answer_has_succeeded(
    lost: Step, between: list[Step]
) -> None:
    """The attempt before may have done it, even if a 429 came in between."""
    async with (
        Wire(lost, *between, answer(404)) as wire,
        transport_to(wire.base_url) as transport,
    ):
        gone = await transport.send(request("DELETE"))

    assert gone.status_code == 404


@pytest.mark.parametrize("script", [[], [answer(429)], [answer(423, b"", "Retry-After: 0")]])
async def test_a_delete_that_finds_nothing_is_an_error_where_nothing_was_done(
    script: list[Step],
) -> None:
    """After no attempt, or one that was turned away, there was nothing to delete."""
    async with Wire(*script, answer(404)) as wire, transport_to(wire.base_url) as transport:
        with pytest.raises(NotFoundError):
            await transport.send(request("DELETE"))


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_a_delete_succeeds_by_finding_nothing(method: str) -> None:
    """What isn't there can't be read or changed."""
    async with Wire(answer(503), answer(404)) as wire, transport_to(wire.base_url) as transport:
        with pytest.raises(NotFoundError):
            await transport.send(request(method))


async def test_each_attempt_has_a_tracking_id_and_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line has method, path without query, status, milliseconds and the id, and no more."""
    script = answer(503), reset, answer(200, {"private": 1}, "X-Private: 1", "TrackingID: theirs")
    with caplog.at_level(logging.DEBUG, "webex_webhooks_async"):
        async with Wire(*script) as wire, transport_to(wire.base_url) as transport:
            await transport.send(Request(method="GET", target="/v1/webhooks?private=1"))

    ids = [each.headers["trackingid"] for each in wire.requests]
    assert len(set(ids)) == 3
    assert [re.sub(r"in \d+ ms", "in N ms", each) for each in caplog.messages] == [
        f"GET /v1/webhooks: {outcome} in N ms (tracking id {tracking_id})"
        for outcome, tracking_id in zip(["503", "no answer", "200"], ids, strict=True)
    ]
    assert {each.levelname for each in caplog.records} == {"DEBUG"}


async def test_an_error_without_an_answer_has_the_tracking_id_that_was_sent() -> None:
    """It is the last attempt's, and the cause is the HTTP library's error."""
    async with Wire(reset) as wire, transport_to(wire.base_url) as transport:
        with pytest.raises(TransportError, match="GET /v1/webhooks/W1") as raised:
            await transport.send(request())

    assert raised.value.tracking_id == wire.requests[-1].headers["trackingid"]
    assert isinstance(raised.value.__cause__, httpx.RequestError)


async def test_a_request_says_what_it_is() -> None:
    """It carries the token, the user agent, and the media types that it takes and has."""
    async with Wire(FOUND) as wire, transport_to(wire.base_url) as transport:
        await transport.send(request("GET"))
        await transport.send(request("PUT"))

    get, put = (each.headers for each in wire.requests)
    assert get["authorization"] == f"Bearer {TOKEN}"
    assert get["user-agent"] == f"webex-webhooks-async/{version('webex-webhooks-async')}"
    assert get["accept"] == "application/json"
    assert "content-type" not in get
    assert put["content-type"] == "application/json"
    assert wire.requests[1].body == b"{}"


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Drip: ", raw_answer(200, b"")])
async def test_a_drip_that_never_ends_ends_in_time(start: bytes) -> None:
    """The timeout is for the whole answer, and not for the next byte of it."""

    async def drip(peer: Peer) -> None:
        await peer.send(start)
        while not peer.is_gone:
            await peer.send(b"x")
            await asyncio.sleep(0.01)

    async with (
        Wire(drip) as wire,
        transport_to(wire.base_url, timeout=0.2, retry=RetryPolicy.none()) as transport,
    ):
        with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.2 s"):
            await transport.send(request())
        await wire.closed()


@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_an_answer_of_any_size_is_read(size: int) -> None:
    """A body may be empty or large, compressed or in chunks."""
    body = bytes(size)
    compressed = gzip.compress(body, compresslevel=1)
    chunk = f"{size:x}\r\n".encode() + body + b"\r\n" if size else b""
    script = [
        answer(200, body),
        answer(200, compressed, "Content-Encoding: gzip"),
        raw_answer(200, chunk + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    ]
    async with Wire(*script) as wire, transport_to(wire.base_url) as transport:
        sizes = [len((await transport.send(request())).body) for _ in script]

    assert sizes == [size] * 3
    assert wire.connections == 1


async def test_an_answer_may_end_with_the_connection() -> None:
    """Without a length it ends where the connection does; the next request takes a new one."""

    async def until_the_end(peer: Peer) -> None:
        await peer.send(raw_answer(200, b"all of it"))
        peer.hang_up()

    async with Wire(until_the_end) as wire, transport_to(wire.base_url) as transport:
        bodies = [(await transport.send(request())).body for _ in range(2)]

    assert bodies == [b"all of it"] * 2
    assert wire.connections == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "too_much",
    [
        pytest.param(raw_answer(200, b'{"id": "W1"}', "Content-Length: 5"), id="length-too-small"),
        pytest.param(FOUND + answer(200, b"another"), id="two-answers"),
    ],
)
async def test_what_comes_behind_an_answer_is_no_answer(too_much: bytes, method: str) -> None:
    """It may spoil that one; the next request takes a new connection, and gets its own answer."""
    async with (
        Wire(too_much, FOUND) as wire,
        transport_to(wire.base_url, retry=RetryPolicy.none()) as transport,
    ):
        with contextlib.suppress(TransportError):
            await transport.send(request())
        next_one = await transport.send(request(method))
        await transport.send(request())

    assert next_one.json() == WEBHOOK
    assert [each.connection for each in wire.requests] == [1, 2, 2]


async def test_a_connection_is_used_again() -> None:
    """One request after the other takes one connection, errors included."""
    async with (
        Wire(FOUND, answer(404), answer(204), answer(503), FOUND) as wire,
        transport_to(wire.base_url) as transport,
    ):
        for _ in range(3):
            await transport.send(request())
            with contextlib.suppress(NotFoundError):
                await transport.send(request())

    assert wire.connections == 1


@pytest.mark.parametrize("engine", ["httpx"], indirect=True)  # aiohttp's pool is a queue
async def test_the_connection_last_used_is_the_next_to_be_used() -> None:
    """So that the others may grow old and end."""
    releases = [asyncio.Event() for _ in range(3)]
    async with (
        Wire(*(after(release, FOUND) for release in releases), FOUND) as wire,
        transport_to(wire.base_url) as transport,
    ):
        tasks: list[asyncio.Task[object]] = []
        for count in range(1, 4):
            tasks.append(asyncio.create_task(transport.send(request())))
            await wire.received(count)
        for number in (0, 2, 1):
            releases[number].set()
            await tasks[number]
        for _ in range(3):
            await transport.send(request())

    assert [each.connection for each in wire.requests] == [1, 2, 3, 2, 2, 2]


@pytest.mark.parametrize("method", METHODS)
async def test_a_connection_that_the_server_closed_is_not_used(method: str) -> None:
    """What was closed while it was idle is seen in time, so that a POST too is sent well."""
    async with (
        Wire(then_hang_up(FOUND)) as wire,
        transport_to(wire.base_url, retry=RetryPolicy.none()) as transport,
    ):
        for _ in range(3):
            await transport.send(request(method))
            await wire.closed()
            await settled()

    assert wire.connections == 3


async def test_a_connection_that_the_server_wants_closed_is_closed() -> None:
    """After `Connection: close` the next request takes a new one."""
    closing = answer(200, WEBHOOK, "Connection: close")
    async with Wire(closing) as wire, transport_to(wire.base_url) as transport:
        await transport.send(request())
        await wire.closed()
        await transport.send(request())

    assert wire.connections == 2


async def in_pieces(peer: Peer) -> None:
    """Response a part of the body at a time."""
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


async def settled() -> None:
    """Let the event loop do all that it can without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_connections_belong_to_one_event_loop() -> None:
    """In another one, which can't use their sockets, an error says so, and nothing is sent."""
    requests: list[httpx.Request] = []

    def answer_ok(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    async def send() -> int:
        request = httpx.Request("GET", "https://webexapis.com/v1/webhooks")
        return (await connections.handle_async_request(request)).status_code

    connections = ConnectionPool(lambda: httpx.MockTransport(answer_ok))

    assert asyncio.run(send()) == 200
    with pytest.raises(RuntimeError, match="belongs to the event loop"):
        asyncio.run(send())
    assert len(requests) == 1
