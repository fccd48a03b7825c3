"""Access tokens: one that stays, and one that is refreshed when Webex rejects it.

Facts: https://developer.webex.com/docs/integrations, "Using the Refresh Token"
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast, runtime_checkable

from attrs import field, frozen

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.validation import check_text

T = TypeVar("T")

FormPost = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""Posts a form to a path below the base URL, without a token, and gives the JSON of the answer."""


@runtime_checkable
class TokenProvider(Protocol):
    """Where a client takes its access token from; it asks once an attempt."""

    async def get(self) -> str:
        """The token to send, or an empty string when it must be refreshed first.

        It is called while the request holds one of the client's slots, so it must not use that
        client.
        """
        ...

    async def refresh(self, rejected: str) -> str:
        """The token to send instead of one that Webex rejected; the same one if there is no other.

        Many tasks may call this at once with the same `rejected`.
        """
        ...


def checked_token(token: str) -> str:
    """The token, if it can stand in a header.

    Raises:
        ValueError: It is empty or has a character that a header can't carry. It isn't shown.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(
            "an access token is one or more visible ASCII characters without spaces; "
            "this one is empty, or has others (is there a newline at its end?)"
        )
    return token


@frozen
class StaticToken:
    """A token that stays, such as a bot's. It is a `TokenProvider`.

    Raises:
        ValueError: The token is empty or can't stand in a header.
    """

    token: str = field(repr=False, converter=checked_token)

    async def get(self) -> str:
        """The token."""
        return self.token

    async def refresh(self, rejected: str) -> str:  # noqa: ARG002 - the protocol's
        """The token: there is no other."""
        return self.token


@frozen(kw_only=True)
class Tokens:
    """What a refresh brought.

    Attributes:
        access_token: To send with requests.
        refresh_token: To refresh with the next time.
        expires_in: Seconds that the access token lives; for an integration 14 days.
        refresh_token_expires_in: Seconds that the refresh token lives, if it isn't used.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int | None = None
    refresh_token_expires_in: int | None = None


class RefreshingToken:
    """The token of an integration or a service app. It is a `TokenProvider`.

    When Webex rejects the access token, it is refreshed once, however many tasks saw that, through
    the client that it serves. A task that is cancelled meanwhile doesn't take the others down.

    Args:
        client_id: Of the integration or service app.
        client_secret: Likewise.
        refresh_token: Renewed by every refresh: keep what `on_refresh` gets.
        access_token: Without one, the first request begins with a refresh.
        on_refresh: Called with the new `Tokens` before any task goes on, to store them. It may be
            plain or async. What it raises, every task that waits for the refresh gets; the new
            tokens are in use all the same.

    Raises:
        ValueError: An argument is empty or no valid Unicode, or `access_token` can't stand in a
            header.
        TypeError: An argument is no string.
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
        check_text("client_id", client_id)
        check_text("client_secret", client_secret)
        check_text("refresh_token", refresh_token)
        if not (client_id and client_secret and refresh_token):
            raise ValueError("client_id, client_secret and refresh_token must not be empty")
        self._client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._access_token = "" if access_token is None else checked_token(access_token)
        self._on_refresh = on_refresh
        self._post: FormPost | None = None
        self._refreshing: asyncio.Task[str] | None = None

    def serve(self, post: FormPost) -> None:
        """Refresh through this client from now on; a client calls it before each refresh."""
        self._post = post

    async def get(self) -> str:
        """The access token; empty before the first refresh, if none was given."""
        return self._access_token

    async def refresh(self, rejected: str) -> str:
        """A token that isn't the rejected one, refreshed once for all tasks that ask.

        Raises:
            APIError: Webex refuses the refresh token (400 or 401) or fails.
            TransportError: No answer came. Nothing is known of the old refresh token then: Webex
                may have renewed it.
            DecodeError: The answer holds no access token.
            RuntimeError: No client has this provider.
        """
        if self._access_token != rejected:
            return self._access_token
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())
            self._refreshing.add_done_callback(self._refreshed)
        refreshing = self._refreshing
        # Not shield: since Python 3.14 it logs the error that comes after its task was cancelled.
        await asyncio.wait([refreshing])
        return refreshing.result()

    def _refreshed(self, task: "asyncio.Task[str]") -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # seen, even if every task that waited for it is gone

    async def _refresh(self) -> str:
        if self._post is None:
            raise RuntimeError("a RefreshingToken refreshes through a client: Client(token)")
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "refresh_token": self._refresh_token,
        }
        tokens = _tokens(await self._post("/access_token", form), self._refresh_token)
        self._access_token, self._refresh_token = tokens.access_token, tokens.refresh_token
        if self._on_refresh is not None:
            stored = self._on_refresh(tokens)
            if inspect.isawaitable(stored):
                await stored
        return tokens.access_token


def _tokens(answer: object, refresh_token: str) -> Tokens:
    members = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
    try:
        access_token = checked_token(_if_is(str, members.get("access_token")) or "")
    except ValueError:
        raise DecodeError(["$.access_token: missing, or not a token"]) from None
    return Tokens(
        access_token=access_token,
        refresh_token=_if_is(str, members.get("refresh_token")) or refresh_token,
        expires_in=_if_is(int, members.get("expires_in")),
        refresh_token_expires_in=_if_is(int, members.get("refresh_token_expires_in")),
    )


def _if_is(cls: type[T], value: object) -> T | None:
    return value if type(value) is cls else None  # isinstance would take a bool for an int
