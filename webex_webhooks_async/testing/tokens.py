"""The access tokens of a sandbox: any is taken, unless it was revoked."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from webex_webhooks_async.testing.answers import RefusedError
from webex_webhooks_async.testing.payloads import fields_of

_ACCESS_LIFETIME = 14 * 24 * 3600  # seconds, as for an integration
_REFRESH_LIFETIME = 90 * 24 * 3600


class Tokens:
    """Which tokens are taken."""

    def __init__(self) -> None:
        self._revoked: set[str] = set()

    def revoke(self, token: str) -> None:
        """Take an access or refresh token no more."""
        self._revoked.add(token)

    def check(self, request: Request) -> None:
        """Let a request pass that has a token.

        Raises:
            RefusedError: It has none, or one that was revoked.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or token in self._revoked:
            raise RefusedError(401)

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """A new access token for a refresh token.

        Raises:
            RefusedError: A field is missing, or it is another grant, or the token was revoked.
        """
        fields = fields_of(
            form, required=("grant_type", "client_id", "client_secret", "refresh_token")
        )
        if fields["grant_type"] != "refresh_token":
            raise RefusedError(400, f"unsupported grant_type: {fields['grant_type']}")
        if fields["refresh_token"] in self._revoked:
            raise RefusedError(400, "invalid_grant: the refresh token is not valid")
        return {
            "access_token": secrets.token_urlsafe(48),
            "expires_in": _ACCESS_LIFETIME,
            "refresh_token": fields["refresh_token"],
            "refresh_token_expires_in": _REFRESH_LIFETIME,
            "token_type": "Bearer",
            "scope": "spark:all spark:kms",
        }
