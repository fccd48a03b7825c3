"""What the incoming wing's tests share: what Webex sends, and a server on loopback."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp

from webex_webhooks_async.notifications.signatures import sign

SECRET = "myBongoSecret"

MESSAGE_DATA: dict[str, Any] = {
    "id": "MESSAGE",
    "roomId": "ROOM",
    "roomType": "group",
    "personId": "PERSON",
    "personEmail": "matt@example.com",
    "created": "2015-10-18T14:26:16.000Z",
}

ENVELOPE: dict[str, Any] = {
    "id": "WEBHOOK",
    "name": "New message in 'Project Unicorn' room",
    "targetUrl": "https://example.com/mywebhook",
    "resource": "messages",
    "event": "created",
    "filter": "roomId=ROOM",
    "orgId": "ORG",
    "createdBy": "BOT",
    "appId": "APP",
    "ownedBy": "creator",
    "status": "active",
    "created": "2015-10-18T14:26:16+00:00",
    "actorId": "PERSON",
}


def body_of(data: object = MESSAGE_DATA, **envelope: object) -> bytes:
    """The body of a notification; what is None is left out."""
    members = {**ENVELOPE, "data": data, **envelope}
    return json.dumps({key: value for key, value in members.items() if value is not None}).encode()


def distinct(number: int) -> bytes:
    """The body of a notification about one message out of many."""
    return body_of({**MESSAGE_DATA, "id": f"MESSAGE-{number}"})


def signed(body: bytes) -> tuple[bytes, dict[str, str]]:
    """A body and its headers."""
    return body, sign(body, SECRET)


class Server(uvicorn.Server):
    """uvicorn as it is, but for the signals, which are pytest's."""

    capture_signals: ClassVar[Any] = staticmethod(nullcontext)


@asynccontextmanager
async def served(application: ASGIApp) -> AsyncGenerator[int, None]:
    """Serve an application as long as the block runs, and give the port."""
    config = uvicorn.Config(application, http="h11", ws="none", log_config=None)
    server = Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def answer_to(port: int, request: bytes, *, half: bool = False) -> bytes:
    """What a server answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        return b"" if half else await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
