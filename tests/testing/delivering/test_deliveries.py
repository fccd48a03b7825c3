import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.clocks import StoppedClock
from tests.support.programs import printed_by
from tests.support.wire import Wire, http_response, raw_http_response, reset, unused_port
from tests.testing.doubles import BOT, NEW, created
from webex_webhooks_async.notifications.signatures import verify
from webex_webhooks_async.testing import Delivery, RecordedRequest, Sandbox

pytestmark = pytest.mark.once

CANARY = "canary"

Target = (
    Callable[[httpx.Request], httpx.Response]
    | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
)


async def sandbox_with(*webhooks: Mapping[str, str], **options: Any) -> Sandbox:  # noqa: ANN401 - its own
    """A sandbox with webhooks, each of which differs from `NEW` in these fields."""
    sandbox = Sandbox(**options)
    async with sandbox.http_client() as api:
        for fields in webhooks:
            await created(api, "/webhooks", **{**NEW, **fields})
    return sandbox


def to(target: Target) -> httpx.AsyncClient:
    """A client to which this target responds, whatever host it calls."""
    return httpx.AsyncClient(transport=httpx.MockTransport(target))


def responding(status: int) -> httpx.AsyncClient:
    """A client that gets this status, whatever it calls."""
    return to(lambda _request: httpx.Response(status))


async def test_a_delivery() -> None:
    """A signed notification is sent and recorded with its outcome; its repr shows no secret."""
    async with Wire(http_response(204)) as wire:
        changes = {"targetUrl": f"{wire.origin}/hook?x=1", "filter": "roomId=R1"}
        sandbox = await sandbox_with({**changes, "secret": CANARY})

        (delivery,) = await sandbox.emit("messages", "created", data={"roomId": "R1"}, actor_id="P")

    (request,), (webhook,) = wire.requests, sandbox.webhooks
    assert (request.method, request.target) == ("POST", "/hook?x=1")
    notification = json.loads(request.body)
    expected = {
        **NEW,
        **changes,
        "id": webhook.id,
        "status": "active",
        "ownedBy": "creator",
        "createdBy": sandbox.bot.id,
        "actorId": "P",
    }
    assert notification.items() >= expected.items()
    assert notification.keys() == {*expected, "appId", "created", "data", "orgId"}
    assert notification["data"]["roomId"] == "R1"
    assert request.headers["content-type"] == "application/json;charset=UTF-8"
    assert request.headers["user-agent"] == "SparkWebhook/1.0"
    assert request.headers["trackingid"].startswith("ROUTER_")
    assert delivery == Delivery(
        webhook=webhook,
        url=webhook.target_url,
        body=request.body,
        headers={**request.headers},
        status_code=204,
    )
    assert delivery.ok
    assert sandbox.deliveries == (delivery,)
    verify(request.body, request.headers, secrets=CANARY)
    assert repr(delivery) == (
        f"Delivery(webhook='Messages', url={webhook.target_url!r}, status_code=204, "
        "error=None, switched_off=False, location=None, handler_error=None)"
    )
    assert len({delivery}) == 1


async def test_who_is_notified() -> None:
    """Every active webhook that watches is notified, oldest first, and no other."""
    sandbox = await sandbox_with(
        {"name": "1"},
        {"name": "2"},
        {"name": "3", "resource": "rooms"},
        {"name": "4", "filter": "roomId=elsewhere"},
        {"name": "5", "resource": "all", "event": "all"},
        deliver_with=responding(200),
    )
    async with sandbox.http_client() as api:
        inactive = {**NEW, "status": "inactive"}
        await api.put(f"/webhooks/{sandbox.webhooks[1].id}", json=inactive, headers=BOT)

    one, other = await sandbox.emit("messages", "created")

    assert [each.webhook.name for each in (one, other)] == ["1", "5"]
    envelopes = [json.loads(each.body) for each in (one, other)]
    assert [each["name"] for each in envelopes] == ["1", "5"]
    assert envelopes[0]["data"] == envelopes[1]["data"]


async def test_what_happens_as_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """on_request and on_delivery get each request and delivery; only the last ones are kept."""
    for module in ("sandbox", "delivering.deliveries"):
        monkeypatch.setattr(f"webex_webhooks_async.testing.{module}.MAX_RECORDED", 2)
    seen: list[RecordedRequest | Delivery] = []
    sandbox = await sandbox_with(
        {}, deliver_with=responding(204), on_request=seen.append, on_delivery=seen.append
    )
    async with sandbox.http_client() as api:
        for _ in range(3):
            await api.get("/webhooks", headers=BOT)
            await sandbox.emit("messages", "created")

    assert [each.status_code for each in seen] == [200, *[200, 204] * 3]
    assert (seen[-4], seen[-2]) == sandbox.requests
    assert (seen[-3], seen[-1]) == sandbox.deliveries


async def test_what_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect isn't followed, and an error of the connection isn't raised; both are failures."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    async with Wire(http_response(307, b"", "Location: /elsewhere"), reset) as wire:
        sandbox = await sandbox_with({"targetUrl": wire.origin})
        (redirected,) = await sandbox.emit("messages", "created")
        (broken_off,) = await sandbox.emit("messages", "created")

    assert (redirected.ok, redirected.status_code, redirected.error) == (False, 307, None)
    assert (broken_off.ok, broken_off.status_code) == (False, None)
    assert str(broken_off.error).startswith("ReadError")
    assert wire.targets == ["/", "/"]


async def test_a_client_of_ones_own() -> None:
    """A given client is used and left open; its headers, auth, redirects and timeouts aren't."""
    seen: list[httpx.Request] = []

    def target(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"Location": "/elsewhere"})

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(target),
        follow_redirects=True,
        auth=("user", CANARY),
        headers={"X-Own": CANARY},
        timeout=0.1,
    ) as client:
        await (await sandbox_with({}, deliver_with=client)).emit("messages", "created")

        assert not client.is_closed
    (request,) = seen
    assert request.headers.keys().isdisjoint({"authorization", "x-own"})
    assert request.extensions["timeout"] == {}


async def test_a_response_that_would_fill_the_memory() -> None:
    """Only the status counts: a large body isn't read on, and one in two codings not at all."""
    large = raw_http_response(200, bytes(100_000), "Content-Length: 100000000")
    bomb = http_response(200, b"not gzip", "Content-Encoding: gzip, gzip")
    async with Wire(large, bomb) as wire:
        sandbox = await sandbox_with({"targetUrl": wire.origin})
        for _ in range(2):
            await sandbox.emit("messages", "created")

    assert [each.status_code for each in sandbox.deliveries] == [200, 200]


async def test_deliveries_are_concurrent() -> None:
    """A slow target doesn't delay another one."""
    both = asyncio.Barrier(2)

    async def target(_request: httpx.Request) -> httpx.Response:
        await both.wait()
        return httpx.Response(200)

    sandbox = await sandbox_with({}, {}, deliver_with=to(target))

    assert [each.ok for each in await sandbox.emit("messages", "created")] == [True, True]


async def test_a_slow_target() -> None:
    """A target has delivery_timeout seconds for its whole response."""

    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    endless = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1")
    transports = {"all://": httpx.MockTransport(never), "all://127.0.0.1": None}
    async with endless, httpx.AsyncClient(mounts=transports, trust_env=False) as targets:
        other = {"targetUrl": endless.origin}
        sandbox = await sandbox_with(
            {}, other, deliver_with=targets, delivery_timeout=timedelta(milliseconds=50)
        )
        deliveries = await sandbox.emit("messages", "created")

    assert [each.error for each in deliveries] == ["no response within 0.05 seconds"] * 2


async def test_switched_off_and_on_again() -> None:
    """A hundred failures switch off, a PUT switches on, and one failure soon after, off again."""
    clock = StoppedClock()
    targets = to(lambda request: httpx.Response(204 if request.url.path == "/ok" else 500))
    accepting = {"targetUrl": "https://example.com/ok"}
    sandbox = await sandbox_with({}, {}, accepting, clock=clock.now, deliver_with=targets)
    first, of_another, accepted = await sandbox.emit("messages", "created")
    for each in (of_another, *[accepted] * 100):
        await sandbox.redeliver(each)

    async def fail(times: int) -> str | None:
        for _ in range(times):
            await sandbox.redeliver(first)
        return sandbox.webhooks[0].status

    async with sandbox.http_client() as api:

        async def switch_on() -> str | None:
            changes = {**NEW, "status": "active"}
            await api.put(f"/webhooks/{sandbox.webhooks[0].id}", json=changes, headers=BOT)
            return sandbox.webhooks[0].status

        statuses = [await switch_on(), await fail(98), await fail(1), await switch_on()]
        statuses += [await fail(1), await switch_on()]
        clock.advance(360)
        statuses += [await fail(99), await fail(1)]

    on, off = "active", "inactive"
    assert statuses == [on, on, off, on, off, on, on, off]
    assert sandbox.webhooks[2].status == on


async def test_failures_at_the_same_time() -> None:
    """Concurrent failures switch a webhook off once."""
    sandbox = await sandbox_with({}, deliver_with=responding(500))
    (first,) = await sandbox.emit("messages", "created")

    await asyncio.gather(*(sandbox.redeliver(first) for _ in range(119)))

    assert [each.switched_off for each in sandbox.deliveries].count(True) == 1
    assert len(sandbox.deliveries) == 120
    assert [each.status for each in sandbox.webhooks] == ["inactive"]


@pytest.mark.parametrize(("method", "left"), [("DELETE", []), ("PUT", [("new", "inactive")])])
async def test_a_webhook_that_changes_meanwhile(method: str, left: list[tuple[str, str]]) -> None:
    """A failure doesn't bring back a deleted webhook, and keeps changes of another."""

    async def request(method: str, **changes: str) -> None:
        path = f"/webhooks/{sandbox.webhooks[0].id}"
        async with sandbox.http_client() as api:
            await api.request(method, path, json={**NEW, **changes}, headers=BOT)

    async def target(_request: httpx.Request) -> httpx.Response:
        await request(method, name="new")
        return httpx.Response(500)

    sandbox = await sandbox_with({}, deliver_with=to(target))
    for status in ("inactive", "active"):  # so that one failure switches it off
        await request("PUT", status=status)

    await sandbox.emit("messages", "created")

    assert [(each.name, each.status) for each in sandbox.webhooks] == left


@respx.mock  # any request would be another error
async def test_another_machine_is_not_called() -> None:
    """A host that isn't this machine is a failed delivery that says what to do; nothing is sent."""
    hosts = ("[2001:db8::1]", "localhost.example.com", "127.0.0.1.nip.io")
    sandbox = await sandbox_with(*({"targetUrl": f"https://{host}/hook"} for host in hosts))

    for host, delivery in zip(hosts, await sandbox.emit("messages", "created"), strict=True):
        error = delivery.error or ""
        assert (delivery.ok, delivery.status_code) == (False, None)
        assert error.startswith(f"not sent, because {host.strip('[]')} isn't this machine")
        assert "deliver_to(app)" in error
        assert "allow_remote=True" in error


async def test_which_machines_are_called() -> None:
    """Loopback is called by its name, too; with allow_remote, any host is."""
    remote = {"targetUrl": f"http://0.0.0.0:{unused_port()}/"}
    async with Wire(http_response(204)) as wire:
        local = {"targetUrl": wire.origin.replace("127.0.0.1", "localhost")}
        (own,) = await (await sandbox_with(local)).emit("messages", "created")
    sandbox = await sandbox_with(remote, allow_remote=True)
    (other,) = await sandbox.emit("messages", "created")

    assert own.status_code == 204
    assert (other.error or "").startswith("ConnectError")


async def test_in_process() -> None:
    """An application gets each notification with its URL; what it raises is its error."""
    seen: list[tuple[str, str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        seen.append((request.headers["host"], request.url.path, request.url.query))
        if len(seen) > 2:
            raise LookupError("mine")
        await Response(status_code=202)(scope, receive, send)

    sandbox = await sandbox_with(
        {"targetUrl": "https://bot.example.com/a/b?c=d"},
        {"targetUrl": "http://[::1]:8000"},
        deliver_with=responding(500),
    )
    sandbox.deliver_to(app)
    deliveries = await sandbox.emit("messages", "created")
    raised = await sandbox.emit("messages", "created")
    sandbox.deliver_to(None)
    afterwards = await sandbox.emit("messages", "created")

    assert [each.status_code for each in deliveries] == [202, 202]
    assert sorted(seen[:2]) == [("[::1]:8000", "/", ""), ("bot.example.com", "/a/b", "c=d")]
    assert [each.error for each in raised] == ["LookupError: mine"] * 2
    assert [each.status_code for each in afterwards] == [500, 500]


FIRST_DELIVERY = f"""
import asyncio, sys
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback
from starlette.responses import Response


async def main():
    sandbox = Sandbox()
    async with serve_on_loopback(Response(), 0) as origin, sandbox.serve():
        async with sandbox.http_client() as api:
            await api.post("/webhooks", json={{**{NEW}, "targetUrl": origin}}, headers={BOT})
        before = {{*sys.modules}}
        (delivery,) = await sandbox.emit("messages", "created")
        print(delivery.status_code, *sorted({{*sys.modules}} - before))


asyncio.run(main())
"""


@pytest.mark.once
async def test_the_first_delivery_of_a_served_sandbox() -> None:
    """It imports nothing more, which would take so long that the next one may overtake it."""
    assert await printed_by("-c", FIRST_DELIVERY) == ["200"]
