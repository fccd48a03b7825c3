"""The environment variables that say who calls Webex, and where it is."""

import os

from webex_webhooks_async.client.auth import TokenProvider

ACCESS_TOKEN = "WEBEX_ACCESS_TOKEN"  # noqa: S105 - a name
BASE_URL = "WEBEX_BASE_URL"
CLIENT_ID = "WEBEX_CLIENT_ID"
CLIENT_SECRET = "WEBEX_CLIENT_SECRET"  # noqa: S105 - a name
REFRESH_TOKEN = "WEBEX_REFRESH_TOKEN"  # noqa: S105 - a name


def token_from_env() -> str | TokenProvider:
    """Return a token that is refreshed, if all that this takes is set, or else the access token.

    Raises:
        ValueError: There is no access token, and a part of what refreshes one is missing.
    """
    access_token = os.environ.get(ACCESS_TOKEN)
    values = {name: os.environ.get(name, "") for name in (CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN)}
    missing = [name for name, value in values.items() if not value]
    if not missing:
        # Imported here, because the token of a bot doesn't expire.
        from webex_webhooks_async.client.oauth import RefreshingToken  # noqa: PLC0415 - see above

        return RefreshingToken(
            client_id=values[CLIENT_ID],
            client_secret=values[CLIENT_SECRET],
            refresh_token=values[REFRESH_TOKEN],
            access_token=access_token or None,
        )
    if access_token:
        return access_token
    if len(missing) < len(values):
        raise ValueError(
            f"set the environment variable {' and '.join(missing)} too, or {ACCESS_TOKEN} to an "
            "access token"
        )
    raise ValueError(
        f"set the environment variable {ACCESS_TOKEN} to an access token, or {', '.join(values)} "
        "to refresh one"
    )
