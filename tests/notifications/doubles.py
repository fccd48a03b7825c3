"""What the incoming wing's tests share, such as what Webex sends."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import Mock

from tests.support.wire import PATIENCE, until
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.notifications.signatures import sign
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.types import CallNext

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
    """The body of a notification; members that are None are left out."""
    members = {**ENVELOPE, "data": data, **envelope}
    return json.dumps({key: value for key, value in members.items() if value is not None}).encode()


def distinct(number: int) -> bytes:
    """The body of a notification about one message out of many."""
    return body_of({**MESSAGE_DATA, "id": f"MESSAGE-{number}"})


def signed(body: bytes) -> tuple[bytes, dict[str, str]]:
    """A body and its headers."""
    return body, sign(body, SECRET)


def lose(coroutine: Coroutine[Any, Any, object], is_time: Callable[[], bool]) -> None:
    """Run something in an event loop of its own, and close that before it ends."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(Mock())  # asyncio would log that a task is lost
    task = loop.create_task(coroutine)
    loop.run_until_complete(until(is_time))
    loop.close()
    del task


async def deliver(receiver: Receiver, body: bytes | None = None) -> int:
    """Deliver a signed body, and return the status of the response."""
    return await receiver.handle(*signed(body or body_of()))


class Conversation:
    """The server's side of one call of an ASGI application, which receives these messages."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.unread = list(messages)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return self.unread.pop(0)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        self.sent.append(message)


def request(*headers: str, body: bytes = b"", path: str = "/", of: bytes | None = None) -> bytes:
    """A POST on the wire, with the signature of a notification, that closes the connection."""
    _, signature = signed(body_of() if of is None else of)
    signature_headers = [f"{name}: {value}" for name, value in signature.items()]
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    return "\r\n".join([*lines, *signature_headers, *headers, "", ""]).encode() + body


def posted(body: bytes) -> bytes:
    """A notification on the wire, as Webex sends it, that closes the connection."""
    return request(f"Content-Length: {len(body)}", body=body, of=body)


def chunked(*parts: bytes) -> bytes:
    """A body in chunks, without its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


async def exchange(port: int, sent: bytes) -> bytes:
    """Send these bytes, and return what the server sends until it closes the connection."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(sent)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


class ReceiverUnderTest:
    """A receiver and a handler whose behaviour the test decides.

    Attributes:
        receiver: What is tested.
        started: The ids of the messages whose execution began.
        done: The ids of the messages that are handled.
        errors: Raised one after the other, at the end of each run, as long as there are any.
        may_end: Set unless runs have to wait.
    """

    def __init__(self, kind: type[Receiver] = Receiver, **options: Any) -> None:  # noqa: ANN401 - any option
        self.receiver = kind(SECRET, **options)
        self.started: list[str] = []
        self.done: list[str] = []
        self.errors: list[BaseException] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.receiver.on(Resource.MESSAGES)(self.run)

    async def run(self, notification: Notification[MessageData]) -> None:
        self.started.append(notification.data.id)
        await self.may_end.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(notification.data.id)


class UnspeakableError(BaseException):
    """Not an `Exception`, and without a text: asking for that raises something."""

    def __init__(self, raised: type[BaseException] = LookupError) -> None:
        super().__init__()
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised


class Traces:
    """Handlers and middlewares that note when they run.

    Attributes:
        ran: What ran, in this order; a middleware is noted before and after what it is around.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []

    def handler(self, name: str, error: Exception | None = None) -> Any:  # noqa: ANN401 - it fits everywhere
        """Return a handler that notes its name, and fails if there is an error."""

        async def note(_: Notification[Any]) -> None:
            self.ran.append(name)
            if error is not None:
                raise error

        return note

    def middleware(self, name: str, *, calls: int = 1) -> Any:  # noqa: ANN401 - it fits everywhere
        """Return a middleware that calls the next one so often."""

        async def note(_: Notification[Any], call_next: CallNext) -> None:
            self.ran.append(f"<{name}")
            for _call in range(calls):
                await call_next()
            self.ran.append(f"{name}>")

        return note


class DownError(Exception):
    """The connection is down."""
