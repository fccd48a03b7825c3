"""What a client does about each fault of the wire.

`OPERATIONS` has its calls; `FAULTS` has what happens to one request of a call, the error that is
raised, and the methods for which the request is repeated.
"""

import asyncio
import gc
import gzip
import inspect
import json
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

import pytest
import trustme
from attrs import field, frozen

from tests.support.clocks import let_pass
from tests.support.logs import Log
from tests.support.wire import (
    FOUND,
    MODEL,
    WEBHOOK,
    Act,
    Peer,
    Step,
    Wire,
    broken_off,
    hang_up,
    http_response,
    in_single_bytes,
    nothing_left,
    raw_http_response,
    reset,
    reset_unread,
    then_hang_up,
    until,
)
from webex_webhooks_async import (
    AiohttpTransport,
    APIError,
    BadRequestError,
    Client,
    DecodeError,
    Message,
    NewWebhook,
    NotFoundError,
    Notification,
    RateLimitError,
    RefreshingToken,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    WebexError,
    WebhookUpdate,
)
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.client.resource import APIResource
from webex_webhooks_async.types import AsyncPaginator

TIMEOUT = 20.0
ATTEMPTS = 3

T = TypeVar("T")


@frozen
class Room:
    id: str
    title: str


NEW = NewWebhook(name="n", target_url="https://example.com", resource="messages", event="created")
UPDATE = WebhookUpdate(name="n", target_url="https://example.com")
PAGE = {"items": [WEBHOOK]}
NUMBERS = count()
LOBBY = Room("R/1", "Lobby")
FOUND_ROOM = {"id": "R/1", "title": "Lobby"}
NOTIFICATION: Notification[Any] = Notification(
    id="W1", name="bot", resource="messages", event="created", data={"id": "M1"}
)


async def items(paginator: AsyncPaginator[T]) -> list[T]:
    """The items of all pages."""
    return [each async for each in paginator]


async def download(client: Client) -> str:
    """The name of a file."""
    file = await client.download(f"{client._requester.base_url}/contents/C1")  # pyright: ignore[reportPrivateUsage] - a client doesn't show it
    return file.name


Ask = Callable[[Client], Awaitable[object]]


@frozen
class Operation:
    """A call of a client, and its request to which the fault is applied.

    `first` is an earlier request of the call, after which the connection is closed, and its
    response; `last` is one that follows a good response, and what that gets.
    """

    method: str
    path: str
    ask: Ask
    document: Callable[[], object]  # makes the JSON of a good response
    result: object
    reads_it: bool = field(default=True, kw_only=True)  # whether the client reads the body
    first: tuple[tuple[str, str], bytes] | None = field(default=None, kw_only=True)
    last: tuple[tuple[str, str], bytes] | None = field(default=None, kw_only=True)


ALL, ONE, ROOM = "/v1/webhooks", "/v1/webhooks/W1", "/v1/rooms/R%2F1"


def on_webhooks(method: str, path: str, ask: Ask, result: object = MODEL) -> Operation:
    """An operation that responds with a webhook."""
    return Operation(method, path, ask, lambda: WEBHOOK, result, reads_it=result is not None)


def on_rooms(method: str, path: str, ask: Ask, result: object = LOBBY) -> Operation:
    """An operation that responds with a room."""
    return Operation(method, path, ask, lambda: FOUND_ROOM, result, reads_it=result is not None)


OPERATIONS = {
    "webhooks.create": on_webhooks("POST", ALL, lambda client: client.webhooks.create(NEW)),
    "webhooks.get": on_webhooks("GET", ONE, lambda client: client.webhooks.get("W1")),
    "webhooks.list": Operation(
        "GET", ALL, lambda client: items(client.webhooks.list()), lambda: PAGE, [MODEL]
    ),
    "second page": Operation(
        *("GET", ALL),
        lambda client: items(client.webhooks.list()),
        lambda: PAGE,
        result=[MODEL, MODEL],
        first=(
            ("GET", ALL),
            http_response(200, PAGE, "Connection: close", "Link: <?cursor=2>; rel=next"),
        ),
    ),
    "webhooks.update": on_webhooks("PUT", ONE, lambda client: client.webhooks.update("W1", UPDATE)),
    "webhooks.delete": on_webhooks(
        "DELETE", ONE, lambda client: client.webhooks.delete("W1"), result=None
    ),
    "refresh": Operation(
        *("POST", "/v1/access_token"),
        lambda client: client.webhooks.get("W1"),
        lambda: {"access_token": f"token-{next(NUMBERS)}"},
        result=MODEL,
        first=(("GET", ONE), http_response(401, b"", "Connection: close")),
        last=(("GET", ONE), FOUND),
    ),
    "client.get": on_rooms("GET", ROOM, lambda client: client.get("rooms", "R/1", into=Room)),
    "client.post": on_rooms(
        "POST", "/v1/rooms", lambda client: client.post("rooms", json=LOBBY, into=Room)
    ),
    "client.put": on_rooms(
        "PUT", ROOM, lambda client: client.put("rooms", "R/1", json=LOBBY, into=Room)
    ),
    "client.patch": on_rooms(
        "PATCH", ROOM, lambda client: client.patch("rooms", "R/1", json=LOBBY, into=Room)
    ),
    "client.delete": on_rooms(
        "DELETE", ROOM, lambda client: client.delete("rooms", "R/1"), result=None
    ),
    "client.list": Operation(
        *("GET", "/v1/rooms"),
        lambda client: items(client.list("rooms", into=Room)),
        lambda: {"items": [FOUND_ROOM]},
        result=[LOBBY],
    ),
    "client.download": Operation(
        "GET", "/v1/contents/C1", download, lambda: "soup", "file", reads_it=False
    ),
    "client.fetch": Operation(
        *("GET", "/v1/messages/M1"),
        lambda client: client.fetch(NOTIFICATION),
        lambda: {"id": "M1", "roomId": "R1"},
        result=Message(id="M1", room_id="R1"),
    ),
}

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
GOOD = AUTHORITY.issue_cert("127.0.0.1")
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

NEVER = frozenset[str]()
ALWAYS = frozenset({"GET", "PUT", "DELETE", "POST", "PATCH"})
IDEMPOTENT = ALWAYS - {"POST", "PATCH"}
LOST = TransportError, IDEMPOTENT


def well(body: bytes) -> bytes:
    """A good response."""
    return http_response(200, body)


def always(step: Step) -> Callable[[bytes], Step]:
    """The same step whatever a good response would be."""
    return lambda _body: step


@frozen
class Fault:
    """What happens to a request, and how the call ends."""

    error: type[WebexError] | None
    again: frozenset[str]  # the methods for which it is repeated
    step: Callable[[bytes], Step] = well  # of the body of a good response
    refuses: bool = field(default=False, kw_only=True)
    certificate: trustme.LeafCert | None = field(default=None, kw_only=True)
    is_read: bool = field(default=True, kw_only=True)  # whether the server gets the request


def then_silence(data: bytes) -> Act:
    """Send this, and nothing more before the timeout."""

    async def act(peer: Peer) -> None:
        await peer.send(data)
        let_pass(TIMEOUT)
        await peer.hangs_up()

    return act


def refusal(status: int, *headers: str) -> Callable[[bytes], Step]:
    """An error status with a page that isn't Webex's."""
    return always(http_response(status, b"<html><h1>Sorry</h1></html>", *headers))


def wrong(certificate: trustme.LeafCert) -> Fault:
    """A server that can't prove its identity, and so gets no request."""
    return Fault(*LOST, certificate=certificate, is_read=False)


MUCH = 2_000_000
FAULTS = {
    "refused": Fault(*LOST, refuses=True, is_read=False),
    "reset before it was read": Fault(*LOST, always(reset_unread), is_read=False),
    "reset after it was read": Fault(*LOST, always(reset)),
    "closed": Fault(*LOST, always(hang_up)),
    "silence": Fault(RequestTimeoutError, IDEMPOTENT, always(then_silence(b""))),
    "half a head": Fault(*LOST, always(then_hang_up(b"HTTP/1.1 200 OK\r\nContent-"))),
    "half a response": Fault(*LOST, lambda body: broken_off(well(body))),
    "half a response, then silence": Fault(
        RequestTimeoutError, IDEMPOTENT, lambda body: then_silence(well(body)[:-1])
    ),
    "single bytes": Fault(None, NEVER, lambda body: in_single_bytes(well(body))),
    "another protocol": Fault(*LOST, always(b"SSH-2.0-OpenSSH\r\n\r\n")),
    "garbage": Fault(*LOST, always(bytes(range(256)) * 4)),
    "a length too large": Fault(
        *LOST,
        lambda body: then_hang_up(raw_http_response(200, body, f"Content-Length: {len(body) + 1}")),
    ),
    "HTML": Fault(DecodeError, NEVER, always(well(b"<html>Sorry</html>"))),
    "nothing": Fault(DecodeError, NEVER, always(well(b""))),
    "gzip": Fault(
        None, NEVER, lambda body: http_response(200, gzip.compress(body), "Content-Encoding: gzip")
    ),
    "half a gzip": Fault(
        *LOST, lambda body: http_response(200, gzip.compress(body)[:-20], "Content-Encoding: gzip")
    ),
    "no gzip": Fault(*LOST, always(http_response(200, b"no gzip", "Content-Encoding: gzip"))),
    "2 MB": Fault(None, NEVER, lambda body: well(b" " * MUCH + body)),
    "2 MB of HTML": Fault(DecodeError, NEVER, lambda _: well(b"<p>" + b"x" * MUCH)),
    "2 MB of header": Fault(*LOST, lambda _: http_response(200, b"", "x" * MUCH)),
    "1 MB of error": Fault(
        BadRequestError, NEVER, lambda _: http_response(400, {"message": MUCH // 2 * "x"})
    ),
    # One of each kind; `tests/client/test_retries.py` has a row for every status.
    "404": Fault(NotFoundError, NEVER, refusal(404)),
    "429, and when": Fault(RateLimitError, ALWAYS, refusal(429, "Retry-After: 0")),
    "500": Fault(ServerError, frozenset({"GET"}), refusal(500)),
    "503": Fault(ServerError, IDEMPOTENT, refusal(503)),
    "a certificate of an unknown authority": wrong(STRANGER.issue_cert("127.0.0.1")),
    "another host's certificate": wrong(AUTHORITY.issue_cert("webexapis.com")),
    "an expired certificate": wrong(AUTHORITY.issue_cert("127.0.0.1", not_after=LONG_AGO)),
}
WELL = Fault(None, NEVER)
WELL_AND_CLOSED = Fault(None, NEVER, lambda body: http_response(200, body, "Connection: close"))


def served(fault: Fault) -> Wire:
    """A server for a call that meets this fault."""
    is_tls = fault.certificate is not None
    return Wire(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if is_tls else None)


def apply(fault: Fault, operation: Operation, wire: Wire) -> None:
    """Let the next call of the operation meet this."""

    def befall() -> None:
        if fault.refuses:
            wire.refuse()
        if wire.tls is not None:
            (fault.certificate or GOOD).configure_cert(wire.tls)  # pyright: ignore[reportUnknownMemberType] - OpenSSL's too

    wire.script = [fault.step(json.dumps(operation.document()).encode())]
    if operation.last is not None and outcome(operation, fault) is None:
        wire.script.append(operation.last[1])
    if operation.first is None:
        befall()
        return
    _, response = operation.first

    async def befall_and_send(peer: Peer) -> None:
        befall()
        await peer.send(response)

    wire.script.insert(0, befall_and_send)


def outcome(operation: Operation, fault: Fault) -> type[WebexError] | None:
    """The error that is raised."""
    return None if fault.error is DecodeError and not operation.reads_it else fault.error


def requests(operation: Operation, fault: Fault) -> list[tuple[str, str]]:
    """Method and path of each request that is sent."""
    first, last = operation.first, operation.last
    times = ATTEMPTS if operation.method in fault.again else 1
    return [
        *([first[0]] if first else []),
        *[(operation.method, operation.path)] * times,
        *([last[0]] if last and outcome(operation, fault) is None else []),
    ]


@pytest.fixture(scope="module", autouse=True)
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment trusts the authority."""
    certificates = tmp_path_factory.mktemp("tls") / "certificates.pem"
    AUTHORITY.cert_pem.write_to_path(str(certificates))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates))
        tls_context.cache_clear()
        yield
    tls_context.cache_clear()


Engine = Callable[[], AbstractAsyncContextManager[AiohttpTransport | None]]


@asynccontextmanager
async def client_of(wire: Wire, engine: Engine) -> AsyncGenerator[Client]:
    """A client that doesn't wait between attempts."""
    token = RefreshingToken(
        client_id="id", client_secret="s3cret", refresh_token="refresh", access_token="old"
    )
    async with (
        engine() as http_client,
        Client(
            token,
            base_url=wire.base_url,
            http_client=http_client,
            timeout=TIMEOUT,
            retry=RetryPolicy(attempts=ATTEMPTS, base_delay=0.0),
        ) as client,
    ):
        yield client


async def check(operation: Operation, fault: Fault, caplog: Log, engine: Engine) -> None:
    """Apply a fault to an operation, and compare the outcome with the tables."""
    caplog.set_level(logging.DEBUG, "webex_webhooks_async")
    error = outcome(operation, fault)
    async with nothing_left(), served(fault) as wire:
        async with client_of(wire, engine) as client:
            # A fault of a connection needs a new one.
            apply(WELL if fault.is_read else WELL_AND_CLOSED, operation, wire)
            assert operation.result == await operation.ask(client)
            wire.requests.clear()
            caplog.clear()

            apply(fault, operation, wire)
            if error is None:
                assert operation.result == await operation.ask(client)
            else:
                with pytest.raises(error) as raised:
                    await operation.ask(client)
                facts = vars(raised.value)
                assert type(raised.value) is error
                assert (facts["method"], facts["path"]) == (operation.method, operation.path)
            sent = requests(operation, fault)
            assert sent == [
                each.args[:2]
                for each in caplog.records
                if each.levelno == logging.DEBUG and isinstance(each.args, tuple)
            ]
            assert len(wire.requests) == (len(sent) if fault.is_read else bool(operation.first))

            if fault.refuses:
                await wire.listen()
            apply(WELL, operation, wire)
            assert operation.result == await operation.ask(client)
            await until(lambda: wire.open <= 1)
        await wire.closed()


# One that is repeated, one that isn't, and one that isn't JSON.
THOROUGH = ("webhooks.get", "webhooks.create", "client.download")
# Where the call differs, but not what happens to its request: a repeated, a raised, a lost, an
# unreadable one.
BRIEF = ("429, and when", "404", "half a response", "HTML")


@pytest.mark.parametrize(
    ("name", "fault_name", "engine"),
    [
        *((name, fault, nullcontext) for name in THOROUGH for fault in FAULTS),
        *(
            pytest.param(name, fault, nullcontext, marks=pytest.mark.once)
            for name in sorted(OPERATIONS.keys() - set(THOROUGH))
            for fault in BRIEF
        ),
        *(
            pytest.param("webhooks.get", fault, AiohttpTransport, marks=pytest.mark.once)
            for fault in FAULTS
        ),
    ],
)
async def test_each_operation_meets_each_fault(
    name: str, fault_name: str, caplog: Log, engine: Engine
) -> None:
    """It ends as the tables say, after so many requests; before and after, it succeeds."""
    await check(OPERATIONS[name], FAULTS[fault_name], caplog, engine)


@pytest.mark.parametrize("engine", [nullcontext, AiohttpTransport])
@pytest.mark.parametrize(
    ("name", "status"),
    [("webhooks.get", 302), ("webhooks.create", 307), ("refresh", 302), ("client.download", 307)],
)
async def test_a_redirect_is_not_followed(
    name: str, status: int, caplog: Log, engine: Engine
) -> None:
    """It is an error like others; its target gets no connection, and so no token."""
    async with Wire(FOUND) as elsewhere:
        location = f"Location: {elsewhere.base_url}/webhooks/W1"
        redirect = Fault(APIError, NEVER, refusal(status, location))
        await check(OPERATIONS[name], redirect, caplog, engine)

    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "engine", [nullcontext, pytest.param(AiohttpTransport, marks=pytest.mark.once)]
)
@pytest.mark.parametrize(
    "fault_name",
    [
        # One of each kind that a connection or a response may leave something behind with.
        *("refused", "reset after it was read", "silence", "half a response", "garbage"),
        *("half a gzip", "2 MB", "2 MB of HTML", "503", "an expired certificate"),
    ],
)
async def test_repeated_faults_keep_no_memory(fault_name: str, engine: Engine) -> None:
    """However often a fault is applied, the number of objects doesn't grow with it."""
    operation, fault, times = OPERATIONS["webhooks.get"], FAULTS[fault_name], 5
    async with served(fault) as wire, client_of(wire, engine) as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                with suppress(WebexError):
                    await operation.ask(client)
            await until(lambda: wire.open <= 1)
            wire.requests.clear()

        def objects() -> int:
            gc.collect()
            return len(gc.get_objects())

        apply(fault, operation, wire)
        await ask(2)
        before = objects()
        await ask(times)
        for _ in range(1000):  # closing a connection takes a moment
            await asyncio.sleep(0)
            if objects() < before + times:
                break
        else:
            pytest.fail("each time something was kept")


async def test_operations_that_meet_a_401_refresh_once() -> None:
    """All that are sent at the same time share one refresh, and all their requests are repeated."""
    both = {**WEBHOOK, **FOUND_ROOM}
    good = http_response(200, {**both, "roomId": "R1", "items": [both]})
    all_here = asyncio.Event()

    async def act(peer: Peer) -> None:
        if len(wire.requests) >= len(OPERATIONS):
            all_here.set()
        await all_here.wait()
        if peer.request.target == "/v1/access_token":
            await peer.send(http_response(200, {"access_token": "new"}))
        else:
            is_new = peer.request.headers["authorization"] == "Bearer new"
            await peer.send(good if is_new else http_response(401))

    async with Wire(act) as wire, client_of(wire, nullcontext) as client:
        await asyncio.gather(*(each.ask(client) for each in OPERATIONS.values()))

    count = len(OPERATIONS)
    assert wire.tokens == ["old"] * count + [None] + ["new"] * count


async def test_each_operation_is_in_the_table() -> None:
    """Each public operation of a client and its resources has a row, but those made of others."""
    async with Client("a-token") as client:
        public = {name: getattr(client, name) for name in dir(client) if name[0] != "_"}
        parts = {name: part for name, part in public.items() if isinstance(part, APIResource)}
    operations = {
        f"{name}.{operation}"
        for name, part in {"client": client, **parts}.items()
        for operation, member in vars(type(part)).items()
        if not operation.startswith("_") and inspect.isfunction(member)
    }
    made_of_others = {"client.aclose", "webhooks.ensure", "webhooks.plan", "webhooks.watch"}

    assert operations - OPERATIONS.keys() == made_of_others
