import io
import re

import pytest
from rich.console import Console

from webex_webhooks_async import Webhook
from webex_webhooks_async.cli.rendering.webhooks import (
    print_webhook,
    print_webhooks,
    webhook_document,
)

ID = "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh"
CARDS = Webhook(
    id=ID,
    name="bot:cards",
    target_url="https://example.com/webex",
    resource="attachmentActions",
    event="created",
    filter="roomId=Y2lz",
    status="active",
)
ROOMS = Webhook(
    id="2", name="bot:rooms", target_url="https://example.com", resource="rooms", event="updated"
)


def printed(columns: int, *webhooks: Webhook) -> list[str]:
    """A table on a terminal, without its colours."""
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    print_webhooks(console, webhooks)
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


def test_a_wide_terminal() -> None:
    """On a wide terminal, a webhook is one line."""
    assert printed(200, CARDS, ROOMS) == [
        "NAME       STATUS  WATCHES                    TARGET                     FILTER       ID",
        (
            "bot:cards  active  attachmentActions created  https://example.com/webex  "
            f"roomId=Y2lz  {ID}"
        ),
        "bot:rooms  -       rooms updated              https://example.com                     2",
    ]


def test_a_narrow_terminal() -> None:
    """Columns that don't fit are printed below, and nothing is cut off."""
    assert printed(60, CARDS, ROOMS) == [
        "NAME       STATUS  WATCHES",
        "bot:cards  active  attachmentActions created",
        "  https://example.com/webex",
        "  roomId=Y2lz",
        f"  {ID}",
        "bot:rooms  -       rooms updated",
        "  https://example.com",
        "  2",
    ]


def test_a_terminal_that_is_too_narrow() -> None:
    """A long name isn't cut off, and comes first."""
    assert printed(5, ROOMS)[:3] == ["NAME", "bot:rooms", "  -"]


def test_what_webex_added(capsys: pytest.CaptureFixture[str]) -> None:
    """Members that the package doesn't know are shown too."""
    webhook = Webhook(
        id="1", name="n", target_url="https://e.com", resource="r", event="e", extra={"new": [1]}
    )

    print_webhook(Console(), webhook, show_secret=False)

    assert "new      [1]\n" in capsys.readouterr().out
    assert webhook_document(webhook, show_secret=False)["new"] == [1]


def test_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """For a webhook without a secret, the risk is shown."""
    print_webhook(Console(), ROOMS, show_secret=True)

    assert "secret   none: nothing proves" in capsys.readouterr().out
