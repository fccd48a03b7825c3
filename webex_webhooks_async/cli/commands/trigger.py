"""The command trigger."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import httpx
from cyclopts import Parameter
from rich.text import Text

from webex_webhooks_async.cli import options
from webex_webhooks_async.cli.console import print_json, print_warning, stdout
from webex_webhooks_async.cli.listen.relay import FORWARD_TIMEOUT, BotResponse, post, print_response
from webex_webhooks_async.cli.rendering import print_notification
from webex_webhooks_async.cli.running import ExitCode, UsageError, run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.vocabulary import warn_if_misspelled
from webex_webhooks_async.serialization.strict_json import parse_json
from webex_webhooks_async.testing import sample_notification, signed_request


def command(  # noqa: PLR0913 - each is an option
    resource: options.AnyResource,
    event: options.AnyEvent,
    /,
    *,
    to: options.HttpUrl | None = None,
    sandbox: Annotated[bool, Parameter(show_default=False)] = False,
    owner: options.NotEmpty | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", show_default=False)] = (),
    secret: options.SecretSource = options.NO_SECRET,
    as_json: options.AsJson = False,
    base_url: options.SandboxUrl = options.SANDBOX_URL,
) -> int:
    r"""Send a signed sample notification to a bot, and show its response.

    $ webex-webhooks trigger messages created --to http://localhost:8080/webex \
        --secret-env WEBHOOK_SECRET --set data.roomId=Y2lz --set data.files:='[]'
    $ webex-webhooks trigger meetings ended --sandbox --owner ann@example.com

    With --to, the ids in the sample exist nowhere: a bot that fetches the message
    gets 404 Not Found. Set a real id with --set data.id=ID, or use --sandbox: the
    event is reported in a sandbox that runs, which notifies the webhooks that watch
    for it, and has what they are notified of.

    Args:
        resource: The resource, such as messages.
        event: The event, such as created.
        to: The URL of the bot.
        sandbox: Report the event in the sandbox, in place of --to.
        owner: The address or the id of the person whose webhooks alone the sandbox notifies.
        set_: Set a value of the notification to this text, or with := to this JSON.
        secret: The secret that the bot verifies notifications with; for --to.
        as_json: Print JSON, and nothing else.
        base_url: The URL of the sandbox; for --sandbox.
    """
    if sandbox and to is not None:
        raise UsageError("--to and --sandbox exclude each other")
    if sandbox and secret.is_given:
        raise UsageError("the sandbox has the secrets of its webhooks: leave the secret out")
    if owner is not None and not sandbox:
        raise UsageError("--owner needs --sandbox")
    if options.is_url_given(base_url, options.SANDBOX_URL) and not sandbox:
        raise UsageError("--base-url needs --sandbox")
    warn_if_misspelled(resource, event, stacklevel=1)
    if to is None:
        wanted = {"resource": resource, "event": event, "data": _data(set_)}
        if owner is not None:
            wanted["owner"] = owner
        return _report(wanted, base_url, as_json=as_json)
    return _send(resource, event, to, set_, secret.require(), as_json=as_json)


def _send(  # noqa: PLR0913 - each is an option
    resource: str, event: str, to: str, assignments: Sequence[str], secret: str, *, as_json: bool
) -> int:
    with usage_errors():
        notification = json.loads(sample_notification(resource, event))
    for assignment in assignments:
        _assign(notification, assignment)
    body = json.dumps(notification).encode()
    if not as_json:
        print_notification(stdout(), notification)
    response = run(_response_to(signed_request(to, body, secret)))
    if as_json:
        document = {
            "status": response.status_code,
            "body": response.text,
            "problem": response.problem,
        }
        print_json({"notification": notification, **document})
    else:
        print_response(stdout(), response)
    return ExitCode.DONE if response.is_success else ExitCode.REFUSED


async def _response_to(request: httpx.Request) -> BotResponse:
    async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT, trust_env=False) as http_client:
        return await post(http_client, request)


def _data(assignments: Sequence[str]) -> object:
    """Return the values to set in the data; the sandbox makes the rest of the notification."""
    notification: dict[str, Any] = {"data": {}}
    for assignment in assignments:
        if not assignment.startswith("data."):
            raise UsageError(f"--set {assignment}: with --sandbox, set only what is in data")
        _assign(notification, assignment)
    return notification["data"]


def _report(wanted: Mapping[str, object], base_url: str, *, as_json: bool) -> int:
    from webex_webhooks_async.cli.running_sandbox import call_sandbox, problem_of  # noqa: PLC0415 - of the sandbox, which --to lacks

    with usage_errors():
        Client("unused", base_url=base_url)  # checks it
    outcome = run(call_sandbox(base_url, "emit", wanted))
    if as_json:
        print_json(outcome)
    else:
        for each in outcome["deliveries"]:
            if (problem := problem_of(each)) is None:
                print_response(stdout(), BotResponse(each["statusCode"], ""))
            else:
                _print_problem(problem, "red")
        if not outcome["deliveries"]:
            what = f"{wanted['resource']} {wanted['event']}"
            _print_problem(f"no active webhook watches {what}", "yellow")
    failed = any(problem_of(each) for each in outcome["deliveries"])
    return ExitCode.REFUSED if failed else ExitCode.DONE


def _print_problem(text: str, style: str) -> None:
    stdout().print(Text.assemble(("→ ", "cyan"), (on_one_line(text), style)))


def _assign(notification: dict[str, Any], assignment: str) -> None:
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
