"""Access tokens: one that doesn't change, and one that is refreshed when Webex rejects it.

Facts: https://developer.webex.com/docs/integrations
"""

import asyncio
import copy
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, Self, TypeVar, cast, runtime_checkable
from urllib.parse import quote, urlencode

from attrs import field, frozen

from webex_webhooks_async.catalog import BASE_URL
from webex_webhooks_async.converters import JSON_KEY
from webex_webhooks_async.errors import (
    DecodeError,
    LockedError,
    RateLimitError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.validation import check_text, check_type

T = TypeVar("T")

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
    if len(token) > MAX_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", token):
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


@frozen(kw_only=True)
class Tokens:
    """The result of a refresh.

    `from_json` reads it from the response of the token endpoint, and from what `to_json` makes of
    it. Unlike the rest of the API, its keys are snake_case.

    Attributes:
        access_token: To send with requests.
        refresh_token: For the next refresh.
        expires_in: Seconds until the access token expires; for an integration 14 days.
        refresh_token_expires_in: Seconds until the refresh token expires, unless it is used.
    """

    access_token: str = field(repr=False, metadata={JSON_KEY: "access_token"})
    refresh_token: str = field(repr=False, metadata={JSON_KEY: "refresh_token"})
    expires_in: int | None = field(default=None, metadata={JSON_KEY: "expires_in"})
    refresh_token_expires_in: int | None = field(
        default=None, metadata={JSON_KEY: "refresh_token_expires_in"}
    )


class RefreshingToken:
    """The token of an integration or a service app. It is a `TokenProvider`.

    When Webex rejects the access token, it is refreshed once, however many tasks saw that, through
    the client whose request was rejected, or through another one if that is closed. When a waiting
    task is cancelled, the refresh goes on for the others. Event loops may use it one after another.

    Args:
        client_id: The id of the integration or service app.
        client_secret: Its secret.
        refresh_token: A refresh may replace it: store what `on_refresh` gets.
        access_token: Without one, the first request begins with a refresh.
        on_refresh: Called with the new `Tokens`, to store them, before any waiting task continues.
            It may be plain or async, and may use the client. What it raises is raised in every
            waiting task; the new tokens are in use all the same.

    Raises:
        ValueError: An argument is empty or isn't valid Unicode, or `access_token` can't be sent in
            a header.
        TypeError: An argument isn't a string.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        access_token: str | None = None,
        on_refresh: Callable[[Tokens], object] | None = None,
    ) -> None:
        self._app = _checked(client_id=client_id, client_secret=client_secret)
        grant = _checked(refresh_token=refresh_token)
        self._grant: dict[str, str] = {"grant_type": "refresh_token", **grant}
        self._access_token = "" if access_token is None else checked_token(access_token)
        self._on_refresh = on_refresh
        self._clients: list[FormPost] = []
        self._refreshes = SharedRefresh()
        self._spent: WebexError | None = None

    @classmethod
    def from_code(  # noqa: PLR0913 - the parts of the exchange
        cls,
        *,
        client_id: str,
        client_secret: str,
        code: str,
        redirect_uri: str,
        code_verifier: str | None = None,
        on_refresh: Callable[[Tokens], object] | None = None,
    ) -> Self:
        """Return the token of an integration that a user has just authorized.

        The first request exchanges the code; every later refresh uses the refresh token that came
        with it. A code is sent once, and again only after a 429 or a 423: after any other failure,
        every later request raises the error of the exchange.

        Args:
            client_id: The id of the integration.
            client_secret: Its secret; Webex requires it with PKCE, too.
            code: What Webex added to `redirect_uri`. It is valid for minutes.
            redirect_uri: The one that `authorization_url` got.
            code_verifier: What the `code_challenge` was made of.
            on_refresh: As when it is made directly; the exchange calls it, too.

        Raises:
            ValueError: An argument is empty or isn't valid Unicode.
            TypeError: An argument isn't a string.
        """
        grant = _checked(code=code, redirect_uri=redirect_uri)
        if code_verifier is not None:
            grant |= _checked(code_verifier=code_verifier)
        token = cls(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=code,  # until the exchange brings one
            on_refresh=on_refresh,
        )
        token._grant = {"grant_type": "authorization_code", **grant}
        return token

    @classmethod
    def from_tokens(
        cls,
        tokens: Tokens,
        *,
        client_id: str,
        client_secret: str,
        on_refresh: Callable[[Tokens], object] | None = None,
    ) -> Self:
        """Return a token that goes on with what `on_refresh` has stored.

        ::

            tokens = from_json(path.read_bytes(), Tokens)
            token = RefreshingToken.from_tokens(
                tokens, client_id="C1", client_secret="S1", on_refresh=store
            )

        Args:
            tokens: The result of the last refresh, or of the exchange of a code.
            client_id: The id of the integration or service app.
            client_secret: Its secret.
            on_refresh: As when it is made directly.

        Raises:
            ValueError: An argument, or a token, is empty or isn't valid Unicode, or the access
                token can't be sent in a header.
            TypeError: An argument has a wrong type.
        """
        check_type("tokens", tokens, Tokens)
        return cls(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token,
            on_refresh=on_refresh,
        )

    def bind(self, client: FormPost) -> None:
        """Refresh through this client when no other one is calling; a client calls this itself."""
        self._clients.append(client)

    def unbind(self, client: FormPost) -> None:
        """Forget this client; it calls this itself when it is closed."""
        self._clients.remove(client)

    async def get(self) -> str:
        """Return the access token; empty before the first refresh, if none was given."""
        return self._access_token

    async def refresh(self, rejected: str) -> str:
        """Return a token that isn't the rejected one, refreshed once for all tasks that ask.

        Raises:
            APIError: Webex refuses the refresh token (400 or 401) or fails.
            TransportError: No response arrived. Webex may have replaced the old refresh token.
            DecodeError: The response has no access token.
            RuntimeError: No open client has this provider, or another event loop refreshes it.
        """
        if self._access_token != rejected or self._refreshes.is_caller:
            return self._access_token
        return await self._refreshes.join(self._refresh, since=self._refreshes.latest)

    async def _refresh(self) -> str:
        tokens = await self._granted()
        self._access_token = tokens.access_token
        self._grant = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        if self._on_refresh is not None:
            stored = self._on_refresh(tokens)
            if inspect.isawaitable(stored):
                await stored
        return tokens.access_token

    async def _granted(self) -> Tokens:
        """Exchange the grant for tokens, a code once only."""
        if self._spent is not None:
            raise copy.copy(self._spent)  # each with a traceback of its own
        form = self._app | self._grant
        if "code" in form:  # sent from now on, whatever becomes of this task or its event loop
            self._spent = TransportError(
                "the exchange of the authorization code was cut off: authorize again"
            )
        try:
            tokens = _tokens(await self._post(form), form.get("refresh_token"))
        except (RateLimitError, LockedError, ClosedError):  # nothing was processed
            self._spent = None
            raise
        except WebexError as error:
            self._spent = self._spent and error
            raise
        self._spent = None
        return tokens

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


def authorization_url(  # noqa: PLR0913 - the parameters of the request
    *,
    client_id: str,
    redirect_uri: str,
    scopes: str | Iterable[str],
    state: str,
    code_challenge: str | None = None,
    base_url: str = BASE_URL,
) -> str:
    """Return the URL at which a user authorizes an integration.

    Webex then redirects to ``redirect_uri?code=...&state=...``, or with ``error=access_denied``.
    Compare the state, and pass the code to `RefreshingToken.from_code`.

    >>> authorization_url(
    ...     client_id="C1", redirect_uri="https://example.com/cb", scopes=["spark:all"], state="x7"
    ... )
    'https://webexapis.com/v1/authorize?response_type=code&client_id=C1&redirect_uri=https%3A%2F%2Fexample.com%2Fcb&scope=spark%3Aall&state=x7'

    Args:
        client_id: The id of the integration.
        redirect_uri: One of the integration's redirect URIs.
        scopes: Names of scopes, or one string that separates them by spaces.
        state: Random text that comes back with the code. It proves that this user was sent here.
        code_challenge: With PKCE, the SHA-256 of the code verifier in unpadded URL-safe base64.
        base_url: Where the API is.

    Raises:
        ValueError: An argument is empty or isn't valid Unicode.
        TypeError: An argument has a wrong type.
    """
    check_type("scopes", scopes, str, Iterable)
    names = scopes.split() if isinstance(scopes, str) else list(scopes)
    for name in names:
        check_text("a scope", name)
    query = {
        "response_type": "code",
        **_checked(client_id=client_id, redirect_uri=redirect_uri),
        **_checked(scope=" ".join(names), state=state),
    }
    if code_challenge is not None:
        query |= _checked(code_challenge=code_challenge) | {"code_challenge_method": "S256"}
    check_text("base_url", base_url)
    return f"{base_url.rstrip('/')}/authorize?{urlencode(query, quote_via=quote)}"


def _checked(**texts: str) -> dict[str, str]:
    for name, text in texts.items():
        check_text(name, text)
        if not text:
            raise ValueError(f"{name} must not be empty")
    return texts


def _tokens(response: object, refresh_token: str | None) -> Tokens:
    members = cast("dict[str, object]", response) if isinstance(response, dict) else {}
    try:
        access_token = checked_token(_if_is(str, members.get("access_token")) or "")
    except ValueError:
        raise DecodeError(["$.access_token: missing, or not a token"]) from None
    refresh_token = _if_is(str, members.get("refresh_token")) or refresh_token
    if (
        not refresh_token
        or len(refresh_token) > MAX_TOKEN
        or not refresh_token.isprintable()  # half a surrogate isn't, either
    ):
        raise DecodeError(["$.refresh_token: missing, or not a token"])
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_in=_if_is(int, members.get("expires_in")),
        refresh_token_expires_in=_if_is(int, members.get("refresh_token_expires_in")),
    )


def _if_is(cls: type[T], value: object) -> T | None:
    return value if type(value) is cls else None  # isinstance would take a bool for an int
