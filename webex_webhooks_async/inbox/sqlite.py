"""An inbox in a file, for the processes of one machine."""

import asyncio
import logging
import os
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar
from uuid import uuid4

from webex_webhooks_async.claims import check_claim
from webex_webhooks_async.formatting import storable
from webex_webhooks_async.inbox.base import TransactionalInbox, check_put, check_time
from webex_webhooks_async.inbox.claim_tokens import OwnClaims, claimant
from webex_webhooks_async.inbox.entries import (
    STOPPED,
    InboxCounts,
    InboxEntry,
    Question,
    StoredNotification,
)
from webex_webhooks_async.inbox.listing import in_parts
from webex_webhooks_async.inbox.sqlite_file import InboxFile, check_file
from webex_webhooks_async.inbox.sqlite_rows import (
    ADD_RECORD,
    ADD_TO_OUTBOX,
    LOCK,
    RECORD,
    REPLACE_RECORD,
    UNFINISHED,
    InboxRows,
)
from webex_webhooks_async.inbox.transactions import (
    COMMITTED,
    COMPLETED,
    ROLLED_BACK,
    Transaction,
    same_transaction_of,
    transaction_of,
    without_transaction,
)
from webex_webhooks_async.validation import check_type, seconds_of

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")


class SQLiteInbox(TransactionalInbox):
    """An `Inbox` in a file, for the processes of one machine.

    ::

        receiver = Receiver(secret, inbox=SQLiteInbox("inbox.db"))

    The file gets mode 600 each time it is opened, because it holds what Webex sent. A notification
    that is stored survives a power failure. Only the key of a completed one stays. SQLite needs a
    local disk: a network file system can lose or corrupt the file.

    The methods raise `OSError` if the disk is full, if another program locks the file for five
    seconds, if the file belongs to another user or isn't an inbox any more, or if its folder is
    missing. They work again as soon as that is over. If the file was removed or replaced while it
    was open, the call that notices raises, and the next one opens or creates it again. A process
    that is forked needs an inbox that none of its parents has used.

    Args:
        path: The file. It is created with the first call, in a folder that exists. A relative path
            counts from where the inbox is made. A database that your own program made first keeps
            its mode; a warning says if others may read it.
        lease: For how many seconds, or which `timedelta`, a notification that is taken belongs to
            its process; longer than a handler ever blocks the event loop, because that keeps it
            from being renewed.
        keep: For how many seconds, or which `timedelta`, after its completion a notification is
            known.
        clock: Returns the time in seconds; the same in all processes that use the file.

    Raises:
        ValueError: `lease` or `keep` isn't positive, the folder doesn't exist, or the file isn't
            an inbox, is one of another release, or is a database in which one of the inbox's names
            is taken. Nothing of it is changed. A damaged page is noticed when it is read.
        TypeError: An argument has a wrong type.
    """

    _sleep: Callable[[float], Awaitable[object]] = staticmethod(asyncio.sleep)  # between changes

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lease: float | timedelta = 30.0,
        keep: float | timedelta = 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_type("path", path, str, os.PathLike)
        self._lease = seconds_of("lease", lease)
        self.keep: float = seconds_of("keep", keep)
        check_file(Path(path))
        self._path = Path(path).absolute()  # wherever the program is when it opens the file
        self._clock = clock
        self._open: Callable[[], InboxFile] = partial(InboxFile.open, self._path, clock=clock)
        self._id = uuid4()  # tells its claims from those of other inboxes
        self._claims = OwnClaims()
        self._locked_at = 0.0  # by a transaction of the user's
        self._lock = Lock()
        self._thread: _FileThread | None = None

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
        line = check_put(line, after, at, replace=replace)
        key, owner = storable(key), owner and storable(owner)
        return await self._call(
            lambda rows: rows.put(
                key, body, line=line, after=after, at=at, replace=replace, owner=owner
            )
        )

    async def now(self) -> datetime:
        """Return the time by the clock of the inbox."""
        return datetime.fromtimestamp(self._clock(), UTC)

    async def cancel(self, key: str) -> bool:
        return await self._call(lambda rows: rows.cancel(storable(key)))

    async def take(self) -> InboxEntry | None:
        taking = self._call(lambda rows: rows.take(self._lease))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(OSError):
                if (entry := await taking) is not None:
                    await self._call(lambda rows: rows.give_back(entry))
            raise

    async def renew(self, entry: InboxEntry, *, in_line: bool = True) -> bool:
        return await self._call(lambda rows: rows.renew(entry, self._lease, in_line=in_line))

    async def complete(self, entry: InboxEntry) -> bool:
        return await self._call(lambda rows: rows.complete(entry, self.keep))

    async def fail(
        self,
        entry: InboxEntry,
        *,
        error: str,
        retry_in: float | None,
        holds: bool = True,
        counts: bool = True,
    ) -> bool:
        return await self._call(
            lambda rows: rows.fail(entry, error, retry_in, holds=holds, counts=counts)
        )

    async def release(
        self, entry: InboxEntry, *, retry_in: float = 0.0, outage: bool = False, holds: bool = False
    ) -> bool:
        return await self._call(
            lambda rows: rows.release(entry, retry_in, outage=outage, holds=holds)
        )

    async def recall(self, entry: InboxEntry, name: str) -> bytes | None:
        return await self._call(lambda rows: rows.questions.record(entry.number, storable(name)))

    async def remember(
        self, entry: InboxEntry, name: str, value: bytes, *, leased: bool = False
    ) -> None:
        name = storable(name)
        await self._call(lambda rows: rows.remember(entry, name, value, leased=leased))

    async def records(self, entry: InboxEntry) -> Mapping[str, bytes]:
        return await self._call(lambda rows: rows.questions.records(entry.number))

    async def ask(  # noqa: PLR0913 - as `Inbox.ask`
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
        return await self._call(
            lambda rows: rows.questions.ask(
                entry,
                storable(record),
                place=storable(place),
                data=data,
                seconds=seconds,
                line=line and storable(line),
                owner=owner and storable(owner),
                queues=queues,
                beside=beside,
            )
        )

    async def unask(self, entry: InboxEntry, record: str) -> None:
        await self._call(lambda rows: rows.questions.unask(entry, storable(record)))

    async def questions(
        self, *places: str, entry: InboxEntry | None = None
    ) -> Sequence[Question] | None:
        cleaned = [*map(storable, places)]
        return await self._call(lambda rows: rows.questions.questions(cleaned, entry))

    async def wait(self, entry: InboxEntry, *records: str) -> bool:
        cleaned = [*map(storable, records)]
        return await self._call(lambda rows: rows.questions.wait(entry, cleaned))

    async def answer(self, entry: InboxEntry, question_id: int, value: bytes) -> bool:
        return await self._call(lambda rows: rows.questions.answer(entry, question_id, value))

    async def end(self, question_ids: Iterable[int], data: bytes = STOPPED) -> int:
        ids = [*question_ids]
        return await self._call(lambda rows: rows.questions.end(ids, data))

    async def stop(
        self, owner: str, *, before: int | None = None, data: bytes = STOPPED
    ) -> Mapping[int, bytes]:
        owner = storable(owner)
        if before is None:
            return await self._call(lambda rows: rows.stop_key(owner, data))
        return await self._call(lambda rows: rows.stop(owner, before))

    async def stopping(self) -> Collection[int]:
        return await self._call(InboxRows.stopping)

    async def postpone(self, seconds: float) -> None:
        await self._call(lambda rows: rows.questions.postpone(seconds))

    async def remember_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> bool:
        """Record something in a transaction, unless something is recorded under the name.

        Until the transaction ends, nobody else can write to the file.
        """
        name = storable(name)
        within = await self._within(transaction)
        self._locked_at = time.monotonic()
        if not await within.execute(UNFINISHED, [entry.number]):
            raise RuntimeError(COMPLETED)
        if await within.execute(RECORD, [entry.number, name]):
            return False
        await within.execute(f"SAVEPOINT {_SAVEPOINT}")  # it ends with the transaction
        await within.execute(ADD_RECORD, [entry.number, name, value])
        return True

    async def _within(self, given: object) -> Transaction:
        """Return a transaction of a user's in the file, which nobody else writes to from now on."""
        within = await transaction_of(given)
        files = await within.execute("PRAGMA database_list") if within.kind == "SQLite" else []
        if not any(number == 0 and _is_same(path, self._path) for number, _, path in files):
            raise RuntimeError(
                f"this is a connection to another database than {self._path}: use the file of the "
                "inbox"
            )
        await within.execute(LOCK)
        if not await within.is_open():
            raise without_transaction(given)
        return within

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
        line = check_put(line, after, at, replace=replace)
        due = self._clock() + after if at is None else at.timestamp()
        within = await self._within(transaction)
        await within.execute(ADD_TO_OUTBOX, [storable(key), body, line, due, replace])

    async def replace_within(
        self, transaction: object, entry: InboxEntry, name: str, value: bytes
    ) -> None:
        name = storable(name)
        try:
            within = await same_transaction_of(transaction)
        except RuntimeError as error:  # nothing locks the file any more
            if await self.recall(entry, name) is not None:
                raise RuntimeError(COMMITTED) from error
            raise
        try:
            await within.execute(f"RELEASE {_SAVEPOINT}")
        except Exception as error:
            is_there = await within.execute(RECORD, [entry.number, name])
            raise RuntimeError(COMMITTED if is_there else ROLLED_BACK) from error
        await within.execute(REPLACE_RECORD, [entry.number, name, value])
        seconds = time.monotonic() - self._locked_at
        if seconds > _LONG_LOCK:
            logger.warning(
                "once(%r) has locked the inbox %s for %.1f s, in which nothing could be stored: "
                "keep what is within its transaction short",
                *(name.removeprefix("once:"), self._path, seconds),
            )

    async def claim(self, name: str, seconds: float, *, renew: bool = False) -> bool:
        name, seconds = check_claim(name, seconds)
        owner = claimant(self._id)

        async def ask(token: str) -> bool:
            return await self._call(
                lambda rows: rows.claim(name, seconds, owner, token, renew=renew)
            )

        return await self._claims.claim(name, seconds, ask, renew=renew)

    async def unclaim(self, name: str) -> None:
        await self._call(lambda rows: rows.unclaim(storable(name), claimant(self._id)))

    async def counts(self) -> InboxCounts:
        return await self._call(InboxRows.counts)

    async def unfinished(self) -> AsyncIterator[StoredNotification]:
        last = 0
        while found := await self._call(partial(InboxRows.unfinished, after=last)):
            for last, stored in found:  # noqa: B007 - it is where the next few begin
                yield stored

    async def retry(self, keys: Iterable[str]) -> int:
        changed = 0
        async for few in self._in_parts(keys):
            changed += await self._call(partial(InboxRows.retry, keys=few))
        return changed

    async def drop(self, keys: Iterable[str]) -> int:
        changed = 0
        async for few in self._in_parts(keys):
            changed += await self._call(partial(InboxRows.drop, keys=few, keep=self.keep))
        return changed

    async def caught_up(self, name: str) -> datetime | None:
        return await self._call(lambda rows: rows.caught_up(storable(name)))

    async def set_caught_up(self, name: str, time: datetime) -> None:
        seconds = check_time("time", time).timestamp()
        await self._call(lambda rows: rows.set_caught_up(storable(name), seconds))

    async def aclose(self) -> None:
        """Close the file, after the calls that wait. A call after that opens it again."""
        self._check_process()
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            closed = thread.close()
        await closed

    async def _in_parts(self, keys: Iterable[str]) -> AsyncIterator[list[str]]:
        """Yield a few keys at a time, because a `put` of another process waits meanwhile.

        SQLite keeps no line: without a pause as long, it would find the file locked for seconds.
        """
        for few in in_parts(keys, _DECIDED_AT_ONCE):
            began = time.monotonic()
            yield few
            await self._sleep(time.monotonic() - began)

    def _call(self, call: Callable[[InboxRows], T]) -> asyncio.Future[T]:
        self._check_process()
        with self._lock:
            if self._thread is None:
                self._thread = _FileThread(self._lock, self._open)
            return self._thread.call(call)

    def _check_process(self) -> None:
        """Check that this process has what uses the file: the thread, and the locks."""
        thread = self._thread
        if thread is not None and thread.process != os.getpid():
            raise RuntimeError(
                f"the inbox {self._path} was opened before the process was forked: open it in "
                "each process, after the fork"
            )


def _is_same(path: str | bytes, other: Path) -> bool:
    """Whether it is the same file; where the user's ``text_factory`` is `bytes`, it is bytes."""
    return bool(path) and os.path.realpath(os.fsdecode(path)) == os.path.realpath(other)


_SAVEPOINT = "once_within"
_LONG_LOCK = 1.0  # second
_DECIDED_AT_ONCE = 20


def look_into(path: Path, *, change: bool) -> SQLiteInbox:
    """Return an inbox for a command that looks into a file beside the bots that use it.

    The file isn't created, and neither its rights nor its tables change.
    """
    inbox = SQLiteInbox(path)
    opened = partial(InboxFile.look_into, path, change=change)
    inbox._open = opened  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
    return inbox


class _FileThread:
    """A thread that alone uses a file, opened with the first call and closed with the last one.

    The calls that wait for it share one transaction, and it wakes their event loop once for all.
    """

    def __init__(self, lock: Lock, open_file: Callable[[], InboxFile]) -> None:
        self.process = os.getpid()
        self._lock = lock
        self._open = open_file
        self._calls: list[_Call] = []
        self._wakes = SimpleQueue[asyncio.Future[None] | None]()  # for calls, or for the end
        self._file: InboxFile | None = None
        # An executor takes more time for a call than SQLite does. The end of the process may cut a
        # call off, because nobody waits for it any more.
        Thread(target=self._run, name="webex-webhooks-inbox", daemon=True).start()

    def call(self, call: Callable[[InboxRows], T]) -> asyncio.Future[T]:
        """Call a function with the rows of the file."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._calls:
            self._wakes.put(None)
        self._calls.append((call, future))
        return future

    def close(self) -> asyncio.Future[None]:
        """Close the file after the calls that wait, and end the thread."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wakes.put(closed)
        return closed

    def _run(self) -> None:
        while (closed := self._wakes.get()) is None:
            self._work()
        outcome: Exception | list[None] = [None]
        try:
            self._close()
        except Exception as error:  # noqa: BLE001 - it is raised where the end is awaited
            outcome = error
        _respond([closed], outcome)

    def _work(self) -> None:
        calls: list[_Call] = []
        outcome: Exception | list[Any]
        try:
            if self._file is None:
                self._file = self._open()
            with self._file.transaction() as rows:
                calls = self._waiting()
                outcome = [call(rows) for call, _ in calls]
        except Exception as error:  # noqa: BLE001 - it is raised where the calls are awaited
            calls, outcome = calls or self._waiting(), error
            with suppress(Exception):  # it can't be closed cleanly: the next call tries again
                self._close_if_lost()
        _respond([future for _, future in calls], outcome)

    def _waiting(self) -> "list[_Call]":
        """Return the calls that wait, except those whose caller was cancelled."""
        with self._lock:
            calls, self._calls = self._calls, []
        return [each for each in calls if not each[1].cancelled()]

    def _close_if_lost(self) -> None:
        """Close a file that was removed or replaced: the next call opens what is there by then."""
        if self._file is not None and self._file.is_lost:
            self._file.remove_log_of_a_lost_file()
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


_Call = tuple[Callable[[InboxRows], Any], "asyncio.Future[Any]"]


def _respond(futures: "list[asyncio.Future[Any]]", outcome: Exception | list[Any]) -> None:
    """Give calls their results, or all of them an error, in their event loops."""

    def set_outcomes(loop: asyncio.AbstractEventLoop) -> None:
        for number, future in enumerate(futures):
            if future.get_loop() is not loop or future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome[number])

    for loop in {future.get_loop() for future in futures}:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(set_outcomes, loop)
