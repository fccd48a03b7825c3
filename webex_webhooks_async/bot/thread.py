"""Runs a bot in a thread, for applications that have no event loop."""

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 # pyright: ignore[reportUnusedImport] - see _at_exit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from webex_webhooks_async.bot.bot import Bot
from webex_webhooks_async.notifications.signatures import Headers
from webex_webhooks_async.validation import check_type

T = TypeVar("T")

# The functions of atexit run after Python has closed its thread pools, which the bot needs to end.
# Those of threading run before, the last one first, so the thread pools have to be imported first.
_at_exit: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)


class BotThread:
    """Runs a bot in a thread, for an application without an event loop: Flask, or Django on WSGI.

    ::

        bot = Bot.from_env()
        bot_thread = BotThread(bot)

        @app.post("/webex")
        def webex() -> Response:
            return Response(status=bot_thread.handle(request.get_data(), request.headers))

    The first request starts the bot, in each process that a server forks. A start that fails is
    raised, and the next request tries again. At the end of the process the bot finishes what it has
    accepted, and ends. Any number of threads may call the methods.
    """

    def __init__(self, bot: Bot) -> None:
        check_type("bot", bot, Bot)
        self._bot = bot
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._ended: Future[None] = Future()
        _at_exit(self.close)

    def start(self) -> None:
        """Start the bot, if it isn't running, and wait until it is.

        Raises:
            RuntimeError: It was started before the process was forked.
            Exception: What `Bot` raises when it is started.
        """
        with self._lock:
            if self._thread is None:
                self._running, self._ended = Future(), Future()
                self._thread = threading.Thread(target=self._run, name="webex-bot", daemon=True)
                self._thread.start()
                try:
                    self._running.result()
                except Exception:
                    self._thread = None
                    raise
            if not self._thread.is_alive():  # a fork copies one thread alone
                raise RuntimeError(
                    "the bot was started before the process was forked, and doesn't run in this "
                    "one: call start in the forked process"
                )

    def handle(self, body: bytes, headers: Headers) -> int:
        """Receive a request, and wait for its handlers, as `Bot.handle` does.

        The arguments and the result are those of `Bot.handle`, and the errors also those of `run`.
        """
        return self.run(self._bot.handle(body, headers))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the bot's event loop, and wait for its result.

        ::

            bot_thread.run(bot.send("Lunch is ready!", room_id=room_id))

        Raises:
            RuntimeError: A handler called it; or as for `start`.
            Exception: What the start of the bot, or the coroutine, raised.
        """
        try:
            self._check_is_outside()
            with self._lock:
                self.start()
                loop, _ = self._running.result()
                future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except BaseException:
            coroutine.close()
            raise
        return future.result()

    def close(self) -> None:
        """End the bot, if it is running, after it has finished what it has accepted.

        Raises:
            RuntimeError: A handler called it.
            Exception: What `Bot` raises when it is ended.
        """
        self._check_is_outside()
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None and thread.is_alive():
                loop, ending = self._running.result()
                loop.call_soon_threadsafe(ending.set)
                self._ended.result()

    def _check_is_outside(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a handler can't wait for its own event loop: use await there")

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - raised where the thread is waited for
            (self._ended if self._running.done() else self._running).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _live(self) -> None:
        ending = asyncio.Event()
        async with self._bot:
            self._running.set_result((asyncio.get_running_loop(), ending))
            await ending.wait()
