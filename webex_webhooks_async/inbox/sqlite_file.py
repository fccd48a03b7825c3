"""The guard of a `SQLiteInbox`'s file: its rights, its damage, and whether it is still there."""

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from webex_webhooks_async.formatting import described_database
from webex_webhooks_async.inbox.sqlite_rows import (
    APPLICATION_ID,
    NAMES,
    RELEASES,
    VERSION,
    InboxRows,
    create,
)

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class InboxFile:
    """The file, used in one thread. Its rows are changed inside of `transaction`.

    Its errors are `OSError`.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        *,
        can_change: bool = True,
    ) -> None:
        self._path = path
        self.connection = connection
        self.rows: InboxRows = InboxRows(connection, str(path), clock)
        self._begin = "BEGIN IMMEDIATE" if can_change else "BEGIN"
        guarded = (path, *_beside(path)) if can_change else ()
        self._identities = {each: _identity(each) for each in guarded}

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> "InboxFile":
        """Open the file of an inbox for this user alone, and create it if it doesn't exist."""
        with _explained(path), ExitStack() as stack:
            is_shared = _again_while_it_is_made(ValueError, 0.2, lambda: check_file(path))
            # Closing it would drop the locks that another thread may have on it by then.
            with _creating, suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
            keep_for_its_owner(path, is_shared=is_shared)
            opened = connect(path, "mode=rw", locked_seconds=LOCKED_SECONDS)
            connection = stack.enter_context(closing(opened))
            _prepare(path, connection)
            file = cls(path, connection, clock)
            stack.pop_all()
            return file

    @classmethod
    def look_into(
        cls, path: Path, *, change: bool, clock: Callable[[], float] = time.time
    ) -> "InboxFile":
        """Open a file beside a bot that may use it; neither its rights nor its tables change."""
        with _explained(path), ExitStack() as stack:
            options = "mode=rw" if change else _to_read(path)
            opened = connect(path, options, locked_seconds=LOCKED_SECONDS)
            connection = stack.enter_context(closing(opened))
            if not _check_header(path, connection):
                raise ValueError(f"{path} is not an inbox: it has no tables of one")
            file = cls(path, connection, clock, can_change=change)
            stack.pop_all()
            return file

    def close(self) -> None:
        """Close the file."""
        try:
            self.remove_log_of_a_lost_file()
        finally:
            self.connection.close()

    @property
    def is_lost(self) -> bool:
        """Whether the file, or SQLite's log beside it, was removed or replaced."""
        return any(_identity(path) != known for path, known in self._identities.items())

    def _is_other(self, path: Path) -> bool:
        """Whether there isn't what was there when it was opened."""
        return _identity(path) != self._identities[path]

    @contextmanager
    def transaction(self) -> Generator[InboxRows]:
        """Commit what the block does, durably; if anything fails, nothing of it is done."""
        try:
            self.connection.execute(self._begin)
            yield self.rows
            self.rows.forget()
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

    def remove_log_of_a_lost_file(self) -> None:
        """Remove SQLite's files beside a file that was removed or replaced.

        SQLite would take them for those of the new file. Their contents are first written to the
        lost file, which may only have got another name. If a symlink leads to another file now, the
        sidecars of the new file have other names.
        """
        if self._path not in self._identities or not self._is_other(self._path):
            return
        with suppress(sqlite3.Error):  # there may be no disk any more
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for each in _beside(self._path):
            if each in self._identities and not self._is_other(each):
                each.unlink(missing_ok=True)


LOCKED_SECONDS = 5.0
_PAUSE = 0.02
_CACHE = 64  # MiB at most, of which a large file makes use


def check_file(path: Path) -> bool:
    """Check that a path can be an inbox's, from the header of the file; nothing is changed.

    Returns:
        Whether it is a database that the user's own program made.

    Raises:
        ValueError: Its folder doesn't exist, or the file isn't an inbox that this release knows.
    """
    if str(path) == ":memory:":
        raise ValueError("an inbox in :memory: would lose everything: pass the path of a file")
    if (database := described_database(str(path))) and not path.is_file():
        raise ValueError(
            f"a SQLiteInbox takes the path of a file, got {database}: for PostgreSQL, write "
            "PostgresInbox"
        )
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
            return _is_shared(connection)
    return False


def _check_header(path: Path, connection: sqlite3.Connection) -> bool:
    """Check that a file is an inbox of this release, or can become one; return whether it is."""
    try:
        application_id = _pragma(connection, "application_id")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        version = _version(connection, application_id, names)
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not an inbox, or it is torn: {error}") from error
    if application_id not in {0, APPLICATION_ID}:
        raise ValueError(f"{path} is not an inbox: it is the database of another program")
    if version is None:
        if taken := sorted(NAMES & names):
            raise ValueError(
                f"{path} can't become an inbox: {taken[0]} is there, which the inbox would make; "
                "use another file, or rename it"
            )
        return False
    if version in RELEASES:
        raise ValueError(
            f"the inbox {path} was made by release {RELEASES[version]} of webex-webhooks-async, "
            f"which this release can't read: {_BEGIN_AGAIN[application_id]}"
        )
    if version != VERSION:
        raise ValueError(f"the inbox {path} was made by a newer release of webex-webhooks-async")
    return True


def _version(
    connection: sqlite3.Connection, application_id: int, names: set[str | bytes]
) -> int | None:
    """Return the version of an inbox's tables; `None` if there are none, or others of the name."""
    if application_id:
        version: int = _pragma(connection, "user_version")
        return version
    if names >= _NAMES_SINCE_0_5:
        with suppress(sqlite3.OperationalError):  # as of a table with another column
            (version,) = connection.execute("SELECT max(version) FROM webex_version").fetchone()
            return version
    return _VERSION_OF_0_4 if names >= _NAMES_OF_0_4 else None


_NAMES_SINCE_0_5 = {f"webex_{each}" for each in ("notifications", "version")}
_NAMES_OF_0_4 = {f"webex_{each}" for each in ("notifications", "records", "claims", "line")}
_VERSION_OF_0_4 = 2  # which was in no table
_BEGIN_AGAIN = {
    APPLICATION_ID: "to begin again with an empty one, move the file away, or pass another path",
    0: "to begin again with an empty one, drop its tables, whose names begin with webex_",
}


def _is_shared(connection: sqlite3.Connection) -> bool:
    """Whether a database was made by a user's own program, whose tables are in it."""
    has_any = connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    return bool(has_any and not _pragma(connection, "application_id"))


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Set a file up, and make it an inbox of this release, if it is one or can become one."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # for macOS
    connection.execute(f"PRAGMA cache_size = {-1024 * _CACHE}")
    connection.execute("BEGIN IMMEDIATE")
    if not _check_header(path, connection):
        create(connection, is_shared=_is_shared(connection))
    connection.execute("COMMIT")
    # Where another process does the same, SQLite doesn't wait for that one.
    use_log = partial(connection.execute, "PRAGMA journal_mode = WAL")
    _again_while_it_is_made(sqlite3.OperationalError, LOCKED_SECONDS, use_log)
    connection.execute("SELECT 1 FROM webex_claims").fetchone()  # from now on the log is there


def _again_while_it_is_made(error: type[Exception], seconds: float, call: Callable[[], T]) -> T:
    """Call what may fail for so long while another process makes the same file."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except error:
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE)


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
    """The identity that tells a file from others of the same name; `None` if it can't be found."""
    try:
        found = path.stat()
    except OSError:  # as of a folder that is now a file, or a symlink to itself
        return None
    return found.st_dev, found.st_ino


def keep_for_its_owner(path: Path, *, is_shared: bool) -> None:
    """Let nobody else read a file and those beside it, as those of a restored backup.

    A user's own database keeps its mode.
    """
    for each in (_real(path), *_beside(path)):
        with suppress(FileNotFoundError):
            found = each.lstat()
            if stat.S_ISLNK(found.st_mode):  # an inbox has nothing to do with its target
                raise OSError(f"{each} is a symlink where a file must be: remove it")
            # Windows has no owners: there st_uid is 0, which is int().
            if found.st_uid != getattr(os, "geteuid", int)():
                raise PermissionError(
                    f"{each} belongs to another user: change its owner, or remove it"
                )
            mode = stat.S_IMODE(found.st_mode)
            if is_shared and mode & _OTHERS:
                logger.warning(_READABLE, each, mode)
            elif mode != _MODE and not is_shared:
                each.chmod(_MODE)


_MODE = 0o600
_OTHERS = 0o077
_READABLE = (
    "others on this machine may read %s, which holds what Webex sent: its mode is %o, "
    "and chmod 600 keeps them out"
)
_creating = Lock()


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn an error of SQLite, or of a check, into an `OSError` that names the file."""
    try:
        yield
    except ValueError as error:  # it was another file, or in another folder, before
        raise OSError(str(error)) from error
    except _ERRORS as error:
        raise _explanation(path, error) from error


_ERRORS = (sqlite3.Error, OSError)


def _explanation(path: Path, error: Exception) -> OSError:
    hint = ""
    if type(error) is sqlite3.DatabaseError:
        hint = ": restore it, or move it away"
    elif getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        hint = " by another program, or by a transaction of yours: commit it before you reply"
    return OSError(f"can't use the inbox {path}: {error}{hint}")
