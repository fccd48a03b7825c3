import asyncio
from typing import Any

import httpx
import pytest

from tests.support.wire import Wire
from tests.testing.doubles import FakeClock
from webex_webhooks_async import (
    Client,
    NewWebhook,
    Webhook,
    WebhookUpdate,
)
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.notifications.parsing import parse_notification
from webex_webhooks_async.testing import Delivery, RecordedRequest, Sandbox

SECRET = "s3cret"


def wanted(**changes: str) -> NewWebhook:
    """A webhook that watches messages."""
    fields = {
        "name": "Messages",
        "target_url": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
    }
    return NewWebhook(**{**fields, **changes})


def target_of(status: int = 204) -> httpx.AsyncClient:
    """Every target responds with this status."""
    return httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: httpx.Response(status)))


def client_of(sandbox: Sandbox) -> Client:
    """A client that reaches a sandbox without a socket."""
    return Client("token", http_client=sandbox.http_client())


async def test_our_client_finds_it_unasked(webex_sandbox: Sandbox) -> None:
    """The client needs no base URL to find the sandbox, and follows its pages."""
    async with client_of(webex_sandbox) as client:
        made = [await client.webhooks.create(wanted(name=name)) for name in "ABC"]
        listed = [each async for each in client.webhooks.list(max=2)]

    assert listed == made
    assert webex_sandbox.webhooks == tuple(made)


async def test_what_happens_as_it_happens() -> None:
    """on_request and on_delivery are called with each request and delivery, after its outcome."""
    seen: list[RecordedRequest | Delivery] = []
    async with target_of() as targets:
        sandbox = Sandbox(deliver_with=targets, on_request=seen.append, on_delivery=seen.append)
        async with client_of(sandbox) as client:
            await client.webhooks.create(wanted())
            await sandbox.emit("messages", "created")

    assert [each.status_code for each in seen] == [200, 204]
    assert (*sandbox.requests, *sandbox.deliveries) == tuple(seen)


async def test_what_is_recorded_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last requests and deliveries are kept."""
    for module in ("sandbox", "deliveries"):
        monkeypatch.setattr(f"webex_webhooks_async.testing.{module}.MAX_RECORDED", 2)
    async with target_of() as targets:
        sandbox = Sandbox(deliver_with=targets)
        async with client_of(sandbox) as client:
            await client.webhooks.create(wanted())
            for _ in range(3):
                await client.webhooks.list()
                await sandbox.emit("messages", "created")

    assert [each.method for each in sandbox.requests] == ["GET", "GET"]
    assert len(sandbox.deliveries) == 2


async def test_the_bots_own_action() -> None:
    """The bot's own action has its id and its address."""
    async with target_of() as targets:
        sandbox = Sandbox(deliver_with=targets)
        async with client_of(sandbox) as client:
            await client.webhooks.create(wanted(secret=SECRET))

        (delivery,) = await sandbox.emit("messages", "created", actor_id=sandbox.bot.id)

    notification = parse_notification(delivery.body, delivery.headers, secrets=SECRET)
    assert notification.is_own_action
    assert isinstance(notification.data, MessageData)
    assert notification.data.person_email == sandbox.bot.email


async def test_switched_off_and_on_again() -> None:
    """A hundred failures switch off; a PUT switches on; one failure soon after, off again.

    A PUT of an active webhook doesn't switch on, so it still has a hundred failures.
    """
    clock = FakeClock()
    async with target_of(500) as targets:
        sandbox = Sandbox(clock=clock, deliver_with=targets)
        async with client_of(sandbox) as client:
            webhook = await client.webhooks.create(wanted())

            async def switch_on() -> Webhook:
                return await client.webhooks.update(
                    webhook.id, WebhookUpdate.of(webhook, status="active")
                )

            async def fail(times: int) -> str | None:
                for _ in range(times):
                    await sandbox.emit("messages", "created")
                return sandbox.webhooks[0].status

            statuses = [
                (await switch_on()).status,
                await fail(99),
                await fail(1),
                (await switch_on()).status,
                await fail(1),
                (await switch_on()).status,
            ]
            clock.advance(minutes=6)
            statuses += [await fail(99), await fail(1)]

    assert statuses == [
        "active",
        "active",
        "inactive",
        "active",
        "inactive",
        "active",
        "active",
        "inactive",
    ]


async def test_a_slow_target() -> None:
    """A target has delivery_timeout seconds for its whole response."""

    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    endless = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1")
    transports = {"all://": httpx.MockTransport(never), "all://127.0.0.1": None}
    async with endless, httpx.AsyncClient(mounts=transports, trust_env=False) as targets:
        sandbox = Sandbox(deliver_with=targets, delivery_timeout=0.05)
        async with client_of(sandbox) as client:
            for target in (wanted(), wanted(target_url=endless.origin)):
                await client.webhooks.create(target)
        deliveries = await sandbox.emit("messages", "created")

    assert [each.error for each in deliveries] == ["no response within 0.05 seconds"] * 2


async def test_a_target_has_the_whole_time() -> None:
    """No timeout of the HTTP client's own ends a delivery before delivery_timeout."""
    timeouts: list[object] = []

    def respond(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"])
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond), timeout=0.1) as targets:
        sandbox = Sandbox(deliver_with=targets, delivery_timeout=20)
        async with client_of(sandbox) as client:
            await client.webhooks.create(wanted())
        await sandbox.emit("messages", "created")

    assert timeouts == [{}]


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_no_time_at_all(timeout: float) -> None:
    """A timeout that isn't positive is refused."""
    with pytest.raises(ValueError, match="delivery_timeout"):
        Sandbox(delivery_timeout=timeout)


@pytest.mark.parametrize("app", ["bot:app", 5])
def test_deliver_to_something_else(webex_sandbox: Sandbox, app: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """`deliver_to` refuses anything but an application."""
    with pytest.raises(TypeError, match="app must be an ASGI application or None, got"):
        webex_sandbox.deliver_to(app)


@pytest.mark.parametrize(
    ("token", "error", "match"),
    [("", ValueError, "token is empty"), (None, TypeError, "token must be str, got NoneType")],
)
def test_only_a_token_is_revoked(
    webex_sandbox: Sandbox,
    token: Any,  # noqa: ANN401 - mistakes
    error: type[Exception],
    match: str,
) -> None:
    """What can't be a token is refused, since revoking it has no effect."""
    with pytest.raises(error, match=match):
        webex_sandbox.revoke(token)
