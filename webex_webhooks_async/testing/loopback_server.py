"""A real server on loopback: uvicorn's protocol in the running event loop.

Only the protocol is uvicorn's. Its `Server` is made to be a main program: it takes over the
signals, polls every 100 ms, and waits at its end for idle connections.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from webex_webhooks_async.validation import check_port

HOST = "127.0.0.1"
_ACCEPTING = 5  # turns of the event loop, until a connection is accepted
_KEEP_ALIVE = 75  # seconds; a client's pool should close an idle connection before we do


class ConnectionDroppedError(Exception):
    """An application raises it to have the connection aborted, without a response."""


@asynccontextmanager
async def serve_on_loopback(
    application: ASGIApp, port: int, *, host: str = HOST
) -> AsyncGenerator[str, None]:
    """Serve an application while the block runs, and yield its origin.

    At the end every connection is aborted, whatever it is doing.
    """
    check_port(port)
    config = Config(
        _abortable(application),
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    state = ServerState()
    try:
        # A socket made elsewhere would lack TCP_NODELAY: each response would take 40 ms.
        server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(config=config, server_state=state, app_state={}), host, port
        )
    except OSError as error:
        raise port_error(error, host, port) from None
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)  # asyncio leaks a connection that it accepts while it closes
        server.close()
        await _abort_all(state)


def port_error(error: OSError, host: str, port: int) -> OSError:
    """An error that says which port can't be used, and what to do instead."""
    reason = os.strerror(error.errno or 0)
    return OSError(
        error.errno, f"can't serve on {host}:{port} ({reason}); port 0 takes any free one"
    )


class _Protocol(H11Protocol):
    """Passes the connection's `abort` to the application, in the scope's state."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast("asyncio.Transport", transport)
        super().connection_made(connection)
        self.app_state = {"abort": connection.abort}


def _abortable(application: ASGIApp) -> ASGIApp:
    async def respond_or_abort(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await application(scope, receive, send)
        except (ConnectionDroppedError, asyncio.CancelledError):
            # A request is cancelled when the server ends; its connection is aborted already then.
            scope["state"]["abort"]()
            await receive()  # returns once the server knows; else it would miss the response

    return respond_or_abort


async def _abort_all(state: ServerState) -> None:
    while state.connections:
        for connection in state.connections:
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the event loop inform the connections
    for task in state.tasks:
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
