"""The figures on the pages, beside those of the code."""

# pyright: reportPrivateUsage=false

from collections.abc import Sequence
from pathlib import Path

import pytest

from webex_webhooks_async import formatting
from webex_webhooks_async.bot import access, bot, catch_up, router, start
from webex_webhooks_async.bot.contexts import questions
from webex_webhooks_async.cli.listen import tunnels
from webex_webhooks_async.client import bodies, pool, restraint
from webex_webhooks_async.handling import duplicates, inbox_worker, outcomes, sandbox_reports
from webex_webhooks_async.inbox import base, sqlite_file
from webex_webhooks_async.inbox.postgres import connections
from webex_webhooks_async.notifications import signatures
from webex_webhooks_async.receiving import serving
from webex_webhooks_async.testing.service import calls, meetings, messages, rooms, state

pytestmark = pytest.mark.once

DOCS = Path(__file__).parents[1] / "docs"
WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 10: "ten", 11: "eleven", 20: "twenty"}
SPANS = {30: "half a minute", 900: "quarter of an hour", 3600: "an hour", 86_400: "a day"}


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
        ("explanation/signatures", f"as it remembers the original: {span(duplicates._SECONDS)}"),
        ("how-to/catch-up", f"The default is this {span(catch_up._DEFAULT)}"),
        ("how-to/catch-up", f"and {span(catch_up._TOLERANCE.total_seconds())} before, because"),
        ("how-to/catch-up", f"begins again within {span(catch_up._CLAIMED_SECONDS)}"),
        ("how-to/catch-up", f"{words(catch_up._REQUESTS_PER_SECOND)} requests a second at most"),
        ("how-to/catch-up", f"{span(catch_up._AFTER_A_429)} longer than Webex asks for"),
        ("how-to/catch-up", f"More than {catch_up._MOST:,} rooms or messages"),
        ("how-to/catch-up", f"within {span(inbox_worker._SECONDS_TO_ANSWER)} after the start"),
        ("how-to/conversation", f"The default is {span(questions._TEXT_SECONDS)} for a text"),
        ("how-to/conversation", f"and {span(questions._CARD_SECONDS)} for a card"),
        ("how-to/jobs-and-schedules", f"then {span(outcomes._LONGEST_PAUSE)}, each"),
        ("how-to/jobs-and-schedules", f"After {words(inbox_worker._MAX_OUTAGES)} returns of one"),
        ("how-to/jobs-and-schedules", f"at most one a {span(base.OUTAGE_SECONDS)[4:]}, the error"),
        ("how-to/several-machines", f"back for {span(inbox_worker._OTHER_VERSION_SECONDS)}, up"),
        ("how-to/several-machines", f"{words(inbox_worker._OTHER_VERSION_RELEASES)} times, so"),
        (
            "how-to/several-machines",
            f"tries for more every {connections._SECONDS_UNTIL_MORE:g} seconds",
        ),
        ("how-to/many-requests", f"closes a connection {span(pool.KEEPALIVE_SECONDS)} after its"),
        ("how-to/what-holds", f"recorded within {span(inbox_worker._SECONDS_TO_RECORD)} is lost"),
        ("how-to/what-holds", f"locks it for {span(sqlite_file.LOCKED_SECONDS)}, the response"),
        ("reference/bot", f"takes longer than {start._LONGEST_START:g} seconds"),
        ("reference/bot", f"up to {start._LAST_PAUSE:g} seconds"),
        ("reference/bot", f"comes after {bot._RESPOND_WITHIN:g} seconds at the latest"),
        ("reference/bot", f"may be {span(access._PERSON_SECONDS)} old"),
        ("reference/bot", f"is less than {router._LEAST_DELAY:g} seconds"),
        ("reference/client", f"no leading dot, {bodies._MAX_NAME} bytes at most"),
        ("reference/command-line", f"ngrok at {ports(tunnels.ON_THIS_MACHINE.ngrok)}"),
        ("reference/command-line", f"flared at {ports(tunnels.ON_THIS_MACHINE.cloudflared)}"),
        ("reference/errors", f"Secrets of fewer than {formatting._MIN_SECRET} characters"),
        ("reference/inbox", f"{words(connections._MAX_CONNECTIONS)} connections at most"),
        ("reference/receiver", f"the last {duplicates._MOST:,} that it has handled"),
        ("reference/receiver", f"killed {words(inbox_worker._MAX_EXPIRIES)} times while"),
        ("reference/receiver", f"ended {span(serving._PATIENCE)} later is abandoned"),
        (
            "reference/receiver",
            f"more than {signatures._MAX_BYTES:,} bytes or {signatures._MAX_PARTS} parts",
        ),
        ("reference/sandbox", f"for {words(meetings._LINKS_LIFETIME.seconds / 3600)} hours;"),
        ("reference/sandbox", f"by default {messages._PAGE_SIZE} messages, and"),
        ("reference/sandbox", f"and {calls.PAGE_SIZE} of anything else; at most"),
        ("reference/sandbox", f"at most {rooms._MAX_PAGE_SIZE:,} rooms"),
        ("reference/sandbox", f"more than {messages.MAX_FILE // 2**20} MB and an eleventh edit"),
        ("reference/sandbox", f"{words(messages.MAX_EDITS + 1)}th edit"),
        ("reference/testing", f"one line of at most {sandbox_reports._MOST} characters"),
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
