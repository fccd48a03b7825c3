"""The command get."""

from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    AsJson,
    Connection,
    ShowSecret,
    WebhookId,
)
from webex_webhooks_async.cli.rendering import print_result
from webex_webhooks_async.cli.running import run
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.webhooks import Webhook


def command(
    webhook_id: WebhookId,
    /,
    *,
    json: AsJson = False,
    show_secret: ShowSecret = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Show one webhook.

    $ webex-webhooks get Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh

    Args:
        webhook_id: Its id, from list.
        json: Print JSON, and nothing else.
        show_secret: Print the secret too.
        connection: Where Webex is, and who calls it.
    """
    webhook = run(_get(connection.client(), webhook_id))
    print_result(webhook, as_json=json, show_secret=show_secret)


async def _get(client: Client, webhook_id: str) -> Webhook:
    async with client:
        return await client.webhooks.get(webhook_id)
