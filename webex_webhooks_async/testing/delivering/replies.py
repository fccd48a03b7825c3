"""The replies that a test gets: the bot's messages, and the errors of its handlers."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from webex_webhooks_async.formatting import summarize_exception
from webex_webhooks_async.testing.delivering.delivery import Delivery
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, State

_SHOWN = 5  # deliveries in an error, and messages
_MOST_WORDS = 80  # characters of a message in an error


class Replies:
    """The bot's messages, and the errors of its handlers after the response, each once."""

    def __init__(self, state: State, *, raise_handler_errors: bool) -> None:
        self.raise_handler_errors: bool = raise_handler_errors
        self._state = state
        self._returned: set[str] = set()
        self._errors: deque[Exception] = deque()
        self._waiting: set[Callable[[], object]] = set()
        state.messages.watch(lambda _message: self._wake())

    async def next(self, timeout: float) -> Json | None:  # noqa: ASYNC109 - of a test
        """Wait for the next message; None if none came in time."""
        found: Exception | Json | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                with self._woken() as woken:
                    while (found := self._next_error() or self._next_message()) is None:
                        await woken.wait()
                        woken.clear()
        if isinstance(found, Exception):
            raise found
        return found

    def __call__(self, error: BaseException, *, is_late: bool = True) -> None:  # noqa: ARG002 - as watchers are called
        """Take what a handler raised after the response, or a job did."""
        if self.raise_handler_errors:
            self._errors.append(as_exception(error))
            self._wake()

    def end(self) -> None:
        """Go on watching jobs, when one of them has ended."""

    def raise_next(self) -> None:
        """Raise the first of what handlers raised after the response, and nobody has seen yet."""
        if (error := self._next_error()) is not None:
            raise error

    def raise_unseen(self) -> None:
        """Raise what handlers raised after the response, and no `next` has raised."""
        raise_all([*iter(self._next_error, None)])

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


def describe_deliveries(bot: SandboxPerson, deliveries: Iterable[Delivery]) -> str:
    """Describe the last notifications of the bot, and its responses."""
    of_bot = [each for each in deliveries if each.webhook.created_by == bot.id]
    if not of_bot:
        return "the bot was notified of nothing: none of its active webhooks watches what happened"
    notified = ", ".join(
        f"{_subject(each)} ({each.reason or f'it responded {each.status_code}'})"
        for each in of_bot[-_SHOWN:]
    )
    why = "; does a handler reply, and await that?" if of_bot[-1].ok else ""
    if error := of_bot[-1].handler_error:
        why = f"; a handler raised {error}"
    return f"the bot was notified of {notified}{why}"


def describe_words(state: State) -> str:
    """Describe what the bot has said since somebody last said something, the latest messages."""
    said: list[str] = []
    since = ""
    for message in reversed([*state.messages]):
        if message["personId"] != state.bot.id:
            since = f" since {_words_of(message)}"
            break
        said.insert(0, _words_of(message))
    return f"; it has said {', '.join(said[-_SHOWN:])}{since}" if said else ""


def _words_of(message: Json) -> str:
    text = str(message.get("text") or "a file")
    return repr(text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}...")


def _subject(delivery: Delivery) -> str:
    notification = json.loads(delivery.body)
    return f"{notification['resource']} {notification['event']}"


def as_exception(error: BaseException) -> Exception:
    """Return an error that a test can raise without ending."""
    if isinstance(error, Exception):
        return error
    failure = RuntimeError(f"a handler raised {summarize_exception(error)}")
    failure.__cause__ = error
    return failure


def raise_all(errors: Sequence[Exception]) -> None:
    """Raise what handlers raised, if anything."""
    if len(errors) > 1:
        raise ExceptionGroup(f"{len(errors)} handlers failed", errors)
    if errors:
        raise errors[0]
