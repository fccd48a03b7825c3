"""How a command fails: the exit codes, and the errors that end a command on purpose."""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    DONE = 0
    REFUSED = 1  # by Webex, or on the way there
    USAGE = 2
    DIFFERENT = 3  # ensure --check found something to change


class UsageError(Exception):
    """The command can't work as it was called; the text says what to do instead."""


class RefusedError(Exception):
    """The command didn't do what it was asked for; the text says why."""


@contextmanager
def usage_errors(place: str = "") -> Generator[None]:
    """Turn the `ValueError` for a bad argument into a `UsageError`.

    Args:
        place: Where the bad value comes from, such as the name of a file.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{place}: {error}" if place else str(error)) from error
