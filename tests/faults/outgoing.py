"""The outgoing wing's operations and faults, in two tables, and a server that brings them together.

`OPERATIONS` says what a client is asked for; `FAULTS` says what happens to a request of it, which
error that is, and with which methods the request is sent again.
"""

import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count

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
    answer,
    broken_off,
    hang_up,
    in_single_bytes,
    raw_answer,
    reset,
    reset_unread,
    then_hang_up,
)
from webex_webhooks_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    DecodeError,
    GoneError,
    LockedError,
    NewWebhook,
    NotFoundError,
    PermissionDeniedError,
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


async def everything(client: Client) -> list[Webhook]:
    """The webhooks of all pages."""
    return [each async for each in client.webhooks.list()]


@frozen
class Operation:
    """What a client is asked for, and its request that meets the fault.

    Attributes:
        method: Of that request.
        path: Likewise.
        ask: Asks for it.
        document: Makes what a good answer holds.
        result: What comes of that.
        reads_it: Whether the client cares what an answer holds.
        first: A request that comes before, as method and path, and the answer to it. The connection
            is closed after that, so that the request in question needs a new one.
        last: A request that follows a good answer, and the answer to it.
        refreshes: Whether the token can be refreshed.
    """

    method: str
    path: str
    ask: Callable[[Client], Awaitable[object]]
    document: Callable[[], object]
    result: object
    reads_it: bool = True
    first: tuple[tuple[str, str], bytes] | None = None
    last: tuple[tuple[str, str], bytes] | None = None
    refreshes: bool = False


ALL, ONE = "/v1/webhooks", "/v1/webhooks/W1"
OPERATIONS = {
    "create": Operation(
        "POST", ALL, lambda client: client.webhooks.create(NEW), lambda: WEBHOOK, MODEL
    ),
    "get": Operation("GET", ONE, lambda client: client.webhooks.get("W1"), lambda: WEBHOOK, MODEL),
    "list": Operation("GET", ALL, everything, lambda: PAGE, [MODEL]),
    "second page": Operation(
        *("GET", ALL, everything, lambda: PAGE, [MODEL, MODEL]),
        first=(("GET", ALL), answer(200, PAGE, "Connection: close", "Link: <?cursor=2>; rel=next")),
    ),
    "update": Operation(
        "PUT", ONE, lambda client: client.webhooks.update("W1", UPDATE), lambda: WEBHOOK, MODEL
    ),
    "delete": Operation(
        *("DELETE", ONE),
        lambda client: client.webhooks.delete("W1"),
        lambda: WEBHOOK,
        result=None,
        reads_it=False,
    ),
    "refresh": Operation(
        *("POST", "/v1/access_token"),
        lambda client: client.webhooks.get("W1"),
        lambda: {"access_token": f"token-{next(NUMBERS)}"},
        result=MODEL,
        first=(("GET", ONE), answer(401, b"", "Connection: close")),
        last=(("GET", ONE), FOUND),
        refreshes=True,
    ),
}

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
GOOD = AUTHORITY.issue_cert("127.0.0.1")
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

NEVER = frozenset[str]()
ALWAYS = frozenset({"GET", "PUT", "DELETE", "POST"})
UNLESS_POST = ALWAYS - {"POST"}
FOR_GET = frozenset({"GET"})


def well(body: bytes) -> bytes:
    """A good answer."""
    return answer(200, body)


def always(step: Step) -> Callable[[bytes], Step]:
    """The same whatever a good answer would be."""
    return lambda _body: step


@frozen
class Fault:
    """What happens to a request, and what comes of it.

    Attributes:
        error: What is raised; `None` where it is survived.
        again: The methods with which the request is sent again.
        step: Makes what the server does of the body of a good answer.
        refuses: Whether nobody listens.
        certificate: What a server that speaks TLS shows.
        is_read: Whether the server gets the request.
        leaves_more: Whether something comes behind the answer. The pool of a given client takes
            that for the next answer.
    """

    error: type[WebexError] | None
    again: frozenset[str]
    step: Callable[[bytes], Step] = well
    refuses: bool = field(default=False, kw_only=True)
    certificate: trustme.LeafCert | None = field(default=None, kw_only=True)
    is_read: bool = field(default=True, kw_only=True)
    leaves_more: bool = field(default=False, kw_only=True)


def then_silence(data: bytes) -> Act:
    """Send this, and nothing more for as long as anybody waits."""

    async def act(peer: Peer) -> None:
        await peer.send(data)
        let_pass(TIMEOUT)
        await peer.hangs_up()

    return act


def refusal(status: int, *headers: str) -> Callable[[bytes], Step]:
    """An error status with a page that isn't Webex's."""
    return always(answer(status, b"<html><h1>Sorry</h1></html>", *headers))


def wrong(certificate: trustme.LeafCert) -> Fault:
    """A server that can't prove who it is, and so gets no request."""
    return Fault(TransportError, UNLESS_POST, certificate=certificate, is_read=False)


MUCH = 10_000_000
FAULTS = {
    "refused": Fault(TransportError, UNLESS_POST, refuses=True, is_read=False),
    "reset before it was read": Fault(
        TransportError, UNLESS_POST, always(reset_unread), is_read=False
    ),
    "reset after it was read": Fault(TransportError, UNLESS_POST, always(reset)),
    "closed": Fault(TransportError, UNLESS_POST, always(hang_up)),
    "silence": Fault(RequestTimeoutError, UNLESS_POST, always(then_silence(b""))),
    "half a head": Fault(
        TransportError, UNLESS_POST, always(then_hang_up(b"HTTP/1.1 200 OK\r\nContent-"))
    ),
    "half an answer": Fault(TransportError, UNLESS_POST, lambda body: broken_off(well(body))),
    "half an answer, then silence": Fault(
        RequestTimeoutError, UNLESS_POST, lambda body: then_silence(well(body)[:-1])
    ),
    "single bytes": Fault(None, NEVER, lambda body: in_single_bytes(well(body))),
    "another protocol": Fault(TransportError, UNLESS_POST, always(b"SSH-2.0-OpenSSH\r\n\r\n")),
    "garbage": Fault(TransportError, UNLESS_POST, always(bytes(range(256)) * 4)),
    "a length too small": Fault(
        *(DecodeError, NEVER),
        lambda body: raw_answer(200, body, f"Content-Length: {len(body) // 2}"),
        leaves_more=True,
    ),
    "a length too large": Fault(
        *(TransportError, UNLESS_POST),
        lambda body: then_hang_up(raw_answer(200, body, f"Content-Length: {len(body) + 1}")),
    ),
    "HTML": Fault(DecodeError, NEVER, always(well(b"<html>Sorry</html>"))),
    "nothing": Fault(DecodeError, NEVER, always(well(b""))),
    "gzip": Fault(
        None, NEVER, lambda body: answer(200, gzip.compress(body), "Content-Encoding: gzip")
    ),
    "half a gzip": Fault(
        *(DecodeError, NEVER),
        lambda body: answer(200, gzip.compress(body)[:-20], "Content-Encoding: gzip"),
    ),
    "no gzip": Fault(
        TransportError, UNLESS_POST, always(answer(200, b"no gzip", "Content-Encoding: gzip"))
    ),
    "10 MB": Fault(None, NEVER, lambda body: well(b" " * MUCH + body)),
    "10 MB of HTML": Fault(DecodeError, NEVER, lambda _: well(b"<p>" + b"x" * MUCH)),
    "10 MB of header": Fault(TransportError, UNLESS_POST, lambda _: answer(200, b"", "x" * MUCH)),
    "1 MB of error": Fault(
        BadRequestError, NEVER, lambda _: answer(400, {"message": MUCH // 10 * "x"})
    ),
    "400": Fault(BadRequestError, NEVER, refusal(400)),
    "401": Fault(AuthenticationError, NEVER, refusal(401)),
    "403": Fault(PermissionDeniedError, NEVER, refusal(403)),
    "404": Fault(NotFoundError, NEVER, refusal(404)),
    "405": Fault(APIError, NEVER, refusal(405)),
    "409": Fault(ConflictError, NEVER, refusal(409)),
    "410": Fault(GoneError, NEVER, refusal(410)),
    "415": Fault(APIError, NEVER, refusal(415)),
    "423": Fault(LockedError, NEVER, refusal(423)),
    "423, and when": Fault(LockedError, ALWAYS, refusal(423, "Retry-After: 0")),
    "428": Fault(APIError, NEVER, refusal(428)),
    "429": Fault(RateLimitError, ALWAYS, refusal(429)),
    "429, and when": Fault(RateLimitError, ALWAYS, refusal(429, "Retry-After: 0")),
    "429 for an hour": Fault(RateLimitError, NEVER, refusal(429, "Retry-After: 3600")),
    "429 for some time": Fault(RateLimitError, ALWAYS, refusal(429, "Retry-After: rand(30)")),
    "500": Fault(ServerError, FOR_GET, refusal(500)),
    "501": Fault(ServerError, NEVER, refusal(501)),
    "502": Fault(ServerError, UNLESS_POST, refusal(502)),
    "503": Fault(ServerError, UNLESS_POST, refusal(503)),
    "504": Fault(ServerError, UNLESS_POST, refusal(504)),
    "505": Fault(ServerError, NEVER, refusal(505)),
    "a stranger's certificate": wrong(STRANGER.issue_cert("127.0.0.1")),
    "another host's certificate": wrong(AUTHORITY.issue_cert("webexapis.com")),
    "an expired certificate": wrong(AUTHORITY.issue_cert("127.0.0.1", not_after=LONG_AGO)),
}
WELL = Fault(None, NEVER)
WELL_AND_CLOSED = Fault(None, NEVER, lambda body: answer(200, body, "Connection: close"))


class Service(Wire):
    """A server that is there for one operation, well at first, and to which one fault happens.

    Args:
        operation: What is asked of it.
        fault: What happens.
    """

    def __init__(self, operation: Operation, fault: Fault) -> None:
        self._operation = operation
        self._fault = fault
        self._identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if fault.certificate else None
        super().__init__(tls=self._identity)
        self._be_well()

    def strike(self) -> None:
        """Let the fault happen to the operation that is asked for next."""
        self._follow_with(self._fault, self._befall)

    async def mend(self) -> None:
        """Let all be well again."""
        if self._fault.refuses:
            await self.listen()
        self._be_well()

    def _be_well(self) -> None:
        self._show(GOOD)
        # What happens to a connection needs a new one.
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
    """Do something just before this is sent."""

    async def act(peer: Peer) -> None:
        something()
        await peer.send(data)

    return act


def outcome(operation: Operation, fault: Fault) -> type[WebexError] | None:
    """What is raised."""
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
