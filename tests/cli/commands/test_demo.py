import re

import pytest

from tests.cli.harness import Invoke, plain

pytestmark = pytest.mark.once


def test_a_bot_whose_process_is_killed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot is killed and gets an answer, hears what it has missed, and refuses what is forged."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid")

    done = invoke("demo")

    out = re.sub(" *\n *", "\n", done.out)
    steps = re.findall(r"^(\d+)  (.+?) ─+$", out, re.MULTILINE)
    assert steps == [
        ("1", "A bot"),
        ("2", "Ann asks for a day off"),
        ("3", "The bot's process is killed"),
        ("4", "Another process starts"),
        ("5", "The boss decides, and Ann hears of it"),
        ("6", "A stranger forges a notification"),
    ]
    for promised in (
        r"await context\.ask\(",
        r"the bot to the boss: ann@example\.com asks for Friday off\.\n",
        r"✗ process \d+ is dead\nBob: leave\n",
        r"is ready\nthe bot to Bob: Which day\?\n",
        r"the boss: \[Approve\]\n(.*\n)?the bot to Ann: Friday: your boss approves\.\n",
        r"refused a request: the signature is of another",
        r"✓ the stranger gets 401 Unauthorized\n",
        r"webex-webhooks dev docs/examples/bot\.py ",
    ):
        assert re.search(promised, out), promised
    first, second = dict.fromkeys(re.findall(r"process (\d+): is ready", out))
    assert f"process {first} is dead" in out
    assert f"process {second} is dead" not in out
    assert (done.exit_code, done.err, "\x1b" in done.out) == (0, "", False)
    assert max(map(len, done.out.splitlines())) == 80


def test_on_a_terminal(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it has colours, fits into a narrow one, and ends within seconds if it hangs."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("webex_webhooks_async.cli.commands.demo._PATIENCE", 0)

    done = invoke("demo")

    assert (done.exit_code, plain(done.err)) == (
        1,
        "error: the bot is too slow here: try again when less else runs\n",
    )
    assert re.search(r"\x1b\[(1;)?36m", done.out)
    assert max(map(len, plain(done.out).splitlines())) == 60


def test_a_bot_that_ends(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the bot's process ends before it is ready, the demo ends with an error."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")

    done = invoke("demo")

    assert (done.exit_code, done.err) == (
        1,
        "error: the bot's process has ended; what it says is above\n",
    )
