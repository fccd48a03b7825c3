"""Serves an application with uvicorn: its port, and its end by Ctrl-C or SIGTERM."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import cast

from uvicorn import Config, Server

from webex_webhooks_async.receiving.asgi import Receive, Scope, Send

_START_FAILED = 3  # the exit code of uvicorn
_PATIENCE = 5.0  # seconds in which everything has to end after it was cancelled

logger: logging.Logger = logging.getLogger("uvicorn.error")  # which uvicorn shows


def serve_until_stopped(
    application: Callable[[Scope, Receive, Send], Awaitable[None]],
    host: str,
    port: int,
    graceful_timeout: float,
) -> None:
    """Serve an application until Ctrl-C or SIGTERM.

    A second Ctrl-C cancels what still runs, and abandons what hasn't ended five seconds later. What
    can't be started raises `SystemExit`, after the reason was logged.
    """
    # uvicorn passes it on to asyncio, which takes fractions, too.
    seconds = cast("int", graceful_timeout)
    server = _Server(Config(application, host=host, port=port, timeout_graceful_shutdown=seconds))
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(_START_FAILED)


class _Server(Server):
    """Takes its port first, and ends at a second Ctrl-C, where uvicorn's own waits for handlers."""

    _loop: asyncio.AbstractEventLoop

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the port before the lifespan begins, in which a bot changes its webhooks."""
        host, port = self.config.host, self.config.port
        try:
            sockets = await _listeners(host, port, self.config.backlog)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            logger.error("can't serve on %s:%d: %s", host, port, reason)  # noqa: TRY400 - it says all
            raise SystemExit(_START_FAILED) from None
        try:
            await super().startup(sockets)
        except BaseException:
            for each in sockets:
                each.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        taken: int = sockets[0].getsockname()[1]
        logger.info("Uvicorn running on http://%s:%d (Press CTRL+C to quit)", shown, taken)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.force_exit:
            self._loop.call_later(_PATIENCE, _abandon)
            raise KeyboardInterrupt  # the event loop then cancels all that it runs


async def _listeners(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Return sockets that listen on each address of the host; connections wait there meanwhile."""
    bound = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, host, port, start_serving=False
    )
    with ExitStack() as stack:
        stack.callback(bound.close)
        listeners = [
            stack.enter_context(socket.fromfd(each.fileno(), each.family, each.type, each.proto))
            for each in bound.sockets
        ]
        for each in listeners:
            each.listen(backlog)
        stack.pop_all()
    bound.close()
    return listeners


def _abandon() -> None:
    """End the event loop, whatever it still runs."""
    logger.error("gave up what hasn't ended %g s after it was cancelled", _PATIENCE)
    raise KeyboardInterrupt
