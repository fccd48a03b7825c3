"""The notifications that a receiver is handling: their begin, their failures and their end.

A worker does it: that of an inbox, or the one for what isn't stored.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from webex_webhooks_async.errors import GiveUpError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling import sandbox_reports
from webex_webhooks_async.handling.dispatch import Execution, as_failure, enclosing_executions
from webex_webhooks_async.handling.router import Selection
from webex_webhooks_async.handling.suspension import exceptions_in
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.notifications.signing_secrets import Keys

if TYPE_CHECKING:
    from webex_webhooks_async.handling.records import Records
    from webex_webhooks_async.models.notification_data import NotificationData

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

ErrorHandler = Callable[[Exception, "Notification[NotificationData]"], object]
"""A plain or an async function that takes the exception of a handler, and the notification."""


class InFlight:
    """The notifications that a receiver is handling."""

    def __init__(self, selection: Selection, on_error: ErrorHandler | None, keys: Keys) -> None:
        if not (on_error is None or callable(on_error)):
            raise TypeError(f"on_error must be a function, got {on_error!r}")
        self.selection: Selection = selection  # says what runs for each
        self._on_error = on_error  # gets what the handlers raise
        # the secrets of the receiver, which no response and no stored error may show
        self._keys = keys
        self._unended: dict[Execution, asyncio.AbstractEventLoop] = {}  # in which each began
        self._ends: dict[Execution, asyncio.Event] = {}  # that are waited for
        self.begun: int = 0

    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Execution | None:
        """Begin to handle a notification; return `None` if nothing is to be run for it."""
        execution = self.selection.begin(notification, key, records)
        if execution is not None:
            execution.key = key
            self._unended[execution] = asyncio.get_running_loop()
            self.begun += 1
        return execution

    def names(self) -> list[str]:
        """Return what is being handled, in words."""
        return [describe(each.notification) for each in tuple(self._unended)]

    async def report(
        self, failure: BaseException, execution: Execution, then: str = "", *, is_late: bool = True
    ) -> None:
        """Log why handlers have failed, and what becomes of the notification, and say it on.

        The sandbox that sent the notification gets the error, which is late if the response doesn't
        wait for it; the person who wants something, if nothing runs again, and nobody has given up;
        and then `on_error`.
        """
        which = describe(execution.notification)
        if failure is execution.misfit:
            message = "%s is not passed to the handlers of its resource: %s%s"
            logger.error(message, which, failure, then, extra=execution.fields())
        else:
            level = logging.ERROR if execution.is_last else logging.WARNING
            message = "a handler of %s failed%s"
            logger.log(level, message, which, then, exc_info=failure, extra=execution.fields())
        sandbox_reports.report(execution.key, failure, is_late=is_late)
        what_follows = then.removeprefix(": ")
        sandbox_reports.note_failure(execution, failure, what_follows, self.known_secrets())
        if execution.is_last and not exceptions_in(failure, GiveUpError):
            await _apologize(execution)
        if self._on_error is None:
            return
        try:
            reported = self._on_error(cast("Exception", failure), execution.notification)
            if inspect.isawaitable(reported):
                await reported
        except BaseException as error:
            logger.exception("on_error failed for %s", which, exc_info=as_failure(error))

    def end(self, execution: Execution) -> None:
        """Note that all of it has ended."""
        loop = self._unended.pop(execution, None)  # `wait` may have ended it, as its loop is closed
        execution.end()
        end = self._ends.pop(execution, None)
        if end is not None and loop is not None and not loop.is_closed():
            end.set()

    async def wait(self) -> None:
        """Wait for the end of each. One whose event loop was closed never ends by itself."""
        while self._unended:
            execution, loop = next(iter(self._unended.items()))
            if loop.is_closed():
                self.end(execution)
            else:
                await self._ends.setdefault(execution, asyncio.Event()).wait()

    def check_is_outside(self) -> None:
        """Check that this isn't a part of one of them: who waits for that would wait for itself."""
        if any(each in self._unended for each in enclosing_executions()):
            raise RuntimeError(
                "a handler can't close its own receiver, because closing waits for the handlers: "
                "close it where it was started"
            )

    def known_secrets(self) -> tuple[str, ...] | None:
        """Return what no response and no stored error may show; `None` if that can't be known."""
        try:
            own = (key.decode() for key in self._keys.recent())
        except LookupError:
            return None
        return (*own, *self.selection.secrets())


async def _apologize(execution: Execution) -> None:
    if execution.apology is None:
        return
    try:
        await execution.apology()
    except BaseException as error:  # noqa: BLE001 - the failure itself was logged
        which, why = describe(execution.notification), describe_exception(as_failure(error))
        logger.warning("the author of %s isn't informed of the error: %s", which, why)
