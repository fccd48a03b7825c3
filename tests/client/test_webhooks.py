import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.clients import client_on
from tests.support.wire import FOUND, MODEL, WEBHOOK, Wire, http_response, page
from webex_webhooks_async import Client, NewWebhook, WebhookUpdate, to_json

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


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_create_posts_what_is_wanted(status: int) -> None:
    """`create` sends Webex's keys, and returns the created webhook after any 2xx."""
    async with client_on(http_response(status, WEBHOOK)) as (wire, client):
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
    async with client_on(FOUND) as (wire, client):
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
    async with client_on(http_response(200, whole)) as (wire, client):
        found = await client.webhooks.get("W1")

    (request,) = wire.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/webhooks/W1", b"")
    assert json.loads(to_json(found)) == whole
    assert found.created == datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC)
    assert found.extra == {"newcomer": [1]}


async def test_update_puts_the_new_state() -> None:
    """`update` sends name, target URL, secret and status, and returns the updated webhook."""
    async with client_on(FOUND) as (wire, client):
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


async def test_list_sends_its_arguments() -> None:
    """The page size and the owner are in the query, if they are given."""
    async with client_on(page("W1")) as (wire, client):
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


async def test_a_base_url_may_have_any_path() -> None:
    """Requests go below it, with or without a slash at its end."""
    async with Wire(FOUND) as wire:
        for base_url in (wire.origin, f"{wire.origin}/", f"{wire.origin}/a/b/"):
            async with Client("a-token", base_url=base_url) as client:
                await client.webhooks.get("W1")

    assert wire.targets == ["/webhooks/W1", "/webhooks/W1", "/a/b/webhooks/W1"]


NOT_UNICODE = "c4nary\udcff"


@pytest.mark.parametrize(
    ("operation", "arguments", "error", "message"),
    [
        ("create", ({"name": "bot"},), TypeError, "webhook must be NewWebhook, got dict"),
        ("update", ("id", {"name": "bot"}), TypeError, "update must be WebhookUpdate, got dict"),
        ("get", (5,), TypeError, "webhook_id must be str, got int"),
        ("delete", (None,), TypeError, "webhook_id must be str, got NoneType"),
        ("ensure", (["bot"],), TypeError, "must be NewWebhook, got str"),
        ("plan", (NEW,), TypeError, "must be Iterable, got NewWebhook"),
        *(
            (operation, (text, *rest), ValueError, f"^webhook_id {problem}")
            for operation, *rest in (("get",), ("update", UPDATE), ("delete",))
            for text, problem in (("", "is empty"), (NOT_UNICODE, "is not valid Unicode"))
        ),
    ],
)
async def test_an_unsound_argument_is_refused(
    operation: str, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    """It is named and not shown, and nothing is sent."""
    async with client_on(FOUND) as (wire, client):
        with pytest.raises(error, match=message) as raised:
            await getattr(client.webhooks, operation)(*arguments)

    assert "c4nary" not in str(raised.value)
    assert wire.connections == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        *(({"max": each}, ValueError, "max must be a whole number of") for each in (0, -1)),
        *(({"max": each}, ValueError, "max must be a whole number of") for each in (2.5, True)),
        ({"owned_by": NOT_UNICODE}, ValueError, "^owned_by is not valid Unicode"),
        ({"start_url": NOT_UNICODE}, ValueError, "^start_url is not valid Unicode"),
        ({"start_url": ""}, ValueError, "start_url is empty; pass a next_url"),
        ({"start_url": 5}, TypeError, "start_url must be str, got int"),
    ],
    ids=ascii,
)
async def test_a_list_is_checked_at_the_call(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong argument raises at the call, not when the list is iterated."""
    async with Client("a-token") as client:
        with pytest.raises(error, match=message):
            client.webhooks.list(**options)


async def test_an_operation_shows_what_it_takes_in_place_of_fields() -> None:
    """`create(name=...)` and `update(id, name=...)` are a `TypeError` with the right call."""
    fields: dict[str, Any] = {"name": "Messages"}
    async with Client("token") as client:
        with pytest.raises(TypeError, match=r"'name': write create\(NewWebhook\(name="):
            await client.webhooks.create(**fields)
        with pytest.raises(TypeError, match=r"'name': write update\(webhook\.id, WebhookUpdate\."):
            await client.webhooks.update("W1", **fields)
