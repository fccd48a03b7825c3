"""How a command fails: the exit codes, and the errors that end a command on purpose."""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command tells the shell."""

    DONE = 0
    REFUSED = 1  # by Webex, or on the way there
    USAGE = 2


class UsageError(Exception):
    """The command was called in a way that can't work; the text says what to do instead."""


class RefusedError(Exception):
    """The command did not do what it was asked for; the text says why."""


@contextmanager
def usage_errors() -> Generator[None]:
    """Turn the `ValueError` for a bad argument into a `UsageError`."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error
