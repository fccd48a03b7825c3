"""The import: what whoever starts a process waits for."""

import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.benchmarks.harness import Case, Round, peer

# httpx imports its own command line, which takes longer than all the rest, where click is there.
PROGRAM = """
import sys, time
sys.modules["click"] = None
started = time.process_time()
{statement}
print(time.process_time() - started)
"""


def imports(statement: str) -> Round:
    """The cost is the CPU time of a statement, in processes that have imported nothing yet."""
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
    """The package, whose names import what they need when they are asked for."""
    yield imports("import webex_webhooks_async")


@asynccontextmanager
async def own_import_of_the_receiver(_: str) -> AsyncGenerator[Round]:
    """What a process needs that is called by Webex."""
    yield imports("from webex_webhooks_async import Receiver")


@asynccontextmanager
async def own_import_of_the_client(_: str) -> AsyncGenerator[Round]:
    """What a process needs that calls Webex."""
    yield imports("from webex_webhooks_async import Client")


@asynccontextmanager
async def import_of_dependencies(_: str) -> AsyncGenerator[Round]:
    """What the package can't do without."""
    yield imports("import httpx, attrs, cattrs")


@asynccontextmanager
async def import_of_dependencies_and_asyncio(_: str) -> AsyncGenerator[Round]:
    """The same, and what each of its users has imported before."""
    yield imports("import httpx, attrs, cattrs, asyncio")


@asynccontextmanager
async def wxc_sdk_import(_: str) -> AsyncGenerator[Round]:
    """The class that calls Webex."""
    peer("wxc_sdk")
    yield imports("from wxc_sdk.as_api import AsWebexSimpleApi")


CASES = (
    Case(
        name="import / httpx, attrs, cattrs",
        ours=own_import,
        peer=import_of_dependencies,
        count=3,
        at_most=1.10,
    ),
    Case(
        name="import Receiver / httpx, attrs, cattrs",
        ours=own_import_of_the_receiver,
        peer=import_of_dependencies,
        count=3,
        at_most=1.10,
    ),
    Case(
        name="import Client / httpx, attrs, cattrs",
        ours=own_import_of_the_client,
        peer=import_of_dependencies,
        count=3,
        at_most=1.10,
    ),
    Case(
        name="import Client / httpx, attrs, cattrs, asyncio",
        ours=own_import_of_the_client,
        peer=import_of_dependencies_and_asyncio,
        count=3,
    ),
    Case(
        name="import Client / wxc-sdk", ours=own_import_of_the_client, peer=wxc_sdk_import, count=3
    ),
)
