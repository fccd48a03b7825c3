"""What type checkers know about integrations. They check this file; nothing runs it."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Any, assert_type

from webex_webhooks_async import (
    Client,
    Event,
    Integration,
    MeetingData,
    Message,
    MessageData,
    NotConnectedError,
    RecordingData,
    Resource,
    SQLiteInbox,
    SQLiteUserStore,
    UserContext,
    UserJobContext,
)
from webex_webhooks_async.types import ConnectedUser, UserCounts

integration = Integration(
    SQLiteUserStore("users.db"),
    encryption_keys=["key"],
    inbox=SQLiteInbox("inbox.db"),
    public_url="https://minutes.example.com",
    client_id="C1",
    client_secret="secret",
    scopes="meeting:schedules_read",
    allow=lambda user: user.email is not None,
    current_account=lambda scope: scope["session"].get("account"),
)
from_env = Integration.from_env(name="minutes", watch_every=60)


class Meeting:
    """A meeting."""

    title: str


@integration.on(Resource.MEETINGS, Event.ENDED, attempts=8)
async def ended(context: UserContext[MeetingData]) -> None:
    """Data of meetings is known."""
    assert_type(context.data.id, str | None)
    assert_type(context.user, ConnectedUser)
    assert_type(await context.fetch(into=Meeting), Meeting)
    await context.enqueue("remind", {"a": 1}, key="k", after=60)


@integration.on("messages", in_order=False)
async def said(context: UserContext[MessageData]) -> None:
    """What is fetched of a message is known."""
    assert_type(await context.fetch(), Message)


@integration.on()
async def anything(context: UserContext[Any]) -> None:
    """Anything may come."""


@integration.on(Resource.MEETINGS)  # type: ignore[type-var] # data of another resource
async def wrong(context: UserContext[RecordingData]) -> None:
    """Data of another resource is an error."""


@integration.job("remind")
async def remind(context: UserJobContext) -> None:
    """A job has a client."""
    assert_type(context.client, Client)


@integration.on_connect
async def welcome(context: UserJobContext) -> None:
    """A welcome is a job."""


@integration.on_lost
async def lost(user: ConnectedUser) -> None:
    """Who is lost is a user."""
    assert_type(await integration.get(user.person_id), ConnectedUser | None)


async def use(person_id: str) -> None:
    """The results are known."""
    async with integration.client(person_id) as client:
        assert_type(client, Client)
    assert_type(await integration.list("a"), tuple[ConnectedUser, ...])
    async for user in integration.list():
        assert_type(user, ConnectedUser)
    assert_type(await integration.counts(), UserCounts)
    assert_type(await integration.disconnect(person_id), bool)
    NotConnectedError(person_id, "lost")
    NotConnectedError(person_id, "away")  # type: ignore[arg-type] # another word
