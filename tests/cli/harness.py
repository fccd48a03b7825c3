"""The command line, run as a user runs it: in this process, in a pipe, and on a terminal."""

import asyncio
import fcntl
import inspect
import io
import json
import os
import pty
import queue
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webex_webhooks_async import NewWebhook, Notification, Receiver, Webhook
from webex_webhooks_async.cli import app
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.loopback_server import serve_on_loopback
from webex_webhooks_async.testing import Delivery, Sandbox

PATIENCE = 100.0
"""Seconds for a process, which takes long to start where others do: many times what it needs."""

COMMAND = str(Path(sys.executable).with_name("webex-webhooks"))

_PATIENT = f"""
from webex_webhooks_async.cli import main, temporary
temporary.TIDY_SECONDS = {PATIENCE}
main()
"""
PATIENT_COMMAND = (sys.executable, "-c", _PATIENT)
"""The same, with time to delete webhooks after a signal on a machine with other work."""


@frozen
class Finished:
    """How a command ended, and what it printed."""

    exit_code: int
    out: str
    err: str


@frozen
class ServedWebex:
    """A sandbox that is served from another thread, for commands that block this one."""

    sandbox: Sandbox
    base_url: str
    portal: BlockingPortal

    def create(self, **fields: str) -> Webhook:
        """Create a webhook without the command line."""
        fields = {
            "name": "bot:messages",
            "target_url": "https://example.com/webex",
            "resource": "messages",
            "event": "created",
            **fields,
        }
        return self.portal.call(self._create, NewWebhook(**fields))

    async def _create(self, wanted: NewWebhook) -> Webhook:
        async with (
            self.sandbox.http_client() as http_client,
            Client("token", http_client=http_client) as client,
        ):
            return await client.webhooks.create(wanted)

    def emit(self, resource: str, event: str, data: Mapping[str, Any] | None = None) -> Delivery:
        """Emit an event that one webhook watches for."""
        deliveries: list[Delivery] = self.portal.call(self.sandbox.emit, resource, event, data)
        (delivery,) = deliveries
        return delivery

    @property
    def names(self) -> list[str]:
        """The names of the webhooks that exist."""
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


@define
class Printed:
    """What a command prints."""

    out: "queue.SimpleQueue[str]" = field(factory=queue.SimpleQueue[str])
    err: "queue.SimpleQueue[str]" = field(factory=queue.SimpleQueue[str])

    def read(self, stream: IO[str], lines: "queue.SimpleQueue[str]") -> None:
        """Read a stream to its end."""
        for line in stream:
            lines.put(line.rstrip("\n"))

    @staticmethod
    def line(lines: "queue.SimpleQueue[str]", pattern: str) -> "re.Match[str]":
        """The next line that has a pattern in it, as soon as it comes."""
        while True:
            if match := re.search(pattern, lines.get(timeout=PATIENCE)):
                return match


@define(kw_only=True)
class Process(Printed):
    """A command that runs in pipes."""

    process: subprocess.Popen[str]

    def end(self, number: int) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def process(*arguments: str, command: Sequence[str] = PATIENT_COMMAND) -> Generator[Process]:
    """Run the command in pipes as long as the block runs."""
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as popen:
        running = Process(process=popen)
        assert popen.stdout
        assert popen.stderr
        readers = [
            threading.Thread(target=running.read, args=(popen.stdout, running.out)),
            threading.Thread(target=running.read, args=(popen.stderr, running.err)),
        ]
        for reader in readers:
            reader.start()
        try:
            yield running
        finally:
            popen.kill()
            popen.wait()
            for reader in readers:
                reader.join()


@define(kw_only=True)
class Thread(Printed):
    """A command that runs in pipes, in a thread of this process."""

    threads: list[threading.Thread] = field(factory=list[threading.Thread])
    stops: list[Callable[[], object]] = field(factory=list[Callable[[], object]])
    exit_codes: "queue.SimpleQueue[int]" = field(factory=queue.SimpleQueue[int])

    async def stoppable(self, coroutine: Coroutine[Any, Any, Any]) -> object:
        """Run a coroutine that `end` can end: a thread gets no signals."""
        task = asyncio.current_task()
        assert task
        loop = task.get_loop()
        if threading.current_thread() in self.threads:  # and not another command meanwhile
            self.stops.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await coroutine

    def end(self) -> int:
        """End it as a signal does, and wait for the exit code."""
        self.stops[-1]()  # of its last event loop
        return self.exit_codes.get(timeout=PATIENCE)


@contextmanager
def thread(*arguments: str) -> Generator[Thread]:
    """Run a command that goes on until a signal ends it, in a thread as long as the block runs.

    It proves what a process proves, except how the process ends, and takes a tenth of the time.
    """
    running = Thread()
    with ExitStack() as stack:
        for name in ("out", "err"):
            read, write = os.pipe()
            reader = threading.Thread(
                target=running.read,
                args=(stack.enter_context(os.fdopen(read)), getattr(running, name)),
            )
            reader.start()
            stack.callback(reader.join)
            stream = stack.enter_context(os.fdopen(write, "w", buffering=1))
            stack.enter_context(patch.object(sys, f"std{name}", stream))
        stack.enter_context(patch("webex_webhooks_async.cli.running._stoppable", running.stoppable))
        stack.enter_context(patch("webex_webhooks_async.cli.temporary.TIDY_SECONDS", PATIENCE))
        command = threading.Thread(target=lambda: running.exit_codes.put(app.run(arguments)))
        running.threads.append(command)
        command.start()
        try:
            yield running
        finally:
            with suppress(IndexError, RuntimeError):  # it has ended, or not begun
                running.stops[-1]()
            command.join(PATIENCE)


def finished(*arguments: str, stdin: bytes = b"") -> Finished:
    """Run the installed command in pipes, to its end."""
    done = subprocess.run(
        [COMMAND, *arguments], input=stdin, capture_output=True, timeout=PATIENCE, check=False
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


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
    """A command on a terminal."""

    process: "subprocess.Popen[bytes]"
    descriptor: int
    seen: str = ""

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Wait until a pattern is on the terminal."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            assert self._read(deadline), f"it ended without {pattern!r}: {self.seen!r}"
        return match

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.descriptor, text.encode())

    def finish(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    @property
    def lines(self) -> list[str]:
        """The lines that were shown, without colours, and each state of a line that was redrawn."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen).splitlines()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select(
            [self.descriptor], [], [], max(0.0, deadline - time.monotonic())
        )
        if not ready:
            return False
        try:
            chunk = os.read(self.descriptor, 65536)
        except OSError:  # on Linux: no process has the terminal any more
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def terminal(*arguments: str, columns: int = 100) -> Generator[Terminal]:
    """Run the command on a terminal as long as the block runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _ON_THE_TERMINAL, *PATIENT_COMMAND, *arguments],
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


class Typist(io.StringIO):
    """Standard input on a terminal, with what someone types."""

    def isatty(self) -> bool:
        """Whether it is a terminal: yes."""
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
    lines = inspect.cleandoc(app.app[command].help).replace("\\\n", "").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


BOT = {"Authorization": "Bearer the-bot"}
"""What a bot sends to a sandbox."""


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


CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "Input.Text", "id": "lunch"}, {"type": "Input.Text", "id": "drink"}],
    },
}


@contextmanager
def served_echo_bot(webex: ServedWebex) -> Generator[list[str]]:
    """A bot that echoes messages and the inputs of cards, as long as the block runs.

    Its response to "card" is a card. Gives the rooms that it has been in.
    """
    rooms: list[str] = []

    async def bot(scope: Scope, receive: Receive, send: Send) -> None:
        notification = json.loads(await Request(scope, receive).body())
        resource, data = notification["resource"], notification["data"]
        if data.get("personEmail") != webex.sandbox.bot.email:
            rooms.append(data["roomId"])
            path = "messages" if resource == "messages" else "attachment/actions"
            async with httpx.AsyncClient(
                base_url=webex.base_url, headers=BOT, trust_env=False
            ) as http_client:
                received = (await http_client.get(f"{path}/{data['id']}")).json()
                text = received.get("text") or json.dumps(received["inputs"])
                reply: dict[str, Any] = {"roomId": data["roomId"], "text": f"You said:\n{text}"}
                if text == "card":
                    reply["attachments"] = [CARD]
                await http_client.post("messages", json=reply)
        await Response(status_code=204)(scope, receive, send)

    with served(bot) as url:
        webex.create(target_url=url)
        webex.create(target_url=url, resource="attachmentActions")
        yield rooms
