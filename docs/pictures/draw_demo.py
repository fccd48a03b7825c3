"""Draws demo.svg, README's picture: the end of what `webex-webhooks demo` shows today.

$ python docs/pictures/draw_demo.py
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")

_COMMAND = Path(sys.executable).with_name("webex-webhooks")
_WIDTH = 90  # columns
_FIRST_STEP, _AFTER_LAST = "10  Receive notifications", "─ next ─"


def draw() -> str:
    """Run the demo as on a terminal, and draw the steps in which the bot is called."""
    screen = Console(record=True, width=_WIDTH, file=io.StringIO())
    screen.print(*_steps_shown(_run_demo()), sep="\n")
    svg = screen.export_svg(title="webex-webhooks demo", theme=MONOKAI, unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # they would be fetched


def _run_demo() -> list[Text]:
    terminal = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(_WIDTH)}
    done = subprocess.run(  # noqa: S603 - it is this package's own command
        [_COMMAND, "demo"],
        env={**os.environ, **terminal, "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return list(Text.from_ansi(done.stdout.decode()).split("\n"))


def _steps_shown(lines: list[Text]) -> list[Text]:
    plain = [line.plain for line in lines]
    first = next(number for number, line in enumerate(plain) if line.startswith(_FIRST_STEP))
    last = next(number for number, line in enumerate(plain) if _AFTER_LAST in line)
    return lines[first : last - 1]


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
