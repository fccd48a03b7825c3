import asyncio
import signal
import threading

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


class WithoutSignals(asyncio.SelectorEventLoop):
    """An event loop that handles no signals, as that of Windows."""

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("loop_factory", [None, WithoutSignals])
def test_a_second_signal_ends_the_tidying(loop_factory: type[WithoutSignals] | None) -> None:
    """A second Ctrl-C ends the tidying up; without the event loop, by Python's own handlers."""

    async def raise_twice() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(StoppedError):
        run(raise_twice(), loop_factory=loop_factory)
