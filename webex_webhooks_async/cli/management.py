"""The commands list, get, create, update and delete: webhooks one by one."""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import attrs
from cyclopts import Parameter

from webex_webhooks_async.cli.failures import ExitCode, RefusedError, UsageError, usage_errors
from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    NO_SECRET,
    AnyEvent,
    AnyResource,
    AsJson,
    Connection,
    SecretSource,
    ShowSecret,
    WebhookId,
)
from webex_webhooks_async.cli.rendering.consoles import print_error, print_json, stderr, stdout
from webex_webhooks_async.cli.rendering.webhooks import (
    print_webhook,
    print_webhooks,
    webhook_document,
)
from webex_webhooks_async.cli.running import run
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import WebexError
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate

Owner = Literal["creator", "org"]


def list_(
    *,
    owned_by: Owner | None = None,
    json: AsJson = False,
    show_secret: ShowSecret = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """List the webhooks, all pages of them.

    $ webex-webhooks list
    $ webex-webhooks list --owned-by org --json | jq -r '.[].id'

    Args:
        owned_by: org lists those of the whole organization, else it is your own.
        json: Print JSON, and nothing else.
        show_secret: Let the JSON have the secrets.
        connection: Where Webex is, and who calls it.
    """
    if show_secret and not json:
        raise UsageError("the table has no secrets: --show-secret goes with --json")
    webhooks = run(_all(connection.client(), owned_by))
    if json:
        print_json([webhook_document(each, show_secret=show_secret) for each in webhooks])
    elif webhooks:
        print_webhooks(stdout(), webhooks)
    else:
        stderr().print("There are no webhooks.", style="dim")


def get(
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
        show_secret: Print the secret, too.
        connection: Where Webex is, and who calls it.
    """
    _print(run(_get(connection.client(), webhook_id)), json=json, show_secret=show_secret)


def create(  # noqa: PLR0913 - each is an option
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
    r"""Make a webhook.

    $ webex-webhooks create --name bot:messages --resource messages \
        --event created --target-url https://example.com/webex \
        --secret-env WEBHOOK_SECRET

    Args:
        name: What to call it.
        target_url: Where Webex shall post notifications to.
        resource: What to watch, such as messages; all is memberships, messages and rooms.
        event: What must happen, such as created.
        filter: Which of those events, such as roomId=Y2lz...&hasFiles=true
        owned_by: org watches the whole organization, else it is what you see yourself.
        secret: The key that notifications are signed with.
        json: Print JSON, and nothing else.
        show_secret: Print the secret, too.
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
    _print(run(_create(connection.client(), wanted)), json=json, show_secret=show_secret)


def update(  # noqa: PLR0913 - each is an option
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
    """Change a webhook; what isn't named stays as it is.

    $ webex-webhooks update Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZh --status active

    Resource, event, filter and owner are fixed for a webhook's life: delete it and
    create another, or let ensure do that.

    Args:
        webhook_id: Its id, from list.
        name: What to call it from now on.
        target_url: Where Webex shall post notifications to from now on.
        status: active switches it on again.
        secret: The key that notifications are signed with from now on.
        json: Print JSON, and nothing else.
        show_secret: Print the secret, too.
        connection: Where Webex is, and who calls it.
    """
    wanted = {"name": name, "target_url": target_url, "status": status, "secret": secret.read()}
    changes = {field: value for field, value in wanted.items() if value is not None}
    if not changes:
        raise UsageError("name what shall change: --name, --target-url, --status or --secret-...")
    updated = run(_update(connection.client(), webhook_id, changes))
    _print(updated, json=json, show_secret=show_secret)


def delete(
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
        more_ids: The ids of others.
        yes: Don't ask; without a terminal nobody can be asked.
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


def _print(webhook: Webhook, *, json: bool, show_secret: bool) -> None:
    if json:
        print_json(webhook_document(webhook, show_secret=show_secret))
    else:
        print_webhook(stdout(), webhook, show_secret=show_secret)


def _confirm(connection: Connection, webhook_ids: Sequence[str]) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on whether to delete: pass --yes")
    console = stderr()
    print_webhooks(console, run(_get_each(connection.client(), webhook_ids)))
    try:
        answer = console.input(f"Delete {_number(len(webhook_ids))}? [y/N] ", markup=False)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was deleted")


def _number(count: int) -> str:
    return "this webhook" if count == 1 else f"these {count} webhooks"


async def _all(client: Client, owned_by: str | None) -> list[Webhook]:
    found: list[Webhook] = []
    async with client:
        with stderr().status("Listing the webhooks") as status:
            async for page in client.webhooks.list(owned_by=owned_by, prefetch=True).pages():
                found.extend(page.items)
                status.update(f"{len(found)} webhooks so far")
    return found


async def _get(client: Client, webhook_id: str) -> Webhook:
    async with client:
        return await client.webhooks.get(webhook_id)


async def _get_each(client: Client, webhook_ids: Iterable[str]) -> list[Webhook]:
    async with client:
        return await asyncio.gather(*(client.webhooks.get(each) for each in webhook_ids))


async def _create(client: Client, wanted: NewWebhook) -> Webhook:
    async with client:
        return await client.webhooks.create(wanted)


async def _update(client: Client, webhook_id: str, changes: Mapping[str, str]) -> Webhook:
    async with client:
        webhook = await client.webhooks.get(webhook_id)
        with usage_errors():
            wanted = attrs.evolve(WebhookUpdate.of(webhook), **changes)
        return await client.webhooks.update(webhook_id, wanted)


async def _delete(client: Client, webhook_ids: Iterable[str], *, quiet: bool) -> set[str]:
    """Delete webhooks, tell of each, and return those that are gone."""
    gone: set[str] = set()

    async def delete_one(webhook_id: str) -> None:
        try:
            await client.webhooks.delete(webhook_id)
        except WebexError as error:
            print_error(error)
            return
        gone.add(webhook_id)
        if not quiet:
            stdout().print(f"deleted {webhook_id}", soft_wrap=True)

    async with client:
        await asyncio.gather(*map(delete_one, webhook_ids))
    return gone
