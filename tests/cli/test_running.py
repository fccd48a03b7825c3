import asyncio
import signal
import threading
from unittest.mock import Mock

import pytest

from webex_webhooks_async.cli.running import StoppedError, run, until_stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_lets_it_tidy_up(number: signal.Signals) -> None:
    """A signal cancels the coroutine, which can await while it tidies up; handlers are restored."""
    tidied: list[str] = []
    before = [signal.getsignal(each) for each in SIGNALS]

    async def command() -> None:
        try:
            signal.raise_signal(number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append("up")

    with pytest.raises(StoppedError) as stopped:
        run(command())

    assert (stopped.value.exit_code, tidied) == (128 + number, ["up"])
    assert [signal.getsignal(each) for each in SIGNALS] == before


async def raise_twice() -> None:
    """Get a signal, and another one while tidying up."""
    try:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()


def test_a_second_signal_ends_the_tidying() -> None:
    """A second Ctrl-C ends the tidying up."""
    with pytest.raises(StoppedError):
        run(raise_twice())


@pytest.mark.parametrize("number", SIGNALS)
def test_until_stopped(number: signal.Signals) -> None:
    """`until_stopped` returns at a signal, and the code after it runs."""

    async def command() -> int:
        signal.raise_signal(number)
        await until_stopped()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task
        return task.cancelling()

    assert run(command()) == 0


def test_a_cancellation_that_no_signal_caused() -> None:
    """A cancellation without a signal is raised."""

    async def command() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(command())


def test_a_signal_that_interrupts_nothing_is_handled() -> None:
    """A signal that doesn't end the event loop's waiting is handled before the next event."""
    waiting = threading.Event()
    events: list[str] = []

    def signal_from_another_thread() -> None:
        waiting.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # the main thread sleeps on

    async def command() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(waiting.set)
        next_event = loop.call_later(10, events.append, "the next event")
        await until_stopped()
        next_event.cancel()

    thread = threading.Thread(target=signal_from_another_thread)
    thread.start()
    run(command())
    thread.join()

    assert events == []


def test_a_signal_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the event loop handles no signals, Python's own handlers cancel the coroutine."""
    for name in ("add_signal_handler", "remove_signal_handler"):
        refuse = Mock(side_effect=NotImplementedError)
        monkeypatch.setattr(f"asyncio.unix_events._UnixSelectorEventLoop.{name}", refuse)

    with pytest.raises(StoppedError):
        run(raise_twice())
