"""The environment variables that the package reads: their names, and the token that they hold."""

import os
from typing import TYPE_CHECKING

from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.validation import check_url

if TYPE_CHECKING:
    from webex_webhooks_async.client.auth import TokenProvider

WEBEX_ACCESS_TOKEN = "WEBEX_ACCESS_TOKEN"  # noqa: S105 - a name
WEBEX_BASE_URL = "WEBEX_BASE_URL"
WEBEX_CLIENT_ID = "WEBEX_CLIENT_ID"
WEBEX_CLIENT_SECRET = "WEBEX_CLIENT_SECRET"  # noqa: S105 - a name
WEBEX_ENCRYPTION_KEYS = "WEBEX_ENCRYPTION_KEYS"
WEBEX_INBOX = "WEBEX_INBOX"
WEBEX_INTEGRATION_INBOX = "WEBEX_INTEGRATION_INBOX"
WEBEX_PUBLIC_URL = "WEBEX_PUBLIC_URL"
WEBEX_REFRESH_TOKEN = "WEBEX_REFRESH_TOKEN"  # noqa: S105 - a name
WEBEX_SCOPES = "WEBEX_SCOPES"
WEBEX_TARGET_URL = "WEBEX_TARGET_URL"
WEBEX_USER_STORE = "WEBEX_USER_STORE"
WEBEX_WEBHOOK_SECRET = "WEBEX_WEBHOOK_SECRET"  # noqa: S105 - a name

PASS_AN_INBOX = (
    f'pass one, such as inbox=SQLiteInbox("inbox.db"), or set {WEBEX_INBOX} for Bot.from_env, as '
    "the fixture webex_inbox does in a test"
)
"""How a bot gets an inbox, in errors about one that is missing."""


def base_url_from_env(prefix: str) -> str:
    """Return the URL of the API, by default Webex's own."""
    name = prefix + WEBEX_BASE_URL
    url = os.environ.get(name)
    if not url:
        return BASE_URL
    check_url(name, url)
    return url


def token_from_env(prefix: str) -> "str | TokenProvider":
    """Return a token that is refreshed, if all that this takes is set, or else the access token."""
    token_name = prefix + WEBEX_ACCESS_TOKEN
    access_token = os.environ.get(token_name)
    names = [prefix + each for each in (WEBEX_CLIENT_ID, WEBEX_CLIENT_SECRET, WEBEX_REFRESH_TOKEN)]
    values = {name: os.environ.get(name, "") for name in names}
    missing = [name for name, value in values.items() if not value]
    if not missing:
        from webex_webhooks_async.client.oauth import RefreshingToken  # noqa: PLC0415 - the token of a bot doesn't expire

        client_id, client_secret, refresh_token = values.values()
        return RefreshingToken(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=refresh_token,
            access_token=access_token or None,
        )
    if access_token:
        return access_token
    if len(missing) < len(values):
        raise ValueError(
            f"set the environment variable {' and '.join(missing)} too, or {token_name} "
            "to an access token"
        )
    raise ValueError(
        f"set the environment variable {token_name} to an access token, or "
        f"{', '.join(values)} to refresh one"
    )
