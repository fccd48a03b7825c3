"""What the tests of an inbox on PostgreSQL share."""

from collections.abc import AsyncGenerator

import pytest

from tests.support.postgres_inboxes import Database
from webex_webhooks_async import PostgresInbox


@pytest.fixture
async def inbox(database: Database) -> AsyncGenerator[PostgresInbox]:
    """Open an inbox whose tables are there."""
    async with database.inboxes() as (inbox,):
        yield inbox
