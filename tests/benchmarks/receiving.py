"""The incoming wing: being called by Webex."""

import asyncio
import hmac
import json
import os
import re
import socket
import sqlite3
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.benchmarks.by_hand import KEY, Application
from tests.benchmarks.harness import Case, Round, counted, growth, peer
from tests.benchmarks.sender import SECRET
from webex_webhooks_async import (
    Bot,
    BotRouter,
    Client,
    Event,
    Message,
    MessageContext,
    MessageData,
    Notification,
    Receiver,
    Resource,
    SQLiteInbox,
)

ENTRIES = 100_000
"""The number of notifications that a receiver remembers at most."""


def loop_factory() -> asyncio.AbstractEventLoop:
    """Make the event loop that servers in production use."""
    loop: asyncio.AbstractEventLoop = peer("uvloop").new_event_loop()
    return loop


def own_receiver(
    _: str = "", *, handlers: int = 1, remembered: int = 0
) -> AbstractAsyncContextManager[Round]:
    """Verify, parse, look for a copy, and call one handler of these."""
    made = Receiver(SECRET)
    duplicates = made._direct._duplicates  # pyright: ignore[reportPrivateUsage] - nothing public fills it
    for number in range(remembered):
        duplicates.begin(f"{number:064}")
        duplicates.end(f"{number:064}", is_handled=True)
    for number in range(handlers - 1):
        made.on(f"something-else-{number}")(handle)
    made.on(Resource.MESSAGES, Event.CREATED)(handle)
    return called(made)


@asynccontextmanager
async def receiver_with_a_full_memory(_: str) -> AsyncGenerator[Round]:
    """Receive with a full memory of notifications: each new one replaces an old one."""
    async with own_receiver(remembered=ENTRIES) as play:
        yield play


async def handle(_: Notification[MessageData]) -> None:
    """Do nothing about a message."""


@asynccontextmanager
async def putting(completed: int) -> AsyncGenerator[Round]:
    """Store from 64 tasks, durably, into a file that remembers so many notifications."""
    async with inbox_with(completed) as (inbox, _):

        async def put(count: int) -> None:
            keys = new_keys(count)

            async def put_each() -> None:
                for key in keys:
                    await inbox.put(key, BODY)

            async with asyncio.TaskGroup() as group:
                for _ in range(TASKS):
                    group.create_task(put_each())

        yield put


@asynccontextmanager
async def putting_by_hand(_: str) -> AsyncGenerator[Round]:
    """Store the same rows with sqlite3 alone, 64 in a transaction."""
    async with inbox_with(0) as (_inbox, path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")

            async def put(count: int) -> None:
                now = time.time()
                for start in range(0, count, TASKS):
                    connection.execute("BEGIN IMMEDIATE")
                    for key in new_keys(min(TASKS, count - start)):
                        connection.execute(
                            "INSERT OR IGNORE INTO webex_notifications (key, body, due, stored) "
                            "VALUES (?, ?, ?, ?)",
                            (key, BODY, now, now),
                        )
                    connection.execute("COMMIT")

            yield put


@asynccontextmanager
async def opening(completed: int) -> AsyncGenerator[Round]:
    """Open an inbox in which so many notifications are completed, store one, and close it."""
    async with inbox_with(completed) as (inbox, _):

        async def open_and_put(count: int) -> None:
            for key in new_keys(count):
                await inbox.put(key, BODY)
                await inbox.aclose()

        yield open_and_put


@asynccontextmanager
async def inbox_with(completed: int) -> AsyncGenerator[tuple[SQLiteInbox, Path]]:
    """Make an inbox in whose file there are so many completed notifications."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inbox.db")
        inbox = SQLiteInbox(path)
        await inbox.counts()
        await inbox.aclose()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(COMPLETED, {"rows": completed, "now": time.time()})
        yield inbox, path
        await inbox.aclose()


COMPLETED = """
    INSERT INTO webex_notifications (key, body, stored, forget)
    SELECT printf('%08x%056x', value * (4294967295 / :rows), value), x'', :now, :now + 86400 + value
    FROM (WITH RECURSIVE numbers (value) AS
        (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < :rows)
        SELECT value FROM numbers WHERE value <= :rows)
"""


def new_keys(count: int) -> Iterator[str]:
    """Yield keys as those of new notifications, from all over the file."""
    return (os.urandom(32).hex() for _ in range(count))


LARGE = 1_000_000
TASKS = 64
BODY = bytes(900)


@asynccontextmanager
async def accepting_with_an_inbox(_: str) -> AsyncGenerator[Round]:
    """Respond when the notification is on the disk, and handle it meanwhile; the cost is time."""
    with tempfile.TemporaryDirectory() as folder:
        made = Receiver(SECRET, inbox=SQLiteInbox(Path(folder, "inbox.db")))
        made.on(Resource.MESSAGES, Event.CREATED)(handle)
        async with called(made) as send:

            async def accept(count: int) -> float:
                start = time.perf_counter()
                await send(count)
                return time.perf_counter() - start

            yield accept


@asynccontextmanager
async def flushing(_: str) -> AsyncGenerator[Round]:
    """Write a page, and flush it to the disk; the cost is time."""
    with tempfile.TemporaryFile(buffering=0) as file:

        async def flush(count: int) -> float:
            start = time.perf_counter()
            for _ in range(count):
                file.write(bytes(4096))
                os.fsync(file.fileno())
            return time.perf_counter() - start

        yield flush


@asynccontextmanager
async def own_command(_: str = "", *, others: int = 0) -> AsyncGenerator[Round]:
    """Reply to a command in the thread, as a bot does, beside so many other commands."""
    async with Client("a-token", http_client=httpx.MockTransport(respond)) as client:
        bot = Bot(client, SECRET)
        for number in range(others):
            bot.command(f"command-{number}")(reply_without_a_record)

        @bot.command("order")
        async def order(context: MessageContext) -> None:
            await context.reply(f"One {context.arguments}, please!")

        async with called(bot) as play:
            yield play


@asynccontextmanager
async def registering(commands: int) -> AsyncGenerator[Round]:
    """Register so many commands, of none of which the pattern is known."""

    async def play(count: int) -> None:
        for _ in range(count):
            re.purge()
            router = BotRouter()
            for number in range(commands):
                router.command(f"command-{number}")(reply_without_a_record)

    yield play


async def reply_with_a_record(context: MessageContext) -> None:
    """Reply from an inbox, and record that, so that it isn't said again."""
    await context.reply("One pizza, please!")


async def reply_without_a_record(context: MessageContext) -> None:
    """Send the same, and record nothing."""
    place = {"roomId": context.message.room_id, "parentId": context.message.id}
    body = {**place, "text": "One pizza, please!"}
    await context.client.post("messages", json=body, into=Message)


@asynccontextmanager
async def replying(
    reply: Callable[[MessageContext], Awaitable[None]], inbox: SQLiteInbox
) -> AsyncGenerator[Round]:
    """Serve a bot with an inbox; a round ends when it has replied to all."""
    async with Client("a-token", http_client=httpx.MockTransport(respond)) as client:
        bot = Bot(client, SECRET, inbox=inbox)
        replied = asyncio.Semaphore(0)

        @bot.message()
        async def order(context: MessageContext) -> None:
            await reply(context)
            replied.release()

        async with called(bot) as send:

            async def play(count: int) -> None:
                await send(count)
                for _ in range(count):
                    await replied.acquire()

            yield play


@asynccontextmanager
async def replying_beside_questions(
    count: int, reply: Callable[[MessageContext], Awaitable[None]] = reply_with_a_record
) -> AsyncGenerator[Round]:
    """Reply from an inbox in which so many questions are open, in other rooms."""
    with tempfile.TemporaryDirectory() as folder:
        inbox = SQLiteInbox(Path(folder, "inbox.db"))
        for number in range(count):
            await inbox.put(f"{number}", BODY, line=f"room {number}")
            entry = await inbox.take()
            assert entry is not None
            await inbox.ask(entry, "ask:1", place=f"room {number}", data=b"{}", seconds=86_400)
            await inbox.wait(entry, "ask:1")
        async with replying(reply, inbox) as play:
            yield play


@asynccontextmanager
async def starting(rooms: int) -> AsyncGenerator[Round]:
    """Start a bot in so many rooms, in which it has missed nothing, until it has caught up."""
    page = {"items": [{"id": f"{n}", "lastActivity": MESSAGE["created"]} for n in range(rooms)]}

    webhooks: list[dict[str, object]] = []

    async def respond_to_start(request: httpx.Request) -> httpx.Response:
        *_, kind, which = request.url.path.split("/")
        if request.method == "POST":
            created = {"id": f"{len(webhooks)}", "status": "active", "created": MESSAGE["created"]}
            webhooks.append(json.loads(request.content) | created)
            return httpx.Response(200, json=webhooks[-1])
        if kind == "webhooks":
            return httpx.Response(200, json=webhooks[int(which)])
        lists = {"webhooks": {"items": webhooks}, "rooms": page}
        return httpx.Response(200, json=lists.get(which, ME))

    async def play(count: int) -> None:
        for _ in range(count):
            webhooks.clear()
            with tempfile.TemporaryDirectory() as folder:
                inbox = SQLiteInbox(Path(folder, "inbox.db"))
                transport = httpx.MockTransport(respond_to_start)
                async with Client("a-token", http_client=transport) as client:
                    bot = Bot(client, SECRET, inbox=inbox, target_url="https://bot.example.com")
                    bot.message()(reply_without_a_record)
                    async with bot:
                        while await inbox.caught_up("BOT") is None:  # noqa: ASYNC110 - nothing says it
                            await asyncio.sleep(0.001)

    yield play


@asynccontextmanager
async def command_by_hand(_: str) -> AsyncGenerator[Round]:
    """The same, without the layer of bots: the name of the bot is known, and comes first."""
    async with Client("a-token", http_client=httpx.MockTransport(respond)) as client:
        receiver = Receiver(SECRET, ignore_own_actions=True, respond_within=5.0)

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


def starlette_by_hand(_: str) -> AbstractAsyncContextManager[Round]:
    """Verify SHA-1 alone, and parse with webexpythonsdk: no types, no deduplication."""
    webhook_event = peer("webexpythonsdk").WebhookEvent

    async def webex(request: Request) -> Response:
        body = await request.body()
        expected = hmac.digest(KEY, body, "sha1").hex()
        if not hmac.compare_digest(expected, request.headers["x-spark-signature"]):
            return Response(status_code=401)
        event = webhook_event(body.decode())
        is_message = (event.resource, event.event) == ("messages", "created")
        return Response(status_code=204 if is_message else 404)

    return called(Starlette(routes=[Route("/{path:path}", webex, methods=["POST"])]))


@asynccontextmanager
async def called(application: ASGIApp) -> AsyncGenerator[Round]:
    """Serve an application with uvicorn in this process, and send to it from another one."""
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        log_config=None,
        timeout_keep_alive=3600,  # a connection is idle during the peer's turn
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        port = listener.getsockname()[1]
        command = (sys.executable, "-m", "tests.benchmarks.sender", str(port))
        sender = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert sender.stdin is not None
        assert sender.stdout is not None
        questions, responses = sender.stdin, sender.stdout

        async def play(count: int) -> None:
            questions.write(f"{count}\n".encode())
            if int(await responses.readline()) != count:
                raise RuntimeError("a notification wasn't accepted")

        yield play
        questions.close()
        await sender.wait()
        server.should_exit = True
        await serving


CASES = (
    counted(
        "receiver / ASGI by hand", own_receiver, lambda _: called(Application(handle)), 500, 1.15
    ),
    counted("receiver / Starlette and webexpythonsdk", own_receiver, starlette_by_hand, 500, 1.15),
    Case("accepted with an inbox / fsync (time)", accepting_with_an_inbox, flushing, count=200),
    Case(
        "stored in an inbox from 64 tasks / sqlite3 by hand",
        lambda _: putting(0),
        putting_by_hand,
        count=1280,
    ),
    growth(
        "stored in an inbox with 1,000,000 rows / an empty one",
        lambda _: putting(LARGE),
        lambda _: putting(0),
        count=1280,
        at_most=2,
    ),
    growth(
        "opening an inbox with 1,000,000 rows / an empty one",
        lambda _: opening(LARGE),
        lambda _: opening(0),
        count=5,
        at_most=2,
    ),
    Case(
        "reply from an inbox / without its record",
        lambda _: replying_beside_questions(0),
        lambda _: replying_beside_questions(0, reply_without_a_record),
        count=100,
        at_most=1.1,
    ),
    growth(
        "reply beside 1,000 open questions / beside none",
        lambda _: replying_beside_questions(1_000),
        lambda _: replying_beside_questions(0),
        count=100,
        at_most=1.1,
    ),
    growth(
        "start of a bot in 1,000 rooms / in 10",
        lambda _: starting(1_000),
        lambda _: starting(10),
        count=10,
        at_most=2,
    ),
    counted("command of a bot / by hand", own_command, command_by_hand, 50, 1.12),
    counted(
        "growth: command of a bot among 200 / among 1",
        lambda _: own_command(others=199),
        own_command,
        count=50,
        at_most=1.3,
    ),
    growth(
        "registering 800 commands / 100",
        lambda _: registering(800),
        lambda _: registering(100),
        count=1,
        at_most=10,
    ),
    Case(
        "growth: receiver with 16 handlers / 1",
        lambda _: own_receiver(handlers=16),
        own_receiver,
        count=500,
        at_most=1.1,
    ),
    Case(
        "growth: receiver with a full memory / an empty one",
        receiver_with_a_full_memory,
        own_receiver,
        count=500,
        at_most=1.1,
    ),
)
