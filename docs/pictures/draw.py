"""Draws the pictures of the command line: what the real program shows today.

$ python docs/pictures/draw.py demo  # without a name, all of them
"""

import asyncio
import io
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import httpx
from rich.console import Console
from rich.containers import Lines
from rich.terminal_theme import MONOKAI
from rich.text import Text

from webex_webhooks_async.cli import app
from webex_webhooks_async.testing import Sandbox

FOLDER = Path(__file__).parent

_COMMAND = str(Path(sys.executable).with_name("webex-webhooks"))
_WIDTH = 90  # columns
_TERMINAL = {
    "FORCE_COLOR": "1",
    "TTY_INTERACTIVE": "0",
    "COLUMNS": str(_WIDTH),
    "TERM": "xterm-256color",
}
_PATIENCE = 60  # seconds
_PROMPT = "> \x1b[0m"
_ERASED = re.compile(r"[^\n]*\r\x1b\[2K")  # releases of rich differ in what \r does to a line


def demo() -> str:
    """The middle of the demo: a bot asks, is killed, and goes on."""
    lines = _shown_by("demo")
    plain = [line.plain for line in lines]
    first, last = (
        next(n for n, line in enumerate(plain) if line.startswith(f"{step}  ")) for step in (2, 6)
    )
    return _svg("webex-webhooks demo", lines[first : last - 1])


def listen() -> str:
    """The first notification that `listen --sandbox` prints."""
    arguments = ("listen", "--sandbox", "--resource", "messages", "--event", "created")
    lines = _shown_by(*arguments, "--port", "0", until=" created  ")  # the last of the data
    return _svg(f"webex-webhooks {' '.join(arguments)}", lines)


class _Screen(io.TextIOWrapper):
    """A terminal on which Ctrl-C is pressed as soon as it shows a text."""

    def __init__(self, until: str | None) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._until = until

    def write(self, text: str) -> int:
        if self._until is not None and self._until in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def _shown_by(*arguments: str, until: str | None = None) -> Lines:
    """What a command shows until it ends, or until it has shown a text."""
    screen = _Screen(until)
    with patch.dict(os.environ, _TERMINAL), redirect_stdout(screen), redirect_stderr(screen):
        app.run(arguments)
    screen.seek(0)
    return Text.from_ansi(screen.read()).split("\n")


def chat() -> str:
    """A conversation with the bot of README.md, on a terminal."""
    return _svg("webex-webhooks chat", Text.from_ansi(asyncio.run(_converse())).split("\n"))


async def _converse() -> str:
    sandbox = Sandbox()
    async with sandbox.serve() as base_url, asyncio.timeout(_PATIENCE):
        settings = {
            "WEBEX_BASE_URL": base_url,
            "WEBEX_ACCESS_TOKEN": "anything",
            "WEBEX_WEBHOOK_SECRET": "a-secret-of-the-bot",
            "WEBEX_TARGET_URL": "https://bot.example.com/webex",
        }
        with patch.dict(os.environ, settings):
            bot = runpy.run_path(str(FOLDER.parent / "examples" / "bot.py"))["bot"]
        sandbox.deliver_to(bot)
        async with bot:
            return await asyncio.to_thread(_type_on_a_terminal, base_url)


def _type_on_a_terminal(base_url: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - it is this package's own command
        [_COMMAND, "chat", "--base-url", base_url],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | _TERMINAL,
    ) as process:
        os.close(theirs)
        shown = _read_until(ours, _PROMPT)
        for text, reply in (
            ("What can you do?", "Order lunch."),
            ("lunch", "[card: "),
            ("/press Order dish=Soup", "One Soup, please!"),
        ):
            os.write(ours, f"{text}\n".encode())
            shown += _read_until(ours, reply) + _read_until(ours, _PROMPT)
        os.write(ours, b"\x04")
        process.wait(_PATIENCE)
    os.close(ours)
    return _ERASED.sub("", shown.replace("\r\n", "\n"))


def dev() -> str:
    """The bot of README.md, which is talked to, broken and repaired."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        bot = Path(folder, "bot.py")
        program = (FOLDER.parent / "examples" / "bot.py").read_text(encoding="utf-8")
        bot.write_text(program, encoding="utf-8")
        process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - it is this package's own command
                [_COMMAND, "dev", "bot.py", "--port", "0", "--sandbox-port", "0"],
                cwd=folder,
                env=os.environ | _TERMINAL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        stack.callback(process.terminate)
        assert process.stdout  # noqa: S101 - it is a pipe
        output = process.stdout.fileno()
        shown = _read_until(output, "ends both.") + _read_until(output, "\n")
        _say(f"{re.findall(r'http://[0-9.:]+/', shown)[0]}v1", "lunch")
        shown += _read_until(output, "No Content") + _read_until(output, "No Content")
        bot.write_text(program.replace('"lunch")', '"lunch"'), encoding="utf-8")
        shown += _read_until(output, "imported\n")
        bot.write_text(program, encoding="utf-8")
        shown = (shown + _read_until(output, "a Bot")).encode("latin-1").decode()
        shown = shown.replace(f"{Path(folder).resolve()}/", "/home/ann/")
    return _svg("webex-webhooks dev bot.py", Text.from_ansi(shown).split("\n"))


def _say(base_url: str, text: str) -> None:
    httpx.post(
        f"{base_url}/messages",
        headers={"Authorization": "Bearer person:you@example.com"},
        json={"toPersonEmail": Sandbox().bot.emails[0], "text": text},
        trust_env=False,
    )


def _read_until(descriptor: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(descriptor, 1).decode("latin-1")  # no more than that: the rest comes next
    return shown


def _svg(title: str, lines: Iterable[Text]) -> str:
    screen = Console(record=True, width=_WIDTH, file=io.StringIO())
    screen.print(*lines, sep="\n")
    svg = screen.export_svg(title=title, theme=MONOKAI, unique_id="picture")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # they would be fetched


PICTURES: dict[str, Callable[[], str]] = {"demo": demo, "dev": dev, "listen": listen, "chat": chat}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        (FOLDER / f"{name}.svg").write_text(PICTURES[name](), encoding="utf-8")
