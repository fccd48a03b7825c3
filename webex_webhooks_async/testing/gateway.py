"""The entrance of the service: records requests, applies faults, marks responses."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import httpx
from attrs import field, frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.service.responses import RefusedCallError, error_response


@frozen(kw_only=True)
class RecordedRequest:
    """A request, and the status of its response.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent-encoded.
        query: The query as it was sent, without the question mark.
        headers: The headers, with names in lower case; of repeated ones, the last. They contain
            the token, so a repr doesn't show them.
        body: The body. It may contain a secret, so a repr doesn't show it.
        status_code: The status of the response; None without one.
        tracking_id: The tracking id in the response.
        error: The message of a response of 400 and above, if it has one.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(hash=False, repr=False)
    body: bytes = field(repr=False)
    status_code: int | None
    tracking_id: str
    error: str | None = None


Sleep = Callable[[float], Awaitable[object]]

SANDBOX_HEADER = (b"x-webex-sandbox", b"webex-webhooks-async")
"""It is on every response, so that tools recognize a sandbox."""


_MAX_BODY = 104_857_600 + 65_536  # bytes: the largest file, with the rest of its message
_TOO_LARGE = f"a request must not exceed {_MAX_BODY} bytes, and a file 104857600"


class ConnectionDroppedError(Exception):
    """A fault dropped the connection; the server that holds it has to close it."""


class Gateway:
    """An ASGI application around the service."""

    def __init__(
        self,
        service: ASGIApp,
        *,
        faults: Faults,
        sleep: Sleep,
        record: Callable[[RecordedRequest], None],
    ) -> None:
        self._service = service
        self._faults = faults
        self._sleep = sleep
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request.

        Raises:
            ConnectionDroppedError: A fault dropped the connection.
        """
        tracking_id = f"ROUTER_{str(uuid.uuid4()).upper()}"
        scope = {**scope, "state": {**scope.get("state", {}), "tracking_id": tracking_id}}
        request = Request(scope, receive)
        try:
            body = await _body_of(request)
        except ClientDisconnect:
            return
        start: Message = {}
        responded = False

        async def send_marked(message: Message) -> None:
            nonlocal start, responded
            if message["type"] == "http.response.start":
                message["headers"] += [(b"trackingid", tracking_id.encode()), SANDBOX_HEADER]
                start = message
                return
            responded = True  # the body, which the service sends in one piece
            status, error = start["status"], _message_of(message.get("body", b""))
            error = error if status >= HTTPStatus.BAD_REQUEST else None
            # Before the first byte, so that it is recorded when the client has the response.
            self._record(_recorded(request, body or b"", status, tracking_id, error))
            await send(start)
            await send(message)

        try:
            if body is None:
                refusal = RefusedCallError(413, _TOO_LARGE)
                await error_response(request, refusal)(scope, receive, send_marked)
            else:
                await self._respond(request, _replay(body), send_marked)
        finally:
            if not responded:
                self._record(_recorded(request, body or b"", None, tracking_id))

    async def _respond(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self._faults.take(request.method, _raw_path(request))
        if fault is None:
            await self._service(request.scope, receive, send)
        else:
            await self._respond_faultily(fault, request, receive, send)

    async def _respond_faultily(
        self, fault: Fault, request: Request, receive: Receive, send: Send
    ) -> None:
        response: list[Message] = []
        if fault.reaches_service:
            await self._service(request.scope, receive, _keep(response))
        if fault.delay:
            await self._sleep(fault.delay)
        if fault.drop:
            raise ConnectionDroppedError
        if fault.replaces_response:
            await _replacement(fault, request)(request.scope, receive, send)
        else:
            for message in response:
                await send(message)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _keep(response: list[Message]) -> Send:
    async def send(message: Message) -> None:
        response.append(message)

    return send


def _replacement(fault: Fault, request: Request) -> Response:
    status_code = fault.status or HTTPStatus.OK
    if fault.content is not None:
        body, media_type = fault.content
        return Response(body, status_code, fault.headers, media_type)
    if status_code >= HTTPStatus.BAD_REQUEST:
        return error_response(request, RefusedCallError(status_code), fault.headers)
    return Response(None, status_code, fault.headers)


def _recorded(
    request: Request,
    body: bytes,
    status_code: int | None,
    tracking_id: str,
    error: str | None = None,
) -> RecordedRequest:
    return RecordedRequest(
        method=request.method,
        path=_raw_path(request),
        query=request.scope["query_string"].decode("latin-1"),
        headers=dict(request.headers),
        body=body,
        status_code=status_code,
        tracking_id=tracking_id,
        error=error,
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


async def _body_of(request: Request) -> bytes | None:
    """The body of a request; None if it is larger than any that the API takes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)


class InProcessTransport(httpx.ASGITransport):
    """Like httpx's own; it also honors the read timeout, and reports a dropped connection."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request to the application.

        Raises:
            httpx.ReadTimeout: It took longer than the request allows.
            httpx.RemoteProtocolError: A fault dropped the connection.
        """
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
