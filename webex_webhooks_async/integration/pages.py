"""The pages on which people connect their accounts, and leave."""

import hashlib
import inspect
import logging
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple, cast
from urllib.parse import parse_qs

from attrs import frozen

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.oauth import Tokens, authorization_url
from webex_webhooks_async.errors import (
    LockedError,
    RateLimitError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.tokens import is_app_refused, is_grant_gone
from webex_webhooks_async.integration.users import ConnectedUser
from webex_webhooks_async.receiving.asgi import Scope
from webex_webhooks_async.serialization.converter import from_json, to_json

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

CurrentAccount = Callable[[Scope], str | Awaitable[str | None] | None]
"""A plain or an async function that returns who is logged in to the application, as text."""


class RefusedUserError(Exception):
    """`allow` doesn't let somebody connect."""


class Connecting(NamedTuple):
    """What the pages ask of their integration."""

    public_url: Callable[[], str]
    exchange: Callable[[str, str], Awaitable[Tokens]]
    connect: Callable[[Tokens, str | None], Awaitable[ConnectedUser]]
    disconnect: Callable[[str], Awaitable[None]]


@frozen(kw_only=True)
class Page:
    """A response to a browser."""

    status: int
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@frozen(kw_only=True)
class _Login:
    """What the cookie holds between the two pages."""

    state: str
    verifier: str
    next: str | None = None
    account: str
    began: float


class Pages:
    """The pages ``/connect``, ``/callback`` and ``/disconnect``."""

    def __init__(  # noqa: PLR0913 - the settings of the pages
        self,
        connecting: Connecting,
        keyring: Keyring,
        clock: Clock,
        *,
        client_id: str,
        scopes: Iterable[str],
        base_url: str,
        refusal: str,
        current_account: CurrentAccount | None,
    ) -> None:
        self._connecting = connecting
        self._keyring = keyring
        self._clock = clock
        self._origin = "/".join(connecting.public_url().split("/", 3)[:3]).lower()
        self._client_id = client_id
        self._scopes = tuple(scopes)
        self._base_url = base_url
        self._refusal = refusal
        self._current_account = current_account
        is_secure = self._origin.startswith("https:")
        self._cookie = "__Host-webex-login" if is_secure else "webex-login"
        self._attributes = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' * is_secure}"

    @property
    def redirect_uri(self) -> str:
        """The URL of the page to which Webex sends people back."""
        return f"{self._connecting.public_url()}/callback"

    async def respond(self, scope: Scope) -> Page | None:
        """Return the response to a request; `None` if it isn't for a page, but a notification."""
        method: str = scope["method"]
        name = scope["path"].rpartition("/")[2]
        if name == "disconnect" and self._current_account is None:
            return _page(HTTPStatus.NOT_FOUND)
        page, allowed = {
            "connect": (self._connect, "GET"),
            "callback": (self._callback, "GET"),
            "disconnect": (self._disconnect, "POST"),
        }.get(name, (None, "POST"))
        if page is None and method == "GET":
            return _page(HTTPStatus.NOT_FOUND)
        if method != allowed:
            return _page(HTTPStatus.METHOD_NOT_ALLOWED, headers=[("Allow", allowed)])
        if page is None:
            return None
        try:
            return await page(scope)
        except OSError as error:  # of the store, or of the inbox
            logger.error("the page %s can't be served: %s", name, describe_exception(error))  # noqa: TRY400 - it says all
            return _page(HTTPStatus.SERVICE_UNAVAILABLE, _LATER)

    async def _connect(self, scope: Scope) -> Page:
        account, is_known = await self._account(scope)
        if not is_known:
            return _page(HTTPStatus.UNAUTHORIZED, "Log in first.")
        place, is_fit = _next(scope)
        if not is_fit:
            return _page(HTTPStatus.BAD_REQUEST, "next has to be a path of this site.")
        login = _Login(
            state=secrets.token_urlsafe(),
            verifier=secrets.token_urlsafe(48),
            next=place,
            account=_digest(account),
            began=self._clock.now().timestamp(),
        )
        sealed = self._keyring.seal(to_json(login), name=_PURPOSE)
        challenge = urlsafe_b64encode(hashlib.sha256(login.verifier.encode()).digest())
        url = authorization_url(
            client_id=self._client_id,
            redirect_uri=self.redirect_uri,
            scopes=self._scopes,
            state=login.state,
            code_challenge=challenge.rstrip(b"=").decode(),
            base_url=self._base_url,
        )
        cookie = f"{urlsafe_b64encode(sealed).decode()}{self._attributes}; Max-Age={_SECONDS:.0f}"
        return _page(HTTPStatus.SEE_OTHER, headers=[("Location", url), self._set_cookie(cookie)])

    async def _callback(self, scope: Scope) -> Page:
        forget = self._set_cookie(f"{self._attributes}; Max-Age=0")
        query = _query(scope)
        login = self._login(scope)
        state = query.get("state", [""])
        if login is None or not secrets.compare_digest(
            "\n".join(state).encode(), login.state.encode()
        ):
            return _page(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN, headers=[forget])
        account, is_known = await self._account(scope)
        if not is_known or _digest(account) != login.account:
            return _page(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN, headers=[forget])
        if query.get("error") == ["access_denied"]:
            return _page(HTTPStatus.FORBIDDEN, "You didn't allow it.", headers=[forget])
        code = query.get("code", [""])[0]
        if not code:
            return _page(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN, headers=[forget])
        page = await self._connected(code, login, account)
        return _page(page.status, page.text, headers=[*page.headers, forget])

    async def _connected(self, code: str, login: _Login, account: str | None) -> Page:
        try:
            tokens = await self._connecting.exchange(code, login.verifier)
            user = await self._connecting.connect(tokens, account)
        except RefusedUserError:
            return Page(status=HTTPStatus.FORBIDDEN, text=self._refusal)
        except WebexError as error:
            return _refused(error)
        return _done(login.next, f"Connected: {user.display_name or user.email or 'welcome'}.")

    async def _disconnect(self, scope: Scope) -> Page:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if any(each.decode("latin-1").lower() != self._origin for each in origins):
            return _page(HTTPStatus.FORBIDDEN, "This page is for this site alone.")
        account, is_known = await self._account(scope)
        if account is None or not is_known:
            return _page(HTTPStatus.UNAUTHORIZED, "Log in first.")
        place, is_fit = _next(scope)
        if not is_fit:
            return _page(HTTPStatus.BAD_REQUEST, "next has to be a path of this site.")
        await self._connecting.disconnect(account)
        done = _done(place, "Disconnected.")
        return _page(done.status, done.text, headers=done.headers)

    async def _account(self, scope: Scope) -> tuple[str | None, bool]:
        """Return who is logged in, and whether that is enough to go on."""
        if self._current_account is None:
            return None, True
        returned = self._current_account(scope)
        account = cast("object", await returned if inspect.isawaitable(returned) else returned)
        if not isinstance(account, str | None):
            raise TypeError(
                f"current_account must return text or None, got {type(account).__name__}"
            )
        return account, account is not None

    def _login(self, scope: Scope) -> _Login | None:
        """Return what the cookie holds, if it is there once, and fresh."""
        values = [
            value
            for name, header in scope["headers"]
            if name == b"cookie"
            for key, _, value in (
                each.strip().partition("=") for each in header.decode("latin-1").split(";")
            )
            if key == self._cookie
        ]
        if len(values) != 1:
            return None
        try:
            sealed = urlsafe_b64decode(values[0])
            login = from_json(self._keyring.open(sealed, name=_PURPOSE), _Login)
        except (Base64Error, ValueError):
            return None
        return login if self._clock.now().timestamp() - login.began <= _SECONDS else None

    def _set_cookie(self, value: str) -> tuple[str, str]:
        return "Set-Cookie", f"{self._cookie}={value}"


def _page(status: int, text: str = "", *, headers: Iterable[tuple[str, str]] = ()) -> Page:
    text = text or (HTTPStatus(status).phrase if status >= HTTPStatus.BAD_REQUEST else "")
    return Page(status=status, text=text, headers=(*headers, *_HEADERS))


def _done(place: str | None, text: str) -> Page:
    if place is None:
        return Page(status=HTTPStatus.OK, text=text)
    return Page(status=HTTPStatus.SEE_OTHER, headers=(("Location", place),))


def _refused(error: WebexError) -> Page:
    """Return the page of somebody whose code, or whose new tokens, Webex doesn't take."""
    if is_app_refused(error):
        logger.error("nobody can connect, because Webex refuses the client id or secret: %s", error)
        return Page(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=_MISCONFIGURED)
    if is_grant_gone(error):
        return Page(status=HTTPStatus.BAD_REQUEST, text=_BEGIN_AGAIN)
    logger.warning("somebody can't connect: %s", error)
    is_outage = isinstance(error, TransportError | ServerError | RateLimitError | LockedError)
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_outage else HTTPStatus.INTERNAL_SERVER_ERROR
    return Page(status=status, text=_LATER if is_outage else _MISCONFIGURED)


def _next(scope: Scope) -> tuple[str | None, bool]:
    """Return where to go afterwards, and whether that is a path of this site."""
    places = _query(scope).get("next", [])
    if not places:
        return None, True
    place = places[0]
    is_fit = len(places) == 1 and len(place) <= _LONGEST and bool(_PLACE.fullmatch(place))
    return place, is_fit


def _query(scope: Scope) -> dict[str, list[str]]:
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1"), keep_blank_values=True)


def _digest(account: str | None) -> str:
    return "" if account is None else hashlib.sha256(account.encode(errors="replace")).hexdigest()


_PLACE = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")  # visible ASCII without a backslash
_LONGEST = 2_000
_SECONDS = 600.0
_PURPOSE = "cookie of a login"
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_BEGIN_AGAIN = "This login is over, or began in another browser. Begin again."
_LATER = "This doesn't work at the moment. Try again later."
_MISCONFIGURED = "This application isn't set up correctly."
