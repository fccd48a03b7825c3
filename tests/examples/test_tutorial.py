"""The commands in docs/tutorial, run as a reader runs them: in three terminals."""

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


@pytest.fixture
def pages() -> list[str]:
    """The first two pages, with free ports in them."""
    webex, bot = str(unused_port()), str(unused_port())
    return [
        (TUTORIAL / name).read_text(encoding="utf-8").replace("8900", webex).replace("8000", bot)
        for name in ("1-run.md", "2-reply.md")
    ]


async def test_the_bot_replies(pages: list[str], tmp_path: Path) -> None:
    """Typing what the pages show prints what the pages show."""
    start_webex, start_bot, greet = blocks(pages[0], "console")
    (heard,) = blocks(pages[0], "text")
    start_new_bot, ask = blocks(pages[1], "console")
    (listening,), (replying,) = (blocks(page, "python") for page in pages)
    bot = tmp_path / "bot.py"

    async with terminal(start_webex, tmp_path):
        bot.write_text(listening, encoding="utf-8")
        async with terminal(start_bot, tmp_path) as process:
            await type_in(greet, tmp_path)
            assert difference(heard, await read_until(process, " wrote: Hello, bot!\n")) is None
        bot.write_text(replying, encoding="utf-8")
        async with terminal(settings_of(start_bot) + start_new_bot, tmp_path):
            await type_in(settings_of(greet) + ask, tmp_path)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)


def settings_of(block: str) -> str:
    """The lines that set variables, which a terminal keeps."""
    return "".join(line for line in block.splitlines(keepends=True) if " export " in line)


@asynccontextmanager
async def terminal(block: str, folder: Path) -> AsyncGenerator[Process]:
    """Type the commands of a block, and check that the last one prints what is shown."""
    script, shown = script_of(block)
    last_word = f"{shown.rsplit(maxsplit=1)[-1]}\n"
    async with running("bash", "-euc", script, settings={}, folder=folder) as process:
        assert difference(shown, await read_until(process, last_word)) is None
        yield process


async def type_in(block: str, folder: Path) -> None:
    """Type the commands of a block, and return what they print until they end."""
    script, shown = script_of(block)
    async with running("bash", "-euc", script, settings={}, folder=folder) as process:
        output, _ = await process.communicate()
        assert difference(shown, output.decode()) is None


def script_of(block: str) -> tuple[str, str]:
    """Return the commands of a block as a script, and what the last one prints."""
    *settings, (command, shown) = transcript(block)
    return "\n".join([*(each for each, _ in settings), f"exec {command}"]), shown
