"""The import, for which every process waits at its start."""

import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.benchmarks.harness import Case, Round

# If click is installed, httpx imports its own command line, which takes longer than all the rest.
PROGRAM = """
import sys, time
sys.modules["click"] = None
started = time.process_time()
{statement}
print(time.process_time() - started)
"""


def imports(statement: str) -> Round:
    """Return the CPU time of a statement in processes that have imported nothing yet."""
    program = PROGRAM.format(statement=statement)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    async def play(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            command = (sys.executable, "-c", program)
            process = await create_subprocess_exec(*command, env=env, stdout=PIPE)
            output, _ = await process.communicate()
            seconds += float(output)
        return seconds

    return play


@asynccontextmanager
async def own_import(_: str) -> AsyncGenerator[Round]:
    """Import the names that a bot imports."""
    yield imports("from webex_webhooks_async import Client, Receiver, Notification")


@asynccontextmanager
async def import_of_dependencies(_: str) -> AsyncGenerator[Round]:
    """Import what the package requires, and asyncio, which every program with it needs."""
    yield imports("import httpx, attrs, cattrs, asyncio")


CASES = (
    Case(
        name="import / httpx, attrs, cattrs, asyncio",
        ours=own_import,
        peer=import_of_dependencies,
        count=3,
        at_most=1.15,
    ),
)
