"""Handles what comes without storing it: each notification once.

The response comes when the handlers are done, or before: after so many seconds.
"""

import asyncio
import logging
from functools import partial
from http import HTTPStatus

from webex_webhooks_async.handling import sandbox_reports
from webex_webhooks_async.handling.dispatch import Execution
from webex_webhooks_async.handling.duplicates import Duplicates
from webex_webhooks_async.handling.in_flight import InFlight
from webex_webhooks_async.notifications.descriptions import describe, log_debug

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


Result = tuple[HTTPStatus, BaseException | str | None]
"""The status of a response, and what a handler has raised, or why nothing runs now."""


class DirectWorker:
    """Handles notifications as they come.

    Args:
        respond_within: After how many seconds the response comes at the latest; the handlers go on
            then. With 0 it comes before they run, and with `None` when they are done.
    """

    def __init__(self, in_flight: InFlight, *, respond_within: float | None, limit: int) -> None:
        self._in_flight = in_flight  # the object that begins and ends them
        self._duplicates = Duplicates()
        self._respond_within = respond_within
        self._limit = limit  # how many may be unfinished at a time, unless `respond_within` is None
        self._is_closing = False
        self._pending: set[asyncio.Task[Result]] = set()

    def open(self) -> None:
        """Accept what comes, after an `aclose` as well."""
        self._is_closing = False

    async def aclose(self) -> None:
        """Accept nothing more, and wait until what was accepted is handled."""
        self._is_closing = True
        await self._in_flight.wait()
        # The rest is of an event loop that was closed before its tasks had ended.
        self._pending.clear()

    async def handle(self, execution: Execution) -> Result:
        """Handle a notification, unless it is a duplicate; return the status of the response.

        Beside it is what a handler has raised until then, or why nothing runs now. The execution,
        which was begun, is ended.
        """
        has_task = False
        try:
            if self._duplicates.is_known(execution.key):
                log_debug("%s is a duplicate", execution.notification)
                return HTTPStatus.NO_CONTENT, None
            if self._is_closing or self._is_full():
                why = "the receiver is shutting down" if self._is_closing else "too much is pending"
                logger.warning("%s is not handled: %s", describe(execution.notification), why)
                return HTTPStatus.SERVICE_UNAVAILABLE, why
            self._duplicates.begin(execution.key)
            if self._respond_within is None:
                return await self._execute(execution)
            has_task = True
            return await self._execute_in_task(execution, self._respond_within)
        finally:
            if not has_task:
                self._in_flight.end(execution)

    def _is_full(self) -> bool:
        if len(self._pending) < self._limit:
            return False
        self._pending = {each for each in self._pending if not each.get_loop().is_closed()}
        return len(self._pending) >= self._limit

    async def _execute_in_task(self, execution: Execution, seconds: float) -> Result:
        """Wait for the handlers for so long; then, or when the request is cancelled, they go on."""
        response = asyncio.Event()
        if not seconds:
            response.set()
        task = asyncio.create_task(self._execute(execution, response))
        self._pending.add(task)
        task.add_done_callback(partial(self._end, execution))
        if not seconds:
            return _LATE
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            response.set()
        return task.result() if task.done() else _LATE

    async def _execute(self, execution: Execution, response: asyncio.Event | None = None) -> Result:
        """Run the handlers; they are late if the response has come, or comes, before their end."""
        is_handled, failure = False, None
        try:
            if response is not None and response.is_set():
                await asyncio.sleep(0)  # an eager task starts before the response is returned
            with execution:
                failure = await execution.failure()
                if failure is not None:
                    is_late = response is not None and response.is_set()
                    await self._in_flight.report(failure, execution, is_late=is_late)
                else:
                    sandbox_reports.note_work(execution.key)
                if execution.records is not None:
                    await execution.records.conclude(is_stopped=False)
            is_handled = failure is None or self._in_flight.selection.failed_is_handled
        finally:
            sandbox_reports.end(execution.key)
            self._duplicates.end(execution.key, is_handled=is_handled)
        return HTTPStatus.NO_CONTENT if is_handled else HTTPStatus.INTERNAL_SERVER_ERROR, failure

    def _end(self, execution: Execution, task: asyncio.Task[Result]) -> None:
        self._pending.discard(task)
        self._in_flight.end(execution)


_LATE = HTTPStatus.NO_CONTENT, None
