"""Records the requests to the service, and applies faults to them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import httpx
from attrs import field, frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.loopback_server import ConnectionDroppedError
from webex_webhooks_async.testing.service import messages
from webex_webhooks_async.testing.service.formats import tracking_id
from webex_webhooks_async.testing.service.responses import RefusedCallError, error_response


@frozen(kw_only=True)
class RecordedRequest:
    """A request, and the status of its response.

    Attributes:
        path: The path as it was sent, percent-encoded.
        query: The query as it was sent, without the question mark.
        headers: The headers, with names in lower case; of repeated ones, the last. They contain
            the token, so a repr doesn't show them.
        body: The body. It may contain a secret, so a repr doesn't show it.
        status_code: The status of the response; None without one.
        tracking_id: The tracking id in the response.
        error: The message of a response of 400 and above, if it has one.
        remark: What of a request the sandbox ignores, as Webex does.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(hash=False, repr=False)
    body: bytes = field(repr=False)
    status_code: int | None
    tracking_id: str
    error: str | None = None
    remark: str | None = None


Service = Callable[[Request], Awaitable[Response]]
Sleep = Callable[[float], Awaitable[object]]

SANDBOX_HEADER: Mapping[str, str] = {"x-webex-sandbox": "webex-webhooks-async"}
"""It is on every response, so that tools recognize a sandbox."""

MAX_BODY = messages.MAX_FILE + 65_536
"""The size in bytes of the largest request: a file, with the rest of its message."""


class Entrance:
    """An ASGI application around the service."""

    def __init__(
        self,
        service: Service,
        *,
        faults: Faults,
        sleep: Sleep,
        record: Callable[[RecordedRequest, bytes], None],
    ) -> None:
        self._service = service
        self._faults = faults
        self._sleep = sleep
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        sent_id = tracking_id()
        scope = {**scope, "state": {**scope.get("state", {}), "tracking_id": sent_id}}
        try:
            body = await body_of(Request(scope, receive), at_most=MAX_BODY)
        except ClientDisconnect:
            return
        request = Request(scope, _replay(body or b""))
        try:
            response = await self._respond(request, is_too_large=body is None)
        except BaseException:
            self._record(_recorded(request, body or b"", None), b"")
            raise
        # Before the first byte, so that it is recorded when the client has the response.
        self._record(_recorded(request, body or b"", response), bytes(response.body))
        response.headers.update({"TrackingID": sent_id, **SANDBOX_HEADER})
        await response(scope, receive, send)

    async def _respond(self, request: Request, *, is_too_large: bool) -> Response:
        if is_too_large:
            problem = f"a request must not exceed {MAX_BODY} bytes, and a file {messages.MAX_FILE}"
            return error_response(request, RefusedCallError(413, problem))
        fault = self._faults.take(request.method, _raw_path(request))
        if fault is None:
            return await self._service(request)
        response = None
        if fault.reaches_service:
            response = await self._service(request)
            if response.background is not None:
                await response.background()
                response.background = None
        if fault.delay:
            await self._sleep(fault.delay)
        if fault.drop:
            raise ConnectionDroppedError
        if response is None or fault.replaces_response:
            return _replacement(fault, request)
        return response


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _replacement(fault: Fault, request: Request) -> Response:
    status_code = fault.status or HTTPStatus.OK
    if fault.content is not None:
        body, media_type = fault.content
        return Response(body, status_code, fault.headers, media_type)
    if status_code >= HTTPStatus.BAD_REQUEST:
        return error_response(request, RefusedCallError(status_code), fault.headers)
    return Response(None, status_code, fault.headers)


def _recorded(request: Request, body: bytes, response: Response | None) -> RecordedRequest:
    error = None
    if response is not None and response.status_code >= HTTPStatus.BAD_REQUEST:
        error = _message_of(bytes(response.body))
    return RecordedRequest(
        method=request.method,
        path=_raw_path(request),
        query=request.scope["query_string"].decode("latin-1"),
        headers=dict(request.headers),
        body=body,
        status_code=None if response is None else response.status_code,
        tracking_id=request.state.tracking_id,
        error=error,
        remark=getattr(request.state, "remark", None),
    )


def _raw_path(request: Request) -> str:
    path: str = request.scope["raw_path"].decode("latin-1")
    return path


def _message_of(body: bytes) -> str | None:
    """The message of an error, in Webex's form or in that of OAuth."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    match document:
        case {"message": str(message)} | {"error_description": str(message)}:
            return message
        case _:
            return None


async def body_of(request: Request, *, at_most: int) -> bytes | None:
    """The body of a request; None if it has more bytes, which aren't kept."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > at_most:
            return None
    return bytes(body)


class InProcessTransport(httpx.ASGITransport):
    """Like httpx's own; it also honors the read timeout, and reports a dropped connection."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request to the application."""
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(timeout):
                return await super().handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout("No response came in time.", request=request) from None
        except ConnectionDroppedError:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            ) from None
