"""The tables of a `SQLiteInbox`, and what is done to their rows."""

import logging
import math
import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import UnionType
from typing import Any

from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.base import EXPIRED, OUTAGE_SECONDS
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, StoredNotification
from webex_webhooks_async.inbox.listing import BEGINNING, listed, row_of, shown_key, state_of_failed
from webex_webhooks_async.inbox.sqlite_questions import (
    DUE,
    HOLDS,
    LATER,
    QUESTIONS,
    QuestionRows,
    within,
)
from webex_webhooks_async.notifications.identity import is_job

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class InboxRows:
    """The rows of an inbox, inside of a transaction that the caller begins and ends.

    Its errors are those of `sqlite3`.
    """

    def __init__(
        self, connection: sqlite3.Connection, name: str, clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._name = name
        self._clock = clock
        self._puts = 0  # in this transaction
        self._holder = f"process {os.getpid()}"
        self.questions: QuestionRows = QuestionRows(connection, clock)

    def put(  # noqa: PLR0913 - most are options, by name
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
        """Store a notification; return False if the key is known."""
        self._puts += 1
        now = self._clock()
        due = now + after if at is None else at.timestamp()
        row = {"key": key, "body": body, "line": line, "stored": now, "due": due, "now": now}
        row["owner"] = owner
        if self._changes(_PUT, row):
            return True
        found = self._connection.execute(_KNOWN, row).fetchone()
        number, is_forgotten, is_running, is_stopped = found  # one that is stopped runs as well
        if is_forgotten or (replace and not is_running):
            self._remove(number, key)
            self._changes(_PUT, row)
        elif replace or (is_stopped and is_job(key)):
            return self._changes(_PUT_BEHIND.format("REPLACE" if replace else "IGNORE"), row) > 0
        return bool(is_forgotten or replace)

    def cancel(self, key: str) -> bool:
        """Remove a notification and its successor; of one that runs, the successor alone."""
        self._empty_outbox()
        return self._cancel(key)

    def _empty_outbox(self) -> None:
        """Do what transactions of the user's have left, in the order of their commits."""
        left = self._connection.execute(_OUTBOX).fetchall()
        for key, body, line, due, replace in left:
            if body is None:
                self._cancel(key)
            else:
                at = datetime.fromtimestamp(due, UTC)
                self.put(key, body, line=line, at=at, replace=bool(replace))
        if left:
            self._changes("DELETE FROM webex_outbox", ())

    def _cancel(self, key: str) -> bool:
        row = {"key": key, "now": self._clock()}
        found = self._connection.execute(f"{_KNOWN} AND forget IS NULL", row).fetchone()
        if found is None:
            return False
        number, _, is_running, _ = found
        if is_running:
            return bool(self._changes("DELETE FROM webex_successors WHERE key = :key", row))
        self._remove(number, key)
        return True

    def forget(self) -> None:
        """Remove keys whose time has passed: not all at once, but more than were stored."""
        if self._puts:
            forgotten = self._clock(), _FORGOTTEN_WITH_A_PUT * self._puts
            found = self._connection.execute(_FORGOTTEN, forgotten).fetchall()
            self._connection.executemany(_REMOVE, found)
            self._puts = 0

    def take(self, lease: float) -> InboxEntry | None:
        """Lease the notification that is due for the longest; set aside rows that can't be read."""
        while True:
            now = self._clock()
            found = self._connection.execute(_NEXT, {"now": now}).fetchone()
            has_left, is_ripe, number, key, body, line, due, lost, *counted = found
            waits, error, stopped, failures, expiries, releases, outages = counted
            if has_left:
                self._empty_outbox()
                continue
            if number is None:
                return None
            if is_ripe:
                self._changes(_RIPEN, {"line": line, "now": now})
                continue  # another one may be the first of the line now
            counts = (failures, int), (expiries, int), (releases, int), (outages, int)
            if not _fits((key, str), (line, str | None), *counts, (error, str | None)):
                self._give_up(number, key)
                continue
            entry = InboxEntry(
                key=key,
                body=body,
                token=os.urandom(16).hex(),
                number=number,
                lease=lease,
                line=line,
                late=now - due,
                failures=failures,
                expiries=expiries + (lost is not None),
                releases=releases,
                outages=outages,
                waits=bool(waits),
                error=error,
                stopped=bool(stopped),
            )
            self._changes(
                "UPDATE webex_notifications "
                "SET token = ?, holder = ?, due = ?, place = ?, expiries = ?, asks = 0 "
                "WHERE number = ?",
                (entry.token, self._holder, now + lease, HOLDS, entry.expiries, number),
            )
            return entry

    def _give_up(self, number: int, key: object) -> None:
        why = "its row can't be read"
        self._changes(
            "UPDATE webex_notifications SET token = NULL, due = NULL, place = NULL, "
            "aside = 'unreadable', error = ? WHERE number = ?",
            (why, number),
        )
        logger.error(
            "a notification in the inbox %s is kept as failed: %s; "
            "`webex-webhooks inbox drop` removes it by its key, %s",
            *(self._name, why, shown_key(number, key)),
        )
        self._succeed(number, key)

    def renew(self, entry: InboxEntry, lease: float, *, in_line: bool) -> bool:
        """Renew the lease; return False if it is lost."""
        changes = "due = :due" if in_line else "due = :due, line = NULL"
        return self._update(entry, changes, due=self._clock() + lease)

    def stop(self, owner: str, before: int) -> dict[int, bytes]:
        """Mark what an owner has begun, as `Inbox.stop` says."""
        row = {"owner": owner, "before": before}
        found = self._connection.execute(_OF_OWNER, row).fetchall()
        self._connection.executemany(_STOP, [(number,) for number, _, _ in found])
        return {number: body for number, body, is_counted in found if is_counted}

    def stop_key(self, key: str, data: bytes) -> dict[int, bytes]:
        """Stop what runs or asks, as `Inbox.stop` says of a key."""
        found = self._connection.execute(_OF_KEY, {"key": key, "now": self._clock()}).fetchall()
        for number, _ in found:
            self._changes(_STOP, (number,))
            self._changes("DELETE FROM webex_successors WHERE key = ?", (key,))
            self.questions.end(self.questions.ids(number), data)
        return dict(found)

    def stopping(self) -> list[int]:
        """Return the numbers of what is stopped, and runs."""
        return [number for (number,) in self._connection.execute(_STOPPING)]

    def complete(self, entry: InboxEntry, keep: float) -> bool:
        """Keep only the key of a notification, for `keep` seconds, unless it has a successor."""
        now = self._clock()
        is_ours = self._update(entry, _COMPLETED, forget=now + keep, now=now, job=is_job(entry.key))
        if is_ours:
            self._end(entry.number, entry.key)
        return is_ours

    def _end(self, number: int, key: object) -> None:
        self.questions.close(number)
        if not self._succeed(number, key):
            self._changes("DELETE FROM webex_records WHERE number = ?", (number,))

    def fail(
        self,
        entry: InboxEntry,
        error: str,
        retry_in: float | None,
        *,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        """Count a failure; without `retry_in`, the notification is set aside as failed."""
        is_final = retry_in is None
        is_ours = self._update(
            entry,
            f"token = NULL, holder = NULL, {_FAILED if counts else _RELEASED}, "
            "error = :error, due = :due, place = :place, aside = :aside, "
            "stopped = stopped AND :goes_on",
            error=storable(error),
            due=None if retry_in is None else self._clock() + retry_in,
            place=None if retry_in is None else _place(retry_in, holds=holds),
            aside=state_of_failed(entry.body) if is_final else None,
            goes_on=not is_final,
        )
        if is_ours and is_final:
            self.questions.close(entry.number)
            self._succeed(entry.number, entry.key)
        return is_ours

    def release(
        self, entry: InboxEntry, retry_in: float, *, outage: bool = False, holds: bool = False
    ) -> bool:
        """Give a notification back."""
        now = self._clock()
        # A conversation that nobody here can go on with holds up what may answer it.
        place = _place(retry_in, holds=holds or outage or entry.waits)
        counted = _COUNT_OUTAGE if outage else _RELEASED
        changes = f"token = NULL, holder = NULL, due = :due, place = :place, {counted}"
        return self._update(entry, changes, due=now + retry_in, place=place, now=now)

    def give_back(self, entry: InboxEntry) -> None:
        """Undo a `take` whose caller was cancelled; the entry is still the next of its line."""
        self._update(entry, "token = NULL, holder = NULL, due = :now", now=self._clock())

    def _succeed(self, number: int, key: object) -> bool:
        """Let the successor take the place of one that has ended; return whether it has one."""
        found = self._connection.execute(_SUCCESSOR, (key,)).fetchone()
        if found is None:
            return False
        self._remove(number, key)
        self._changes(
            _PUT,
            {**dict(zip(_OF_SUCCESSOR, found, strict=True)), "now": self._clock(), "owner": None},
        )
        return True

    def _remove(self, number: int, key: object) -> None:
        """Remove a notification with all that belongs to it."""
        self.questions.close(number)
        self._changes("DELETE FROM webex_records WHERE number = ?", (number,))
        self._changes("DELETE FROM webex_successors WHERE key = ?", (key,))
        self._changes(_REMOVE, (number,))

    def remember(self, entry: InboxEntry, name: str, value: bytes, *, leased: bool) -> None:
        """Record something for a notification, unless it is completed or replaced."""
        self._changes(
            "INSERT OR REPLACE INTO webex_records (number, name, value) "
            "SELECT number, ?, ? FROM webex_notifications "
            "WHERE number = ? AND forget IS NULL AND (token = ? OR NOT ?)",
            (name, value, entry.number, entry.token, leased),
        )

    def claim(self, name: str, seconds: float, owner: str, token: str, *, renew: bool) -> bool:
        """Claim a name for an owner; the same token is granted the same claim."""
        now = self._clock()
        self._changes("DELETE FROM webex_claims WHERE until <= ?", (now,))
        if renew:
            self.unclaim(name, owner)  # which nobody sees before the end of the transaction
        self._changes(
            "INSERT OR IGNORE INTO webex_claims (name, until, owner, token) VALUES (?, ?, ?, ?)",
            (name, now + seconds, owner, token),
        )
        found = self._connection.execute("SELECT token FROM webex_claims WHERE name = ?", (name,))
        return bool(found.fetchone() == (token,))

    def unclaim(self, name: str, owner: str) -> None:
        """Give back a claim of an owner."""
        self._changes("DELETE FROM webex_claims WHERE name = ? AND owner = ?", (name, owner))

    def caught_up(self, name: str) -> datetime | None:
        """Return a time that is kept under a name."""
        found = self._connection.execute("SELECT time FROM webex_times WHERE name = ?", (name,))
        (kept,) = found.fetchone() or (None,)
        return _time(kept)

    def set_caught_up(self, name: str, time: float) -> None:
        """Keep a time under a name."""
        self._changes("INSERT OR REPLACE INTO webex_times (name, time) VALUES (?, ?)", (name, time))

    def counts(self) -> InboxCounts:
        """Count what isn't completed."""
        now = self._clock()
        found = self._connection.execute(_COUNTS, {"now": now}).fetchall()
        counted = {state: count for state, count, _ in found}
        first = {state: due for state, _, due in found}.get("waiting")
        return InboxCounts(**counted, oldest=None if first is None else now - first)

    def unfinished(self, after: int) -> list[tuple[int, StoredNotification]]:
        """Return the next few that aren't completed, each with the number of its row.

        A successor follows the one that runs, with the number of that.
        """
        where = f"forget IS NULL AND number > :value ORDER BY number LIMIT {_LISTED_AT_ONCE}"
        return self._listed(where, after)

    def retry(self, keys: Iterable[str]) -> int:
        """Let notifications be due now, as if they had just come; return how many weren't."""
        return sum(map(self._retry, keys))

    def _retry(self, key: str) -> bool:
        row = {"key": storable(key), "now": self._clock()}
        for number, stored in self._found(key):
            if stored.state in {"waiting", "retrying", "scheduled", "asking", "failed"}:
                self._changes(_RETRY, {"number": number, **row})
                if stored.state != "waiting":
                    self.questions.end_now(number)
                return stored.state != "waiting"
        return bool(self._changes(_RETRY_SUCCESSOR, row))

    def drop(self, keys: Iterable[str], keep: float) -> int:
        """Remove what has failed, or can't be read; what was received is known."""
        return sum(self._drop(key, keep) for key in keys)

    def _drop(self, key: str, keep: float) -> bool:
        for number, stored in self._found(key):
            if stored.state not in {"failed", "unreadable"}:
                continue
            if is_job(stored.key):
                self._remove(number, stored.key)
            else:
                row = {"number": number, "forget": self._clock() + keep, "now": 0.0, "job": False}
                self._changes(_DROP, row)
                self._end(number, stored.key)
            return True
        return False

    def _found(self, key: str) -> list[tuple[int, StoredNotification]]:
        """Return the notification that is listed with a key, if there is one."""
        number = row_of(key)
        where = "forget IS NULL AND " + ("key = :value" if number is None else "number = :value")
        found = self._listed(where, storable(key) if number is None else number)
        return [each for each in found[:1] if each[1].key == key]

    def _listed(self, where: str, value: object) -> list[tuple[int, StoredNotification]]:
        """Return rows, each with its number; a successor follows the one whose place it takes."""
        rows = self._connection.execute(
            _LIST.format(where=where), {"value": value, "now": self._clock()}
        )
        listed: list[tuple[int, StoredNotification]] = []
        for number, *row in rows:
            this, (key, *successor, due) = row[:_COLUMNS], row[_COLUMNS:]
            listed.append((number, _stored((number, *this))))
            if key is not None:
                waiting = (number, key, *successor, due, "scheduled", None, 0, 0, None)
                listed.append((number, _stored(waiting)))
        return listed

    def _update(self, entry: InboxEntry, changes: str, **values: object) -> bool:
        """Change the row of an entry, unless its lease is lost."""
        where = "number = :number AND token = :token"
        return bool(
            self._changes(
                f"UPDATE webex_notifications SET {changes} WHERE {where}",  # noqa: S608 - ours
                {**values, "number": entry.number, "token": entry.token},
            )
        )

    def _changes(self, statement: str, values: Any) -> int:  # noqa: ANN401 - as sqlite3 takes them
        """Execute a statement, and return how many rows it has changed."""
        return self._connection.execute(statement, values).rowcount


APPLICATION_ID = 0x57627849  # "WbxI"; SQLite keeps it in the header of the file
VERSION = 4
"""The version of the tables; in a user's own database it is in a table, else in the header."""

RELEASES = {1: "0.2 or 0.3", 2: "0.4", 3: "0.5"}
"""The releases that made files of other versions."""

# `due` is when a row is taken at the earliest; while it runs, when its lease ends. One that isn't
# taken any more has `aside`, a state, or `forget`, if it is completed. Other programs may have
# tables in the file.
#
# Of a line, the first one by `place` is the next: what runs or holds up its line (HOLDS), else of
# what was due when a `take` looked (DUE) the one that was stored first, else what is due first
# (LATER). So `webex_lines` has the first of each line, and a `take` reads nothing of what waits
# behind it. It is due there when the first that is due later is, if that comes before: then it may
# be another.
_ORDER = f"place, CASE place WHEN {LATER} THEN due ELSE number END"
_FIRST_OF_OLD = f"""
    DELETE FROM webex_lines WHERE line = old.line;
    INSERT INTO webex_lines (line, due, number)
    SELECT line, CASE place WHEN {DUE} THEN min(due, ifnull((
        SELECT due FROM webex_notifications WHERE line = old.line AND place = {LATER}
        ORDER BY {_ORDER} LIMIT 1
    ), due)) ELSE due END, number
    FROM webex_notifications WHERE line = old.line AND place IS NOT NULL ORDER BY {_ORDER} LIMIT 1;
"""  # noqa: S608 - ours
_SCHEMA = (
    """
    CREATE TABLE webex_notifications (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        line TEXT,
        body BLOB NOT NULL,
        stored REAL NOT NULL,
        due REAL,
        place INTEGER,
        aside TEXT,
        forget REAL,
        token TEXT,
        holder TEXT,
        failures INTEGER NOT NULL DEFAULT 0,
        expiries INTEGER NOT NULL DEFAULT 0,
        releases INTEGER NOT NULL DEFAULT 0,
        outages INTEGER NOT NULL DEFAULT 0,
        outage REAL,
        owner TEXT,
        stopped INTEGER NOT NULL DEFAULT 0,
        waits INTEGER NOT NULL DEFAULT 0,
        asks INTEGER NOT NULL DEFAULT 0,
        error TEXT
    )
    """,
    """
    CREATE INDEX webex_due ON webex_notifications (due, number)
    WHERE line IS NULL AND due IS NOT NULL
    """,
    f"""
    CREATE INDEX webex_line ON webex_notifications (line, {_ORDER})
    WHERE line IS NOT NULL AND place IS NOT NULL
    """,
    "CREATE INDEX webex_forget ON webex_notifications (forget) WHERE forget IS NOT NULL",
    # It has all that is counted, so that neither bodies nor completed rows are read.
    """
    CREATE INDEX webex_unfinished ON webex_notifications
        (number, due, token, aside, asks, failures, expiries, releases, outages, owner)
    WHERE forget IS NULL
    """,
    "CREATE INDEX webex_stopped ON webex_notifications (number) WHERE stopped",
    """
    CREATE TABLE webex_lines (
        line TEXT PRIMARY KEY,
        due REAL NOT NULL,
        number INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX webex_lines_due ON webex_lines (due, number)",
    f"""
    CREATE TRIGGER webex_line_grows AFTER INSERT ON webex_notifications
    WHEN new.line IS NOT NULL BEGIN {_FIRST_OF_OLD.replace("old.", "new.")} END
    """,
    f"""
    CREATE TRIGGER webex_line_changes AFTER UPDATE OF line, due, place ON webex_notifications
    WHEN old.line IS NOT NULL BEGIN {_FIRST_OF_OLD} END
    """,
    f"""
    CREATE TRIGGER webex_line_shrinks AFTER DELETE ON webex_notifications
    WHEN old.line IS NOT NULL BEGIN {_FIRST_OF_OLD} END
    """,
    """
    CREATE TABLE webex_successors (
        key TEXT PRIMARY KEY,
        line TEXT,
        body BLOB NOT NULL,
        stored REAL NOT NULL,
        due REAL NOT NULL
    )
    """,
    """
    CREATE TABLE webex_records (
        number INTEGER NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (number, name)
    )
    """,
    """
    CREATE TABLE webex_claims (
        name TEXT PRIMARY KEY,
        until REAL NOT NULL,
        owner TEXT NOT NULL,
        token TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX webex_until ON webex_claims (until)",
    "CREATE TABLE webex_times (name TEXT PRIMARY KEY, time REAL NOT NULL) WITHOUT ROWID",
    # What transactions of the user's leave: without a body, the key is cancelled.
    """
    CREATE TABLE webex_outbox (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        body BLOB,
        line TEXT,
        due REAL NOT NULL,
        replace INTEGER NOT NULL
    )
    """,
    *QUESTIONS,
)
_IDENTITY = (f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION}")
# In a user's own database, the header is the user's.
_IDENTITY_IN_A_TABLE = (
    "CREATE TABLE webex_version (version INTEGER NOT NULL)",
    f"INSERT INTO webex_version VALUES ({VERSION})",  # noqa: S608 - ours
)
NAMES = frozenset(re.findall(r"CREATE \w+ (\w+)", "".join((*_SCHEMA, *_IDENTITY_IN_A_TABLE))))
"""The names of tables, indexes and triggers that an inbox has in a file."""


def create(connection: sqlite3.Connection, *, is_shared: bool) -> None:
    """Make the tables, inside of a transaction."""
    for statement in (*_SCHEMA, *(_IDENTITY_IN_A_TABLE if is_shared else _IDENTITY)):
        connection.execute(statement)


_PUT = f"""
    INSERT INTO webex_notifications (key, line, owner, body, stored, due, place)
    VALUES (
        :key, :line, :owner, :body, :stored, max(:due, :now),
        CASE WHEN :due <= :now THEN {DUE} ELSE {LATER} END
    )
    ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - ours
_PUT_BEHIND = """
    INSERT OR {} INTO webex_successors (key, line, body, stored, due)
    VALUES (:key, :line, :body, :stored, :due)
"""
_OF_SUCCESSOR = ("key", "line", "body", "stored", "due")
_SUCCESSOR = f"SELECT {', '.join(_OF_SUCCESSOR)} FROM webex_successors WHERE key = ?"  # noqa: S608 - ours
_KNOWN = """
    SELECT number, forget <= :now, stopped OR (token IS NOT NULL AND due > :now), stopped
    FROM webex_notifications WHERE key = :key
"""
_FORGOTTEN = "SELECT number FROM webex_notifications WHERE forget <= ? LIMIT ?"
_REMOVE = "DELETE FROM webex_notifications WHERE number = ?"
# What is due in a line, and was due later when a `take` last looked.
_RIPE = f"""
    line = {{0}} AND place = {LATER} AND CASE place WHEN {LATER} THEN due ELSE number END <= :now
"""
_NEXT = f"""
    SELECT EXISTS (SELECT 1 FROM webex_outbox),
        EXISTS (SELECT 1 FROM webex_notifications WHERE {_RIPE.format("n.line")}),
        number, key, CAST(body AS BLOB), line, due, token, waits, error, stopped,
        failures, expiries, releases, outages
    FROM (SELECT 1) LEFT JOIN webex_notifications AS n ON number = (
        SELECT number FROM (
            SELECT due, number FROM webex_notifications WHERE line IS NULL AND due <= :now
            UNION ALL SELECT due, number FROM webex_lines WHERE due <= :now
            ORDER BY due, number LIMIT 1
        )
    )
"""  # noqa: S608 - ours
_RIPEN = f"UPDATE webex_notifications SET place = {DUE} WHERE {_RIPE.format(':line')}"  # noqa: S608 - ours
_COMPLETED = """
    token = NULL, holder = NULL, line = NULL, due = NULL, place = NULL, aside = NULL,
    forget = CASE WHEN stopped AND :job THEN :now ELSE :forget END, stopped = 0, body = x'',
    error = NULL
"""
_DROP = f"UPDATE webex_notifications SET {_COMPLETED} WHERE number = :number"  # noqa: S608 - ours
# What has begun, and asks nothing.
_OF_OWNER = f"""
    SELECT number, CAST(body AS BLOB), (
        token IS NOT NULL OR waits OR error IS NOT NULL OR expiries OR outages
    ) AND NOT EXISTS (SELECT 1 FROM webex_questions AS q WHERE q.number = n.number)
    FROM webex_notifications AS n WHERE number IN (
        SELECT number FROM webex_notifications
        WHERE forget IS NULL AND number < :before AND {within("owner", ":owner")}
    ) AND due IS NOT NULL AND NOT stopped
"""  # noqa: S608 - ours
_OF_KEY = """
    SELECT number, CAST(body AS BLOB) FROM webex_notifications AS n
    WHERE key = :key AND forget IS NULL AND due IS NOT NULL AND NOT stopped AND (
        token IS NOT NULL AND due > :now
        OR EXISTS (SELECT 1 FROM webex_questions AS q WHERE q.number = n.number)
    )
"""
_STOP = "UPDATE webex_notifications SET stopped = 1 WHERE number = ?"
_STOPPING = "SELECT number FROM webex_notifications WHERE stopped AND token IS NOT NULL"
_FAILED = "failures = failures + 1, outages = 0, outage = NULL"
_RELEASED = "releases = releases + 1"
_COUNT_OUTAGE = f"""
    outages = outages + (outage IS NULL OR outage + {OUTAGE_SECONDS} <= :now),
    outage = CASE WHEN outage + {OUTAGE_SECONDS} > :now THEN outage ELSE :now END
"""
_RETRY = f"""
    UPDATE webex_notifications
    SET due = min(ifnull(due, :now), :now), aside = NULL,
        place = CASE place WHEN {HOLDS} THEN {HOLDS} ELSE {DUE} END,
        -- or its handlers would run as for the first time
        error = ifnull(error, CASE WHEN expiries THEN '{EXPIRED}' END),
        failures = 0, expiries = 0, releases = 0
    WHERE number = :number
"""  # noqa: S608 - ours
_RETRY_SUCCESSOR = "UPDATE webex_successors SET due = :now WHERE key = :key AND due > :now"
_STATE = """
    CASE
        WHEN due IS NULL THEN ifnull(aside, 'failed')
        WHEN due <= :now THEN 'waiting'
        WHEN token IS NOT NULL THEN 'running'
        WHEN asks THEN 'asking'
        WHEN failures + expiries + releases + outages THEN 'retrying'
        ELSE 'scheduled'
    END
"""
_COUNTS = f"""
    SELECT state, count(*), min(due) FROM (
        SELECT {_STATE} AS state, due FROM webex_notifications WHERE forget IS NULL
        UNION ALL SELECT 'scheduled', due FROM webex_successors
        UNION ALL SELECT CASE WHEN due <= :now THEN 'waiting' ELSE 'scheduled' END, due
        FROM webex_outbox WHERE body IS NOT NULL
    )
    GROUP BY state
"""  # noqa: S608 - ours
_BEGINNING_OF = (
    f"substr(CAST({{0}}.body AS BLOB), 1, {BEGINNING}), length(CAST({{0}}.body AS BLOB))"
)
_LIST = f"""
    SELECT this.number, this.key, {_BEGINNING_OF.format("this")}, this.line, this.stored, this.due,
        this.state, this.holder, this.failures, this.expiries, this.error,
        next.key, {_BEGINNING_OF.format("next")}, next.line, next.stored, next.due
    FROM (SELECT *, {_STATE} AS state FROM webex_notifications WHERE {{where}}) AS this
    LEFT JOIN webex_successors AS next ON next.key = this.key ORDER BY this.number
"""  # noqa: S608 - ours

# For transactions of a user's. The first one begins it where the driver leaves that to the first
# statement that writes, and lets nobody else write from then on.
LOCK = "DELETE FROM webex_records WHERE 0"
UNFINISHED = "SELECT 1 FROM webex_notifications WHERE number = $1 AND forget IS NULL"
RECORD = "SELECT value FROM webex_records WHERE number = $1 AND name = $2"
ADD_RECORD = "INSERT INTO webex_records (number, name, value) VALUES ($1, $2, $3)"
REPLACE_RECORD = "UPDATE webex_records SET value = $3 WHERE number = $1 AND name = $2"
ADD_TO_OUTBOX = """
    INSERT INTO webex_outbox (key, body, line, due, replace) VALUES ($1, $2, $3, $4, $5)
"""
_OUTBOX = "SELECT key, body, line, due, replace FROM webex_outbox ORDER BY number"

_FORGOTTEN_WITH_A_PUT = 4
_LISTED_AT_ONCE = 100
_COLUMNS = 11  # of a row that is listed, without its number


def _place(retry_in: float, *, holds: bool) -> int:
    return HOLDS if holds else LATER if retry_in > 0 else DUE


def _fits(*values: tuple[object, type | UnionType]) -> bool:
    return all(isinstance(value, expected) for value, expected in values)


def _stored(row: tuple[Any, ...]) -> StoredNotification:
    """Make of a row, whatever is in it, what is listed."""
    number, key, beginning, size, line, stored, due, state, holder, failures, expiries, error = row
    shown, came, at = shown_key(number, key), _time(stored), _time(due)
    counts = (failures, int), (expiries, int)
    texts = (line, str | None), (holder, str | None), (error, str | None)
    if came is None or not _fits((key, str), (due, float | None), *counts, *texts):
        return StoredNotification(key=shown, state="unreadable", stored=came, due=at)
    return listed(
        *(beginning or b"", size),  # that of an empty body is NULL
        key=shown,
        state=state,
        stored=came,
        due=at,
        failures=failures,
        expiries=expiries,
        error=error,
        holder=holder if state == "running" else None,
        line=line,
    )


def _time(seconds: object) -> datetime | None:
    try:
        if isinstance(seconds, float) and math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # it isn't a time that there can be
        pass
    return None
