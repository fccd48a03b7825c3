import asyncio
import time
import tracemalloc
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tests.bot.doubles import noting
from tests.examples.serving import serve_with_uvicorn, serving
from tests.notifications.doubles import (
    SECRET,
    Conversation,
    body_of,
    chunked,
    distinct,
    exchange,
    request,
    signed,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.receiving.receiver import Receiver

BODY, HEADERS = signed(body_of())


def collecting(**options: Any) -> tuple[Receiver, list[Notification[Any]]]:  # noqa: ANN401 - any option
    """A receiver and what it has handled."""
    receiver, handled = Receiver(SECRET, **options), list[Notification[Any]]()
    receiver.on()(noting(handled, lambda notification: notification))
    return receiver, handled


async def call_with(
    receiver: Receiver,
    *messages: dict[str, Any],
    headers: tuple[tuple[str, str], ...] = (),
    method: str = "POST",
) -> Conversation:
    """Let a receiver get a request with our signature and these headers, which is read once."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    encoded += [(name.encode(), value.encode()) for name, value in headers]
    conversation = Conversation(*messages)
    scope = {"type": "http", "method": method, "headers": iter(encoded)}
    await receiver(scope, conversation.receive, conversation.send)
    return conversation


def chunk(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """A part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


def response(status: int, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    """A response without a body."""
    return [
        {"type": "http.response.start", "status": status, "headers": list(headers)},
        {"type": "http.response.body", "body": b""},
    ]


EMPTY = (b"content-length", b"0")


async def test_a_body_comes_in_parts() -> None:
    """The parts of a body are joined; the 204 has, as HTTP requires, no Content-Length."""
    receiver, handled = collecting()
    parts = [chunk(BODY[:9], more=True), chunk(b"", more=True), chunk(BODY[9:], more=True)]
    conversation = await call_with(receiver, *parts, {"type": "http.request"})

    assert conversation.sent == response(204)
    assert len(handled) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "post"])
async def test_only_post_is_allowed(method: str) -> None:
    """The response to another method is 405, and names the allowed method."""
    receiver, handled = collecting()
    conversation = await call_with(receiver, chunk(BODY), method=method)

    assert conversation.sent == response(405, EMPTY, (b"allow", b"POST"))
    assert handled == []


@pytest.mark.parametrize(
    ("announced", "unread"), [(None, 1), ("5", 1), ("x", 1), (str(len(BODY) + 1), 4)]
)
async def test_a_body_is_never_gathered_beyond_the_limit(
    announced: str | None, unread: int
) -> None:
    """It is refused when it gets too large, or before a byte is read if that is announced."""
    receiver, handled = collecting(max_body=len(BODY))
    parts = [chunk(BODY, more=True), chunk(b"", more=True), chunk(b" ", more=True), chunk(b" ")]
    headers = () if announced is None else (("content-length", announced),)
    conversation = await call_with(receiver, *parts, headers=headers)

    assert conversation.sent == response(413, EMPTY)
    assert conversation.unread == parts[-unread:]
    assert handled == []


async def test_a_body_in_tiny_pieces_takes_no_more_memory() -> None:
    """However small its pieces are, a body takes at most three times its size while it is read."""
    receiver, _ = collecting()
    size = 150_000  # much more than what other threads may need meanwhile
    pieces = iter([*[b"abcd"] * (size // 4), b""])

    async def receive() -> dict[str, Any]:
        piece = bytes(bytearray(next(pieces)))  # an object of its own, as from a server
        return chunk(piece, more=bool(piece))

    conversation = Conversation()
    tracemalloc.start()
    try:
        scope: dict[str, Any] = {"type": "http", "method": "POST", "headers": []}
        await receiver(scope, receive, conversation.send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert conversation.sent == response(401, EMPTY)
    assert peak < 3 * size


async def test_the_largest_body_is_read() -> None:
    """A body as large as the limit is accepted, with and without a Content-Length."""
    for headers in ((), (("content-length", str(len(BODY))),)):
        receiver, handled = collecting(max_body=len(BODY))
        await call_with(receiver, chunk(BODY), headers=headers)

        assert len(handled) == 1


async def test_there_is_no_response_to_a_client_that_is_gone() -> None:
    """A request that stays incomplete is neither handled nor responded to."""
    receiver, handled = collecting()
    gone: dict[str, Any] = {"type": "http.disconnect"}
    conversation = await call_with(receiver, chunk(BODY, more=True), gone)

    assert conversation.sent == []
    assert handled == []


async def test_other_scopes() -> None:
    """A WebSocket is refused before it is accepted; an unknown protocol is an error, as it must."""
    receiver, _ = collecting()
    conversation = Conversation({"type": "websocket.connect"})
    await receiver({"type": "websocket"}, conversation.receive, conversation.send)

    assert conversation.sent == [{"type": "websocket.close"}]
    assert conversation.unread == []
    with pytest.raises(ValueError, match="can't serve an ASGI scope of type 'gopher'"):
        await receiver({"type": "gopher"}, conversation.receive, conversation.send)


LARGEST_HEADERS: dict[Literal["h11", "httptools"], int] = {"h11": 60_000}
if find_spec("httptools"):
    LARGEST_HEADERS["httptools"] = 10_000_000  # it has no limit


@pytest.mark.parametrize(("http", "size"), LARGEST_HEADERS.items())
async def test_a_real_server_refuses_a_large_signature_at_once(
    http: Literal["h11", "httptools"], size: int
) -> None:
    """A huge signature header costs a real server no more than another header of its size."""
    receiver, _ = collecting()
    costs: dict[str, float] = {}
    async with serving(partial(serve_with_uvicorn, http=http), receiver) as port:
        for name in ("X-Another-Header", "X-Spark-Signature"):
            huge = f"{name}: {',' * size}"
            sent = request(huge, f"Content-Length: {len(BODY)}", body=BODY, of=b"another body")
            before = time.process_time()
            received = await exchange(port, sent)
            costs[name] = time.process_time() - before

            assert received.startswith(b"HTTP/1.1 401 ")

    assert costs["X-Spark-Signature"] < 3 * costs["X-Another-Header"]


async def test_a_part_of_another_application() -> None:
    """In Starlette a receiver serves its route, or everything below its prefix, also chunks."""
    receiver, handled = collecting()
    routes = [Route("/webex", receiver), Mount("/bots", receiver)]
    in_chunks = chunked(BODY[:50], BODY[50:]) + b"0\r\n\r\n"
    requests = [
        request("Transfer-Encoding: chunked", body=in_chunks, path="/webex"),
        *(
            request(f"Content-Length: {len(body)}", body=body, path=path, of=body)
            for path, body in (
                ("/bots/", distinct(1)),
                ("/bots/1/webex", distinct(2)),
                ("/elsewhere", BODY),
            )
        ),
    ]
    async with serving(serve_with_uvicorn, Starlette(routes=routes)) as port:
        responses = [await exchange(port, each) for each in requests]

    assert [each[9:12] for each in responses] == [b"204", b"204", b"204", b"404"]
    assert len(handled) == 3


def test_a_second_ctrl_c_that_comes_while_the_server_says_that_it_ends() -> None:
    """It cancels a handler that hangs, and is raised; it isn't kept until the handler ends."""
    receiver, hangs = Receiver(SECRET, respond_within=0), asyncio.Event()

    @receiver.on()
    async def hang(_: Notification[Any]) -> None:
        hangs.set()
        await asyncio.Event().wait()

    class InterruptedServer(Conversation):
        async def receive(self) -> dict[str, Any]:
            if not self.unread:
                await receiver.handle(*signed(BODY))
                await hangs.wait()
                raise KeyboardInterrupt
            return await super().receive()

    server = InterruptedServer({"type": "lifespan.startup"})
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(receiver({"type": "lifespan"}, server.receive, server.send))
    assert server.sent[-1]["message"] == "what still ran was cancelled"
