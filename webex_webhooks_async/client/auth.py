"""What requests take their access token from, and how they wait for one refresh of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, cast, runtime_checkable

from attrs import field, frozen

from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.validation import check_type

FormPost = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""Posts a form to a path below the base URL, without a token, and returns the parsed JSON."""


class ClosedError(RuntimeError):
    """A client sends nothing, because it or its HTTP client is closed."""


@runtime_checkable
class TokenProvider(Protocol):
    """Where a client takes its access token from, once for each attempt.

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


_VISIBLE = re.compile(r"[\x21-\x7e]+")


def checked_token(token: str) -> str:
    """Return the token if a header can carry it.

    Raises:
        ValueError: It is empty or too long, or has a character that a header can't carry. It isn't
            shown.
        TypeError: It isn't a string.
    """
    check_type("an access token", token, str)
    if token.lower().startswith("bearer "):
        raise ValueError("pass the token alone, without 'Bearer '")
    if len(token) > MAX_TOKEN or not _VISIBLE.fullmatch(token):
        raise ValueError(
            "an access token is one or more visible ASCII characters without spaces, at most "
            f"{MAX_TOKEN:,}; this one is empty or longer, or has others (is there a newline at "
            "its end?)"
        )
    return token


@frozen
class StaticToken:
    """A token that doesn't change, such as a bot's. It is a `TokenProvider`.

    Raises:
        ValueError: The token is empty or can't be sent in a header.
    """

    token: str = field(repr=False, converter=checked_token)

    async def get(self) -> str:
        """Return the token."""
        return self.token

    async def refresh(self, rejected: str) -> str:  # noqa: ARG002 - the protocol's
        """Return the token: there is no other."""
        return self.token


class ClientBound:
    """Base of a `TokenProvider` that calls Webex itself, through the clients that use it."""

    def __init__(self) -> None:
        self._clients: list[FormPost] = []

    def bind(self, client: FormPost) -> None:
        """Refresh through this client when no other one is calling; a client calls this itself."""
        self._clients.append(client)

    def unbind(self, client: FormPost) -> None:
        """Forget this client; it calls this itself when it is closed."""
        self._clients.remove(client)

    async def _post(self, form: Mapping[str, str]) -> object:
        """Post through the client that calls, or through another one if that is closed."""
        calling = calling_client.get()
        posts = [*([calling] if calling else ()), *reversed(self._clients)]
        closed = ClosedError(
            "a RefreshingToken refreshes through an open client: pass it to Client(token)"
        )
        for post in posts:
            try:
                return await post("/access_token", form)
            except ClosedError as error:
                closed = error
        raise closed


class SharedRefresh:
    """Runs one refresh at a time, for all tasks that need its result.

    Who waits for whom: each requester has one, for the requests of one client, and each
    `RefreshingToken` has one, for the clients that share it. A request that got a 401, or whose
    turn comes, waits for the task of its requester; that task calls `refresh` of the provider, and
    so waits for the task of the token; and that one posts the form, which carries no token, and so
    waits for no refresh. As each is a task of its own, a request that is cancelled ends neither.

    What a refresh calls, such as `on_refresh`, may use the client, and must not wait for that
    refresh. It inherits a context in which `_surrounding` holds the tasks that it is a part of. A
    task that `on_refresh` leaves running inherits it too, so only those in progress count. In the
    same context, `calling_client` says through which client a token is refreshed, because a
    provider around it may not know.
    """

    def __init__(self) -> None:
        self.latest: asyncio.Task[str] | None = None
        """The refresh that was started last; it may have ended."""

    @property
    def running(self) -> "asyncio.Task[str] | None":
        """The refresh in progress; one whose event loop is closed has ended."""
        latest = self.latest
        if latest is None or latest.done() or latest.get_loop().is_closed():
            return None
        return latest

    @property
    def is_caller(self) -> bool:
        """Whether the refresh in progress is what calls this, and so can't be waited for."""
        return self.running in _surrounding.get()

    async def join(
        self, refresh: Callable[[], Coroutine[Any, Any, str]], since: "asyncio.Task[str] | None"
    ) -> str:
        """Return the result of a refresh: the one in progress, one that ended, or a new one.

        Args:
            refresh: Makes a new one.
            since: The `latest` at the time of the token that was rejected.

        Raises:
            RuntimeError: A refresh is in progress in another event loop.
        """
        latest = self.latest
        if latest is None or (
            self.running is None  # and if it hasn't ended all the same, its loop is closed
            and (latest is since or latest.cancelled() or not latest.done())
        ):
            latest = self.latest = asyncio.create_task(_marked(refresh))
            # Retrieve its error, even if every task that waits for it is gone.
            latest.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await result(latest)


async def result(refresh: "asyncio.Task[str]") -> str:
    """Wait for a refresh, and return or raise what it does.

    Raises:
        RuntimeError: It is in progress in another event loop.
    """
    if not refresh.done():
        if refresh.get_loop() is not asyncio.get_running_loop():
            raise RuntimeError(
                "the token is being refreshed in another event loop; try again when that ends"
            )
        # Not asyncio.shield: it logs the error of a refresh when the waiting task is cancelled.
        await asyncio.wait([refresh])
    return refresh.result()


async def _marked(refresh: Callable[[], Coroutine[Any, Any, str]]) -> str:
    task = cast("asyncio.Task[str]", asyncio.current_task())
    _surrounding.set(_surrounding.get() | {task})  # in this task's own context
    return await without_exit(refresh())


async def without_exit(call: Awaitable[str]) -> str:
    """Return what a provider of tokens does; its `SystemExit`, which ends a loop, is an error."""
    try:
        return await call
    except SystemExit as error:
        message = f"the provider of the token raised {describe_exception(error)}"
        raise RuntimeError(message) from error


def is_in_refresh() -> bool:
    """Whether a refresh that is in progress calls this."""
    return any(not each.done() for each in _surrounding.get())


_surrounding = ContextVar[frozenset["asyncio.Task[str]"]]("_surrounding", default=frozenset())

calling_client: ContextVar[FormPost | None] = ContextVar("calling_client", default=None)
"""The client for which a token is refreshed, however the `RefreshingToken` is wrapped."""
