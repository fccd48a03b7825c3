"""Ten attackers at once: ``python -m tests.chaos.attackers PORT SECRET COUNT``.

Each sends one kind of request, the worst of its kind that we know, COUNT times. A line is printed
when they begin.
"""

import asyncio
import json
import sys
from contextlib import suppress

from webex_webhooks_async import sign

PAUSE = 0.1
"""Seconds between two requests of an attacker."""

PATIENCE = 10.0
"""Seconds after which an attacker gives up a request."""

MESSAGE = {"id": "M", "roomId": "R", "personId": "P", "personEmail": "a@example.com"}
ENVELOPE = {"id": "W", "name": "N", "resource": "messages", "event": "created", "data": MESSAGE}


def request(body: bytes, *headers: tuple[str, str]) -> bytes:
    """A POST with these headers."""
    length = (
        ()
        if any(name == "Transfer-Encoding" for name, _ in headers)
        else (("Content-Length", str(len(body))),)
    )
    lines = [f"{name}: {value}" for name, value in (("Host", "localhost"), *length, *headers)]
    return "\r\n".join(["POST / HTTP/1.1", "Connection: close", *lines, "", ""]).encode() + body


def signed(body: bytes, secret: str) -> bytes:
    """A POST of someone who knows the secret."""
    return request(body, *sign(body, secret).items())


def attacks(secret: str) -> list[bytes]:
    """The requests; the last ones are those of someone who knows the secret."""
    wrong = ("X-Webex-Signature", "SHA-512=" + "0" * 128)
    chunked = ("Transfer-Encoding", "chunked")
    nested = json.dumps(ENVELOPE | {"data": {"a": "%"}}).replace('"%"', "[" * 400_000)
    return [
        request(b"{}", ("X-Spark-Signature", "," * 10_000_000)),
        request(b"{}", ("X-Spark-Signature", "," * 60_000)),
        request(b"{}", *[("X-Spark-Signature", "=" * 30)] * 1_000),
        request(b"{}", *[(f"X-{number}", "") for number in range(5_000)]),
        request(b"x" * 1_048_576, wrong),
        request(b"2\r\nab\r\n" * 100_000 + b"0\r\n\r\n", wrong, chunked),
        request(b"100000\r\n" + b" " * 0x100000 + b"\r\n" + b"1\r\n \r\n", wrong, chunked),
        signed(nested.encode(), secret),
        signed(json.dumps(ENVELOPE | {"id": "\x01" * 150_000}).encode(), secret),
        signed(json.dumps(ENVELOPE | {"more": [{}] * 200_000}).encode(), secret),
    ]


async def attack(port: int, attacker: bytes, count: int) -> None:
    """Send a request again and again."""
    for _ in range(count):
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(attacker)
                await reader.read(100)
                writer.close()
        await asyncio.sleep(PAUSE)


async def main(port: int, secret: str, count: int) -> None:
    """Attack until all requests are sent."""
    worst = attacks(secret)
    print("attacking", flush=True)  # noqa: T201 - for the process that waits for it
    async with asyncio.TaskGroup() as group:
        for each in worst:
            group.create_task(attack(port, each, count))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
