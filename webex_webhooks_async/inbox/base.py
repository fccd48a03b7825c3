"""Stores notifications until they are handled, so that a killed process loses none."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Literal

from attrs import field, frozen

from webex_webhooks_async.validation import check_delay, check_not_empty


@frozen(kw_only=True)
class InboxEntry:
    """A notification that `Inbox.take` leased.

    Attributes:
        key: What a copy of the notification is recognized by.
        body: The body as it came. Its signature was verified.
        token: Names the lease; only the inbox that granted it knows what it means.
        lease: For how many seconds the lease lasts, from `take` or `renew` on.
        line: Its line, in which one is taken at a time; `None` if it is in no line.
        failures: How often its handlers have failed.
        expiries: How often a lease of it has expired.
        releases: How often it was given back with `Inbox.release`.
        error: Why it failed last; `None` if it has never failed.
    """

    key: str
    body: bytes = field(repr=False)
    token: str
    lease: float = 30.0
    line: str | None = None
    failures: int = 0
    expiries: int = 0
    releases: int = 0
    error: str | None = None


@frozen(kw_only=True)
class StoredNotification:
    """What an inbox says of a notification that isn't completed, without its body.

    What isn't said here is as in an `InboxEntry`.

    Attributes:
        key: Its key, for `Inbox.retry` and `Inbox.drop`. What has a key that can't be shown gets
            another one, which they understand.
        resource: Such as ``messages``; ``jobs`` of a job.
        event: Such as ``created``; of a job its name.
        data_id: The id of its data, if it has one.
        state: ``waiting`` for an attempt, ``running``, kept as ``failed``, or ``unreadable``: what
            is stored there isn't a notification.
        stored: When it was stored; `None` if that can't be read.
        due: When it is taken at the earliest, or when its lease ends if it runs; `None` if it isn't
            taken any more.
        holder: The process that runs it, in words such as ``process 4711``; `None` if none does.
    """

    key: str
    resource: str | None = None
    event: str | None = None
    data_id: str | None = None
    state: Literal["waiting", "running", "failed", "unreadable"]
    stored: datetime | None
    due: datetime | None
    failures: int = 0
    expiries: int = 0
    error: str | None = None
    holder: str | None = None
    line: str | None = None


@frozen(kw_only=True)
class InboxCounts:
    """How many notifications are in an inbox, for health checks and metrics.

    Of an inbox that several processes share, they are those of all.

    Attributes:
        waiting: Those that wait for their first attempt or for another one, and those whose lease
            has expired.
        running: Those that a process has taken.
        failed: Those that are kept as failed.
        oldest: Seconds since the oldest waiting one was stored, also if that is a job that is due
            later; `None` if none waits.
    """

    waiting: int
    running: int
    failed: int
    oldest: float | None


class Inbox(ABC):
    """Stores what a `Receiver` accepts, until it is handled.

    Several receivers may use one storage, each through an inbox of its own. A method that can't do
    its work raises; the receiver then responds 503, or tries again. An inbox of your own inherits
    from this class; check it with `webex_webhooks_async.testing.check_inbox` in its tests.
    """

    @abstractmethod
    async def put(
        self, key: str, body: bytes, *, line: str | None = None, after: float = 0.0
    ) -> bool:
        """Store a notification durably; return False, and change nothing, if the key is known.

        A key is known while its notification waits, runs or has failed, and for some time after it
        was completed.

        Args:
            key: What copies are recognized by.
            body: The body.
            line: The line in which it waits for others: any text but the empty one.
            after: After how many seconds it is due.

        Raises:
            ValueError: `line` is empty, or `after` is negative or not finite.
        """

    @abstractmethod
    async def take(self) -> InboxEntry | None:
        """Lease the notification that is due for the longest; return `None` if none is due.

        One is due when it is new and the seconds of `put` have passed, when the time that `fail` or
        `release` set has come, or when its lease has expired. The last counts as an expiry.

        Of those in the same line one is taken at a time: the one that is leased, also if its lease
        has expired, else of those that are due the one that was stored first. One that isn't due
        holds up no other.
        """

    @abstractmethod
    async def renew(self, entry: InboxEntry) -> bool:
        """Renew the lease; return False, and change nothing, if it is lost.

        A lease is lost when another one was granted after it had expired.
        """

    @abstractmethod
    async def complete(self, entry: InboxEntry) -> bool:
        """Record that it is handled; return False, and change nothing, if the lease is lost."""

    @abstractmethod
    async def fail(self, entry: InboxEntry, *, error: str, retry_in: float | None) -> bool:
        """Count a failure, and end the lease.

        Args:
            entry: What failed.
            error: Why, for people.
            retry_in: After how many seconds it is due again. With `None`, it is kept as failed.

        Returns:
            False if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def release(self, entry: InboxEntry, *, retry_in: float = 0.0) -> bool:
        """Give a notification back: no failure and no expiry; what was remembered stays.

        It is due again after `retry_in` seconds. The result is that of `fail`.
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
    async def claim(self, name: str, seconds: float) -> bool:
        """Return True for the first who asks within so many seconds, over all that share the inbox.

        A claim that is refused changes nothing. If the response of a claim was lost, the next one
        of the same inbox for that name is the same claim, so it is granted if the lost one was.
        The names of claims and the keys of notifications have nothing to do with each other.

        Raises:
            ValueError: `name` is empty, or `seconds` isn't positive and finite.
        """

    @abstractmethod
    async def unclaim(self, name: str) -> None:
        """Give back a claim that this inbox was granted, so that the next who asks gets it.

        A claim of another inbox stays as it is.
        """

    @abstractmethod
    async def counts(self) -> InboxCounts:
        """Count what waits, runs and has failed."""

    @abstractmethod
    def unfinished(self) -> AsyncIterator[StoredNotification]:
        """Yield what isn't completed, in the order in which it was stored.

        What is stored, completed or removed meanwhile may be among it or not.
        """

    @abstractmethod
    async def retry(self, keys: Iterable[str]) -> int:
        """Make what is kept as failed due now, with all its attempts; return how many were.

        Its error and what was remembered stay, and so does what is unreadable. Keys of others
        change nothing.

        Raises:
            TypeError: `keys` is one text.
        """

    @abstractmethod
    async def drop(self, keys: Iterable[str]) -> int:
        """Remove what is kept as failed, or is unreadable; return how many were.

        What was remembered goes, too, and the key isn't known any more. Keys of others change
        nothing, and the error is that of `retry`.
        """

    async def aclose(self) -> None:  # noqa: B027 - many storages hold nothing open
        """Free what the inbox holds open. What is stored stays; the next call opens it again."""


class TransactionalInbox(Inbox):
    """An `Inbox` that can write a record in a transaction of the user's, for `once` within it.

    `PostgresInbox` and `SQLiteInbox` are such inboxes.
    """

    @abstractmethod
    async def remember_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> bool:
        """Record something in a transaction, unless something is recorded under the name.

        If another transaction has written it and isn't committed, this waits for its end. Before
        anything is written, it checks that the record would be committed and rolled back with the
        transaction. That is a connection or a session in the inbox's own database.

        Returns:
            Whether it was recorded: False if something is there already.

        Raises:
            TypeError: `transaction` is something else.
            RuntimeError: No transaction has begun in it, it is another database, rights are
                missing, or the notification is completed.
            Exception: What the driver raises.
        """

    @abstractmethod
    async def replace_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> None:
        """Replace what `remember_within` has recorded in the same transaction.

        Raises:
            RuntimeError: That transaction has ended.
            Exception: What the driver raises.
        """


def check_put(line: str | None, after: float) -> None:
    """Check the options of `Inbox.put`, for any inbox."""
    if line is not None:
        check_not_empty("line", line)
    if after != 0:  # `None` would break the statement that others share
        check_delay("after", after)
