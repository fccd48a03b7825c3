"""The imports, for which every process waits at its start."""

import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.benchmarks.harness import Case, Round

# If click is installed, httpx imports its own command line, which takes longer than all the rest.
PROGRAM = """
import sys, time
sys.modules["click"] = None
started = time.process_time()
{statement}
print(time.process_time() - started)
"""


@asynccontextmanager
async def importing(statement: str) -> AsyncGenerator[Round]:
    """The cost is the CPU time of a statement in processes that have imported nothing yet."""
    program = PROGRAM.format(statement=statement)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    async def play(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            command = (sys.executable, "-c", program)
            process = await create_subprocess_exec(*command, env=env, stdout=PIPE)
            output, _ = await process.communicate()
            seconds += float(output.split()[-1])  # after what the statement prints
        return seconds

    yield play


def starting(*arguments: str) -> AbstractAsyncContextManager[Round]:
    """Start the command line."""
    return importing(f"from webex_webhooks_async.cli.app import run; run({arguments!r})")


CASES = (
    Case(
        "import / httpx, attrs, cattrs, asyncio",
        # For calling Webex and being called; and what every program with this package needs.
        lambda _: importing("from webex_webhooks_async import Client, Receiver, Notification"),
        lambda _: importing("import httpx, attrs, cattrs, asyncio"),
        count=1,
        at_most=1.15,
        rounds=20,
    ),
    Case(
        "command line: list --help / --version",
        lambda _: starting("list", "--help"),
        lambda _: starting("--version"),
        count=1,
        at_most=1.2,
        processes=1,
    ),
)
