"""The command delete."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.console import ask, can_ask, print_error, print_json, stderr, stdout
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, AsJson, Connection, WebhookId
from webex_webhooks_async.cli.rendering import print_webhooks
from webex_webhooks_async.cli.running import CommandError, ExitCode, UsageError, run
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import WebexError
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.webhooks import Webhook


def command(
    webhook_id: WebhookId,
    /,
    *more_ids: WebhookId,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), show_default=False)] = False,
    json: AsJson = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> int:
    """Delete webhooks.

    $ webex-webhooks delete Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh --yes

    Args:
        webhook_id: Its id, from list.
        more_ids: The ids of more webhooks.
        yes: Don't ask first; needed where there is no terminal.
        json: Print JSON, and nothing else.
        connection: Where Webex is, and who calls it.
    """
    ids = tuple(dict.fromkeys((webhook_id, *more_ids)))
    if not yes:
        _confirm(connection, ids)
    deleted = run(_delete(connection.client(), ids, quiet=json))
    if json:
        print_json([{"id": each, "deleted": each in deleted} for each in ids])
    return ExitCode.DONE if len(deleted) == len(ids) else ExitCode.REFUSED


def _confirm(connection: Connection, webhook_ids: Sequence[str]) -> None:
    if not can_ask():
        raise UsageError("there is no terminal to ask before deleting: pass --yes")
    print_webhooks(stderr(), run(_get_each(connection.client(), webhook_ids)))
    count = len(webhook_ids)
    if not ask("Delete this webhook?" if count == 1 else f"Delete these {count} webhooks?"):
        raise CommandError("nothing was deleted")


async def _get_each(client: Client, webhook_ids: Iterable[str]) -> list[Webhook]:
    async with client:
        return await asyncio.gather(*(client.webhooks.get(each) for each in webhook_ids))


async def _delete(client: Client, webhook_ids: Iterable[str], *, quiet: bool) -> set[str]:
    """Delete webhooks, report each, and return the ids of those that are deleted."""
    deleted: set[str] = set()

    async def delete_one(webhook_id: str) -> None:
        try:
            await client.webhooks.delete(webhook_id)
        except WebexError as error:
            print_error(error)
            return
        deleted.add(webhook_id)
        if not quiet:
            stdout().print(on_one_line(f"deleted {webhook_id}"), soft_wrap=True)

    async with client:
        await asyncio.gather(*map(delete_one, webhook_ids))
    return deleted
