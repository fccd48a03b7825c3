import json
import logging
import os

import pytest
from rich.text import Text

from tests.cli.harness import Invoke
from webex_webhooks_async.cli.console import (
    error_text,
    log_messages_to,
    print_fields,
    print_json,
    progress,
    prose,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.running import CommandError


def test_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe results aren't wrapped, and prose is as wide as a page; a terminal wraps both."""
    in_a_pipe = (stdout().width > 1000, prose().width)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")

    assert in_a_pipe == (True, 80)
    assert (stdout().width, prose().width) == (60, 60)


def test_an_error_of_several_lines() -> None:
    """An error is one line, with its notes."""
    error = CommandError("two\n  lines")
    error.add_note("on the way\nhere")

    assert error_text(error).plain == "error: two lines (on the way\\nhere)"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is printed in ASCII and isn't wrapped, at any width."""
    document = {"a": ["x" * 20_000, "Café [bold]:smile: \x1b"]}

    print_json(document, indent=None)

    out = capsys.readouterr().out
    assert (json.loads(out), out.count("\n"), out.isascii()) == (document, 1, True)


def test_fields_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    """A value that is longer than the terminal isn't wrapped, so that it can be copied."""
    console = stdout()
    console.width = 20

    print_fields(console, {"id": Text("x" * 40), "owner": Text("me")})

    assert capsys.readouterr().out == f"id     {'x' * 40}\nowner  me\n"


LOGGER = logging.getLogger("webex_webhooks_async")


def test_warnings() -> None:
    """What is logged at the level or above is passed on as long as the block runs."""
    heard: list[str] = []
    level = LOGGER.level

    with log_messages_to(heard.append):
        LOGGER.info("a detail")
        LOGGER.warning("refused %s", "a request")
    with log_messages_to(heard.append, logging.INFO):
        LOGGER.debug("a detail")
        LOGGER.info("nobody listens")
    LOGGER.warning("too late")

    assert (LOGGER.handlers, LOGGER.level) == ([], level)
    assert heard == ["refused a request", "nobody listens"]


def test_text_of_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text from elsewhere is neither markup nor the name of an emoji, and no escape code."""
    stderr().print("[bold]:smile:")
    assert capsys.readouterr().err == "[bold]:smile:\n"
    monkeypatch.setenv("FORCE_COLOR", "1")

    with progress("[/nothing]\x1b[2J") as status:
        assert str(status.status) == "[/nothing]\\x1b[2J"


def test_a_reader_that_has_left(invoke: Invoke) -> None:
    """A long text that nobody reads any more ends the command without a traceback."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe, pytest.raises(SystemExit, match="1"):
        invoke("--help", stdout=pipe)
