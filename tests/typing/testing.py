"""What type checkers know about testing without an account. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping
from typing import Any, assert_type

import httpx

from webex_webhooks_async import (
    Client,
    Event,
    File,
    MemoryDeduplicator,
    Receiver,
    Resource,
    Webhook,
)
from webex_webhooks_async.testing import (
    Delivery,
    RecordedRequest,
    Sandbox,
    SandboxPerson,
    check_deduplicator,
    sample_notification,
    signed_request,
)


async def a_sandbox_is_called_and_calls(
    on_request: list[RecordedRequest], on_delivery: list[Delivery]
) -> None:
    """A sandbox is reached in process or by a URL, and returns its deliveries."""
    sandbox = Sandbox(
        on_request=on_request.append, on_delivery=on_delivery.append, delivery_timeout=1
    )
    assert_type(sandbox.base_url, str)
    async with sandbox.http_client() as http_client:
        assert_type(http_client, httpx.AsyncClient)
    async with sandbox.serve(port=0, page=True) as base_url:
        assert_type(base_url, str)
        await Client("token", base_url=base_url).aclose()
    delivered = await sandbox.emit(
        Resource.ROOMS, Event.CREATED, {"title": "Plans"}, actor_id="somebody"
    )
    assert_type(delivered, list[Delivery])
    assert_type(await sandbox.emit("rooms", "created"), list[Delivery])
    assert_type(await sandbox.say("Hello"), list[Delivery])
    assert_type(sandbox.bot, SandboxPerson)
    assert_type((sandbox.bot.id, sandbox.bot.email), tuple[str, str])
    assert_type((sandbox.bot.display_name, sandbox.bot.org_id), tuple[str, str])


async def a_deduplicator_is_checked() -> None:
    """A check takes what makes a deduplicator, not the deduplicator."""
    assert_type(await check_deduplicator(MemoryDeduplicator), None)
    await check_deduplicator(MemoryDeduplicator())  # type: ignore[arg-type] # no factory


async def people_talk_to_a_bot(receiver: Receiver) -> None:
    """A person is an address, an id or a `SandboxPerson`; a bot is an ASGI application."""
    sandbox = Sandbox(allow_remote=True)
    sandbox.deliver_to(receiver)
    sandbox.deliver_to(None)
    ann = SandboxPerson(email="ann@example.com", display_name="Ann")
    assert_type(
        await sandbox.say("Hello", person=ann, room="id", mention=sandbox.bot), list[Delivery]
    )
    await sandbox.say("Hello", person="ann@example.com", mention=[sandbox.bot, "bob@example.com"])
    assert_type(await sandbox.submit("id", {"color": "red"}, person=ann), list[Delivery])
    assert_type(await sandbox.submit("id", press="Order"), list[Delivery])
    (delivery,) = await sandbox.say("Look", files=[File("menu.txt", b"Soup")])
    assert_type(await sandbox.redeliver(delivery), Delivery)
    assert_type(await sandbox.reply(timeout=1), Mapping[str, Any])
    sandbox.authorize_as(ann)


def a_sandbox_remembers(sandbox: Sandbox) -> None:
    """Requests, webhooks, messages and deliveries are recorded."""
    assert_type(sandbox.webhooks, tuple[Webhook, ...])
    assert_type(sandbox.messages, tuple[Mapping[str, Any], ...])
    assert_type(sandbox.requests, tuple[RecordedRequest, ...])
    assert_type(sandbox.deliveries, tuple[Delivery, ...])


def a_sandbox_fails_on_demand(sandbox: Sandbox) -> None:
    """Each fault is an argument, and they combine."""
    sandbox.fail(status=429, retry_after=1, times=2, method="GET")
    sandbox.fail(status=503, retry_after="rand(30)", times=None, execute=True)
    sandbox.fail(drop=True, delay=0.5)
    for body in (b"<html>", "<html>", {"message": "no"}, ["no"]):
        sandbox.fail(body=body)
    sandbox.fail(status=503, path="/messages")
    sandbox.clear_faults()
    sandbox.revoke("token")


def what_went_over_the_wire_is_typed(request: RecordedRequest, delivery: Delivery) -> None:
    """A body is bytes, and the status is optional."""
    assert_type((request.method, request.path, request.query), tuple[str, str, str])
    assert_type((request.headers, request.body), tuple[Mapping[str, str], bytes])
    assert_type((request.status_code, request.tracking_id), tuple[int | None, str])
    assert_type(request.error, str | None)
    assert_type((delivery.webhook, delivery.url), tuple[Webhook, str])
    assert_type((delivery.headers, delivery.body), tuple[Mapping[str, str], bytes])
    assert_type((delivery.status_code, delivery.error), tuple[int | None, str | None])
    assert_type((delivery.ok, delivery.switched_off), tuple[bool, bool])


def samples_are_bytes_and_requests() -> None:
    """A sample is bytes, and can be sent in a request."""
    body = sample_notification(Resource.MESSAGES, Event.CREATED, data={"id": "1"}, name="Sample")
    assert_type(body, bytes)
    assert_type(signed_request("https://example.com/", body, "secret"), httpx.Request)
    assert_type(signed_request("https://example.com/", body, None), httpx.Request)


def a_test_takes_the_fixtures(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """The fixtures have their types."""
    assert_type((webex_sandbox, webex_client), tuple[Sandbox, Client])


async def what_cannot_be_is_an_error(sandbox: Sandbox, delivery: Delivery) -> None:
    """Type checkers find what the sandbox can't do."""
    Sandbox(token="token")  # type: ignore[call-arg] # takes any
    Sandbox(delivery_timeout="1")  # type: ignore[arg-type] # seconds
    sandbox.serve(8900)  # type: ignore[call-arg] # by name
    with sandbox.serve():  # type: ignore[attr-defined] # async with
        pass
    await sandbox.emit(Resource.ROOMS)  # type: ignore[call-arg] # which event
    await sandbox.emit("rooms", "created", b"{}")  # type: ignore[arg-type] # no mapping
    await sandbox.say(b"Hello")  # type: ignore[arg-type] # text
    await sandbox.say("Hello", "ann@example.com")  # type: ignore[call-arg] # by name
    await sandbox.submit("id", "red")  # type: ignore[arg-type] # by the ids of the fields
    await sandbox.say("Look", files=[b"1"])  # type: ignore[list-item] # with a name
    await sandbox.reply("5")  # type: ignore[arg-type] # seconds
    await sandbox.redeliver(b"{}")  # type: ignore[arg-type] # what was delivered
    sandbox.authorize_as(None)  # type: ignore[arg-type] # someone
    await sandbox.submit("id", press=1)  # type: ignore[arg-type] # a title
    sandbox.deliver_to("app")  # type: ignore[arg-type] # an application
    SandboxPerson(email="ann@example.com")  # type: ignore[call-arg] # a name, too
    sandbox.fail(429)  # type: ignore[call-arg] # by name
    sandbox.fail(status="429")  # type: ignore[arg-type] # a number
    sandbox.webhooks = ()  # type: ignore[misc] # to look at
    delivery.url = "https://example.com/"  # type: ignore[misc] # frozen
    sample_notification("rooms")  # type: ignore[call-arg] # which event
    signed_request("https://example.com/", "{}", "secret")  # type: ignore[arg-type] # bytes
