"""The outgoing wing's operations and faults, in two tables, and a server that applies them.

`OPERATIONS` has the calls of a client; `FAULTS` has what happens to one request of the call, the
error that is raised, and the methods for which the request is repeated.
"""

import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import trustme
from attrs import field, frozen

from tests.support.clocks import let_pass
from tests.support.wire import (
    FOUND,
    WEBHOOK,
    Act,
    Peer,
    Step,
    Wire,
    broken_off,
    hang_up,
    http_response,
    in_single_bytes,
    raw_http_response,
    reset,
    reset_unread,
    then_hang_up,
)
from webex_webhooks_async import (
    BadRequestError,
    Client,
    DecodeError,
    Message,
    NewWebhook,
    NotFoundError,
    Notification,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WebexError,
    Webhook,
    WebhookUpdate,
)

TIMEOUT = 20.0
ATTEMPTS = 3

NEW = NewWebhook(name="n", target_url="https://example.com", resource="messages", event="created")
UPDATE = WebhookUpdate(name="n", target_url="https://example.com")
MODEL = Webhook(
    id="W1",
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)
PAGE = {"items": [WEBHOOK]}
NUMBERS = count()


@frozen
class Room:
    """A class of a user's own."""

    id: str
    title: str


LOBBY = Room("R/1", "Lobby")
FOUND_ROOM = {"id": "R/1", "title": "Lobby"}
NOTIFICATION: Notification[Any] = Notification(
    id="W1", name="bot", resource="messages", event="created", data={"id": "M1"}
)


async def everything(client: Client) -> list[Webhook]:
    """The webhooks of all pages."""
    return [each async for each in client.webhooks.list()]


async def rooms(client: Client) -> list[Room]:
    """The rooms of all pages."""
    return [each async for each in client.list("rooms", into=Room)]


async def download(client: Client) -> str:
    """The name of a file."""
    file = await client.download(f"{client._requester.base_url}/contents/C1")  # pyright: ignore[reportPrivateUsage] - a client doesn't show it
    return file.name


Ask = Callable[[Client], Awaitable[object]]


@frozen
class Operation:
    """A call of a client, and its request to which the fault is applied.

    Attributes:
        method: The method of that request.
        path: The path of that request.
        ask: Makes the call.
        document: Makes the JSON of a good response.
        result: The result of the call with that response.
        reads_it: Whether the client reads the body of the response.
        first: An earlier request of the call, as method and path, and the response to it. The
            connection is closed after that, so that the request in question needs a new one.
        last: A request that follows a good response, and the response to it.
        refreshes: Whether the token can be refreshed.
    """

    method: str
    path: str
    ask: Ask
    document: Callable[[], object]
    result: object
    reads_it: bool = True
    first: tuple[tuple[str, str], bytes] | None = None
    last: tuple[tuple[str, str], bytes] | None = None
    refreshes: bool = False


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
    "webhooks.list": Operation("GET", ALL, everything, lambda: PAGE, [MODEL]),
    "second page": Operation(
        *("GET", ALL, everything, lambda: PAGE, [MODEL, MODEL]),
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
        refreshes=True,
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
    "client.list": Operation("GET", "/v1/rooms", rooms, lambda: {"items": [FOUND_ROOM]}, [LOBBY]),
    "client.download": Operation(
        "GET", "/v1/contents/C1", download, lambda: "soup", result="file", reads_it=False
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
FOR_GET = frozenset({"GET"})


def well(body: bytes) -> bytes:
    """A good response."""
    return http_response(200, body)


def always(step: Step) -> Callable[[bytes], Step]:
    """The same step whatever a good response would be."""
    return lambda _body: step


@frozen
class Fault:
    """What happens to a request, and how the call ends.

    Attributes:
        error: The error that is raised; `None` if the call succeeds.
        again: The methods for which the request is repeated.
        step: Makes the server's step from the body of a good response.
        refuses: Whether the server refuses connections.
        certificate: The certificate of a server that speaks TLS.
        is_read: Whether the server gets the request.
    """

    error: type[WebexError] | None
    again: frozenset[str]
    step: Callable[[bytes], Step] = well
    refuses: bool = field(default=False, kw_only=True)
    certificate: trustme.LeafCert | None = field(default=None, kw_only=True)
    is_read: bool = field(default=True, kw_only=True)


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
    return Fault(TransportError, IDEMPOTENT, certificate=certificate, is_read=False)


MUCH = 2_000_000
FAULTS = {
    "refused": Fault(TransportError, IDEMPOTENT, refuses=True, is_read=False),
    "reset before it was read": Fault(
        TransportError, IDEMPOTENT, always(reset_unread), is_read=False
    ),
    "reset after it was read": Fault(TransportError, IDEMPOTENT, always(reset)),
    "closed": Fault(TransportError, IDEMPOTENT, always(hang_up)),
    "silence": Fault(RequestTimeoutError, IDEMPOTENT, always(then_silence(b""))),
    "half a head": Fault(
        TransportError, IDEMPOTENT, always(then_hang_up(b"HTTP/1.1 200 OK\r\nContent-"))
    ),
    "half a response": Fault(TransportError, IDEMPOTENT, lambda body: broken_off(well(body))),
    "half a response, then silence": Fault(
        RequestTimeoutError, IDEMPOTENT, lambda body: then_silence(well(body)[:-1])
    ),
    "single bytes": Fault(None, NEVER, lambda body: in_single_bytes(well(body))),
    "another protocol": Fault(TransportError, IDEMPOTENT, always(b"SSH-2.0-OpenSSH\r\n\r\n")),
    "garbage": Fault(TransportError, IDEMPOTENT, always(bytes(range(256)) * 4)),
    "a length too large": Fault(
        *(TransportError, IDEMPOTENT),
        lambda body: then_hang_up(raw_http_response(200, body, f"Content-Length: {len(body) + 1}")),
    ),
    "HTML": Fault(DecodeError, NEVER, always(well(b"<html>Sorry</html>"))),
    "nothing": Fault(DecodeError, NEVER, always(well(b""))),
    "gzip": Fault(
        None, NEVER, lambda body: http_response(200, gzip.compress(body), "Content-Encoding: gzip")
    ),
    "half a gzip": Fault(
        *(TransportError, IDEMPOTENT),
        lambda body: http_response(200, gzip.compress(body)[:-20], "Content-Encoding: gzip"),
    ),
    "no gzip": Fault(
        TransportError, IDEMPOTENT, always(http_response(200, b"no gzip", "Content-Encoding: gzip"))
    ),
    "2 MB": Fault(None, NEVER, lambda body: well(b" " * MUCH + body)),
    "2 MB of HTML": Fault(DecodeError, NEVER, lambda _: well(b"<p>" + b"x" * MUCH)),
    "2 MB of header": Fault(
        TransportError, IDEMPOTENT, lambda _: http_response(200, b"", "x" * MUCH)
    ),
    "1 MB of error": Fault(
        BadRequestError, NEVER, lambda _: http_response(400, {"message": MUCH // 2 * "x"})
    ),
    # One of each kind; `tests/client/test_retries.py` has a row for every status.
    "404": Fault(NotFoundError, NEVER, refusal(404)),
    "429, and when": Fault(RateLimitError, ALWAYS, refusal(429, "Retry-After: 0")),
    "500": Fault(ServerError, FOR_GET, refusal(500)),
    "503": Fault(ServerError, IDEMPOTENT, refusal(503)),
    "a certificate of an unknown authority": wrong(STRANGER.issue_cert("127.0.0.1")),
    "another host's certificate": wrong(AUTHORITY.issue_cert("webexapis.com")),
    "an expired certificate": wrong(AUTHORITY.issue_cert("127.0.0.1", not_after=LONG_AGO)),
}
WELL = Fault(None, NEVER)
WELL_AND_CLOSED = Fault(None, NEVER, lambda body: http_response(200, body, "Connection: close"))


class Service(Wire):
    """A server for one operation, which works at first, and to which one fault is applied.

    Args:
        operation: The operation.
        fault: The fault.
    """

    def __init__(self, operation: Operation, fault: Fault) -> None:
        self._operation = operation
        self._fault = fault
        self._identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if fault.certificate else None
        super().__init__(tls=self._identity)
        self._work()

    def apply_fault(self) -> None:
        """Apply the fault to the next call of the operation."""
        self._follow_with(self._fault, self._befall)

    async def recover(self) -> None:
        """Work again."""
        if self._fault.refuses:
            await self.listen()
        self._work()

    def _work(self) -> None:
        self._show(GOOD)
        # A fault of a connection needs a new one.
        self._follow_with(WELL if self._fault.is_read else WELL_AND_CLOSED, lambda: None)

    def _befall(self) -> None:
        if self._fault.refuses:
            self.refuse()
        if self._fault.certificate is not None:
            self._show(self._fault.certificate)

    def _show(self, certificate: trustme.LeafCert) -> None:
        if self._identity is not None:
            certificate.configure_cert(self._identity)  # pyright: ignore[reportUnknownMemberType] - OpenSSL's too

    def _follow_with(self, fault: Fault, befall: Callable[[], None]) -> None:
        operation = self._operation
        body = json.dumps(operation.document()).encode()
        self.script = [fault.step(body)]
        if operation.last is not None and outcome(operation, fault) is None:
            self.script.append(operation.last[1])
        if operation.first is None:
            befall()
        else:
            self.script.insert(0, doing(befall, operation.first[1]))


def doing(something: Callable[[], None], data: bytes) -> Act:
    """Do something just before sending this."""

    async def act(peer: Peer) -> None:
        something()
        await peer.send(data)

    return act


def outcome(operation: Operation, fault: Fault) -> type[WebexError] | None:
    """The error that is raised."""
    return None if fault.error is DecodeError and not operation.reads_it else fault.error


def requests(operation: Operation, fault: Fault) -> list[tuple[str, str]]:
    """Method and path of each request that is sent."""
    first, last = operation.first, operation.last
    return [
        *([first[0]] if first else []),
        *[(operation.method, operation.path)]
        * (ATTEMPTS if operation.method in fault.again else 1),
        *([last[0]] if last and outcome(operation, fault) is None else []),
    ]
