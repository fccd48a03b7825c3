import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.testing.doubles import ANN, NEW, created, kinds, notifications_of
from webex_webhooks_async.testing import RecordedRequest, Sandbox

TOKEN = {"Authorization": "Bearer token"}


class FakeSleep:
    """Takes no time, and notes the seconds."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Note the seconds."""
        self.slept.append(seconds)


@pytest.fixture
def sleep() -> FakeSleep:
    """The sandbox's sleep."""
    return FakeSleep()


@pytest.fixture
def webex_sandbox(sleep: FakeSleep) -> Sandbox:
    """A sandbox whose delays take no time."""
    return Sandbox(sleep=sleep)


@pytest.fixture(params=["in process", "on loopback"])
async def api(
    request: pytest.FixtureRequest, webex_sandbox: Sandbox, api: httpx.AsyncClient
) -> AsyncIterator[httpx.AsyncClient]:
    """The client in process, and one that sends the same over a socket."""
    if request.param == "in process":
        yield api
        return
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url, headers=TOKEN, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(("status", "message"), [(503, "Service Unavailable"), (599, "Status 599")])
async def test_a_status(
    api: httpx.AsyncClient, webex_sandbox: Sandbox, status: int, message: str
) -> None:
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


async def test_how_often(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A fault is applied as often as it says, or until it is cleared; then requests succeed."""
    webex_sandbox.fail(status=429, retry_after=1, times=2)
    webex_sandbox.fail(status=500, times=None)

    responses = [await api.get("/webhooks") for _ in range(4)]
    webex_sandbox.clear_faults()
    responses.append(await api.get("/webhooks"))

    assert [response.status_code for response in responses] == [429, 429, 500, 500, 200]
    assert [response.headers.get("Retry-After") for response in responses[1:3]] == ["1", None]


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
    api: httpx.AsyncClient,
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
    api: httpx.AsyncClient, webex_sandbox: Sandbox, retry_after: float | str, sent: str
) -> None:
    """Text is sent as the header's value, whatever it says, and whole seconds as an integer."""
    webex_sandbox.fail(status=423, retry_after=retry_after)

    assert (await api.get("/webhooks")).headers["Retry-After"] == sent


async def test_a_dropped_connection(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """The connection is dropped without a response, and nothing is executed."""
    webex_sandbox.fail(drop=True)

    with pytest.raises(httpx.RemoteProtocolError) as raised:
        await api.post("/webhooks", json=NEW)

    assert raised.value.request.url.path == "/v1/webhooks"
    assert webex_sandbox.webhooks == ()
    assert (await api.post("/webhooks", json=NEW)).status_code == 200


async def test_what_follows_from_a_late_or_lost_response(webex_sandbox: Sandbox) -> None:
    """What was executed has its effect once, also when the response is late or lost."""
    message = {"toPersonEmail": webex_sandbox.bot.email, "text": "Hi"}
    async with webex_sandbox.http_client() as api:
        notified = await notifications_of(webex_sandbox, api, "messages")
        webex_sandbox.fail(delay=7)
        await created(api, "/messages", ANN, **message)
        webex_sandbox.fail(drop=True, execute=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await created(api, "/messages", ANN, **message)

    assert len(webex_sandbox.messages) == 2
    assert kinds(notified) == ["messages created"] * 2


async def test_an_error_after_it_was_done(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """An error may replace the response of an executed operation."""
    webex_sandbox.fail(status=504, execute=True)

    response = await api.post("/webhooks", json=NEW)

    assert response.status_code == 504
    assert len(webex_sandbox.webhooks) == 1
    assert [each.status_code for each in webex_sandbox.requests] == [504]


async def test_a_delay(api: httpx.AsyncClient, webex_sandbox: Sandbox, sleep: FakeSleep) -> None:
    """A delay comes before the rest of a fault, and alone before the real response."""
    webex_sandbox.fail(delay=6)
    webex_sandbox.fail(delay=7, status=500)
    webex_sandbox.fail(delay=8, drop=True)

    made = await api.post("/webhooks", json=NEW)
    failed = await api.get("/webhooks")
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get("/webhooks")

    assert (made.status_code, made.json()["name"], failed.status_code) == (200, NEW["name"], 500)
    assert sleep.slept == [6, 7, 8]


async def test_an_operation_is_done_before_its_delay() -> None:
    """A client that gives up on a delayed response may find that the operation was executed."""
    reached = asyncio.Event()

    async def for_ever(_seconds: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    sandbox = Sandbox(sleep=for_ever)
    sandbox.fail(delay=3600)
    async with sandbox.http_client() as api:
        request = asyncio.create_task(api.post("/webhooks", json=NEW, headers=TOKEN))
        await reached.wait()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request

    assert len(sandbox.webhooks) == 1
    assert [each.status_code for each in sandbox.requests] == [None]


async def test_requests_are_recorded(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A request is recorded as it was sent, with the status of its response."""
    response = await api.request(
        "PATCH", "/webhooks/a%2Fb?x=1&y", content=b"body", headers={"X-Twice": "1"}
    )

    (recorded,) = webex_sandbox.requests
    assert recorded == RecordedRequest(
        method="PATCH",
        path="/v1/webhooks/a%2Fb",
        query="x=1&y",
        headers=recorded.headers,
        body=b"body",
        status_code=501,
        error="The sandbox doesn't have PATCH /v1/webhooks/a%2Fb; errors lists what it has.",
        tracking_id=response.headers["trackingid"],
    )
    assert (recorded.headers["authorization"], recorded.headers["x-twice"]) == ("Bearer token", "1")


async def test_the_message_of_an_error_is_recorded(
    api: httpx.AsyncClient, webex_sandbox: Sandbox
) -> None:
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


async def test_every_response_is_marked(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """Success, error or fault, a response says that it comes from a sandbox."""
    webex_sandbox.fail(status=503)
    webex_sandbox.fail(body="<html>")

    responses = [await api.get(path) for path in ("/webhooks", "/webhooks", "/webhooks", "/nope")]

    assert [each.status_code for each in responses] == [503, 200, 200, 501]
    assert {each.headers["X-Webex-Sandbox"] for each in responses} == {"webex-webhooks-async"}


def test_a_repr_shows_no_token_and_no_secret() -> None:
    """A repr, which failing tests print, shows neither the token nor the secret."""
    recorded = RecordedRequest(
        method="POST",
        path="/v1/webhooks",
        headers={"authorization": "Bearer canary"},
        body=b'{"secret": "canary"}',
        status_code=200,
        tracking_id="ROUTER_1",
    )

    assert "canary" not in repr(recorded)
    assert "/v1/webhooks" in repr(recorded)
    assert len({recorded}) == 1


async def test_any_host_is_the_sandbox(webex_sandbox: Sandbox) -> None:
    """The sandbox responds for any host."""
    async with webex_sandbox.http_client() as client:
        for origin in ("https://webexapis.com", "http://localhost:1"):
            response = await client.get(f"{origin}/v1/webhooks", headers=TOKEN)
            assert response.status_code == 200


async def test_the_read_timeout_is_honoured() -> None:
    """A late response is a timeout, as over a socket."""
    sandbox = Sandbox()
    sandbox.fail(delay=3600)

    async with sandbox.http_client() as client:
        with pytest.raises(httpx.ReadTimeout) as raised:
            await client.get("/webhooks", headers=TOKEN, timeout=0.01)

    assert raised.value.request.url.path == "/v1/webhooks"


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
        {"status": 500, "path": "messages"},
        {"status": 500, "path": "/v1/messages"},
        {"status": 500, "path": "/v1"},
    ],
)
def test_faults_that_make_no_sense(webex_sandbox: Sandbox, words: dict[str, Any]) -> None:
    """Arguments that make no sense, alone or together, are a ValueError, and a wrong type isn't."""
    with pytest.raises(ValueError, match=r"\w"):
        webex_sandbox.fail(**words)
    with pytest.raises(TypeError, match="path must be str, got int"):
        webex_sandbox.fail(status=500, path=5)  # type: ignore[arg-type] # it is refused
