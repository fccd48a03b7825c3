"""The two stores, and a stage with a sandbox, on which people connect their accounts."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from tests.integration.stage import Shift, Stage
from tests.support.postgres_inboxes import Database
from webex_webhooks_async import Inbox, SQLiteInbox
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.integration.postgres_store import PostgresUserStore
from webex_webhooks_async.integration.sqlite_store import SQLiteUserStore
from webex_webhooks_async.integration.store import UserStore


class Quick(Clock):
    """The clock of clients, whose pauses before another attempt are over at once."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no client wait before it tries again."""
    monkeypatch.setattr("webex_webhooks_async.client.requester.Clock", Quick)


NewStore = Callable[[], UserStore]


@pytest.fixture
def time() -> Shift:
    """The time, which a test can let jump."""
    return Shift()


@pytest.fixture(params=["sqlite", "postgres"])
def new_store(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database, time: Shift
) -> NewStore:
    """Make a store of the same users, as another process does."""
    if request.param == "sqlite":
        return lambda: SQLiteUserStore(tmp_path / "users.db", clock=time.timestamp)
    return lambda: PostgresUserStore(database.url, schema=database.schema)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.once)])
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database, time: Shift
) -> AsyncGenerator[Stage]:
    """A sandbox, and integrations that share a store and an inbox."""

    def on_sqlite() -> tuple[UserStore, Inbox]:
        store = SQLiteUserStore(tmp_path / "users.db", clock=time.timestamp)
        return store, SQLiteInbox(tmp_path / "inbox.db")

    def on_postgres() -> tuple[UserStore, Inbox]:
        return PostgresUserStore(database.url, schema=database.schema), database.inbox()

    def in_files() -> bytes:
        return b"".join(each.read_bytes() for each in tmp_path.glob("*.db*"))

    def in_tables() -> bytes:
        tables = database.execute(
            f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}'"
        )
        rows = [database.execute(f"SELECT t::text FROM {name} t") for (name,) in tables]
        binary = [bytes.fromhex(each) for each in re.findall(r"\\x([0-9a-f]+)", str(rows))]
        return b"".join((*binary, str(rows).encode()))

    def shift(seconds: float) -> None:
        database.execute(
            f"UPDATE users SET due = due - {seconds}, held_until = held_until - {seconds}"
        )

    is_sqlite = request.param == "sqlite"
    if not is_sqlite:
        time.shift_database = shift
    async with Stage(on_sqlite if is_sqlite else on_postgres, time) as stage:
        stage.stored = in_files if is_sqlite else in_tables
        yield stage
