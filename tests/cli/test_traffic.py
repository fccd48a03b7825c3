import json
import re
from typing import Any

import pytest

from tests.testing.doubles import webhook
from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.traffic import print_delivery
from webex_webhooks_async.testing import Delivery
from webex_webhooks_async.testing.delivering.reasons import SWITCHED_OFF

OK = {"status_code": 204}


@pytest.mark.parametrize(
    ("outcome", "members", "shown"),
    [
        (OK, {"actorId": "BOT", "createdBy": "BOT"}, "204 No Content (its own message)"),
        (OK, {"actorId": "ANN", "createdBy": "BOT"}, "204 No Content"),
        (OK, {"actorId": "BOT", "createdBy": "BOT", "resource": "rooms"}, "204 No Content"),
        (
            {**OK, "handler_error": "KeyError: 1"},
            {},
            "204 No Content; a handler raised KeyError: 1",
        ),
        ({"error": "ConnectError: refused"}, {}, "ConnectError: refused"),
        (
            {"status_code": 500, "switched_off": True},
            {},
            f"500 Internal Server Error; the webhook {SWITCHED_OFF}",
        ),
    ],
)
def test_a_delivery(
    capsys: pytest.CaptureFixture[str], outcome: dict[str, Any], members: dict[str, str], shown: str
) -> None:
    """A delivery is one line: what happened, where it was sent, and the outcome, without data."""
    happened = {"resource": "messages", "event": "created", "data": {"id": "canary"}, **members}
    delivery = Delivery(
        webhook=webhook(resource="all", event="all"),
        url="https://example.com/hook",
        body=json.dumps(happened).encode(),
        headers={"x-spark-signature": "canary"},
        **outcome,
    )

    print_delivery(stdout(), delivery)

    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d →      {happened['resource']} created https://example\.com/hook "
        rf"{re.escape(shown)}\n",
        capsys.readouterr().out,
    )
