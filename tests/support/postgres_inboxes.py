"""Inboxes on a PostgreSQL server of the tests, and what is in their tables."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg

from tests.support.postgres_proxy import PostgresProxy, running_proxy
from tests.support.postgres_server import PostgresServer
from webex_webhooks_async import Inbox, InboxEntry, PostgresInbox

BODY = b"{}"


@asynccontextmanager
async def opened(
    url: str | Callable[[], str | Awaitable[str]],
    schema: str,
    number: int = 1,
    **options: float,
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
