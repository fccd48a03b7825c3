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
    MessageData,
    NewWebhook,
    Notification,
    Receiver,
    Resource,
    WebhookUpdate,
)
from webex_webhooks_async.handling import duplicates
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

MINE = NewWebhook(
    name="soak", target_url="https://example.com/hook", resource="messages", event="created"
)


def held() -> dict[str, int]:
    """What this process has, on Linux."""
    gc.collect()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return {
        "resident": int(pages) * os.sysconf("SC_PAGE_SIZE"),  # bytes of memory
        "objects": len(gc.get_objects()),
        "files": len([*Path("/proc/self/fd").iterdir()]),
        "tasks": len(asyncio.all_tasks()),
    }


async def main(base_url: str, remembered: int) -> None:
    """Run the bot until the input ends."""
    done = {"handled": 0, "calls": 0}
    duplicates._MOST = remembered  # pyright: ignore[reportPrivateUsage] - so that it is full soon
    receiver = Receiver(SECRET)
    async with Client("a-token", base_url=base_url) as client:

        @receiver.on(Resource.MESSAGES)
        async def count(_: Notification[MessageData]) -> None:
            done["handled"] += 1
            if done["handled"] % 50 == 0:
                made = await client.webhooks.create(MINE)
                found = await client.webhooks.get(made.id)
                await client.webhooks.update(made.id, WebhookUpdate.of(found, name="soaked"))
                await client.webhooks.list()
                await client.webhooks.delete(made.id)
                done["calls"] += 5

        async with serve_on_loopback(receiver, 0) as origin:
            print(origin.rpartition(":")[2], flush=True)  # noqa: T201 - what it is for
            while await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps({**done, **held()}), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
