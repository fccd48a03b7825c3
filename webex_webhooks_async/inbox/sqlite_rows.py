"""The tables of a `SQLiteInbox`, and what is done to their rows."""

import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import UnionType
from typing import Any

from attrs import evolve

from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, StoredNotification
from webex_webhooks_async.inbox.listing import BEGINNING, row_of, shown_key, with_subject

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

APPLICATION_ID = 0x57627849  # "WbxI"; SQLite keeps it in the header of the file
VERSION = 2  # of the tables, there as well; 1 is that of releases 0.2 and 0.3


class InboxRows:
    """The rows of an inbox, inside of a transaction that the caller begins and ends.

    Its errors are those of `sqlite3`.

    Args:
        connection: Opened on the file.
        name: Names the inbox in the log.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, connection: sqlite3.Connection, name: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._name = name
        self._clock = clock
        self._puts = 0  # in this transaction
        self._holder = f"process {os.getpid()}"

    def put(self, key: str, body: bytes, *, line: str | None = None, after: float = 0.0) -> bool:
        """Store a notification; return False if the key is known."""
        self._puts += 1
        now = self._clock()
        row = {"key": key, "body": body, "line": line, "now": now, "due": now + after}
        if self._changes(_PUT, row):
            return True
        # A key whose time has passed is as good as forgotten.
        forgotten = self._changes(
            "DELETE FROM webex_notifications WHERE key = :key AND forget <= :now", row
        )
        return bool(forgotten and self._changes(_PUT, row))

    def forget(self) -> None:
        """Remove keys whose time has passed: not all at once, but more than were stored."""
        if self._puts:
            self._changes(_FORGET, (self._clock(), _FORGOTTEN_WITH_A_PUT * self._puts))
            self._puts = 0

    def take(self, lease: float) -> InboxEntry | None:
        """Lease the notification that is due for the longest.

        Rows on the way that can't be read are kept as failed.
        """
        now = self._clock()
        while (found := self._connection.execute(_DUE, {"now": now}).fetchone()) is not None:
            number, key, body, line, lost, failures, expiries, releases, error = found
            counts = (failures, int), (expiries, int), (releases, int)
            if not _fits((key, str), (line, str | None), *counts, (error, str | None)):
                self._give_up(number, key)
                continue
            entry = InboxEntry(
                key=key,
                body=body,
                token=os.urandom(16).hex(),
                lease=lease,
                line=line,
                failures=failures,
                expiries=expiries + (lost is not None),
                releases=releases,
                error=error,
            )
            self._changes(
                "UPDATE webex_notifications SET token = ?, holder = ?, due = ?, expiries = ? "
                "WHERE number = ?",
                (entry.token, self._holder, now + lease, entry.expiries, number),
            )
            return entry
        return None

    def _give_up(self, number: int, key: object) -> None:
        why = "its row can't be read"
        self._changes(
            "UPDATE webex_notifications SET token = NULL, due = NULL, error = ? WHERE number = ?",
            (why, number),
        )
        logger.error(
            "a notification in the inbox %s is kept as failed: %s; "
            "`webex-webhooks inbox drop` removes it by its key, %s",
            *(self._name, why, shown_key(number, key)),
        )

    def renew(self, entry: InboxEntry, lease: float) -> bool:
        """Renew the lease; return False if it is lost."""
        return self._update(entry, "due = ?", self._clock() + lease)

    def complete(self, entry: InboxEntry, keep: float) -> bool:
        """Keep only the key of a notification, for `keep` seconds."""
        changes = "token = NULL, holder = NULL, line = NULL, due = NULL, forget = ?, body = x''"
        completed = self._update(entry, f"{changes}, error = NULL", self._clock() + keep)
        if completed:
            self._changes("DELETE FROM webex_records WHERE key = ?", (entry.key,))
        return completed

    def fail(self, entry: InboxEntry, error: str, retry_in: float | None) -> bool:
        """Count a failure; without `retry_in`, the notification is failed."""
        due = None if retry_in is None else self._clock() + retry_in
        changes = "token = NULL, holder = NULL, due = ?, failures = failures + 1, error = ?"
        return self._update(entry, changes, due, storable(error))

    def release(self, entry: InboxEntry, retry_in: float) -> bool:
        """Give a notification back."""
        changes = "token = NULL, holder = NULL, due = ?, releases = releases + 1"
        return self._update(entry, changes, self._clock() + retry_in)

    def recall(self, key: str, name: str) -> bytes | None:
        """Return what was recorded under a name for a notification."""
        found = self._connection.execute(
            "SELECT value FROM webex_records WHERE key = ? AND name = ?", (key, name)
        ).fetchone()
        return None if found is None else found[0]

    def remember(self, key: str, name: str, value: bytes) -> None:
        """Record something for a notification, unless it is completed."""
        self._changes(
            "INSERT OR REPLACE INTO webex_records (key, name, value) "
            "SELECT key, ?, ? FROM webex_notifications WHERE key = ? AND forget IS NULL",
            (name, value, key),
        )

    def claim(self, name: str, seconds: float, owner: str, call: str) -> bool:
        """Claim a name for an owner; the same call of it is the same claim."""
        now = self._clock()
        self._changes("DELETE FROM webex_claims WHERE until <= ?", (now,))
        self._changes(
            "INSERT OR IGNORE INTO webex_claims (name, until, owner, call) VALUES (?, ?, ?, ?)",
            (name, now + seconds, owner, call),
        )
        found = self._connection.execute("SELECT call FROM webex_claims WHERE name = ?", (name,))
        return bool(found.fetchone() == (call,))

    def unclaim(self, name: str, owner: str) -> None:
        """Give back a claim of an owner."""
        self._changes("DELETE FROM webex_claims WHERE name = ? AND owner = ?", (name, owner))

    def counts(self) -> InboxCounts:
        """Count what isn't completed."""
        now = self._clock()
        (unfinished, running, failed, oldest) = self._connection.execute(
            _COUNTS, {"now": now}
        ).fetchone()
        return InboxCounts(
            waiting=unfinished - running - failed,
            running=running,
            failed=failed,
            oldest=None if oldest is None else max(0.0, now - oldest),
        )

    def unfinished(self, after: int) -> list[tuple[int, StoredNotification]]:
        """Return the next few that aren't completed, each with the number of its row.

        Args:
            after: The number of the row after which they begin.
        """
        where = f"forget IS NULL AND number > ? ORDER BY number LIMIT {_LISTED_AT_ONCE}"
        return self._listed(where, after)

    def retry(self, key: str) -> bool:
        """Let a notification that is failed be due now, as if it had just come."""
        return self._decide(
            key,
            {"failed"},
            "UPDATE webex_notifications SET due = :now, failures = 0, expiries = 0, releases = 0 "
            "WHERE number = :number",
        )

    def drop(self, key: str) -> bool:
        """Forget a notification that is failed, or can't be read."""
        return self._decide(
            key,
            {"failed", "unreadable"},
            "DELETE FROM webex_records "
            "WHERE key = (SELECT key FROM webex_notifications WHERE number = :number)",
            "DELETE FROM webex_notifications WHERE number = :number",
        )

    def _decide(self, key: str, states: set[str], *statements: str) -> bool:
        row = row_of(key)
        where = "forget IS NULL AND " + ("key = ?" if row is None else "number = ?")
        for number, stored in self._listed(where, storable(key) if row is None else row):
            if stored.key == key and stored.state in states:
                for statement in statements:
                    self._changes(statement, {"number": number, "now": self._clock()})
                return True
        return False

    def _listed(self, where: str, value: object) -> list[tuple[int, StoredNotification]]:
        now = self._clock()
        rows = self._connection.execute(f"{_LIST} WHERE {where}", (value,))
        return [(row[0], _stored(row, now)) for row in rows]

    def _update(self, entry: InboxEntry, changes: str, *values: object) -> bool:
        """Change the row of an entry, unless its lease is lost."""
        return bool(
            self._changes(
                f"UPDATE webex_notifications SET {changes} WHERE key = ? AND token = ?",  # noqa: S608 - ours
                (*values, entry.key, entry.token),
            )
        )

    def _changes(self, statement: str, values: Any) -> int:  # noqa: ANN401 - as sqlite3 takes them
        """Execute a statement, and return how many rows it has changed."""
        return self._connection.execute(statement, values).rowcount


# Of `due` and `forget`, a failed notification has none, a completed one `forget`, others `due`.
# The number is the order in which they were stored. Other programs may have tables in the file.
_SCHEMA = (
    """
    CREATE TABLE webex_notifications (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        line TEXT,
        body BLOB NOT NULL,
        stored REAL NOT NULL,
        due REAL,
        forget REAL,
        token TEXT,
        holder TEXT,
        failures INTEGER NOT NULL DEFAULT 0,
        expiries INTEGER NOT NULL DEFAULT 0,
        releases INTEGER NOT NULL DEFAULT 0,
        error TEXT
    )
    """,
    "CREATE INDEX webex_due ON webex_notifications (due) WHERE due IS NOT NULL",
    "CREATE INDEX webex_forget ON webex_notifications (forget) WHERE forget IS NOT NULL",
    """
    CREATE INDEX webex_line ON webex_notifications (line, number, due, token)
    WHERE line IS NOT NULL AND due IS NOT NULL
    """,
    # What is counted, so that neither bodies nor what is completed is read.
    """
    CREATE INDEX webex_unfinished ON webex_notifications (number, due, token, stored)
    WHERE forget IS NULL
    """,
    """
    CREATE TABLE webex_records (
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (key, name)
    )
    """,
    """
    CREATE TABLE webex_claims (
        name TEXT PRIMARY KEY,
        until REAL NOT NULL,
        owner TEXT NOT NULL,
        call TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)
# In a user's own database, these are the user's.
_IDENTITY = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

# A row without a key or a body was never stored by us.
_OF_0_3 = (
    """
    INSERT OR IGNORE INTO webex_notifications
        (key, body, stored, due, forget, token, failures, expiries, error)
    SELECT key, body, stored, due, forget, token, failures, expiries, error
    FROM notifications ORDER BY stored, rowid
    """,
    "DROP TABLE notifications",  # with its triggers
)
_RECORDS_OF_0_3 = (
    "INSERT INTO webex_records (key, name, value) SELECT key, name, value FROM records",
    "DROP TABLE records",
)


def prepare(connection: sqlite3.Connection, version: int, *, is_shared: bool = False) -> None:
    """Make the tables, inside of a transaction, if they aren't there.

    Args:
        connection: Opened on the file.
        version: That of the file: 0 if it is empty. What is in one of 0.2 or 0.3 is taken over;
            processes of these releases don't find their tables any more.
        is_shared: Whether the user's own program made the file.
    """
    if version == VERSION:
        return
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    old = (*_OF_0_3, *(_RECORDS_OF_0_3 if "records" in tables else ())) if version else ()
    for statement in (*_SCHEMA, *(() if is_shared else _IDENTITY), *old):
        connection.execute(statement)


_PUT = """
    INSERT INTO webex_notifications (key, line, body, due, stored)
    VALUES (:key, :line, :body, :due, :now) ON CONFLICT (key) DO NOTHING
"""
_FORGET = """
    DELETE FROM webex_notifications
    WHERE number IN (SELECT number FROM webex_notifications WHERE forget <= ? LIMIT ?)
"""
# Of a line, the one with a token goes on, also if its lease is over; else the first that is due.
_DUE = """
    SELECT number, key, CAST(body AS BLOB), line, token, failures, expiries, releases, error
    FROM webex_notifications AS this
    WHERE due <= :now AND (
        line IS NULL OR token IS NOT NULL OR NOT EXISTS (
            SELECT 1 FROM webex_notifications AS other
            WHERE other.line = this.line AND other.due IS NOT NULL
            AND (other.token IS NOT NULL OR (other.number < this.number AND other.due <= :now))
        )
    )
    ORDER BY due, number LIMIT 1
"""
_COUNTS = """
    SELECT count(*), coalesce(sum(token IS NOT NULL AND due > :now), 0),
        coalesce(sum(due IS NULL), 0),
        min(CASE WHEN (token IS NULL OR due <= :now) AND due IS NOT NULL THEN stored END)
    FROM webex_notifications WHERE forget IS NULL
"""
_LIST = f"""
    SELECT number, key, substr(CAST(body AS BLOB), 1, {BEGINNING}), length(CAST(body AS BLOB)),
        line, stored, due, token, holder, failures, expiries, error
    FROM webex_notifications
"""  # noqa: S608 - ours

# For transactions of a user's. The first one begins it where the driver leaves that to the first
# statement that writes, and lets nobody else write from then on.
LOCK = "DELETE FROM webex_records WHERE 0"
UNFINISHED = "SELECT 1 FROM webex_notifications WHERE key = $1 AND forget IS NULL"
RECORD = "SELECT value FROM webex_records WHERE key = $1 AND name = $2"
ADD_RECORD = "INSERT INTO webex_records (key, name, value) VALUES ($1, $2, $3)"
REPLACE_RECORD = "UPDATE webex_records SET value = $3 WHERE key = $1 AND name = $2"

_FORGOTTEN_WITH_A_PUT = 4
_LISTED_AT_ONCE = 100


def _fits(*values: tuple[object, type | UnionType]) -> bool:
    return all(isinstance(value, expected) for value, expected in values)


def _stored(row: tuple[Any, ...], now: float) -> StoredNotification:
    """Make of a row, whatever is in it, what is listed."""
    number, key, beginning, size, line, stored, due, token, holder, failures, expiries, error = row
    found = StoredNotification(
        key=shown_key(number, key), state="unreadable", stored=_time(stored), due=_time(due)
    )
    counts = (failures, int), (expiries, int)
    texts = (line, str | None), (holder, str | None), (error, str | None)
    if found.stored is None or not _fits((key, str), (due, float | None), *counts, *texts):
        return found
    is_running = token is not None and due is not None and due > now
    found = evolve(
        found,
        state="failed" if due is None else "running" if is_running else "waiting",
        failures=failures,
        expiries=expiries,
        error=error,
        holder=holder if is_running else None,
        line=line,
    )
    return with_subject(found, beginning or b"", size)  # of an empty body, the beginning is NULL


def _time(seconds: object) -> datetime | None:
    try:
        if isinstance(seconds, float) and math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # it isn't a time that there can be
        pass
    return None
