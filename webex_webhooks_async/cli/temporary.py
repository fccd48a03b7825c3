"""Webhooks that a command makes for as long as it runs."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from webex_webhooks_async.cli.failures import RefusedError
from webex_webhooks_async.cli.rendering.consoles import print_error
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import NotFoundError


def temporary_name(command: str) -> str:
    """A name that no other webhook begins with."""
    return f"webex-webhooks {command} {secrets.token_hex(4)}"


@asynccontextmanager
async def swept_on_error(client: Client, name: str) -> AsyncGenerator[None]:
    """If the block ends with an error, or is cancelled, delete the webhooks named so.

    They are looked up, for one that was made may not be known: its answer was lost.
    """
    try:
        yield
    except BaseException:
        try:
            await _sweep(client, name)
        except BaseException:
            print_error(RefusedError(f"webhooks whose name begins with {name!r} may be left"))
            raise
        raise


async def _sweep(client: Client, name: str) -> None:
    async for webhook in client.webhooks.list():
        if webhook.name.startswith(name):
            with suppress(NotFoundError):
                await client.webhooks.delete(webhook.id)
