"""The pages on which people connect their accounts, and leave."""

import hashlib
import inspect
import logging
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs

from attrs import evolve, frozen

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.oauth import Tokens
from webex_webhooks_async.errors import (
    LockedError,
    RateLimitError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.integration.app import App
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.tokens import is_app_refused, is_grant_gone
from webex_webhooks_async.integration.users import ConnectedUser
from webex_webhooks_async.receiving.asgi import Scope, Send
from webex_webhooks_async.serialization.converter import from_json, to_json

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

CurrentAccount = Callable[[Scope], str | Awaitable[str | None] | None]
"""A plain or an async function that returns who is logged in to the application, as text."""


class RefusedError(Exception):
    """A request that a page refuses; its text is what the person reads."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(text)
        self.status: HTTPStatus = status


@frozen(kw_only=True)
class Page:
    """A response to a browser."""

    status: HTTPStatus
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it."""
        has_failed = self.status >= HTTPStatus.BAD_REQUEST
        text = self.text or (self.status.phrase if has_failed else "")
        body = f"{text}\n".encode() if text else b""
        headers = (*self.headers, *_HEADERS, ("Content-Length", str(len(body))))
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": int(self.status), "headers": pairs})
        await send({"type": "http.response.body", "body": body})


@frozen(kw_only=True)
class _Login:
    """What the cookie holds between the two pages."""

    state: str
    verifier: str
    next: str | None = None
    account: str
    began: float


class Pages:
    """The pages ``/connect``, ``/callback`` and ``/disconnect``.

    They are below what `public_url` returns, which `dev` changes before the start.
    """

    def __init__(  # noqa: PLR0913 - the settings of the pages
        self,
        app: App,
        keyring: Keyring,
        clock: Clock,
        *,
        public_url: Callable[[], str],
        connect: Callable[[Tokens, str | None], Awaitable[ConnectedUser]],
        disconnect: Callable[[str], Awaitable[None]],
        current_account: CurrentAccount | None,
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._clock = clock
        self._public_url = public_url
        self._connect_user = connect
        self._disconnect_account = disconnect
        self._current_account = current_account
        self._origin = "/".join(public_url().split("/", 3)[:3]).lower()
        is_secure = self._origin.startswith("https:")
        self._cookie = "__Host-webex-login" if is_secure else "webex-login"
        self._attributes = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' * is_secure}"

    async def respond(self, scope: Scope) -> Page | None:
        """Return the response to a request; `None` if it isn't for a page, but a notification."""
        method: str = scope["method"]
        name = scope["path"].rpartition("/")[2]
        page, allowed = {
            "connect": (self._connect, "GET"),
            "callback": (self._callback, "GET"),
            "disconnect": (self._disconnect, "POST"),
        }.get(name, (None, "POST"))
        is_missing = name == "disconnect" and self._current_account is None
        if is_missing or (page is None and method == "GET"):
            return Page(status=HTTPStatus.NOT_FOUND)
        if method != allowed:
            return Page(status=HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", allowed),))
        if page is None:
            return None
        try:
            made = await page(scope)
        except RefusedError as refused:
            made = Page(status=refused.status, text=str(refused))
        except WebexError as error:
            made = _refused(error)
        except OSError as error:  # of the store, or of the inbox
            logger.error("the page %s can't be served: %s", name, describe_exception(error))  # noqa: TRY400 - it says all
            return Page(status=HTTPStatus.SERVICE_UNAVAILABLE, text=_LATER)
        if name == "callback":
            forget = self._set_cookie(f"{self._attributes}; Max-Age=0")
            made = evolve(made, headers=(*made.headers, forget))
        return made

    async def _connect(self, scope: Scope) -> Page:
        account = await self._logged_in(scope)
        login = _Login(
            state=secrets.token_urlsafe(),
            verifier=secrets.token_urlsafe(48),
            next=_next(scope),
            account=_digest(account),
            began=self._clock.now().timestamp(),
        )
        url = self._app.authorization_url(self._redirect_uri(), login.state, login.verifier)
        sealed = urlsafe_b64encode(self._keyring.seal(to_json(login), name=_PURPOSE)).decode()
        cookie = self._set_cookie(f"{sealed}{self._attributes}; Max-Age={_SECONDS:.0f}")
        return Page(status=HTTPStatus.SEE_OTHER, headers=(("Location", url), cookie))

    async def _callback(self, scope: Scope) -> Page:
        query, login = _query(scope), self._login(scope)
        state, code = "\n".join(query.get("state", [])), query.get("code", [""])[0]
        if login is None or not secrets.compare_digest(state.encode(), login.state.encode()):
            raise RefusedError(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN)
        account = await self._account(scope)
        if _digest(account) != login.account:
            raise RefusedError(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN)
        if query.get("error") == ["access_denied"]:
            raise RefusedError(HTTPStatus.FORBIDDEN, "You didn't allow it.")
        if not code:
            raise RefusedError(HTTPStatus.BAD_REQUEST, _BEGIN_AGAIN)
        tokens = await self._app.exchange(code, self._redirect_uri(), login.verifier)
        user = await self._connect_user(tokens, account)
        return _done(login.next, f"Connected: {user.display_name or user.email or 'welcome'}.")

    async def _disconnect(self, scope: Scope) -> Page:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if any(each.decode("latin-1").lower() != self._origin for each in origins):
            raise RefusedError(HTTPStatus.FORBIDDEN, "This page is for this site alone.")
        account, place = await self._logged_in(scope), _next(scope)
        await self._disconnect_account(cast("str", account))
        return _done(place, "Disconnected.")

    async def _logged_in(self, scope: Scope) -> str | None:
        """Return who is logged in; where that is needed, refuse who isn't."""
        account = await self._account(scope)
        if account is None and self._current_account is not None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "Log in first.")
        return account

    async def _account(self, scope: Scope) -> str | None:
        if self._current_account is None:
            return None
        returned = self._current_account(scope)
        account = cast("object", await returned if inspect.isawaitable(returned) else returned)
        if not isinstance(account, str | None):
            raise TypeError(
                f"current_account must return text or None, got {type(account).__name__}"
            )
        return account

    def _redirect_uri(self) -> str:
        return f"{self._public_url()}/callback"

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
    if isinstance(error, TransportError | ServerError | RateLimitError | LockedError):
        return Page(status=HTTPStatus.SERVICE_UNAVAILABLE, text=_LATER)
    return Page(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=_MISCONFIGURED)


def _next(scope: Scope) -> str | None:
    """Return where to go afterwards, which has to be a path of this site."""
    places = _query(scope).get("next", [])
    if not places:
        return None
    if len(places) > 1 or len(places[0]) > _LONGEST or not _PLACE.fullmatch(places[0]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "next has to be a path of this site.")
    return places[0]


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
    ("Content-Type", "text/plain; charset=utf-8"),
)
_BEGIN_AGAIN = "This login is over, or began in another browser. Begin again."
_LATER = "This doesn't work at the moment. Try again later."
_MISCONFIGURED = "This application isn't set up correctly."
