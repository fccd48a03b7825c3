"""Why a bot doesn't take a notification, and what to do: the words of the page and the commands."""

import ssl
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from webex_webhooks_async.formatting import describe_exception, describe_status, on_one_line
from webex_webhooks_async.models.vocabulary import Resource, WebhookStatus
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.validation import is_loopback

IF_UNAUTHORIZED = "the bot's secret differs from the webhook's: restart the bot"
"""Of a webhook of the bot; a command that signs by itself says what else to do."""

SWITCHED_OFF = "is switched off after so many failures: restart the bot"
"""Of a webhook that is inactive."""

_MOST = 200  # characters of a path


def reason_without_response(error: Exception, url: str) -> str:
    """Why there was no response."""
    is_tls = isinstance(error.__context__ and error.__context__.__context__, ssl.SSLError)
    if isinstance(error, httpx.ConnectError) and is_loopback(httpx.URL(url).host) and not is_tls:
        return "nothing listens there: is your bot running?"
    return describe_exception(error)


def reason_of_status(
    status_code: int, url: str, location: str | None, named: str | None = None
) -> str:
    """Explain a status that isn't a 2xx, and say what to do, as `next_step` does.

    A reason in the response itself takes precedence.
    """
    step = named or next_step(status_code, url, location)
    status = describe_status(status_code)
    return status if step is None else f"{status}: {step}"


def next_step(
    status_code: int, url: str, location: str | None, if_unauthorized: str = IF_UNAUTHORIZED
) -> str | None:
    """What to do after a status that isn't a 2xx, if it says so; a redirect leads to `location`."""
    match status_code:
        case HTTPStatus.UNAUTHORIZED:
            return if_unauthorized
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return f"the bot is mounted at another path than {_path(url)}"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return "the bot isn't started, or can't receive now: its log says which, and what to do"
        case HTTPStatus.TEMPORARY_REDIRECT | HTTPStatus.PERMANENT_REDIRECT if location:
            return f"the bot is mounted at another path: use {_path(location)}"
        case _:
            return None


def _path(url: str) -> str:
    """The path of a URL from elsewhere; its query may be secret."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return on_one_line(path[:_MOST]) or "/"


def hint_without_webhook(webhooks: Iterable[Webhook], *, has_called: bool) -> str | None:
    """Why a bot that has these webhooks isn't notified; None if they are active."""
    known = [*webhooks]
    active = {each.resource for each in known if each.status == WebhookStatus.ACTIVE}
    for each in known:
        if active.isdisjoint({each.resource, Resource.ALL}):
            return f"the bot's webhook of {each.resource} {SWITCHED_OFF}"
    if known:
        return None
    if has_called:
        return "a bot called, but made no webhook: set WEBEX_TARGET_URL"
    return "no bot has called: start one that uses this sandbox"
