"""The bot's tests. They need no account and no network."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from webex_webhooks_async.testing import Sandbox

PROGRAM = Path(__file__).with_name("main.py")


@pytest.fixture
async def http_client(
    webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the application, which runs as in production, with the sandbox as its Webex."""
    (tmp_path / "secrets").write_text("a-secret-of-the-tests", encoding="utf-8")
    monkeypatch.setenv("DOMAIN", "example.com")
    monkeypatch.setenv("SECRETS_FILE", str(tmp_path / "secrets"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    async with (
        webex_sandbox.run(f"{PROGRAM}:create_app") as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lunch") as client,
    ):
        yield client


async def test_an_order(http_client: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """The bot offers a card in a thread, confirms what is submitted, and measures both."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    offer = await webex_sandbox.next_reply(timeout=30)
    await webex_sandbox.submit(offer.id, {"dish": "Pasta"}, person="ann@example.com")

    assert offer.parent_id == webex_sandbox.messages[0].id
    assert (await webex_sandbox.next_reply(timeout=30)).text == "Ordered: Pasta"
    metrics = (await http_client.get("/metrics")).text
    assert 'count{outcome="handled",route="message offer"} 1.0' in metrics


async def test_only_colleagues_get_a_reply(
    http_client: httpx.AsyncClient, webex_sandbox: Sandbox
) -> None:
    """Others are ignored, but the application can write to them."""
    await webex_sandbox.say("Hello", person="eve@example.org")
    await http_client.post("/lunch-is-ready/eve@example.org")

    assert (await webex_sandbox.next_reply(timeout=30)).text == "Lunch is ready!"


@pytest.mark.usefixtures("http_client")
async def test_secrets_change_without_a_restart(webex_sandbox: Sandbox, tmp_path: Path) -> None:
    """What is signed with the old secret is accepted for as long as the file has it."""
    statuses: list[int | None] = []
    for secrets in ("new a-secret-of-the-tests", "new"):
        (tmp_path / "secrets").write_text(secrets, encoding="utf-8")
        (delivery,) = await webex_sandbox.say(f"The secret is {secrets}", person="ann@example.org")
        statuses.append(delivery.status_code)

    assert statuses == [204, 401]


async def test_health(http_client: httpx.AsyncClient) -> None:
    """The route says whether the bot is ready, and what waits and has failed."""
    health = await http_client.get("/health")

    assert health.status_code == 200
    assert health.json() == {"ready": True, "waiting": 0, "failed": 0}
