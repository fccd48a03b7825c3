"""Lets commands print, also what all of them print alike, and ask."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from webex_webhooks_async.formatting import on_one_line

UNBOUNDED = 10_000  # columns: text in a pipe isn't wrapped


class _Console(Console):
    goes_on = False  # when nobody reads any more

    def write(self, text: str) -> None:
        """Write a long text as it is: to print it, rich makes several objects of each line."""
        try:
            self.file.write(text)
            self.file.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """End the command: one that runs in an event loop as SIGTERM ends it, so it tidies up."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        if self.goes_on:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise SystemExit(1) from None
        signal.raise_signal(signal.SIGTERM)


def stdout(*, goes_on: bool = False) -> _Console:
    """The console for results: coloured on a terminal, plain in a pipe, and never wrapped.

    With `goes_on`, a command doesn't end when nobody reads them.
    """
    console = prose()
    console.goes_on = goes_on
    console.soft_wrap = True  # the terminal wraps, so that a long line can be copied
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def prose() -> _Console:
    """Standard output for prose: it is wrapped in a pipe too."""
    return _Console(highlight=False, emoji=False, markup=False)


def stderr() -> Console:
    """The console for errors, questions and progress."""
    return _Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)


def with_notes(error: Exception) -> str:
    """Return the text of an error, with its notes."""
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return " ".join(str(error).split()) + notes


def error_text(error: Exception) -> Text:
    """An error on one line, with its notes."""
    return Text.assemble(("error: ", "bold red"), on_one_line(with_notes(error)))


def print_error(error: Exception) -> None:
    """Report an error."""
    stderr().print(error_text(error))


def print_warning(text: str) -> None:
    """Report something that may not be intended."""
    stderr().print(Text.assemble(("warning: ", "bold yellow"), on_one_line(text)))


def print_approval(console: Console, text: str) -> None:
    """Report something good."""
    console.print(Text.assemble(("✓ ", "bold green"), on_one_line(text)))


def print_refusal(console: Console, text: str) -> None:
    """Report something bad that isn't an error of the command."""
    console.print(Text.assemble(("✗ ", "bold red"), on_one_line(text)))


def print_json(document: object, *, indent: int | None = 2, console: Console | None = None) -> None:
    """Print JSON in ASCII, which every pipe can carry; without `indent` on one line."""
    (console or stdout()).print(json.dumps(document, indent=indent))


def progress(text: str) -> Status:
    """Show on a terminal what the block waits for."""
    return stderr().status(Text(on_one_line(text)))  # not a str, which would be markup


def print_fields(console: Console, fields: Mapping[str, Text], *, indent: int = 0) -> None:
    """Print names and values, one a line.

    The terminal wraps a long value, so that it can be copied in one piece.
    """
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        label = " " * indent + name.ljust(width)
        console.print(Text.assemble((label, "dim"), value))


def can_ask() -> bool:
    """Whether someone sits at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str) -> bool:
    """Ask a question on standard error, and return whether the reply is yes; the default is no.

    Ask outside of an event loop: there, Ctrl-C ends the command.
    """
    try:
        response = stderr().input(f"{question} [y/N] ", markup=False)
    except EOFError:
        return False
    return response.strip().lower() in {"y", "yes"}


@contextmanager
def log_messages_to(report: Callable[[str], None], level: int = logging.WARNING) -> Generator[None]:
    """While the block runs, pass on each message that is logged at this level or above."""

    class Reporter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(record.getMessage())

    handler = Reporter()
    logger = logging.getLogger("webex_webhooks_async")
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(level_before)
        logger.removeHandler(handler)
