"""Example programs that are run as processes, as their operators run them."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.wire import PATIENCE


@asynccontextmanager
async def running(
    *command: str | Path, settings: Mapping[str, str], folder: Path | None = None
) -> AsyncGenerator[Process]:
    """Run a command as long as the block runs, with its standard error in its output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **settings}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.communicate()


async def read_until(process: Process, text: str) -> str:
    """Read what a process prints, until it prints this."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readuntil(text.encode())).decode()
