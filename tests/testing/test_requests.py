import math
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.testing.doubles import ANN, BOT, NEW, Api, created, kinds, notifications_of
from webex_webhooks_async.testing import RecordedRequest, Sandbox

pytestmark = pytest.mark.once


@pytest.fixture
def slept() -> list[float]:
    """The delays of the sandbox, in seconds."""
    return []


@pytest.fixture
def webex_sandbox(slept: list[float]) -> Sandbox:
    """A sandbox whose delays take no time."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Sandbox(sleep=sleep)


@pytest.fixture(params=["in process", "on loopback"])
async def api(
    request: pytest.FixtureRequest, webex_sandbox: Sandbox, api: Api
) -> AsyncIterator[httpx.AsyncClient]:
    """The client in process, and one that sends the same over a socket."""
    if request.param == "in process":
        yield api
        return
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url, headers=BOT, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(("status", "message"), [(503, "Service Unavailable"), (599, "Status 599")])
async def test_a_status(api: Api, webex_sandbox: Sandbox, status: int, message: str) -> None:
    """A status comes with Webex's error body, and nothing is executed."""
    webex_sandbox.fail(status=status)

    response = await api.post("/webhooks", json=NEW)

    assert response.status_code == status
    assert response.json() == {
        "message": message,
        "errors": [{"description": message}],
        "trackingId": response.headers["trackingid"],
    }
    assert webex_sandbox.webhooks == ()


async def test_when_a_request_is_recorded() -> None:
    """When the first byte of a response is sent, its request is recorded."""
    sandbox = Sandbox()
    sandbox.fail(status=204)
    recorded: list[int] = []

    async with sandbox.serve() as base_url, httpx.AsyncClient(trust_env=False) as http_client:

        async def count(_: httpx.Response) -> None:
            recorded.append(len(sandbox.requests))

        http_client.event_hooks = {"response": [count]}
        await http_client.get(f"{base_url}/webhooks")

    assert recorded == [1]


async def test_how_often(api: Api, webex_sandbox: Sandbox) -> None:
    """A fault is applied as often as it says, or until it is cleared; then requests succeed."""
    webex_sandbox.fail(status=429, retry_after=1, times=2)
    webex_sandbox.fail(status=500, times=None)

    responses = [await api.get("/webhooks") for _ in range(4)]
    webex_sandbox.clear_faults()
    responses.append(await api.get("/webhooks"))

    assert [response.status_code for response in responses] == [429, 429, 500, 500, 200]
    assert [response.headers.get("Retry-After") for response in responses[1:3]] == ["1", None]
    assert {each.headers["X-Webex-Sandbox"] for each in responses} == {"webex-webhooks-async"}
    tracking_ids = {each.headers["TrackingID"] for each in responses}
    assert len(tracking_ids) == 5
    assert all(re.fullmatch(r"ROUTER_[0-9A-F-]{36}", each) for each in tracking_ids)


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"status": 200}, (200, b"", "")),
        ({"status": 304}, (304, b"", "")),
        ({"body": "é"}, (200, "é".encode(), "text/html")),
        ({"body": b"\xff"}, (200, b"\xff", "text/html")),
        ({"status": 400, "body": {"a": [1]}}, (400, b'{"a":[1]}', "application/json")),
    ],
)
async def test_the_body_of_a_fault(
    api: Api,
    webex_sandbox: Sandbox,
    fault: dict[str, Any],
    sent: tuple[int, bytes, str],
) -> None:
    """A given body is sent as it is, with a success if alone; a status of no error has none."""
    webex_sandbox.fail(**fault)

    response = await api.get("/webhooks")

    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    content = response.content.replace(b" ", b"")
    assert (response.status_code, content, media_type) == sent
    assert "trackingid" in response.headers


@pytest.mark.parametrize(
    ("retry_after", "sent"),
    [("rand(30),add(30)", "rand(30),add(30)"), ("", ""), (3600.0, "3600"), (0.5, "0.5")],
)
async def test_retry_after(
    api: Api, webex_sandbox: Sandbox, retry_after: float | str, sent: str
) -> None:
    """Text is sent as the header's value, whatever it says, and whole seconds as an integer."""
    webex_sandbox.fail(status=423, retry_after=retry_after)

    assert (await api.get("/webhooks")).headers["Retry-After"] == sent


async def test_a_dropped_connection(api: Api, webex_sandbox: Sandbox) -> None:
    """The connection is dropped without a response, and nothing is executed."""
    webex_sandbox.fail(drop=True)

    with pytest.raises(httpx.RemoteProtocolError) as raised:
        await api.post("/webhooks", json=NEW)

    assert raised.value.request.url.path == "/v1/webhooks"
    assert webex_sandbox.webhooks == ()
    assert (await api.post("/webhooks", json=NEW)).status_code == 200


async def test_what_follows_from_a_late_or_lost_response(webex_sandbox: Sandbox) -> None:
    """What was executed has its effect once, also when the response is late, lost or an error."""
    message = {"toPersonEmail": webex_sandbox.bot.emails[0], "text": "Hi"}
    async with webex_sandbox.http_client() as api:
        notified = await notifications_of(webex_sandbox, api, "messages")
        webex_sandbox.fail(delay=7)
        await created(api, "/messages", ANN, **message)
        webex_sandbox.fail(drop=True, execute=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await created(api, "/messages", ANN, **message)
        webex_sandbox.fail(status=504, execute=True)
        refused = await api.post("/messages", json=message, headers=ANN)

    assert (refused.status_code, webex_sandbox.requests[-1].status_code) == (504, 504)
    assert len(webex_sandbox.messages) == 3
    assert kinds(notified) == ["messages created"] * 3


async def test_a_delay(api: Api, webex_sandbox: Sandbox, slept: list[float]) -> None:
    """A delay comes before the rest of a fault, and alone before the real response."""
    webex_sandbox.fail(delay=6)
    webex_sandbox.fail(delay=7, status=500)
    webex_sandbox.fail(delay=8, drop=True)

    made = await api.post("/webhooks", json=NEW)
    failed = await api.get("/webhooks")
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get("/webhooks")

    assert (made.status_code, made.json()["name"], failed.status_code) == (200, NEW["name"], 500)
    assert slept == [6, 7, 8]


async def test_requests_are_recorded(api: Api, webex_sandbox: Sandbox) -> None:
    """A request is recorded as it was sent, with its status; its repr has no token and body."""
    response = await api.request(
        "PATCH", "/webhooks/a%2Fb?x=1&y", content=b"canary", headers={"X-Twice": "1"}
    )

    (recorded,) = webex_sandbox.requests
    assert recorded == RecordedRequest(
        method="PATCH",
        path="/v1/webhooks/a%2Fb",
        query="x=1&y",
        headers=recorded.headers,
        body=b"canary",
        status_code=501,
        error="The sandbox doesn't have PATCH /v1/webhooks/a%2Fb; errors lists what it has.",
        tracking_id=response.headers["trackingid"],
    )
    assert (recorded.headers["authorization"], recorded.headers["x-twice"]) == ("Bearer token", "1")
    assert re.search("canary|Bearer", repr(recorded)) is None
    assert "/v1/webhooks" in repr(recorded)
    assert len({recorded}) == 1


async def test_the_message_of_an_error_is_recorded(api: Api, webex_sandbox: Sandbox) -> None:
    """An error is recorded with its message, in Webex's form or OAuth's, if it has one."""
    webex_sandbox.fail(status=500, body="<html>")
    webex_sandbox.fail(status=500, body={"detail": "no"})
    webex_sandbox.fail(body={"message": "a success"})
    for _ in range(3):
        await api.get("/webhooks")
    await api.get("/webhooks/nope")
    await api.post("/access_token", data={"grant_type": "nope"})

    assert [each.error for each in webex_sandbox.requests] == [
        None,
        None,
        None,
        "The requested resource could not be found.",
        "unsupported grant_type: nope",
    ]


@pytest.mark.parametrize("path", ["webhooks", "/webhooks"])
async def test_both_spellings_of_a_path(api: Api, webex_sandbox: Sandbox, path: str) -> None:
    """A fault takes a path with or without a slash, and is applied below it, to its method."""
    webex_sandbox.fail(status=503, path=path, method="get", times=None)

    paths = ("/webhooks", "/webhooks/W1", "/people/me", "/webhooksx")
    statuses = [(await api.get(each)).status_code for each in paths]

    assert (await api.post("/webhooks", json=NEW)).status_code == 200
    assert statuses == [503, 503, 200, 501]


async def test_a_response_that_is_too_late() -> None:
    """A late response is a timeout, as over a socket; the operation was executed all the same."""
    sandbox = Sandbox()
    sandbox.fail(delay=3600)

    async with sandbox.http_client() as client:
        with pytest.raises(httpx.ReadTimeout) as raised:
            await client.post("/webhooks", json=NEW, headers=BOT, timeout=0.01)

    assert raised.value.request.url.path == "/v1/webhooks"
    assert len(sandbox.webhooks) == 1
    assert [each.status_code for each in sandbox.requests] == [None]


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"execute": True},
        {"body": "x", "retry_after": 1},
        {"drop": True, "status": 500},
        {"drop": True, "body": "x"},
        {"status": 199},
        {"status": 600},
        {"status": True},
        {"status": 204, "body": "x"},
        {"status": 429, "retry_after": -1},
        {"status": 429, "retry_after": math.nan},
        {"status": 429, "retry_after": "1\r\nX-Injected: 1"},
        {"delay": -1},
        {"delay": math.inf},
        {"status": 500, "method": ""},
        {"status": 500, "method": "PSOT"},
        {"status": 500, "method": 3},
        {"status": 500, "body": {"not": math.nan}},
        {"status": 500, "times": 0},
        {"status": 500, "times": True},
        {"status": 500, "path": ""},
        {"status": 500, "path": "v1/messages"},
        {"status": 500, "path": "/v1/messages"},
        {"status": 500, "path": "/v1"},
        {"status": 500, "path": "https://webexapis.com/v1/messages"},
    ],
)
def test_faults_that_make_no_sense(webex_sandbox: Sandbox, words: dict[str, Any]) -> None:
    """Arguments that make no sense, alone or together, are a ValueError, and a wrong type isn't."""
    with pytest.raises(ValueError, match=r"\w"):
        webex_sandbox.fail(**words)
    with pytest.raises(TypeError, match="path must be str, got int"):
        webex_sandbox.fail(status=500, path=5)  # type: ignore[arg-type] # it is refused
