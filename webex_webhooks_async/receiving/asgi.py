"""The parts of ASGI that a receiver speaks.

Facts: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from http import HTTPStatus
from typing import Any

from webex_webhooks_async.formatting import describe_exception

Scope = MutableMapping[str, Any]
"""What ASGI says of a connection."""

Message = MutableMapping[str, Any]
"""A message of ASGI."""

Receive = Callable[[], Awaitable[Message]]
"""Returns the next message of ASGI from the server."""

Send = Callable[[Message], Awaitable[None]]
"""Sends a message of ASGI to the server."""


class BodyTooLargeError(Exception):
    """The body of a request is larger than the limit."""


class ClientDisconnectError(Exception):
    """The client disconnected before its request was complete."""


async def receive_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, *, limit: int
) -> bytes:
    """Receive the body of a request, and keep at most `limit` bytes of it in memory.

    Raises:
        BodyTooLargeError: It is larger. If it says so in a header, nothing of it is received.
        ClientDisconnectError: It is incomplete.
    """
    if _announced_length(headers) > limit:
        raise BodyTooLargeError
    body = bytearray()  # not a list: an object for each of a million tiny pieces takes 30 MB
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
    try:
        for name, value in headers:
            if name == b"content-length":  # in ASGI, names are in lower case
                return int(value)
    except ValueError:  # the body is limited while it is read, too
        return 0
    return 0


async def send_response(send: Send, status: int, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a response with a status, an empty body, and some extra headers."""
    headers = [*extra]
    if status != HTTPStatus.NO_CONTENT:  # which must not have a Content-Length
        headers.append((b"content-length", b"0"))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    # Its body may be left out, but Azure Functions needs it.
    await send({"type": "http.response.body", "body": b""})


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Refuse a handshake; the server responds to it with 403."""
    await receive()
    await send({"type": "websocket.close"})


async def follow_lifespan(
    receive: Receive, send: Send, context: AbstractAsyncContextManager[object]
) -> None:
    """Stay in a context from the server's startup to its shutdown.

    If it can't be entered, the server learns why, and doesn't serve; so it does if it can't be
    left. An exception would only say to it that the application has no lifespan.
    """
    await receive()
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(context)
    except BaseException as error:
        await send({"type": "lifespan.startup.failed", "message": _explained(error)})
        if isinstance(error, Exception):
            return
        raise
    await send({"type": "lifespan.startup.complete"})
    try:
        async with stack:
            try:
                await receive()
            except KeyboardInterrupt as error:  # else its end waits for handlers that hang
                asyncio.get_running_loop().call_soon(_raise, error)
    except BaseException as error:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        message = "what still ran was cancelled" if is_cancelled else _explained(error)
        await send({"type": "lifespan.shutdown.failed", "message": message})
        raise
    await send({"type": "lifespan.shutdown.complete"})


def _explained(error: BaseException) -> str:
    """Say what has failed: what this package raises in a line, anything else with its traceback."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    name: str = frame.f_globals.get("__name__", "")
    if isinstance(error, SystemExit) or name.startswith("webex_webhooks_async."):
        return describe_exception(error)
    return "".join(traceback.format_exception(error)).rstrip()


def _raise(error: BaseException) -> None:
    """Raise an error out of the event loop, which then cancels all that it runs."""
    raise error
