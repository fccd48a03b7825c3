import asyncio
import contextlib
import gc
import gzip
import logging
import re
from collections.abc import AsyncGenerator, Sequence
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
    Peer,
    Step,
    Wire,
    after,
    broken_off,
    cancelled_after,
    hang_up,
    http_response,
    idle_loop,
    raw_http_response,
    reset,
    reset_unread,
    then_hang_up,
    until,
)
from webex_webhooks_async.client.auth import StaticToken
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.requester import Request, Requester
from webex_webhooks_async.client.retries import RetryPolicy
from webex_webhooks_async.errors import (
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
)

TOKEN = "a-token"
METHODS = ("GET", "PUT", "DELETE", "POST", "PATCH")

THRICE = RetryPolicy(attempts=3)
MAX_BODY = 100_000
LIMITED = http_response(429, b"", "Retry-After: 30")

on_each_engine = pytest.mark.usefixtures("engine")


@asynccontextmanager
async def requester_on(
    *script: Step,
    clock: Clock | None = None,
    retry: RetryPolicy = THRICE,
    timeout: float = 20.0,  # noqa: ASYNC109 - a requester's own
    max_concurrency: int = 20,
) -> AsyncGenerator[tuple[Wire, Requester]]:
    """A server with this script, and a requester with a clock of the test."""
    async with Wire(*script) as wire:
        requester = Requester(
            StaticToken(TOKEN),
            base_url=wire.base_url,
            http_client=None,
            timeout=timeout,
            retry=retry,
            max_concurrency=max_concurrency,
            max_body=MAX_BODY,
            clock=clock or QuickClock(),
        )
        try:
            yield wire, requester
        finally:
            await requester.aclose()


def request(method: str = "GET") -> Request:
    """A request for a webhook."""
    return Request(
        method=method,
        target="/v1/webhooks/W1",
        content=b"{}" if method in {"PUT", "POST", "PATCH"} else None,
    )


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [
        (["Retry-After: 7"], [7.0, 7.0]),
        (
            [f"Retry-After: {format_datetime(START + timedelta(seconds=9), usegmt=True)}"],
            [9.0, 0.0],
        ),
        (["Retry-After: 1", "Retry-After: 2"], [0.25, 0.5]),
        ([], [0.25, 0.5]),
    ],
)
async def test_a_retry_after_is_waited(retry_after: list[str], waits: list[float]) -> None:
    """Retry-After holds seconds or a date; for anything else the backoff is used."""
    clock = QuickClock()
    async with requester_on(http_response(429, b"", *retry_after), clock=clock) as (_, requester):
        with pytest.raises(RateLimitError):
            await requester.send(request())

    assert clock.slept == waits


async def test_a_date_is_compared_with_the_time_of_the_machine() -> None:
    """A Retry-After in the year 2999 is too long to wait for."""
    limited = http_response(429, b"", "Retry-After: Tue, 31 Dec 2999 23:59:59 GMT")
    async with requester_on(limited, FOUND, clock=Clock()) as (_, requester):
        with pytest.raises(RateLimitError):
            await requester.send(request())


async def test_a_long_retry_after_is_raised_and_not_slept() -> None:
    """The caller decides when to try again; other requests aren't paused either."""
    clock = QuickClock()
    limited = http_response(429, b"<html>", "Retry-After: 3600")
    async with requester_on(limited, FOUND, clock=clock) as (_, requester):
        with pytest.raises(RateLimitError) as raised:
            await requester.send(request())
        await requester.send(request())

    assert raised.value.retry_after == 3600.0
    assert clock.slept == []


@pytest.mark.parametrize(("limited", "seconds"), [(LIMITED, 30.0), (http_response(429), 0.25)])
async def test_one_429_pauses_every_request(limited: Step, seconds: float) -> None:
    """While one request waits for Retry-After, or its backoff, none is sent; then all are."""
    clock = StoppedClock()
    async with requester_on(limited, FOUND, clock=clock) as (wire, requester):
        first = asyncio.create_task(requester.send(request()))
        await until(lambda: clock.sleepers == 1)
        others = [asyncio.create_task(requester.send(request(each))) for each in METHODS]
        await until(lambda: clock.sleepers == 6)
        clock.advance(seconds - 0.1)
        await idle_loop()
        before = len(wire.requests)
        clock.advance(0.2)
        await asyncio.gather(first, *others)

    assert (before, len(wire.requests)) == (1, 7)


async def test_a_429_of_the_last_attempt_pauses_the_others_too() -> None:
    """A 429 that is raised pauses the client; one cancelled meanwhile counts no longer."""
    clock = StoppedClock()
    options: Any = {"max_concurrency": 1, "retry": RetryPolicy.none()}
    async with requester_on(LIMITED, FOUND, clock=clock, **options) as (wire, requester):
        with pytest.raises(RateLimitError):
            await requester.send(request())
        cancelled = asyncio.create_task(requester.send(request()))
        await until(lambda: clock.sleepers == 1)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        other = asyncio.create_task(requester.send(request()))
        await until(lambda: clock.sleepers == 1)
        before = len(wire.requests)
        clock.advance(30.0)
        await other

    assert (before, len(wire.requests)) == (1, 2)


async def test_a_pause_grows_and_never_shrinks() -> None:
    """Of two 429s the longer one counts, whichever comes first."""
    clock = StoppedClock()
    both_here = asyncio.Event()
    long, short = (
        after(both_here, http_response(429, b"", f"Retry-After: {each}")) for each in (30, 10)
    )
    async with requester_on(long, short, FOUND, clock=clock) as (wire, requester):
        tasks = [asyncio.create_task(requester.send(request())) for _ in range(2)]
        await wire.received(2)
        both_here.set()
        await until(lambda: clock.sleepers == 2)
        clock.advance(10.0)
        await idle_loop()
        before = len(wire.requests)
        clock.advance(20.0)
        await asyncio.gather(*tasks)

    assert (before, len(wire.requests)) == (2, 4)


async def test_other_errors_pause_only_their_own_request() -> None:
    """A 503 or a 423 leaves the other requests alone, also with a Retry-After."""
    clock = StoppedClock()
    busy, locked = (http_response(each, b"", "Retry-After: 30") for each in (503, 423))
    async with requester_on(busy, locked, FOUND, clock=clock) as (wire, requester):
        waiting = [asyncio.create_task(requester.send(request())) for _ in range(2)]
        await until(lambda: clock.sleepers == 2)
        await requester.send(request())
        clock.advance(30.0)
        await asyncio.gather(*waiting)

    assert len(wire.requests) == 5


async def test_a_request_that_waits_for_its_retry_doesn_t_count_as_concurrent() -> None:
    """While a request waits for its retry, `max_concurrency=1` admits another one."""
    clock, busy = StoppedClock(), http_response(503)
    async with requester_on(busy, FOUND, clock=clock, max_concurrency=1) as (wire, requester):
        waiting = asyncio.create_task(requester.send(request("DELETE")))
        await until(lambda: clock.sleepers == 1)
        await requester.send(request("PUT"))
        clock.advance(30.0)
        await waiting

    assert [each.method for each in wire.requests] == ["DELETE", "PUT", "DELETE"]


@on_each_engine
@pytest.mark.parametrize(
    "lost", [reset, hang_up, reset_unread, *map(http_response, (502, 503, 504))]
)
@pytest.mark.parametrize("between", [[], [http_response(429)], [http_response(502)]])
async def test_a_delete_that_finds_nothing_after_a_lost_response_has_succeeded(
    lost: Step, between: list[Step]
) -> None:
    """An earlier attempt may have deleted it, even if a 429 came in between."""
    async with requester_on(lost, *between, http_response(404)) as (_, requester):
        gone = await requester.send(request("DELETE"))

    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("method", "script"),
    [
        ("DELETE", []),
        ("DELETE", [http_response(429)]),
        ("DELETE", [http_response(423, b"", "Retry-After: 0")]),
        ("GET", [http_response(503)]),
        ("PUT", [http_response(503)]),
    ],
)
async def test_any_other_404_is_an_error(method: str, script: list[Step]) -> None:
    """Of a DELETE that wasn't processed before, and of another method."""
    async with requester_on(*script, http_response(404)) as (_, requester):
        with pytest.raises(NotFoundError):
            await requester.send(request(method))


async def test_each_attempt_has_a_tracking_id_and_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line has method, path, status, milliseconds and the response's id, or else its own."""
    script = (
        http_response(503),
        reset,
        http_response(200, {"private": 1}, "X-Private: 1", "TrackingID: theirs"),
    )
    with caplog.at_level(logging.DEBUG, "webex_webhooks_async"):
        async with requester_on(*script) as (wire, requester):
            await requester.send(Request(method="GET", target="/v1/webhooks?private=1"))

    ids = [each.headers["trackingid"] for each in wire.requests]
    assert len(set(ids)) == 3
    records = [each for each in caplog.records if each.levelno == logging.DEBUG]
    ids_of_responses = [ids[0], ids[1], "theirs"]
    assert [re.sub(r"in \d+ ms", "in N ms", each.getMessage()) for each in records] == [
        f"GET /v1/webhooks: {outcome} in N ms (tracking id {tracking_id})"
        for outcome, tracking_id in zip(
            ["503", "no response", "200"], ids_of_responses, strict=True
        )
    ]
    assert [fields_of(each) for each in records] == [
        ("GET", "/v1/webhooks", status, tracking_id, float)
        for status, tracking_id in zip([503, None, 200], ids_of_responses, strict=True)
    ]


def fields_of(record: Any) -> tuple[object, ...]:  # noqa: ANN401 - a record has any fields
    """The fields of a record for log services, and the type of the duration."""
    duration: object = record.webex_duration_ms
    fields = record.webex_method, record.webex_path, record.webex_status, record.webex_tracking_id
    return *fields, type(duration)


async def test_each_retry_has_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The INFO line has method, path without query, the reason and the delay."""
    script = http_response(503), reset, http_response(503, b"", "Retry-After: 7"), FOUND
    with caplog.at_level(logging.INFO, "webex_webhooks_async"):
        async with requester_on(*script, retry=RetryPolicy()) as (wire, requester):
            await requester.send(Request(method="GET", target="/v1/webhooks?private=1"))

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", f"GET /v1/webhooks: {line}")
        for line in (
            "503 Service Unavailable; attempt 2 of 4 follows in 0.25 s",
            "no response; attempt 3 of 4 follows in 0.50 s",
            "503 Service Unavailable; attempt 4 of 4 follows in 7.00 s",
        )
    ]
    ids = [each.headers["trackingid"] for each in wire.requests]
    assert [fields_of(each) for each in caplog.records] == [
        ("GET", "/v1/webhooks", status, tracking_id, float)
        for status, tracking_id in zip([503, None, 503], ids[:3], strict=True)
    ]


async def test_each_pause_has_one_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Several 429s that arrive together are one pause; the next pause is logged again."""
    clock = StoppedClock()
    both_here = asyncio.Event()
    seen: list[list[str]] = []
    async with requester_on(clock=clock) as (wire, requester):
        for count in (2, 1):
            wire.script = [*[after(both_here, LIMITED)] * count, FOUND]
            received = len(wire.requests)
            tasks = [asyncio.create_task(requester.send(request())) for _ in range(count)]
            await wire.received(received + count)
            both_here.set()
            await until(lambda: clock.sleepers == len(tasks))  # noqa: B023 - awaited right here
            clock.advance(30.0)
            await asyncio.gather(*tasks)
            seen.append([each.getMessage() for each in caplog.records])
            caplog.clear()

    assert seen == [["rate limit reached (429): all requests pause for 30.00 s"]] * 2


@on_each_engine
async def test_an_error_without_a_response_names_host_and_tracking_id() -> None:
    """The tracking id is the last attempt's, and the cause is the HTTP library's error."""
    async with requester_on(reset) as (wire, requester):
        expected = f"GET /v1/webhooks/W1: no response from 127.0.0.1:{wire.port}: "
        with pytest.raises(TransportError, match=expected) as raised:
            await requester.send(request())

    assert raised.value.tracking_id == wire.requests[-1].headers["trackingid"]
    assert isinstance(raised.value.__cause__, httpx.RequestError)


@pytest.mark.parametrize(
    ("path", "is_hinted"), [("v1/people/me", True), ("v1", True), ("v12/me", False), ("me", False)]
)
async def test_a_path_that_repeats_the_base_url_gets_a_hint(
    path: str,
    is_hinted: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A 404 has a note if the path begins with the last segment of the base URL."""
    async with requester_on(http_response(404)) as (wire, requester):
        with pytest.raises(NotFoundError) as raised:
            await requester.send(Request(method="GET", target=requester.target(f"/{path}")))

    expected = f"The path repeats the end of base_url, {wire.base_url}: leave it out."
    assert getattr(raised.value, "__notes__", []) == [expected] * is_hinted


@on_each_engine
async def test_a_request_says_what_it_is() -> None:
    """A request has the token, the user agent, and the media types of both bodies."""
    async with requester_on(FOUND) as (wire, requester):
        await requester.send(request("GET"))
        await requester.send(request("PUT"))

    get, put = (each.headers for each in wire.requests)
    assert get["authorization"] == f"Bearer {TOKEN}"
    assert get["user-agent"] == f"webex-webhooks-async/{version('webex-webhooks-async')}"
    assert get["accept"] == "application/json"
    assert "content-type" not in get
    assert put["content-type"] == "application/json"
    assert wire.requests[1].body == b"{}"


@on_each_engine
@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Drip: ", raw_http_response(200, b"")])
async def test_a_response_that_never_ends_is_ended_in_time(start: bytes) -> None:
    """The timeout is for the whole response, not for the next byte."""

    async def drip(peer: Peer) -> None:
        await peer.send(start)
        while not peer.is_gone:
            await peer.send(b"x")
            await asyncio.sleep(0.01)

    async with requester_on(drip, timeout=0.2, retry=RetryPolicy.none()) as (wire, requester):
        with pytest.raises(
            RequestTimeoutError, match=r"no response from 127\.0\.0\.1:\d+ within 0\.2 s"
        ):
            await requester.send(request())
        await wire.closed()


@on_each_engine
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, MAX_BODY])
async def test_a_response_of_any_size_is_read(size: int) -> None:
    """A body may be empty, or as large as `max_body`, compressed or chunked."""
    body = bytes(size)
    compressed = gzip.compress(body, compresslevel=1)
    chunk = f"{size:x}\r\n".encode() + body + b"\r\n" if size else b""
    script = [
        http_response(200, body),
        http_response(200, compressed, "Content-Encoding: gzip"),
        raw_http_response(200, chunk + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    ]
    async with requester_on(*script) as (wire, requester):
        sizes = [len((await requester.send(request())).body) for _ in script]

    assert sizes == [size] * 3
    assert wire.connections == 1


@on_each_engine
async def test_a_connection_is_used_again() -> None:
    """Consecutive requests share one connection, also after errors."""
    errors = http_response(404), http_response(204), http_response(503)
    async with requester_on(FOUND, *errors, FOUND) as (wire, requester):
        for _ in range(3):
            await requester.send(request())
            with contextlib.suppress(NotFoundError):
                await requester.send(request())

    assert wire.connections == 1


@on_each_engine
@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(then_hang_up(raw_http_response(200, b"all of it")), id="by-its-end"),
        pytest.param(http_response(200, b"all of it", "Connection: close"), id="by-header"),
    ],
)
async def test_a_response_may_end_its_connection(ending: Step) -> None:
    """A body without a length ends with it; the next request opens a new one."""
    async with requester_on(ending) as (wire, requester):
        for _ in range(2):
            assert (await requester.send(request())).body == b"all of it"
            await wire.closed()

    assert wire.connections == 2


async def test_the_connection_last_used_is_reused_first() -> None:
    """The others stay idle, and expire."""
    # Not so with aiohttp, whose pool is a queue.
    releases = [asyncio.Event() for _ in range(3)]
    script: list[Step] = [*(after(each, FOUND) for each in releases), FOUND]
    async with requester_on(*script) as (wire, requester):
        tasks: list[asyncio.Task[object]] = []
        for count in range(1, 4):
            tasks.append(asyncio.create_task(requester.send(request())))
            await wire.received(count)
        for number in (0, 2, 1):
            releases[number].set()
            await tasks[number]
        for _ in range(3):
            await requester.send(request())

    assert [each.connection for each in wire.requests] == [1, 2, 3, 2, 2, 2]


@on_each_engine
@pytest.mark.parametrize("method", METHODS)
async def test_a_connection_that_the_server_closed_is_not_used(method: str) -> None:
    """A connection that was closed while idle is noticed, so that a POST succeeds too."""
    async with requester_on(then_hang_up(FOUND), retry=RetryPolicy.none()) as (wire, requester):
        for _ in range(3):
            await requester.send(request(method))
            await wire.closed()
            await idle_loop()

    assert wire.connections == 3


async def in_pieces(peer: Peer) -> None:
    """Send a part of the body at a time."""
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        await asyncio.sleep(0)
        await peer.send(b"1\r\n \r\n")
    await peer.send(b"0\r\n\r\n")


@on_each_engine
@pytest.mark.parametrize(
    ("script", "earlier"),
    [
        pytest.param([FOUND], 1, id="idle-connection"),
        pytest.param([in_pieces], 0, id="response-in-pieces"),
        pytest.param([http_response(429, b"", "Retry-After: 1"), FOUND], 0, id="paused"),
        pytest.param([reset, FOUND], 1, id="idle-connection-reset"),
        pytest.param([broken_off(FOUND), FOUND], 0, id="broken-off"),
        pytest.param([http_response(200, b"-", "Content-Encoding: gzip"), FOUND], 0, id="no-gzip"),
    ],
)
async def test_a_request_may_be_cancelled_at_any_moment(
    script: Sequence[Step], earlier: int
) -> None:
    """Wherever it is cancelled, the next request succeeds, and nothing is left open at the end."""
    for moment in range(200):
        async with requester_on(FOUND, max_concurrency=1, timeout=5) as (wire, requester):
            for _ in range(earlier):
                await requester.send(request())
            wire.script = [*script]
            cancelled = await cancelled_after(moment, requester.send(request()))
            wire.script = [FOUND]
            await requester.send(request("POST"))  # which isn't retried

            await until(lambda: wire.open == 1)
            await requester.aclose()
            await wire.closed()
        if not cancelled:
            break
    else:
        pytest.fail("the request never completes")
    gc.collect()  # warns about what wasn't closed
