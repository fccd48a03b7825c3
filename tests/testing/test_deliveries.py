import asyncio
import json
import socket
from collections.abc import Callable, Coroutine

import attrs
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.wire import (
    PATIENCE,
    Wire,
    http_response,
    raw_http_response,
    reset,
    unused_port,
)
from tests.testing.doubles import FakeClock, webhook
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.signatures import verify
from webex_webhooks_async.testing import Delivery
from webex_webhooks_async.testing.deliveries import DeliveryService
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.sandbox_person import fake_person
from webex_webhooks_async.testing.service.state import State

CANARY = "canary"

Target = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


class Delivering:
    """A delivery service with all that it needs, and what it recorded.

    Attributes:
        store: The webhooks.
        failures: The failed attempts.
        recorded: The deliveries, in the order of their outcomes.
        responses: The bodies of their responses.
        service: The service.
    """

    def __init__(
        self,
        *webhooks: Webhook,
        target: Target | None = None,
        http_client: httpx.AsyncClient | None = None,
        timeout: float = PATIENCE,
        allow_remote: bool = False,
    ) -> None:
        state = State(bot=fake_person(person_id="BOT"), clock=FakeClock())
        self.store = state.webhooks
        self.failures = state.failures
        for each in webhooks:
            self.store.put(each.id, each)
        self.recorded: list[Delivery] = []
        self.responses: list[bytes] = []
        if target is not None:
            http_client = httpx.AsyncClient(transport=httpx.MockTransport(target))
        self.service = DeliveryService(
            state=state,
            http_client=http_client,
            allow_remote=allow_remote,
            timeout=timeout,
            record=self._record,
            amend=lambda _before, _after: None,
            raises=lambda: False,
            raise_later=lambda _error: None,
        )

    def _record(self, delivery: Delivery, response: bytes) -> None:
        self.recorded.append(delivery)
        self.responses.append(response)

    async def emit(self, resource: str = "messages", event: str = "created") -> list[Delivery]:
        """Deliver an event."""
        data = {"id": "M1"}
        happened = WebexEvent(resource=resource, event=event, actor_id="P", data=data)
        return [each.delivery for each in await self.service.deliver(happened, by_api=False)]

    def status_of(self, webhook_id: str) -> str | None:
        """Return a webhook's status."""
        found = self.store.get(webhook_id)
        return found.status if found else None


def active(**fields: str | None) -> Webhook:
    """An active webhook."""
    return webhook(**{"status": "active", **fields})


def responding(status: int) -> Target:
    """A target with one response to everything."""

    async def target(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status)

    return target


async def test_a_delivery() -> None:
    """A signed notification is sent to the target, and its outcome is returned and recorded.

    Its repr, which failing tests print, shows what came of it, and no secret.
    """
    async with Wire(http_response(204)) as wire:
        watching = active(target_url=f"{wire.origin}/hook?x=1", secret=CANARY, filter="id=M1")
        delivering = Delivering(watching)

        (delivery,) = await delivering.emit()

    (request,) = wire.requests
    assert (request.method, request.target) == ("POST", "/hook?x=1")
    assert json.loads(request.body) == {
        "id": "W1",
        "name": "Messages",
        "targetUrl": watching.target_url,
        "resource": "messages",
        "event": "created",
        "filter": "id=M1",
        "status": "active",
        "ownedBy": "creator",
        "createdBy": "BOT",
        "actorId": "P",
        "data": {"id": "M1"},
    }
    assert request.headers["content-type"] == "application/json"
    assert delivery == Delivery(
        webhook=watching,
        url=watching.target_url,
        body=request.body,
        headers={**request.headers},
        status_code=204,
    )
    assert delivery.ok
    assert delivering.recorded == [delivery]
    verify(request.body, request.headers, CANARY)
    assert repr(delivery) == (
        f"Delivery(webhook='Messages', url={watching.target_url!r}, status_code=204, "
        "error=None, switched_off=False, location=None, handler_error=None)"
    )
    assert len({delivery}) == 1


async def test_who_is_notified() -> None:
    """Every active webhook that watches is notified, oldest first, and no other."""
    delivering = Delivering(
        active(id="1"),
        active(id="2", status="inactive"),
        active(id="3", resource="rooms"),
        active(id="4", filter="roomId=elsewhere"),
        active(id="5", resource="all", event="all"),
        target=responding(200),
    )

    one, other = await delivering.emit()

    assert [each.webhook.id for each in (one, other)] == ["1", "5"]
    envelopes = [json.loads(each.body) for each in (one, other)]
    assert [each["id"] for each in envelopes] == ["1", "5"]
    assert envelopes[0]["data"] == envelopes[1]["data"]


async def test_redirects_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect is a failure, and isn't followed; a proxy in the environment is ignored."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    async with Wire(http_response(307, b"", "Location: /elsewhere")) as wire:
        (delivery,) = await Delivering(active(target_url=wire.origin)).emit()

    assert (delivery.ok, delivery.status_code, delivery.error) == (False, 307, None)
    assert wire.targets == ["/"]


async def test_a_client_of_ones_own() -> None:
    """A given client is used and left open; its own headers, auth and redirects are ignored."""
    seen: list[httpx.Request] = []

    async def target(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"Location": "/elsewhere"})

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(target),
        follow_redirects=True,
        auth=("user", CANARY),
        headers={"X-Own": CANARY},
    ) as client:
        await Delivering(active(), http_client=client).emit()

        assert not client.is_closed
    assert len(seen) == 1
    assert seen[0].headers.keys().isdisjoint({"authorization", "x-own"})


async def test_no_response() -> None:
    """A connection error is the error of the delivery; nothing is raised."""
    async with Wire(reset) as wire:
        delivering = Delivering(
            active(id="1", target_url=f"http://127.0.0.1:{unused_port()}/"),
            active(id="2", target_url=wire.origin),
        )
        absent, broken_off = await delivering.emit()

    assert [(each.ok, each.status_code) for each in (absent, broken_off)] == [(False, None)] * 2
    assert absent.error == "nothing listens there: is your bot running?"
    assert (broken_off.error or "").startswith("ReadError")


async def test_a_response_that_would_fill_the_memory() -> None:
    """Only the status counts: a large body isn't read on, and one in two codings not at all."""
    size = 100_000_000
    large = raw_http_response(200, bytes(100_000), f"Content-Length: {size}")
    bomb = http_response(200, b"not gzip", "Content-Encoding: gzip, gzip")
    async with Wire(large, bomb) as wire:
        delivering = Delivering(active(target_url=wire.origin))
        deliveries = [*await delivering.emit(), *await delivering.emit()]

    assert [each.status_code for each in deliveries] == [200, 200]


async def test_deliveries_are_concurrent() -> None:
    """A slow target doesn't delay another one."""
    both = asyncio.Barrier(2)

    async def target(_request: httpx.Request) -> httpx.Response:
        await both.wait()
        return httpx.Response(200)

    delivering = Delivering(active(id="1"), active(id="2"), target=target)

    assert [each.ok for each in await delivering.emit()] == [True, True]


async def test_what_does_not_switch_off() -> None:
    """Successes switch no webhook off, and neither do the failures of another one."""
    failing = Delivering(active(id="1"), active(id="2"), target=responding(500))
    accepting = Delivering(active(id="3"), target=responding(204))

    for delivering in [failing] * 99 + [accepting] * 101:
        await delivering.emit()

    assert [failing.status_of("1"), failing.status_of("2")] == ["active"] * 2
    assert accepting.status_of("3") == "active"


async def test_failures_at_the_same_time() -> None:
    """Concurrent failures switch a webhook off once."""
    delivering = Delivering(active(id="1"), target=responding(500))

    await asyncio.gather(*(delivering.emit() for _ in range(120)))

    assert [each.switched_off for each in delivering.recorded].count(True) == 1
    assert len(delivering.recorded) == 120
    assert delivering.status_of("1") == "inactive"


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_webhook_that_changes_meanwhile(is_deleted: bool) -> None:  # noqa: FBT001 - a table
    """A failure doesn't bring back a deleted webhook, and keeps changes of another."""
    watching = active(id="1")
    changed = attrs.evolve(watching, name="changed")

    async def target(_request: httpx.Request) -> httpx.Response:
        if is_deleted:
            delivering.store.remove("1")
        else:
            delivering.store.put("1", changed)
        return httpx.Response(500)

    delivering = Delivering(watching, target=target)
    delivering.failures.reactivated("1")

    await delivering.emit()

    left = [] if is_deleted else [attrs.evolve(changed, status="inactive")]
    assert list(delivering.store) == left


REMOTE = ["[2001:db8::1]", "localhost.example.com", "127.0.0.1.nip.io"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every look-up and every connection fail the test."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("host", REMOTE)
async def test_another_machine_is_not_called(host: str) -> None:
    """A host that isn't this machine is a failed delivery that says what to do; nothing is sent."""
    (delivery,) = await Delivering(active(target_url=f"https://{host}/hook")).emit()

    assert (delivery.ok, delivery.status_code) == (False, None)
    assert (delivery.error or "").startswith(
        f"not sent, because {host.strip('[]')} isn't this machine"
    )
    assert "deliver_to(app)" in (delivery.error or "")
    assert "allow_remote=True" in (delivery.error or "")


async def test_which_machines_are_called() -> None:
    """Loopback is called by its name, too; with allow_remote, any host is."""
    remote = f"http://0.0.0.0:{unused_port()}/"
    async with Wire(http_response(204)) as wire:
        target = wire.origin.replace("127.0.0.1", "localhost")
        (own,) = await Delivering(active(target_url=target)).emit()
    (other,) = await Delivering(active(target_url=remote), allow_remote=True).emit()

    assert own.status_code == 204
    assert (other.error or "").startswith("ConnectError")


@pytest.mark.usefixtures("no_network")
async def test_in_process() -> None:
    """An application gets every notification, with the host, path and query of its webhook.

    What it raises is the error of the delivery.
    """
    seen: list[tuple[str, str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        seen.append((request.headers["host"], request.url.path, request.url.query))
        if len(seen) > 2:
            raise LookupError("mine")
        await Response(status_code=202)(scope, receive, send)

    delivering = Delivering(
        active(id="1", target_url="https://bot.example.com/a/b?c=d"),
        active(id="2", target_url="http://[::1]:8000"),
        target=responding(500),
    )
    delivering.service.app = app
    deliveries = await delivering.emit()
    raised = await delivering.emit()
    delivering.service.app = None
    afterwards = await delivering.emit()

    assert [each.status_code for each in deliveries] == [202, 202]
    assert sorted(seen[:2]) == [("[::1]:8000", "/", ""), ("bot.example.com", "/a/b", "c=d")]
    assert [each.error for each in raised] == ["LookupError: mine"] * 2
    assert [each.status_code for each in afterwards] == [500, 500]
