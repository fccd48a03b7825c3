"""What type checkers know about calling Webex. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any, Self, assert_type

import httpx
from attrs import frozen
from cattrs import Converter

from webex_webhooks_async import (
    AiohttpTransport,
    AsyncPaginator,
    AttachmentAction,
    AttachmentActionData,
    Client,
    Event,
    File,
    Message,
    MessageData,
    NewWebhook,
    Notification,
    NotificationData,
    OwnedBy,
    Page,
    RefreshingToken,
    Resource,
    RetryPolicy,
    RoomData,
    StaticToken,
    Status,
    TokenProvider,
    Tokens,
    Webhook,
    Webhooks,
    WebhookUpdate,
    authorization_url,
    from_json,
    make_converter,
    to_json,
)


class VaultToken:
    """A token provider of a user's own."""

    async def get(self) -> str:
        """The token."""
        return "token"

    async def refresh(self, rejected: str) -> str:
        """Another token."""
        return rejected[::-1]


@frozen(kw_only=True)
class Room:
    """A class of a user's own."""

    id: str
    title: str


class OwnClient(Client):
    """A client of a user's own."""

    async def __aenter__(self) -> Self:
        return await super().__aenter__()


async def each_operation_has_its_type(webhook_id: str) -> None:
    """Each operation takes and returns its own type."""
    async with Client("token") as client:
        assert_type(client, Client)
        assert_type(client.webhooks, Webhooks)
        new = NewWebhook(
            name="Messages",
            target_url="https://example.com/hook",
            resource=Resource.MESSAGES,
            event=Event.CREATED,
            owned_by=OwnedBy.CREATOR,
        )
        webhook = await client.webhooks.create(new)
        assert_type(webhook, Webhook)
        assert_type(await client.webhooks.get(webhook_id), Webhook)
        update = WebhookUpdate.of(webhook, status=Status.ACTIVE)
        assert_type(update, WebhookUpdate)
        assert_type(await client.webhooks.update(webhook.id, update), Webhook)
        await client.webhooks.delete(webhook.id)


async def a_list_can_be_awaited_and_iterated(client: Client) -> None:
    """A list is a page when it is awaited, webhooks when it is iterated, and pages on demand."""
    webhooks = client.webhooks.list(max=50, owned_by="org", prefetch=True)
    assert_type(webhooks, AsyncPaginator[Webhook])
    page = await webhooks
    assert_type(page, Page[Webhook])
    assert_type(page.items, tuple[Webhook, ...])
    assert_type(page.next_url, str | None)
    async for webhook in webhooks:
        assert_type(webhook, Webhook)
    pages = client.webhooks.list(start=page.next_url).pages()
    assert_type(pages, AsyncGenerator[Page[Webhook]])
    async for each in pages:
        assert_type(each, Page[Webhook])
    assert_type([webhook.name async for webhook in client.webhooks.list()], list[str])


async def a_verb_has_the_type_that_is_asked_for(client: Client, room_id: str) -> None:
    """A result is parsed JSON, or an instance of the class in `into`."""
    assert_type(await client.get("people/me"), Any)
    assert_type(await client.get("rooms", room_id, into=Room), Room)
    assert_type(await client.get("rooms", params={"max": 5}, into=list[Room]), list[Room])
    assert_type(await client.post("messages", json={"roomId": room_id}), Any)
    assert_type(await client.post("messages", json=Room(id="", title=""), into=Message), Message)
    menu = File.from_path("menu.pdf")
    assert_type(menu, File)
    assert_type(await client.post("messages", json={"roomId": room_id}, file=menu), Any)
    assert_type(await client.post("messages", file=File("a", b""), into=Message), Message)
    file = await client.download("https://webexapis.com/v1/contents/C1", max_bytes=1_000)
    assert_type((file.name, file.content, file.content_type), tuple[str, bytes, str])
    assert_type(await client.put("rooms", room_id, json={"title": "New"}), Any)
    assert_type(await client.put("rooms", room_id, json={"title": "New"}, into=Room), Room)
    assert_type(await client.patch("rooms", room_id, json=None), Any)
    assert_type(await client.patch("rooms", room_id, params=None, into=Room), Room)
    await client.delete("rooms", room_id, params={"force": True})


async def a_list_has_the_type_that_is_asked_for(client: Client) -> None:
    """An item is parsed JSON, or an instance of the class in `into`."""
    assert_type(client.list("rooms", params={"max": 5}), AsyncPaginator[Any])
    rooms = client.list("rooms", into=Room, items_key="items", start=None, prefetch=True)
    assert_type(rooms, AsyncPaginator[Room])
    assert_type((await rooms).items, tuple[Room, ...])
    assert_type([room.title async for room in rooms], list[str])


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


def what_is_fetched_has_typed_fields(message: Message, action: AttachmentAction) -> None:
    """Fields that may be absent are optional."""
    assert_type((message.id, message.room_id), tuple[str, str])
    assert_type((message.text, message.markdown), tuple[str | None, str | None])
    assert_type(message.html, str | None)
    assert_type((message.room_type, message.person_id), tuple[str | None, str | None])
    assert_type((message.person_email, message.parent_id), tuple[str | None, str | None])
    assert_type(message.files, tuple[str, ...] | None)
    assert_type(message.mentioned_people, tuple[str, ...] | None)
    assert_type(message.mentioned_groups, tuple[str, ...] | None)
    assert_type(message.attachments, tuple[Mapping[str, Any], ...] | None)
    assert_type((message.created, message.updated), tuple[datetime | None, datetime | None])
    assert_type((message.extra, action.extra), tuple[Mapping[str, Any], Mapping[str, Any]])
    assert_type((action.id, action.type), tuple[str, str | None])
    assert_type((action.message_id, action.person_id), tuple[str | None, str | None])
    assert_type((action.room_id, action.created), tuple[str | None, datetime | None])
    assert_type(action.inputs, Mapping[str, Any] | None)


def fields_have_their_types(webhook: Webhook, new: NewWebhook, update: WebhookUpdate) -> None:
    """Words are strings, fields that may be absent are optional, `extra` holds anything."""
    assert_type((webhook.id, webhook.name, webhook.target_url), tuple[str, str, str])
    assert_type((webhook.resource, webhook.event), tuple[str, str])
    assert_type((webhook.filter, webhook.secret), tuple[str | None, str | None])
    assert_type((webhook.status, webhook.owned_by), tuple[str | None, str | None])
    assert_type((webhook.org_id, webhook.created_by), tuple[str | None, str | None])
    assert_type(webhook.app_id, str | None)
    assert_type(webhook.created, datetime | None)
    assert_type(webhook.extra, Mapping[str, Any])
    assert_type((new.name, new.target_url), tuple[str, str])
    assert_type((new.resource, new.event), tuple[str, str])
    assert_type((new.filter, new.secret, new.owned_by), tuple[str | None, str | None, str | None])
    assert_type((update.name, update.target_url), tuple[str, str])
    assert_type((update.secret, update.status), tuple[str | None, str | None])


def words_are_strings() -> None:
    """A member of a vocabulary is a string, and a string can be looked up in it."""
    words: list[str] = [Resource.MESSAGES, Event.CREATED, Status.ACTIVE, OwnedBy.ORG]
    assert_type(Resource(words[0]), Resource)
    assert_type(Event(words[1]), Event)
    assert_type(Status(words[2]), Status)
    assert_type(OwnedBy(words[3]), OwnedBy)


def json_has_the_class_that_is_asked_for(webhook: Webhook) -> None:
    """`from_json` returns an instance of the given class."""
    assert_type(to_json(webhook), bytes)
    assert_type(from_json(to_json(webhook), Webhook), Webhook)
    assert_type(from_json("{}", NewWebhook), NewWebhook)
    assert_type(make_converter(), Converter)
    assert_type(from_json("{}", NewWebhook, converter=make_converter()), NewWebhook)
    assert_type(to_json(webhook, converter=make_converter()), bytes)


async def a_client_takes_tokens_of_any_kind() -> None:
    """A token is a string, a provider of the package, or any class with the two methods."""
    provider: TokenProvider = VaultToken()
    refreshing = RefreshingToken(
        client_id="id", client_secret="secret", refresh_token="token", on_refresh=keep
    )
    static = StaticToken("token")
    for token in (provider, refreshing, static, "token"):
        await Client(token, retry=RetryPolicy.none(), max_concurrency=5).aclose()
    assert_type((await refreshing.get(), await refreshing.refresh("old")), tuple[str, str])
    assert_type((await static.get(), await static.refresh("old")), tuple[str, str])
    assert_type((await provider.get(), await provider.refresh("old")), tuple[str, str])


async def first_tokens_come_from_a_code(code: str) -> None:
    """An integration's user authorizes it at a URL, and a code comes back."""
    url = authorization_url(
        client_id="C1", redirect_uri="https://example.com", scopes=["spark:all"], state="x"
    )
    assert_type(url, str)
    authorization_url(client_id="C1", redirect_uri="", scopes="a b", state="x", code_challenge="y")
    token = RefreshingToken.from_code(
        client_id="C1",
        client_secret="S1",
        code=code,
        redirect_uri="https://example.com",
        code_verifier=None,
        on_refresh=keep,
    )
    assert_type(token, RefreshingToken)
    tokens = from_json("{}", Tokens)
    again = RefreshingToken.from_tokens(tokens, client_id="C1", client_secret="S1", on_refresh=keep)
    assert_type(again, RefreshingToken)


async def keep(tokens: Tokens) -> None:
    """Store the result of a refresh."""
    assert_type((tokens.access_token, tokens.refresh_token), tuple[str, str])
    assert_type(tokens.expires_in, int | None)
    assert_type(tokens.refresh_token_expires_in, int | None)


async def a_client_can_be_configured(http_client: httpx.AsyncClient) -> None:
    """Every option is typed, also in `from_env`."""
    assert_type(Client.from_env(timeout=5, http_client=http_client), Client)
    assert_type(OwnClient.from_env(base_url="https://example.com/v1"), OwnClient)
    policy = RetryPolicy(attempts=2, base_delay=1, max_delay=5)
    assert_type((policy.attempts, policy.base_delay), tuple[int, float])
    assert_type(policy.max_delay, float)
    assert_type(policy.backoff(1, 0.5), float)
    assert_type(RetryPolicy.none(), RetryPolicy)
    await Client.from_env(retry=policy, max_concurrency=1).aclose()
    async with AiohttpTransport() as transport:
        assert_type(Client("token", http_client=transport), Client)


async def what_cannot_be_is_an_error(client: Client, webhook: Webhook) -> None:
    """Type checkers find what would fail, or what Webex would ignore."""
    WebhookUpdate.of(webhook, resource="rooms")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, event="updated")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, filter="a=b")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, owned_by="org")  # type: ignore[call-arg] # fixed
    webhook.name = "New"  # type: ignore[misc] # frozen
    NewWebhook(name="Messages")  # type: ignore[call-arg] # too little
    WebhookUpdate(name="", targetUrl="")  # type: ignore[call-arg] # in snake_case
    client.messages  # type: ignore[attr-defined] # noqa: B018 - by path
    await client.webhooks.create(name="Messages")  # type: ignore[call-arg] # a NewWebhook
    await client.get("rooms", 5)  # type: ignore[arg-type] # an id is a string
    await client.get("rooms", json={})  # type: ignore[call-arg] # a GET has no body
    await client.delete("rooms", into=Room)  # type: ignore[call-arg] # a DELETE has no result
    await client.fetch(webhook)  # type: ignore[call-overload] # not a notification
    Page((), None)  # type: ignore[call-arg] # by name
    await client.webhooks.create(webhook)  # type: ignore[arg-type] # is there
    await client.webhooks.get(5)  # type: ignore[arg-type] # an id is text
    await client.webhooks.update(webhook.id, webhook)  # type: ignore[arg-type] # no update
    await client.webhooks.delete(webhook)  # type: ignore[arg-type] # by its id
    client.webhooks.list(50)  # type: ignore[call-arg] # by name
    client.webhooks.list(max="50")  # type: ignore[arg-type] # no number
    for _ in client.webhooks.list():  # type: ignore[attr-defined] # async for
        pass
    Client(5)  # type: ignore[arg-type] # no token
    Client("token", "https://example.com")  # type: ignore[call-arg] # by name
    Client("token", retry=3)  # type: ignore[arg-type] # no policy
    Client.from_env(token="token")  # type: ignore[call-arg] # from there
    Client.from_env(timeout="5")  # type: ignore[arg-type] # no number
    RefreshingToken("id", "secret", "token")  # type: ignore[call-arg] # by name
    StaticToken(None)  # type: ignore[arg-type] # no token
    from_json(b"{}", "Webhook")  # type: ignore[arg-type] # no class
