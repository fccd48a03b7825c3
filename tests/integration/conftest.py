"""The two stores, and a stage with a sandbox, on which people connect their accounts."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from tests.integration.stage import Shift, Stage
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
    monkeypatch.setattr("webex_webhooks_async.applications.outage._clock", Quick())


NewStore = Callable[[], UserStore]


@pytest.fixture
def time() -> Shift:
    """The time, which a test can let jump."""
    return Shift()


@pytest.fixture(params=["sqlite", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path, schema: str, time: Shift) -> NewStore:
    """Make a store of the same users, as another process does."""
    if request.param == "sqlite":
        return lambda: SQLiteUserStore(tmp_path / "users.db", clock=time.timestamp)
    url: str = request.getfixturevalue("postgres").url
    return lambda: PostgresUserStore(url, schema=schema)


@pytest.fixture
async def stage(tmp_path: Path, time: Shift) -> AsyncGenerator[Stage]:
    """A sandbox, and integrations with a store and an inbox in files."""
    async with Stage(tmp_path, time) as stage:
        yield stage
