"""Records what the execution of a notification has done, so that it isn't done again.

When an inbox runs the handlers of a notification again, what they have sent, and what they did with
`once`, is found here. The records are in the inbox until the notification is completed.
"""

import asyncio
import hashlib
import inspect
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from datetime import date, time
from decimal import Decimal
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define, evolve

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.suspension import check_stop, current_suspension, end_of, uncut
from webex_webhooks_async.inbox.base import TransactionalInbox, transactional
from webex_webhooks_async.inbox.transactions import COMMITTED, check_transaction
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.serialization.converter import from_json, unstructure
from webex_webhooks_async.serialization.strict_json import JSON, dump_json, parse_json
from webex_webhooks_async.validation import check_text

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.base import Inbox
    from webex_webhooks_async.inbox.entries import InboxEntry

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")

Call = Callable[..., Awaitable[object]]
Within = Callable[[], AbstractAsyncContextManager[Any]]


SAID = "said"
"""The kind of what a handler has written; what was deleted is written again."""

CONVERSATION = "conversation"
"""The name of the record of what a conversation began with, and of its newest question."""


CHOSEN = "handled"
"""The name of a record: a handler was chosen, so a message answers no question any more."""


class Records:
    """The records of one attempt to handle a notification, and of earlier ones."""

    def __init__(
        self,
        notification: Notification[Any],
        stored: "tuple[Inbox, InboxEntry] | None" = None,
        *,
        is_first: bool = True,
        is_dispatched: bool = False,
    ) -> None:
        self._notification = notification
        # whether the notification comes from `dispatch`, so that nobody records
        self._is_dispatched = is_dispatched
        # the inbox of the records, and the notification in it; without them, the records last as
        # long as this does
        self.stored: tuple[Inbox, InboxEntry] | None = stored
        # whether no earlier attempt can have left records, so that none is looked for
        self._is_first = is_first
        self._numbers: dict[str, set[int]] = defaultdict(set)  # that equal messages have used
        self._names: dict[object, str] = {}  # of records, by the id of the message
        # the records that `load` has found, and those made since, by their names
        self.known: dict[str, bytes] = {}
        self._unsaid: dict[str, bytes] = {}  # what was said and deleted in this attempt
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unwritten: dict[str, Callable[[], Awaitable[None]]] = {}
        # what is done when the notification is completed or kept as failed, by a name; it gets
        # whether the handler was stopped
        self.at_end: dict[str, Callable[[bool], Awaitable[None]]] = {}

    async def load(self) -> None:
        """Read all records at once, if there may be any."""
        if self.stored is not None and not self._is_first:
            inbox, entry = self.stored
            self.known = dict(await inbox.records(entry))

    @property
    def is_stopped(self) -> bool:
        """Whether the notification was to be stopped before this attempt."""
        return self.stored is not None and self.stored[1].stopped

    async def leave_line(self) -> bool:
        """Leave the line of the notification; return whether it was in one: its next is due."""
        if self.stored is None or self.stored[1].line is None:
            return False
        inbox, entry = self.stored
        await inbox.renew(entry, in_line=False)
        self.stored = inbox, evolve(entry, line=None)
        return True

    async def act(
        self, kind: str, what: object, act: Callable[[], Awaitable[tuple[T, bytes]]], into: type[T]
    ) -> T:
        """Do something, or return what was recorded when an earlier attempt did it.

        The n-th of the same kind with the same JSON in this attempt is the n-th of it in an earlier
        one. Something that failed doesn't count. `act` returns the result, which is of the class
        `into`, and the record of that.
        """
        if self.stored is None:
            return (await act())[0]
        return await uncut(partial(self._act, kind, what, act, into))

    async def _act(
        self, kind: str, what: object, act: Callable[[], Awaitable[tuple[T, bytes]]], into: type[T]
    ) -> T:
        digest = hashlib.sha256(as_json(what)).hexdigest()
        new: bytes | None = None
        with numbered(self._numbers[f"{kind}:{digest}"]) as number:
            name = f"{kind}:{digest}:{number}"
            record = await self.recall(name)
            await check_stop(is_recorded=bool(record))
            if record:
                done = from_json(record, into)
            else:
                done, new = await act()
        if new is not None:
            await self.remember(name, new, "a message" if kind == SAID else "what a handler did")
        if kind == SAID:
            self._names[getattr(done, "id", None)] = name
        return done

    async def unsay(self, message_id: str) -> None:
        """Let what was deleted be sent again, if it is said again."""
        if name := self._names.pop(message_id, None):
            self._unsaid[name] = self.known[name]
            await self.remember(name, b"", "the deletion of a message")

    async def once(
        self, name: str, call: Call, within: Within | None = None, *, stoppable: bool = False
    ) -> Any:  # noqa: ANN401 - JSON
        """Call a function, or return what was recorded when it was called under this name."""
        check_text("name", name)
        if not callable(call):
            raise TypeError(
                f"once takes an async function, got {call!r}: pass the function, without calling it"
            )
        check_outside("call once")
        lock, held = self._locks[name], _held.get()
        if lock in held and lock.locked():
            raise RuntimeError(
                f"once({name!r}) is called inside of itself, and would wait for its own end: use "
                "another name for what is inside"
            )
        calling = partial(self._once, name, call, within, lock)
        return _result_in(await (calling() if stoppable else uncut(calling)))

    async def _once(
        self, name: str, call: Call, within: Within | None, lock: asyncio.Lock
    ) -> bytes:
        async with lock:
            record, held = await self.recall(f"once:{name}"), _held.get()
            await check_stop(is_recorded=record is not None)
            if record is None:
                _held.set(held | {lock})
                try:
                    if within is None:
                        record = _recordable(name, await _awaited(call, call()))
                    else:
                        record = await self._call_within(name, call, _manager_of(within))
                finally:
                    _held.set(held)  # without a token, which fails in another context
                self.known[f"once:{name}"] = record  # before it is written, which may be cancelled
                if within is None:
                    await self.remember(f"once:{name}", record, repr(name))
        return record

    async def _call_within(
        self, name: str, call: Call, manager: AbstractAsyncContextManager[Any]
    ) -> bytes:
        """Call a function in a transaction that its record is a part of, and return the record.

        If another process has called it by then, its record is returned.
        """
        if self._is_dispatched:
            async with manager as transaction:
                await check_transaction(transaction)
                return await _result_of(name, call, transaction)
        inbox, entry = self._transactional()
        self._is_first = False  # what it records is looked for, also if this is cancelled
        record: bytes | None = None
        is_new = False
        async with manager as transaction:
            is_new = await inbox.remember_within(transaction, entry, f"once:{name}", _BEGUN)
            if is_new:
                record = await _result_of(name, call, transaction)
                await inbox.replace_within(transaction, entry, f"once:{name}", record)
        found = await inbox.recall(entry, f"once:{name}")
        if found is None and record is not None and await _is_completed(inbox, entry):
            return record  # its records went with the notification
        if found is None or (is_new and found != record):
            raise RuntimeError(
                f"the context that within of once({name!r}) returned has ended without a commit, "
                "and nothing is recorded: let it commit, as engine.begin does"
            )
        return found

    def _transactional(self) -> "tuple[TransactionalInbox, InboxEntry]":
        if self.stored is None:
            raise RuntimeError(
                "within needs the inbox in which its record is: pass inbox= to the receiver, or "
                "leave within out"
            )
        inbox, entry = self.stored
        return transactional(inbox, "within"), entry

    def next_name(self, kind: str, key: str) -> str:
        """Return the name of the record of the next of a kind with a key: each attempt counts."""
        used = self._numbers[f"{kind}:{key}"]
        used.add(len(used))
        return f"{kind}:{len(used)}:{key}"

    async def conclude(self, *, is_stopped: bool) -> None:
        """Do what is left to do, before the notification is completed or kept as failed."""
        while self.at_end:
            _, act = self.at_end.popitem()
            await act(is_stopped)

    def note_chosen(self) -> None:
        """Note that a handler was chosen: if that fails, this answers no later question."""
        if self.stored is not None:
            self.note(CHOSEN, b"1")

    def note(self, name: str, record: bytes) -> None:
        """Record something of a stored entry with the outcome, unless that is completed."""
        inbox, entry = cast("tuple[Inbox, InboxEntry]", self.stored)
        self.known[name] = record
        self.later(name, partial(inbox.remember, entry, name, record, leased=_is_leased(name)))

    def later(self, name: str, write: Callable[[], Awaitable[None]]) -> None:
        """Do something in the inbox together with the outcome, unless there is more by its name."""
        self._unwritten[name] = write

    def keep_unsaid(self) -> None:
        """Let what was said and deleted count as said: what follows is another part of the work."""
        for name, record in self._unsaid.items():
            self.note(name, record)

    async def write_rest(self) -> None:
        """Write the records that couldn't be written when they were made."""
        for name, write in [*self._unwritten.items()]:
            await write()
            self._unwritten.pop(name, None)

    async def recall(self, name: str) -> bytes | None:
        """Return what is recorded under a name; what `load` hasn't found is looked up once more."""
        if self.stored is None or name in self.known or self._is_first:
            return self.known.get(name)
        inbox, entry = self.stored
        found = await inbox.recall(entry, name)
        if found is not None:
            self.known[name] = found
        return found

    async def remember(self, name: str, record: bytes, what: str) -> None:
        """Record something; what happened can't be undone, so a failure is only logged.

        A record that can't be written now is written with the outcome.
        """
        if self.stored is None:
            return
        inbox, entry = self.stored
        self.known[name] = record
        write = partial(inbox.remember, entry, name, record, leased=_is_leased(name))

        async def write_now() -> None:
            try:
                await write()
                self._unwritten.pop(name, None)
            except Exception as error:  # noqa: BLE001 - whatever the inbox raises
                self._unwritten[name] = write
                logger.warning(
                    "%s of %s can't be recorded yet, and may come twice if the process ends now: "
                    "%s",
                    what,
                    describe(self._notification),
                    describe_exception(error),
                )

        await end_of(asyncio.create_task(write_now()))


def _is_leased(name: str) -> bool:
    """Whether a record is written only by who has the lease; what has happened always is."""
    return name == CONVERSATION


@contextmanager
def numbered(used: set[int]) -> Generator[int]:
    """Number what the block does among equal ones, from 0; if it fails, the number is free again.

    So the n-th that succeeds in one attempt has the number of the n-th in an earlier one.
    """
    number = next(each for each in range(len(used) + 1) if each not in used)
    used.add(number)
    try:
        yield number
    except BaseException:
        used.discard(number)
        raise


async def _is_completed(inbox: "Inbox", entry: "InboxEntry") -> bool:
    """Whether a notification isn't in the inbox any more, for which nothing is recorded then."""
    await inbox.remember(entry, _IS_THERE, b"")
    return await inbox.recall(entry, _IS_THERE) is None


_IS_THERE = "is there"
"""The name of a record that says nothing else."""

_BEGUN = b""
"""The record of what is called within a transaction, until it has a result."""


@define(eq=False)
class _Inside:
    """The calls within a transaction, until it ends."""

    name: str
    is_open: bool = True


_inside: "ContextVar[_Inside | None]" = ContextVar("_inside", default=None)


def check_outside(what: str, transaction: object = None) -> None:
    """Check that something isn't done within a transaction of which it isn't a part."""
    suspension = current_suspension.get()
    if suspension is not None:
        suspension.check(what)
    inside = _inside.get()
    if inside is not None and inside.is_open and transaction is None:
        raise RuntimeError(
            f"don't {what} within the transaction of once({inside.name!r}), which may be rolled "
            "back: return what you need, and do it after once, or pass transaction= to enqueue and "
            "cancel"
        )


def check_outside_of_once(what: str) -> None:
    """Check that something isn't done in a call of `once`, which doesn't run again."""
    check_outside(what)
    if any(each.locked() for each in _held.get()):
        raise RuntimeError(f"don't {what} in a call of once, which runs once: do it beside once")


async def _result_of(name: str, call: Call, transaction: object) -> bytes:
    """Call a function in a transaction, and return its result as a record."""
    inside, before = _Inside(name), _inside.get()
    _inside.set(inside)
    try:
        record = _recordable(name, await _awaited(call, call(transaction)))
    finally:
        inside.is_open = False
        _inside.set(before)  # without a token, which fails in another context
    _result_in(record)  # an error, if JSON can't hold it, rolls back
    return record


async def _awaited(call: Call, made: object) -> object:
    if not inspect.isawaitable(made):
        raise TypeError(f"once takes an async function, got {call!r}: write async def")
    return await made


def _manager_of(within: object) -> AbstractAsyncContextManager[Any]:
    # What @asynccontextmanager makes can be called, too: as a decorator.
    if not callable(within) or hasattr(type(within), "__aenter__"):
        instead = "the function itself, without calling it, as in within=sessions.begin"
        given = type(within).__name__  # itself may be text with a password
        raise TypeError(f"within must be a function, got {given}: pass {instead}")
    manager: Any = within()
    if hasattr(manager, "__aenter__"):
        return cast("AbstractAsyncContextManager[Any]", manager)
    if inspect.iscoroutine(manager):
        manager.close()
    raise TypeError(
        "within must return an async context manager that yields a connection or a session in a "
        f"transaction, as sessions.begin of SQLAlchemy does; it returned {type(manager).__name__}"
    )


_held: "ContextVar[frozenset[asyncio.Lock]]" = ContextVar("_held", default=frozenset())
"""The locks of what calls this with `once`, or has begun the task that does."""


def as_json(what: object) -> bytes:
    """Return anything that JSON can hold as JSON."""
    try:
        return dump_json(what)
    except TypeError:  # nearly all is JSON already, and turning that into JSON takes longer
        return dump_json(unstructure(what))


_NOT_JSON = b"!"  # what no JSON begins with


def _recordable(name: str, result: object) -> bytes:
    """Return the record of a result; of one that JSON can't hold, it is the error."""
    try:
        return dump_json(_with_texts(unstructure(result)))
    except (TypeError, ValueError) as error:
        return _NOT_JSON + f"the result of once({name!r}) isn't JSON: {error}".encode(
            errors="backslashreplace"
        )


def _with_texts(value: JSON) -> JSON:
    """Write as text what JSON has no other form for; a datetime is text already."""
    match value:
        case dict():
            members = cast("dict[str, JSON]", value)
            return {key: _with_texts(each) for key, each in members.items()}
        case list():
            return [_with_texts(each) for each in cast("Iterable[JSON]", value)]
        case date() | time():
            return value.isoformat()
        case Decimal() | PurePath():
            return str(value)
        case _:
            return value


def _result_in(record: bytes) -> Any:  # noqa: ANN401 - JSON
    if record == _BEGUN:
        raise RuntimeError(COMMITTED)
    if record.startswith(_NOT_JSON):
        raise TypeError(record.removeprefix(_NOT_JSON).decode())
    return parse_json(record)
