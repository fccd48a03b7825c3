import json
import logging

import pytest
from rich.text import Text

from webex_webhooks_async.cli.console import (
    error_text,
    json_text,
    log_messages_to,
    page,
    print_fields,
    print_json,
    progress,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.formatting import on_one_line


def test_a_pipe_has_no_edge() -> None:
    """In a pipe results aren't wrapped, and prose is as wide as a page."""
    assert (stdout().width > 1000, page().width) == (True, 80)


def test_a_terminal_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal both are as wide as the terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")

    assert (stdout().width, page().width) == (60, 60)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Café ✓ 日本", "Café ✓ 日本"),
        ("[bold]:smile:", "[bold]:smile:"),
        ("a\tb\r\n\x1b[31m\x9b", "a\\tb\\r\\n\\x1b[31m\\x9b"),
        ("\u202e\u200d", "\\u202e\\u200d"),
    ],
)
def test_text_of_others(capsys: pytest.CaptureFixture[str], text: str, safe: str) -> None:
    """Text from elsewhere stays as it is, except for control characters."""
    stderr().print(on_one_line(text))

    assert capsys.readouterr().err == f"{safe}\n"


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


def test_fields_in_one_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that is longer than the terminal isn't wrapped, so that it can be copied."""
    monkeypatch.setenv("COLUMNS", "20")

    print_fields(page(), {"id": Text("x" * 40), "owner": Text("me")})

    assert capsys.readouterr().out == f"id     {'x' * 40}\nowner  me\n"


LOGGER = logging.getLogger("webex_webhooks_async")


def test_warnings() -> None:
    """Warnings and errors are passed on as long as the block runs; lower levels aren't."""
    heard: list[str] = []
    level = LOGGER.level

    with log_messages_to(heard.append):
        LOGGER.info("a detail")
        LOGGER.warning("refused %s", "a request")
    LOGGER.warning("too late")

    assert (heard, LOGGER.handlers, LOGGER.level) == (["refused a request"], [], level)


def test_a_lower_level() -> None:
    """A lower level passes on more."""
    heard: list[str] = []

    with log_messages_to(heard.append, logging.INFO):
        LOGGER.debug("a detail")
        LOGGER.info("nobody listens")

    assert heard == ["nobody listens"]


def test_progress_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets and escape codes from elsewhere are shown as they are."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    with progress("[/nothing]\x1b[2J") as status:
        assert str(status.status) == "[/nothing]\\x1b[2J"


def test_json_that_is_nested_too_deeply() -> None:
    """A million levels are too deep for every Python."""
    document: object = 1
    for _ in range(1_000_000):
        document = [document]

    with pytest.raises(CommandError, match="nested too deeply"):
        json_text(document)
