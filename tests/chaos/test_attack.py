"""A receiver under attack: good notifications come 50 a second, and ten attackers do their worst.

ATTACK_NOTIFICATIONS says how many good ones come.
"""

import asyncio
import os
import socket
import statistics
import sys
import time
from importlib.util import find_spec

import pytest

from tests.notifications.doubles import SECRET, distinct, exchange, posted
from tests.support.programs import read_until, running

pytestmark = pytest.mark.once

NOTIFICATIONS = int(os.environ.get("ATTACK_NOTIFICATIONS", "25"))
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
    most = str(NOTIFICATIONS)  # an attacker is slower than that
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        fd = listener.fileno()
        server = (sys.executable, "-c", SERVER, str(fd), http)
        attack = (sys.executable, "-m", "tests.chaos.attackers", str(port), SECRET, most)
        async with running(*server, settings={}, pass_fds=[fd]):
            await latency(port, 0)  # of the first one, for which the server starts
            async with running(*attack, settings={}) as attackers:
                await read_until(attackers, "attacking\n")
                sending = (latency(port, number) for number in range(NOTIFICATIONS))
                latencies = await asyncio.gather(*sending)

    print(  # noqa: T201 - the figures are for people
        f"{http}: {len(latencies)} notifications under attack, median "
        f"{statistics.median(latencies) * 1000:.0f} ms, slowest {max(latencies) * 1000:.0f} ms"
    )
    assert len(latencies) == NOTIFICATIONS
