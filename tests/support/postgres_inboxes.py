"""Inboxes on a PostgreSQL server of the tests, and what is in their tables."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg

from tests.support.postgres_proxy import PostgresProxy, running_proxy
from tests.support.postgres_server import PostgresServer
from tests.support.wire import until
from webex_webhooks_async import Inbox, PostgresInbox
from webex_webhooks_async.types import InboxEntry

BODY = b"{}"
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
"""Asks who waits for a lock."""


@asynccontextmanager
async def opened(
    url: str | Callable[[], str | Awaitable[str]], schema: str, number: int = 1, **options: float
) -> AsyncGenerator[list[PostgresInbox]]:
    """Inboxes on the same tables, which are there."""
    inboxes = [PostgresInbox(url, schema=schema, **options) for _ in range(number)]
    async with AsyncExitStack() as stack:
        for each in inboxes:
            stack.push_async_callback(each.aclose)
            await each.counts()
        yield inboxes


@asynccontextmanager
async def through_proxy(
    server: PostgresServer, schema: str, **options: float
) -> AsyncGenerator[tuple[PostgresInbox, PostgresProxy]]:
    """An inbox that reaches the server through a proxy."""
    async with (
        running_proxy(server.port) as proxy,
        opened(proxy.url, schema, 1, **options) as (inbox,),
    ):
        yield inbox, proxy


async def use_at_once(
    server: PostgresServer, schema: str, inbox: PostgresInbox, connections: int
) -> None:
    """Let an inbox need so many connections at the same time, and one more."""
    with psycopg.connect(server.url) as connection:
        connection.execute(f"LOCK TABLE {schema}.notifications".encode())
        counting = [asyncio.create_task(inbox.counts()) for _ in range(connections + 1)]
        await until(lambda: len(execute(server, BLOCKED)) == connections)
    await asyncio.gather(*counting)


async def taken(inbox: Inbox) -> InboxEntry:
    """Take what is there."""
    entry = await inbox.take()
    assert entry is not None
    return entry


def execute(server: PostgresServer, *statements: str, user: str = "postgres") -> list[Any]:
    """Execute statements, and return the rows of the last one."""
    url = server.url.replace("postgres@", f"{user}@")
    with psycopg.connect(url, autocommit=True) as connection:
        for each in statements[:-1]:
            connection.execute(each.encode())
        cursor = connection.execute(statements[-1].encode())
        return cursor.fetchall() if cursor.description else []
