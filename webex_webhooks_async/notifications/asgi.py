"""The parts of ASGI that a receiver speaks.

Facts: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyTooLargeError(Exception):
    """The body of a request is larger than it may be."""


class ClientDisconnectError(Exception):
    """The client went away before its request was complete."""


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The body of a request, of which no more than `limit` bytes are ever gathered.

    Raises:
        BodyTooLargeError: It is larger, or says so; then nothing of it is read.
        ClientDisconnectError: It isn't complete, and never will be.
    """
    if _announced_length(scope["headers"]) > limit:
        raise BodyTooLargeError
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectError
        chunk = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise BodyTooLargeError
        body += chunk
        more = message.get("more_body", False)
    return bytes(body)


def _announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name.lower() == b"content-length":
            try:
                return int(value)
            except ValueError:  # the body is bounded all the same
                break
    return 0


async def send_answer(send: Send, status: int) -> None:
    """Answer a request with a status and an empty body."""
    headers: list[tuple[bytes, bytes]] = []
    if status != HTTPStatus.NO_CONTENT:  # which must not announce a length
        headers.append((b"content-length", b"0"))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body"})


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Turn a handshake away; the server answers it with 403."""
    await receive()
    await send({"type": "websocket.close"})


async def follow_lifespan(
    receive: Receive, send: Send, up: AbstractAsyncContextManager[object]
) -> None:
    """Stay in a context for as long as the server is up."""
    await receive()
    async with up:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
