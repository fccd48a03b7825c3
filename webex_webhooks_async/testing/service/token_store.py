"""Knows tokens and authorization codes: any token is valid until it is revoked.

Facts: RFC 6749 (OAuth 2.0), RFC 7636 (PKCE)
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from attrs import frozen
from starlette.requests import Request

from webex_webhooks_async.testing.service.responses import OAuthError, RefusedCallError
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson

CODE_LIFETIME = timedelta(minutes=5)

PERSON_TOKEN = "person:"  # noqa: S105 - the prefix of a token, not a token
"""It makes a token of an address or an id: that of the person who has it."""


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

    Attributes:
        authorizer: The person who authorizes, and whose tokens are granted, unless they were
            granted for a code or a refresh token of someone else.
    """

    def __init__(self, authorizer: SandboxPerson) -> None:
        self.authorizer: SandboxPerson = authorizer
        self._owners: dict[str, SandboxPerson] = {}
        self._scopes: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._codes: dict[str, AuthorizationCode] = {}

    def revoke(self, token: str) -> None:
        """Refuse an access or refresh token from now on."""
        self._revoked.add(token)

    def bearer(self, request: Request) -> str:
        """The access token of a request."""
        token = bearer_token(request.headers.get("authorization", ""))
        if not token or token in self._revoked:
            raise RefusedCallError(401)
        return token

    def grant(self, owner: SandboxPerson, scope: str = "") -> str:
        """A new token of someone."""
        token = secrets.token_urlsafe(48)
        self._owners[token] = owner
        self._scopes[token] = scope
        return token

    def scope(self, token: str) -> str:
        """The scope that a token was granted with; empty for one that wasn't granted here."""
        return self._scopes.get(token, "")

    def owner(self, token: str) -> SandboxPerson | None:
        """Whom a token was granted to; None for one that wasn't granted here."""
        return self._owners.get(token)

    def owner_of_refresh_token(self, token: str) -> SandboxPerson:
        """Whom a refresh token belongs to; one that wasn't granted here is the authorizer's."""
        if token in self._revoked:
            raise OAuthError("invalid_grant", "the refresh token is not valid")
        return self.owner(token) or self.authorizer

    def issue_code(
        self,
        now: datetime,
        *,
        client_id: str,
        redirect_uri: str,
        scope: str,
        code_challenge: str | None,
    ) -> str:
        """A new authorization code."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = AuthorizationCode(
            client_id=client_id,
            redirect_uri=redirect_uri,
            scope=scope,
            code_challenge=code_challenge,
            owner=self.authorizer,
            expires=now + CODE_LIFETIME,
        )
        return code

    def redeem_code(
        self,
        code: str,
        now: datetime,
        *,
        client_id: str,
        redirect_uri: str,
        code_verifier: str | None,
    ) -> AuthorizationCode:
        """Use a code up, whether or not it fits."""
        issued = self._codes.pop(code, None)
        if issued is None or now > issued.expires:
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
