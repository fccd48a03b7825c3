"""The file of a `SQLiteInbox`: its tables, its rights, and what is done to its rows."""

import logging
import math
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import UnionType
from typing import Any

from attrs import frozen

from webex_webhooks_async.notifications.inbox import InboxCounts, InboxEntry

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

UNREADABLE = "unreadable"
"""The state of a row that isn't a notification's."""


@frozen
class StoredNotification:
    """What the file says of a notification that isn't completed, without its body.

    Attributes:
        number: Its row, from `InboxFile.unfinished`.
        key: Its key. One that isn't a few plain characters is ``row-`` and its number.
        state: waiting, running, failed or unreadable.
        failures: How often its handlers have failed.
        error: Why they failed last.
        stored: When it was stored, in seconds since 1970; `None` if that can't be read.
    """

    number: int
    key: str
    state: str
    failures: int
    error: str | None
    stored: float | None


class InboxFile:
    """The file, used in one thread. Changes are made inside of `transaction`.

    Its errors are `OSError`.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self.connection = connection
        self._clock = clock
        self._identities = {each: _identity(each) for each in (path, *_beside(path))}
        self._puts = 0  # in this transaction

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> "InboxFile":
        """Open the file of an inbox for this process alone, and create it if it doesn't exist.

        Raises:
            OSError: It can't be opened, isn't an inbox, or belongs to another user.
        """
        with _explained(path):
            try:
                check_file(path)
                # Closing it would drop the locks that another thread may have on it by then.
                with _creating, suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
                _keep_for_its_owner(path)
                return cls._connected(path, "mode=rw", clock, _prepare)
            except ValueError as error:  # it was another file, or in another folder, before
                raise OSError(str(error)) from error

    @classmethod
    def look_into(
        cls, path: Path, *, change: bool, clock: Callable[[], float] = time.time
    ) -> "InboxFile":
        """Open a file beside a bot that may use it, to read it or to change rows of it.

        Raises:
            ValueError: It isn't an inbox.
            OSError: It can't be opened.
        """
        check_file(path)
        with _explained(path):
            options = "mode=rw" if change else _to_read(path)
            return cls._connected(path, options, clock, _check)

    @classmethod
    def _connected(
        cls,
        path: Path,
        options: str,
        clock: Callable[[], float],
        prepare: Callable[[Path, sqlite3.Connection], None],
    ) -> "InboxFile":
        connection = connect(path, options, locked_seconds=LOCKED_SECONDS)
        try:
            prepare(path, connection)
            return cls(path, connection, clock)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: It is closed, but the log of a lost file stays, because it can't be removed.
        """
        try:
            self.remove_log_of_a_lost_file()
        finally:
            self.connection.close()

    @property
    def is_lost(self) -> bool:
        """Whether the file, or SQLite's log beside it, was removed or replaced."""
        return any(_identity(each) != found for each, found in self._identities.items())

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit what the block does, durably; if anything fails, nothing of it is done.

        Raises:
            OSError: It can't be done, or the file was removed or replaced since it was opened.
        """
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield
            self._forget()
            self.connection.execute("COMMIT")
        except _ERRORS as error:
            raise _explanation(self._path, error) from error
        finally:
            if self.connection.in_transaction:
                self.connection.rollback()
        if self.is_lost:
            raise OSError(
                f"the inbox {self._path} was removed or replaced while it was open: what waited in "
                "it is no longer handled, and the next call opens or creates the file again"
            )

    def put(
        self,
        key: str,
        body: bytes,
        line: str | None = None,  # noqa: ARG002 - not yet
        after: float = 0.0,
    ) -> bool:
        """Store a notification; return False if the key is known."""
        self._puts += 1
        now = self._clock()
        row = {"key": key, "body": body, "now": now, "due": now + after}
        return self.connection.execute(_PUT, row).rowcount == 1

    def _forget(self) -> None:
        """Remove keys whose time has passed: not all at once, but more than were stored."""
        if self._puts:
            self.connection.execute(_FORGET, (self._clock(), _FORGOTTEN_WITH_A_PUT * self._puts))
            self._puts = 0

    def take(self, lease: float) -> InboxEntry | None:
        """Lease the notification that is due for the longest.

        Rows on the way that can't be read are kept as failed.
        """
        now = self._clock()
        for _ in range(_READ_AT_ONCE):
            found = self.connection.execute(_DUE, (now,)).fetchone()
            if found is None:
                return None
            number, key, body, lost, failures, expiries, error = found
            if not _fits((key, str), (failures, int), (expiries, int), (error, str | None)):
                self._give_up(number, key)
                continue
            entry = InboxEntry(
                key=key,
                body=body,
                token=os.urandom(16).hex(),
                lease=lease,
                failures=failures,
                expiries=expiries + (lost is not None),
                error=error,
            )
            self.connection.execute(
                "UPDATE notifications SET token = ?, due = ?, expiries = ? WHERE rowid = ?",
                (entry.token, now + lease, entry.expiries, number),
            )
            return entry
        return None

    def _give_up(self, number: int, key: object) -> None:
        why = "its row can't be read"
        self.connection.execute(
            "UPDATE notifications SET token = NULL, due = NULL, error = ? WHERE rowid = ?",
            (why, number),
        )
        logger.error(
            "a notification in the inbox %s is kept as failed: %s; "
            "`webex-webhooks inbox drop` removes it by its key, %s",
            *(self._path, why, _shown_key(number, key)),
        )

    def renew(self, entry: InboxEntry, lease: float) -> bool:
        """Let the lease begin again; return False if it is lost."""
        return self._update(entry, "due = ?", self._clock() + lease)

    def complete(self, entry: InboxEntry, keep: float) -> bool:
        """Keep only the key of a notification, for `keep` seconds."""
        changes = "token = NULL, due = NULL, forget = ?, body = x'', error = NULL"
        return self._update(entry, changes, self._clock() + keep)

    def fail(self, entry: InboxEntry, error: str, retry_in: float | None) -> bool:
        """Count a failure; without `retry_in`, the notification is failed."""
        due = None if retry_in is None else self._clock() + retry_in
        changes = "token = NULL, due = ?, failures = failures + 1, error = ?"
        return self._update(entry, changes, due, error)

    def recall(self, key: str, name: str) -> bytes | None:
        """Return what was recorded under a name for a notification."""
        found = self.connection.execute(
            "SELECT value FROM records WHERE key = ? AND name = ?", (key, name)
        ).fetchone()
        return None if found is None else found[0]

    def remember(self, key: str, name: str, value: bytes) -> None:
        """Record something for a notification, unless it is completed."""
        self.connection.execute(
            "INSERT OR REPLACE INTO records (key, name, value) "
            "SELECT key, ?, ? FROM notifications WHERE key = ? AND forget IS NULL",
            (name, value, key),
        )

    def counts(self) -> InboxCounts:
        """Count what isn't completed."""
        now = self._clock()
        with _explained(self._path):
            unfinished, running, failed, oldest = self.connection.execute(
                _COUNTS, {"now": now}
            ).fetchone()
        return InboxCounts(
            waiting=unfinished - running - failed,
            running=running,
            failed=failed,
            oldest=None if oldest is None else max(0.0, now - oldest),
        )

    def unfinished(self) -> Iterator[StoredNotification]:
        """Yield what isn't completed, the oldest first, as it was at one moment.

        The file isn't held meanwhile. Call it once.
        """
        end = time.monotonic() + _SECONDS_TO_LIST
        with _explained(self._path):
            self.connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
            self.connection.execute(f"PRAGMA temp.max_page_count = {_PAGES_TO_LIST}")
            try:
                self.connection.execute(_LIST, (self._clock(),))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    why = f"reading it takes longer than {_SECONDS_TO_LIST:g} s: is it an inbox?"
                elif error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    why = "reading it takes more than 1 GB of the disk, or than it has"
                else:
                    raise
                raise OSError(why) from error
            self.connection.set_progress_handler(None, 0)
            for row in self.connection.execute("SELECT * FROM listed ORDER BY stored, number"):
                yield _stored(row)

    def beginning(self, stored: StoredNotification) -> tuple[bytes, int] | None:
        """Return how a body begins, and its size; `None` if it is completed by now."""
        with _explained(self._path):
            try:
                place = ("notifications", "body", stored.number)
                with self.connection.blobopen(*place, readonly=True) as blob:
                    if blob:
                        return blob.read(_BEGINNING), len(blob)
            except sqlite3.Error:
                pass  # it isn't there, or isn't bytes
            there = "SELECT 1 FROM notifications WHERE rowid = ? AND forget IS NULL"
            is_there = self.connection.execute(there, (stored.number,)).fetchone()
        return (b"", 0) if is_there else None

    def retry(self, chosen: Iterable[StoredNotification]) -> None:
        """Let failed notifications be due now, as if they had just come."""
        self._change(
            chosen,
            "UPDATE notifications SET due = :now, failures = 0, expiries = 0 "
            "WHERE due IS NULL AND forget IS NULL",
        )

    def drop(self, chosen: Iterable[StoredNotification]) -> None:
        """Forget notifications."""
        self._change(chosen, "DELETE FROM notifications WHERE forget IS NULL")

    def _change(self, chosen: Iterable[StoredNotification], statement: str) -> None:
        """Change a few rows in a transaction, because a `put` waits for it.

        SQLite keeps no line: without a pause as long, a `put` would find the file locked for
        seconds, and fail.
        """
        listed = "(SELECT stored FROM listed WHERE number = :number)"
        same = f"rowid = :number AND {_STORED} IS {listed}"
        rest = [{"number": each.number, "now": self._clock()} for each in chosen]
        with _explained(self._path):
            self.connection.execute("CREATE INDEX IF NOT EXISTS temp.number ON listed (number)")
        while rest:
            began = time.monotonic()
            with self.transaction():
                self.connection.executemany(f"{statement} AND {same}", rest[:_CHANGED_AT_ONCE])
            del rest[:_CHANGED_AT_ONCE]
            _sleep(time.monotonic() - began)

    def _update(self, entry: InboxEntry, changes: str, *values: object) -> bool:
        """Change the row of an entry, unless its lease is lost."""
        updated = self.connection.execute(
            f"UPDATE notifications SET {changes} WHERE key = ? AND token = ?",  # noqa: S608 - ours
            (*values, entry.key, entry.token),
        )
        return updated.rowcount == 1

    def remove_log_of_a_lost_file(self) -> None:
        """Remove SQLite's files beside a file that was removed or replaced.

        SQLite would take them for those of the new file.

        Raises:
            OSError: They can't be removed.
        """
        file, *beside = self._identities
        if _identity(file) != self._identities[file]:
            for each in beside:
                if _identity(each) == self._identities[each]:
                    each.unlink(missing_ok=True)


_APPLICATION_ID = 0x57627849  # "WbxI"; SQLite keeps it in the header of the file
_VERSION = 1

# Of `due` and `forget`, a failed notification has none, a completed one `forget`, others `due`.
_SCHEMA = (
    """
    CREATE TABLE notifications (
        key TEXT PRIMARY KEY,
        body BLOB NOT NULL,
        stored REAL NOT NULL,
        due REAL,
        forget REAL,
        token TEXT,
        failures INTEGER NOT NULL DEFAULT 0,
        expiries INTEGER NOT NULL DEFAULT 0,
        error TEXT
    )
    """,
    "CREATE INDEX due ON notifications (due) WHERE due IS NOT NULL",
    "CREATE INDEX forget ON notifications (forget) WHERE forget IS NOT NULL",
    # What is listed and counted, so that neither reads bodies or what is completed.
    """
    CREATE INDEX unfinished ON notifications (stored, due, token, key, failures, error)
    WHERE forget IS NULL
    """,
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)

# Release 0.2 opens a file that has these, too, and its statements keep them right.
_RECORDS = (
    """
    CREATE TABLE IF NOT EXISTS records (
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (key, name)
    )
    """,
    """
    CREATE TRIGGER IF NOT EXISTS completed AFTER UPDATE OF forget ON notifications
    WHEN NEW.forget IS NOT NULL BEGIN DELETE FROM records WHERE key = NEW.key; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON notifications
    BEGIN DELETE FROM records WHERE key = OLD.key; END
    """,
)

# What could make a statement of ours do something else, and never end. A later release may add
# tables and indexes, which does no harm.
_DEFINITIONS = (
    "SELECT sql FROM sqlite_master WHERE type = 'trigger' OR name IN ('notifications', 'records')"
)
_OUR_DEFINITIONS = {
    " ".join(each.replace("IF NOT EXISTS ", "").split()) for each in (*_SCHEMA, *_RECORDS)
}

# A key whose time has passed is as good as forgotten.
_PUT = """
    INSERT INTO notifications (key, body, due, stored) VALUES (:key, :body, :due, :now)
    ON CONFLICT (key) DO UPDATE
    SET body = :body, due = :due, stored = :now, forget = NULL, failures = 0, expiries = 0
    WHERE forget <= :now
"""
_FORGET = """
    DELETE FROM notifications
    WHERE rowid IN (SELECT rowid FROM notifications WHERE forget <= ? LIMIT ?)
"""
_DUE = """
    SELECT rowid, key, CAST(body AS BLOB), token, failures, expiries, error
    FROM notifications WHERE due <= ? ORDER BY due LIMIT 1
"""
_COUNTS = """
    SELECT count(*), coalesce(sum(token IS NOT NULL AND due > :now), 0),
        coalesce(sum(due IS NULL), 0),
        min(CASE WHEN (token IS NULL OR due <= :now) AND due IS NOT NULL
            AND typeof(stored) = 'real' THEN stored END)
    FROM notifications WHERE forget IS NULL
"""
# In a file that was made to do harm, a megabyte may be where a number belongs.
_STORED = "CASE typeof(stored) WHEN 'real' THEN stored END"
_LIST = f"""
    CREATE TEMP TABLE listed AS
    SELECT CAST(rowid AS INTEGER) AS number, substr(key, 1, 201) AS key,
        {_STORED} AS stored,
        CASE WHEN due IS NULL THEN 'failed'
            WHEN token IS NOT NULL AND due > ? THEN 'running' ELSE 'waiting' END AS state,
        CASE typeof(failures) WHEN 'integer' THEN failures END AS failures,
        substr(error, 1, 1001) AS error
    FROM notifications WHERE forget IS NULL
"""  # noqa: S608 - ours

LOCKED_SECONDS = 5.0
_sleep: Callable[[float], object] = time.sleep  # a test replaces it
_SECONDS_TO_LIST = 60.0
_PAGES_TO_LIST = 262_144  # of 4 KB, in a temporary file

_FORGOTTEN_WITH_A_PUT = 4
_READ_AT_ONCE = 1_000  # rows that can't be read
_CHANGED_AT_ONCE = 20
_BEGINNING = 16_384  # bytes of a body; Webex's have about a thousand
_CACHE = 64  # MiB at most, of which a large file makes use


def check_file(path: Path) -> None:
    """Check that a path can be an inbox's, from the header of the file; nothing is changed.

    Raises:
        ValueError: Its folder doesn't exist, or the file isn't an inbox that this release knows.
    """
    if str(path) == ":memory:":
        raise ValueError("an inbox in :memory: would lose everything: pass the path of a file")
    if not path.parent.is_dir():
        raise ValueError(f"the folder of the inbox {path} doesn't exist: create it first")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file")
    if path.exists():
        # A file that is locked, or can't be read, is an error when it is used.
        with (
            suppress(sqlite3.OperationalError),
            # Not open(): closing the file would drop the locks that our connections have on it.
            closing(connect(path, _to_read(path), locked_seconds=0)) as connection,
        ):
            _check_header(path, connection)


def _check_header(path: Path, connection: sqlite3.Connection) -> None:
    try:
        is_empty = _pragma(connection, "page_count") == 0
        application_id = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not an inbox, or it is torn: {error}") from error
    if is_empty:
        return
    if application_id != _APPLICATION_ID:
        raise ValueError(f"{path} is not an inbox: it is the database of another program")
    if version > _VERSION:
        raise ValueError(f"the inbox {path} was made by a newer release of webex-webhooks-async")


def _check_definitions(path: Path, connection: sqlite3.Connection) -> None:
    found = {" ".join(str(sql).split()) for (sql,) in connection.execute(_DEFINITIONS)}
    if not found <= _OUR_DEFINITIONS:
        raise ValueError(f"{path} is not an inbox: its tables or its triggers aren't those of one")


def _check(path: Path, connection: sqlite3.Connection) -> None:
    _check_header(path, connection)
    _check_definitions(path, connection)


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Check a file, set it up, and make it an inbox if it is empty."""
    _check_header(path, connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # for macOS
    connection.execute(f"PRAGMA cache_size = {-1024 * _CACHE}")
    connection.execute("BEGIN IMMEDIATE")
    _check_definitions(path, connection)
    is_new = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    for statement in (*(_SCHEMA if is_new else ()), *_RECORDS):
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("SELECT 1 FROM records").fetchone()  # from now on the log is there


def connect(path: Path, options: str, *, locked_seconds: float) -> sqlite3.Connection:
    """Open a file with options of SQLite; it is created only if they say so."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=locked_seconds,
        isolation_level=None,  # transactions begin and end where the code says so
        check_same_thread=False,
    )
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str | bytes:
    """Text that isn't UTF-8 is bytes, not an error."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _to_read(path: Path) -> str:
    """Return the options of SQLite to read a file, without putting others beside it."""
    return "mode=ro" if _beside(path)[0].exists() else "mode=ro&immutable=1"


def _pragma(connection: sqlite3.Connection, name: str) -> Any:  # noqa: ANN401 - a number or a text
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value


def _beside(path: Path) -> tuple[Path, Path]:
    """The files that SQLite puts beside a file: its log, and what finds the log's pages."""
    real = _real(path)
    return real.with_name(f"{real.name}-wal"), real.with_name(f"{real.name}-shm")


def _real(path: Path) -> Path:
    """Follow symlinks, but not in a circle: there `Path.resolve` fails before Python 3.13."""
    return Path(os.path.realpath(path))


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from others of the same name; `None` if it can't be found."""
    try:
        found = path.stat()
    except OSError:  # as of a folder that is now a file, or a symlink to itself
        return None
    return found.st_dev, found.st_ino


def _keep_for_its_owner(path: Path) -> None:
    """Let nobody else read a file and those beside it, as those of a restored backup."""
    for each in (_real(path), *_beside(path)):
        with suppress(FileNotFoundError):
            found = each.lstat()
            if stat.S_ISLNK(found.st_mode):  # its target is no business of an inbox
                raise OSError(f"{each} is a symlink where a file must be: remove it")
            # Windows has no owners: there st_uid is 0, which is int().
            if found.st_uid != getattr(os, "geteuid", int)():
                raise PermissionError(
                    f"{each} belongs to another user: change its owner, or remove it"
                )
            if stat.S_IMODE(found.st_mode) != _MODE:
                each.chmod(_MODE)


_MODE = 0o600
_creating = Lock()


def _fits(*values: tuple[object, type | UnionType]) -> bool:
    return all(isinstance(value, expected) for value, expected in values)


def _stored(row: tuple[Any, ...]) -> StoredNotification:
    number, key, stored, state, failures, error = row
    shown = _shown_key(number, key)
    expected = (key, str), (failures, int), (error, str | None), (stored, float)
    if _fits(*expected) and math.isfinite(stored):
        return StoredNotification(number, shown, state, failures, error, stored)
    return StoredNotification(number, shown, UNREADABLE, 0, None, None)


def _shown_key(number: int, key: object) -> str:
    """Return a key that can be shown and typed."""
    is_plain = isinstance(key, str) and _PLAIN.fullmatch(key)
    return str(key) if is_plain else f"row-{number}"


_PLAIN = re.compile(r"(?!row-)[0-9A-Za-z][0-9A-Za-z._:-]{0,199}")


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn an error of SQLite into an `OSError` that names the file."""
    try:
        yield
    except _ERRORS as error:
        raise _explanation(path, error) from error


_ERRORS = (sqlite3.Error, OSError)


def _explanation(path: Path, error: Exception) -> OSError:
    is_torn = type(error) is sqlite3.DatabaseError
    hint = ": restore it, or move it away" if is_torn else ""
    return OSError(f"can't use the inbox {path}: {error}{hint}")
