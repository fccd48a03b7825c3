"""The programs in docs/examples, run as a reader would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def run(program: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on a machine that has no Webex account."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WEBEX_")}
    return subprocess.run(
        [sys.executable, "-W", "error", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs_without_an_account(program: Path) -> None:
    """Each program ends well, with no error and no warning."""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_life_of_a_webhook() -> None:
    """The lifecycle example lists, creates, gets, updates and deletes."""
    assert run(EXAMPLES / "lifecycle.py").stdout.splitlines() == [
        "created My Message Webhook",
        "it posts to https://example.com/webhook-receiver",
        "it is now My Updated Webhook",
        "deleted",
    ]
