"""The program docs/examples/go_sdk_handler.py, served by its own server on loopback."""

import httpx
import pytest

from tests.examples.serving import EXAMPLES, Program
from webex_webhooks_async import sign
from webex_webhooks_async.testing import sample_notification

pytestmark = pytest.mark.once

SECRET = "mySecretToValidateRequests"
PERSON = {"personEmail": "alex@example.com", "roomId": "R1"}


async def test_it_prints_what_the_original_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads the header that the original reads, and prints the same for each notification.

    A request without a signature, which the original accepts, gets a 401, and nothing is printed.
    """
    program = Program.load(EXAMPLES / "go_sdk_handler.py", monkeypatch)
    prints = {
        ("messages", "created"): ["New message from alex@example.com in room R1"],
        ("messages", "deleted"): [],
        ("memberships", "created"): ["Membership event: created"],
        ("memberships", "deleted"): ["Membership event: deleted"],
        ("attachmentActions", "created"): [],
    }
    async with program.serving() as url, httpx.AsyncClient(trust_env=False) as webex:
        for (resource, event), expected in prints.items():
            body = sample_notification(resource, event, data=PERSON)
            headers = {"X-Webex-Signature": sign(body, SECRET)["X-Spark-Signature"]}
            response = await webex.post(url, content=body, headers=headers)

            assert response.status_code == 204
            first = f"Received webhook: {resource} - {event}"
            assert capsys.readouterr().out.splitlines() == [first, *expected]
        refused = await webex.post(url, content=sample_notification("messages", "created"))

    assert (refused.status_code, capsys.readouterr().out) == (401, "")
