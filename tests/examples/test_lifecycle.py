"""The program docs/examples/lifecycle.py, run as a reader would."""

import os
import subprocess
import sys

import pytest

from tests.examples.serving import EXAMPLES

pytestmark = pytest.mark.once


def test_the_life_of_a_webhook_needs_no_account() -> None:
    """Without a token it lists, creates, gets, updates and deletes webhooks of a sandbox."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "lifecycle.py"],
        env={name: value for name, value in os.environ.items() if not name.startswith("WEBEX_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "created My Message Webhook",
        "it posts to https://example.com/webhook-receiver",
        "it is now My Updated Webhook",
        "deleted",
    ]
