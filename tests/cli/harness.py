"""The command line, run as a user runs it: in this process, in a thread, and on a terminal."""

import asyncio
import fcntl
import inspect
import io
import json
import os
import pty
import queue
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from unittest.mock import patch

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.wire import PATIENCE
from tests.testing.doubles import BOT, NEW, created
from webex_webhooks_async import Notification, Receiver, Webhook
from webex_webhooks_async.cli import app
from webex_webhooks_async.cli.running import StoppedError
from webex_webhooks_async.testing import Delivery, Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

COMMAND = str(Path(sys.executable).with_name("webex-webhooks"))


@frozen
class Finished:
    exit_code: int
    out: str
    err: str


Invoke = Callable[..., Finished]
"""Runs a command in this process: the fixture `invoke`."""


def plain(text: str) -> str:
    """A text without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@frozen
class ServedWebex:
    """A sandbox that is served from another thread, for commands that block this one."""

    sandbox: Sandbox
    base_url: str
    portal: BlockingPortal

    def create(self, **fields: str) -> Webhook:
        wanted = {"name": "bot:messages", "targetUrl": "https://example.com/webex"}
        self.post("webhooks", **{**NEW, **wanted, **fields})
        return self.sandbox.webhooks[-1]

    def post(self, path: str, person: str = "", /, **fields: object) -> dict[str, Any]:
        """Post something as the bot, or as the person with this address."""
        headers = {"Authorization": f"Bearer person:{person}"} if person else BOT

        async def post() -> dict[str, Any]:
            async with self.sandbox.http_client() as api:
                return await created(api, path, headers, **fields)

        return self.portal.call(post)

    def emit(self, resource: str, event: str, data: Mapping[str, Any] | None = None) -> Delivery:
        """Emit an event that one webhook watches for."""
        emit = partial(self.sandbox.emit, resource, event, data=data)
        deliveries: list[Delivery] = self.portal.call(emit)
        (delivery,) = deliveries
        return delivery

    @property
    def names(self) -> list[str]:
        return [webhook.name for webhook in self.sandbox.webhooks]


@contextmanager
def served_webex() -> Generator[ServedWebex]:
    """Serve a sandbox as long as the block runs."""
    sandbox = Sandbox()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sandbox.serve()) as base_url,
    ):
        yield ServedWebex(sandbox, base_url, portal)


class Lines(io.TextIOWrapper):
    """Where a command prints: its lines, without their colours."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.rest = ""
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        *lines, self.rest = f"{self.rest}{text}".replace("\r", "\n").split("\n")
        for line in lines:
            self.lines.put(plain(line))
        return len(text)

    def line(self, pattern: str) -> "re.Match[str]":
        """The next line that has a pattern in it, as soon as it comes."""
        while True:
            if match := re.search(pattern, self.lines.get(timeout=PATIENCE)):
                return match


@define
class Running:
    """A command that runs in a thread of this process, and what it prints."""

    exit_code: "Future[int]" = field(init=False)
    out: Lines = field(factory=Lines)
    err: Lines = field(factory=Lines)
    stops: list[Callable[[], object]] = field(factory=list[Callable[[], object]])

    async def stoppable(self, coroutine: Coroutine[Any, Any, Any]) -> object:
        """Run a coroutine that `end` can end: a thread gets no signals."""
        task = asyncio.current_task()
        assert task
        loop = task.get_loop()
        if threading.current_thread() is not threading.main_thread():  # where others may run
            self.stops.append(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            return await coroutine
        except asyncio.CancelledError:
            raise StoppedError(signal.SIGTERM) from None

    def end(self) -> int:
        """End it as SIGTERM does, and wait for the exit code."""
        self.stops[-1]()  # of its last event loop
        return self.wait()

    def wait(self) -> int:
        return self.exit_code.result(PATIENCE)


@contextmanager
def thread(
    *arguments: str, stdin: TextIO | None = None, tidy_seconds: float = PATIENCE
) -> Generator[Running]:
    """Run a command in a thread as long as the block runs.

    It proves what a process proves, except how the process ends, and takes a tenth of the time.
    """
    running = Running()
    with (
        patch.multiple(sys, stdin=stdin, stdout=running.out, stderr=running.err),
        patch("webex_webhooks_async.cli.running._stoppable", running.stoppable),
        patch("webex_webhooks_async.cli.listen.temporary_webhooks.TIDY_SECONDS", tidy_seconds),
        ThreadPoolExecutor(1) as pool,
    ):
        running.exit_code = pool.submit(app.run, arguments)
        try:
            yield running
        finally:
            with suppress(IndexError, RuntimeError):  # it has ended, or not begun
                running.stops[-1]()


# A Ctrl-C that is typed there reaches it, also when the tests themselves ignore it.
_ON_THE_TERMINAL = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@define
class Terminal:
    process: "subprocess.Popen[bytes]"
    descriptor: int
    seen: str = ""

    def wait_for(self, pattern: str) -> "re.Match[str]":
        while not (match := re.search(pattern, self.seen)):
            assert self._read(), f"it ended without {pattern!r}: {self.seen!r}"
        return match

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def finish(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        chunk = b""
        with suppress(OSError):  # on Linux: no process has the terminal any more
            chunk = os.read(self.descriptor, 65536)
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def terminal(*arguments: str, columns: int = 100) -> Generator[Terminal]:
    """Run the command on a terminal as long as the block runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _ON_THE_TERMINAL, COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(os.environ),  # without the COLUMNS that pytest's readline sets
    ) as popen:
        os.close(theirs)
        try:
            yield Terminal(popen, ours)
        finally:
            popen.kill()
            os.close(ours)


class Typist(io.TextIOWrapper):
    """Standard input on a terminal, with what someone types: a text, or what comes in a pipe."""

    def __init__(self, typed: str | BinaryIO) -> None:
        super().__init__(io.BytesIO(typed.encode()) if isinstance(typed, str) else typed)

    def isatty(self) -> bool:
        return True


@frozen
class ServedBot:
    """A bot in development, which keeps what it gets."""

    url: str
    requests: list[Request]
    bodies: list[bytes]


@contextmanager
def served(application: ASGIApp) -> Generator[str]:
    """Serve an application from another thread as long as the block runs, and give its origin."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve_on_loopback(application, 0)) as origin,
    ):
        yield origin


@contextmanager
def served_bot(text: str, status_code: int = 200) -> Generator[ServedBot]:
    """Serve a bot from another thread as long as the block runs."""
    requests: list[Request] = []
    bodies: list[bytes] = []

    async def bot(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        bodies.append(await request.body())
        requests.append(request)
        await PlainTextResponse(text, status_code)(scope, receive, send)

    with served(bot) as origin:
        yield ServedBot(f"{origin}/webex", requests, bodies)


def examples(command: str) -> list[str]:
    """The examples in the help of a command, a line each."""
    lines = (
        inspect.cleandoc(dict(app.all_commands())[command].help).replace("\\\n", "").splitlines()
    )
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def failing(secret: str, reply_to: str | None = None) -> Receiver:
    """A bot whose handler fails, after a reply through the sandbox with this base URL, if any."""
    receiver = Receiver(secret)

    @receiver.on()
    async def fail(notification: Notification[Any]) -> None:
        if reply_to is not None and not notification.is_own_action:
            async with httpx.AsyncClient(headers=BOT, trust_env=False) as webex:
                message = {"roomId": notification.data.room_id, "text": "Here you are"}
                await webex.post(f"{reply_to}/messages", json=message)
        raise KeyError("dish")

    return receiver


def card_of(*inputs: Mapping[str, object], actions: Sequence[object] = ()) -> dict[str, Any]:
    """A card with inputs, of text unless they say more, and with buttons, as an attachment."""
    body = [{"type": "Input.Text", **each} for each in inputs]
    content = {"type": "AdaptiveCard", "version": "1.3", "body": body, "actions": actions}
    return {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}


CARD = card_of({"id": "lunch"}, {"id": "drink"})


@contextmanager
def served_acting_bot(
    webex: ServedWebex,
    act: Callable[[httpx.AsyncClient, Any], Awaitable[object]],
    resources: Sequence[str] = ("messages",),
) -> Generator[None]:
    """Serve a bot that does something with each notification, as long as the block runs."""

    async def bot(scope: Scope, receive: Receive, send: Send) -> None:
        notification = json.loads(await Request(scope, receive).body())
        async with httpx.AsyncClient(base_url=webex.base_url, headers=BOT, trust_env=False) as api:
            await act(api, notification)
        await Response(status_code=204)(scope, receive, send)

    with served(bot) as url:
        for resource in resources:
            webex.create(targetUrl=url, resource=resource)
        yield


@contextmanager
def served_echo_bot(webex: ServedWebex) -> Generator[list[str]]:
    """A bot that echoes messages and the inputs of cards, as long as the block runs.

    Its response to "card" is a card. Gives the rooms that it has been in.
    """
    rooms: list[str] = []

    async def echo(api: httpx.AsyncClient, notification: Any) -> None:  # noqa: ANN401 - JSON
        data = notification["data"]
        if data.get("personEmail") != webex.sandbox.bot.emails[0]:
            rooms.append(data["roomId"])
            path = "messages" if "personEmail" in data else "attachment/actions"
            received = (await api.get(f"{path}/{data['id']}")).json()
            text = received.get("text") or json.dumps(received["inputs"])
            reply: dict[str, Any] = {"roomId": data["roomId"], "text": f"You said:\n{text}"}
            if text == "card":
                reply["attachments"] = [CARD]
            await api.post("messages", json=reply)

    with served_acting_bot(webex, echo, ("messages", "attachmentActions")):
        yield rooms
