"""What the sandbox's tests share: webhooks, cards, and tokens of persons."""

from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing import Sandbox

Api = httpx.AsyncClient
"""A client of a sandbox without any part of the package."""

Notified = list[dict[str, Any]]
"""What a webhook is notified of, as it comes."""

ANN: Mapping[str, str] = {"Authorization": "Bearer person:ann@example.com"}
BOB: Mapping[str, str] = {"Authorization": "Bearer person:bob@example.com"}
BOT: Mapping[str, str] = {"Authorization": "Bearer token"}

CARD: Mapping[str, Any] = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "Input.Text", "id": "color"}, {"type": "Input.ChoiceSet", "id": "sizes"}],
    },
}

NEW: dict[str, str] = {
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}


def webhook(**changes: Any) -> Webhook:  # noqa: ANN401 - any field
    """A webhook that watches messages."""
    fields: dict[str, Any] = {
        "id": "W1",
        "name": "Messages",
        "target_url": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
        "owned_by": "creator",
        "created_by": "BOT",
    }
    return Webhook(**{**fields, **changes})


async def created(
    api: Api, path: str, headers: Mapping[str, str] = BOT, /, **members: object
) -> dict[str, Any]:
    """Create something, and return it."""
    response = await api.post(path, json=members, headers=headers)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def items(
    api: Api, path: str, headers: Mapping[str, str] = BOT, /, **query: str
) -> list[dict[str, Any]]:
    """List the first page of something."""
    response = await api.get(path, params=query, headers=headers)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["items"]
    return listed


def descriptions(response: httpx.Response) -> list[str]:
    """What an error says is wrong."""
    return [error["description"] for error in response.json()["errors"]]


async def notifications_of(
    sandbox: Sandbox,
    api: Api,
    resource: str,
    event: str = "all",
    headers: Mapping[str, str] = BOT,
    **fields: str,
) -> Notified:
    """Create a webhook, and return what it is notified of, as it comes."""
    notified: Notified = []

    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        notified.append(await Request(scope, receive).json())
        await Response(status_code=204)(scope, receive, send)

    sandbox.deliver_to(accept)
    watching = {**NEW, "resource": resource, "event": event, **fields}
    await created(api, "/webhooks", headers, **watching)
    return notified


def kinds(notified: Notified) -> list[str]:
    """The resource and the event of each notification."""
    return [f"{each['resource']} {each['event']}" for each in notified]


async def group_room(api: Api) -> str:
    """Create a group room with the bot in it, and return its id."""
    return str((await created(api, "/rooms", title="Plans"))["id"])


async def card_for_ann(api: Api, card: Mapping[str, Any] = CARD) -> str:
    """Let the bot post a card to Ann, and return the id of the message."""
    fields = {"toPersonEmail": "ann@example.com", "text": "A card", "attachments": [card]}
    return str((await created(api, "/messages", **fields))["id"])
