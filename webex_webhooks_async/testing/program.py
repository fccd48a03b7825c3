"""A program that a test runs: its modules are imported for it, and it starts and ends."""

import asyncio
import os
import sys
import sysconfig
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import compress
from pathlib import Path
from types import ModuleType
from typing import Any

from starlette.routing import Mount, Route
from starlette.types import Message

from webex_webhooks_async.bot.bot import Bot
from webex_webhooks_async.testing.target import (
    Target,
    TargetError,
    integration_classes,
    is_application,
)

_KEPT = {"__main__", __name__.partition(".")[0]}


@contextmanager
def imported(target: Target) -> Generator[Any]:
    """Import a program again, and put the modules and the path back at the end."""
    path, before = [*sys.path], _modules_of(target)
    try:
        for name in before:
            del sys.modules[name]
        _, application = target.load()
        for name, module in before.items():  # those of the tests stay what they are
            sys.modules.setdefault(name, module)
        yield application
    except TargetError as error:
        raise ValueError(f"{target.place} {error}") from None
    finally:
        for name in _modules_of(target):
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = path


def _modules_of(target: Target) -> dict[str, ModuleType]:
    """Return the imported modules in the folder of a program, without those that are installed."""
    top = target.module.partition(".")[0]
    places = [target.root, *map(Path, sys.path)]
    has_it = ((each / top).is_dir() or (each / f"{top}.py").is_file() for each in places)
    folder = next(compress(places, has_it), target.root).absolute()
    standard_library = sysconfig.get_path("stdlib")

    def is_own(name: str, module: ModuleType) -> bool:
        first = name.partition(".")[0]
        if first == top and target.file is None:
            return True
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
        return (
            place.startswith(f"{folder}{os.sep}")
            and not place.startswith(standard_library)
            and "-packages" not in place.removeprefix(str(folder.parent))
            and first not in _KEPT
        )

    return {name: module for name, module in [*sys.modules.items()] if is_own(name, module)}


def find_mounts(part: object, origin: str, path: str = "") -> str:
    """Give each bot and each integration whose URL is `origin` the URL where it is mounted.

    Returns:
        Where people connect their accounts; empty without an integration.
    """
    if isinstance(part, Bot):
        if part._target_url == origin:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
            part._target_url = origin + path  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
    elif isinstance(part, integration_classes()):
        if part.public_url == origin:
            part.public_url = origin + path.rstrip("/")
        return f"{part.public_url}/connect"
    elif is_application(part):
        if isinstance(part, Mount | Route):
            path = path.rstrip("/") + part.path + "/" * isinstance(part, Mount)
        inner = getattr(part, "routes", ()) or [getattr(part, "app", None)]
        return next(filter(None, [find_mounts(each, origin, path) for each in inner]), "")
    return ""


@asynccontextmanager
async def running(
    application: Any,  # noqa: ANN401 - ASGI
    state: dict[str, object],
) -> AsyncGenerator[None]:
    """Start an application as a server does, with the state of its lifespan, and end it."""
    if isinstance(application, AbstractAsyncContextManager):  # so its own errors are raised
        async with application:
            yield
        return
    asked, said = asyncio.Queue[Message](), asyncio.Queue[Message | None]()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    life: asyncio.Future[None] = asyncio.ensure_future(application(scope, asked.get, said.put))
    life.add_done_callback(lambda _: said.put_nowait(None))
    try:
        asked.put_nowait({"type": "lifespan.startup"})
        message = await said.get()
        if message is None:  # it has no lifespan
            life.exception()
            yield
            return
        if message["type"] == "lifespan.startup.failed":
            await life  # whose own error says more
            raise RuntimeError(f"the application doesn't start: {message.get('message')}")
        try:
            yield
        finally:
            asked.put_nowait({"type": "lifespan.shutdown"})
            await life
    finally:
        life.cancel()
