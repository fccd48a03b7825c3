"""The commands in docs/tutorial, run as a reader runs them: in two terminals."""

import re
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.examples.running import read_until, running
from tests.support.documents import difference, transcript
from tests.support.wire import unused_port

pytestmark = pytest.mark.once

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"


async def test_the_bot_replies(tmp_path: Path) -> None:
    """Typing what the pages show prints what the pages show; the second page changes the file."""
    first, second = (
        (TUTORIAL / name).read_text(encoding="utf-8") for name in ("1-run.md", "2-reply.md")
    )
    start, greet = blocks(first, "console")
    (started_again,), (order,) = blocks(second, "text"), blocks(second, "console")
    (echoing,), (ordering,) = blocks(first, "python"), blocks(second, "python")
    bot = tmp_path / "bot.py"
    bot.write_text(echoing, encoding="utf-8")
    webex = unused_port()
    ports = {"8900": str(webex), "8000": str(unused_port())}
    start = start.replace("dev bot.py", "dev bot.py --sandbox-port 8900 --port 8000")
    for shown, free in ports.items():
        start = start.replace(shown, free)

    async with terminal(start, tmp_path) as dev:
        await type_in(greet, tmp_path, webex)
        bot.write_text(ordering, encoding="utf-8")
        printed = await read_until(dev, started_again.splitlines()[-1])
        assert started_again.splitlines()[0] in printed
        await type_in(order, tmp_path, webex)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)


@asynccontextmanager
async def terminal(block: str, folder: Path) -> AsyncGenerator[Process]:
    """Type the commands of a block, and check that the last one prints what is shown."""
    script, shown = script_of(block)
    last_word = shown.rsplit(maxsplit=1)[-1]
    async with running("bash", "-euc", script, settings={}, folder=folder) as process:
        assert difference(shown, await read_until(process, last_word)) is None
        yield process


async def type_in(block: str, folder: Path, webex: int) -> None:
    """Type the commands of a block, and check what they print until they end."""
    script, shown = script_of(block)
    settings = {"WEBEX_BASE_URL": f"http://127.0.0.1:{webex}/v1"}
    async with running("bash", "-euc", script, settings=settings, folder=folder) as process:
        output, _ = await process.communicate()
        assert difference(shown, output.decode()) is None


def script_of(block: str) -> tuple[str, str]:
    """Return the commands of a block as a script, and what the last one prints."""
    ((command, shown),) = transcript(block)
    return f"exec {command}", shown
