import io
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from inspect import cleandoc

import pytest

from tests.cli.harness import COMMAND, Invoke, ServedWebex
from tests.support.wire import PATIENCE
from webex_webhooks_async.cli import app

COMMANDS = (
    *("demo", "sandbox", "chat", "list", "get", "create", "update", "delete", "ensure"),
    *("dev", "listen", "trigger", "verify", "login", "completion"),
)
OF_INBOX = ("list", "retry", "drop", "schema")


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        *((each, (*COMMANDS, "inbox")) for each in ("", "-h", "webhooks")),
        *((each, OF_INBOX) for each in ("inbox", "inbox --help")),
    ],
)
def test_the_overview(invoke: Invoke, line: str, listed: tuple[str, ...]) -> None:
    """Without a command, and with --help, every command is listed with its purpose."""
    done = invoke(*line.split())

    for command in listed:
        assert re.search(rf"^│ {command} +\w", done.out, re.MULTILINE), command
    assert (done.exit_code, done.err) == (0, "")


@pytest.mark.parametrize("command", [*COMMANDS, *(f"inbox {each}" for each in OF_INBOX)])
def test_help(invoke: Invoke, command: str) -> None:
    """The help of a command has an example, explains all options, and breaks lines only once."""
    done = invoke(*command.split(), "--help")
    found = dict(app.all_commands())[command]
    options = found.assemble_argument_collection(parse_docstring=True)
    usage, _, panels = done.out.partition("\n\n")
    # The usage may show the choices of an argument in place of its name.
    arguments = re.findall(r"^│ \*? *([A-Z]{2}[A-Z_]+) (?!.*choices)", panels, re.MULTILINE)

    assert (done.exit_code, done.err) == (0, "")
    assert f"$ webex-webhooks {command}" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    text, _, _ = cleandoc(found.help or "").partition("\nArgs:")
    assert text.strip() in done.out
    explained = {each.name: each.parameter.help or "" for each in options if each.show}
    assert [name for name, text in explained.items() if not text or "\n" in text] == []
    assert [each for each in arguments if not re.search(rf"\b{each}\b", usage)] == []
    assert "ARGS" not in usage


def test_the_version(invoke: Invoke) -> None:
    """--version prints the package's version, and so do the words that other tools have for it."""
    for word in ("--version", "-V", "version"):
        assert invoke(word).out == f"{version('webex-webhooks-async')}\n"


SECRET = "(--secret-env STR | --secret-file PATH)"


@pytest.mark.parametrize(
    ("arguments", "missing", "usage"),
    [
        (["get"], "WEBHOOK_ID is", "get [OPTIONS] WEBHOOK_ID"),
        (["webhooks", "get"], "WEBHOOK_ID is", "get [OPTIONS] WEBHOOK_ID"),
        (
            ["trigger", "messages"],
            "EVENT, --to (or --sandbox) and --secret-env (or --secret-file, --sandbox) are",
            f"trigger RESOURCE EVENT [OPTIONS] (--to STR {SECRET} | --sandbox)",
        ),
        (
            ["verify", "-H", "a:b"],
            "--secret-env (or --secret-file) is",
            f"verify --header STR... [BODY] {SECRET}",
        ),
    ],
)
def test_what_is_missing(invoke: Invoke, arguments: list[str], missing: str, usage: str) -> None:
    """All that is missing is named at once, and below it is the usage."""
    done = invoke(*arguments)

    assert (done.exit_code, done.out) == (2, "")
    assert done.err == f"error: {missing} required\nUsage: webex-webhooks {usage}\n"


def test_what_is_missing_because_it_is_misspelled(invoke: Invoke) -> None:
    """Where an unknown option looks like one that is missing, the error says so."""
    given = ("create", "--name", "bot", "--target-url", "https://e.com")
    done = invoke(*given, "--quiet", "--resorce", "rooms")

    assert done.err.splitlines()[0] == (
        "error: --resource and --event are required. Did you mean --resource instead of --resorce?"
    )


def test_what_a_terminal_would_obey(webex: ServedWebex, invoke: Invoke) -> None:
    """Text from elsewhere can't move the cursor or begin a line of its own."""
    webhook = webex.create(name="evil\x1b[2J\nerror: \u202e")

    for done in (invoke("list"), invoke("get", webhook.id)):
        assert "\x1b" not in done.out
        assert "evil\\x1b[2J\\nerror: \\u202e" in done.out


def test_a_locale_that_knows_ascii_alone(invoke: Invoke) -> None:
    """A character that the locale can't show is replaced."""
    printed = io.BytesIO()
    with io.TextIOWrapper(printed, encoding="ascii", write_through=True) as stdout:
        assert invoke("--help", stdout=stdout).exit_code == 0
        assert b"Manage Webex webhooks" in printed.getvalue()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_an_output_that_is_closed(invoke: Invoke, name: str) -> None:
    """An output that is closed is ignored."""
    assert invoke("--version", **{name: None}).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete", "x"], "there is no terminal to ask before deleting: pass --yes"),
        (["verify", "-H", "a:b", "--secret-env", "SECRET"], "standard input is closed: pass a"),
        (["chat"], "standard input is closed: pass the message as an argument"),
    ],
)
def test_an_input_that_is_closed(invoke: Invoke, arguments: list[str], message: str) -> None:
    """An input that is closed and needed is an error of one line."""
    done = invoke(*arguments, stdin=None)

    assert (done.exit_code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"error: {message}")


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a process to its end; what runs there counts as covered."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


WITHOUT_THE_EXTRA = """
import sys

sys.modules["cyclopts"] = None
"""
WITHOUT_METADATA = """
import sys

class Finder:
    def __init__(self, other):
        self.find_spec = other.find_spec

sys.meta_path[:] = [Finder(each) for each in sys.meta_path]
"""
MAIN = """
from webex_webhooks_async.cli import main
main()
"""


def test_without_the_extra() -> None:
    """Without its extra, the command prints how to install it."""
    done = run(sys.executable, "-c", WITHOUT_THE_EXTRA + MAIN)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "webex-webhooks: cyclopts is missing: install the command line with "
        'pip install "webex-webhooks-async[cli]"\n'
    )


def test_without_metadata() -> None:
    """In a zipapp without the package's metadata the command works; its version is unknown."""
    done = run(sys.executable, "-c", WITHOUT_METADATA + MAIN, "--version")

    assert (done.returncode, done.stdout) == (0, "unknown\n")


PRESS_CTRL_C = """
import os, signal, sys

_, module, handler, *arguments = sys.argv

class Finder:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, getattr(signal, handler))
sys.meta_path.insert(0, Finder())
from webex_webhooks_async.cli import main
sys.argv = ["webex-webhooks", *arguments]
main()
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("webex_webhooks_async.cli.app", ["--version"]),
        ("webex_webhooks_async.cli.commands.webhooks", ["list", "--help"]),
    ],
)
def test_ctrl_c_at_the_start(module: str, arguments: list[str]) -> None:
    """Ctrl-C ends the command at once, without a traceback, whatever it is importing."""
    done = run(sys.executable, "-c", PRESS_CTRL_C, module, "default_int_handler", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_is_ignored_where_the_shell_says_so() -> None:
    """A command in the background of a script ignores Ctrl-C, as the shell asks for."""
    done = run(sys.executable, "-c", PRESS_CTRL_C, "cyclopts", "SIG_IGN", "--version")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{version('webex-webhooks-async')}\n"


WHAT_IS_IMPORTED = """
import sys
from webex_webhooks_async.cli import main

unneeded = "cattrs click cyclopts.validators httpx markdown_it pygments rich._emoji_codes".split()
unneeded += "starlette uvicorn webex_webhooks_async.client.auth".split()
for arguments in (["--version"], ["list", "--help"], ["inbox", "list", "--help"]):
    sys.argv = ["webex-webhooks", *arguments]
    try:
        main()
    except SystemExit:
        print([each for each in unneeded if sys.modules.get(each)])
"""


@pytest.mark.once  # the oldest rich imports its emoji in any case
def test_a_command_waits_for_no_other() -> None:
    """The version and a help come at once, without what calls Webex, a server, rich's emoji."""
    done = run(sys.executable, "-c", WHAT_IS_IMPORTED)

    found = [each for each in done.stdout.splitlines() if each.startswith("[")]
    assert (found, done.stderr) == (["[]"] * 3, "")


def test_bash_completes(invoke: Invoke) -> None:
    """In bash, commands and options are completed, and so are Webex's words."""
    script = (
        invoke("completion", "bash").out
        + f"""
webex-webhooks() {{ {COMMAND} "$@"; }}
complete_at() {{
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    $(complete -p webex-webhooks | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    echo "${{COMPREPLY[@]}}"
}}
complete_at webex-webhooks lis
complete_at webex-webhooks list --own
complete_at webex-webhooks create --resource attach
"""
    )

    done = run("bash", "-c", script)

    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [
        ["list", "listen"],
        ["--owned-by"],
        ["attachmentActions"],
    ]
    assert done.stderr == ""
