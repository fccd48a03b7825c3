"""Runs a receiver in a thread, for applications that have no event loop."""

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 # pyright: ignore[reportUnusedImport] - see _at_exit
import inspect
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Self, TypeVar

from webex_webhooks_async.notifications.signatures import Headers
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.validation import check_type

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")

# The functions of atexit run after Python has closed its thread pools, which the end of a receiver
# needs. Those of threading run before, the last one first, so the thread pools are imported first.
_at_exit: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)


class ReceiverThread:
    """Runs a `Receiver`, or a `Bot`, in a thread: for Flask, for Django on WSGI, for AWS Lambda.

    ::

        bot = Bot.from_env()
        bot_thread = ReceiverThread(bot)

        @app.post("/webex")
        def webex() -> Response:
            return Response(status=bot_thread.handle(request.get_data(), request.headers))

    The first request starts the receiver, in each process that a server forks, or
    ``with ReceiverThread(bot) as bot_thread:`` does. A start that fails is raised, and the next
    request tries again. At the end of the process the receiver ends, as `close` says. Any number of
    threads may call the methods.

    The thread has one event loop until the process ends, also when the receiver is closed and
    started again, so that a connection to Redis lasts.
    """

    def __init__(self, receiver: Receiver) -> None:
        check_type("receiver", receiver, Receiver)
        self._receiver = receiver
        self._lock = threading.Lock()
        self._thread: _LoopThread | None = None
        # What its thread alone begins and forgets: a caller that is interrupted leaves it as it is.
        self._life: _Life | None = None  # until the receiver ends
        self._closing: _Life | None = None
        self._is_running = False
        _at_exit(self._end)

    def start(self) -> None:
        """Start the receiver, if it isn't running, and wait until it is.

        If the wait is interrupted, by Ctrl-C or by the time limit of a task say, the start goes on,
        and the next call waits for it.

        Raises:
            RuntimeError: A handler called it, or the receiver is being closed, or it was started
                before the process was forked.
            Exception: Any error of `Receiver.start` or `Bot.start`.
        """
        self._check_is_outside()
        thread = self._own_thread()
        if not self._is_running:
            thread.submit(self._enter()).result()

    async def _enter(self) -> None:
        if self._closing is not None:
            raise RuntimeError("the receiver is being closed: call start when that is done")
        if self._life is None:
            self._life = _Life(self._receiver)
        life = self._life
        try:
            await asyncio.shield(life.started)
        finally:
            if self._life is life:  # and isn't being closed
                self._is_running = life.has_started
                self._life = life if self._is_running else None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle(self, body: bytes, headers: Headers) -> int:
        """Receive a request, and wait for the status of the response, as `Receiver.handle` does.

        The arguments and the result are those of `Receiver.handle`, and the errors also those of
        `run`.
        """
        return self.run(self._receiver.handle(body, headers))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop of the receiver, and wait for its result.

        ::

            bot_thread.run(bot.send("Lunch is ready!", room_id=room_id))

        A thread that a handler has started may call it, also while the receiver is being closed.

        Raises:
            TypeError: It isn't a coroutine.
            RuntimeError: A handler called it; or as for `start`.
            Exception: Any error of `start` or of the coroutine.
        """
        given: object = coroutine
        if not inspect.iscoroutine(given):
            kind = type(given).__name__
            raise TypeError(f"run takes what calling an async function returns, got {kind}")
        try:
            self._check_is_outside()
            if self._closing is None:
                self.start()
            future = asyncio.run_coroutine_threadsafe(coroutine, self._own_thread().loop)
        except BaseException:
            coroutine.close()
            raise
        return future.result()

    def close(self) -> None:
        """End the receiver, if it is running, as `Receiver.aclose` does.

        Raises:
            RuntimeError: A handler called it, or a thread that it has started: the end would wait
                for itself.
            Exception: Any error of `Receiver.aclose` or `Bot.aclose`.
        """
        self._check_is_outside()
        self._receiver._in_flight.check_is_outside()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
        if self._is_ours:
            self._own_thread().submit(self._leave()).result()

    async def _leave(self) -> None:
        if self._closing is None and self._life is not None:
            self._closing, self._life, self._is_running = self._life, None, False
            self._closing.task.add_done_callback(self._forget)
            self._closing.is_over.set()
        if self._closing is not None:
            await asyncio.shield(self._closing.task)

    def _forget(self, _: object) -> None:
        self._closing = None

    @property
    def _is_ours(self) -> bool:
        """Whether the thread is in this process: a fork copies the thread alone that forks."""
        return self._thread is not None and self._thread.process == os.getpid()

    def _own_thread(self) -> "_LoopThread":
        with self._lock:
            if self._thread is None or not self._is_ours:
                if self._life is not None:
                    raise RuntimeError(
                        "the receiver was started before the process was forked, and doesn't run "
                        "in this one: start it after the fork, as the first request does"
                    )
                thread = _LoopThread()
                thread.start()
                self._thread = thread
            return self._thread

    def _check_is_outside(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a handler can't wait for its own event loop: use await there")

    def _end(self) -> None:
        if self._thread is not None and self._is_ours:
            try:
                self.close()
            finally:
                self._thread.end()


class _Life:
    """A receiver from its start to its end, which are in one task: some lifespans need that."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.is_over = asyncio.Event()
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] = asyncio.create_task(self._live())

    async def _live(self) -> None:
        try:
            await self._receiver.start()
        except BaseException as error:  # noqa: BLE001 - it is raised where the start is waited for
            self.started.set_exception(error)
            return
        self.started.set_result(None)
        await self.is_over.wait()
        await self._receiver.aclose()

    @property
    def has_started(self) -> bool:
        """Whether the start has succeeded."""
        return self.started.done() and self.started.exception() is None


class _LoopThread(threading.Thread):
    """An event loop that runs until its `end`."""

    def __init__(self) -> None:
        super().__init__(name="webex-receiver", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.process = os.getpid()
        self._is_ending = False

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine, without the context variables of the caller."""
        return Context().run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)

    def run(self) -> None:
        """Run the loop, and go on if it raises: the exception is that of a callback."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop()
            while not self._is_ending:
                try:
                    self.loop.run_forever()
                except BaseException:
                    logger.exception("a callback in the thread of a receiver raised this exception")

    def end(self) -> None:
        """Stop the loop, and wait for that."""
        self._is_ending = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()
