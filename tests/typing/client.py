"""What type checkers know about calling Webex. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Self, assert_type

from attrs import frozen

from webex_webhooks_async import (
    AiohttpTransport,
    AttachmentAction,
    AttachmentActionData,
    Client,
    File,
    Message,
    MessageData,
    NewWebhook,
    Notification,
    OwnedBy,
    RefreshingToken,
    RoomData,
    TokenProvider,
    Tokens,
    Webhook,
    WebhookUpdate,
    from_json,
    plan_webhooks,
)
from webex_webhooks_async.types import AsyncPaginator, NotificationData, Page, WebhookPlanResult


class VaultToken:
    async def get(self) -> str:
        return "token"

    async def refresh(self, rejected: str) -> str:
        return rejected[::-1]


@frozen(kw_only=True)
class Room:
    id: str
    title: str

    @classmethod
    def parse(cls, json: dict[str, str], *, strict: bool = True) -> Self:
        """Read it as pydantic's models do."""
        return cls(id=json["id"], title=json["title"] if strict else "")


class OwnClient(Client):
    async def __aenter__(self) -> Self:
        return await super().__aenter__()


async def keep(tokens: Tokens) -> None:
    """Store the result of a refresh."""


async def a_client_takes_tokens_of_any_kind() -> None:
    """A token is a string, a provider of the package, or any class with the two methods."""
    provider: TokenProvider = VaultToken()
    refreshing = RefreshingToken(
        client_id="id", client_secret="secret", refresh_token="token", on_refresh=keep
    )
    for token in (provider, refreshing, "token"):
        async with Client(token, http_client=AiohttpTransport()) as client:
            assert_type(client, Client)
    assert_type(OwnClient.from_env(base_url="https://example.com/v1"), OwnClient)
    async with OwnClient.from_env(timeout=5) as own:
        assert_type(own, OwnClient)


async def a_download_is_a_file_or_a_path(client: Client) -> None:
    """It is in memory, or where it was written."""
    assert_type(await client.download("https://example.com/x", max_bytes=5), File)
    assert_type(await client.download("https://example.com/x", to="menu.pdf"), Path)


async def a_list_can_be_awaited_and_iterated(client: Client) -> None:
    """A list is a page when it is awaited, webhooks when it is iterated, and pages on demand."""
    webhooks = client.webhooks.list(max=50, owned_by=OwnedBy.ORG, prefetch=True)
    assert_type(webhooks, AsyncPaginator[Webhook])
    page = await webhooks
    assert_type(page, Page[Webhook])
    assert_type(page.items, tuple[Webhook, ...])
    async for webhook in webhooks:
        assert_type(webhook, Webhook)
    assert_type(webhooks.pages(), AsyncGenerator[Page[Webhook]])


async def a_verb_has_the_type_that_is_asked_for(client: Client, room_id: str) -> None:
    """A result is parsed JSON, or an instance of the class in `into`."""
    assert_type(await client.get("people/me"), Any)
    assert_type(await client.get("rooms", room_id, into=Room), Room)
    assert_type(await client.get("rooms", params={"max": 5}, into=list[Room]), list[Room])
    assert_type(await client.get("rooms", room_id, into=Room.parse), Room)
    assert_type(await client.get("rooms", room_id, into=lambda json: str(json["id"])), str)
    assert_type(await client.post("messages", json={"roomId": room_id}), Any)
    assert_type(await client.post("messages", json=Room(id="", title=""), into=Message), Message)
    assert_type(await client.post("messages", file=File("a", b""), into=Message), Message)
    assert_type(await client.put("rooms", room_id, json={"title": "New"}), Any)
    assert_type(await client.put("rooms", room_id, json={"title": "New"}, into=Room), Room)
    assert_type(await client.patch("rooms", room_id, json=None), Any)
    assert_type(await client.patch("rooms", room_id, params=None, into=Room), Room)
    assert_type(client.list("rooms", params={"max": 5}), AsyncPaginator[Any])
    assert_type(client.list("rooms", into=Room, items_key="items"), AsyncPaginator[Room])
    assert_type(client.list("rooms", into=Room.parse), AsyncPaginator[Room])


async def what_is_fetched_has_the_type_of_the_notification(
    client: Client,
    message: Notification[MessageData],
    card: Notification[AttachmentActionData],
    room: Notification[RoomData],
    other: Notification[NotificationData],
) -> None:
    """The data class decides, and `into` overrides it."""
    assert_type(await client.fetch(message), Message)
    assert_type(await client.fetch(card), AttachmentAction)
    assert_type(await client.fetch(room), Any)
    assert_type(await client.fetch(other), Any)
    assert_type(await client.fetch(room, into=Room), Room)
    assert_type(await client.fetch(message, into=Room), Room)
    assert_type(await client.fetch(message, into=Room.parse), Room)


def json_has_the_class_that_is_asked_for() -> None:
    """`from_json` returns an instance of the given class."""
    assert_type(from_json(b"{}", Webhook), Webhook)
    assert_type(from_json("{}", list[NewWebhook]), list[NewWebhook])


async def a_watch_is_iterated(client: Client, wanted: tuple[NewWebhook, ...]) -> None:
    """`watch` yields results, and each takes any iterable of webhooks."""
    watched = client.webhooks.watch(wanted, every=60, prune="bot:")
    assert_type(watched, AsyncGenerator[WebhookPlanResult])
    await client.webhooks.ensure({*wanted})
    plan_webhooks((each for each in wanted), [])


async def what_cannot_be_is_an_error(client: Client, webhook: Webhook) -> None:
    """Type checkers find what would fail, or what Webex would ignore."""
    WebhookUpdate.of(webhook, resource="rooms")  # type: ignore[call-arg] # fixed
    webhook.name = "New"  # type: ignore[misc] # frozen
    client.messages  # type: ignore[attr-defined] # noqa: B018 - by path
    await client.webhooks.create(name="Messages")  # type: ignore[call-arg] # a NewWebhook
    await client.webhooks.create(webhook)  # type: ignore[arg-type] # is there
    await client.webhooks.update(webhook.id, webhook)  # type: ignore[arg-type] # no update
    await client.webhooks.ensure([webhook])  # type: ignore[list-item] # not a NewWebhook
    await client.webhooks.watch([])  # type: ignore[misc] # async for
    await client.get("rooms", json={})  # type: ignore[call-arg] # a GET has no body
    await client.delete("rooms", into=Room)  # type: ignore[call-arg] # a DELETE has no result
    await client.fetch(webhook)  # type: ignore[call-overload] # not a notification
    for _ in client.webhooks.list():  # type: ignore[attr-defined] # async for
        pass
    Client(object())  # type: ignore[arg-type] # it lacks the methods
    Client.from_env(token="token")  # type: ignore[call-arg] # from there
    Client.from_env(timeout="5")  # type: ignore[arg-type] # no number
    from_json(b"{}", "Webhook")  # type: ignore[arg-type] # no class
