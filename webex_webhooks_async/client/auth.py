"""Gives requests their access token, and lets them wait for one refresh of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Protocol, cast, runtime_checkable
from weakref import WeakSet

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.validation import check_type


class ClosedError(RuntimeError):
    """A client sends nothing, because it or its HTTP client is closed."""


@runtime_checkable
class TokenProvider(Protocol):
    """Gives a client its access token, once for each attempt.

    A provider that wraps another one, such as a `RefreshingToken`, calls its `get` and `refresh`,
    and needs nothing else.
    """

    async def get(self) -> str:
        """Return the token to send, or an empty string when it must be refreshed first.

        The request counts against the client's concurrency limit meanwhile, so this must not use
        that client.
        """
        ...

    async def refresh(self, rejected: str) -> str:
        """Return the token to send instead of a rejected one; the same one if there is no other.

        A client calls this once at a time, and its requests wait meanwhile. Several clients may
        call it at once with the same `rejected`.
        """
        ...


MAX_TOKEN = 16_384
"""The length of the longest token, so that one of megabytes goes into no header and no pattern."""


def checked_token(token: str) -> str:
    """Return the token if a header can carry it."""
    check_type("an access token", token, str)
    if token.lower().startswith("bearer "):
        raise ValueError("pass the token alone, without 'Bearer '")
    if len(token) > MAX_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(
            "an access token is one or more visible ASCII characters without spaces, at most "
            f"{MAX_TOKEN:,}; this one is empty or longer, or has others (is there a newline at "
            "its end?)"
        )
    return token


class StaticToken:
    """A token that doesn't change, such as a bot's. It is a `TokenProvider`."""

    def __init__(self, token: str) -> None:
        self._token = checked_token(token)

    async def get(self) -> str:
        """Return the token."""
        return self._token

    async def refresh(self, rejected: str) -> str:  # noqa: ARG002 - the protocol's
        """Return the token: there is no other."""
        return self._token


class FormClient(Protocol):
    """A client through which a `RefreshingToken` is refreshed."""

    async def post_form(self, path: str, form: Mapping[str, str]) -> object:
        """Post a form to a path below the base URL, without a token; return the parsed JSON."""
        ...


class Flight:
    """The refreshes of one provider: one at a time, for all requests that need its result.

    A `RefreshingToken` has one, which its clients share; for any other provider, each client has
    one. A refresh is a task of its own, so a request that is cancelled doesn't end it. It may wait
    for another one, if its provider wraps a `RefreshingToken`; that one posts a form, which carries
    no token, and so waits for none.

    A function that a refresh calls, such as `on_refresh`, may use the client, and must not wait
    for that refresh. It inherits a context in which `_surrounding` holds the refreshes that it is
    a part of. A task that `on_refresh` leaves running inherits it too, so only those in progress
    count.
    """

    def __init__(self, renew: Callable[[str], Awaitable[str]], *, may_wait: bool = False) -> None:
        self._renew = renew
        self._may_wait = may_wait
        self.clients: WeakSet[FormClient] = WeakSet()
        self.latest: asyncio.Task[str] | None = None
        """The refresh that was started last; it may have ended."""

    @classmethod
    def of(cls, provider: TokenProvider) -> "Flight":
        """The flight of a provider: its own, or else a new one."""
        own = getattr(provider, "_flight", None)
        return own if isinstance(own, Flight) else cls(provider.refresh, may_wait=True)

    @property
    def in_progress(self) -> "asyncio.Task[str] | None":
        """The refresh in progress; one whose event loop is closed has ended."""
        latest = self.latest
        if latest is None or latest.done() or latest.get_loop().is_closed():
            return None
        return latest

    async def refreshed(
        self, rejected: str, *, known: "asyncio.Task[str] | None", client: FormClient | None = None
    ) -> str:
        """Return the token to send instead of a rejected one.

        It is the result of the refresh in progress, of one that ended in the meantime, or of a new
        one; for what the refresh itself calls, it is the rejected token. `known` is the `latest`
        when that token was taken, and `client` the one whose request was rejected.
        """
        surrounding = [task for task, _ in _surrounding.get() if not task.done()]
        current, latest = self.in_progress, self.latest
        if current in surrounding:
            return rejected
        if surrounding and self._may_wait:  # one of those may be what the one in progress waits for
            return await result(self._start(rejected, client))
        if latest is None or (
            current is None  # and if it hasn't ended all the same, its loop is closed
            and (latest is known or latest.cancelled() or not latest.done())
        ):
            latest = self.latest = self._start(rejected, client)
        return await result(latest)

    async def post(self, path: str, form: Mapping[str, str]) -> object:
        """Post through the client whose request was rejected, or through another open one."""
        calling = [client for _, client in _surrounding.get() if client is not None]
        for client in (*calling[-1:], *self.clients):
            with suppress(ClosedError):
                return await client.post_form(path, form)
        raise ClosedError(
            "a RefreshingToken refreshes through an open client: pass it to Client(token)"
        )

    def _start(self, rejected: str, client: FormClient | None) -> "asyncio.Task[str]":
        async def renewed() -> str:
            refresh = cast("asyncio.Task[str]", asyncio.current_task()), client
            _surrounding.set((*_surrounding.get(), refresh))  # in this task's own context
            return await without_exit(self._renew(rejected))

        task = asyncio.create_task(renewed())
        # Retrieve its error, even if every task that waits for it is gone.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task


async def result(refresh: "asyncio.Task[str]") -> str:
    """Wait for a refresh, and return or raise what it does."""
    if not refresh.done():
        if refresh.get_loop() is not asyncio.get_running_loop():
            raise RuntimeError(
                "the token is being refreshed in another event loop; try again when that ends"
            )
        # Not asyncio.shield: it logs the error of a refresh when the waiting task is cancelled.
        await asyncio.wait([refresh])
    return refresh.result()


async def without_exit(call: Awaitable[str]) -> str:
    """Return what a provider of tokens does; its `SystemExit`, which ends a loop, is an error."""
    try:
        return await call
    except SystemExit as error:
        message = f"the provider of the token raised {describe_exception(error)}"
        raise RuntimeError(message) from error


def is_in_refresh() -> bool:
    """Whether a refresh that is in progress calls this."""
    return any(not task.done() for task, _ in _surrounding.get())


_Refresh = tuple[asyncio.Task[str], FormClient | None]
"""A refresh, and the client for which it is."""

_surrounding = ContextVar[tuple[_Refresh, ...]]("_surrounding", default=())
