"""The entrance of the service: records requests, applies faults, marks responses."""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.recording import RecordedRequest
from webex_webhooks_async.testing.service.shared.errors import error_response

Sleep = Callable[[float], Awaitable[object]]

SANDBOX_HEADER = (b"x-webex-sandbox", b"webex-webhooks-async")
"""It is on every response, so that tools recognize a sandbox."""


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
            body = await request.body()
        except ClientDisconnect:
            return
        responded = False

        async def send_marked(message: Message) -> None:
            nonlocal responded
            if message["type"] == "http.response.start":
                responded = True
                message["headers"] += [(b"trackingid", tracking_id.encode()), SANDBOX_HEADER]
                # Before the first byte, so that it is recorded when the client has the response.
                self._record(_recorded(request, body, message["status"], tracking_id))
            await send(message)

        try:
            await self._respond(request, _replay(body), send_marked)
        finally:
            if not responded:
                self._record(_recorded(request, body, None, tracking_id))

    async def _respond(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self._faults.take(request.method)
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
        return error_response(request, status_code, headers=fault.headers)
    return Response(None, status_code, fault.headers)


def _recorded(
    request: Request, body: bytes, status_code: int | None, tracking_id: str
) -> RecordedRequest:
    return RecordedRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=dict(request.headers),
        body=body,
        status_code=status_code,
        tracking_id=tracking_id,
    )
