"""The figures on the pages, beside those of the code."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from webex_webhooks_async.cli.listen import tunnels
from webex_webhooks_async.client import pool, restraint
from webex_webhooks_async.inbox import base, sqlite_file
from webex_webhooks_async.testing.service import calls, messages, state

pytestmark = pytest.mark.once

DOCS = Path(__file__).parents[1] / "docs"
WORDS = {1: "one", 2: "two", 5: "five", 10: "ten", 11: "eleven"}
SPANS = {3600: "an hour"}


def words(number: float) -> str:
    """A number, in words if it is small."""
    return WORDS.get(int(number), f"{number:,}") if number == int(number) else f"{number:,}"


def span(seconds: float) -> str:
    """A time, in words."""
    if seconds in SPANS:
        return SPANS[int(seconds)]
    number, unit = (seconds, "second") if seconds < 60 else (seconds / 60, "minute")
    return f"{words(number)} {unit}{'s' * (number != 1)}"


def ports(numbers: Sequence[int]) -> str:
    """A range of ports."""
    return f"ports {numbers[0]} to {numbers[-1]}"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("how-to/jobs-and-schedules", f"at most one a {span(base.OUTAGE_SECONDS)[4:]}, the error"),
        ("how-to/many-requests", f"closes a connection {span(pool.KEEPALIVE_SECONDS)} after its"),
        ("how-to/inbox", f"locks it for {span(sqlite_file.LOCKED_SECONDS)}, the response"),
        ("reference/command-line", f"ngrok at {ports(tunnels.ON_THIS_MACHINE.ngrok)}"),
        ("reference/command-line", f"flared at {ports(tunnels.ON_THIS_MACHINE.cloudflared)}"),
        ("reference/sandbox", f"and {calls.PAGE_SIZE} of anything else; at most"),
        ("reference/sandbox", f"more than {messages.MAX_FILE // 2**20} MB and an eleventh edit"),
        ("reference/sandbox", f"{words(messages.MAX_EDITS + 1)}th edit"),
        ("reference/webhooks", f"again within {span(restraint.REACTIVATION_COOLDOWN)} after it"),
        (
            "reference/webhooks",
            f"after {state.MAX_FAILURES} failures in {state.WINDOW.seconds // 60} minutes",
        ),
    ],
)
def test_a_page_has_the_figures_of_the_code(page: str, text: str) -> None:
    """A limit, a time or a number that a page promises is the one that counts."""
    assert text in " ".join((DOCS / f"{page}.md").read_text(encoding="utf-8").split())
