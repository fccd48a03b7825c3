"""The environment variables that a program gets which uses a sandbox."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Generator
from contextlib import contextmanager
from secrets import token_urlsafe

from webex_webhooks_async.client import environment as names


def variables_for_bot(base_url: str, target_url: str) -> dict[str, str]:
    """The environment variables with which `Bot.from_env` makes a bot of a sandbox."""
    return {
        names.WEBEX_BASE_URL: base_url,
        names.WEBEX_ACCESS_TOKEN: "anything",
        names.WEBEX_WEBHOOK_SECRET: token_urlsafe(),
        names.WEBEX_TARGET_URL: target_url,
    }


def variables_for_integration(folder: str) -> dict[str, str]:
    """The environment variables with which `Integration.from_env` makes one of a sandbox."""
    return {
        names.WEBEX_CLIENT_ID: "sandbox",
        names.WEBEX_CLIENT_SECRET: token_urlsafe(),
        names.WEBEX_SCOPES: "spark:all",
        names.WEBEX_ENCRYPTION_KEYS: urlsafe_b64encode(os.urandom(32)).decode(),
        names.WEBEX_USER_STORE: f"{folder}/users.db",
        names.WEBEX_INTEGRATION_INBOX: f"{folder}/integration.db",
    }


def is_proxy(name: str) -> bool:
    """Whether a variable names a proxy, which would get the requests to the sandbox."""
    return name.lower().endswith("_proxy")


@contextmanager
def environment(base_url: str, origin: str, folder: str) -> Generator[None]:
    """Set what `from_env` reads and isn't set yet, and put everything back at the end.

    Whatever is set, the program calls the sandbox: directly, and with no token of Webex to refresh.
    """
    before = dict(os.environ)
    made = {
        **variables_for_bot(base_url, origin),
        **variables_for_integration(folder),
        names.WEBEX_PUBLIC_URL: origin,
    }
    try:
        for name in filter(is_proxy, before):
            del os.environ[name]
        os.environ.update({name: before.get(name) or value for name, value in made.items()})
        os.environ.update({names.WEBEX_BASE_URL: base_url, names.WEBEX_REFRESH_TOKEN: ""})
        yield
    finally:
        for name in os.environ.keys() - before:
            del os.environ[name]
        os.environ.update(before)
