"""What type checkers know of calling Webex. They check this file; nothing runs it.

An ignored error here is an error that has to be: both checkers complain about one that isn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, assert_type

from webex_webhooks_async import (
    APIError,
    AsyncPaginator,
    Client,
    DecodeError,
    Event,
    NewWebhook,
    OwnedBy,
    Page,
    RefreshingToken,
    RequestTimeoutError,
    Resource,
    RetryPolicy,
    StaticToken,
    Status,
    TokenProvider,
    Webhook,
    Webhooks,
    WebhookUpdate,
    from_json,
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


class OwnClient(Client):
    """A client of a user's own."""

    async def __aenter__(self) -> Self:
        return await super().__aenter__()


async def each_operation_has_its_type(webhook_id: str) -> None:
    """A webhook goes in, and a webhook comes out."""
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
    async for each in client.webhooks.list(start=page.next_url).pages():
        assert_type(each, Page[Webhook])
    assert_type([webhook.name async for webhook in client.webhooks.list()], list[str])


def fields_have_their_types(webhook: Webhook) -> None:
    """A word is a string, what may be absent is optional, and what is unknown may be anything."""
    assert_type(webhook.id, str)
    assert_type(webhook.resource, str)
    assert_type(webhook.secret, str | None)
    assert_type(webhook.status, str | None)
    assert_type(webhook.created, datetime | None)
    assert_type(webhook.extra, Mapping[str, Any])


def json_has_the_class_that_is_asked_for(webhook: Webhook) -> None:
    """JSON becomes the class that is named."""
    assert_type(to_json(webhook), bytes)
    assert_type(from_json(to_json(webhook), Webhook), Webhook)
    assert_type(from_json("{}", NewWebhook), NewWebhook)


async def a_client_takes_tokens_of_any_kind() -> None:
    """A string, a provider of ours, or any class with these two methods will do."""
    provider: TokenProvider = VaultToken()
    refreshing = RefreshingToken(
        client_id="id", client_secret="secret", refresh_token="token", on_refresh=print
    )
    for token in (provider, refreshing, StaticToken("token"), "token"):
        await Client(token, retry=RetryPolicy.none(), max_concurrency=5).aclose()
    assert_type(Client.from_env(timeout=5), Client)
    assert_type(OwnClient.from_env(), OwnClient)


def errors_tell_what_they_know(error: Exception) -> None:
    """What an error has is typed, and a timeout is a builtin one."""
    if isinstance(error, APIError):
        assert_type(error.status_code, int)
        assert_type(error.message, str)
        assert_type(error.errors, tuple[str, ...])
        assert_type(error.tracking_id, str | None)
        assert_type(error.retry_after, float | None)
    if isinstance(error, DecodeError):
        assert_type(error.problems, tuple[str, ...])
    if isinstance(error, RequestTimeoutError):
        builtin: TimeoutError = error
        raise builtin


async def what_cannot_be_is_an_error(client: Client, webhook: Webhook) -> None:
    """What would fail, or be ignored by Webex, is found before it runs."""
    WebhookUpdate.of(webhook, resource="rooms")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, event="updated")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, filter="a=b")  # type: ignore[call-arg] # fixed
    WebhookUpdate.of(webhook, owned_by="org")  # type: ignore[call-arg] # fixed
    webhook.name = "New"  # type: ignore[misc] # frozen
    NewWebhook(name="Messages")  # type: ignore[call-arg] # too little
    Page((), None)  # type: ignore[call-arg] # by name
    await client.webhooks.create(webhook)  # type: ignore[arg-type] # is there
    Client(5)  # type: ignore[arg-type] # no token
    Client.from_env(token="token")  # type: ignore[call-arg] # from there
