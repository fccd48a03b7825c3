"""The programs docs/examples/{*_app,go_sdk_handler}.py, each served by its own server."""

import asyncio
import logging
from collections.abc import Generator

import httpx
import pytest

from tests.examples.serving import EXAMPLES, SECRET, Program
from webex_webhooks_async import Client, MessageData, Notification, Receiver, Resource, sign
from webex_webhooks_async.testing import Sandbox, sample_notification, signed_request

pytestmark = pytest.mark.once

MESSAGE = {"id": "M1", "personEmail": "alex@example.com"}


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Generator[None]:
    """Litestar configures the logging of the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(params=sorted(EXAMPLES.glob("*_app.py")), ids=lambda source: str(source.stem))
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program as its operator starts it."""
    monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", SECRET)
    return Program.load(request.param, monkeypatch)


async def create_webhook(client: Client, program: Program, target_url: str) -> None:
    """Let the sandbox notify a program of messages."""
    receiver: Receiver = program.module.receiver
    await client.webhooks.ensure(await receiver.wanted_webhooks(name="bot", target_url=target_url))


async def test_what_is_handled(
    program: Program,
    webex_client: Client,
    webex_sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A notification gets a 204 and is handled; one without the right signature gets a 401."""
    async with program.serving() as url, httpx.AsyncClient(trust_env=False) as stranger:
        await create_webhook(webex_client, program, url)
        (delivery,) = await webex_sandbox.emit("messages", "created", data=MESSAGE)
        forged = await stranger.send(signed_request(url, delivery.body + b" ", "a guess"))
        unsigned = await stranger.send(signed_request(url, delivery.body + b" ", None))

    assert delivery.status_code == 204
    assert (forged.status_code, unsigned.status_code) == (401, 401)
    assert capsys.readouterr().out == "alex@example.com wrote M1\n"


async def test_what_was_accepted_is_finished_at_shutdown(
    program: Program, webex_client: Client, webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response doesn't wait for a handler, but the server's shutdown does."""
    shutting_down = asyncio.Event()
    finished = asyncio.Event()
    receiver: Receiver = program.module.receiver
    aclose = receiver.aclose

    async def close_observed() -> None:
        shutting_down.set()
        await aclose()

    monkeypatch.setattr(receiver, "aclose", close_observed)

    @receiver.on(Resource.MESSAGES)
    async def take_long(_: Notification[MessageData]) -> None:
        await shutting_down.wait()
        finished.set()

    async with program.serving() as url:
        await create_webhook(webex_client, program, url)
        (delivery,) = await webex_sandbox.emit("messages", "created", data=MESSAGE)
        assert (delivery.status_code, finished.is_set()) == (204, False)

    assert finished.is_set()


@pytest.mark.parametrize("name", ["starlette_app", "fastapi_app"])
async def test_a_mount_needs_the_slash(
    name: str, monkeypatch: pytest.MonkeyPatch, webex_client: Client, webex_sandbox: Sandbox
) -> None:
    """A target URL without the slash gets a redirect, which Webex counts as a failure."""
    monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", SECRET)
    program = Program.load(EXAMPLES / f"{name}.py", monkeypatch)
    async with program.serving() as url:
        await create_webhook(webex_client, program, url.removesuffix("/"))
        (delivery,) = await webex_sandbox.emit("messages", "created", data=MESSAGE)

    assert (delivery.status_code, delivery.ok) == (307, False)


async def test_the_moved_handler_prints_what_the_original_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads the header that the original reads; a request without one, it refuses."""
    program = Program.load(EXAMPLES / "go_sdk_handler.py", monkeypatch)
    person = {"personEmail": "alex@example.com", "roomId": "R1"}
    prints = {
        ("messages", "created"): ["New message from alex@example.com in room R1"],
        ("messages", "deleted"): [],
        ("memberships", "created"): ["Membership event: created"],
        ("memberships", "deleted"): ["Membership event: deleted"],
        ("attachmentActions", "created"): [],
    }
    async with program.serving() as url, httpx.AsyncClient(trust_env=False) as webex:
        for (resource, event), expected in prints.items():
            body = sample_notification(resource, event, data=person)
            signature = sign(body, "mySecretToValidateRequests")["X-Spark-Signature"]
            headers = {"X-Webex-Signature": signature}
            response = await webex.post(url, content=body, headers=headers)

            assert response.status_code == 204
            first = f"Received webhook: {resource} - {event}"
            assert capsys.readouterr().out.splitlines() == [first, *expected]
        refused = await webex.post(url, content=sample_notification("messages", "created"))

    assert (refused.status_code, capsys.readouterr().out) == (401, "")
