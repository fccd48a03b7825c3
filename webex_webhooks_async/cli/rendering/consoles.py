"""Where the commands print to, and words that all of them print."""

import json
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from webex_webhooks_async.formatting import on_one_line

UNBOUNDED = 10_000  # columns: a pipe has no edge to wrap at


def stdout() -> Console:
    """Where results go: coloured on a terminal; in a pipe plain, and as wide as they are."""
    console = page()
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def page() -> Console:
    """Standard output for text to read: in a pipe, too, it has an edge to wrap at."""
    return Console(highlight=False, emoji=False, markup=False)


def stderr() -> Console:
    """Where errors, questions and progress go."""
    return Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)


def error_text(error: Exception) -> Text:
    """An error on one line, with what was noted on its way."""
    told = " ".join(str(error).split())
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return Text.assemble(("error: ", "bold red"), on_one_line(told + notes))


def print_error(error: Exception) -> None:
    """Tell what went wrong."""
    stderr().print(error_text(error))


def print_warning(text: str) -> None:
    """Tell what may not be meant so."""
    stderr().print(Text.assemble(("warning: ", "bold yellow"), on_one_line(text)))


def print_approval(console: Console, text: str) -> None:
    """Tell that something is as it should be."""
    console.print(Text.assemble(("✓ ", "bold green"), on_one_line(text)), soft_wrap=True)


def print_refusal(console: Console, text: str) -> None:
    """Tell that something isn't as it should be, where that is no error of the command."""
    console.print(Text.assemble(("✗ ", "bold red"), on_one_line(text)), soft_wrap=True)


def print_json(document: object, *, indent: int | None = 2) -> None:
    """Print JSON, in ASCII, which every pipe takes; without `indent` on one line."""
    stdout().print(json.dumps(document, indent=indent), soft_wrap=True)


def print_fields(console: Console, fields: Mapping[str, Text], *, indent: int = 0) -> None:
    """Print names and values, one a line.

    A long value goes on to the terminal's next line by itself, so that it is copied in one piece.
    """
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        label = " " * indent + name.ljust(width)
        console.print(Text.assemble((label, "dim"), value), soft_wrap=True)
