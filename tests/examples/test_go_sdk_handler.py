"""The program docs/examples/go_sdk_handler.py, served by its own server on loopback."""

import httpx
import pytest

from tests.examples.serving import EXAMPLES, Program
from webex_webhooks_async import sign
from webex_webhooks_async.testing import sample_notification

pytestmark = pytest.mark.once

SECRET = "mySecretToValidateRequests"
PERSON = {"personEmail": "alex@example.com", "roomId": "R1"}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program as its operator starts it."""
    return Program.load(EXAMPLES / "go_sdk_handler.py", monkeypatch)


@pytest.mark.parametrize(
    ("resource", "event", "expected"),
    [
        ("messages", "created", ["New message from alex@example.com in room R1"]),
        ("messages", "deleted", []),
        ("memberships", "created", ["Membership event: created"]),
        ("memberships", "deleted", ["Membership event: deleted"]),
        ("attachmentActions", "created", []),
    ],
)
async def test_it_prints_what_the_original_prints(
    program: Program,
    capsys: pytest.CaptureFixture[str],
    resource: str,
    event: str,
    expected: list[str],
) -> None:
    """It reads the header that the original reads, and prints the same for each notification."""
    body = sample_notification(resource, event, data=PERSON)
    headers = {"X-Webex-Signature": sign(body, SECRET)["X-Spark-Signature"]}
    async with program.serving() as url, httpx.AsyncClient(trust_env=False) as webex:
        response = await webex.post(url, content=body, headers=headers)

    assert response.status_code == 204
    assert capsys.readouterr().out.splitlines() == [
        f"Received webhook: {resource} - {event}",
        *expected,
    ]


async def test_it_refuses_what_the_original_accepts(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request without a signature gets a 401, and nothing is printed."""
    async with program.serving() as url, httpx.AsyncClient(trust_env=False) as stranger:
        response = await stranger.post(url, content=sample_notification("messages", "created"))

    assert (response.status_code, capsys.readouterr().out) == (401, "")
