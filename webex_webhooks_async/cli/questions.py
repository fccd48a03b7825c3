"""Asks the user a question on the terminal."""

import sys

from webex_webhooks_async.cli.rendering.consoles import stderr


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
