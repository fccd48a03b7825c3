import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote

import pytest

from tests.support.clients import client_of
from tests.support.wire import DELETED, FOUND, WEBHOOK, Wire, http_response, page
from webex_webhooks_async import (
    Client,
    DecodeError,
    NewWebhook,
    Webhook,
    WebhookUpdate,
)
from webex_webhooks_async.testing import Sandbox

NEW = NewWebhook(
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
    filter="roomId=Y2lz",
    secret="s3cret",
    owned_by="org",
)
UPDATE = WebhookUpdate(
    name="Messages", target_url="https://example.com/new", secret="s3cret", status="active"
)
MODEL = Webhook(
    id="W1",
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)

Operation = Callable[[Client], Awaitable[object]]

OPERATIONS: dict[str, Operation] = {
    "create": lambda client: client.webhooks.create(NEW),
    "get": lambda client: client.webhooks.get("W1"),
    "update": lambda client: client.webhooks.update("W1", UPDATE),
    "delete": lambda client: client.webhooks.delete("W1"),
    "list": lambda client: client.webhooks.list(),
}
WITH_AN_ID: dict[str, Callable[[Client, str], Awaitable[object]]] = {
    "GET": lambda client, webhook_id: client.webhooks.get(webhook_id),
    "PUT": lambda client, webhook_id: client.webhooks.update(webhook_id, UPDATE),
    "DELETE": lambda client, webhook_id: client.webhooks.delete(webhook_id),
}


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_create_posts_what_is_wanted(status: int) -> None:
    """`create` sends Webex's keys, and returns the created webhook after any 2xx."""
    async with Wire(http_response(status, WEBHOOK)) as wire, client_of(wire) as client:
        made = await client.webhooks.create(NEW)

    (request,) = wire.requests
    assert made == MODEL
    assert (request.method, request.target) == ("POST", "/v1/webhooks")
    assert json.loads(request.body) == {
        "name": "Messages",
        "targetUrl": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
        "filter": "roomId=Y2lz",
        "secret": "s3cret",
        "ownedBy": "org",
    }


async def test_what_is_unset_is_not_sent() -> None:
    """An optional field that is `None` isn't sent, not even as null."""
    new = NewWebhook(name="n", target_url="https://example.com", resource="r", event="e")
    update = WebhookUpdate(name="n", target_url="https://example.com")
    async with Wire(FOUND) as wire, client_of(wire) as client:
        await client.webhooks.create(new)
        await client.webhooks.update("W1", update)

    created, updated = (json.loads(each.body) for each in wire.requests)
    assert created.keys() == {"name", "targetUrl", "resource", "event"}
    assert updated.keys() == {"name", "targetUrl"}


async def test_get_gives_the_webhook() -> None:
    """Every field has its type; unknown members are kept."""
    whole = {
        **WEBHOOK,
        "filter": "roomId=Y2lz",
        "secret": "s3cret",
        "status": "inactive",
        "created": "2022-04-07T09:17:23.164Z",
        "ownedBy": "org",
        "orgId": "O1",
        "createdBy": "P1",
        "appId": "A1",
        "newcomer": [1],
    }
    async with Wire(http_response(200, whole)) as wire, client_of(wire) as client:
        found = await client.webhooks.get("W1")

    (request,) = wire.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/webhooks/W1", b"")
    assert found == Webhook(
        id="W1",
        name="Messages",
        target_url="https://example.com/hook",
        resource="messages",
        event="created",
        filter="roomId=Y2lz",
        secret="s3cret",
        status="inactive",
        created=datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC),
        owned_by="org",
        org_id="O1",
        created_by="P1",
        app_id="A1",
        extra={"newcomer": [1]},
    )


async def test_update_puts_the_new_state() -> None:
    """`update` sends name, target URL, secret and status, and returns the updated webhook."""
    async with Wire(FOUND) as wire, client_of(wire) as client:
        changed = await client.webhooks.update("W1", UPDATE)

    (request,) = wire.requests
    assert changed == MODEL
    assert (request.method, request.target) == ("PUT", "/v1/webhooks/W1")
    assert json.loads(request.body) == {
        "name": "Messages",
        "targetUrl": "https://example.com/new",
        "secret": "s3cret",
        "status": "active",
    }


@pytest.mark.parametrize("done", [DELETED, http_response(200, b"gone"), http_response(202)])
async def test_delete_deletes(done: bytes) -> None:
    """`delete` sends no body, and ignores the body of a 2xx."""
    async with Wire(done) as wire, client_of(wire) as client:
        await client.webhooks.delete("W1")

    (request,) = wire.requests
    assert (request.method, request.target, request.body) == ("DELETE", "/v1/webhooks/W1", b"")


async def test_list_sends_its_arguments() -> None:
    """The page size and the owner are in the query, if they are given."""
    async with Wire(page("W1")) as wire, client_of(wire) as client:
        await client.webhooks.list()
        await client.webhooks.list(max=50)
        await client.webhooks.list(owned_by="org")
        await client.webhooks.list(max=50, owned_by="o r&g")

    assert wire.targets == [
        "/v1/webhooks",
        "/v1/webhooks?max=50",
        "/v1/webhooks?ownedBy=org",
        "/v1/webhooks?max=50&ownedBy=o+r%26g",
    ]


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
async def test_a_page_has_at_least_one_item(size: int) -> None:
    """A page size below 1, or one that isn't a whole number, is refused at the call."""
    async with Client("a-token") as client:
        with pytest.raises(ValueError, match="max must be a whole number of at least 1"):
            client.webhooks.list(max=size)


@pytest.mark.parametrize("method", WITH_AN_ID)
@pytest.mark.parametrize(
    "webhook_id",
    [
        "a/../../people/me",
        "../people/me",
        "/people/me",
        "..",
        ".",
        "...",
        "%2e%2e",
        "x?y#z",
        "x&y=z;a,b",
        "a b+c",
        "https://elsewhere.example/",
        "//elsewhere.example",
        "\\elsewhere",
        "@elsewhere",
        "ïd-😀",
        "\x00\r\n\x7f",
        "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh",
    ],
    ids=ascii,
)
async def test_an_id_is_one_segment_of_the_path(method: str, webhook_id: str) -> None:
    """Any id reaches the server percent-encoded, below the webhooks."""
    async with Wire(FOUND) as wire, client_of(wire) as client:
        await WITH_AN_ID[method](client, webhook_id)

    (request,) = wire.requests
    empty, version, resource, segment = request.target.split("/")
    assert (request.method, empty, version, resource) == (method, "", "v1", "webhooks")
    assert unquote(segment) == webhook_id
    assert segment not in {".", ".."}
    assert not set(segment) & set("?#;&=+@\\ ")
    assert segment.isascii()


@pytest.mark.parametrize("method", WITH_AN_ID)
async def test_an_empty_id_is_refused(method: str) -> None:
    """An empty id would name the whole list; it is refused, and nothing is sent."""
    async with Wire(FOUND) as wire, client_of(wire) as client:
        with pytest.raises(ValueError, match="webhook_id is empty"):
            await WITH_AN_ID[method](client, "")

    assert wire.connections == 0


async def test_a_base_url_may_have_any_path() -> None:
    """Requests go below it, with or without a slash at its end."""
    async with Wire(FOUND) as wire:
        for base_url in (wire.origin, f"{wire.origin}/", f"{wire.origin}/a/b/"):
            async with Client("a-token", base_url=base_url) as client:
                await client.webhooks.get("W1")

    assert wire.targets == ["/webhooks/W1", "/webhooks/W1", "/a/b/webhooks/W1"]


@pytest.mark.parametrize("operation", ["create", "get", "update", "list"])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "too many digits"),
        (b"null", "expected an object, got null"),
        (b"[]", "expected an object, got an array"),
        (b'"text"', "expected an object, got a string"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_2xx_that_does_not_fit_is_a_decode_error(
    body: bytes, problem: str, operation: str
) -> None:
    """A body that isn't a webhook is an error with method, path and tracking id."""
    step = http_response(200, body, "TrackingID: ROUTER_1")
    async with Wire(step) as wire, client_of(wire) as client:
        with pytest.raises(DecodeError, match=problem) as raised:
            await OPERATIONS[operation](client)

    (request,) = wire.requests
    assert (raised.value.method, raised.value.path) == (request.method, request.target)
    assert raised.value.tracking_id == "ROUTER_1"


async def test_every_problem_of_a_page_is_named() -> None:
    """`Client.list` names each problem with its path, and shows no value."""
    items = [WEBHOOK, {**WEBHOOK, "name": None, "created": "c4n4ry"}, {"id": "c4n4ry"}]
    async with Wire(http_response(200, {"items": items})) as wire, client_of(wire) as client:
        with pytest.raises(DecodeError) as raised:
            await client.list("webhooks", into=Webhook)

    assert raised.value.problems == (
        "$.items[1].name: expected a string, got null",
        "$.items[2].name: missing",
        "$.items[2].targetUrl: missing",
        "$.items[2].resource: missing",
        "$.items[2].event: missing",
    )


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create", ({"name": "bot"},)),
        ("update", ("id", {"name": "bot"})),
        ("get", (5,)),
        ("delete", (None,)),
        ("ensure", (["bot"],)),
        ("ensure", ([NEW], 5)),
        ("plan", (NEW,)),
    ],
)
async def test_an_argument_of_a_wrong_type_is_refused(
    operation: str, arguments: tuple[Any, ...]
) -> None:
    """An argument of a wrong type is a TypeError, and nothing is sent."""
    sandbox = Sandbox()
    async with sandbox.http_client() as http_client:
        client = Client("a-token", http_client=http_client)
        with pytest.raises(TypeError, match=r"must be \w+( or \w+)?, got"):
            await getattr(client.webhooks, operation)(*arguments)
    assert sandbox.requests == ()


async def test_text_is_valid_unicode() -> None:
    """Text that was read from bytes that aren't UTF-8 is refused by name, and isn't shown."""
    text = "c4nary\udcff"
    async with Client("a-token") as client:
        for call in WITH_AN_ID.values():
            with pytest.raises(ValueError, match=r"^webhook_id is not valid Unicode[^\udcff]*$"):
                await call(client, text)
        with pytest.raises(ValueError, match=r"^owned_by is not valid Unicode"):
            client.webhooks.list(owned_by=text)
        with pytest.raises(ValueError, match=r"^start is not valid Unicode"):
            client.webhooks.list(start=text)


async def test_a_start_is_a_url() -> None:
    """A `start` of another type is refused at the call."""
    async with Client("a-token") as client:
        with pytest.raises(TypeError, match="start must be str, got int"):
            client.webhooks.list(start=cast("str", 5))


async def test_a_start_is_not_empty() -> None:
    """An empty `start` is refused: a job that stores `next_url` as text would never end."""
    async with Client("a-token") as client:
        with pytest.raises(ValueError, match="start is empty; pass a next_url"):
            client.webhooks.list(start="")


async def test_an_operation_shows_what_it_takes_in_place_of_fields() -> None:
    """`create(name=...)` and `update(id, name=...)` are a `TypeError` with the right call."""
    fields: dict[str, Any] = {"name": "Messages"}
    async with Client("token") as client:
        with pytest.raises(TypeError, match=r"'name': write create\(NewWebhook\(name="):
            await client.webhooks.create(**fields)
        with pytest.raises(TypeError, match=r"'name': write update\(webhook\.id, WebhookUpdate\."):
            await client.webhooks.update("W1", **fields)
