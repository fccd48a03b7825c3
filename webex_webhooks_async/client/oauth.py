"""Tokens of integrations and service apps, and the URL at which a user authorizes an integration.

Facts: https://developer.webex.com/docs/integrations
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Self, TypeVar, cast
from urllib.parse import quote, urlencode

from attrs import Attribute, field, frozen

from webex_webhooks_async import errors
from webex_webhooks_async.client.auth import MAX_TOKEN, ClosedError, Flight, checked_token
from webex_webhooks_async.models import JSON_KEY
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.validation import check_not_empty, check_text, check_type

T = TypeVar("T")


def _optional_moment(_: object, attribute: "Attribute[datetime | None]", value: object) -> None:
    check_type(attribute.name, value, datetime, NoneType)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{attribute.name} must be timezone-aware, such as datetime.now(UTC)")


@frozen(kw_only=True)
class Tokens:
    """The result of a refresh.

    `from_json` reads it from the response of the token endpoint, and from what `to_json` makes of
    it. Unlike the rest of the API, its keys are snake_case.

    Attributes:
        access_token: To send with requests.
        refresh_token: For the next refresh.
        expires_in: Seconds from the refresh until the access token expires; for an integration 14
            days.
        expires_at: When that is, timezone-aware. `None` where Webex sent no `expires_in`, and in
            what was stored before there was this field.
        refresh_token_expires_in: Seconds until the refresh token expires, unless it is used.

    Raises:
        ValueError: `expires_at` has no timezone.
        TypeError: `expires_at` isn't a datetime.
    """

    access_token: str = field(default="", repr=False, metadata={JSON_KEY: "access_token"})
    refresh_token: str = field(repr=False, metadata={JSON_KEY: "refresh_token"})
    expires_in: int | None = field(default=None, metadata={JSON_KEY: "expires_in"})
    expires_at: datetime | None = field(
        default=None, validator=_optional_moment, metadata={JSON_KEY: "expires_at"}
    )
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
            It may be plain or async, and may use the client. Its error is raised in every
            waiting task; the new tokens are in use all the same.

    Raises:
        ValueError: An argument is empty or isn't valid Unicode, or `access_token` can't be sent in
            a header.
        TypeError: An argument has a wrong type.
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
        self._grant: Mapping[str, str] = refresh_with(refresh_token)
        self._access_token = "" if access_token is None else checked_token(access_token)
        if not (on_refresh is None or callable(on_refresh)):
            raise TypeError(f"on_refresh must be a function that takes Tokens, got {on_refresh!r}")
        self._on_refresh = on_refresh
        self._flight = Flight(self._renew)
        self._spent: errors.WebexError | None = None

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
            code: The parameter that Webex added to `redirect_uri`. It is valid for minutes.
            redirect_uri: The one that `authorization_url` got.
            code_verifier: The text that the `code_challenge` was made of.
            on_refresh: As when it is made directly; the exchange calls it, too.

        Raises:
            ValueError: An argument is empty or isn't valid Unicode.
            TypeError: An argument has a wrong type.
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

        `tokens` are the result of the last refresh, or of the exchange of a code. The other
        arguments and the errors are those of a `RefreshingToken` that is made directly.
        """
        check_type("tokens", tokens, Tokens)
        return cls(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token,
            on_refresh=on_refresh,
        )

    async def get(self) -> str:
        """Return the access token; empty before the first refresh, if none was given."""
        return self._access_token

    async def refresh(self, rejected: str) -> str:
        """Return a token that isn't the rejected one, refreshed once for all tasks that ask.

        Raises:
            APIError: Webex refuses the refresh token (400 or 401) or fails.
            TransportError: No response arrived. Webex may have replaced the old refresh token.
            DecodeError: A token in the response is missing or can't be used.
            RuntimeError: No open client has this provider, or another event loop refreshes it.
        """
        return await self._flight.refreshed(rejected, known=self._flight.latest)

    async def _renew(self, rejected: str) -> str:
        if self._access_token != rejected:
            return self._access_token
        tokens = await self._granted()
        self._access_token = tokens.access_token
        self._grant = refresh_with(tokens.refresh_token)
        if self._on_refresh is not None:
            stored = self._on_refresh(tokens)
            if inspect.isawaitable(stored):
                await stored
        return tokens.access_token

    async def _granted(self) -> Tokens:
        """Exchange the grant for tokens, a code once only."""
        if self._spent is not None:
            raise copy.copy(self._spent)  # each with a traceback of its own
        form = {**self._app, **self._grant}
        if "code" in form:  # sent from now on, whatever becomes of this task or its event loop
            self._spent = errors.TransportError(
                "the exchange of the authorization code was cut off: authorize again"
            )
        try:
            tokens = tokens_in(
                await self._flight.post("/access_token", form),
                form.get("refresh_token"),
                datetime.now(UTC),
            )
        except (errors.RateLimitError, errors.LockedError, ClosedError):  # nothing was processed
            self._spent = None
            raise
        except errors.WebexError as error:
            self._spent = self._spent and error
            raise
        self._spent = None
        return tokens


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
        base_url: The base URL of the API.

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
    check_not_empty("base_url", base_url)
    return f"{base_url.rstrip('/')}/authorize?{urlencode(query, quote_via=quote)}"


def _checked(**texts: str) -> dict[str, str]:
    return {name: check_not_empty(name, text) for name, text in texts.items()}


def refresh_with(refresh_token: str) -> Mapping[str, str]:
    """Return the part of a form that asks for a refresh."""
    return {"grant_type": "refresh_token", **_checked(refresh_token=refresh_token)}


def tokens_in(response: object, refresh_token: str | None, now: datetime) -> Tokens:
    """Return the tokens in a response, which may leave the refresh token as it is."""
    members = cast("dict[str, object]", response) if isinstance(response, dict) else {}
    try:
        access_token = checked_token(_if_is(str, members.get("access_token")) or "")
    except ValueError:
        raise errors.DecodeError(["$.access_token: missing, or not a token"]) from None
    refresh_token = _if_is(str, members.get("refresh_token")) or refresh_token
    if (
        not refresh_token
        or len(refresh_token) > MAX_TOKEN
        or not refresh_token.isprintable()  # half a surrogate isn't, either
    ):
        raise errors.DecodeError(["$.refresh_token: missing, or not a token"])
    expires_in = _if_is(int, members.get("expires_in"))
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_in=expires_in,
        expires_at=None if expires_in is None else _after(now, expires_in),
        refresh_token_expires_in=_if_is(int, members.get("refresh_token_expires_in")),
    )


def _after(now: datetime, seconds: int) -> datetime | None:
    """So many seconds from now; `None` for a number that no date can be that far away."""
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _if_is(cls: type[T], value: object) -> T | None:
    return value if type(value) is cls else None  # isinstance would take a bool for an int
