"""Reports what a handler raised to the sandbox that sent the notification.

A sandbox in the same process watches the context in which it calls the application. One elsewhere
asks with a header, and gets the first error of the run in a header of the response.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from webex_webhooks_async.formatting import on_one_line, summarize_redacted

ASK_HEADER = "webex-sandbox"
"""The header of a request whose response may name the error of a handler; its value is 1."""

ERROR_HEADER = "webex-sandbox-error"
"""The header of the response that names it."""


T = TypeVar("T")

_MOST = 500  # characters, or bytes, of an error


class Watcher(Protocol):
    """Gets the errors of the handlers of a notification."""

    def __call__(self, error: BaseException, *, is_late: bool) -> object:
        """Take an error; a late one is of a run that the response doesn't wait for."""


class FirstError:
    """The first error of the handlers that a response waits for.

    Attributes:
        error: The error; `None` if no handler has failed.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None


_watcher: ContextVar[Watcher | None] = ContextVar("_watcher", default=None)
_first: ContextVar[FirstError | None] = ContextVar("_first", default=None)
_of_stored: "WeakValueDictionary[str, Watcher]" = WeakValueDictionary()


@contextmanager
def watched_by(watcher: Watcher) -> Generator[None]:
    """Report the errors of what begins in the block to a watcher, and to no other."""
    with _set(_watcher, watcher), _set(_first, None):
        yield


@contextmanager
def first_error() -> Generator[FirstError]:
    """Note the first error in the block, besides reporting it."""
    first = FirstError()
    with _set(_first, first):
        yield first


@contextmanager
def _set(variable: ContextVar[T | None], value: T | None) -> Generator[None]:
    outer = variable.set(value)
    try:
        yield
    finally:
        variable.reset(outer)


def report(error: BaseException, *, is_late: bool) -> None:
    """Report what a handler raised; a late error is one that the response doesn't wait for."""
    first, watcher = _first.get(), _watcher.get()
    if first is not None and first.error is None and not is_late:
        first.error = error
    if watcher is not None:
        watcher(error, is_late=is_late)


def store(key: str) -> None:
    """Remember the watcher of this context for the notification with this key.

    It is forgotten with its sandbox.
    """
    watcher = _watcher.get()
    if watcher is not None:
        _of_stored.setdefault(key, watcher)


def resume(key: str) -> None:
    """Report to the watcher from when the notification was stored, in the rest of this context."""
    _watcher.set(_of_stored.get(key))


def header_of(error: BaseException, secrets: Iterable[str] | None) -> bytes:
    """The redacted summary of an error as a header shows it, in ASCII."""
    return summarize_redacted(error, secrets).encode("ascii", "backslashreplace")[:_MOST].strip()


def named_in(headers: Mapping[str, str]) -> str | None:
    """The error that the headers of a response name, if they do."""
    error = headers.get(ERROR_HEADER)
    return error and on_one_line(error[:_MOST])
