"""What the tests of the command line share."""

import sys
from collections.abc import Iterator
from typing import TextIO
from unittest.mock import patch

import pytest

from tests.cli.harness import Finished, Invoke, ServedWebex, served_webex
from webex_webhooks_async.cli import app


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of the test run from changing what is printed, and from waiting."""
    for name in (
        *("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR"),
        *("TTY_COMPATIBLE", "TTY_INTERACTIVE", "WEBEX_ACCESS_TOKEN", "WEBEX_BASE_URL"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("SECRET", "a-canary-secret")
    # Don't wait long for more, where a reply or a failure is all that comes.
    monkeypatch.setattr("webex_webhooks_async.cli.conversation.QUIET_SECONDS", 0.05)


@pytest.fixture
def webex(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWebex]:
    """A served sandbox, to which the environment points."""
    with served_webex() as served:
        monkeypatch.setenv("WEBEX_BASE_URL", served.base_url)
        monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
        yield served


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run a command in this process, with the standard input that is passed."""

    def run(*arguments: str, stdin: TextIO | None = sys.stdin) -> Finished:
        with patch("sys.stdin", stdin):
            exit_code = app.run(arguments)
        printed = capsys.readouterr()
        return Finished(exit_code, printed.out, printed.err)

    return run
