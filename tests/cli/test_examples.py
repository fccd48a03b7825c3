"""The examples in the help of the commands run as they are shown."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import (
    COMMAND,
    PATIENCE,
    Finished,
    ServedWebex,
    examples,
    served_bot,
    served_echo_bot,
    thread,
)
from tests.support.wire import unused_port
from webex_webhooks_async.cli.app import app
from webex_webhooks_async.notifications.inbox_file import InboxFile

pytestmark = pytest.mark.once

WANTED = """
[[webhooks]]
name = "bot:messages"
target_url = "https://example.com/webex"
resource = "messages"
event = "created"
"""
BROWSER = f"""#!{sys.executable}
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(sys.argv[1])
"""
IN_THE_HELP = "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh"
COMMANDS = [name for name in app.resolved_commands() if not name.startswith("-")]
UNTIL_CTRL_C = {"listen", "sandbox"}
A_PROGRAM = {"dev"}  # commands/test_dev.py runs its examples, each with a program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the files that the examples name, and a browser."""
    (tmp_path / "webhooks.toml").write_text(WANTED)
    (tmp_path / "body.json").write_text('{"a":1,"b":2,"c":{"d":3}}')
    (tmp_path / "menu.pdf").write_bytes(b"%PDF-1.7")
    InboxFile.open(tmp_path / "inbox.db").close()
    for place in (".zfunc", ".config/fish/completions"):
        (tmp_path / place).mkdir(parents=True)
    browser = tmp_path / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(COMMAND).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("WEBHOOK_SECRET", "myBongoSecret")
    return tmp_path


@pytest.mark.parametrize("command", sorted({*COMMANDS} - UNTIL_CTRL_C - A_PROGRAM))
def test_examples(
    webex: ServedWebex, invoke: Invoke, command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a command succeed, one after the other."""
    script = "\n".join(examples(command))
    redirect_uri = f"http://localhost:{unused_port()}/callback"
    monkeypatch.chdir(folder)
    with served_echo_bot(webex), served_bot("thanks") as bot, Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        for shown, actual in {
            IN_THE_HELP: webex.create().id,
            "http://localhost:8080/webex": bot.url,
            "jq -r '.[].id'": "python3 -m json.tool",
            "login ": f"login --redirect-uri {redirect_uri} ",
        }.items():
            script = script.replace(shown, actual)
        for step in [script] if "export" in script else script.splitlines():
            done = in_a_shell(step) if NEEDS_A_SHELL.search(step) else invoke(*words_of(step))
            assert (done.exit_code, "Traceback" in done.err) == (0, False), done.err

    assert f"webex-webhooks {command}" in script


NEEDS_A_SHELL = re.compile(r"export|[|>]")


def words_of(line: str) -> list[str]:
    """The arguments of the command in a line."""
    _, *arguments = shlex.split(line)
    return arguments


def in_a_shell(script: str) -> Finished:
    """Run a script in bash, in which the command is a process of its own."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.usefixtures("folder", "webex")
@pytest.mark.parametrize(
    "example",
    [
        example
        for command in sorted(UNTIL_CTRL_C)
        for example in examples(command)
        if example != "webex-webhooks listen"  # needs a tunnel: see commands/test_listen.py
    ],
)
def test_examples_that_run_until_ctrl_c(example: str) -> None:
    """The examples of servers start, and end in order."""
    url = f"http://127.0.0.1:{unused_port()}"
    with served_bot("thanks") as bot:
        for shown, actual in {
            "https://my-tunnel.example.com": url,
            "http://localhost:3000/webex": bot.url,
        }.items():
            example = example.replace(shown, actual)
        with thread(*words_of(example), "--port", "0") as running:
            running.line(running.err, "Ctrl-C ends it.")
            exit_code = running.end()

    assert exit_code == 0
