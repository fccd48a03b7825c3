"""Notices which files of a program change, without a dependency that asks the system."""

import asyncio
import importlib.util
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_PAUSE = 0.15  # seconds between two looks
_SHARE = 10  # a look takes a tenth of the time at most: there may be many files

Snapshot = Mapping[str, tuple[int, int, int]]
"""For each file, what changes when it is saved."""


async def snapshot(folder: Path) -> Snapshot:
    """The Python files below a folder, without those of environments and hidden folders."""
    found: dict[str, tuple[int, int, int]] = {}
    for place, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [each for each in folders if not each.startswith((".", "__pycache__"))]
        for name in files:
            if name.endswith(".py"):
                _add(found, Path(place, name))
        await asyncio.sleep(0)  # whatever else happens doesn't wait for a large folder
    return found


def _add(found: dict[str, tuple[int, int, int]], path: Path) -> None:
    with suppress(OSError):  # it has gone meanwhile
        status = path.stat()
        found[str(path)] = (status.st_mtime_ns, status.st_size, status.st_ino)


async def next_change(folder: Path, before: Snapshot) -> tuple[Snapshot, str]:
    """Wait until a file changes, and return what is there then, and the path of such a file."""
    loop = asyncio.get_running_loop()
    pause = _PAUSE
    while True:
        await asyncio.sleep(pause)
        start = loop.time()
        now = await snapshot(folder)
        changed = sorted(path for path, _ in {*before.items()} ^ {*now.items()})
        if changed:
            for each in changed:
                _forget_bytecode(each)
            return now, str(Path(changed[0]).relative_to(folder))
        pause = max(_PAUSE, _SHARE * (loop.time() - start))


def _forget_bytecode(path: str) -> None:
    """Let Python compile a file again.

    It would take the old bytecode if the file has the same size and was saved in the same second.
    """
    with suppress(OSError):
        Path(importlib.util.cache_from_source(path)).unlink()
