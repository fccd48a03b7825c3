"""An inbox in a file, for the processes of one machine."""

import asyncio
import math
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from attrs import field, frozen

from webex_webhooks_async.notifications.inbox import InboxEntry
from webex_webhooks_async.validation import check_type

T = TypeVar("T")


class SQLiteInbox:
    """An `Inbox` in a file, for the processes of one machine.

    ::

        receiver = Receiver(secret, inbox=SQLiteInbox("inbox.db"))

    The file has mode 600, because it holds what Webex sent. A notification that is stored survives
    a power failure. Of a completed one only the key stays. SQLite needs a local disk: a network
    file system can lose or corrupt the file.

    The methods raise `OSError` if the disk is full, or if another program locks the file for five
    seconds. They work again as soon as that is over. A process that is forked needs an inbox of its
    own, opened by none of its parents: SQLite can't be carried across a fork.

    Args:
        path: The file. It is created with the first call, in a folder that exists.
        lease: For how many seconds a notification that is taken belongs to its process.
        keep: For how many seconds after its completion a notification is known.
        clock: Returns the time in seconds; the same in all processes that use the file.

    Raises:
        ValueError: `lease` or `keep` isn't positive, the folder doesn't exist, or the file isn't
            an inbox or is one of a newer release. Nothing of it is changed. A file that is torn
            is noticed with the first call.
        TypeError: An argument has a wrong type.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lease: float = 60.0,
        keep: float = 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_type("path", path, str, os.PathLike)
        for name, seconds in (("lease", lease), ("keep", keep)):
            check_type(name, seconds, float, int)
            if not (0 < seconds < math.inf):
                raise ValueError(f"{name} must be a positive number of seconds, got {seconds}")
        self._path = Path(path)
        check_file(self._path)
        self._lease = lease
        self._keep = keep
        self._clock = clock
        self._file: InboxFile | None = None
        self._process: int | None = None  # that uses the file
        # Only the thread uses the file. The calls that wait for it share one transaction.
        self._thread = _thread()
        self._calls: deque[tuple[Callable[[InboxFile], Any], Future[Any]]] = deque()

    async def put(self, key: str, body: bytes) -> bool:
        """Store a notification durably; return False if the key is known."""
        return await self._call(lambda file: file.put(key, body))

    async def take(self) -> InboxEntry | None:
        """Lease the notification that is due for the longest; return `None` if none is due."""
        return await self._call(lambda file: file.take(self._lease))

    async def renew(self, entry: InboxEntry) -> bool:
        """Let the lease begin again; return False if it is lost."""
        return await self._call(lambda file: file.renew(entry, self._lease))

    async def complete(self, entry: InboxEntry) -> bool:
        """Record that it is handled; return False if the lease is lost."""
        return await self._call(lambda file: file.complete(entry, self._keep))

    async def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Count a failure; the entry is due again in `again_in` seconds, or kept as failed."""
        return await self._call(lambda file: file.fail(entry, again_in))

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        """Return what was recorded under a name while the notification was handled, if anything."""
        return await self._call(lambda file: file.recall(entry.key, name))

    async def remember(self, entry: InboxEntry, name: str, value: bytes) -> None:
        """Record something durably, until the notification is completed or removed."""
        await self._call(lambda file: file.remember(entry.key, name, value))

    async def aclose(self) -> None:
        """Close the file, after the calls that wait."""
        closed = self._in_thread(self._close)
        self._thread.shutdown(wait=False)
        self._thread = _thread()
        self._process = None
        await asyncio.wrap_future(closed)

    async def _call(self, call: Callable[["InboxFile"], T]) -> T:
        future: Future[T] = Future()
        self._calls.append((call, future))
        self._in_thread(self._run_calls)
        return await asyncio.wrap_future(future)

    def _in_thread(self, run: Callable[[], None]) -> Future[None]:
        self._process = self._process or os.getpid()
        if self._process != os.getpid():  # where there is neither the thread nor the locks
            raise RuntimeError(
                f"the inbox {self._path} was opened before the process was forked: open it in "
                "each process, after the fork"
            )
        return self._thread.submit(run)

    def _run_calls(self) -> None:
        if not self._calls:
            return  # an earlier run has executed them
        calls: list[tuple[Callable[[InboxFile], Any], Future[Any]]] = []
        try:
            if self._file is None:
                self._file = InboxFile.open(self._path, clock=self._clock)
            with self._file.transaction():
                calls = self._waiting()
                results = [call(self._file) for call, _ in calls]
        except Exception as error:  # noqa: BLE001 - it is raised where the call is awaited
            for _, future in calls or self._waiting():
                future.set_exception(error)
        else:
            for (_, future), result in zip(calls, results, strict=True):
                future.set_result(result)

    def _waiting(self) -> list[tuple[Callable[["InboxFile"], Any], Future[Any]]]:
        """Return the calls that wait, except those whose caller was cancelled."""
        waiting = [self._calls.popleft() for _ in range(len(self._calls))]
        return [each for each in waiting if each[1].set_running_or_notify_cancel()]

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="webex-webhooks-inbox")


@frozen
class StoredNotification:
    """What the inbox's file says of a notification that isn't completed."""

    key: str
    state: str  # waiting, running or failed
    body: bytes = field(repr=False)
    failures: int
    error: str | None
    stored: float  # in seconds since 1970


class InboxFile:
    """The file of a `SQLiteInbox`, used in one thread, inside of `transaction`.

    Its errors are `OSError`.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self.connection = connection
        self._clock = clock

    @classmethod
    def open(
        cls, path: Path, *, create: bool = True, clock: Callable[[], float] = time.time
    ) -> "InboxFile":
        """Open a file, and make it an inbox if it is empty.

        Raises:
            ValueError: It isn't an inbox, or it is torn.
            OSError: It can't be opened.
        """
        check_file(path)
        with _explained(path):
            if create:
                with suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            connection = connect(path, "mode=rw", locked_seconds=LOCKED_SECONDS)
            try:
                _prepare(path, connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, clock)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit what the block does, durably; if anything fails, nothing of it is done."""
        try:
            with _explained(self._path):
                self.connection.execute("BEGIN IMMEDIATE")
                yield
                self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.rollback()

    def put(self, key: str, body: bytes) -> bool:
        """Store a notification; return False if the key is known."""
        now = self._clock()
        self.connection.execute("DELETE FROM notifications WHERE forget <= ?", (now,))
        inserted = self.connection.execute(
            "INSERT OR IGNORE INTO notifications (key, body, due, stored) VALUES (?, ?, ?, ?)",
            (key, body, now, now),
        )
        return inserted.rowcount == 1

    def take(self, lease: float) -> InboxEntry | None:
        """Lease the notification that is due for the longest."""
        now = self._clock()
        found = self.connection.execute(
            "SELECT key, body, token, failures, expiries, error FROM notifications "
            "WHERE due <= ? ORDER BY due LIMIT 1",
            (now,),
        ).fetchone()
        if found is None:
            return None
        key, body, lost, failures, expiries, error = found
        entry = InboxEntry(
            key=key,
            body=body,
            token=uuid4().hex,
            lease=lease,
            failures=failures,
            expiries=expiries + (lost is not None),
            error=error,
        )
        self.connection.execute(
            "UPDATE notifications SET token = ?, due = ?, expiries = ? WHERE key = ?",
            (entry.token, now + lease, entry.expiries, key),
        )
        return entry

    def renew(self, entry: InboxEntry, lease: float) -> bool:
        """Let the lease begin again; return False if it is lost."""
        return self._update(entry, "due = ?", self._clock() + lease)

    def complete(self, entry: InboxEntry, keep: float) -> bool:
        """Keep only the key of a notification, for `keep` seconds."""
        changes = "token = NULL, due = NULL, forget = ?, body = x'', error = NULL"
        return self._update(entry, changes, self._clock() + keep)

    def fail(self, entry: InboxEntry, again_in: float | None) -> bool:
        """Count a failure; without `again_in`, the notification is failed."""
        due = None if again_in is None else self._clock() + again_in
        changes = "token = NULL, due = ?, failures = failures + 1, error = ?"
        return self._update(entry, changes, due, entry.error)

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

    def unfinished(self) -> Sequence[StoredNotification]:
        """Return what waits, runs or has failed, the oldest first."""
        rows = self.connection.execute(
            "SELECT key, CASE WHEN token IS NOT NULL THEN 'running' WHEN due IS NULL THEN 'failed' "
            "ELSE 'waiting' END, body, failures, error, stored FROM notifications "
            "WHERE forget IS NULL ORDER BY stored"
        )
        return [StoredNotification(*row) for row in rows]

    def retry(self, keys: Iterable[str]) -> None:
        """Let failed notifications be due now, as if they had just come."""
        self.connection.executemany(
            "UPDATE notifications SET due = ?, failures = 0, expiries = 0 WHERE key = ?",
            [(self._clock(), key) for key in keys],
        )

    def drop(self, keys: Iterable[str]) -> None:
        """Forget notifications."""
        self.connection.executemany(
            "DELETE FROM notifications WHERE key = ?", [(key,) for key in keys]
        )

    def _update(self, entry: InboxEntry, changes: str, *values: object) -> bool:
        """Change the row of an entry, unless its lease is lost."""
        updated = self.connection.execute(
            f"UPDATE notifications SET {changes} WHERE key = ? AND token = ?",  # noqa: S608 - ours
            (*values, entry.key, entry.token),
        )
        return updated.rowcount == 1


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

LOCKED_SECONDS = 5.0


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
            closing(connect(path, "mode=ro", locked_seconds=0)) as connection,
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


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Check a file, set it up, and make it an inbox if it is empty."""
    _check_header(path, connection)
    if _pragma(connection, "quick_check(1)") != "ok":
        raise ValueError(f"the inbox {path} is torn: restore it, or move it away")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # for macOS
    connection.execute("BEGIN IMMEDIATE")
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        path.chmod(0o600)
        for statement in _SCHEMA:
            connection.execute(statement)
    for statement in _RECORDS:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def connect(path: Path, options: str, *, locked_seconds: float) -> sqlite3.Connection:
    """Open a file with options of SQLite; it is created only if they say so."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=locked_seconds,
        isolation_level=None,  # transactions begin and end where the code says so
        check_same_thread=False,
    )


def _pragma(connection: sqlite3.Connection, name: str) -> Any:  # noqa: ANN401 - a number or a text
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn an error of SQLite into an `OSError` that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OSError(f"can't use the inbox {path}: {error}") from error
