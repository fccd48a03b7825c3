import subprocess

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import COMMAND, finished
from tests.support.wire import PATIENCE

pytestmark = pytest.mark.once


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script(invoke: Invoke, shell: str) -> None:
    """Each shell has a script, which contains every command."""
    done = invoke("completion", shell)

    assert (done.exit_code, done.err) == (0, "")
    for command in ("listen", "ensure", "--owned-by"):
        assert command in done.out


def test_bash_completes() -> None:
    """In bash, commands and options are completed, and so are Webex's words."""
    script = (
        finished("completion", "bash").out
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

    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [
        ["list", "listen"],
        ["--owned-by"],
        ["attachmentActions"],
    ]
    assert done.stderr == ""
