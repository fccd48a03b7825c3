"""A bot that reports what it holds. Webex calls it, and at every fiftieth call it calls Webex.

$ python -m tests.soak.bot BASE_URL REMEMBERED

It prints its port, and then its figures, as JSON, for each line of its input until that ends.
REMEMBERED is how many notifications it remembers.
"""

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

from tests.notifications.doubles import SECRET
from webex_webhooks_async import (
    Client,
    MemoryDeduplicator,
    MessageData,
    NewWebhook,
    Notification,
    Receiver,
    Resource,
    WebhookUpdate,
)
from webex_webhooks_async.loopback_server import serve_on_loopback

MINE = NewWebhook(
    name="soak", target_url="https://example.com/hook", resource="messages", event="created"
)


class Bot:
    """Counts what it handles.

    Args:
        client: Calls Webex.
        remembered: How many notifications it remembers.
    """

    def __init__(self, client: Client, remembered: int) -> None:
        self.receiver = Receiver(SECRET, deduplicator=MemoryDeduplicator(max_entries=remembered))
        self.receiver.on(Resource.MESSAGES)(self.count)
        self._client = client
        self._handled = 0
        self._calls = 0

    async def count(self, notification: Notification[MessageData]) -> None:
        """Count it; every fiftieth time make a webhook, change it and delete it."""
        self._handled += 1
        if self._handled % 50 == 0:
            await self._call()

    async def _call(self) -> None:
        webhooks = self._client.webhooks
        made = await webhooks.create(MINE)
        found = await webhooks.get(made.id)
        await webhooks.update(made.id, WebhookUpdate.of(found, name="soaked"))
        await webhooks.list()
        await webhooks.delete(made.id)
        self._calls += 5

    def figures(self) -> dict[str, int]:
        """What it has done, and what it holds."""
        gc.collect()
        return {
            "handled": self._handled,
            "calls": self._calls,
            "resident": resident(),
            "objects": len(gc.get_objects()),
            "files": len([*Path("/proc/self/fd").iterdir()]),
            "tasks": len(asyncio.all_tasks()),
        }


def resident() -> int:
    """Bytes of memory that this process has, on Linux."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def main(base_url: str, remembered: int) -> None:
    """Run the bot until the input ends."""
    async with Client("a-token", base_url=base_url) as client:
        bot = Bot(client, remembered)
        async with serve_on_loopback(bot.receiver, 0) as origin:
            print(origin.rpartition(":")[2], flush=True)  # noqa: T201 - what it is for
            while await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps(bot.figures()), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
