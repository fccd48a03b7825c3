"""The import: what whoever starts a process waits for."""

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from tests.benchmarks.harness import Case, MissingPeerError, Round


def imports(*modules: str) -> Round:
    """The cost is the CPU time of the imports alone, in processes that have imported nothing yet.

    Raises:
        MissingPeerError: One of the modules isn't installed.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise MissingPeerError(f"{missing[0]} is not installed")
    program = (
        "import time\n"
        "started = time.process_time()\n"
        f"import {', '.join(modules)}\n"
        "print(time.process_time() - started)"
    )

    async def play(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            process = await create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)
            output, _ = await process.communicate()
            seconds += float(output)
        return seconds

    return play


@asynccontextmanager
async def own_import(_: str) -> AsyncGenerator[Round]:
    """All of it, but for the sandbox and the command line."""
    yield imports("webex_webhooks_async")


@asynccontextmanager
async def import_of_dependencies(_: str) -> AsyncGenerator[Round]:
    """What it can't do without."""
    yield imports("httpx", "attrs", "cattrs")


@asynccontextmanager
async def wxc_sdk_import(_: str) -> AsyncGenerator[Round]:
    """All of it."""
    yield imports("wxc_sdk")


CASES = (
    Case(
        name="import / httpx, attrs, cattrs",
        ours=own_import,
        peer=import_of_dependencies,
        count=3,
        at_most=1.10,
    ),
    Case(name="import / wxc-sdk", ours=own_import, peer=wxc_sdk_import, count=3),
)
