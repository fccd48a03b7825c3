"""Answers with a stream in processes that are killed, and in a last one that isn't.

$ python -m tests.bot.contexts.killed_stream BASE_URL INBOX MOMENT...

A MOMENT is before or after a PUT of the process: "before 3". Each process begins when the lease of
the one before has expired, by the clock of the inbox.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import aclosing

import httpx

from tests.support.clocks import QuickClock
from webex_webhooks_async import Bot, Client, MessageContext, SQLiteInbox, attempt
from webex_webhooks_async.client.resource import InternalRequests

BASE_URL, PATH, *MOMENTS = sys.argv[1:]


class Fatal(httpx.AsyncHTTPTransport):
    """Sends requests, until the process is killed at a PUT."""

    def __init__(self, moment: str) -> None:
        super().__init__()
        self.moment = moment
        self.puts = 0
        self.has_put = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "PUT":
            return await super().handle_async_request(request)
        self.puts += 1
        self._comes(f"before {self.puts}")
        response = await super().handle_async_request(request)
        self._comes(f"after {self.puts}")
        self.has_put.set()
        return response

    def _comes(self, now: str) -> None:
        if now == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


async def handle(number: int, moment: str) -> None:
    """Handle what is in the inbox in the process of this number, until nothing is left to do."""
    transport = Fatal(moment)
    client = Client("token", base_url=BASE_URL, http_client=transport)
    InternalRequests.of(client).requester.clock = QuickClock()
    inbox = SQLiteInbox(PATH, clock=lambda: time.time() + 1_000 * number)
    bot = Bot(client, "a secret", inbox=inbox)

    @bot.message()
    async def answer(context: MessageContext) -> None:
        async with context.stream() as answer:
            for _ in range(8):
                answer.write("+")
                if attempt().is_first:
                    transport.has_put.clear()
                    await transport.has_put.wait()
            answer.write(" Done")

    async with aclosing(transport), client, bot, asyncio.timeout(60):
        while {each.state async for each in inbox.unfinished()} - {"failed"}:  # noqa: ASYNC110 - it notifies nobody
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    for number, moment in enumerate([*MOMENTS, ""]):
        if not (child := os.fork()):
            asyncio.run(handle(number, moment))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == (-signal.SIGKILL if moment else 0), (moment, status)
