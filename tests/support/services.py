"""Example programs as a service manager runs them: each is started again whenever it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.wire import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program, which finds the commands that are installed beside Python."""
    # Not measured: that would take a good part of the time.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", **settings}


class Service:
    """A program that is started again whenever it ends.

    It sets `happened` whenever it prints something, or ends.
    """

    def __init__(
        self, command: list[str], settings: Mapping[str, str], happened: asyncio.Event
    ) -> None:
        self.lines: list[str] = []
        self.statuses: list[int] = []
        self._command = command
        self._settings = settings
        self._happened = happened
        self._process: Process | None = None
        self._is_stopping = False

    def says(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def kill(self) -> None:
        """Kill it with SIGKILL, and every process that it has started."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, and to every process that it has started."""
        os.killpg(self.pid, number)

    @property
    def pid(self) -> int:
        """The id of its process, and of its process group."""
        assert self._process is not None
        return self._process.pid

    async def run(self) -> None:
        """Run it again and again, until this is cancelled; then kill it, if it is still running."""
        while not self._is_stopping:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=EXAMPLES,
                env=environment_with(self._settings),
                start_new_session=True,
                stdout=PIPE,
                stderr=STDOUT,
            )
            try:
                await self._listen(process)
            finally:
                self.kill()
                await process.communicate()  # to the end, because only that closes the pipe
                self.statuses.append(await process.wait())
                self._happened.set()

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good, after `stop`."""
        return (
            self._is_stopping and self._process is not None and self._process.returncode is not None
        )

    def stop(self) -> None:
        """Stop it for good, with SIGTERM."""
        assert self._process is not None
        self._is_stopping = True
        self._process.terminate()

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.lines.append(line.decode().rstrip())
            self._happened.set()


class Services:
    """The services of a bot, which read the same settings."""

    def __init__(self, settings: Mapping[str, str], group: asyncio.TaskGroup) -> None:
        self.happened = asyncio.Event()
        self._settings = settings
        self._group = group
        self._all: dict[Service, asyncio.Task[None]] = {}

    def start(self, command: str) -> Service:
        """Start a program; it takes a while until it is up."""
        service = Service(command.split(), self._settings, self.happened)
        self._all[service] = self._group.create_task(service.run())
        return service

    def kill(self) -> None:
        """Kill them all, for good."""
        for task in self._all.values():
            task.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the services have done something."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self.happened.clear()
                    await self.happened.wait()
        except TimeoutError:
            last = ["\n".join(service.lines[-50:]) for service in self._all]
            raise AssertionError("\n\n".join(last)) from None


@asynccontextmanager
async def running_services(settings: Mapping[str, str]) -> AsyncGenerator[Services]:
    """Let services run for as long as the block runs."""
    async with asyncio.TaskGroup() as group:
        services = Services(settings, group)
        try:
            yield services
        finally:
            services.kill()
