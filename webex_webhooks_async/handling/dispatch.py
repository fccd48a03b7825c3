"""Finds the handlers that match a notification, and runs them and the middleware around them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import evolve, frozen

from webex_webhooks_async.errors import DecodeError, GiveUpError, PayloadError
from webex_webhooks_async.formatting import describe_exception, short_id
from webex_webhooks_async.handling.suspension import (
    HandlerSuspended,
    Suspension,
    exceptions_in,
    is_suspension,
)
from webex_webhooks_async.models.notifications import Notification, data_classes
from webex_webhooks_async.notifications.descriptions import describe, log_debug
from webex_webhooks_async.notifications.identity import id_of_data
from webex_webhooks_async.serialization.converter import structure

if TYPE_CHECKING:
    from webex_webhooks_async.handling.records import Records

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")

Handler = Callable[[Notification[T]], Coroutine[Any, Any, object]]
"""An async function that takes a notification, such as ``Handler[MessageData]``."""

CallNext = Callable[[], Awaitable[None]]
"""What a middleware awaits to run what it is around: the next middleware, or the handlers."""

Middleware = Callable[[Notification[Any], CallNext], Coroutine[Any, Any, object]]
"""An async function that runs around the handlers of a notification."""


@frozen(eq=False)
class Registration:
    """A handler, and what it handles; `None` is for all."""

    resource: str | None
    event: str | None
    handler: Callable[[Any], Coroutine[Any, Any, object]]

    def is_for(self, resource: str | None, event: str | None) -> bool:
        """Whether it handles such notifications; `None` is a word that is registered nowhere."""
        return self.resource in {None, resource} and self.event in {None, event}


@frozen(eq=False)
class Placed:
    """A registration in its place in a tree of routers."""

    number: int
    entry: Registration
    # the middleware of each router that it is in, the outermost first
    around: tuple[Sequence[Middleware], ...]
    # the middleware around a handler that gets a context, the outermost first
    around_context: tuple[Any, ...]


@frozen(kw_only=True)
class Attempt:
    """An attempt to handle something.

    Attributes:
        number: Its number, from 1, since it was stored in the inbox, or since
            ``webex-webhooks inbox retry`` took it up again. Without an inbox it is 1.
        is_first: Whether nobody has run it before. It is false after a failure, after the end of a
            process that was handling it, and after ``inbox retry``. Without an inbox it is true.
        is_last: Whether what is handled is kept as failed if this attempt fails, also after a
            `GiveUpError`. A bot gives back what fails in an outage of Webex, whatever this says.
            Without an inbox it is true.
    """

    number: int
    is_first: bool
    is_last: bool


class Execution:
    """The execution of a notification, from its acceptance to its end.

    Everything inside of ``with execution:`` is a part of it.
    """

    # They are attributes of the class, because most in_flight keep most, and setting takes time.
    key: str = ""  # the text by which a copy of the notification is recognized
    # the steps, which run one after the other: handlers, and middleware with what it is around
    steps: Sequence[Handler[Any]] = ()
    handlers: int = 0
    # why the notification isn't passed to handlers of its resource, if there are any: its data
    # isn't of their class
    misfit: PayloadError | None = None
    route: str = ""  # the label of its handler
    # says that it has failed to the person who wants something, if somebody does
    apology: Callable[[], Awaitable[object]] | None = None
    attempt: Attempt | None = None
    # how often its handlers run if they fail; None for the number of the receiver
    attempts: int | None = None
    records: "Records | None" = None
    suspension: "Suspension | None" = None  # if it may ask
    has_ended: bool = False
    _started: float | None = None

    def __init__(self, notification: Notification[Any]) -> None:
        self.notification = notification
        data_class = data_classes().get(notification.resource)
        # whether its data is of the class that its resource has, if it has one
        self.fits: bool = data_class is None or isinstance(notification.data, data_class)
        # the execution of which this is a part, until this one ends: a handler there delivers here
        self.outer: Execution | None = current_execution.get()

    @property
    def is_first(self) -> bool:
        """Whether nothing has run for the notification before."""
        return self.attempt is None or self.attempt.is_first

    @property
    def is_last(self) -> bool:
        """Whether nothing will run for the notification again, if this fails."""
        return self.attempt is None or self.attempt.is_last

    def note_last(self, *, is_last: bool = True) -> None:
        """Note whether nothing will run for it again."""
        if self.attempt is not None:
            self.attempt = evolve(self.attempt, is_last=is_last)

    def __enter__(self) -> Self:
        current_execution.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current_execution.set(self.outer)  # without a token, which fails in another context

    def note_misfit(self) -> None:
        """Note that handlers of its resource don't get it: its data isn't of their class."""
        problems: tuple[str, ...] = ()
        try:
            structure(self.notification.data, data_classes()[self.notification.resource])
        except DecodeError as error:
            problems = tuple(each.replace("$", "$.data", 1) for each in error.problems)
        self.misfit = PayloadError(problems)

    async def __call__(self) -> None:
        """Run the handlers, one after the other, and log that the notification is handled.

        The handlers after one that raises haven't run. A `misfit` is raised after all have.
        """
        self._started = time.perf_counter()
        await run_each(self.steps, self.notification)
        if self.suspension is not None and self.suspension.questions:
            raise RuntimeError(_NOT_SUSPENDED)
        if self.misfit is not None:
            raise self.misfit
        if self.handlers and logger.isEnabledFor(logging.INFO):
            fields = self.fields()
            handlers = "1 handler" if self.handlers == 1 else f"{self.handlers} handlers"
            values = describe(self.notification), handlers, fields["webex_duration_ms"]
            logger.info("%s is handled: %s, %.0f ms", *values, extra=fields)

    def fields(self) -> dict[str, object]:
        """Return what a log record about it has beside its text, for log services."""
        fields: dict[str, object] = {
            "webex_resource": short_id(self.notification.resource),
            "webex_event": short_id(self.notification.event),
            "webex_webhook_id": short_id(self.notification.id),
        }
        if self.route:
            fields["webex_route"] = self.route
        if (data_id := id_of_data(self.notification)) is not None:
            fields["webex_data_id"] = short_id(data_id)
        if self._started is not None:
            fields["webex_duration_ms"] = round((time.perf_counter() - self._started) * 1000, 1)
        if self.attempt is not None:
            fields["webex_attempt"] = self.attempt.number
        return fields

    async def run(self) -> None:
        """Run the handlers as a part of it, and raise what they raise."""
        with self:
            await self()

    async def failure(self) -> BaseException | None:
        """Run the handlers; return what a handler or a middleware raised, if one did."""
        try:
            await self()
        except BaseException as error:  # noqa: BLE001 - users raise their own, too
            is_stopped = self.suspension is not None and self.suspension.stop.is_cause_of(error)
            return error if is_stopped else as_failure(error)
        return None

    def end(self) -> None:
        """Note that all of it has ended."""
        if self.suspension is not None:
            self.suspension.pause()  # a task that it has begun may go on, and act
        self.outer = None  # or deliveries out of handlers would hold on to each other
        self.steps = ()  # which may hold on to this
        self.apology = None  # the same
        self.has_ended = True


_NOT_SUSPENDED = (
    "a handler has ended although its question is open: let HandlerSuspended pass, which ask "
    "raises, and write `except Exception` instead of a bare `except`"
)

current_execution: "ContextVar[Execution | None]" = ContextVar("current_execution", default=None)
"""The execution of which this is a part: a handler, `on_error`, or a task that they have begun."""


def enclosing_executions() -> Iterator[Execution]:
    """Yield the in_flight of which this is a part, the innermost first."""
    execution = current_execution.get()
    while execution is not None:
        yield execution
        execution = execution.outer


def active_execution() -> Execution | None:
    """Return the innermost execution of which this is a part, and which hasn't ended."""
    return next((each for each in enclosing_executions() if not each.has_ended), None)


class HandlerIndex:
    """The handlers of notifications that were registered with `on`, found by their words."""

    def __init__(self, placed: Iterable[Placed]) -> None:
        self._placed = [each for each in placed if type(each.entry) is Registration]
        self._resources = {each.entry.resource for each in self._placed}
        self._events = {each.entry.event for each in self._placed}
        self._found: dict[tuple[str | None, str | None], tuple[Placed, ...]] = {}
        self._steps_of = cache(steps_of)

    def begin(self, execution: Execution) -> Execution | None:
        """Return the execution with what runs for it; if there is nothing to run, log why."""
        execution.steps = self._steps_of(self.select(execution))
        if execution.steps or execution.misfit:
            return execution
        log_debug("%s has no matching handler", execution.notification)
        return None

    def select(self, execution: Execution) -> tuple[Placed, ...]:
        """Return the handlers of a notification, in the order of registration; note a misfit."""
        notification = execution.notification
        # Words that are registered nowhere share one entry, so they can't fill the memory.
        resource = notification.resource if notification.resource in self._resources else None
        event = notification.event if notification.event in self._events else None
        found = self._found.get((resource, event))
        if found is None:
            found = tuple([each for each in self._placed if each.entry.is_for(resource, event)])
            self._found[resource, event] = found
        if not execution.fits:
            fitting = tuple([each for each in found if each.entry.resource is None])
            if len(fitting) < len(found):
                execution.note_misfit()
            found = fitting
        execution.handlers += len(found)
        return found


def steps_of(selected: Iterable[Placed], depth: int = 0) -> list[Handler[Any]]:
    """Return handlers in their order, those of each router within its middleware.

    The routers above a depth are left out.
    """
    steps: list[Handler[Any]] = []
    for inside, group in groupby(selected, partial(_inner_router, depth)):
        if inside is None:
            steps += [each.entry.handler for each in group]
        else:
            members = [*group]
            steps += in_middleware(members[0].around[depth], steps_of(members, depth + 1))
    return steps


def _inner_router(depth: int, placed: Placed) -> int | None:
    """Tell the routers at a depth apart; `None` is none."""
    return id(placed.around[depth]) if len(placed.around) > depth else None


async def run_each(steps: Iterable[Callable[[T], Coroutine[Any, Any, object]]], subject: T) -> None:
    """Run handlers, and middleware with what it is around, one after the other.

    If one is suspended or stopped, those after it run, too, before that is raised.

    Raises:
        RuntimeError: One raised `SystemExit`, alone or in a group, which asyncio, and who expects
            an `Exception`, would let end the process.
        BaseException: Any other error of one.
    """
    suspended: tuple[BaseException, Suspension, HandlerSuspended | None] | None = None
    for step in steps:
        try:
            await step(subject)
        except BaseException as error:
            for each in exceptions_in(error, SystemExit):
                raise RuntimeError(f"a handler raised {describe_exception(each)}") from error
            suspension = _suspension_of(error)
            if suspension is None:
                raise
            suspended = error, suspension, suspension.pause()
    if suspended is not None:
        why, suspension, raised = suspended
        suspension.go_on(raised)
        raise why


def _suspension_of(error: BaseException) -> Suspension | None:
    execution = current_execution.get()
    suspension = None if execution is None else execution.suspension
    if suspension is not None and (is_suspension(error) or suspension.stop.is_cause_of(error)):
        return suspension
    return None


def as_failure(error: BaseException) -> BaseException:
    """Return the failure of a function of the user's; raise again what ends more than that."""
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        raise error
    if not isinstance(error, asyncio.CancelledError):
        return error
    task = asyncio.current_task()
    if task is None or task.cancelling():  # our own
        raise error
    failure = RuntimeError("what it waited for was cancelled")
    failure.__cause__ = error
    return failure


def in_middleware(
    middlewares: Sequence[Callable[[T, CallNext], Coroutine[Any, Any, object]]],
    steps: list[Callable[[T], Coroutine[Any, Any, object]]],
) -> list[Callable[[T], Coroutine[Any, Any, object]]]:
    """Put middleware around handlers; the first one is the outermost."""
    for middleware in reversed(middlewares):
        steps = [_around(steps, middleware)]
    return steps


def _around(
    steps: Iterable[Callable[[T], Coroutine[Any, Any, object]]],
    middleware: Callable[[T, CallNext], Coroutine[Any, Any, object]],
) -> Callable[[T], Coroutine[Any, Any, object]]:
    async def step(subject: T) -> None:
        async def call_next() -> None:
            try:
                await run_each(steps, subject)
            except BaseException as error:
                if exceptions_in(error, GiveUpError):  # the middleware may ask
                    cast("Execution", current_execution.get()).note_last()
                raise

        await middleware(subject, call_next)

    return step
