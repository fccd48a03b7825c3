"""Receives notifications with their bytes, forwards them, and checks that a URL leads here."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from http import HTTPStatus

import httpx
from attrs import field, frozen
from rich.console import Console
from rich.text import Text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webex_webhooks_async.cli.console import print_refusal
from webex_webhooks_async.cli.listen.tunnels import is_here
from webex_webhooks_async.cli.rendering import shown_url, status_code_text
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.client.bodies import CodingError, TooLargeError, read_body
from webex_webhooks_async.client.requester import NO_RESPONSE
from webex_webhooks_async.formatting import describe_exception, describe_status, on_one_line
from webex_webhooks_async.handling.sandbox_reports import ASK_HEADER, named_in
from webex_webhooks_async.models.notification_data import NotificationData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.testing.delivering.reasons import next_step, reason_without_response

RawHeaders = Sequence[tuple[bytes, bytes]]

FORWARD_TIMEOUT = 30.0  # seconds: a bot may be in a debugger

_MOST_BYTES = 65_536  # of a response: its beginning is shown
_MOST_LINES = 20  # of a response's body

_IF_UNAUTHORIZED = (
    "the bot verifies with another secret: pass the bot's with --secret-env or --secret-file"
)

_CONNECTION_HEADERS = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})


@frozen
class RawRequest:
    """A request with its original bytes."""

    headers: RawHeaders = field(repr=False)
    buffer: bytearray = field(factory=bytearray, repr=False)

    @property
    def body(self) -> bytes:
        """The body."""
        return bytes(self.buffer)


_request: ContextVar[RawRequest] = ContextVar("_request")


def relay(receiver: Receiver, handle: Callable[[RawRequest], Awaitable[None]]) -> ASGIApp:
    """An ASGI application: a receiver whose only handler gets the original request."""

    @receiver.on()
    async def hand_over(_: Notification[NotificationData]) -> None:
        await handle(_request.get())

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = RawRequest(scope["headers"])
        _request.set(request)  # visible in this request's task, and in the tasks that it starts

        async def keep() -> Message:
            message = await receive()
            request.buffer.extend(message.get("body", b""))
            return message

        await receiver(scope, keep, send)

    return application


async def forward(http_client: httpx.AsyncClient, url: str, request: RawRequest) -> "BotResponse":
    """Forward a request with its original bytes and headers."""
    headers = [each for each in request.headers if each[0].lower() not in _CONNECTION_HEADERS]
    return await post(
        http_client, httpx.Request("POST", url, headers=headers, content=request.body)
    )


@frozen
class BotResponse:
    """The response of a bot."""

    status_code: int
    text: str
    problem: str | None = None  # what to do, or what a handler raised, if that is known

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx, and no handler failed."""
        return httpx.codes.is_success(self.status_code) and self.problem is None


async def post(
    http_client: httpx.AsyncClient, request: httpx.Request, seconds: float = FORWARD_TIMEOUT
) -> BotResponse:
    """Send a notification to a bot."""
    url = str(request.url)
    request.headers[ASK_HEADER] = "1"
    try:
        async with asyncio.timeout(seconds):
            response = await http_client.send(request, stream=True)
            body = await _beginning(response)
    except NO_RESPONSE as error:
        reason = f"no response within {seconds:g} s"
        if not isinstance(error, TimeoutError):
            reason = reason_without_response(error, url)
        raise CommandError(f"POST {shown_url(url)}: {reason}") from error
    named = named_in(response.headers)
    if named is not None:
        is_refused = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        problem: str | None = named if is_refused else f"a handler raised {named}"
    else:
        location = response.headers.get("location")
        problem = next_step(response.status_code, url, location, _IF_UNAUTHORIZED)
    text = body[:_MOST_BYTES].decode(errors="replace")
    return BotResponse(response.status_code, text, problem)


def print_response(console: Console, response: BotResponse, to: str = "") -> None:
    """Print the response to a notification, which `to` names, and what is wrong."""
    arrow = f"→ {to}: " if to else "→ "
    console.print(Text(arrow, "cyan"), status_code_text(response.status_code), sep="")
    for line in response.text.splitlines()[:_MOST_LINES]:
        console.print(f"  {on_one_line(line)}")
    if response.problem is not None:
        print_refusal(console, response.problem)


async def _beginning(response: httpx.Response) -> bytes:
    try:
        return await read_body(response, _MOST_BYTES)
    except TooLargeError as error:
        return b"".join(error.pieces)
    except CodingError:
        return b"(it has more than one content coding)"


CHECK_SECONDS = 5.0
_HEADER = "x-webex-webhooks-check"
_LOGIN_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class ArrivalCheck:
    """Notices the requests of a check, as an ASGI application in front of another."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._nonce = secrets.token_urlsafe()
        self._arrived = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to the request of a check; pass on every other one."""
        if (_HEADER.encode(), self._nonce.encode()) not in scope["headers"]:
            await self._application(scope, receive, send)
            return
        self._arrived = True
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def check(self, url: str, port: int, seconds: float = CHECK_SECONDS) -> str | None:
        """Send a request to a URL; return the likely reason if it doesn't arrive here."""
        headers = {_HEADER: self._nonce}
        is_public = not is_here(httpx.URL(url).host)  # then a proxy may lead there
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(timeout=None, trust_env=is_public) as http_client,  # noqa: S113 - it is set above
                http_client.stream("POST", url, headers=headers) as response,
            ):
                reason = _reason(response, port, is_public=is_public)
        except TimeoutError:
            reason = f"nothing responds there within {seconds:g} s"
        except NO_RESPONSE as error:
            reason = f"{describe_exception(error)}; is there a typo in it, and does the tunnel run?"
        return None if self._arrived else reason


def _reason(response: httpx.Response, port: int, *, is_public: bool) -> str:
    status = describe_status(response.status_code)
    if not is_public:
        return f"another server responds there ({status}): does the URL lead to port {port}?"
    is_page = response.is_success and "html" in response.headers.get("content-type", "")
    if is_page or response.is_redirect or response.status_code in _LOGIN_STATUSES:
        return (
            f"a page responds there ({status}), probably the tunnel's login page: allow requests "
            "without a login"
        )
    return f"another server responds there ({status}): does the tunnel lead to port {port}?"
