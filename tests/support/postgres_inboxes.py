"""Inboxes on a PostgreSQL server of the tests, and what is in their tables."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
from attrs import frozen

from tests.support.postgres_proxy import PostgresProxy, running_proxy
from tests.support.postgres_server import PostgresServer
from tests.support.wire import until
from webex_webhooks_async import PostgresInbox

BODY = b"{}"

Conninfo = str | Callable[[], str | Awaitable[str]]


@frozen
class Database:
    """A PostgreSQL server, and a schema that no other test uses; statements find its tables."""

    server: PostgresServer
    schema: str

    @property
    def url(self) -> str:
        return self.server.url

    def inbox(self, url: Conninfo | None = None, **options: float) -> PostgresInbox:
        return PostgresInbox(self.url if url is None else url, schema=self.schema, **options)

    @asynccontextmanager
    async def inboxes(
        self, number: int = 1, url: Conninfo | None = None, **options: float
    ) -> AsyncGenerator[list[PostgresInbox]]:
        """Several on the same tables, which are there."""
        opened = [self.inbox(url, **options) for _ in range(number)]
        async with AsyncExitStack() as stack:
            for each in opened:
                stack.push_async_callback(each.aclose)
                await each.counts()
            yield opened

    @asynccontextmanager
    async def through_proxy(
        self, query: str = "", **options: float
    ) -> AsyncGenerator[tuple[PostgresInbox, PostgresProxy]]:
        """An inbox that reaches the server through a proxy, with this query in its URL."""
        async with (
            running_proxy(self.server.port) as proxy,
            self.inboxes(1, f"{proxy.url}{query}", **options) as (inbox,),
        ):
            yield inbox, proxy

    async def use_at_once(self, inbox: PostgresInbox, connections: int) -> None:
        """Let an inbox need so many connections at the same time, and one more."""
        with self.holding("LOCK TABLE notifications"):
            counting = [asyncio.create_task(inbox.counts()) for _ in range(connections + 1)]
            await until(lambda: self.server.blocked() == connections)
        await asyncio.gather(*counting)

    def execute(self, *statements: str) -> list[Any]:
        """Execute statements, and return the rows of the last one."""
        return self.server.execute(*statements, schema=self.schema)

    @contextmanager
    def holding(self, statement: str) -> Generator[psycopg.Connection]:
        """Hold the locks of a statement while the block runs; then it is undone."""
        with self.server.connected(self.schema) as connection:
            connection.execute(statement.encode())
            yield connection
            connection.rollback()

    def role(self, options: str = "") -> str:
        """Make a role, and return the URL with which it connects."""
        self.execute(f"CREATE ROLE role_{self.schema} LOGIN {options}")
        return self.url.replace("postgres@", f"role_{self.schema}@")

    def allow(self) -> None:
        """Let the role use the tables."""
        tables = f"ALL TABLES IN SCHEMA {self.schema}"
        self.execute(
            f"GRANT USAGE ON SCHEMA {self.schema} TO role_{self.schema}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO role_{self.schema}",
        )


async def refuses(inbox: PostgresInbox, error: type[Exception], words: str) -> None:
    """Expect an error with these words."""
    with pytest.raises(error, match=words):
        await inbox.counts()
    await inbox.aclose()
