"""Programs that are run as processes."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.services import environment_with
from tests.support.wire import PATIENCE


@asynccontextmanager
async def running(
    *command: str | Path,
    settings: Mapping[str, str],
    folder: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> AsyncGenerator[Process]:
    """Run a command as long as the block runs, with its standard error in its output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment_with(settings),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()


async def read_until(process: Process, text: str) -> str:
    """Read what a process prints, until it prints this."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readuntil(text.encode())).decode()


async def printed_by(
    *arguments: str | Path, sent: bytes = b"", settings: Mapping[str, str] | None = None
) -> list[str]:
    """The lines that Python prints with these arguments; what runs there counts as covered."""
    env = {**os.environ, **(settings or {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=env, stdin=PIPE, stdout=PIPE
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate(sent)
    assert process.returncode == 0
    return output.decode().splitlines()
