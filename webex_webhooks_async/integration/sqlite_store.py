"""A store of users in a file, for the processes of one machine."""

import asyncio
import os
import re
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
    SELECT,
    TABLES,
    VERSION,
    Row,
    UserStore,
    newer,
    row_of,
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

    _locked_seconds: float = LOCKED_SECONDS

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        check_type("path", path, str, os.PathLike)
        check_file(Path(path))
        self._path = Path(path).absolute()
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None

    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        now = self._clock()

        def take(connection: sqlite3.Connection) -> list[Row]:
            due = f"{_in_file(SELECT)} WHERE due <= ? ORDER BY due LIMIT ?"
            rows = [row_of(each) for each in connection.execute(due, (now, most))]
            later = [(now + seconds, each.person) for each in rows]
            connection.executemany("UPDATE webex_users SET due = ? WHERE person = ?", later)
            return rows

        return await self._call(take, changes=True)

    async def aclose(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    async def _read(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        return await self._call(
            lambda connection: self._execute(connection, statement, values).fetchall()
        )

    async def _write(self, statement: str, **values: object) -> bool:
        return await self._call(
            lambda connection: bool(self._execute(connection, statement, values).rowcount),
            changes=True,
        )

    def _execute(
        self, connection: sqlite3.Connection, statement: str, values: dict[str, object]
    ) -> sqlite3.Cursor:
        return connection.execute(_in_file(statement), {**values, "now": self._clock()})

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
                connect(self._path, "mode=rw", locked_seconds=self._locked_seconds)
            ) as connection:
                self._make_tables(connection)
                connection.execute("BEGIN IMMEDIATE" if changes else "BEGIN")
                result = do(connection)
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
            connection.executescript(f"BEGIN IMMEDIATE; {_in_file(TABLES)} COMMIT;")
        else:
            if version > VERSION:
                raise newer(str(self._path))


def _in_file(statement: str) -> str:
    statement = statement.replace("<C>", "").replace("<now>", ":now")
    return re.sub("<(users[a-z_]*)>", r"webex_\1", statement)
