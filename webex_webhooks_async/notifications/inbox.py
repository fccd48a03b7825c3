"""Stores notifications until they are handled, so that a killed process loses none."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

from attrs import field, frozen


@frozen(kw_only=True)
class InboxEntry:
    """A notification that `Inbox.take` leased.

    Attributes:
        key: What a copy of the notification is recognized by.
        body: The body as it came. Its signature was verified.
        token: Names the lease; only the inbox that granted it knows what it means.
        lease: For how many seconds the lease lasts, from `take` or `renew` on.
        failures: How often its handlers have failed.
        expiries: How often a lease of it has expired.
        error: Why it fails, for `Inbox.fail`; from `Inbox.take`, why it failed last.
    """

    key: str
    body: bytes = field(repr=False)
    token: str
    lease: float = 60.0
    failures: int = 0
    expiries: int = 0
    error: str | None = None


@frozen(kw_only=True)
class InboxCounts:
    """How many notifications are in an inbox, for health checks and metrics.

    Attributes:
        waiting: Those that wait for their first attempt or for another one, and those whose lease
            has expired.
        running: Those that a process has taken.
        failed: Those that are kept as failed.
        oldest: Seconds since the oldest waiting one was stored; `None` if none waits.
    """

    waiting: int
    running: int
    failed: int
    oldest: float | None


@runtime_checkable
class Inbox(Protocol):
    """Stores what a `Receiver` accepts, until it is handled.

    Several receivers may use one storage, each through an inbox of its own. A method that can't do
    its work raises; the receiver then responds 503, or tries again. To check an inbox of your own,
    run `webex_webhooks_async.testing.check_inbox` in its tests.
    """

    @abstractmethod
    async def put(self, key: str, body: bytes) -> bool:
        """Store a notification durably; return False if the key is known.

        A key is known while its notification waits, runs or has failed, and for some time after it
        was completed.
        """

    @abstractmethod
    async def take(self) -> InboxEntry | None:
        """Lease the notification that is due for the longest; return `None` if none is due.

        One is due when it is new, when the time that `fail` set has come, or when its lease has
        expired. The last counts as an expiry.
        """

    @abstractmethod
    async def renew(self, entry: InboxEntry) -> bool:
        """Let the lease begin again; return False, and change nothing, if it is lost.

        A lease is lost when another one was granted after it had expired.
        """

    @abstractmethod
    async def complete(self, entry: InboxEntry) -> bool:
        """Record that it is handled; return False, and change nothing, if the lease is lost."""

    @abstractmethod
    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Count a failure, and keep the `error` of the entry.

        Args:
            entry: What failed.
            again_in: After how many seconds it is due again. With `None`, it is kept as failed.

        Returns:
            False if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Return what was recorded under a name while the notification was handled, if anything.

        Of a notification that is completed, nothing is found.
        """

    @abstractmethod
    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record something under a name, durably, in place of what is there.

        It lasts until the notification is completed or removed, whether or not handlers fail and
        the lease is lost meanwhile. For a notification that is completed, nothing is recorded.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Free what the inbox holds open. What is stored stays; the next call opens it again."""
