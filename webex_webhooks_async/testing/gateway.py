"""The gate in front of the service: records what comes, lets faults strike, gives tracking ids."""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webex_webhooks_async.testing.answers import error_answer
from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.recording import RecordedRequest

Sleep = Callable[[float], Awaitable[object]]


class ConnectionDroppedError(Exception):
    """A fault broke the connection off. Whoever holds the connection does what that takes."""


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
        """Answer one request.

        Raises:
            ConnectionDroppedError: It shall get no answer.
        """
        tracking_id = f"ROUTER_{str(uuid.uuid4()).upper()}"
        scope = {**scope, "state": {**scope.get("state", {}), "tracking_id": tracking_id}}
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        status_code = None
        answered = False

        async def send_with_tracking_id(message: Message) -> None:
            nonlocal status_code, answered
            if message["type"] == "http.response.start":
                status_code = message["status"]
                message["headers"].append((b"trackingid", tracking_id.encode()))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered = True
                # Not later: what the service does in the background follows from this request.
                self._record(_recorded(request, body, status_code, tracking_id))

        try:
            await self._answer(request, _replay(body), send_with_tracking_id)
        finally:
            if not answered:
                self._record(_recorded(request, body, None, tracking_id))

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        fault = self._faults.take(request.method)
        if fault is None:
            await self._service(request.scope, receive, send)
        else:
            await self._answer_faultily(fault, request, receive, send)

    async def _answer_faultily(
        self, fault: Fault, request: Request, receive: Receive, send: Send
    ) -> None:
        answer: list[Message] = []
        if fault.carry_out:
            await self._service(request.scope, receive, _keep(answer))
        if fault.delay:
            await self._sleep(fault.delay)
        if fault.drop:
            raise ConnectionDroppedError
        if fault.status is None:
            for message in answer:
                await send(message)
        else:
            await _answer_instead(fault, fault.status, request)(request.scope, receive, send)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _keep(answer: list[Message]) -> Send:
    async def send(message: Message) -> None:
        answer.append(message)

    return send


def _answer_instead(fault: Fault, status_code: int, request: Request) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    if fault.body is not None:
        return Response(fault.body, status_code, headers, fault.media_type)
    if status_code >= HTTPStatus.BAD_REQUEST:
        return error_answer(request, status_code, headers=headers)
    return Response(None, status_code, headers)


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
