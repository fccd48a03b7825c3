"""A real server on loopback: uvicorn's protocol in the running event loop.

Only the protocol is uvicorn's. Its `Server` is a process's main program: it takes the signals over,
waits in steps of 100 ms, and lets a kept connection hold up its end.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from webex_webhooks_async.testing.gateway import ConnectionDroppedError

HOST = "127.0.0.1"
_HIGHEST_PORT = 65535
_KEEP_ALIVE = 75  # seconds; a client's pool should close an idle connection before we do


@asynccontextmanager
async def serve_on_loopback(application: ASGIApp, port: int) -> AsyncGenerator[str, None]:
    """Serve an application as long as the block runs, and give its origin.

    At the end every connection is broken off, whatever it is doing.

    Raises:
        OSError: The port is taken, or may not be used.
        ValueError: `port` is no port.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise ValueError(f"port must be from 0 (any free one) to {_HIGHEST_PORT}, got {port}")
    config = Config(
        _breakable(application),
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    state = ServerState()
    server = await _listen(lambda: _Protocol(config=config, server_state=state, app_state={}), port)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _break_off(state)


async def _listen(protocol: Callable[[], asyncio.Protocol], port: int) -> asyncio.Server:
    try:
        # A socket made elsewhere would lack TCP_NODELAY: each answer would take 40 ms.
        return await asyncio.get_running_loop().create_server(protocol, HOST, port)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OSError(
            error.errno, f"can't serve on {HOST}:{port} ({reason}); port 0 takes any free one"
        ) from None


class _Protocol(H11Protocol):
    """Hands the connection's abort over to the application, as a part of the scope's state."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast("asyncio.Transport", transport)
        super().connection_made(connection)
        self.app_state = {"abort": connection.abort}


def _breakable(application: ASGIApp) -> ASGIApp:
    async def answer_or_break_off(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except (ConnectionDroppedError, asyncio.CancelledError):
            # Cancelled is a request at the server's end, when its connection is broken off already.
            scope["state"]["abort"]()
            await receive()  # returns once the server knows; else it would miss the answer

    return answer_or_break_off


async def _break_off(state: ServerState) -> None:
    while state.connections:
        for connection in state.connections:
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the event loop tell the connections
    for task in state.tasks:
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
