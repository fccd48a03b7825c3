"""What a server runs: an ASGI application that it, or a program, starts and ends."""

from abc import ABC, abstractmethod
from typing import Self

from webex_webhooks_async.handling.in_flight import InFlight
from webex_webhooks_async.receiving.activity import Activity
from webex_webhooks_async.receiving.asgi import (
    Receive,
    Scope,
    Send,
    follow_lifespan,
    refuse_websocket,
)
from webex_webhooks_async.receiving.lifespan import Life, State


class Application(ABC):
    """The start and the end of a receiver, and of what else has handlers and a lifespan."""

    _life: Life
    _in_flight: InFlight
    _activity: Activity
    _is_started = False

    @property
    def state(self) -> State:
        """The mapping that the `lifespan` has yielded, as attributes; empty before that."""
        return self._life.state

    async def start(self) -> Self:
        """Start it, as entering ``async with`` does, and return it; `aclose` ends it.

        Raises:
            RuntimeError: It has been started, and not closed since, or is closed while it starts.
            TypeError: `lifespan` returns no async context manager, or yields neither a mapping nor
                `None`.
            Exception: Any error of the lifespan, the inbox or another storage.
        """
        if self._is_started:
            raise RuntimeError(
                f"this {type(self).__name__} has been started: it can't be started a second time"
            )
        self._is_started = True
        self._activity.begin()
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        if not self._is_started:  # `aclose` had nothing to end yet
            await self._end()
            raise RuntimeError(f"this {type(self).__name__} was closed while it started")
        return self

    async def aclose(self) -> None:
        """Accept nothing more, wait until what was accepted is handled, and end.

        With an inbox, it waits for what has begun.

        Raises:
            RuntimeError: A handler of it called this, and would wait for itself.
            Exception: Any error of the lifespan.
        """
        self._in_flight.check_is_outside()
        await self._end()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, as an ASGI application."""
        match scope["type"]:
            case "http":
                await self._respond(scope, receive, send)
            case "lifespan":
                await follow_lifespan(receive, send, self)
            case "websocket":
                await refuse_websocket(receive, send)
            case other:
                name = type(self).__name__
                raise ValueError(f"this {name} can't serve an ASGI scope of type {other!r}")

    async def _end(self) -> None:
        try:
            await self._stop()
        finally:
            self._is_started = False
            self._activity.end()

    @abstractmethod
    async def _start(self) -> None:
        """Enter the lifespan, and begin to receive."""

    @abstractmethod
    async def _stop(self) -> None:
        """Receive no more, wait for what was accepted, and leave the lifespan."""

    @abstractmethod
    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to an HTTP request."""
