"""Kills processes in `once` within a transaction, at each of six moments, so many times each.

$ python killed_steps.py URL_OF_SQLALCHEMY CONNINFO_OR_PATH COUNT

Each notification is handled by a process that is killed, and then by one that isn't.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from webex_webhooks_async import PostgresInbox, SQLiteInbox, once, parse_unverified_notification
from webex_webhooks_async.handling.dispatch import Execution
from webex_webhooks_async.handling.records import Records
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import TransactionalInbox

MOMENTS = (
    *("before the transaction", "before the write", "after the write"),
    *("after the commit", "after the reply", "before the completion"),
)
LEASE = 0.2
URL, PLACE, COUNT = sys.argv[1:]


def inbox() -> TransactionalInbox:
    """The inbox, for this process."""
    if URL.startswith("sqlite"):
        return SQLiteInbox(PLACE, lease=LEASE)
    return PostgresInbox(PLACE, lease=LEASE)


async def handle(moment: str) -> None:
    """Handle what is there, and be killed at a moment, if it comes."""

    def comes(now: str) -> None:
        if now == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    engine = create_async_engine(URL)

    @asynccontextmanager
    async def within() -> AsyncGenerator[AsyncConnection]:
        comes("before the transaction")
        async with engine.begin() as connection:
            yield connection
        comes("after the commit")

    async def create(connection: AsyncConnection) -> int:
        comes("before the write")
        await connection.execute(text("INSERT INTO orders VALUES (7)"))
        comes("after the write")
        return 7

    async with aclosing(inbox()) as opened:
        while (entry := await opened.take()) is None:  # noqa: ASYNC110 - the lease expires
            await asyncio.sleep(LEASE / 10)
        execution = Execution(parse_unverified_notification(entry.body))
        execution.key = entry.key
        is_first = entry.expiries == 0
        execution.records = Records(execution.notification, (opened, entry), is_first=is_first)
        with execution:
            assert await once("order", create, within=within) == 7
        comes("after the reply")
        comes("before the completion")
        assert await opened.complete(entry)
    await engine.dispose()


async def put(key: str) -> None:
    """Store a notification."""
    async with aclosing(inbox()) as opened:
        assert await opened.put(key, sample_notification("messages", "created"))


def in_a_child(doing: Coroutine[object, object, None]) -> int:
    """Do something in a process of its own, and return how that ended."""
    child = os.fork()
    if not child:
        asyncio.run(doing)
        os._exit(0)
    doing.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    # What is imported and made with the first use, no child has to do again.
    inbox()
    create_async_engine(URL)
    parse_unverified_notification(sample_notification("messages", "created"))
    for moment in MOMENTS:
        for number in range(int(COUNT)):
            assert in_a_child(put(f"{moment} {number}")) == 0
            assert in_a_child(handle(moment)) == -signal.SIGKILL
            assert in_a_child(handle("")) == 0
    print("done", len(MOMENTS) * int(COUNT))  # noqa: T201 - for who waits
