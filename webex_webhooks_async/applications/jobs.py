"""Stores an application's own work in its inbox, each piece of it once, and removes it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypedDict
from uuid import uuid4
from weakref import WeakKeyDictionary

from attrs import frozen

from webex_webhooks_async.handling.dispatch import Execution, Registration, active_execution
from webex_webhooks_async.handling.once import recorded
from webex_webhooks_async.handling.records import check_outside, numbered
from webex_webhooks_async.inbox.base import check_put, transactional
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.notifications.identity import body_of_job, key_of_job, notification_key
from webex_webhooks_async.notifications.lines import line_of_id
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import check_keywords, check_not_empty, seconds_of

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker


class JobOptions(TypedDict, total=False):
    """The arguments of `enqueue` besides the name of the job and its value.

    Attributes:
        key: The job's key: a second one of this name with the same key isn't stored while the first
            one is unfinished or kept as failed, and for the inbox's `keep` after it was completed.
            By default, each job is a new one, but where handlers run again: what they enqueue
            again, with the same value, is known.
        after: In how many seconds, or after which `timedelta`, it is due.
        at: When it is due, instead: an aware `datetime` before the year 9000; at once if that is
            past.
        line: Puts it in line with others that aren't to run at the same time, in their order.
            ``line=context.person_id``, in any form of the id, is in line with what that person says
            to a bot; ``line=context.room_id`` is a line of the room's jobs.
        replace: Whether it takes the place of the job that has its `key`, if there is one.
        transaction: A connection or a session of yours in the inbox's database, with which the job
            is committed or rolled back: of psycopg, asyncpg or aiosqlite, or an AsyncConnection or
            AsyncSession of SQLAlchemy.
    """

    key: str | None
    after: float | timedelta | None
    at: datetime | None
    line: str | None
    replace: bool
    transaction: object


@frozen(eq=False)
class Job(Registration):
    """A handler of jobs."""

    name: str
    attempts: int | None  # how often it runs if it fails; None for the number of the bot

    @property
    def schedule(self) -> tuple[str, str] | None:
        """The expression and the time zone of a schedule."""
        return None

    @property
    def label(self) -> str:
        """The label for logs and metrics."""
        return f"job {self.name}"


async def enqueue(  # noqa: PLR0913 - as `Bot.enqueue`, the time, and whose job it is
    worker: "InboxWorker",
    name: str,
    value: object,
    options: JobOptions,
    *,
    now: datetime,
    person: str | None = None,
) -> bool:
    """Store a job, as `Bot.enqueue` says; what an earlier attempt has stored isn't stored again.

    With a person, the job is theirs, and so is its key.
    """
    check_keywords("enqueue", options, JobOptions.__annotations__)
    transaction = options.get("transaction")
    check_outside("enqueue a job", transaction)
    key, line, replace = options.get("key"), options.get("line"), options.get("replace", False)
    given, at = options.get("after"), options.get("at")
    if given is not None and at is not None:
        raise ValueError("after and at both say when it is due: pass one of them")
    after = 0.0 if given is None else seconds_of("after", given, or_zero=True)
    check_put(line, after, at, replace=replace)
    line = line_of_id(line)
    if replace and key is None:
        raise ValueError("replace needs a key: pass that of the job whose place it takes")
    due = now + timedelta(seconds=after) if at is None else at
    value = _as_json(name, value)
    with _new_job(name, value, key, person) as job_key:
        body = body_of_job(name, value, key, due, person=person)
        if not replace and (execution := active_execution()) and execution.key == job_key:
            raise ValueError(
                f"this job has the key {key!r} itself, so nothing would be stored: pass "
                "replace=True, and it runs once more after this"
            )

        if transaction is not None:
            inbox = transactional(worker.inbox, "transaction")
            await inbox.put_within(
                transaction, job_key, body, line=line, after=after, at=at, replace=replace
            )
            return True
        put = partial(
            worker.inbox.put, job_key, body, line=line, after=after, at=at, replace=replace
        )

        async def store() -> tuple[bool, bytes]:
            is_new = await worker.woken_by(put())
            return is_new, dump_json(is_new)

        return await recorded("enqueued", job_key, store, bool)


async def cancel(
    worker: "InboxWorker",
    name: str,
    key: str,
    *,
    transaction: object = None,
    person: str | None = None,
) -> bool:
    """Remove a job, as `Bot.cancel` says; what an earlier attempt has removed is left alone."""
    check_not_empty("name", name)
    check_not_empty("key", key)
    check_outside("cancel a job", transaction)
    job_key = key_of_job("key", name, key, *_of(person))
    if transaction is not None:
        await transactional(worker.inbox, "transaction").put_within(transaction, job_key, None)
        return True

    async def remove() -> tuple[bool, bytes]:
        execution = active_execution()
        is_own = execution is not None and execution.key == job_key
        is_removed = await worker.cancel(job_key, is_own=is_own)
        return is_removed, dump_json(is_removed)

    return await recorded("cancelled", job_key, remove, bool)


_numbers: "WeakKeyDictionary[Execution, dict[str, set[int]]]" = WeakKeyDictionary()
"""The numbers of equal jobs that were enqueued in an execution."""


@contextmanager
def _new_job(name: str, value: object, key: str | None, person: str | None) -> Generator[str]:
    """Make the key of a job in the inbox, which the block stores.

    Without a key, it is known by what is being handled, and by how many equal ones were stored for
    that before it: a handler that runs again makes the same ones again.
    """
    execution = active_execution()
    if key is not None:
        yield key_of_job("key", name, check_not_empty("key", key), *_of(person))
    elif execution is None:
        yield key_of_job("new", uuid4().hex)
    else:
        of = execution.key or notification_key(execution.notification)
        equal = key_of_job("of", of, name, value, *_of(person))
        numbers = _numbers.setdefault(execution, {})
        with numbered(numbers.setdefault(equal, set())) as number:
            yield key_of_job("nth", equal, number)


def _of(person: str | None) -> tuple[str, ...]:
    """Return what tells the keys of a person from those of others."""
    return () if person is None else (comparable(person),)


def _as_json(name: str, value: object) -> object:
    try:
        made = unstructure(value)
        dump_json(made)
    except ValueError as error:
        raise TypeError(f"the value of job {name!r} isn't JSON: {error}") from None
    return made
