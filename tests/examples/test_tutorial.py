"""The commands in docs/tutorial, run as a reader runs them: in three terminals."""

import doctest
import io
import re
import shutil
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, redirect_stdout
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.examples.running import read_until, running
from tests.support.documents import difference, transcript
from tests.support.wire import PATIENCE, unused_port

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "a-bot-that-answers.md"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """The page, with ports in it that nobody uses."""
    webex, bot = str(unused_port()), str(unused_port())
    monkeypatch.setenv("PORT", bot)
    return PAGE.read_text(encoding="utf-8").replace("8900", webex).replace("8000", bot)


@pytest.fixture
def python() -> Generator[dict[str, Any]]:
    """The names in the reader's Python."""
    names: dict[str, Any] = {}
    yield names
    if "webex" in names:
        names["webex"].close()


async def test_the_bot_answers(page: str, python: dict[str, Any], tmp_path: Path) -> None:
    """Who types what the page shows sees what the page shows."""
    start_webex, start_bot, start_new_bot = blocks(page, "console")
    greeting, question = blocks(page, "python")
    (heard,) = blocks(page, "text")
    hearing, answering = re.findall(r"{literalinclude} (\S+)", page)

    async with terminal(start_webex, tmp_path):
        shutil.copy(PAGE.parent / hearing, tmp_path / "bot.py")
        async with terminal(start_bot, tmp_path) as bot:
            assert type_in(greeting, python) is None
            assert difference(heard, await read_until(bot, last_word(heard))) is None
        shutil.copy(PAGE.parent / answering, tmp_path / "bot.py")
        async with terminal(settings_of(start_bot) + start_new_bot, tmp_path):
            assert type_in(question, python) is None


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)


def settings_of(block: str) -> str:
    """The lines that set variables, which a terminal keeps."""
    return "".join(line for line in block.splitlines(keepends=True) if " export " in line)


@asynccontextmanager
async def terminal(block: str, folder: Path) -> AsyncGenerator[Process]:
    """Type the commands of a block, and see that the last one prints what is shown."""
    *settings, (command, shown) = transcript(block)
    script = "\n".join([*(each for each, _ in settings), f"exec {command}"])
    async with running("bash", "-euc", script, settings={}, folder=folder) as process:
        assert difference(shown, await read_until(process, last_word(shown))) is None
        yield process


def last_word(shown: str) -> str:
    """What ends an output."""
    return f"{shown.rsplit(maxsplit=1)[-1]}\n"


def type_in(session: str, names: dict[str, Any]) -> str | None:
    """Type into Python what a block shows, and say what differs from what it shows."""
    for example in doctest.DocTestParser().get_examples(session):
        code = compile(example.source, str(PAGE), "single")
        deadline = time.monotonic() + PATIENCE
        while problem := difference(example.want, printed(code, names)):
            # Whoever reads what was said gives the bot a moment to answer.
            if not example.source.startswith("for ") or time.monotonic() > deadline:
                return problem
    return None


def printed(code: CodeType, names: dict[str, Any]) -> str:
    """What a statement prints."""
    with redirect_stdout(io.StringIO()) as output:
        exec(code, names)  # noqa: S102 - running the page is the task here
    return output.getvalue()
