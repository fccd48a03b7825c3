import logging
import os

import pytest
from rich.text import Text

from tests.cli.harness import Invoke
from webex_webhooks_async.cli.console import (
    log_messages_to,
    print_fields,
    progress,
    stdout,
)


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


def test_text_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text from elsewhere is no markup and no escape code, where it is shown while one waits."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    with progress("[/nothing]\x1b[2J") as status:
        assert str(status.status) == "[/nothing]\\x1b[2J"


def test_a_reader_that_has_left(invoke: Invoke) -> None:
    """A long text that nobody reads any more ends the command without a traceback."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe, pytest.raises(SystemExit, match="1"):
        invoke("--help", stdout=pipe)
