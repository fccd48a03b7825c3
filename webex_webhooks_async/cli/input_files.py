"""Reads the files that arguments and options name; - is standard input."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.rendering.consoles import stderr

STDIN = Path("-")


def _no_option(_: object, path: Path) -> None:
    if path != STDIN and str(path).startswith("-"):
        raise ValueError(
            f"it begins with -, but there is no option {path}; a file of that name is ./{path}"
        )


InputFile = Annotated[Path, Parameter(allow_leading_hyphen=True, validator=_no_option)]
"""A file to read; - is standard input."""


def read_text(path: Path) -> str:
    """The text of a file; - is standard input.

    Raises:
        UsageError: It can't be read, or isn't UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)} must be text in UTF-8") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; - is standard input.

    Raises:
        UsageError: It can't be read.
    """
    if path == STDIN:
        if sys.stdin is None:
            raise UsageError("standard input is closed: pass a file instead")
        if sys.stdin.isatty():
            stderr().print("Reading standard input. Ctrl-D ends it.", style="dim")
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error


def name_of(path: Path) -> str:
    """How an error names a file that was read."""
    return "standard input" if path == STDIN else str(path)
