"""The command ensure."""

import warnings
from collections.abc import Iterable
from typing import Annotated, Any

from cyclopts import Parameter

from webex_webhooks_async.cli.console import (
    print_json,
    print_warning,
    progress,
    stdout,
    with_notes,
)
from webex_webhooks_async.cli.files import InputFile, WantedFile, name_of, read_wanted
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, AsJson, Connection, NotEmpty
from webex_webhooks_async.cli.rendering import print_changes, print_plan
from webex_webhooks_async.cli.running import CommandError, ExitCode, run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.planning import Change, Plan, WebhookPlanWarning
from webex_webhooks_async.errors import WebexError


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
    resource and event, and optionally filter, secret and owned_by. ${NAME} in a value is replaced
    by an environment variable. Webhooks are matched by name; exactly one of each name remains. You
    can run it at any time, also after an error.

    Args:
        file: The TOML file; - reads standard input.
        dry_run: Show what would change, and change nothing.
        check: The same, and exit with 3 if something would change.
        prune: Delete the webhooks whose name begins with this and that aren't in the file.
        json: Print JSON, and nothing else.
        connection: Where Webex is, and who calls it.
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
    wanted: WantedFile,
    source: str,
    prune: str | None,
    *,
    change: bool,
    json: bool,
) -> Plan:
    async with client:
        plan = await _plan(client, wanted, source, prune)
        if not json:
            print_plan(stdout(), plan)
        changes = (await plan.apply()).changes if change else ()
    if json:
        planned, done = map(_documents, (plan.changes, changes))
        print_json({"planned": planned, "done": done})
    elif change:
        print_changes(stdout(), changes)
    return plan


async def _plan(client: Client, wanted: WantedFile, source: str, prune: str | None) -> Plan:
    with (
        usage_errors(source),
        warnings.catch_warnings(record=True) as caught,
        progress("Listing the webhooks"),
    ):
        warnings.simplefilter("always", WebhookPlanWarning)
        plan = await client.webhooks.plan(wanted.webhooks, prune)
    for warning in caught:
        print_warning(str(warning.message))
    return plan


def _documents(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {
            "action": change.action,
            "name": change.name,
            "id": change.existing.id if change.existing else None,
            "reason": change.reason,
        }
        for change in changes
    ]
