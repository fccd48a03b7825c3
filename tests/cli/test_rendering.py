import io
import re
from typing import Any

import pytest
from attrs import evolve

from webex_webhooks_async import Webhook
from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.rendering import (
    print_notification,
    print_webhooks,
    status_code_text,
    webhook_document,
)
from webex_webhooks_async.cli.running import CommandError

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
    console, file = stdout(), io.StringIO()
    console.width, console.file = columns, file
    print_webhooks(console, webhooks)
    return file.getvalue().splitlines()


def test_a_wide_terminal() -> None:
    """On a terminal that is just wide enough, a webhook is one line."""
    lines = [
        "NAME       STATUS  WATCHES                    TARGET                     FILTER       ID",
        (
            "bot:cards  active  attachmentActions created  https://example.com/webex  "
            f"roomId=Y2lz  {ID}"
        ),
        "bot:rooms  -       rooms updated              https://example.com                     2",
    ]
    assert printed(max(map(len, lines)), CARDS, ROOMS) == lines


def test_a_narrow_terminal() -> None:
    """Columns that don't fit are printed below, and nothing is cut off; the name comes first."""
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
    assert printed(5, ROOMS)[:3] == ["NAME", "bot:rooms", "  -"]


def test_what_is_nested_too_deeply() -> None:
    """A webhook that can't be printed is an error of one line."""
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}

    with pytest.raises(CommandError, match="nested too deeply"):
        webhook_document(evolve(ROOMS, extra={"b": deep}), show_secret=False)


NOTIFICATION: dict[str, Any] = {"resource": "messages", "event": "created"}


@pytest.mark.parametrize(
    ("status_code", "text", "style"),
    [
        (200, "200 OK", "green"),
        (302, "302 Found", ""),
        (404, "404 Not Found", "yellow"),
        (599, "599", "red"),
        (None, "no response", "red"),
    ],
)
def test_a_status(status_code: int | None, text: str, style: str) -> None:
    """A status is shown with its number and, if it has one, its phrase."""
    shown = status_code_text(status_code)

    assert (shown.plain, shown.style) == (text, style)


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"data": {"id": "1", "personEmail": "me@e.com"}}, [" by me@e.com", "id", "personEmail"]),
        ({"actorId": "A", "createdBy": "B", "data": {}}, [" by A"]),
        ({"actorId": "A", "createdBy": "A"}, [" by A (the webhook's own creator)"]),
        ({"data": [], "createdBy": None}, [""]),
        ({"data": {"parts": {"a": None}, "n": 1}}, ["", "parts", "n"]),
    ],
)
def test_a_notification(
    capsys: pytest.CaptureFixture[str], more: dict[str, Any], lines: list[str]
) -> None:
    """It prints what happened, who did it if that is known, and all data."""
    print_notification(stdout(), NOTIFICATION | more)

    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d messages created{re.escape(lines[0])}", first)
    assert [line.split()[0] for line in rest] == lines[1:]
