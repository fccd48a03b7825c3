"""The contents of an inbox: taken entries, listed entries, and their counts."""

from datetime import datetime
from typing import Literal

from attrs import field, frozen

State = Literal["waiting", "running", "retrying", "scheduled", "asking", "failed", "unreadable"]
"""The state of an entry that isn't completed, as a `StoredNotification` explains it."""


@frozen(kw_only=True)
class InboxEntry:
    """A notification that `Inbox.take` leased.

    Attributes:
        key: The text by which a copy of the notification is recognized.
        body: The body as it came. Its signature was verified.
        token: Names the lease; only the inbox that granted it knows what it means.
        number: Its place in the order: an entry that was stored later has a higher one.
        lease: For how many seconds the lease lasts, from `take` or `renew` on.
        line: Its line, in which one is taken at a time; `None` if it is in no line.
        late: For how many seconds it had been due when it was taken, or its lease had been over, by
            the inbox's clock.
        failures: How often its handlers have failed.
        expiries: How often a lease of it has expired.
        releases: How often it was given back with `Inbox.release`, outages left out.
        outages: How often it was given back because of an outage, and hasn't failed since. Outages
            within one minute count as one.
        waits: Whether its handler has asked a question, also one that is answered by now.
        error: Why it failed last; `None` if it has never failed.
        stopped: Whether it is to end without its handler, or was to end in an earlier run.
    """

    key: str
    body: bytes = field(repr=False)
    token: str
    number: int = 0
    lease: float = 30.0
    line: str | None = None
    late: float = 0.0
    failures: int = 0
    expiries: int = 0
    releases: int = 0
    outages: int = 0
    waits: bool = False
    error: str | None = None
    stopped: bool = False


NO_ANSWER = b""
"""The record of a question that nobody has answered in time."""

STOPPED = b"stopped"
"""The record of a question that was ended before anybody has answered it."""

ANSWERED = "answered"
"""The name of a record: which question an entry has answered."""


@frozen(kw_only=True)
class Question:
    """A question that the handler of an entry has asked, or waits to ask.

    Attributes:
        id: Its id, which no other question ever has.
        number: The number of the entry that asks.
        record: The name of the record that will have the answer.
        place: The place where an answer is looked for.
        owner: Whose conversation it is a part of, if it is a person's.
        opened: A number; entries that were stored after the question was opened have a higher one.
            `None` while it waits for another question at its place.
        data: The bot's own data.
    """

    id: int
    number: int
    record: str
    place: str
    owner: str | None
    opened: int | None
    data: bytes = field(repr=False)


@frozen(kw_only=True)
class StoredNotification:
    """A notification that isn't completed, as an inbox describes it, without its body.

    An attribute that isn't described here is as in an `InboxEntry`.

    Attributes:
        key: Its key, for `Inbox.retry` and `Inbox.drop`. An entry whose key can't be shown gets
            another one, which they understand.
        resource: Such as ``messages``; ``jobs`` of a job; `None` if it can't be read.
        event: Such as ``created``; of a job its name; `None` if it can't be read.
        data_id: The id of its data, if it has one.
        state: ``waiting`` if it is due, ``running``, ``retrying`` if it is due later after a
            failure or a release, ``scheduled`` if it is due later and has never begun, ``asking``
            if its handler has asked or waits to ask, kept as ``failed``, or ``unreadable``: it
            isn't a notification, which was noticed when it was taken.
        stored: When it was stored; `None` if that can't be read.
        due: When it is taken at the earliest, or when its lease ends if it runs; `None` if it isn't
            taken any more.
        holder: The process that runs it, in words such as ``process 4711``; `None` if none does.
    """

    key: str
    resource: str | None = None
    event: str | None = None
    data_id: str | None = None
    state: State
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

    Each is in one of these states, as in a `StoredNotification`. The counts of an inbox that
    several processes share are those of all.

    Attributes:
        waiting: Entries that are due, or whose lease has expired.
        running: Entries that a process has taken.
        retrying: Entries that are due later, after a failure or a release.
        scheduled: Entries that are due later, and have never begun.
        asking: Entries whose handler has asked a question, or waits to ask.
        failed: Entries that are kept as failed.
        unreadable: Entries that aren't notifications, which was noticed when they were taken.
        oldest: For how many seconds the oldest waiting one has been due; `None` if none waits.
    """

    waiting: int = 0
    running: int = 0
    retrying: int = 0
    scheduled: int = 0
    asking: int = 0
    failed: int = 0
    unreadable: int = 0
    oldest: float | None = None
