"""Keep the webhooks of a bot in place.

With WEBEX_ACCESS_TOKEN, WEBEX_TARGET_URL and WEBEX_WEBHOOK_SECRET set, it keeps them on Webex until
it is interrupted. Otherwise it shows on a sandbox how changed webhooks are corrected.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from webex_webhooks_async import (
    Client,
    Event,
    NewWebhook,
    Resource,
    WebhookStatus,
    WebhookUpdate,
)
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import WebhookPlanResult

PREFIX = "keep-alive:"


def wanted(target_url: str, secret: str | None) -> list[NewWebhook]:
    """The webhooks that the bot needs."""
    return [
        NewWebhook(
            name=f"{PREFIX}{resource}",
            target_url=target_url,
            resource=resource,
            event=Event.CREATED,
            secret=secret,
        )
        for resource in (Resource.MESSAGES, Resource.ATTACHMENT_ACTIONS)
    ]


def show_changes(result: WebhookPlanResult) -> None:
    """Print what was changed, and why."""
    for change in result.changes:
        print(f"{change.action} {change.name}: {change.reason}")


async def keep(client: Client, webhooks: list[NewWebhook]) -> None:
    """Keep the webhooks; a bot runs this in a task, and cancels it at the end."""
    async for result in client.webhooks.watch(webhooks, prune=PREFIX):
        show_changes(result)


async def demonstrate(client: Client) -> None:
    """Switch one webhook off and delete another one, and see them restored."""
    webhooks = wanted("https://example.com/hook", "a-secret-of-the-bot")
    async with aclosing(client.webhooks.watch(webhooks, every=0.01, prune=PREFIX)) as watching:
        messages, cards = (await changed(watching)).webhooks.values()

        await client.webhooks.update(
            messages.id, WebhookUpdate.of(messages, status=WebhookStatus.INACTIVE)
        )
        await changed(watching)

        await client.webhooks.delete(cards.id)
        await changed(watching)

    show_changes(
        await client.webhooks.ensure(wanted("https://new.example.com/hook", None), prune=PREFIX)
    )


async def changed(watching: AsyncIterator[WebhookPlanResult]) -> WebhookPlanResult:
    """Wait for the next result, and print it."""
    result = await anext(watching)
    show_changes(result)
    return result


async def main() -> None:
    """Use Webex if it is configured, a sandbox otherwise."""
    if target_url := os.environ.get("WEBEX_TARGET_URL"):
        async with Client.from_env() as client:
            await keep(client, wanted(target_url, os.environ["WEBEX_WEBHOOK_SECRET"]))
    else:
        async with Sandbox().serve() as base_url, Client("any", base_url=base_url) as client:
            await demonstrate(client)


if __name__ == "__main__":
    asyncio.run(main())
