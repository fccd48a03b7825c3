"""What a test gets of its bot: each message that the bot writes, and what its handlers raise."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from webex_webhooks_async.testing.deliveries import Attempt, Delivery
from webex_webhooks_async.testing.service.state import Json, State

_SHOWN = 5  # deliveries in an error


class Replies:
    """What the bot writes, and what its handlers raise after the response: each once."""

    def __init__(self, state: State, deliveries: Callable[[], Sequence[Delivery]]) -> None:
        self._state = state
        self._deliveries = deliveries
        self._returned: set[str] = set()
        self._errors: deque[Exception] = deque()
        self._waiting: set[Callable[[], object]] = set()
        state.messages.watch(lambda _message: self._wake())

    async def next(self, timeout: float) -> Json:  # noqa: ASYNC109 - of a test
        """Wait for the next message.

        Raises:
            TimeoutError: No message came; the text says what the bot was notified of.
            Exception: What a handler raised after the response, before a message.
        """
        found: Exception | Json | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                with self._woken() as woken:
                    while (found := self._next_error() or self._next_message()) is None:
                        await woken.wait()
                        woken.clear()
        if isinstance(found, Exception):
            raise found
        if found is not None:
            return found
        raise TimeoutError(f"no reply within {timeout:g} seconds; {self._notified()}")

    def raise_later(self, error: Exception) -> None:
        """Take what a handler raised after the response."""
        self._errors.append(error)
        self._wake()

    def raise_unseen(self) -> None:
        """Raise what handlers raised after the response, and no `next` has raised."""
        _raise_all([*iter(self._next_error, None)])

    def _next_message(self) -> Json | None:
        for message in self._state.messages:
            if message["personId"] == self._state.bot.id and message["id"] not in self._returned:
                self._returned.add(message["id"])
                return message
        return None

    def _next_error(self) -> Exception | None:
        return self._errors.popleft() if self._errors else None

    def _wake(self) -> None:
        for wake in tuple(self._waiting):
            wake()

    @contextmanager
    def _woken(self) -> Generator[asyncio.Event]:
        """An event that is set when a message is stored, or a handler has failed."""
        woken = asyncio.Event()
        # A bot may call the sandbox in an event loop of its own, in another thread.
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        self._waiting.add(wake)
        try:
            yield woken
        finally:
            self._waiting.remove(wake)

    def _notified(self) -> str:
        """What the bot was notified of in the end, and how it responded."""
        bot_id = self._state.bot.id
        deliveries = [each for each in self._deliveries() if each.webhook.created_by == bot_id]
        if not deliveries:
            return (
                "the bot was notified of nothing: none of its active webhooks watches what happened"
            )
        notified = ", ".join(
            f"{_subject(each)} ({each.reason or f'it responded {each.status_code}'})"
            for each in deliveries[-_SHOWN:]
        )
        why = "; does a handler reply, and await that?" if deliveries[-1].ok else ""
        if error := deliveries[-1].handler_error:
            why = f"; a handler raised {error}"
        return f"the bot was notified of {notified}{why}"


def _subject(delivery: Delivery) -> str:
    notification = json.loads(delivery.body)
    return f"{notification['resource']} {notification['event']}"


def deliveries_of(attempts: Sequence[Attempt]) -> list[Delivery]:
    """The deliveries, unless handlers have failed: then their errors are raised.

    Raises:
        Exception: The only error.
        ExceptionGroup: Several errors.
    """
    _raise_all([error for attempt in attempts for error in attempt.errors])
    return [attempt.delivery for attempt in attempts]


def _raise_all(errors: Sequence[Exception]) -> None:
    if len(errors) > 1:
        raise ExceptionGroup(f"{len(errors)} handlers failed", errors)
    if errors:
        raise errors[0]
