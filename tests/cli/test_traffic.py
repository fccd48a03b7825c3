import json
import re
from typing import Any

import pytest

from tests.testing.doubles import webhook
from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.traffic import print_delivery
from webex_webhooks_async.testing import Delivery
from webex_webhooks_async.testing.delivering.reasons import SWITCHED_OFF


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({"actorId": "BOT", "createdBy": "BOT"}, " (its own message)"),
        ({"actorId": "ANN", "createdBy": "BOT"}, ""),
        ({"actorId": "BOT", "createdBy": "BOT", "resource": "rooms"}, ""),
        ({}, ""),
    ],
)
def test_a_message_of_the_bots_own(
    capsys: pytest.CaptureFixture[str], members: dict[str, str], shown: str
) -> None:
    """A bot is also notified of what it wrote, and the line says so."""
    body = json.dumps({"resource": "messages", "event": "created", "data": {}, **members}).encode()
    url = "https://example.com/hook"

    print_delivery(
        stdout(), Delivery(webhook=webhook(), url=url, body=body, headers={}, status_code=204)
    )

    assert capsys.readouterr().out.endswith(f" {url} 204 No Content{shown}\n")


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (
            {"status_code": 204, "handler_error": "KeyError: 'dish'"},
            "204 No Content; a handler raised KeyError: 'dish'",
        ),
        ({"error": "ConnectError: refused"}, "ConnectError: refused"),
        (
            {"status_code": 500, "switched_off": True},
            f"500 Internal Server Error; the webhook {SWITCHED_OFF}",
        ),
    ],
)
def test_a_delivery(
    capsys: pytest.CaptureFixture[str], outcome: dict[str, Any], shown: str
) -> None:
    """A delivery is one line: what happened, where it was sent, and the outcome, without data."""
    delivery = Delivery(
        webhook=webhook(resource="all", event="all"),
        url="https://example.com/hook",
        body=b'{"resource": "messages", "event": "created", "data": {"id": "canary"}}',
        headers={"x-spark-signature": "canary"},
        **outcome,
    )

    print_delivery(stdout(), delivery)

    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d →      messages created https://example\.com/hook {re.escape(shown)}\n",
        capsys.readouterr().out,
    )
