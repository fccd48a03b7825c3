"""The life of a webhook: list, create, get, update, delete.

With WEBEX_ACCESS_TOKEN set it runs on Webex, otherwise on a sandbox.
"""

import asyncio
import os

from webex_webhooks_async import Client, Event, NewWebhook, Resource, WebhookUpdate
from webex_webhooks_async.testing import Sandbox


async def live(client: Client) -> None:
    """List the webhooks, then create, get, update and delete one."""
    async for each in client.webhooks.list(max=10):
        print(f"there is {each.name}, {each.status}")

    webhook = await client.webhooks.create(
        NewWebhook(
            name="My Message Webhook",
            target_url="https://example.com/webhook-receiver",
            resource=Resource.MESSAGES,
            event=Event.CREATED,
        )
    )
    print(f"created {webhook.name}")

    webhook = await client.webhooks.get(webhook.id)
    print(f"it posts to {webhook.target_url}")

    webhook = await client.webhooks.update(
        webhook.id, WebhookUpdate(name="My Updated Webhook", target_url=webhook.target_url)
    )
    print(f"it is now {webhook.name}")

    await client.webhooks.delete(webhook.id)
    print("deleted")


async def main() -> None:
    """Use Webex if there is a token, a sandbox otherwise."""
    if "WEBEX_ACCESS_TOKEN" in os.environ:
        async with Client.from_env() as client:
            await live(client)
    else:
        async with Sandbox().serve() as base_url, Client("any", base_url=base_url) as client:
            await live(client)


if __name__ == "__main__":
    asyncio.run(main())
