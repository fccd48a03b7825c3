"""Receives notifications, hands over each request with its own bytes, and forwards it to a bot."""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar

import httpx
from attrs import field, frozen

from webex_webhooks_async.cli.rendering.requests import shown_url
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.models.notifications import Notification, NotificationData
from webex_webhooks_async.notifications.asgi import Message, Receive, Scope, Send
from webex_webhooks_async.notifications.receiver import Receiver

RawHeaders = Sequence[tuple[bytes, bytes]]

FORWARD_TIMEOUT = 30.0  # seconds: a bot may be in a debugger

_CONNECTION_HEADERS = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})


@frozen
class RawRequest:
    """A request with its original bytes.

    Attributes:
        headers: The headers.
        chunks: The body, in pieces.
    """

    headers: RawHeaders = field(repr=False)
    chunks: list[bytes] = field(factory=list[bytes], repr=False)

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(self.chunks)


_request: ContextVar[RawRequest] = ContextVar("_request")


def relay(receiver: Receiver, handle: Callable[[RawRequest], Awaitable[None]]) -> "ASGIRelay":
    """An ASGI application: a receiver whose only handler gets the original request."""

    @receiver.on()
    async def hand_over(_: Notification[NotificationData]) -> None:
        await handle(_request.get())

    return ASGIRelay(receiver)


@frozen
class ASGIRelay:
    """Keeps the bytes that a receiver reads."""

    receiver: Receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive a request."""
        request = RawRequest(scope["headers"])
        _request.set(request)  # visible in this request's task, and in the tasks that it starts

        async def keep() -> Message:
            message = await receive()
            request.chunks.append(message.get("body", b""))
            return message

        await self.receiver(scope, keep, send)


def no_response(url: str, error: httpx.RequestError) -> str:
    """Say that a bot didn't respond."""
    return f"POST {shown_url(url)}: {describe_exception(error)}"


async def forward(http_client: httpx.AsyncClient, url: str, request: RawRequest) -> httpx.Response:
    """Forward a request with its original bytes and headers.

    Raises:
        httpx.RequestError: There is no response.
    """
    headers = [each for each in request.headers if each[0].lower() not in _CONNECTION_HEADERS]
    return await http_client.send(httpx.Request("POST", url, headers=headers, content=request.body))
