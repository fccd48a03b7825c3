"""What the tests of the command line share."""

import io
import sys
from collections.abc import Iterator
from functools import partial
from typing import TextIO
from unittest.mock import Mock, patch

import httpx
import pytest

from tests.cli.harness import Finished, Invoke, ServedWebex, served_webex
from webex_webhooks_async.cli import app


@pytest.fixture
def quiet_seconds() -> float:
    """How long `chat` waits for more, where a reply or a failure is all that comes."""
    return 0.05


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, quiet_seconds: float) -> None:
    """Keep the environment of the test run from changing what is printed, and from waiting."""
    for name in (
        *("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR"),
        *("TTY_COMPATIBLE", "TTY_INTERACTIVE", "WEBEX_ACCESS_TOKEN", "WEBEX_BASE_URL"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("SECRET", "a-canary-secret")
    monkeypatch.setattr("webex_webhooks_async.cli.conversation.QUIET_SECONDS", quiet_seconds)


@pytest.fixture
def webex(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWebex]:
    """A served sandbox, to which the environment points."""
    with served_webex() as served:
        monkeypatch.setenv("WEBEX_BASE_URL", served.base_url)
        monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
        yield served


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """A browser on a screen, which follows the redirects of each page that it opens."""
    browser = Mock(side_effect=partial(httpx.get, follow_redirects=True, trust_env=False))
    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setenv("DISPLAY", ":0")
    return browser


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run a command in this process, with the standard streams, or the input, that are passed."""

    def run(*arguments: str, piped: bytes | None = None, **streams: TextIO | None) -> Finished:
        stdin = sys.stdin if piped is None else io.TextIOWrapper(io.BytesIO(piped))
        with patch.dict(vars(sys), {"stdin": stdin, **streams}):
            exit_code = app.run(arguments)
        printed = capsys.readouterr()
        return Finished(exit_code, printed.out, printed.err)

    return run
