"""Reports what a handler raised to the sandbox that sent the notification.

A sandbox in the same process watches for the key of the notification. One elsewhere asks with a
header, and gets the error in a header of the response. The program of `dev` has an observer, which
gets the outcome of each attempt; nobody else sets one.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from webex_webhooks_async.formatting import on_one_line, summarize_redacted
from webex_webhooks_async.notifications import identity

if TYPE_CHECKING:
    from webex_webhooks_async.handling.dispatch import Execution

ASK_HEADER = "webex-sandbox"
"""The header of a request whose response may name the error of a handler; its value is 1."""

ERROR_HEADER = "webex-sandbox-error"
"""The header of the response that names it; of a 503, why the notification isn't handled now."""

_MOST = 500  # characters, or bytes, of an error


class Observer(Protocol):
    """Gets the outcome of each attempt to handle a notification or a job."""

    def failed(
        self,
        execution: "Execution",
        error: BaseException | None,
        then: str,
        secrets: Iterable[str] | None,
    ) -> object:
        """Take the error of an attempt, what follows, and what nobody may see of the error."""

    def worked(self, key: str) -> object:
        """Note that an attempt hasn't failed; its handler may wait for an answer."""


observer: Observer | None = None


class Watcher(Protocol):
    """Gets the errors of the handlers of a notification."""

    def __call__(self, error: BaseException, *, is_late: bool) -> object:
        """Take an error; a late one is one that the response doesn't wait for."""

    def end(self) -> object:
        """Note that a receiver has handled it, or won't try again."""


watchers: "WeakValueDictionary[str, Watcher]" = WeakValueDictionary()
"""Who gets the errors of the handlers of a notification, by its key, and as long as they live.

Nobody has notified of a job, so all of them have one key, `identity.RESOURCE`.
"""


def report(key: str, error: BaseException, *, is_late: bool) -> None:
    """Report what a handler of a notification or a job raised, if somebody watches for that."""
    if watcher := _watcher(key):
        watcher(error, is_late=is_late)


def note_failure(
    execution: "Execution",
    error: BaseException | None,
    then: str,
    secrets: Iterable[str] | None = None,
) -> None:
    """Say how an attempt has failed, and what follows, in words such as ``kept as failed``.

    Without an error it hasn't failed: it is put off.
    """
    if observer is not None:
        observer.failed(execution, error, then, secrets)


def note_work(key: str) -> None:
    """Say that an attempt hasn't failed."""
    if observer is not None:
        observer.worked(key)


def end(key: str) -> None:
    """Say that a notification or a job is handled, or won't be tried again."""
    if watcher := _watcher(key):
        watcher.end()


def _watcher(key: str) -> Watcher | None:
    if not watchers:  # as everywhere but in a test
        return None
    return watchers.get(identity.RESOURCE if identity.is_job(key) else key)


def header_of(error: BaseException, secrets: Iterable[str] | None) -> bytes:
    """The redacted summary of an error as a header shows it, in ASCII."""
    return summarize_redacted(error, secrets).encode("ascii", "backslashreplace")[:_MOST].strip()


def named_in(headers: Mapping[str, str]) -> str | None:
    """The error, or the reason of a 503, that the headers of a response name, if they do."""
    error = headers.get(ERROR_HEADER)
    return error and on_one_line(error[:_MOST])
