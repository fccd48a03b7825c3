"""Handles what comes without storing it: each notification once, and those of a room in order.

The response comes when the handlers are done, or before: after so many seconds.
"""

import asyncio
import logging
from http import HTTPStatus

from webex_webhooks_async.handling.dispatch import Handling
from webex_webhooks_async.handling.duplicates import (
    Claim,
    Deduplicator,
    MemoryDeduplicator,
    Uninterrupted,
)
from webex_webhooks_async.handling.handlings import Handlings
from webex_webhooks_async.notifications.descriptions import describe, log_debug

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class DirectWorker:
    """Handles notifications as they come.

    Args:
        handlings: Where it begins and ends them.
        deduplicator: Remembers what was handled; with `None`, every copy is handled.
        respond_within: After how many seconds the response comes at the latest; the handlers go on
            then. With 0 it comes before they run, and with `None` when they are done.
        limit: How many may be unfinished at a time, unless `respond_within` is `None`.
        failed_is_handled: Whether a notification isn't handled again after a failure.
    """

    def __init__(
        self,
        handlings: Handlings,
        *,
        deduplicator: Deduplicator | None,
        respond_within: float | None,
        limit: int,
        failed_is_handled: bool,
    ) -> None:
        # A call in our memory never waits, so nothing can cancel it in the middle.
        if deduplicator is not None and type(deduplicator) is not MemoryDeduplicator:
            deduplicator = Uninterrupted(deduplicator)
        self._handlings = handlings
        self._deduplicator: Deduplicator | None = deduplicator
        self._respond_within = respond_within
        self._limit = limit
        self._failed_is_handled = failed_is_handled
        self._is_closing = False
        self._pending: set[Handling] = set()  # which have a task of their own
        self._last_in: dict[str, Handling] = {}  # lines

    def open(self) -> None:
        """Accept what comes, after an `aclose` as well."""
        self._is_closing = False

    async def aclose(self) -> None:
        """Accept nothing more, and wait until what was accepted is handled."""
        self._is_closing = True
        await self._handlings.wait()
        # What is left is of an event loop that was closed before its tasks had ended.
        self._pending.clear()
        self._last_in.clear()

    async def handle(self, handling: Handling, line: str | None) -> HTTPStatus:
        """Handle a notification, unless it is a duplicate; return the status of the response.

        Args:
            handling: It was begun, and is ended.
            line: What it takes its place in; what has the same is handled one after the other.
        """
        if line is not None:
            handling.line = line
            handling.before = _unended(self._last_in.get(line))
            self._last_in[line] = handling
        try:
            return await self._handle_once(handling)
        finally:
            if handling.task is None:
                self._end(handling)

    async def _handle_once(self, handling: Handling) -> HTTPStatus:
        try:
            claim = Claim.GRANTED
            if self._deduplicator is not None:
                claim = await self._deduplicator.claim(handling.key)
        except Exception:
            handling.refusal = "the deduplicator failed"
            which = describe(handling.notification)
            logger.exception("%s is not handled: %s", which, handling.refusal)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if claim is not Claim.GRANTED:
            return self._not_granted(claim, handling)
        if self._is_closing or self._is_full():
            if self._deduplicator is not None:
                await self._deduplicator.release(handling.key)
            why = "the receiver is shutting down" if self._is_closing else "too much is pending"
            handling.refusal = why
            logger.warning("%s is not handled: %s", describe(handling.notification), why)
            return HTTPStatus.SERVICE_UNAVAILABLE
        if self._respond_within is None:
            return await self._execute(handling)
        return await self._execute_in_task(handling, self._respond_within)

    def _not_granted(self, claim: Claim, handling: Handling) -> HTTPStatus:
        if claim is Claim.DONE:
            log_debug("%s is a duplicate", handling.notification)
            return HTTPStatus.NO_CONTENT
        handling.refusal = "a copy of it is being handled, so it has to come again"
        which = describe(handling.notification)
        logger.info("%s is being handled elsewhere, and has to come again", which)
        return HTTPStatus.SERVICE_UNAVAILABLE

    def _is_full(self) -> bool:
        if len(self._pending) < self._limit:
            return False
        self._pending = {each for each in self._pending if not each.loop.is_closed()}
        return len(self._pending) >= self._limit

    async def _execute_in_task(self, handling: Handling, seconds: float) -> HTTPStatus:
        """Wait for the handlers for so long; then, or when the request is cancelled, they go on."""
        handling.is_late = not seconds
        handling.task = task = asyncio.create_task(self._execute(handling))
        self._pending.add(handling)
        task.add_done_callback(lambda _: self._end(handling))
        if handling.is_late:
            return HTTPStatus.NO_CONTENT
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            handling.is_late = not task.done()
        return HTTPStatus.NO_CONTENT if handling.is_late else task.result()

    async def _execute(self, handling: Handling) -> HTTPStatus:
        done = False
        try:
            if handling.is_late:
                await asyncio.sleep(0)  # an eager task starts before the response is returned
            with handling:
                if handling.before is not None:
                    await handling.wait_for_turn()
                failure = await handling.failure()
                if failure is not None:
                    await self._handlings.report(failure, handling)
            done = failure is None or self._failed_is_handled
        finally:
            if self._deduplicator is not None:
                finish = self._deduplicator.confirm if done else self._deduplicator.release
                await finish(handling.key)
        return HTTPStatus.NO_CONTENT if done else HTTPStatus.INTERNAL_SERVER_ERROR

    def _end(self, handling: Handling) -> None:
        self._pending.discard(handling)
        self._handlings.end(handling)
        if handling.line is not None and self._last_in.get(handling.line) is handling:
            before = _unended(handling.before)
            if before is None:
                del self._last_in[handling.line]
            else:  # this one gave up while it waited
                self._last_in[handling.line] = before


def _unended(handling: Handling | None) -> Handling | None:
    """Return this one, or the nearest one before it in its line, which hasn't ended."""
    while handling is not None and (handling.has_ended or handling.loop.is_closed()):
        handling = handling.before
    return handling
