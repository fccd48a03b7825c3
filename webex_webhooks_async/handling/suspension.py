"""Ends a run early: at a question, with whose answer it runs again, or where it is stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define

if TYPE_CHECKING:
    from webex_webhooks_async.models.messages import Message

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class NoAnswerError(TimeoutError):
    """Nobody has answered a question in time: raised by ``context.ask``.

    A handler that lets it pass ends, as if it had returned, where the question was for the person
    who began the conversation. A question for somebody else, or for anybody in a room, makes it a
    failure that isn't tried again.

    Attributes:
        message: The question, as ``context.reply`` returns it. A card is deleted by then,
            unless it was asked with ``keep_card``.
        is_failure: Whether a handler that lets it pass has failed: somebody else was asked.
    """

    def __init__(self, message: "Message", *, is_failure: bool = False) -> None:
        self.message = message
        self.is_failure = is_failure
        super().__init__(message)

    def __str__(self) -> str:
        return "nobody has answered in time"


class HandlerSuspended(BaseException):
    """A question is open, and the handler runs again with its answer: raised by ``context.ask``.

    Let it pass: it inherits from `BaseException`, so that ``except Exception`` does. ``finally``
    and ``async with`` run, and the transaction of a middleware rolls back. A call of the context
    meanwhile raises it, too, and does nothing.
    """


class HandlerStopped(asyncio.CancelledError):
    """Somebody has stopped the handler: raised by ``context.ask``, or where the handler awaits.

    Clean up in ``finally``, or in ``except HandlerStopped``, and let it pass: then what was handled
    is completed. There everything works but ``ask``, which raises it again. It is a cancellation,
    so ``except Exception`` lets it pass, groups of tasks end, and transactions roll back.

    Attributes:
        message: The question at which the handler waited, as ``context.reply`` returns it; `None`
            if it ran, or the question wasn't sent.
    """

    def __init__(self, message: "Message | None" = None) -> None:
        self.message = message
        super().__init__("somebody has stopped it")


@define(eq=False)
class _Act:
    """What a stop doesn't cut in half, until it has ended."""

    is_open: bool = True
    has_begun: bool = False  # whether a part of it has begun, so that the rest isn't left out


_act: "ContextVar[_Act | None]" = ContextVar("_act", default=None)


class Stop:
    """The stop of a handler, which comes once, where nothing is cut in half."""

    def __init__(self, *, is_late: bool) -> None:
        self.has_come: bool = False  # whether the handler has been stopped
        # whether it was stopped before this run, which repeats what is recorded, and ends before
        # anything else
        self._is_late = is_late
        self.is_wanted: bool = is_late  # whether it is to be, or has been
        self._is_held = False  # at a question, which says so itself
        self._is_sent = False
        self._has_cancelled = False
        self._acts = 0
        self._message: Message | None = None
        self._task: asyncio.Task[Any] | None = None  # of the handler, while it runs
        self._over = asyncio.Event()  # it has come, or the handler has ended

    @property
    def _is_due(self) -> bool:
        is_wanted = self.is_wanted and not (self._is_late or self._is_held)
        return is_wanted and not (self._acts or self._is_sent or self.has_come)

    def want(self, *, is_late: bool = False) -> None:
        """Stop the handler where it awaits, as soon as nothing is under way.

        If that is late, the handler may still do what is recorded.
        """
        if not self.is_wanted:
            self._is_late, self.is_wanted = is_late, True
            self._cancel()

    def hold(self) -> None:
        """Let the handler wait at a question, which ends instead."""
        self._is_held = True

    def _cancel(self) -> None:
        """Cancel the handler, if that is due; what runs as a part of it, `run` stops instead."""
        if self._is_due and self._task is not None and self._task is not asyncio.current_task():
            self._is_sent = self._has_cancelled = True
            self._task.cancel()

    @coroutine
    def run(self, handler: Coroutine[Any, Any, object]) -> Generator[Any, Any, object]:
        """Run a handler, at whose awaits the stop comes."""
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        step: Callable[[], Any] = partial(handler.send, None)
        if self._is_due:
            step = partial(handler.throw, self._come())
        try:
            while True:
                try:
                    awaited = step()
                except StopIteration as end:
                    return end.value
                if self._is_due:
                    self._is_sent = awaited is not None and awaited.cancel()
                    if not self._is_sent:  # nothing is there to be cancelled, as in sleep(0)
                        step = partial(handler.throw, self._come())
                        continue
                try:
                    yield awaited
                except BaseException as error:  # noqa: BLE001 - the handler gets it
                    step = partial(handler.throw, self._as_stop(error))
                else:
                    self.has_come |= self._is_sent  # what it awaited has swallowed it
                    step = partial(handler.send, None)
        finally:
            self._take_back()
            self._task = None
            self._over.set()

    def _take_back(self) -> None:
        if self._has_cancelled and self._task is not None:
            self._has_cancelled = False
            self._task.uncancel()

    def _as_stop(self, error: BaseException) -> BaseException:
        """Return what the handler gets for an error: the stop, unless its task ends as well."""
        self._take_back()
        task = cast("asyncio.Task[Any]", self._task)
        is_stop = self._is_sent and not self.has_come and isinstance(error, asyncio.CancelledError)
        return self._come() if is_stop and not task.cancelling() else error

    def _come(self) -> HandlerStopped:
        self.has_come = True
        self._over.set()
        return HandlerStopped(self._message)

    async def check(self, *, is_recorded: bool | None) -> None:
        """Raise the stop, if it is due, before a part of an act that isn't recorded.

        What never is recorded, as a deletion, which is done again, is `None`.
        """
        act = _act.get()
        has_begun = act is not None and act.has_begun
        if act is not None:
            act.has_begun = True
        if is_recorded is None:
            is_recorded = self._is_late
        if self.is_wanted and not (is_recorded or has_begun or self.has_come or self._is_held):
            await self.end()

    async def end(self, message: "Message | None" = None) -> None:
        """Raise the stop here, at a question or not, unless the handler has ended before.

        A task that the handler has begun waits until the stop has reached the handler.
        """
        if self._task is None:
            return
        self._message = message
        if asyncio.current_task() is self._task:
            raise self._come()
        self._is_late, self.is_wanted = False, True
        self._cancel()
        await self._over.wait()
        raise HandlerStopped(message)

    async def uncut(self, act: Callable[[], Awaitable[T]], *, has_begun: bool) -> T:
        """Do something before a stop comes; what is begun after it, in a task, isn't cut off."""
        if self._task is not None and self._is_sent and asyncio.current_task() is not self._task:

            async def run() -> T:
                return await act()

            return await end_of(asyncio.create_task(run()))
        self._acts += 1
        outer, current = _act.get(), _Act(has_begun=has_begun)
        _act.set(current)
        try:
            return await act()
        finally:
            current.is_open = False
            _act.set(outer)  # without a token, which fails in another context
            self._acts -= 1
            self._cancel()

    def is_cause_of(self, error: BaseException) -> bool:
        """Whether a handler has ended because it was stopped: with cancellations alone."""
        task = asyncio.current_task()
        return (
            self.has_come
            and (task is None or not task.cancelling())
            and all(
                isinstance(each, asyncio.CancelledError)
                for each in exceptions_in(error, BaseException)
            )
        )


class Suspension:
    """The suspension of a run at the questions that are open.

    Args:
        is_stopped: Whether the run was to be stopped before it began.
    """

    # the ids of those that are open, by the names of the records that will have their answers
    questions: Mapping[str, int] = {}
    _raised: HandlerSuspended | None = None
    _has_warned: bool = False

    def __init__(self, *, is_stopped: bool = False) -> None:
        self.stop: Stop = Stop(is_late=is_stopped)  # the stop of the run

    def begin(self, questions: Mapping[str, int], words: str) -> HandlerSuspended:
        """Return what suspends the handler, to be raised."""
        self.questions = questions
        self.stop.hold()
        self._raised = HandlerSuspended(words)
        return self._raised

    def pause(self) -> HandlerSuspended | None:
        """Let other handlers of the same notification act; return what `go_on` takes."""
        raised, self._raised = self._raised, None
        return raised

    def go_on(self, raised: HandlerSuspended | None) -> None:
        """Let the handler that is suspended do nothing more, as before `pause`."""
        self._raised = raised

    def check(self, what: str) -> None:
        """Check that the handler isn't suspended."""
        if self._raised is None:
            return
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "a handler that waits for an answer can't %s in a finally or an async with, which "
                "run again with the answer: it does nothing now",
                what,
            )
        raise self._raised


current_suspension: "ContextVar[Suspension | None]" = ContextVar("current_suspension", default=None)
"""That of the conversation of which this is a part, if it is one."""


async def uncut(act: Callable[[], Awaitable[T]], *, has_begun: bool = False) -> T:
    """Do something that no stop of the handler cuts in half.

    Where it has begun, a stop that is due waits for its end, too.
    """
    suspension, outer = current_suspension.get(), _act.get()
    if suspension is None or (outer is not None and outer.is_open):
        return await act()
    return await suspension.stop.uncut(act, has_begun=has_begun)


async def check_stop(*, is_recorded: bool | None) -> None:
    """Let a stop of the handler come before something that isn't recorded, as `Stop.check`."""
    if (suspension := current_suspension.get()) is not None:
        await suspension.stop.check(is_recorded=is_recorded)


async def end_of(task: "asyncio.Task[T]") -> T:
    """Wait for the end of a task, also if the caller is cancelled; that is raised afterwards."""
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation
    return task.result()


def is_suspension(error: BaseException) -> bool:
    """Whether a handler is suspended: it raised `HandlerSuspended`, or a group of nothing else."""
    return all(isinstance(each, HandlerSuspended) for each in exceptions_in(error, BaseException))


def is_quiet_end(error: BaseException) -> bool:
    """Whether a handler ends without a failure: the person who began hasn't answered."""
    return all(
        isinstance(each, NoAnswerError) and not each.is_failure
        for each in exceptions_in(error, BaseException)
    )


def exceptions_in(error: BaseException, kind: type[E]) -> list[E]:
    """Return the exceptions of a kind: the error itself, or those in a group, also nested."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        parts = group.exceptions
        return [found for each in parts for found in exceptions_in(each, kind)]
    return [error] if isinstance(error, kind) else []
