"""Stores notifications until they are handled, so that a killed process loses none."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.entries import (
    STOPPED,
    InboxCounts,
    InboxEntry,
    Question,
    StoredNotification,
)
from webex_webhooks_async.validation import check_flag, check_type, seconds_of


class Inbox(ABC):
    """Stores what a `Receiver` accepts, until it is handled.

    Several receivers may use one storage, each through an inbox of its own. A method that can't do
    its work raises; the receiver then responds 503, or tries again. An inbox of your own inherits
    from this class, and keeps what each method promises. This project's own checks of that are
    in `tests/support/contracts.py`.

    Attributes:
        keep: For how many seconds after its completion a notification is known.
    """

    keep: float

    @abstractmethod
    async def put(  # noqa: PLR0913 - most are options, by name
        self,
        key: str,
        body: bytes,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
        owner: str | None = None,
    ) -> bool:
        """Store a notification durably; return False, and change nothing, if the key is known.

        A key is known while its notification is unfinished or kept as failed, and for `keep`
        seconds after it was completed.

        With `replace`, the notification takes the place of what is known by its key, with a new
        number, all its attempts and no records. If that one runs, which a notification whose lease
        is over doesn't, the new one is its successor. It gets its number when the running one is
        completed, kept as failed or cancelled, and is due then, or at its own time if that is
        later. A release and a failure that is tried again don't end the running one. A later
        successor replaces an earlier one. A job that is stopped is one that runs until it has
        ended, and is then forgotten; without `replace`, the first notification with its key is its
        successor.

        What is stored in a line has a higher number than all that was visible in the line before.

        Args:
            key: The text by which copies are recognized.
            body: The body.
            line: The line in which it waits for others: any text but the empty one.
            after: After how many seconds it is due.
            at: When it is due, with a time zone and before the year 9000; at once if that is past.
            replace: Whether it replaces what is known; the result is then always True.
            owner: By which `stop` finds it; a successor has none.

        Raises:
            ValueError: `line` is empty, `after` is negative or longer than a century, `at` has no
                time zone or is later than the year 8999, or both are passed.
            TypeError: An argument has a wrong type.
        """

    @abstractmethod
    async def cancel(self, key: str) -> bool:
        """Remove a notification and its successor, and forget the key.

        One that runs, or is stopped and hasn't ended, goes on, and only its successor is removed.

        Returns:
            Whether anything was removed: False for a key that isn't known, or whose notification is
            completed, or runs and has no successor.
        """

    @abstractmethod
    async def take(self) -> InboxEntry | None:
        """Lease the notification that is due for the longest; return `None` if none is due.

        A notification is due when the time of `put` has come, when the time that `fail` or
        `release` set has come, or when its lease has expired. The last counts as an expiry.

        Notifications of one line are taken one at a time. A failed notification holds up its line
        until it has run again, unless `fail` said otherwise. A notification that an outage gave
        back is the next of its line. Otherwise the one with the lowest number is taken of those
        that are due: one that is due later, or was released, holds up no other.

        How long this takes depends neither on how many have failed or are due later nor on how many
        wait behind those that run.
        """

    @abstractmethod
    async def renew(self, entry: InboxEntry, *, in_line: bool = True) -> bool:
        """Renew the lease; return False, and change nothing, if it is lost.

        A lease is lost when another one was granted after it had expired.

        Args:
            entry: The entry.
            in_line: Whether it stays in its line. If not, it leaves that for good, with its number,
                and the next one of the line is due.
        """

    @abstractmethod
    async def complete(self, entry: InboxEntry) -> bool:
        """Record that it is handled; return False, and change nothing, if the lease is lost."""

    @abstractmethod
    async def fail(
        self,
        entry: InboxEntry,
        *,
        error: str,
        retry_in: float | None,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        """Count a failure, and end the lease. The outages are counted from 0 again.

        Args:
            entry: The entry that failed.
            error: Why, for people.
            retry_in: After how many seconds it is due again. With `None`, it is kept as failed.
            holds: Whether it holds up its line until it has run again.
            counts: Whether it is a failure. If not, the error is kept, and a release is counted.

        Returns:
            False if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def release(
        self, entry: InboxEntry, *, retry_in: float = 0.0, outage: bool = False, holds: bool = False
    ) -> bool:
        """Give a notification back: no failure and no expiry; what was remembered stays.

        Args:
            entry: The entry to give back.
            retry_in: After how many seconds it is due again.
            outage: Whether an outage is the reason. Then it is the next of its line, and
                `InboxEntry.outages` counts it, once a minute, instead of `releases`.
            holds: Whether it holds up its line until it has run again, as a conversation does.

        Returns:
            False if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Return what was recorded under a name while the notification was handled, if anything.

        Nothing is found for a completed notification.
        """

    @abstractmethod
    async def remember(
        self, entry: InboxEntry, name: str, value: bytes, *, leased: bool = False
    ) -> None:
        """Record something under a name, durably, in place of what is there.

        It lasts until the notification is completed or removed, whether or not handlers fail and
        the lease is lost meanwhile. For a notification that is completed, nothing is recorded; with
        `leased`, nor for one whose lease is lost.
        """

    @abstractmethod
    async def records(self, entry: InboxEntry) -> Mapping[str, bytes]:
        """Return everything that is recorded for the notification, by its name, in one query."""

    @abstractmethod
    async def ask(  # noqa: PLR0913 - what there is to know of a question
        self,
        entry: InboxEntry,
        record: str,
        *,
        place: str,
        data: bytes,
        seconds: float | None = None,
        line: str | None = None,
        owner: str | None = None,
        queues: bool = False,
        beside: bool = False,
    ) -> Question | bytes | None:
        """Open a question of the handler of an entry, or change the one that has its record.

        Others of the entry are closed, unless it is asked `beside` them. From now on the entry
        `waits`, in each later `InboxEntry`.

        Args:
            entry: The entry, which runs.
            record: The name of the record that will have the answer.
            place: The place at which `questions` finds it. The call that sets `seconds` moves one
                that doesn't queue to its `place`; then it never changes.
            data: New data in place of the old.
            seconds: After how many seconds from now nobody answers it any more, which is set once;
                `None` while it isn't sent.
            line: The line of what may answer it, set with `seconds`; `None` if any line is.
            owner: Another way for `questions` to find it; it never changes.
            queues: Whether it waits until no other one that queues at its place is open, or is
                asked by an entry with a lower number; it never changes.
            beside: Whether the other questions of the entry stay open.

        Returns:
            The question, as it is now; or what is recorded, if it was answered. A question whose
            seconds have passed is closed, and the record is `NO_ANSWER`, unless something that was
            stored by then may still answer it: a notification in its line, except a job, that has
            never asked, and runs, is due, or holds up the line. That puts the end off, for ten
            minutes at most. `None` if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def unask(self, entry: InboxEntry, record: str) -> None:
        """Close a question that wasn't sent, if it is open; nothing if the lease is lost."""

    @abstractmethod
    async def questions(
        self, *places: str, entry: InboxEntry | None = None
    ) -> Sequence[Question] | None:
        """Return the questions at some places, or of their owners, by their ids, in one query.

        Args:
            places: The places; an owner that begins with one of these texts has it, too. Without a
                place, `entry` finds what it has sent, and whose time isn't over.
            entry: The entry that looks; the result is `None` if its lease is lost.
        """

    @abstractmethod
    async def wait(self, entry: InboxEntry, *records: str) -> bool:
        """End the lease of an entry until one of its questions is answered, or is over.

        It counts as no failure and no release, and the entry holds up nobody. It is due at once if
        one of these questions isn't open any more, or is the first of its place by now, and again
        and again, ever less often, while an end is put off. A question that waits for another one
        makes the entry due when that is closed, whatever closes it.

        Returns:
            False if the lease is lost; then nothing is changed.
        """

    @abstractmethod
    async def answer(self, entry: InboxEntry, question_id: int, value: bytes) -> bool:
        """Answer a question with an entry, which answers no other one.

        In one transaction, the value is recorded for the entry that asks, that entry is due, as if
        it had never failed, expired or been given back, the question is closed, and the record
        `ANSWERED` of the answering entry is its id.

        Returns:
            Whether the entry has answered a question, this one or an earlier one; False if the
            question isn't open any more.
        """

    @abstractmethod
    async def end(self, question_ids: Iterable[int], data: bytes = STOPPED) -> int:
        """End questions, which aren't answered any more, in one transaction.

        The data is recorded as an answer is, and the entries that ask are due.

        Returns:
            How many questions were open, or waited, until now.
        """

    @abstractmethod
    async def stop(
        self, owner: str, *, before: int | None = None, data: bytes = STOPPED
    ) -> Mapping[int, bytes]:
        """Mark what an owner has begun or would begin as `stopped`, in each later `InboxEntry`.

        That is each notification with a lower number than `before` that is neither completed nor
        kept as failed, and whose owner begins with this text. Their questions stay open.

        Without `before`, `owner` is a key. Its notification is marked if it runs or asks; its
        questions end, as with `end`, and its successor is removed.

        Args:
            owner: How the owner begins, or the key.
            before: A number.
            data: What is recorded for the questions that end.

        Returns:
            Numbers and bodies of those that were marked now: by an owner, those alone that have
            begun and ask nothing, so each runs, has failed, lost a lease, met an outage or asked
            before.
        """

    @abstractmethod
    async def stopping(self) -> Collection[int]:
        """Return the numbers of the notifications that are stopped, and run."""

    @abstractmethod
    async def postpone(self, seconds: float) -> None:
        """Let no question that is open now end within so many seconds; each question once."""

    @abstractmethod
    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        """Return True for the first who asks within so many seconds, over all that share the inbox.

        With `renew`, a claim that this inbox has been granted begins again, without an end between.

        A claim that is refused changes nothing. If the response of a claim was lost, the next one
        of the same inbox for that name is the same claim, so it is granted if the lost one was.
        The names of claims and the keys of notifications have nothing to do with each other.

        Raises:
            ValueError: `name` is empty, or `seconds` isn't positive, or more than a century.
        """

    @abstractmethod
    async def unclaim(self, name: str) -> None:
        """Give back a claim that this inbox was granted, so that the next who asks gets it.

        A claim of another inbox stays as it is.
        """

    @abstractmethod
    async def counts(self) -> InboxCounts:
        """Count what isn't completed, by its state."""

    @abstractmethod
    def unfinished(self) -> AsyncIterator[StoredNotification]:
        """Yield what isn't completed, in the order in which it was stored.

        Entries that are stored, completed or removed meanwhile may be included or not.
        """

    @abstractmethod
    async def retry(self, keys: Iterable[str]) -> int:
        """Make notifications due now, with all their attempts; return how many were made due.

        It changes none that runs or is unreadable, and doesn't count those that are due already. A
        successor is made due, too, but waits for the end of the one that runs. Errors, records and
        outages stay. A key that isn't there changes nothing.

        Raises:
            TypeError: `keys` is one text or bytes, or one of them isn't text.
        """

    @abstractmethod
    async def drop(self, keys: Iterable[str]) -> int:
        """Remove notifications that are kept as failed, or are unreadable; return how many.

        Their records go, too. The key of a notification stays known for `keep` seconds, as if it
        were completed; that of a job is forgotten. Other keys change nothing.

        Raises:
            TypeError: `keys` is one text or bytes, or one of them isn't text.
        """

    async def now(self) -> datetime:
        """Return the time by the clock that decides what is due, with a time zone.

        By default that is the clock of this process.
        """
        return datetime.now(UTC)

    async def caught_up(self, name: str) -> datetime | None:
        """Return the time that `set_caught_up` has kept under a name, if any.

        An inbox without this method and the other can't catch up.
        """
        raise NotImplementedError

    async def set_caught_up(self, name: str, time: datetime) -> None:
        """Keep a time under a name, durably, for all that share the inbox.

        Args:
            name: Any text.
            time: With a time zone.

        Raises:
            ValueError: `time` has no time zone.
            TypeError: `time` isn't a `datetime`.
        """
        raise NotImplementedError

    async def aclose(self) -> None:  # noqa: B027 - many storages hold nothing open
        """Free what the inbox holds open. The stored entries stay; the next call opens it again."""


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
            Exception: Any error of the driver.
        """

    @abstractmethod
    async def replace_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> None:
        """Replace what `remember_within` has recorded in the same transaction.

        Raises:
            RuntimeError: That transaction has ended.
            Exception: Any error of the driver.
        """

    @abstractmethod
    async def put_within(  # noqa: PLR0913 - as `put`
        self,
        transaction: object,
        key: str,
        body: bytes | None,
        *,
        line: str | None = None,
        after: float = 0.0,
        at: datetime | None = None,
        replace: bool = False,
    ) -> None:
        """Do what `put` does when a transaction is committed; without a body, what `cancel` does.

        What one transaction has left is done together, in its order, by the next `take` or `cancel`
        after the commit. Until then it holds up nobody, and its key is free. `after` counts from
        this call.

        Raises:
            ValueError: As for `put`.
            TypeError: As for `put`, and as for `remember_within`.
            RuntimeError: As for `remember_within`, but for the notification.
            Exception: Any error of the driver.
        """


def transactional(inbox: Inbox, argument: str) -> TransactionalInbox:
    """Return an inbox that can write in a transaction, for an argument that needs one."""
    if isinstance(inbox, TransactionalInbox):
        return inbox
    raise TypeError(
        f"{argument} needs an inbox that is a TransactionalInbox, and {type(inbox).__name__} "
        f"isn't: leave {argument} out"
    )


def check_put(line: str | None, after: float, at: datetime | None, *, replace: bool) -> str | None:
    """Check the options of `Inbox.put`; return the line, as any database can hold it."""
    if line is not None:
        check_type("line", line, str)
        if not line:
            raise ValueError("line is empty")
        line = storable(line)
    if after != 0:  # it is 0 for what Webex sends
        check_type("after", after, float, int)
        seconds_of("after", after, or_zero=True)
    check_flag("replace", replace)
    if at is None:
        return line
    check_time("at", at)
    if after:
        raise ValueError("after and at both say when it is due: pass one of them")
    if at.year > _LAST_YEAR:
        raise ValueError(f"at must be before the year {_LAST_YEAR + 1}, got {at}")
    return line


def check_time(name: str, time: datetime) -> datetime:
    """Check that an argument is a time with a time zone, and return it."""
    check_type(name, time, datetime)
    if time.utcoffset() is None:
        raise ValueError(f"{name} must have a time zone, got {time!r}: pass tzinfo=")
    return time


OUTAGE_SECONDS = 60.0
"""Returns of an entry because of an outage count as one within so many seconds."""

PUT_OFF_SECONDS = 600.0
"""The end of a question is put off for so many seconds at most."""

EXPIRED = "its lease has expired"
"""The error of what is tried again without one, so that this never looks like its first run."""

_LAST_YEAR = 8_999
