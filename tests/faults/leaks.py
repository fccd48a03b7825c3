"""What a fault must not leave behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.wire import until


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """Make sure that the block leaves no task, no socket and no file behind."""
    tasks, files = asyncio.all_tasks(), open_files()
    yield
    await until(lambda: asyncio.all_tasks() <= tasks and open_files() <= files)


def open_files() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())
