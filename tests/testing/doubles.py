"""What the sandbox's tests share: a clock that stands still, webhooks, and tokens of persons."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webex_webhooks_async.models.webhooks import Webhook

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


class FakeClock:
    """A clock that stands still until a test advances it."""

    def __init__(self) -> None:
        self.now = datetime(2022, 4, 7, 9, 17, 23, 164_999, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, **how_far: float) -> None:
        """Advance the time."""
        self.now += timedelta(**how_far)


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
    api: httpx.AsyncClient, path: str, headers: Mapping[str, str] = BOT, /, **members: object
) -> dict[str, Any]:
    """Create something, and return it."""
    response = await api.post(path, json=members, headers=headers)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def items(
    api: httpx.AsyncClient, path: str, headers: Mapping[str, str] = BOT, /, **query: str
) -> list[dict[str, Any]]:
    """List the first page of something."""
    response = await api.get(path, params=query, headers=headers)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()["items"]
    return listed


def descriptions(response: httpx.Response) -> list[str]:
    """What an error says is wrong."""
    return [error["description"] for error in response.json()["errors"]]


def noting(notified: list[Any]) -> ASGIApp:
    """An application that notes the resource and the event of each notification."""
    return collecting(notified, lambda each: (each["resource"], each["event"]))


def collecting(
    notified: list[Any], take: Callable[[dict[str, Any]], object] = lambda each: each
) -> ASGIApp:
    """An application that accepts notifications, and keeps what `take` makes of each."""

    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        notified.append(take(await request.json()))
        await Response(status_code=204)(scope, receive, send)

    return accept
