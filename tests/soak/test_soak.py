"""What a bot, and an inbox, hold after as many notifications as SOAK_NOTIFICATIONS says."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.notifications.doubles import MESSAGE_DATA, body_of, signed
from tests.support.clocks import Time
from tests.support.inboxes import taken
from tests.support.programs import read_until, running
from webex_webhooks_async import SQLiteInbox
from webex_webhooks_async.testing import Sandbox

pytestmark = [pytest.mark.once, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
NOTIFICATIONS = int(os.environ.get("SOAK_NOTIFICATIONS", "1000"))
ROUNDS = 10
CONNECTIONS = 8
FILLER = "x" * 8_000  # large, so that a body that is kept shows in memory, and in a file


def body_number(number: int) -> bytes:
    """The body of a notification, one out of many."""
    return body_of({**MESSAGE_DATA, "id": f"MESSAGE-{number}", "files": [FILLER]})


async def send(port: int, numbers: Iterator[int]) -> None:
    """Send the notifications with these numbers; each one must be accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        body, headers = signed(body_number(number))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\nHost: bot\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read on Linux")
async def test_a_bot_holds_no_more_in_the_end_than_after_one_round() -> None:
    """Memory, sockets and tasks don't grow with the number of notifications and calls."""
    size = NOTIFICATIONS // ROUNDS
    rounds: list[dict[str, int]] = []
    async with Sandbox().serve() as base_url:
        command = (sys.executable, "-m", "tests.soak.bot", base_url, str(size))
        async with running(*command, settings={}, folder=ROOT) as bot:
            assert bot.stdin is not None
            port = int(await read_until(bot, "\n"))
            for start in range(0, NOTIFICATIONS, size):
                numbers = iter(range(start, start + size))  # which all connections share
                await asyncio.gather(*(send(port, numbers) for _ in range(CONNECTIONS)))
                bot.stdin.write(b"\n")
                rounds.append(json.loads(await read_until(bot, "\n")))
                print(rounds[-1])  # noqa: T201 - the figures are for people

    first, end = rounds[1], rounds[-1]  # what it remembers is full after one round
    assert (end["handled"], end["calls"]) == (NOTIFICATIONS, NOTIFICATIONS // 10)
    assert end["resident"] < 1.1 * first["resident"]
    assert end["objects"] - first["objects"] < (end["handled"] - first["handled"]) / 2
    for open_ones in ("files", "tasks"):  # how many calls there are at a time varies
        assert end[open_ones] <= first[open_ones] + CONNECTIONS


async def test_a_file_stays_as_large_as_what_it_remembers(tmp_path: Path) -> None:
    """The file grows until the first keys are forgotten, and reuses its space from then on."""
    size = NOTIFICATIONS // ROUNDS
    time = Time()
    sizes: list[int] = []

    async def use(numbers: Iterator[int]) -> None:
        for number in numbers:
            time.advance(1)
            assert await inbox.put(f"{number:064}", body_number(number))
            assert await inbox.complete(await taken(inbox))

    def measure(when: str) -> None:
        sizes.append(sum(each.stat().st_size for each in tmp_path.iterdir()))
        print(f"{when}: {sizes[-1]:,} bytes")  # noqa: T201 - the figures are for people

    inbox = SQLiteInbox(tmp_path / "inbox.db", keep=size, clock=time.now_in_seconds)
    async with aclosing(inbox):
        for start in range(0, NOTIFICATIONS, size):
            numbers = iter(range(start, start + size))
            await asyncio.gather(*(use(numbers) for _ in range(CONNECTIONS)))
            measure(f"{start + size} notifications")
    measure("closed")

    # What it remembers is full after one round; the log beside it after some megabytes.
    assert sizes[-2] < 1.1 * max(sizes[:5])
    assert sizes[-1] < 2_000 * size + 90_000  # and holds keys, no bodies, beside its empty tables
