"""A receiver under attack: good notifications come 50 a second, and ten attackers do their worst.

A quarter of CHAOS_NOTIFICATIONS are good ones.
"""

import asyncio
import os
import socket
import statistics
import sys
import time
from contextlib import suppress
from importlib.util import find_spec

import pytest

from tests.notifications.doubles import SECRET, body_of, distinct, exchange, posted
from tests.support.programs import running
from tests.support.wire import PATIENCE

pytestmark = pytest.mark.once

NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "100")) // 4
INTERVAL = 1 / 50

SERVER = f"""
import socket, sys, uvicorn
from webex_webhooks_async import Receiver

receiver = Receiver({SECRET!r})

@receiver.on()
async def handle(notification):
    pass

config = uvicorn.Config(receiver, http=sys.argv[2], log_level="critical")
uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
"""


def post(body: bytes, *headers: str) -> bytes:
    """A POST with these headers."""
    lines = ["POST / HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if "Transfer-Encoding: chunked" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def attacks() -> list[bytes]:
    """The worst request of each kind that we know; the last three know the secret."""
    wrong = f"X-Webex-Signature: SHA-512={'0' * 128}"
    chunked = "Transfer-Encoding: chunked"
    return [
        post(b"{}", f"X-Spark-Signature: {',' * 10_000_000}"),
        post(b"{}", f"X-Spark-Signature: {',' * 60_000}"),
        post(b"{}", *[f"X-Spark-Signature: {'=' * 30}"] * 1_000),
        post(b"{}", *[f"X-{number}: " for number in range(5_000)]),
        post(b"x" * 1_048_576, wrong),
        post(b"2\r\nab\r\n" * 100_000 + b"0\r\n\r\n", wrong, chunked),
        post(b"100000\r\n" + b" " * 0x100000 + b"\r\n" + b"1\r\n \r\n", wrong, chunked),
        posted(body_of({"a": "%"}).replace(b'"%"', b"[" * 400_000)),
        posted(body_of(id="\x01" * 150_000)),
        posted(body_of(more=[dict[str, int]()] * 200_000)),
    ]


async def attack(port: int, request: bytes) -> None:
    """Send a request again and again, until this is cancelled."""
    while True:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(request)
                    await reader.read(100)
                finally:
                    writer.transport.abort()  # a server may never read all of a request
        await asyncio.sleep(0.1)  # the test is about so many requests


async def latency(port: int, number: int) -> float:
    """Deliver a notification when it is its turn, and return how many seconds the 204 took."""
    await asyncio.sleep(number * INTERVAL)
    began = time.perf_counter()
    response = await exchange(port, posted(distinct(number)))
    assert response.startswith(b"HTTP/1.1 204 ")
    return time.perf_counter() - began


@pytest.mark.timeout(300)
@pytest.mark.parametrize("http", ["h11", *["httptools"] * bool(find_spec("httptools"))])
async def test_good_notifications_are_handled_under_attack(http: str) -> None:
    """Each good notification gets its 204, while each attacker sends its worst request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = (sys.executable, "-c", SERVER, str(listener.fileno()), http)
        async with (
            running(*server, settings={}, pass_fds=[listener.fileno()]),
            asyncio.TaskGroup() as group,
        ):
            await latency(port, 0)  # of the first one, which waits until the server has started
            attackers = [group.create_task(attack(port, each)) for each in attacks()]
            sending = (latency(port, number) for number in range(NOTIFICATIONS))
            latencies = await asyncio.gather(*sending)
            for each in attackers:
                each.cancel()

    print(  # noqa: T201 - the figures are for people
        f"{http}: {len(latencies)} notifications under attack, median "
        f"{statistics.median(latencies) * 1000:.0f} ms, slowest {max(latencies) * 1000:.0f} ms"
    )
    assert len(latencies) == NOTIFICATIONS
