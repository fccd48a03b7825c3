"""Sends what Webex sends, over a few lasting connections, as fast as the responses come.

$ python -m tests.benchmarks.sender PORT

For each number on a line of its input it sends this many distinct notifications, and prints how
many of them were accepted.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from itertools import count, islice
from uuid import UUID

from webex_webhooks_async import sign

SECRET = "a-secret-of-the-bot"
CONNECTIONS = 8


def webex_id(kind: str, number: int) -> str:
    """An id as Webex makes them."""
    uri = f"ciscospark://us/{kind}/{UUID(int=number)}"
    return base64.b64encode(uri.encode()).decode().rstrip("=")


def body_of(number: int) -> bytes:
    """The body of a notification about one message out of many, of 921 bytes."""
    envelope = {
        "id": webex_id("WEBHOOK", 1),
        "name": "Messages",
        "resource": "messages",
        "event": "created",
        "orgId": webex_id("ORG", 2),
        "createdBy": webex_id("PEOPLE", 3),
        "appId": webex_id("APPLICATION", 4),
        "ownedBy": "creator",
        "status": "active",
        "actorId": webex_id("PEOPLE", 5),
    }
    data = {
        "id": webex_id("MESSAGE", number),
        "roomId": webex_id("ROOM", 6),
        "roomType": "group",
        "personId": webex_id("PEOPLE", 5),
        "personEmail": "alex@example.com",
        "created": "2024-05-17T09:30:00.000Z",
    }
    return json.dumps({**envelope, "data": data}, separators=(",", ":")).encode()


def requests() -> Iterator[bytes]:
    """Requests as Webex sends them."""
    for number in count():
        body = body_of(number)
        signatures = "".join(f"{name}: {value}\r\n" for name, value in sign(body, SECRET).items())
        head = (
            "POST /webhook-receiver HTTP/1.1\r\n"
            "Host: bot.example.com\r\n"
            "User-Agent: Webex\r\n"
            "Accept: */*\r\n"
            "Accept-Encoding: gzip\r\n"
            "Content-Type: application/json; charset=UTF-8\r\n"
            f"{signatures}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def send(port: int) -> None:
    """Send until the input ends."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    endless = requests()

    async def share(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, some: Iterator[bytes]
    ) -> int:
        taken = 0
        for request in some:
            writer.write(request)
            taken += (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        return taken

    for line in sys.stdin:  # nothing runs between two rounds
        some = iter([*islice(endless, int(line))])
        taken = await asyncio.gather(*(share(*each, some) for each in connections))
        print(sum(taken), flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(send(int(sys.argv[1])))
