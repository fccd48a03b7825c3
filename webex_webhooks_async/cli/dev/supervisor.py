"""Starts the program of `dev`, follows what it reports, and restarts it when it is saved."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process as Started
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Self, cast

from rich.console import Console

from webex_webhooks_async.cli.console import print_approval, print_refusal
from webex_webhooks_async.cli.dev.watching import next_change, snapshot
from webex_webhooks_async.cli.running import ExitCode
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.target import Target

_MOST_REPORTED = 2**20  # bytes of a line
_PATIENCE = 3.0  # seconds that the program has for its end
_SLOW = 10.0  # seconds after which a start is said to take long


class DevSandbox(Sandbox):
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


class Supervisor:
    """Runs a program with a sandbox, one process after another."""

    def __init__(  # noqa: PLR0913 - each is a collaborator or an option of its own
        self,
        target: Target,
        console: Console,
        sandbox: DevSandbox,
        listener: socket.socket,
        variables: Mapping[str, str],
        *,
        introduce: Callable[[str], None],
        reload: bool,
    ) -> None:
        self._target = target
        self._console = console
        self._sandbox = sandbox
        self._listener = listener
        self._variables = variables
        # prints where to talk to it, and where people connect, if it has an integration
        self._introduce = introduce
        self._reload = reload
        self._is_introduced = False
        self._connect = ""
        self._next: Process | None = None  # the one after this, started ahead of time

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

    async def _start(self) -> "Process":
        target = f"{self._target.place}:{self._target.name}"
        return await Process.start(target, self._listener, self._variables)

    async def _follow(self, process: "Process") -> bool | None:
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
        self._introduce(self._connect)

    def _say_that_it_is_slow(self) -> None:
        self._refuse(
            f"hasn't started within {_SLOW:g} seconds: it is slow, or runs a server of its own, "
            'which belongs below `if __name__ == "__main__":`'
        )

    def _refuse(self, summary: str, why: str | None = None) -> None:
        summary = f"{self._target.place} {summary}"
        self._sandbox.events.report_program(why or summary)
        print_refusal(self._console, summary)


class Process:
    """The process of a program: it imports this package at once, and the program after `go`."""

    def __init__(
        self, process: Started, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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


def _in_words(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name
