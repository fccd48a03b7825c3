"""The command trigger."""

import json
from typing import Annotated, Any, cast

import httpx
from cyclopts import Parameter

from webex_webhooks_async.cli.console import print_warning, stdout
from webex_webhooks_async.cli.options import NO_SECRET, AnyEvent, AnyResource, HttpUrl, SecretSource
from webex_webhooks_async.cli.relay import FORWARD_TIMEOUT, Reply, post
from webex_webhooks_async.cli.rendering import print_notification, print_response
from webex_webhooks_async.cli.running import ExitCode, UsageError, run, usage_errors
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.vocabulary import warn_if_misspelled
from webex_webhooks_async.strict_json import parse_json
from webex_webhooks_async.testing import sample_notification, signed_request


def command(
    resource: AnyResource,
    event: AnyEvent,
    /,
    *,
    to: HttpUrl,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", show_default=False)] = (),
    secret: SecretSource = NO_SECRET,
) -> int:
    r"""Send a signed sample notification to a bot, and show its response.

    $ webex-webhooks trigger messages created --to http://localhost:8080/webex \
        --secret-env WEBHOOK_SECRET --set data.roomId=Y2lz --set data.files:='[]'

    The ids in the sample exist nowhere: a bot that fetches the message gets 404 Not
    Found. Talk to such a bot with chat, or set a real id with --set data.id=ID.

    Args:
        resource: The resource, such as messages.
        event: The event, such as created.
        to: The URL of the bot.
        set_: Set a value of the notification to this text, or with := to this JSON.
        secret: The secret that the bot verifies notifications with.
    """
    key = secret.require()
    warn_if_misspelled(resource, event, stacklevel=1)
    with usage_errors():
        notification = json.loads(sample_notification(resource, event))
    for assignment in set_:
        _assign(notification, assignment)
    body = json.dumps(notification).encode()
    print_notification(stdout(), notification)
    reply = run(_send(signed_request(to, body, key)))
    print_response(stdout(), reply.status_code, reply.text)
    return ExitCode.DONE if reply.is_success else ExitCode.REFUSED


def _assign(notification: dict[str, Any], assignment: str) -> None:
    """Apply one --set."""
    path, equals, text = assignment.partition("=")
    *parents, key = path.removesuffix(":").split(".")
    if not (equals and all((*parents, key))):
        raise UsageError(
            f"--set takes a path and a value, such as data.roomId=Y2lz, got {assignment!r}"
        )
    place = notification
    for parent in parents:
        child = place.setdefault(parent, {})
        if not isinstance(child, dict):
            raise UsageError(f"--set {assignment}: {parent} isn't an object")
        place = cast("dict[str, Any]", child)
    value = _parsed(path, text) if path.endswith(":") else text
    if place is notification and key not in notification:
        print_warning(f"--set {key} adds {key} beside data: did you mean data.{key}?")
    place[key] = value


def _parsed(path: str, text: str) -> object:
    try:
        return parse_json(text)
    except DecodeError as error:
        place = path.removesuffix(":")
        raise UsageError(f"--set {place}: what follows := must be JSON: {error}") from None


async def _send(request: httpx.Request) -> Reply:
    async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT, trust_env=False) as http_client:
        return await post(http_client, request)
