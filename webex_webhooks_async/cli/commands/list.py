"""The command list."""

from webex_webhooks_async.cli.console import print_json, progress, stderr, stdout
from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    AsJson,
    Connection,
    Owner,
    ShowSecret,
)
from webex_webhooks_async.cli.rendering import print_webhooks, webhook_document
from webex_webhooks_async.cli.running import UsageError, run
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.webhooks import Webhook


def command(
    *,
    owned_by: Owner | None = None,
    json: AsJson = False,
    show_secret: ShowSecret = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """List all webhooks.

    $ webex-webhooks list
    $ webex-webhooks list --owned-by org --json | jq -r '.[].id'

    Args:
        owned_by: org lists those of the whole organization; the default lists your own.
        json: Print JSON, and nothing else.
        show_secret: Include the secrets in the JSON.
        connection: Where Webex is, and who calls it.
    """
    if show_secret and not json:
        raise UsageError("the table has no secrets: use --show-secret with --json")
    webhooks = run(_list(connection.client(), owned_by))
    if json:
        print_json([webhook_document(each, show_secret=show_secret) for each in webhooks])
    elif webhooks:
        print_webhooks(stdout(), webhooks)
    else:
        stderr().print("There are no webhooks.", style="dim")


async def _list(client: Client, owned_by: str | None) -> list[Webhook]:
    found: list[Webhook] = []
    async with client:
        with progress("Listing the webhooks") as status:
            async for page in client.webhooks.list(owned_by=owned_by, prefetch=True).pages():
                found.extend(page.items)
                status.update(f"{len(found)} webhooks so far")
    return found
