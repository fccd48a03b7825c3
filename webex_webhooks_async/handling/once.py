"""Lets handlers do things once over all their attempts, and says which attempt it is."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast, overload

from webex_webhooks_async.handling.dispatch import Attempt, Execution, active_execution
from webex_webhooks_async.handling.records import Records
from webex_webhooks_async.serialization.converter import check_into, is_function, structure
from webex_webhooks_async.validation import check_flag

T = TypeVar("T")
R = TypeVar("R")


def attempt() -> Attempt:
    """Return which attempt this is, of what is being handled.

    ::

        log.info("attempt %d", attempt().number)

    Call it where `once` can be called.

    Raises:
        RuntimeError: Nothing is being handled.
    """
    execution = _active("attempt")
    return execution.attempt or Attempt(number=1, is_first=True, is_last=True)


@overload
async def once(
    name: str, call: Callable[[], Awaitable[object]], *, stoppable: bool = ...
) -> Any: ...  # noqa: ANN401 - JSON


@overload
async def once(
    name: str,
    call: Callable[[], Awaitable[object]],
    *,
    into: type[R] | Callable[[Any], R],
    stoppable: bool = ...,
) -> R: ...


@overload
async def once(
    name: str,
    call: Callable[[T], Awaitable[object]],
    *,
    within: Callable[[], AbstractAsyncContextManager[T]],
) -> Any: ...  # noqa: ANN401 - JSON


@overload
async def once(
    name: str,
    call: Callable[[T], Awaitable[object]],
    *,
    within: Callable[[], AbstractAsyncContextManager[T]],
    into: type[R] | Callable[[Any], R],
) -> R: ...


async def once(
    name: str,
    call: Callable[..., Awaitable[object]],
    *,
    within: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    into: type[Any] | Callable[[Any], Any] | None = None,
    stoppable: bool = False,
) -> Any:
    """Call a function once for what is being handled, however often its handlers run.

    ::

        ticket = await once("ticket", create_ticket)

    Its result is recorded in the inbox until the notification is completed. When the handlers run
    again, the record is returned, and nothing is called. Without an inbox, and in `dispatch`, the
    result is kept while they run.

    Use it in handlers, middleware and `on_error`, or in a task that one of them has started. If one
    handler runs inside of another one, it is for the notification of the inner one. The same name
    means the same for one notification; at the same time, one call waits for the other. A call that
    is cut off before it is recorded is called again.

    With `within`, what `call` writes into a database of yours happens exactly once, because the
    record is written in the same transaction::

        async def create(session: AsyncSession) -> int: ...

        number = await once("order", create, within=sessions.begin)

    The database is that of the `PostgresInbox`, or in the file of the `SQLiteInbox`. A process that
    is killed leaves nothing, a second one waits, and gets the result of the first. In `dispatch`,
    `call` is called in the transaction, and nothing is recorded.

    Args:
        name: The name of the call, such as ``ticket``.
        call: A function without arguments that returns an awaitable; with `within`, it gets the
            connection or the session. Its errors are raised, and nothing is recorded.
        within: A function without arguments that returns an async context manager, which yields a
            connection or a session in a transaction, and commits it: of psycopg, asyncpg or
            aiosqlite, or an AsyncConnection or AsyncSession of SQLAlchemy. In `call`, nothing is
            said, claimed, done with `once`, or enqueued without ``transaction=``, because it may be
            rolled back.
        into: The class of the result, such as an attrs class of yours or ``list[Order]``, or a
            function that takes the recorded JSON, such as a model's ``model_validate``. What it
            raises is raised in each run, the record stays, and nothing is called again.
        stoppable: Whether `stop_earlier` and `cancel` cut the call off at once, and nothing is
            recorded: for a model's answer. Otherwise a stop waits until it is recorded.

    Returns:
        The result as JSON gives it back, or what `into` makes of that: of an attrs instance a dict,
        of a tuple or a set a list, of a datetime, a date, a time, a Decimal or a path its text.

    Raises:
        RuntimeError: Nothing is being handled, or `call` calls `once` with the same name, also in a
            task, and would wait for itself. With `within`: no transaction has begun, it is another
            database, rights are missing, the receiver has no inbox, the notification is completed,
            `call` or the context has ended the transaction in another way than with a commit at the
            end of the context, or something is said or done with `once` in it.
        TypeError: `call` isn't such a function, `name` isn't text, `within` isn't such a function,
            `into` is neither a class that JSON can be read into nor a plain function, or the inbox
            isn't a `TransactionalInbox`. Or JSON can't hold the result: then that it
            was called is recorded, so later attempts raise this as well, and call nothing; a
            transaction is rolled back.
        ValueError: `stoppable` is passed with `within`.
        DecodeError: The result doesn't fit the class that `into` is.
        Exception: An error of the inbox when it looked for a record, or of the driver.
    """
    if into is not None:  # before anything is called
        check_into(into)
    check_flag("stoppable", stoppable)
    if stoppable and within is not None:
        raise ValueError(
            "a transaction isn't cut off, because its commit may be under way: pass stoppable or "
            "within, not both"
        )
    result = await records_of("once").once(name, call, within, stoppable=stoppable)
    if into is None:
        return result
    return into(result) if is_function(into) else structure(result, cast("type[Any]", into))


def records_of(function: str) -> Records:
    """Return the records of what is being handled, for a function that needs some."""
    execution = _active(function)
    if execution.records is None:
        dispatched = not execution.key
        execution.records = Records(execution.notification, is_dispatched=dispatched)
    return execution.records


def _active(function: str) -> Execution:
    execution = active_execution()
    if execution is None:
        raise RuntimeError(
            f"{function} is for what is being handled: call it in a handler, a middleware or "
            "on_error, before they end"
        )
    return execution


async def recorded(
    kind: str, what: object, act: Callable[[], Awaitable[tuple[T, bytes]]], into: type[T]
) -> T:
    """Do something as `Records.act` does, if what the running handler does is recorded."""
    execution = active_execution()
    if execution is None or execution.records is None:
        return (await act())[0]
    return await execution.records.act(kind, what, act, into)
