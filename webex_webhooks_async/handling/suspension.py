"""Ends a run at an open question: the handler is suspended, and runs again with the answer."""

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from webex_webhooks_async.models.messages import Message

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

E = TypeVar("E", bound=BaseException)


class NoAnswerError(TimeoutError):
    """Nobody has answered a question in time: raised by ``context.ask``.

    A handler that lets it pass ends, as if it had returned, where the question was for the person
    who began the conversation. A question for somebody else, or for anybody in a room, makes it a
    failure that isn't tried again.

    Attributes:
        message: The question, as ``context.reply`` returns it; a card is deleted by then.
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


class Suspension:
    """The suspension of a run at the question that is open.

    Attributes:
        records: The records that will have the answers; none if the run asks nothing that is open.
    """

    records: tuple[str, ...] = ()
    _raised: HandlerSuspended | None = None
    _has_warned: bool = False

    def begin(self, records: tuple[str, ...], words: str) -> HandlerSuspended:
        """Return what suspends the handler, to be raised."""
        self.records = records
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
