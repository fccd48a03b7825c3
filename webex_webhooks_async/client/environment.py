"""The environment variables that the package reads: their names, and the token that they hold."""

import os

from webex_webhooks_async.client.auth import TokenProvider

WEBEX_ACCESS_TOKEN = "WEBEX_ACCESS_TOKEN"  # noqa: S105 - a name
WEBEX_BASE_URL = "WEBEX_BASE_URL"
WEBEX_CLIENT_ID = "WEBEX_CLIENT_ID"
WEBEX_CLIENT_SECRET = "WEBEX_CLIENT_SECRET"  # noqa: S105 - a name
WEBEX_REFRESH_TOKEN = "WEBEX_REFRESH_TOKEN"  # noqa: S105 - a name
WEBEX_TARGET_URL = "WEBEX_TARGET_URL"
WEBEX_WEBHOOK_SECRET = "WEBEX_WEBHOOK_SECRET"  # noqa: S105 - a name


def token_from_env() -> str | TokenProvider:
    """Return a token that is refreshed, if all that this takes is set, or else the access token.

    Raises:
        ValueError: There is no access token, and a part of what refreshes one is missing.
    """
    access_token = os.environ.get(WEBEX_ACCESS_TOKEN)
    names = (WEBEX_CLIENT_ID, WEBEX_CLIENT_SECRET, WEBEX_REFRESH_TOKEN)
    values = {name: os.environ.get(name, "") for name in names}
    missing = [name for name, value in values.items() if not value]
    if not missing:
        # Imported here, because the token of a bot doesn't expire.
        from webex_webhooks_async.client.oauth import RefreshingToken  # noqa: PLC0415 - see above

        return RefreshingToken(
            client_id=values[WEBEX_CLIENT_ID],
            client_secret=values[WEBEX_CLIENT_SECRET],
            refresh_token=values[WEBEX_REFRESH_TOKEN],
            access_token=access_token or None,
        )
    if access_token:
        return access_token
    if len(missing) < len(values):
        raise ValueError(
            f"set the environment variable {' and '.join(missing)} too, or {WEBEX_ACCESS_TOKEN} "
            "to an access token"
        )
    raise ValueError(
        f"set the environment variable {WEBEX_ACCESS_TOKEN} to an access token, or "
        f"{', '.join(values)} to refresh one"
    )
