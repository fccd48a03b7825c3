"""The commands in docs/tutorial, run as a reader runs them."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.harness import plain, terminal
from tests.support.documents import difference, transcript
from tests.support.wire import unused_port
from webex_webhooks_async.cli import app

pytestmark = pytest.mark.once

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"


def test_the_bot_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typing what the pages show prints what the pages show; the second page changes the file."""
    first, second = (
        (TUTORIAL / name).read_text(encoding="utf-8") for name in ("1-run.md", "2-reply.md")
    )
    start, greet = blocks(first, "console")
    (started_again,), (order,) = blocks(second, "text"), blocks(second, "console")
    (echoing,), (ordering,) = blocks(first, "python"), blocks(second, "python")
    bot = tmp_path / "bot.py"
    bot.write_text(echoing, encoding="utf-8")
    webex, port = str(unused_port()), str(unused_port())
    here = f"chat --base-url http://127.0.0.1:{webex}/v1\n"  # another port has to be named
    start = start.replace("8900", webex).replace("8000", port).replace("chat\n", here)
    ((command, shown),) = transcript(start)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROWSER", "true %s")  # opens nothing
    monkeypatch.setenv("WEBEX_BASE_URL", f"http://127.0.0.1:{webex}/v1")

    def type_in(block: str) -> None:
        ((command, shown),) = transcript(block)
        assert app.run(shlex.split(command)[1:]) == 0
        assert difference(shown, capsys.readouterr().out) is None

    with terminal(*command.split()[1:], "--sandbox-port", webex, "--port", port) as dev:
        dev.wait_for("Ctrl-C ends both.")
        assert difference(shown, plain(dev.seen).replace("\r\n", "\n")) is None
        type_in(greet)
        before = len(dev.seen)
        bot.write_text(ordering, encoding="utf-8")
        dev.wait_for("(?s)starting again.*a Bot")
        assert {*started_again.splitlines()} <= {*plain(dev.seen[before:]).splitlines()}
        type_in(order)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)
