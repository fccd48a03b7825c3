import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncGenerator

import httpx
import pytest
from rich.console import Console
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async import Receiver
from webex_webhooks_async.cli.listen.relay import (
    ArrivalCheck,
    BotResponse,
    RawRequest,
    forward,
    post,
    print_response,
    relay,
)
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.receiving.asgi import Message
from webex_webhooks_async.testing import sample_notification, signed_request
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytestmark = pytest.mark.once


async def test_requests_at_once() -> None:
    """Each handler gets its own request, however many there are at a time."""
    bodies = {sample_notification("messages", "created") for _ in range(20)}
    all_there = asyncio.Barrier(len(bodies))
    handled: list[RawRequest] = []

    async def handle(request: RawRequest) -> None:
        await all_there.wait()
        handled.append(request)

    receiver = Receiver("secret", respond_within=0)
    transport = httpx.ASGITransport(relay(receiver, handle))
    async with receiver, httpx.AsyncClient(transport=transport) as webex:
        await asyncio.gather(
            *(webex.send(signed_request("http://bot/", body, "secret")) for body in bodies)
        )

    assert {request.body for request in handled} == bodies


async def test_a_body_in_many_pieces() -> None:
    """A body in small pieces is passed on whole, and takes as much memory as in one."""
    body = sample_notification("messages", "created", data={"id": "x" * 60_000})
    headers = signed_request("http://bot/", body, "secret").headers.raw
    pieces = iter([*(bytes([each]) for each in body), b""])
    sent: list[Message] = []
    handled: list[RawRequest] = []

    async def receive() -> Message:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def handle(request: RawRequest) -> None:
        handled.append(request)

    application = relay(Receiver("secret"), handle)
    tracemalloc.start()
    await application({"type": "http", "method": "POST", "headers": headers}, receive, send)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    (request,) = handled
    assert (sent[0]["status"], request.body, request.headers) == (204, body, headers)
    assert peak < 8 * len(body)


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
        bytearray(b"\x001"),
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
        (b"webex-sandbox", b"1"),
    ]


async def reply_of(response: httpx.Response, seconds: float = PATIENCE) -> BotResponse:
    """Post to a bot that responds so."""
    transport = httpx.MockTransport(lambda _: response)
    async with httpx.AsyncClient(transport=transport) as http_client:
        return await post(http_client, httpx.Request("POST", "http://bot/webex"), seconds)


async def test_a_bot_that_never_stops_responding() -> None:
    """Only the beginning of a response is read, and only for so long."""
    sent = 0

    async def talk(pause: float) -> AsyncGenerator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"\xffa" * 5_000
            await asyncio.sleep(pause)

    reply = await reply_of(httpx.Response(200, content=talk(0)))
    with pytest.raises(CommandError, match=r"^POST http://bot/webex: no response within 0\.1 s$"):
        await reply_of(httpx.Response(200, content=talk(60)), 0.1)

    assert (len(reply.text), sent) == (65_536, 8)


async def test_a_compressed_response() -> None:
    """It is decompressed up to the same limit, and not twice: a few KB would become gigabytes."""
    bomb = gzip.compress(bytes(1_000_000))
    once, twice = [
        await reply_of(
            httpx.Response(
                500, headers={"Content-Encoding": codings}, stream=httpx.ByteStream(bomb)
            )
        )
        for codings in ("gzip", "gzip, gzip")
    ]

    assert once.text == "\0" * 65_536
    assert twice == BotResponse(500, "(it has more than one content coding)")


ERROR = "Webex-Sandbox-Error"


def test_a_long_response(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the beginning of a long response is printed."""
    print_response(Console(), BotResponse(200, "line\n" * 100))

    assert capsys.readouterr().out.splitlines() == ["→ 200 OK", *["  line"] * 20]


@pytest.mark.parametrize(
    ("status", "headers", "problem"),
    [
        (204, {}, None),
        (500, {}, None),
        (401, {}, "the bot verifies with another secret: pass the bot's with"),
        (307, {"Location": "http://b/x/?canary"}, "the bot is mounted at another path: use /x/"),
        (204, {ERROR: f"KeyError: {'x' * 999}"}, f"a handler raised KeyError: {'x' * 490}"),
        (503, {ERROR: "too much is pending"}, "too much is pending"),
    ],
)
async def test_what_is_wrong(status: int, headers: dict[str, str], problem: str | None) -> None:
    """A status, and what a handler raised, say what to do."""
    reply = await reply_of(httpx.Response(status, headers=headers))

    assert reply.is_success == (status == 204 and problem is None)
    assert (reply.problem or "").startswith(problem or "")
    assert (reply.problem is None) == (problem is None)


def test_a_request_shows_nothing() -> None:
    """A repr shows no headers and no body."""
    assert repr(RawRequest([(b"authorization", b"canary")], bytearray(b"canary"))) == "RawRequest()"


HERE = PlainTextResponse("the application")


async def test_a_url_that_leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that arrives is enough, through no proxy; the application gets only others."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    arrivals = ArrivalCheck(HERE)
    async with serve_on_loopback(arrivals, 0) as url, httpx.AsyncClient(trust_env=False) as others:

        async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
            await others.send(httpx.Request("POST", url, headers=scope["headers"]))
            await PlainTextResponse("lost", 502)(scope, receive, send)

        problems = [await arrivals.check(url, 8080, PATIENCE)]
        response = await others.post(url, headers={"x-webex-webhooks-check": "a guess"})
        async with serve_on_loopback(pass_on, 0) as public_url:
            problems.append(await arrivals.check(public_url, 8080, PATIENCE))

    assert (problems, response.text) == ([None, None], "the application")


LOGIN = "probably the tunnel's login page: allow requests without a login"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (HTMLResponse("log in"), f"a page responds there (200 OK), {LOGIN}"),
        (RedirectResponse("/login", 302), f"a page responds there (302 Found), {LOGIN}"),
        (Response(status_code=401), f"a page responds there (401 Unauthorized), {LOGIN}"),
        (
            RedirectResponse("mailto:ann@example.com", 302),
            "InvalidURL: For absolute URLs, path mus",
        ),
        *(
            (
                PlainTextResponse("ok", status),
                f"another server responds there ({shown}): does the tunnel lead to port 8080?",
            )
            for status, shown in ((502, "502 Bad Gateway"), (200, "200 OK"), (599, "599"))
        ),
    ],
)
async def test_a_public_url_that_leads_elsewhere(
    monkeypatch: pytest.MonkeyPatch, response: Response, reason: str
) -> None:
    """The likely reason follows from the response of the other server."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with serve_on_loopback(response, 0) as url:
        public_url = url.replace("127.0.0.1", "127.1")  # not a loopback address by its name
        found = await ArrivalCheck(HERE).check(public_url, 8080, PATIENCE)
    assert str(found).startswith(reason)


async def test_nobody_there() -> None:
    """If nothing listens, the reason suggests a typo; the wait for a server that hangs ends."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    nowhere = f"http://127.0.0.1:{unused_port()}/"
    absent = await ArrivalCheck(HERE).check(nowhere, 8080, PATIENCE) or ""
    async with serve_on_loopback(hang, 0) as url:
        silent = await ArrivalCheck(HERE).check(url, 8080, 0.5)

    assert absent.startswith("ConnectError: ")
    assert absent.endswith("; is there a typo in it, and does the tunnel run?")
    assert silent == "nothing responds there within 0.5 s"
