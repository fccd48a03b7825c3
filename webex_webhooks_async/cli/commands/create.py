"""The command create."""

from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    NO_SECRET,
    AnyEvent,
    AnyResource,
    AsJson,
    Connection,
    Owner,
    SecretSource,
    ShowSecret,
)
from webex_webhooks_async.cli.rendering import print_result
from webex_webhooks_async.cli.running import run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook


def command(  # noqa: PLR0913 - each is an option
    *,
    name: str,
    target_url: str,
    resource: AnyResource,
    event: AnyEvent,
    filter: str | None = None,  # noqa: A002 - Webex's own name for it
    owned_by: Owner | None = None,
    secret: SecretSource = NO_SECRET,
    json: AsJson = False,
    show_secret: ShowSecret = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    r"""Create a webhook.

    $ webex-webhooks create --name bot:messages --resource messages \
        --event created --target-url https://example.com/webex \
        --secret-env WEBHOOK_SECRET

    Args:
        name: Its name.
        target_url: The URL that Webex posts notifications to.
        resource: What to watch, such as messages; all is memberships, messages and rooms.
        event: The event to watch for, such as created.
        filter: Watch only the events that match, such as roomId=Y2lz...&hasFiles=true
        owned_by: org watches the whole organization; the default watches what you can see.
        secret: The key that Webex signs notifications with.
        json: Print JSON, and nothing else.
        show_secret: Print the secret too.
        connection: Where Webex is, and who calls it.
    """
    with usage_errors():
        wanted = NewWebhook(
            name=name,
            target_url=target_url,
            resource=resource,
            event=event,
            filter=filter,
            secret=secret.read(),
            owned_by=owned_by,
        )
    webhook = run(_create(connection.client(), wanted))
    print_result(webhook, as_json=json, show_secret=show_secret)


async def _create(client: Client, wanted: NewWebhook) -> Webhook:
    async with client:
        return await client.webhooks.create(wanted)
