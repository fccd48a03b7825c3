"""The command ensure: webhooks as a file wants them."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from webex_webhooks_async.cli.failures import usage_errors
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, AsJson, Connection
from webex_webhooks_async.cli.rendering.consoles import print_json, print_warning, stderr, stdout
from webex_webhooks_async.cli.rendering.webhooks import print_changes, print_plan
from webex_webhooks_async.cli.running import run
from webex_webhooks_async.cli.wanted_file import read_wanted
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.desired_state.planning import Change, Plan, WebhookPlanWarning
from webex_webhooks_async.models.webhooks import NewWebhook


def ensure(
    file: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(show_default=False)] = False,
    prune: str | None = None,
    json: AsJson = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Let the webhooks be as a file wants them.

    $ webex-webhooks ensure webhooks.toml --dry-run
    $ webex-webhooks ensure webhooks.toml --prune bot:

    The file has a table [[webhooks]] for each, with name, target_url, resource,
    event, and perhaps filter, secret and owned_by. ${NAME} in a value stands for
    an environment variable. Webhooks are told by their names, and are there once
    each then. Run it as often as you like, also after an error.

    Args:
        file: The TOML file.
        dry_run: Show what would be done, and do nothing.
        prune: Delete webhooks whose name begins with this, and that the file doesn't want.
        json: Print JSON, and nothing else.
        connection: Where Webex is, and who calls it.
    """
    wanted = read_wanted(file)
    run(_ensure(connection.client(), wanted, prune=prune, dry_run=dry_run, json=json))


async def _ensure(
    client: Client, wanted: Iterable[NewWebhook], *, prune: str | None, dry_run: bool, json: bool
) -> None:
    async with client:
        plan = await _plan(client, wanted, prune)
        if not json:
            print_plan(stdout(), plan)
        changes = () if dry_run else (await plan.apply()).changes
    if json:
        planned, done = map(_documents, (plan.changes, changes))
        print_json({"planned": planned, "done": done})
    elif not dry_run:
        print_changes(stdout(), changes)


async def _plan(client: Client, wanted: Iterable[NewWebhook], prune: str | None) -> Plan:
    with (
        usage_errors(),
        warnings.catch_warnings(record=True) as caught,
        stderr().status("Listing the webhooks"),
    ):
        warnings.simplefilter("always", WebhookPlanWarning)
        plan = await client.webhooks.plan(wanted, prune)
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
