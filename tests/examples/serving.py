"""Example programs on loopback, each in the server that its docstring names."""

import asyncio
import importlib.util
import re
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import hypercorn
import pytest
import uvicorn
from aiohttp import web
from attrs import frozen
from hypercorn.asyncio import (
    serve,  # pyright: ignore[reportUnknownVariableType] - hypercorn doesn't say all
)

from tests.support.wire import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

COMMAND = re.compile(r"^\$ (\w+) \w+(?::|\.py)(\w*)", re.MULTILINE)
TARGET = re.compile(r"https://bot\.example\.com(/[^\s,]*)")

SECRET = "the-webhook's-secret"
TARGET_URL = "https://bot.example.com/webex"

Application = Callable[..., Any]
Server = Callable[[Any, socket.socket, asyncio.Event], Coroutine[Any, Any, None]]
"""Serves an application on a listening socket until the event is set."""

Import = Callable[..., ModuleType]
Run = Callable[..., AbstractAsyncContextManager[ModuleType]]
"""The fixtures `import_example` and `run_example`: a path, and settings by name."""


@frozen(kw_only=True)
class Program:
    """An example program that receives, what serves it, and the path to which Webex posts."""

    module: ModuleType
    application: Any
    server: Server
    path: str

    @classmethod
    def load(cls, source: Path, monkeypatch: pytest.MonkeyPatch) -> "Program":
        """Import a program again, and read in its docstring how it is served."""
        module = import_again(source, monkeypatch)
        docstring = module.__doc__ or ""
        ((command, name),) = COMMAND.findall(docstring)
        (path,) = TARGET.findall(docstring)
        return cls(
            module=module,
            application=getattr(module, name or "app"),
            server=SERVERS[command],
            path=path,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        """Serve it as long as the block runs, and give the URL to which Webex posts."""
        async with serving(self.server, self.application) as port:
            yield f"http://127.0.0.1:{port}{self.path}"


@asynccontextmanager
async def serving(
    server: Server, application: Application, listener: socket.socket | None = None
) -> AsyncGenerator[int]:
    """Serve an application as long as the block runs, and give the port."""
    stop = asyncio.Event()
    listener = listener or socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        # Until the server is up, connections wait in the socket's queue.
        group.create_task(server(application, listener, stop))
        try:
            yield port
        finally:
            stop.set()


def import_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a program as a server does, for one test alone."""
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, source.stem, module)
    spec.loader.exec_module(module)
    return module


def settings_of(base_url: str, **others: str) -> dict[str, str]:
    """What a bot reads in the environment."""
    return {
        "WEBEX_ACCESS_TOKEN": "a-token-of-nobody",
        "WEBEX_BASE_URL": base_url,
        "WEBEX_WEBHOOK_SECRET": SECRET,
        "WEBEX_TARGET_URL": TARGET_URL,
        **others,
    }


async def serve_with_uvicorn(
    application: Application,
    listener: socket.socket,
    stop: asyncio.Event,
    **options: Any,  # noqa: ANN401 - uvicorn's own
) -> None:
    """Serve an ASGI application."""
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, **options))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        await stop.wait()
        server.should_exit = True


async def serve_with_hypercorn(
    application: Application, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Serve an ASGI application."""
    config = hypercorn.Config()
    config.bind = [f"fd://{listener.detach()}"]
    await serve(application, config, shutdown_trigger=stop.wait)


async def serve_with_aiohttp(
    application: web.Application, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Serve an aiohttp application."""
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        await stop.wait()
    finally:
        await runner.cleanup()


SERVERS: dict[str, Server] = {
    "hypercorn": serve_with_hypercorn,
    "python": serve_with_aiohttp,  # whose applications are programs of their own
    "uvicorn": serve_with_uvicorn,
}
