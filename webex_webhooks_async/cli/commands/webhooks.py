"""The commands list, get, create, update and delete."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import attrs
from cyclopts import Parameter

from webex_webhooks_async.cli import options
from webex_webhooks_async.cli.console import (
    ask,
    can_ask,
    print_error,
    print_json,
    progress,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.rendering import print_webhook, print_webhooks, webhook_document
from webex_webhooks_async.cli.running import CommandError, ExitCode, UsageError, usage_errors
from webex_webhooks_async.errors import NotFoundError, WebexError
from webex_webhooks_async.formatting import on_one_line

if TYPE_CHECKING:
    from webex_webhooks_async.client.client import Client
    from webex_webhooks_async.models.webhooks import Webhook

T = TypeVar("T")


def list_all(
    *,
    owned_by: options.Owner | None = None,
    json: options.AsJson = False,
    show_secret: options.ShowSecret = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
) -> None:
    """List all webhooks.

    $ webex-webhooks list
    $ webex-webhooks list --owned-by org --json | jq -r '.[].id'

    Args:
        owned_by: org lists those of the whole organization; the default lists your own.
        json: Print JSON, and nothing else.
        show_secret: Include the secrets in the JSON.
        connection: The address of Webex, and the account that calls it.
    """
    if show_secret and not json:
        raise UsageError("the table has no secrets: use --show-secret with --json")

    async def list_pages(client: "Client") -> "list[Webhook]":
        found: list[Webhook] = []
        with progress("Listing the webhooks") as status:
            async for page in client.webhooks.list(owned_by=owned_by, prefetch=True).pages():
                found.extend(page.items)
                status.update(f"{len(found)} webhooks so far")
        return found

    webhooks = connection.call(list_pages)
    if json:
        print_json([webhook_document(each, show_secret=show_secret) for each in webhooks])
    elif webhooks:
        print_webhooks(stdout(), webhooks)
    else:
        stderr().print("There are no webhooks.", style="dim")


def get(
    webhook_id: options.NotEmpty,
    /,
    *,
    json: options.AsJson = False,
    show_secret: options.ShowSecret = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
) -> None:
    """Show one webhook.

    $ webex-webhooks get Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh

    Args:
        webhook_id: Its id, or its name if no other webhook has it.
        json: Print JSON, and nothing else.
        show_secret: Print the secret too.
        connection: The address of Webex, and the account that calls it.
    """
    webhook = connection.call(
        lambda client: _by_id_or_name(client, webhook_id, client.webhooks.get)
    )
    print_webhook(webhook, as_json=json, show_secret=show_secret)


def create(  # noqa: PLR0913 - each is an option
    *,
    name: str,
    target_url: str,
    resource: options.AnyResource,
    event: options.AnyEvent,
    filter: str | None = None,  # noqa: A002 - Webex's own name for it
    owned_by: options.Owner | None = None,
    secret: options.SecretSource = options.NO_SECRET,
    json: options.AsJson = False,
    show_secret: options.ShowSecret = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
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
        connection: The address of Webex, and the account that calls it.
    """
    from webex_webhooks_async.models.webhooks import NewWebhook  # noqa: PLC0415 - no help text needs it

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
    webhook = connection.call(lambda client: client.webhooks.create(wanted))
    print_webhook(webhook, as_json=json, show_secret=show_secret)


def update(  # noqa: PLR0913 - each is an option
    webhook_id: options.NotEmpty,
    /,
    *,
    name: str | None = None,
    target_url: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    secret: options.SecretSource = options.NO_SECRET,
    json: options.AsJson = False,
    show_secret: options.ShowSecret = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
) -> None:
    """Change a webhook; everything that you don't name stays as it is.

    $ webex-webhooks update Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh --status active

    Webex can't change resource, event, filter and owner: delete the webhook and
    create another, or let ensure do that.

    Args:
        webhook_id: Its id, or its name if no other webhook has it.
        name: Its new name.
        target_url: The new URL that Webex posts notifications to.
        status: active switches it on again.
        secret: The new key that Webex signs notifications with.
        json: Print JSON, and nothing else.
        show_secret: Print the secret too.
        connection: The address of Webex, and the account that calls it.
    """
    wanted = {"name": name, "target_url": target_url, "status": status, "secret": secret.read()}
    changes = {field: value for field, value in wanted.items() if value is not None}
    if not changes:
        raise UsageError(
            "nothing to change: pass --name, --target-url, --status, --secret-env or --secret-file"
        )

    from webex_webhooks_async.models.webhooks import WebhookUpdate  # noqa: PLC0415 - no help text needs it

    async def change(client: "Client") -> "Webhook":
        webhook = await _by_id_or_name(client, webhook_id, client.webhooks.get)
        with usage_errors():
            changed = attrs.evolve(WebhookUpdate.of(webhook), **changes)
        return await client.webhooks.update(webhook.id, changed)

    print_webhook(connection.call(change), as_json=json, show_secret=show_secret)


def delete(
    webhook_id: options.NotEmpty,
    /,
    *more_ids: options.NotEmpty,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), show_default=False)] = False,
    json: options.AsJson = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
) -> int:
    """Delete webhooks.

    $ webex-webhooks delete Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh --yes

    Args:
        webhook_id: Its id, or its name if no other webhook has it.
        more_ids: The ids or names of more webhooks.
        yes: Don't ask first; needed where there is no terminal.
        json: Print JSON, and nothing else.
        connection: The address of Webex, and the account that calls it.
    """
    ids: Sequence[str] = tuple(dict.fromkeys((webhook_id, *more_ids)))
    if not yes:
        ids = _confirmed(connection, ids)
    deleted: dict[str, str] = {}

    async def delete_one(client: "Client", given: str) -> None:
        async def delete(webhook_id: str) -> str:
            await client.webhooks.delete(webhook_id)
            return webhook_id

        try:
            deleted[given] = await _by_id_or_name(client, given, delete)
        except (CommandError, WebexError) as error:
            print_error(error)
            return
        if not json:
            stdout().print(on_one_line(f"deleted {given}"))

    connection.call(lambda client: asyncio.gather(*(delete_one(client, each) for each in ids)))
    if json:
        print_json([{"id": deleted.get(each, each), "deleted": each in deleted} for each in ids])
    return ExitCode.DONE if len(deleted) == len(ids) else ExitCode.REFUSED


def _confirmed(connection: options.Connection, ids: Sequence[str]) -> Sequence[str]:
    """The ids of what is deleted, after somebody has seen it and said yes."""
    if not can_ask():
        raise UsageError("there is no terminal to ask before deleting: pass --yes")
    webhooks = connection.call(
        lambda client: asyncio.gather(
            *(_by_id_or_name(client, each, client.webhooks.get) for each in ids)
        )
    )
    print_webhooks(stderr(), webhooks)
    if not ask("Delete this webhook?" if len(ids) == 1 else f"Delete these {len(ids)} webhooks?"):
        raise CommandError("nothing was deleted")
    return tuple(dict.fromkeys(webhook.id for webhook in webhooks))


async def _by_id_or_name(
    client: "Client", given: str, operation: Callable[[str], Awaitable[T]]
) -> T:
    """Call an operation with an id, or else with that of the only webhook of this name."""
    try:
        return await operation(given)
    except NotFoundError:
        ids = [each.id async for each in client.webhooks.list() if each.name == given]
        if not ids:
            raise
    if len(ids) > 1:
        raise CommandError(
            f"several webhooks have the name {given!r}: pass one of {', '.join(ids)}"
        )
    return await operation(ids[0])
