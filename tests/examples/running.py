"""Example programs that are run as processes, as their operators run them."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.services import PATIENCE, environment_with


@asynccontextmanager
async def running(
    *command: str | Path, settings: Mapping[str, str], folder: Path | None = None
) -> AsyncGenerator[Process]:
    """Run a command as long as the block runs, with its standard error in its output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment_with(settings),
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


async def connectable(port: int) -> None:
    """Wait until a server accepts connections at a port of loopback."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            await asyncio.sleep(0.02)  # the processor is for the server, which is starting
    writer.close()
    await writer.wait_closed()
