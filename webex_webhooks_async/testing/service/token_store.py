"""Knows tokens and authorization codes: any token is valid until it is revoked, or has expired.

Facts: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE)
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from attrs import field, frozen
from starlette.requests import Request

from webex_webhooks_async.testing.service.formats import WallClock
from webex_webhooks_async.testing.service.responses import OAuthError, RefusedCallError
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson

CODE_LIFETIME = timedelta(minutes=5)

PERSON_TOKEN = "person:"  # noqa: S105 - the prefix of a token, not a token
"""It makes a token of an address or an id: that of the person who has it."""


@frozen(kw_only=True)
class TokenRules:
    """How strict the sandbox is with the tokens that it grants, in the words of `Sandbox`."""

    life: float | None = None  # seconds of an access token
    rotate: bool = False
    client_secret: str | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Grant:
    """What a token was granted for."""

    owner: SandboxPerson
    client_id: str
    scope: str
    expires: datetime | None = None


@frozen(kw_only=True)
class AuthorizationCode:
    """A code, and what it was issued for."""

    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str | None  # of PKCE (S256)
    owner: SandboxPerson
    expires: datetime


class TokenStore:
    """Which tokens are whose and which are revoked, and which codes are still unused.

    Who is chosen authorizes, and is whose tokens are granted, unless they are granted for a code or
    a refresh token of someone else; without a choice it is the bot.
    """

    def __init__(self, bot: SandboxPerson, clock: WallClock, rules: TokenRules) -> None:
        self.rules: TokenRules = rules
        self.chosen: SandboxPerson | None = None
        self._bot = bot
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._revoked: set[str] = set()
        self._codes: dict[str, AuthorizationCode] = {}

    def revoke(self, token: str) -> None:
        """Refuse an access or refresh token from now on."""
        self._revoked.add(token)

    def end_grants(self, owner: SandboxPerson, client_id: str | None = None) -> None:
        """Refuse all that was granted to someone, by a client or by all; codes as well."""

        def is_ended(granted: Grant | AuthorizationCode) -> bool:
            return granted.owner.id == owner.id and client_id in {None, granted.client_id}

        self._revoked.update(token for token, grant in self._grants.items() if is_ended(grant))
        self._codes = {code: each for code, each in self._codes.items() if not is_ended(each)}

    def bearer(self, request: Request) -> str:
        """The access token of a request."""
        token = bearer_token(request.headers.get("authorization", ""))
        grant = self._grants.get(token)
        has_expired = bool(grant and grant.expires and self._clock() >= grant.expires)
        if not token or token in self._revoked or has_expired:
            raise RefusedCallError(401)
        return token

    def access_token(self, owner: SandboxPerson, client_id: str) -> str:
        """A new access token of someone."""
        life = self.rules.life
        expires = None if life is None else self._clock() + timedelta(seconds=life)
        return self._granted(Grant(owner=owner, client_id=client_id, scope="", expires=expires))

    def refresh_token(self, owner: SandboxPerson, client_id: str, scope: str) -> str:
        """A new refresh token of someone."""
        return self._granted(Grant(owner=owner, client_id=client_id, scope=scope))

    def _granted(self, grant: Grant) -> str:
        token = secrets.token_urlsafe(48)
        self._grants[token] = grant
        return token

    def owner(self, token: str) -> SandboxPerson | None:
        """Whom a token was granted to; None for one that wasn't granted here."""
        grant = self._grants.get(token)
        return grant.owner if grant else None

    def refreshed(self, token: str, client_id: str) -> tuple[SandboxPerson, str, str]:
        """Whom a refresh token belongs to, the one that is valid from now on, and its scope.

        One that wasn't granted here is that of who authorizes.
        """
        if token in self._revoked:
            raise OAuthError("invalid_grant", "the refresh token is not valid")
        grant = self._grants.get(token)
        owner, scope = (grant.owner, grant.scope) if grant else (self.chosen or self._bot, "")
        if self.rules.rotate:
            self.revoke(token)
            token = self.refresh_token(owner, client_id, scope)
        return owner, token, scope

    def issue_code(
        self,
        owner: SandboxPerson | None,
        *,
        client_id: str,
        redirect_uri: str,
        scope: str,
        code_challenge: str | None,
    ) -> str:
        """A new authorization code of someone, by default of who is chosen."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = AuthorizationCode(
            client_id=client_id,
            redirect_uri=redirect_uri,
            scope=scope,
            code_challenge=code_challenge,
            owner=owner or self.chosen or self._bot,
            expires=self._clock() + CODE_LIFETIME,
        )
        return code

    def redeem_code(
        self, code: str, *, client_id: str, redirect_uri: str, code_verifier: str | None
    ) -> AuthorizationCode:
        """Use a code up, whether or not it fits."""
        issued = self._codes.pop(code, None)
        if issued is None or self._clock() > issued.expires:
            problem = "the code is unknown, used or expired; authorize again"
        elif client_id != issued.client_id:
            problem = "the code was issued to another client_id"
        elif redirect_uri != issued.redirect_uri:
            problem = "redirect_uri must equal the one of the authorization request"
        elif not _verifies(code_verifier, issued.code_challenge):
            problem = "code_verifier must belong to the code_challenge of the authorization request"
        else:
            return issued
        raise OAuthError("invalid_grant", problem)


def bearer_token(authorization: str) -> str:
    """The token in the value of an ``Authorization`` header; empty if it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _verifies(verifier: str | None, challenge: str | None) -> bool:
    if verifier is None or challenge is None:
        return verifier is challenge
    digest = hashlib.sha256(verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(expected, challenge.encode())
