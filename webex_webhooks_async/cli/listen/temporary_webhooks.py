"""Webhooks that a command creates for as long as it runs."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from webex_webhooks_async.cli.console import print_error
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import NotFoundError, WebexError
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook

TIDY_SECONDS = 0.7  # after a signal: with all the rest, a command ends within a second


def name_prefix(command: str) -> str:
    """How the names of all temporary webhooks of a command begin."""
    return f"webex-webhooks {command} "


def temporary_name(command: str) -> str:
    """How the names of one run's webhooks begin, and no others."""
    return f"{name_prefix(command)}{secrets.token_hex(4)}"


@asynccontextmanager
async def temporary_webhooks(
    client: Client, name: str, wanted: Iterable[NewWebhook]
) -> AsyncGenerator[None]:
    """Create webhooks whose names begin with `name`, and delete them when the block ends."""
    async with _deleted_on_error(client, name):
        created = [await client.webhooks.create(each) for each in wanted]
        yield
    await _tidy(name, delete_all(client, created), TIDY_SECONDS)


@asynccontextmanager
async def _deleted_on_error(client: Client, name: str) -> AsyncGenerator[None]:
    """If the block fails or is cancelled, delete the webhooks whose names begin with `name`.

    They are listed first: when the response to a create is lost, its id isn't known. After a
    cancellation this takes `TIDY_SECONDS` at most.
    """
    try:
        yield
    except BaseException as error:
        is_stopped = isinstance(error, asyncio.CancelledError)
        try:
            await _tidy(name, _delete_named(client, name), TIDY_SECONDS if is_stopped else None)
        except CommandError as left:
            print_error(left)
        raise


async def delete_all(client: Client, webhooks: Iterable[Webhook]) -> None:
    """Delete webhooks at the same time; those that are gone already are no error."""
    deletions = (client.webhooks.delete(each.id) for each in webhooks)
    for outcome in await asyncio.gather(*deletions, return_exceptions=True):
        if outcome is not None and not isinstance(outcome, NotFoundError):
            raise outcome


async def _delete_named(client: Client, name: str) -> None:
    await delete_all(client, await named(client, name))


async def named(client: Client, prefix: str) -> list[Webhook]:
    """The webhooks whose names begin with a prefix."""
    return [each async for each in client.webhooks.list() if each.name.startswith(prefix)]


async def _tidy(name: str, deleting: Coroutine[Any, Any, None], seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await deleting
    except (WebexError, TimeoutError, asyncio.CancelledError):  # cancelled by a second signal
        raise CommandError(
            f"webhooks whose names begin with {name!r} may be left; `webex-webhooks list` shows "
            "them, and `webex-webhooks delete` removes them"
        ) from None
