import asyncio
import os
import py_compile
from collections.abc import Callable
from pathlib import Path

import pytest

from webex_webhooks_async.cli.dev.watching import next_change, snapshot

pytestmark = pytest.mark.once


def _replace(folder: Path) -> None:
    (folder / "new").write_text("a = 1", encoding="utf-8")
    (folder / "new").replace(folder / "package" / "part.py")


CHANGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / "bot.py").write_text("b = 22", encoding="utf-8"), "bot.py"),
    (lambda folder: (folder / "new.py").touch(), "new.py"),
    (lambda folder: (folder / "bot.py").unlink(), "bot.py"),
    (_replace, "package/part.py"),
]


@pytest.mark.parametrize(("act", "changed"), CHANGES)
async def test_a_change(act: Callable[[Path], object], changed: str, tmp_path: Path) -> None:
    """A Python file below the folder that is saved, new or gone is a change, and is named."""
    folder = _folder(tmp_path)
    before = await snapshot(folder)
    act(folder)

    after, name = await next_change(folder, before)

    assert name == changed
    assert after == await snapshot(folder) != before


async def test_what_does_not_count(tmp_path: Path) -> None:
    """Environments, hidden folders and other files aren't looked at."""
    folder = _folder(tmp_path)
    (folder / "env").mkdir()
    for name in ("env/pyvenv.cfg", "env/a.py", ".hidden/a.py", "__pycache__/a.py", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "dangling.py").symlink_to("nowhere")

    found = await snapshot(folder)

    assert {*found} == {str(folder / "bot.py"), str(folder / "package" / "part.py")}


def test_saved_twice_in_a_second(tmp_path: Path) -> None:
    """The bytecode of a file that changes is dropped: Python might take it for the new one's."""
    folder = _folder(tmp_path)
    before = asyncio.run(snapshot(folder))
    bytecode = Path(py_compile.compile(str(folder / "bot.py"), doraise=True) or "")
    (folder / "bot.py").write_text("b = 2", encoding="utf-8")

    asyncio.run(next_change(folder, before))

    assert not bytecode.exists()


def _folder(folder: Path) -> Path:
    (folder / "package").mkdir()
    for name in ("bot.py", "package/part.py"):
        (folder / name).write_text("a = 1", encoding="utf-8")
        os.utime(folder / name, (0, 0))  # two writes within milliseconds can have the same time
    return folder
