"""A store of users in a file, for the processes of one machine."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from webex_webhooks_async.inbox.sqlite_file import (
    LOCKED_SECONDS,
    check_file,
    connect,
    keep_for_its_owner,
)
from webex_webhooks_async.integration.store import (
    COLUMNS,
    VERSION,
    Row,
    UserCounts,
    UserStore,
    newer,
)
from webex_webhooks_async.validation import check_type

T = TypeVar("T")


class SQLiteUserStore(UserStore):
    """Keeps the users of an `Integration` in a file, for the processes of one machine.

    The file gets mode 600 when it is opened. It may be the file of a `SQLiteInbox`. What it holds
    about a user is encrypted, but for the UUID of the person and whether they are connected.

    Its errors are `OSError`; if another program locks the file for five seconds, `TimeoutError`.

    Args:
        path: The file. It is created with the first call, in a folder that exists. A relative path
            counts from where the store is made.
        clock: Returns the time in seconds; the same in all processes that use the file.

    Raises:
        ValueError: The folder doesn't exist, or the file isn't a database, or is another program's.
        TypeError: `path` isn't a path.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        check_type("path", path, str, os.PathLike)
        check_file(Path(path))
        self._path = Path(path).absolute()
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None

    async def get(self, person: str) -> Row | None:
        rows = await self._read(f"{_SELECT} WHERE person = ?", person)
        return rows[0] if rows else None

    async def put(self, row: Row, *, replaces: str | None, due_in: float | None) -> bool:
        values = (row.version, row.state, row.key, row.webhooks_key, row.sealed)
        due = None if due_in is None else self._clock() + due_in
        if replaces is None:
            insert = (
                "INSERT INTO webex_users (version, state, key, webhooks_key, sealed, due, person) "
                "VALUES (?, ?, ?, ?, ?, coalesce(?, 0), ?) ON CONFLICT DO NOTHING"
            )
            return await self._write(insert, *values, due, row.person)
        update = (
            "UPDATE webex_users SET version = ?, state = ?, key = ?, webhooks_key = ?, sealed = ?, "
            "due = coalesce(?, due) WHERE person = ? AND version = ?"
        )
        return await self._write(update, *values, due, row.person, replaces)

    async def remove(self, person: str, version: str) -> bool:
        remove = "DELETE FROM webex_users WHERE person = ? AND version = ?"
        return await self._write(remove, person, version)

    async def claim(self, person: str, holder: str, seconds: float) -> bool:
        now = self._clock()
        claim = (
            "UPDATE webex_users SET holder = ?, held_until = ? "
            "WHERE person = ? AND (holder IS NULL OR holder = ? OR held_until <= ?)"
        )
        return await self._write(claim, holder, now + seconds, person, holder, now)

    async def unclaim(self, person: str, holder: str) -> None:
        unclaim = "UPDATE webex_users SET holder = NULL WHERE person = ? AND holder = ?"
        await self._write(unclaim, person, holder)

    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        now = self._clock()

        def take(connection: sqlite3.Connection) -> list[Row]:
            due = f"{_SELECT} WHERE due <= ? ORDER BY due LIMIT ?"
            rows = [_row(each) for each in connection.execute(due, (now, most))]
            later = [(now + seconds, each.person) for each in rows]
            connection.executemany("UPDATE webex_users SET due = ? WHERE person = ?", later)
            return rows

        return await self._call(take, changes=True)

    async def set_due(self, row: Row, seconds: float) -> None:
        set_due = "UPDATE webex_users SET due = ? WHERE person = ? AND version = ?"
        await self._write(set_due, self._clock() + seconds, row.person, row.version)

    async def page(self, after: str, most: int) -> Sequence[Row]:
        return await self._read(f"{_SELECT} WHERE person > ? ORDER BY person LIMIT ?", after, most)

    async def counts(self, key: str) -> UserCounts:
        def count(connection: sqlite3.Connection) -> UserCounts:
            counted = (
                "SELECT count(*) FILTER (WHERE state = 'connected'), "
                "count(*) FILTER (WHERE state = 'leaving'), count(*) FILTER (WHERE state = 'lost'),"
                " count(*) FILTER (WHERE key <> ? OR webhooks_key NOT IN (?, '')) FROM webex_users"
            )
            (counts,) = connection.execute(counted, (key, key))
            names = ("connected", "leaving", "lost", "old_keys")
            return UserCounts(**dict(zip(names, counts, strict=True)))

        return await self._call(count)

    async def aclose(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    async def _read(self, query: str, *values: object) -> list[Row]:
        return await self._call(
            lambda connection: [_row(each) for each in connection.execute(query, values)]
        )

    async def _write(self, statement: str, *values: object) -> bool:
        return await self._call(
            lambda connection: bool(connection.execute(statement, values).rowcount), changes=True
        )

    async def _call(self, do: Callable[[sqlite3.Connection], T], *, changes: bool = False) -> T:
        """Do something with the file in a thread, in a transaction if that changes something."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "webex-webhooks users")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._do, do, changes)

    def _do(self, do: Callable[[sqlite3.Connection], T], changes: bool) -> T:  # noqa: FBT001 - an executor takes no names
        try:
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
            keep_for_its_owner(self._path, is_shared=False)
            # A connection for each call: it finds the file that is there, and nothing to close.
            with closing(
                connect(self._path, "mode=rw", locked_seconds=LOCKED_SECONDS)
            ) as connection:
                self._make_tables(connection)
                if changes:
                    connection.execute("BEGIN IMMEDIATE")
                result = do(connection)
                if changes:
                    connection.execute("COMMIT")
                return result
        except sqlite3.Error as error:
            is_busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            kind = TimeoutError if is_busy else OSError
            raise kind(f"can't use the users in {self._path}: {error}") from error

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        try:
            ((version,),) = connection.execute("SELECT number FROM webex_users_version")
        except sqlite3.OperationalError:  # they aren't there
            connection.executescript(_SCHEMA)
        else:
            if version > VERSION:
                raise newer(str(self._path))


_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS webex_users (
    person TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    webhooks_key TEXT NOT NULL,
    sealed BLOB NOT NULL,
    due REAL NOT NULL,
    holder TEXT,
    held_until REAL
);
CREATE INDEX IF NOT EXISTS webex_users_due ON webex_users (due);
CREATE TABLE IF NOT EXISTS webex_users_version (number INTEGER PRIMARY KEY);
INSERT OR IGNORE INTO webex_users_version VALUES ({VERSION});
COMMIT;
"""
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM webex_users"


def _row(values: Sequence[Any]) -> Row:
    found: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
    return Row(**found)
