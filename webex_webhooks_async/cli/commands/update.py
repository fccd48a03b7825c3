"""The command update."""

from collections.abc import Mapping
from typing import Literal

import attrs

from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    NO_SECRET,
    AsJson,
    Connection,
    SecretSource,
    ShowSecret,
    WebhookId,
)
from webex_webhooks_async.cli.rendering import print_result
from webex_webhooks_async.cli.running import UsageError, run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.webhooks import Webhook, WebhookUpdate


def command(  # noqa: PLR0913 - each is an option
    webhook_id: WebhookId,
    /,
    *,
    name: str | None = None,
    target_url: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    secret: SecretSource = NO_SECRET,
    json: AsJson = False,
    show_secret: ShowSecret = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Change a webhook; everything that you don't name stays as it is.

    $ webex-webhooks update Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh --status active

    Webex can't change resource, event, filter and owner: delete the webhook and
    create another, or let ensure do that.

    Args:
        webhook_id: Its id, from list.
        name: Its new name.
        target_url: The new URL that Webex posts notifications to.
        status: active switches it on again.
        secret: The new key that Webex signs notifications with.
        json: Print JSON, and nothing else.
        show_secret: Print the secret too.
        connection: Where Webex is, and who calls it.
    """
    wanted = {"name": name, "target_url": target_url, "status": status, "secret": secret.read()}
    changes = {field: value for field, value in wanted.items() if value is not None}
    if not changes:
        raise UsageError(
            "nothing to change: pass --name, --target-url, --status, --secret-env or --secret-file"
        )
    webhook = run(_update(connection.client(), webhook_id, changes))
    print_result(webhook, as_json=json, show_secret=show_secret)


async def _update(client: Client, webhook_id: str, changes: Mapping[str, str]) -> Webhook:
    async with client:
        webhook = await client.webhooks.get(webhook_id)
        with usage_errors():
            wanted = attrs.evolve(WebhookUpdate.of(webhook), **changes)
        return await client.webhooks.update(webhook_id, wanted)
