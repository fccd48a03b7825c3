"""The questions in a file, and the records that answers are: which are open, and what waits."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from webex_webhooks_async.inbox.base import PUT_OFF_SECONDS
from webex_webhooks_async.inbox.entries import ANSWERED, NO_ANSWER, InboxEntry, Question
from webex_webhooks_async.notifications.identity import JOB

# `number` is that of the entry that asks. `opened` is the highest number of an entry when the
# question was opened; without it, it waits for another one at its place. `until` is there when its
# message was sent, and `line` is that of what may answer it.
QUESTIONS = (
    """
    CREATE TABLE webex_questions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        number INTEGER NOT NULL,
        record TEXT NOT NULL,
        place TEXT NOT NULL,
        owner TEXT,
        queues INTEGER NOT NULL,
        opened INTEGER,
        until REAL,
        line TEXT,
        postponed INTEGER NOT NULL DEFAULT 0,
        data BLOB NOT NULL,
        UNIQUE (number, record)
    )
    """,
    "CREATE INDEX webex_place ON webex_questions (place)",
    "CREATE INDEX webex_owner ON webex_questions (owner) WHERE owner IS NOT NULL",
)


def within(column: str, given: str) -> str:
    """Return the condition that a text begins with another one, which an index can find."""
    return f"({column} >= {given} AND {column} < {given} || char(0x10ffff))"


HOLDS, DUE, LATER = range(3)
"""The places in a line: of what runs or holds it up, of what is due, and of what is due later."""

NEVER = 1e11
"""When an entry is due that waits without a deadline: later than all that is said."""


class QuestionRows:
    """The questions and the records, used inside of a transaction."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    def records(self, number: int) -> dict[str, bytes]:
        """Return all that is recorded for an entry."""
        return dict(self._all("SELECT name, value FROM webex_records WHERE number = ?", number))

    def record(self, number: int, name: str) -> bytes | None:
        """Return what is recorded for an entry under a name."""
        found = self._all(
            "SELECT value FROM webex_records WHERE number = ? AND name = ?", number, name
        )
        return found[0][0] if found else None

    def ask(  # noqa: PLR0913 - as `Inbox.ask`
        self,
        entry: InboxEntry,
        record: str,
        *,
        place: str,
        data: bytes,
        seconds: float | None,
        line: str | None,
        owner: str | None,
        queues: bool,
        beside: bool,
    ) -> Question | bytes | None:
        """Open a question, or change one that is open, as `Inbox.ask` says."""
        if (recorded := self.record(entry.number, record)) is not None:
            return recorded
        if not self._all(_LEASED, entry.number, entry.token):
            return None
        now = self._clock()
        found = self._all(_ASKED, entry.number, record)
        if not found:
            if not beside:
                self.close(entry.number)
            self._change(_ADD, entry.number, record, place, owner, queues, data)
            self._change(_WAITS, entry.number)
        elif self._is_over(found[0][0], found[0][1], now):
            self.end([found[0][0]], NO_ANSWER)
            return NO_ANSWER
        self._change(_OPEN, entry.number, record)
        until = None if seconds is None else now + seconds
        self._change(_SET, data, until, place, until, line, entry.number, record)
        return self._listed("q.number = ? AND q.record = ?", entry.number, record)[0]

    def _is_over(self, question_id: int, until: float | None, now: float) -> bool:
        """Whether the time of a question has passed, and nothing may answer it any more."""
        if until is None or until > now:
            return False
        return until + PUT_OFF_SECONDS <= now or not self._all(_MAY_ANSWER, question_id)

    def unask(self, entry: InboxEntry, record: str) -> None:
        """Close a question, as `Inbox.unask` says."""
        if self._all(_LEASED, entry.number, entry.token):
            for question_id, _, place in self._all(_ASKED, entry.number, record):
                self._remove(question_id, place)

    def questions(self, places: Sequence[str], entry: InboxEntry | None) -> list[Question] | None:
        """Return the questions of a place, an owner or an entry, as `Inbox.questions` says."""
        if entry is not None and not self._all(_LEASED, entry.number, entry.token):
            return None
        if entry is not None and not places:
            return self._listed("q.number = ? AND q.until > ?", entry.number, self._clock())
        found = {each.id: each for place in places for each in self._listed(_AT, *[place] * 3)}
        return [found[each] for each in sorted(found)]

    def wait(self, entry: InboxEntry, records: Iterable[str]) -> bool:
        """Let an entry wait at its question, as `Inbox.wait` says."""
        now = self._clock()
        found = [self._all(_WAITS_UNTIL, now, entry.number, each) for each in records]
        due = max(now, min((rows[0][0] if rows else now for rows in found), default=now))
        place = LATER if due > now else DUE
        return self._change(_WAIT, due, place, entry.number, entry.token) > 0

    def answer(self, entry: InboxEntry, question_id: int, value: bytes) -> bool:
        """Answer a question, as `Inbox.answer` says."""
        if self.record(entry.number, ANSWERED) is not None:
            return True
        found = self._all(_OPEN_ONE, question_id)
        if not (found and self._all(_UNFINISHED, entry.number)):
            return False
        ((number, record, place),) = found
        self._add_record(number, record, value)
        self._add_record(entry.number, ANSWERED, b"%d" % question_id)
        self._change(_ANSWER, self._clock(), number)
        self._remove(question_id, place)
        return True

    def ids(self, number: int) -> list[int]:
        """Return the ids of the questions of an entry."""
        return [question_id for question_id, _ in self._all(_OF_ENTRY, number)]

    def end(self, question_ids: Iterable[int], data: bytes) -> int:
        """End questions, as `Inbox.end` says."""
        ended = 0
        for each in question_ids:
            for number, record, place in self._all(_ONE, each):
                self._add_record(number, record, data)
                self._change(_MAKE_DUE, self._clock(), number)
                self._remove(each, place)
                ended += 1
        return ended

    def postpone(self, seconds: float) -> None:
        """Let what is open end later, as `Inbox.postpone` says."""
        earliest = self._clock() + seconds
        self._change(_POSTPONE_ENTRIES, earliest, earliest)
        self._change(_POSTPONE, earliest, earliest)

    def close(self, number: int) -> None:
        """Close the questions of an entry that has ended, or asks something else."""
        for question_id, place in self._all(_OF_ENTRY, number):
            self._remove(question_id, place)

    def end_now(self, number: int) -> None:
        """Let the time of an entry's question be over."""
        self._change(_END_NOW, self._clock(), number)

    def _remove(self, question_id: int, place: str) -> None:
        """Remove a question, and let the next one at its place be asked."""
        self._change("DELETE FROM webex_questions WHERE id = ?", question_id)
        self._change(_WAKE, self._clock(), place)

    def _listed(self, where: str, *values: object) -> list[Question]:
        rows = self._all(f"{_LIST} WHERE {where} ORDER BY q.id", *values)
        names = ("id", "number", "record", "place", "owner", "opened", "data")
        return [Question(**dict(zip(names, row, strict=True))) for row in rows]

    def _add_record(self, number: int, name: str, value: bytes) -> None:
        self._change(
            "INSERT INTO webex_records (number, name, value) VALUES (?, ?, ?)", number, name, value
        )

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _change(self, statement: str, *values: object) -> int:
        return self._connection.execute(statement, values).rowcount


_LEASED = "SELECT 1 FROM webex_notifications WHERE number = ? AND token = ?"
_UNFINISHED = "SELECT 1 FROM webex_notifications WHERE number = ? AND forget IS NULL"
_ASKED = "SELECT id, until, place FROM webex_questions WHERE number = ? AND record = ?"
_OF_ENTRY = "SELECT id, place FROM webex_questions WHERE number = ?"
_ONE = "SELECT number, record, place FROM webex_questions WHERE id = ?"
_OPEN_ONE = f"{_ONE} AND opened IS NOT NULL"
_LIST = """
    SELECT q.id, q.number, q.record, q.place, q.owner, q.opened, CAST(q.data AS BLOB)
    FROM webex_questions AS q
"""
_AT = f"q.place = ? OR {within('q.owner', '?')}"
_ADD = """
    INSERT INTO webex_questions (number, record, place, owner, queues, data)
    VALUES (?, ?, ?, ?, ?, ?)
"""
_WAITS = "UPDATE webex_notifications SET waits = 1 WHERE number = ?"
# Whether it is the turn of a question: no other one that queues there is open, or of an earlier
# entry.
_TURN = """
    (NOT q.queues OR NOT EXISTS (
        SELECT 1 FROM webex_questions AS other
        WHERE other.place = q.place AND other.queues AND other.id <> q.id
        AND (other.opened IS NOT NULL OR (other.number, other.id) < (q.number, q.id))
    ))
"""
_OPEN = f"""
    UPDATE webex_questions AS q
    SET opened = (SELECT seq FROM sqlite_sequence WHERE name = 'webex_notifications')
    WHERE number = ? AND record = ? AND opened IS NULL AND {_TURN}
"""  # noqa: S608 - ours
_SET = """
    UPDATE webex_questions SET
        data = ?,
        place = CASE WHEN until IS NULL AND NOT queues AND ? IS NOT NULL THEN ? ELSE place END,
        until = coalesce(until, ?),
        line = coalesce(line, ?)
    WHERE number = ? AND record = ?
"""
# Whether something was stored before the end of a question that may still answer it.
_MAY_ANSWER = f"""
    SELECT 1 FROM webex_questions AS q JOIN webex_notifications AS n ON
        n.line = q.line AND n.place IS NOT NULL
        OR q.line IS NULL AND n.line IS NOT NULL AND n.place IS NOT NULL
    WHERE q.id = ? AND n.stored <= q.until AND n.place < {LATER}
    AND NOT n.waits AND substr(n.key, 1, {len(JOB)}) <> '{JOB}' LIMIT 1
"""  # noqa: S608 - ours
# When what waits at a question is due: at its end, and after it ever less often, or at once if it
# is its turn to be asked.
_WAITS_UNTIL = f"""
    SELECT CASE
        WHEN until <= now THEN now + (now - until + 1) / 4
        WHEN opened IS NOT NULL THEN coalesce(until, 0.0) WHEN {_TURN} THEN 0.0 ELSE {NEVER}
    END FROM webex_questions AS q JOIN (SELECT ? AS now) WHERE number = ? AND record = ?
"""  # noqa: S608 - ours
_WAIT = """
    UPDATE webex_notifications SET token = NULL, holder = NULL, asks = 1, due = ?, place = ?
    WHERE number = ? AND token = ?
"""
# An entry that runs finds the record when it would wait.
_DUE_NOW = f"""
    UPDATE webex_notifications SET
        due = CASE WHEN token IS NULL THEN ? ELSE due END,
        place = CASE place WHEN {LATER} THEN {DUE} ELSE place END
"""  # noqa: S608 - ours
_MAKE_DUE = f"{_DUE_NOW} WHERE number = ?"
_ANSWER = f"""
    {_DUE_NOW}, failures = 0, expiries = 0, releases = 0, outages = 0, outage = NULL
    WHERE number = ?
"""
_WAKE = f"""
    UPDATE webex_notifications SET due = ?, place = {DUE}
    WHERE asks AND token IS NULL AND number IN (
        SELECT number FROM webex_questions AS q WHERE place = ? AND opened IS NULL AND {_TURN}
    )
"""  # noqa: S608 - ours
_POSTPONE_ENTRIES = f"""
    UPDATE webex_notifications SET due = ?, place = {LATER}
    WHERE asks AND token IS NULL AND number IN (
        SELECT number FROM webex_questions WHERE until < ? AND NOT postponed
    )
"""  # noqa: S608 - ours
_POSTPONE = """
    UPDATE webex_questions SET until = ?, postponed = 1 WHERE until < ? AND NOT postponed
"""
_END_NOW = "UPDATE webex_questions SET until = min(until, ?) WHERE number = ?"
