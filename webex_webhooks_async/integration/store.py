"""What a store of users keeps: a row for each, which it can't read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from attrs import field, frozen

State = Literal["connected", "leaving", "lost"]
"""Whether a user is connected, leaves at the moment, or has taken back the permission."""


@frozen(kw_only=True)
class Row:
    """A user in a store.

    Attributes:
        person: The UUID of the person, by which the row is found.
        version: A text that each change replaces.
        state: What has become of the user.
        key: The id of the key that has sealed it.
        webhooks_key: The id of the key that made the secret of the webhooks.
        sealed: Everything else, encrypted.
    """

    person: str
    version: str
    state: State
    key: str
    webhooks_key: str
    sealed: bytes = field(repr=False)


@frozen(kw_only=True)
class UserCounts:
    """How many users there are.

    Attributes:
        connected: Those that are connected.
        leaving: Those whose webhooks aren't deleted yet.
        lost: Those that have taken back the permission, or whose grant has ended.
        old_keys: Those whose tokens or webhooks an older key than the first has made; at 0, the
            older keys can go.
    """

    connected: int
    leaving: int
    lost: int
    old_keys: int


class UserStore(ABC):
    """Keeps the users of an integration, for all processes that share it.

    Its errors are `OSError`; while it is away, they are `ConnectionError` or `TimeoutError`.
    """

    @abstractmethod
    async def get(self, person: str) -> Row | None:
        """Return the row of a person."""

    @abstractmethod
    async def put(self, row: Row, *, replaces: str | None, due_in: float | None) -> bool:
        """Store a row in place of the version that it replaces; `None` is no row.

        A call whose response was lost can be repeated.

        Args:
            row: The row, with a new version.
            replaces: The version.
            due_in: After how many seconds it is due; `None` leaves that as it is, or is at once.

        Returns:
            False if another version is stored; then nothing is changed.
        """

    @abstractmethod
    async def remove(self, person: str, version: str) -> bool:
        """Remove a version of a row; return False if another one, or none, is stored."""

    @abstractmethod
    async def claim(self, person: str, holder: str, seconds: float) -> bool:
        """Let somebody hold a row for so many seconds; return whether nobody else does.

        The holder may claim it again.
        """

    @abstractmethod
    async def unclaim(self, person: str, holder: str) -> None:
        """Give back what a holder has claimed."""

    @abstractmethod
    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        """Return some of the rows that are due, each of which is due again in so many seconds."""

    @abstractmethod
    async def set_due(self, row: Row, seconds: float) -> None:
        """Let a row be due in so many seconds, unless it has changed."""

    @abstractmethod
    async def page(self, after: str, most: int) -> Sequence[Row]:
        """Return the first rows after a person, in the order of their UUIDs."""

    @abstractmethod
    async def counts(self, key: str) -> UserCounts:
        """Count the rows; `key` is the id of the first key."""

    @abstractmethod
    async def aclose(self) -> None:
        """Free what it holds open. The next call opens it again."""


VERSION = 1
"""Rises with a change after which an older release can't use the tables any more."""

COLUMNS = ("person", "version", "state", "key", "webhooks_key", "sealed")


def newer(where: str) -> OSError:
    """Return the error for tables of a newer release."""
    return OSError(f"the users in {where} were stored by a newer release of webex-webhooks-async")
