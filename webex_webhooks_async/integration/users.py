"""The users of an integration, as they are stored encrypted, and how they change."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from attrs import evolve, field, frozen

from webex_webhooks_async.client.oauth import Tokens
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.store import Row, State, UserStore
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.serialization.converter import from_json, to_json


@frozen(kw_only=True)
class ConnectedUser:
    """Somebody who has connected an account of Webex.

    Attributes:
        person_id: The id of the person.
        email: An address of the person; `None` if Webex shows none.
        display_name: The name of the person; `None` if Webex shows none.
        account: Who was logged in to your application, as `current_account` returned it.
        state: ``connected``; ``leaving`` until the webhooks are deleted; ``lost`` after the person
            has taken back the permission.
        since: When the state began, timezone-aware.
    """

    person_id: str
    email: str | None = None
    display_name: str | None = None
    account: str | None = None
    state: State = "connected"
    since: datetime


@frozen(kw_only=True)
class Details:
    """What is stored encrypted about a user."""

    user: ConnectedUser
    tokens: Tokens = field(repr=False)
    connection: str = field(factory=lambda: uuid4().hex)  # another each time that somebody connects
    grant: str = field(factory=lambda: uuid4().hex)  # another for each of the tokens
    names: tuple[str, ...] = ()  # of the webhooks that were made
    named_by: float = 0.0  # when the process started that made them, in seconds
    is_welcome: bool = False  # whether `on_connect` is enqueued since then


class User(NamedTuple):
    """A user as they are stored: what is encrypted, and the row around it."""

    row: Row
    details: Details

    @property
    def public(self) -> ConnectedUser:
        """The user, without tokens."""
        return self.details.user


class Change(NamedTuple):
    """A change of a user; what is `None` stays as it is."""

    details: Details
    due_in: float | None = None  # seconds after which the user is looked at
    webhooks_key: str | None = None  # the id of the key of the webhooks' secret


class Users:
    """The users in a store, decrypted."""

    def __init__(self, store: UserStore, keyring: Keyring) -> None:
        self.store: UserStore = store
        self._keyring = keyring

    async def get(self, person_id: str) -> User | None:
        """Return a user, by any form of the id."""
        row = await self.store.get(comparable(person_id))
        return None if row is None else self.opened(row)

    def opened(self, row: Row) -> User:
        """Decrypt a row."""
        plain = self._keyring.open(row.sealed, name=f"user {row.person}")
        return User(row, from_json(plain, Details))

    async def change(
        self, person_id: str, change: Callable[[User | None], Change | None]
    ) -> User | None:
        """Change a user, again if somebody else does at the same time; return who is stored now."""
        while True:
            before = await self.get(person_id)
            changed = change(before)
            if changed is None:
                return before
            person = comparable(person_id)
            made_by = "" if before is None else before.row.webhooks_key
            row = Row(
                person=person,
                version=uuid4().hex,
                state=changed.details.user.state,
                key=self._keyring.first,
                webhooks_key=changed.webhooks_key or made_by,
                sealed=self._keyring.seal(to_json(changed.details), name=f"user {person}"),
            )
            replaces = None if before is None else before.row.version
            if await self.store.put(row, replaces=replaces, due_in=changed.due_in):
                return User(row, changed.details)

    async def each(self, account: str | None) -> AsyncIterator[User]:
        """Yield all users, or those of an account, in the order of their UUIDs."""
        after = ""
        while rows := await self.store.page(after, _PAGE):
            for row in rows:
                user = self.opened(row)
                if account is None or user.public.account == account:
                    yield user
            after = rows[-1].person


def in_state(details: Details, state: State, since: datetime) -> Details:
    """Return what is stored about a user whose state begins now."""
    return evolve(details, user=evolve(details.user, state=state, since=since))


_PAGE = 100
