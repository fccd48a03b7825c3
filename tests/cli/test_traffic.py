import re
from typing import Any

import pytest
from rich.console import Console

from tests.testing.doubles import webhook
from webex_webhooks_async.cli.traffic import print_delivery
from webex_webhooks_async.testing import Delivery


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
