import asyncio

import httpx
import pytest

from webex_webhooks_async import Receiver
from webex_webhooks_async.cli.relay import RawRequest, forward, no_response, relay
from webex_webhooks_async.notifications.asgi import Message
from webex_webhooks_async.testing import sample_notification, signed_request


async def test_requests_at_once() -> None:
    """Each handler gets its own request, however many there are at a time."""
    bodies = {sample_notification("messages", "created") for _ in range(20)}
    all_there = asyncio.Barrier(len(bodies))
    handled: list[RawRequest] = []

    async def handle(request: RawRequest) -> None:
        await all_there.wait()
        handled.append(request)

    receiver = Receiver("secret", background=True)
    transport = httpx.ASGITransport(relay(receiver, handle))
    async with receiver, httpx.AsyncClient(transport=transport) as webex:
        await asyncio.gather(
            *(webex.send(signed_request("http://bot/", body, "secret")) for body in bodies)
        )

    assert {request.body for request in handled} == bodies


async def test_a_body_in_pieces() -> None:
    """A body in pieces is passed on whole, and only if it is verified."""
    body = sample_notification("messages", "created")
    headers = signed_request("http://bot/", body, "secret").headers.raw
    handled: list[RawRequest] = []

    async def handle(request: RawRequest) -> None:
        handled.append(request)

    async def request_in_pieces(secret: str) -> int:
        pieces = iter((body[:5], body[5:], b""))
        sent: list[Message] = []

        async def receive() -> Message:
            piece = next(pieces)
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "headers": headers}
        application = relay(Receiver(secret), handle)
        await application(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    assert await request_in_pieces("secret") == 204
    assert await request_in_pieces("another") == 401
    assert [(request.body, request.headers) for request in handled] == [(body, headers)]


async def test_forward() -> None:
    """Bytes and headers are forwarded unchanged, except the headers of the connection."""
    received: list[httpx.Request] = []

    def bot(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(200)

    request = RawRequest(
        [
            (b"host", b"public.example.com"),
            (b"Connection", b"close"),
            (b"transfer-encoding", b"chunked"),
            (b"x-twice", b"1"),
            (b"X-Twice", b"\xff"),
        ],
        [b"\x00", b"1"],
    )
    async with httpx.AsyncClient(transport=httpx.MockTransport(bot)) as http_client:
        await forward(http_client, "http://localhost:3000/webex", request)

    (passed_on,) = received
    assert passed_on.content == b"\x001"
    assert passed_on.headers.raw == [
        (b"Host", b"localhost:3000"),
        (b"x-twice", b"1"),
        (b"X-Twice", b"\xff"),
        (b"Content-Length", b"2"),
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("refused"), "POST http://bot/x: ConnectError: refused"),
        (httpx.ReadError(""), "POST http://bot/x: ReadError"),
    ],
)
def test_no_response(error: httpx.RequestError, message: str) -> None:
    """The text says what failed, without the secrets in the URL."""
    assert no_response("http://me:canary@bot/x?key=canary", error) == message


def test_a_request_shows_nothing() -> None:
    """A repr shows no headers and no body."""
    assert repr(RawRequest([(b"authorization", b"canary")], [b"canary"])) == "RawRequest()"


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_what_is_no_notification(body: bytes) -> None:
    """A request that isn't verified, or isn't a notification, reaches no handler."""

    async def handle(_: RawRequest) -> None:
        pytest.fail("it was handed over")

    transport = httpx.ASGITransport(relay(Receiver("secret"), handle))
    async with httpx.AsyncClient(transport=transport) as webex:
        response = await webex.send(signed_request("http://bot/", body, "secret"))

    assert response.status_code == 400
