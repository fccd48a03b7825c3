"""A receiver under attack: good notifications come 50 a second, and ten attackers do their worst.

ATTACK_NOTIFICATIONS says how many good ones come.
"""

import asyncio
import os
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import pytest

from tests.notifications.doubles import SECRET, distinct, exchange, posted
from tests.support.redis_server import free_port

pytestmark = pytest.mark.once

NOTIFICATIONS = int(os.environ.get("ATTACK_NOTIFICATIONS", "25"))
INTERVAL = 1 / 50

SERVER = f"""
import sys, uvicorn
from webex_webhooks_async import Receiver

receiver = Receiver({SECRET!r})

@receiver.on()
async def handle(notification):
    pass

uvicorn.run(receiver, port=int(sys.argv[1]), http=sys.argv[2], log_level="critical")
"""


@asynccontextmanager
async def running(*command: str) -> AsyncGenerator[Process]:
    """Run a Python program as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def accepted(port: int) -> None:
    """Wait until connections are accepted."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)  # a process can't tell us
        else:
            writer.close()
            return


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
    port = free_port()
    most = str(NOTIFICATIONS)  # an attacker is slower than that
    async with running("-c", SERVER, str(port), http):
        await accepted(port)
        async with running("-m", "tests.chaos.attackers", str(port), SECRET, most) as attackers:
            assert attackers.stdout is not None
            assert await attackers.stdout.readline() == b"attacking\n"
            sending = (latency(port, number) for number in range(NOTIFICATIONS))
            latencies = await asyncio.gather(*sending)

    print(  # noqa: T201 - the figures are for people
        f"{http}: {len(latencies)} notifications under attack, median "
        f"{statistics.median(latencies) * 1000:.0f} ms, slowest {max(latencies) * 1000:.0f} ms"
    )
    assert len(latencies) == NOTIFICATIONS
