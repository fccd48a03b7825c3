"""Reads lines that someone types or pipes, without holding up the event loop."""

import asyncio
import os
import threading
from contextlib import suppress

_CHUNK = 65_536  # bytes


class TypedLines:
    """The lines of a descriptor, without those that are blank.

    A thread waits for them: Windows can't wait for a terminal in the event loop, and Linux can't
    for a file. It reads the descriptor and not `sys.stdin`, whose lock would hold up the end of the
    process.

    Args:
        descriptor: Of standard input.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    async def next(self, seconds: float | None = None) -> str | None:
        """The next line; `None` after the last one.

        Raises:
            TimeoutError: No line comes within so many seconds.
        """
        async with asyncio.timeout(seconds):
            return await self._lines.get()

    def _read(self) -> None:
        rest = b""
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            while chunk := os.read(self._descriptor, _CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._put(line)
            self._put(rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    def _put(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self._loop.call_soon_threadsafe(self._lines.put_nowait, text)
