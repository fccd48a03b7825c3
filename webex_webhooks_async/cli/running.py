"""How a command runs and ends: its event loop, signals, exit codes and errors."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, TypeVar


class ExitCode(IntEnum):
    """The exit code of a command."""

    DONE = 0
    REFUSED = 1  # by Webex, or on the way there
    USAGE = 2
    DIFFERENT = 3  # ensure --check found something to change


class UsageError(Exception):
    """The command can't work as it was called; the text says what to do instead."""


class CommandError(Exception):
    """The command didn't do what it was asked for; the text says why."""


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code of a command that ends with an error."""
    return ExitCode.USAGE if isinstance(error, UsageError) else ExitCode.REFUSED


@contextmanager
def usage_errors(place: str = "") -> Generator[None]:
    """Turn the `ValueError` for a bad argument into a `UsageError`."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{place}: {error}" if place else str(error)) from error


T = TypeVar("T")

# The last is sent when the terminal is closed; Windows lacks it.
_SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
)


class StoppedError(Exception):
    """A signal ended the command, and it has tidied up."""

    def __init__(self, number: int) -> None:
        self.exit_code: int = 128 + number
        super().__init__(number)


def run(
    coroutine: Coroutine[Any, Any, T],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run a coroutine in an event loop of its own.

    Ctrl-C, SIGTERM and closing the terminal cancel it, so that it can tidy up; a second signal
    cancels the tidying up.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_stoppable(coroutine))


@contextmanager
def ended_by_signal() -> Generator[None]:
    """A signal ends the block as if it had come to its end."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        task.uncancel()


async def until_stopped() -> None:
    """Wait for a signal, in a command that ends that way."""
    with ended_by_signal():
        await asyncio.Event().wait()


async def _stoppable(coroutine: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    def stop_on_windows(number: int, _: object) -> None:
        loop.call_soon_threadsafe(stop, number)

    before = {each: signal.getsignal(each) for each in _SIGNALS}
    for each in _SIGNALS:
        try:
            loop.add_signal_handler(each, stop, each)
        except NotImplementedError:  # on Windows, whose loop wakes up for signals by itself
            signal.signal(each, stop_on_windows)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        raise StoppedError(received[0]) from None
    finally:
        for each, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(each)
            signal.signal(each, handler)
