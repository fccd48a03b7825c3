"""The command ensure."""

import os
import re
import tomllib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from attrs import fields_dict, frozen
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.console import (
    print_approval,
    print_json,
    print_warning,
    progress,
    stdout,
    with_notes,
)
from webex_webhooks_async.cli.files import InputFile, name_of, read_text
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, AsJson, Connection, NotEmpty
from webex_webhooks_async.cli.rendering import print_table
from webex_webhooks_async.cli.running import CommandError, ExitCode, run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.planning import (
    WebhookAction,
    WebhookChange,
    WebhookPlan,
    WebhookPlanWarning,
)
from webex_webhooks_async.errors import WebexError
from webex_webhooks_async.formatting import Redactor, on_one_line
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.serialization.strict_json import MisfitError


def command(  # noqa: PLR0913 - each is an option
    file: InputFile,
    /,
    *,
    dry_run: Annotated[bool, Parameter(show_default=False)] = False,
    check: Annotated[bool, Parameter(show_default=False)] = False,
    prune: NotEmpty | None = None,
    json: AsJson = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> int:
    """Make the webhooks match a file.

    $ webex-webhooks ensure webhooks.toml --dry-run
    $ webex-webhooks ensure webhooks.toml --prune bot:
    $ webex-webhooks ensure webhooks.toml --check

    The file has a table [[webhooks]] for each webhook, with name, target_url,
    resource and event, and optionally filter, secret and owned_by. ${NAME} in a
    value is replaced by an environment variable. Webhooks are matched by name;
    exactly one of each name remains. You can run it at any time, also after an
    error.

    Args:
        file: The TOML file; - reads standard input.
        dry_run: Show what would change, and change nothing.
        check: The same, and exit with 3 if something would change.
        prune: Delete the webhooks whose name begins with this and that aren't in the file.
        json: Print JSON, and nothing else.
        connection: The address of Webex, and the account that calls it.
    """
    wanted = read_wanted(file)
    ensuring = _ensure(
        connection.client(), wanted, name_of(file), prune, change=not (dry_run or check), json=json
    )
    try:
        plan = run(ensuring)
    except WebexError as error:
        raise CommandError(wanted.redact(with_notes(error))) from error
    return ExitCode.DIFFERENT if check and plan.pending else ExitCode.DONE


async def _ensure(  # noqa: PLR0913 - each is an option
    client: Client,
    wanted: "WantedFile",
    source: str,
    prune: str | None,
    *,
    change: bool,
    json: bool,
) -> WebhookPlan:
    async with client:
        plan = await _plan(client, wanted, source, prune)
        if not json:
            _print_plan(stdout(), plan)
        changes = (await plan.apply()).changes if change else ()
    if json:
        planned, done = map(_documents, (plan.changes, changes))
        print_json({"planned": planned, "done": done})
    elif change:
        _print_changes(stdout(), changes)
    return plan


async def _plan(
    client: Client, wanted: "WantedFile", source: str, prune: str | None
) -> WebhookPlan:
    with (
        usage_errors(source),
        warnings.catch_warnings(record=True) as caught,
        progress("Listing the webhooks"),
    ):
        warnings.simplefilter("always", WebhookPlanWarning)
        plan = await client.webhooks.plan(wanted.webhooks, prune=prune)
    for warning in caught:
        print_warning(str(warning.message))
    return plan


def _documents(changes: Iterable[WebhookChange]) -> list[dict[str, Any]]:
    return [
        {
            "action": change.action,
            "name": change.name,
            "id": change.existing.id if change.existing else None,
            "reason": change.reason,
        }
        for change in changes
    ]


_STYLE_OF_ACTION = {
    WebhookAction.KEEP: "dim",
    WebhookAction.CREATE: "green",
    WebhookAction.UPDATE: "yellow",
    WebhookAction.REACTIVATE: "yellow",
    WebhookAction.REPLACE: "magenta",
    WebhookAction.DELETE: "red",
}


def _print_plan(console: Console, plan: WebhookPlan) -> None:
    rows = [
        [
            Text(change.action, _STYLE_OF_ACTION[change.action]),
            Text(on_one_line(change.name), "bold"),
            Text(on_one_line(change.reason)),
        ]
        for change in plan.changes
    ]
    print_table(console, ["ACTION", "NAME", "REASON"], rows)


def _print_changes(console: Console, changes: Sequence[WebhookChange]) -> None:
    for change in changes:
        print_approval(console, f"{_DONE[change.action]} {change.name}")
    if not changes:
        print_approval(console, "nothing to change")


_DONE = {
    WebhookAction.CREATE: "created",
    WebhookAction.UPDATE: "updated",
    WebhookAction.REACTIVATE: "re-activated",
    WebhookAction.REPLACE: "replaced",
    WebhookAction.DELETE: "deleted",
}


@frozen
class WantedFile:
    """The content of a file."""

    webhooks: Sequence[NewWebhook]
    redact: Redactor  # of the values of its variables, but for names, which identify webhooks


_VARIABLE = re.compile(r"\$\{(\w+)\}")


def read_wanted(path: Path) -> WantedFile:
    """The webhooks that a file describes; - is standard input."""
    text = read_text(path)
    with usage_errors(name_of(path)):
        try:
            document = tomllib.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        unknown = [key for key in document if key != "webhooks"]
        if unknown:
            raise ValueError(f"{unknown[0]}: unknown key; a webhook is a table [[webhooks]]")
        if not isinstance(document.get("webhooks"), list):
            raise MisfitError(
                "webhooks: expected tables, such as [[webhooks]]; if none is intended, write "
                "webhooks = []"
            )
        tables = cast("list[dict[str, str]]", document["webhooks"])
        try:
            webhooks = _converter.structure(tables, list[NewWebhook])
        except BaseValidationError as error:
            found = (
                each.rpartition(" @ ") for each in transform_error(error, "webhooks", _problem)
            )
            problems = "; ".join(f"{place}: {what}" for what, _, place in found)
            raise ValueError(_redactor(_VARIABLE.findall(text))(problems)) from None
    fields = (each for table in tables for each in table.items())
    hidden = (_VARIABLE.findall(value) for key, value in fields if key != "name")
    return WantedFile(webhooks, _redactor(name for names in hidden for name in names))


def _redactor(variables: Iterable[str]) -> Redactor:
    return Redactor(tuple(filter(None, map(os.environ.get, variables))))


_converter = Converter(forbid_extra_keys=True)


@_converter.register_structure_hook
def _text(value: object, _: type[str]) -> str:
    if not isinstance(value, str):
        raise MisfitError("expected text in quotes")
    if "${" in _VARIABLE.sub("", value):
        raise ValueError("write a variable as ${NAME}; this one is unclosed or misnamed")
    return _VARIABLE.sub(_variable, value)


def _variable(variable: re.Match[str]) -> str:
    value = os.environ.get(variable[1])
    if not value:
        raise ValueError(f"the environment variable {variable[1]} is unset or empty")
    return value


def _problem(error: BaseException, _: object) -> str:
    match error:
        case KeyError():
            return "missing"
        case ForbiddenExtraKeysError(extra_fields=keys):
            return f"unknown key {', '.join(keys)}; known are {', '.join(fields_dict(NewWebhook))}"
        case ValueError():
            return str(error)
        case _:
            return "expected a table"
