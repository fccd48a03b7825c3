import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.notifications.doubles import MESSAGE_DATA, body_of, signed
from tests.support.programs import read_until, running
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
NOTIFICATIONS = int(os.environ.get("SOAK_NOTIFICATIONS", "4000"))
ROUNDS = 10
CONNECTIONS = 8
FILLER = "x" * 4_000  # large, so that a body that is kept shows in memory


class Bot:
    """A bot in a process of its own.

    Args:
        process: That process.
        port: Where it is called.
    """

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self._port = port

    async def figures(self) -> dict[str, int]:
        """Ask what it has done, and what it holds."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        figures: dict[str, int] = json.loads(await read_until(self._process, "\n"))
        return figures

    async def receive(self, numbers: range) -> None:
        """Send it the notifications with these numbers; it must accept each one."""
        requests = map(request, numbers)  # which all connections share
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._send(requests))

    async def _send(self, requests: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for each in requests:
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 204 ")
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def running_bot(base_url: str, remembered: int) -> AsyncGenerator[Bot]:
    """Run a bot as long as the block runs."""
    command = (sys.executable, "-m", "tests.soak.bot", base_url, str(remembered))
    async with running(*command, settings={}, folder=ROOT) as process:
        yield Bot(process, int(await read_until(process, "\n")))


def request(number: int) -> bytes:
    """A notification as Webex sends it, one out of many."""
    body, headers = signed(body_of({**MESSAGE_DATA, "id": f"MESSAGE-{number}", "files": [FILLER]}))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST / HTTP/1.1\r\nHost: bot\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read on Linux")
@pytest.mark.timeout(600)
async def test_a_bot_holds_no_more_in_the_end_than_after_one_round() -> None:
    """Memory, sockets and tasks don't grow with the number of notifications and calls."""
    size = NOTIFICATIONS // ROUNDS
    rounds: list[dict[str, int]] = []
    async with Sandbox().serve() as base_url, running_bot(base_url, remembered=size) as bot:
        for start in range(0, NOTIFICATIONS, size):
            await bot.receive(range(start, start + size))
            rounds.append(await bot.figures())
            print(rounds[-1])  # noqa: T201 - the figures are for people

    first, end = rounds[1], rounds[-1]  # what it remembers is full after one round
    assert (end["handled"], end["calls"]) == (NOTIFICATIONS, NOTIFICATIONS // 10)
    assert end["resident"] < 1.1 * first["resident"]
    assert end["objects"] - first["objects"] < (end["handled"] - first["handled"]) / 2
    for open_ones in ("files", "tasks"):  # how many calls there are at a time varies
        assert end[open_ones] <= first[open_ones] + CONNECTIONS
