"""The command dev."""

import asyncio
import errno
import json
import logging
import os
import signal
import socket
import stat
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import cache, partial
from tempfile import TemporaryDirectory
from typing import Annotated, Self, TypeVar, cast

import httpx
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.browser import open_browser
from webex_webhooks_async.cli.console import (
    log_messages_to,
    print_approval,
    print_fields,
    print_refusal,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.dev.watching import next_change, snapshot
from webex_webhooks_async.cli.options import BOT_PORT, SANDBOX_PORT, SANDBOX_URL, Port
from webex_webhooks_async.cli.running import (
    CommandError,
    ExitCode,
    UsageError,
    ended_by_signal,
    run,
    usage_errors,
)
from webex_webhooks_async.cli.traffic import print_delivery, print_log
from webex_webhooks_async.client.environment import WEBEX_INBOX, WEBEX_PUBLIC_URL
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.loopback_server import HOST, port_error
from webex_webhooks_async.testing.target import Target
from webex_webhooks_async.testing.variables import (
    is_proxy,
    variables_for_bot,
    variables_for_integration,
)
from webex_webhooks_async.validation import is_loopback

T = TypeVar("T")

_PORTS = 100  # how many are tried
_BACKLOG = 2048  # requests that wait while the program is started again
_MOST_REPORTED = 2**20  # bytes of a line
_PATIENCE = 3.0  # seconds that the program has for its end
_SLOW = 10.0  # seconds after which a start is said to take long


def command(
    target: str,
    /,
    *,
    port: Port | None = None,
    sandbox_port: Port | None = None,
    no_reload: Annotated[bool, Parameter(show_default=False)] = False,
    no_browser: Annotated[bool, Parameter(show_default=False)] = False,
) -> int:
    """Run your bot with a sandbox, and start it again whenever you save it.

    $ webex-webhooks dev bot.py
    $ webex-webhooks dev bot.py:app
    $ webex-webhooks dev package.module:make_app

    It starts a local Webex simulator and then the program, with the variables that
    Bot.from_env reads, and opens a page on which you talk to your bot. If
    WEBEX_INBOX isn't set, the inbox is a temporary file, which lasts until dev
    ends. The same is so for what Integration.from_env reads; it prints where people
    connect. What Starlette or FastAPI mounts gets its notifications there. The
    program can't reach Webex, whatever token it has. Ctrl-C ends both.

    Without a name after the colon, it runs the only ASGI application that isn't a
    bot, else the only Bot, else the only Receiver.

    Args:
        target: A file or a module; after a colon, the application or a function that makes it.
        port: The port of the program, by default 8000 or the next free one; 0 takes any.
        sandbox_port: The port of the sandbox, by default 8900 or the next free one; 0 takes any.
        no_reload: Start the program once, and end with it.
        no_browser: Don't open a browser.
    """
    if sys.platform == "win32":
        raise UsageError(
            "dev needs Linux or macOS: use it in WSL, or run `webex-webhooks sandbox` and your bot "
            "in two terminals"
        )
    with usage_errors():
        parsed = Target.parse(target)
    return run(_develop(parsed, (port, sandbox_port), reload=not no_reload, browser=not no_browser))


async def _develop(
    target: Target, ports: tuple[int | None, int | None], *, reload: bool, browser: bool
) -> int:
    console = stdout()
    exit_code: int = ExitCode.DONE
    with ended_by_signal():
        async with AsyncExitStack() as stack:
            _end_with_reader(console, stack)
            stack.enter_context(log_messages_to(partial(print_log, console), logging.INFO))
            listener = stack.enter_context(await first_free(ports[0], BOT_PORT, _listen))
            port: int = listener.getsockname()[1]
            sandbox = _Sandbox(
                on_delivery=partial(print_delivery, console),
                deliver_with=await stack.enter_async_context(_deliveries_to(port, console)),
            )
            sandbox.take_reports()
            base_url = await first_free(
                ports[1],
                SANDBOX_PORT,
                lambda port: stack.enter_async_context(sandbox.serve(port=port, page=True)),
            )
            # Its questions and jobs are about this sandbox, and outlast the program alone.
            folder = stack.enter_context(TemporaryDirectory(prefix="webex-webhooks-dev-"))
            development = _Development(
                target,
                console,
                sandbox,
                listener,
                base_url,
                folder=folder,
                reload=reload,
                browser=browser,
            )
            exit_code = await (development.run_and_reload() if reload else development.run())
    return exit_code


async def first_free(given: int | None, first: int, serve: Callable[[int], Awaitable[T]]) -> T:
    """Serve on the given port, or else on the first one that is free."""
    if given is not None:
        return await serve(given)
    for port in range(first, first + _PORTS):
        try:
            return await serve(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise CommandError(f"the {_PORTS} ports from {first} on are taken; pass 0 for any free one")


async def _listen(port: int) -> socket.socket:
    """Listen on a port, for the programs that follow one another.

    Between two of them requests wait, and no other program gets the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise port_error(error, HOST, port) from None
    return listener


def _deliveries_to(port: int, console: Console) -> httpx.AsyncClient:
    """A client for deliveries, which reaches the program at a public URL of its settings, too."""

    @cache
    def say(host: str) -> None:
        print_log(console, f"{host} is your program here: WEBEX_TARGET_URL")

    async def lead_here(request: httpx.Request) -> None:
        if not is_loopback(request.url.host):
            say(request.url.host)
            request.url = request.url.copy_with(scheme="http", host=HOST, port=port)

    return httpx.AsyncClient(
        event_hooks={"request": [lead_here]},
        # A connection that stays open may end with the program just when it is used.
        limits=httpx.Limits(max_keepalive_connections=0),
        verify=tls_context(),
        trust_env=False,
    )


def _end_with_reader(console: Console, stack: AsyncExitStack) -> None:
    """End the command when nobody reads what it prints, although it prints nothing just then."""
    with suppress(AttributeError, OSError):  # standard output is closed, or isn't a file
        descriptor = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            loop = asyncio.get_running_loop()

            def end() -> None:
                loop.remove_reader(descriptor)
                console.on_broken_pipe()

            loop.add_reader(descriptor, end)  # nothing can be read there, but its end is noticed
            stack.callback(loop.remove_reader, descriptor)


class _Sandbox(Sandbox):
    """A sandbox whose page shows why the program doesn't run, and which waits for the program."""

    def take_reports(self) -> None:
        """Learn of the errors of handlers from the program itself."""
        self._delivery_service.learns_errors = False

    @property
    def events(self) -> EventStream:
        """What the page learns of the program."""
        return self._events

    @property
    def may_deliver(self) -> asyncio.Event:
        """Set while the program runs: before that, a bot hasn't made its webhooks."""
        return self._delivery_service.may_begin


class _Development:
    def __init__(  # noqa: PLR0913 - each is a collaborator or an option of its own
        self,
        target: Target,
        console: Console,
        sandbox: _Sandbox,
        listener: socket.socket,
        base_url: str,
        *,
        folder: str,
        reload: bool,
        browser: bool,
    ) -> None:
        self._target = target
        self._console = console
        self._sandbox = sandbox
        self._reload = reload
        self._browser = browser
        self._is_introduced = False
        self._connect = ""  # where people connect, if the program has an integration
        self._listener = listener
        self._origin = f"http://{HOST}:{listener.getsockname()[1]}"
        self._next: _Process | None = None  # the one after this, started ahead of time
        self._page = base_url.removesuffix("v1")
        made = {WEBEX_INBOX: f"{folder}/inbox.db", **variables_for_integration(folder)}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not is_proxy(name)},
            "PYTHONUNBUFFERED": "1",
            **{name: os.environ.get(name) or value for name, value in made.items()},
            **variables_for_bot(base_url, self._origin),
            WEBEX_PUBLIC_URL: self._origin,
        }

    async def run_and_reload(self) -> int:
        """Run the program, and again after each change of a file, until a signal."""
        folder = self._target.folder
        files = await snapshot(folder)
        try:
            while True:
                async with asyncio.TaskGroup() as group:
                    running = group.create_task(self.run())
                    files, changed = await next_change(folder, files)
                    running.cancel()
                print_approval(self._console, f"{changed} was saved: starting again")
        finally:
            if self._next is not None:
                await self._next.end()

    async def run(self) -> int:
        """Run the program until it ends by itself, and return the exit code of the command.

        A message that comes while it starts waits until it has started, or failed.
        """
        self._sandbox.may_deliver.clear()
        process, self._next = self._next or await self._start(), None
        try:
            process.go()
            has_started = await self._follow(process)
            status = await process.ended
        finally:
            if not await process.end():
                self._refuse(f"didn't end within {_PATIENCE:g} seconds, and was killed")
        if has_started is not False:
            self._refuse(f"has ended: {_in_words(status)}")
        return ExitCode.DONE if has_started and status == 0 else ExitCode.REFUSED

    async def _start(self) -> "_Process":
        target = f"{self._target.place}:{self._target.name}"
        return await _Process.start(target, self._listener, self._environment)

    async def _follow(self, process: "_Process") -> bool | None:
        """Show what the program reports until it has ended, and return whether it has started.

        `None` is for one that has ended before it reported anything.
        """
        slow = asyncio.get_running_loop().call_later(_SLOW, self._say_that_it_is_slow)
        has_started = None
        try:
            async for report in process.reports():
                match report:
                    case {"started": str(what), "connect": str(connect)}:
                        has_started = True
                        self._connect = connect
                        self._sandbox.events.report_program("")
                        print_approval(self._console, f"{self._target.place} runs: {what}")
                    case {"failed": str(why), "summary": str(summary)}:
                        has_started = False
                        self._refuse(summary, why)
                    case {
                        "key": str(),
                        "about": str() | None,
                        "error": str(),
                        "then": str(),
                        "isFinal": bool(),
                    }:
                        self._sandbox.events.report_outcome(cast("Mapping[str, object]", report))
                        continue
                    case {"worked": str(key)}:
                        self._sandbox.events.report_work(key)
                        continue
                    case {"waiting": list()}:
                        rows = cast("dict[str, list[dict[str, object]]]", report)["waiting"]
                        self._sandbox.events.report_waiting(rows, process.make_due)
                        continue
                    case _:  # the program has written into what it inherited
                        continue
                slow.cancel()
                self._let_talk(has_started=has_started)
                if self._reload:
                    self._next = self._next or await self._start()
        finally:
            slow.cancel()
            self._sandbox.events.report_waiting()
        self._let_talk(has_started=bool(has_started))
        return has_started

    def _let_talk(self, *, has_started: bool) -> None:
        """Let messages reach the program, and say where to write them, unless `dev` ends now."""
        self._sandbox.may_deliver.set()
        if self._is_introduced or not (has_started or self._reload):
            return
        self._is_introduced = True
        print_fields(
            self._console,
            {
                "Talk to it": Text(self._page, "bold"),
                "In a terminal": Text(_chat_at(f"{self._page}v1")),
                "Your program": Text(self._origin),
                **({"Connect here": Text(self._connect)} if self._connect else {}),
            },
        )
        stderr().print("Ctrl-C ends both.", style="dim")
        if self._browser and self._console.file.isatty():
            open_browser(self._page)

    def _say_that_it_is_slow(self) -> None:
        self._refuse(
            f"hasn't started within {_SLOW:g} seconds: it is slow, or runs a server of its own, "
            'which belongs below `if __name__ == "__main__":`'
        )

    def _refuse(self, summary: str, why: str | None = None) -> None:
        summary = f"{self._target.place} {summary}"
        self._sandbox.events.report_program(why or summary)
        print_refusal(self._console, summary)


class _Process:
    """The process of a program: it imports this package at once, and the program after `go`."""

    def __init__(
        self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.ended: asyncio.Task[int] = asyncio.create_task(self._wait())

    @classmethod
    async def start(
        cls, target: str, listener: socket.socket, variables: Mapping[str, str]
    ) -> Self:
        """Start a process, which ends when this one does."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MOST_REPORTED)
        descriptors = (listener.fileno(), theirs.fileno())
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "webex_webhooks_async.cli.dev.child", target),
                *map(str, descriptors),
                pass_fds=descriptors,
                env=variables,
                start_new_session=True,  # a Ctrl-C on the terminal is for the command alone
            )
        finally:
            theirs.close()
        return cls(process, reader, writer)

    async def reports(self) -> AsyncIterator[object]:
        """Yield what it reports until it has ended, without what isn't JSON."""
        while not self._reader.at_eof():
            with suppress(ValueError, RecursionError):  # a line may also be too long
                yield json.loads(await self._reader.readline())

    def go(self) -> None:
        """Let it import and serve the program."""
        self._writer.write(b"\n")

    def make_due(self, key: str) -> None:
        """Let it make due what waits in its inbox."""
        self._writer.write(json.dumps(key).encode() + b"\n")

    async def end(self) -> bool:
        """End it, and what it has forked: in order, or after a time by force, which is `False`."""
        try:
            with suppress(ProcessLookupError):
                self._process.terminate()
            _, late = await asyncio.wait([self.ended], timeout=_PATIENCE)
        finally:
            self._kill()
            self._writer.close()
        await self.ended
        return not late

    async def _wait(self) -> int:
        status = await self._process.wait()
        self._kill()
        return status

    def _kill(self) -> None:
        # On macOS it isn't permitted for a process that has ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _chat_at(base_url: str) -> str:
    """The command that talks to the bot in another terminal."""
    return f"webex-webhooks chat{'' if base_url == SANDBOX_URL else f' --base-url {base_url}'}"


def _in_words(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name
