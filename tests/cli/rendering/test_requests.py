import re
from typing import Any

import pytest
from rich.console import Console

from tests.testing.doubles import webhook
from webex_webhooks_async.cli.rendering.requests import (
    print_delivery,
    print_notification,
    print_request,
    print_response,
    status_code_text,
)
from webex_webhooks_async.testing import Delivery, RecordedRequest

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


def test_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A request is one line without its headers and its body."""
    request = RecordedRequest(
        method="POST",
        path="/v1/webhooks",
        headers={"authorization": "Bearer canary"},
        body=b"canary",
        status_code=None,
        tracking_id="ROUTER_1",
    )

    print_request(Console(), request)

    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST   /v1/webhooks no response ROUTER_1\n", capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        ({"status_code": 204}, "204 No Content"),
        ({"error": "ConnectError: refused"}, "ConnectError: refused"),
        (
            {"status_code": 500, "switched_off": True},
            "500 Internal Server Error; the webhook was switched off",
        ),
    ],
)
def test_a_delivery(
    capsys: pytest.CaptureFixture[str], outcome: dict[str, Any], shown: str
) -> None:
    """A delivery is one line with its URL and its outcome, without its body."""
    delivery = Delivery(
        webhook=webhook(),
        url="https://example.com/hook",
        body=b"canary",
        headers={"x-spark-signature": "canary"},
        **outcome,
    )

    print_delivery(Console(), delivery)

    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d →      https://example\.com/hook {re.escape(shown)}\n",
        capsys.readouterr().out,
    )


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
    print_notification(Console(), NOTIFICATION | more)

    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d messages created{re.escape(lines[0])}", first)
    assert [line.split()[0] for line in rest] == lines[1:]


def test_a_long_response(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the beginning of a long response is printed."""
    print_response(Console(), 200, "line\n" * 100)

    assert capsys.readouterr().out.splitlines() == ["→ 200 OK", *["  line"] * 20]
