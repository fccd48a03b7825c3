"""The examples in the help of the commands run as they are shown."""

import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex, examples, served_bot, served_echo_bot, thread
from tests.support.wire import unused_port
from webex_webhooks_async.cli.app import all_commands
from webex_webhooks_async.inbox.sqlite_file import InboxFile
from webex_webhooks_async.testing import sample_notification

pytestmark = pytest.mark.once

WANTED = """
[[webhooks]]
name = "bot:messages"
target_url = "https://example.com/webex"
resource = "messages"
event = "created"
"""
IN_THE_HELP = "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh"
COMMANDS = [name for name, _ in all_commands()]
UNTIL_CTRL_C = {"listen", "sandbox"}
A_PROGRAM = {"dev"}  # commands/test_dev.py runs its examples, each with a program


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a home with the files that the examples name."""
    (tmp_path / "webhooks.toml").write_text(WANTED)
    (tmp_path / "body.json").write_text('{"a":1,"b":2,"c":{"d":3}}')
    (tmp_path / "menu.pdf").write_bytes(b"%PDF-1.7")
    with closing(InboxFile.open(tmp_path / "inbox.db")) as file, file.transaction() as rows:
        rows.put("5891b5b5", sample_notification("messages", "created"))
        entry = rows.take(60)
        assert entry is not None
        rows.fail(entry, "it failed", None)
    for place in (".zfunc", ".config/fish/completions"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEBHOOK_SECRET", "myBongoSecret")


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("command", sorted({*COMMANDS} - UNTIL_CTRL_C - A_PROGRAM))
def test_examples(
    webex: ServedWebex, invoke: Invoke, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a command succeed, one after the other."""
    script = "\n".join(examples(command))
    redirect_uri = f"http://localhost:{unused_port()}/callback"
    with served_echo_bot(webex), served_bot("thanks") as bot:
        for shown, actual in {
            IN_THE_HELP: webex.create(resource="rooms").id,
            "http://localhost:8080/webex": bot.url,
            "jq -r '.[].id'": "python3 -m json.tool",
            "login ": f"login --redirect-uri {redirect_uri} ",
        }.items():
            script = script.replace(shown, actual)
        for line in script.splitlines():
            if line.startswith("export "):
                for assignment in words_of(line):
                    monkeypatch.setenv(*assignment.split("=", 1))
            else:
                run(line, invoke)

    assert f"webex-webhooks {command}" in script


def run(line: str, invoke: Invoke) -> None:
    """Run the command in a line here, and what is before or after it in the line in bash."""
    parts = re.fullmatch(r"(?:(.+)\| )?(webex-webhooks [^|>]+)([|>].+)?", line)
    assert parts
    before, command, after = parts.groups()
    Path("piped").write_bytes(subprocess.check_output(["bash", "-c", before or "true"]))
    with Path("piped").open(encoding="utf-8") as piped:
        done = invoke(*words_of(command), stdin=piped)
    assert (done.exit_code, "Traceback" in done.err) == (0, False), done.err
    subprocess.check_output(["bash", "-c", f"cat {after or ''}"], input=done.out.encode())


def words_of(line: str) -> list[str]:
    """The arguments of the command in a line."""
    _, *arguments = shlex.split(line)
    return arguments


@pytest.mark.usefixtures("webex")
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
            running.err.line("Ctrl-C ends it.")
            exit_code = running.end()

    assert exit_code == 0
