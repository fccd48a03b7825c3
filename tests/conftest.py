"""Settings of the whole suite."""

import asyncio
import gc
import os
import re
from collections.abc import AsyncGenerator, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import httpx
import pytest
from hypothesis import settings

from tests.support.postgres_inboxes import Database
from tests.support.postgres_server import PostgresServer, running_postgres
from webex_webhooks_async import AiohttpTransport
from webex_webhooks_async.client.pool import ConnectionPool

# The page of the sandbox is tested by `nox -s browser`, which says where a browser is.
collect_ignore = [] if "CHROMIUM" in os.environ else ["browser"]

# A machine under load is slow: pytest-timeout limits the time. Hypothesis' own settings for CI,
# which it chooses there by itself (the same examples every time), stay in force.
settings.register_profile("thorough", settings(), deadline=None, max_examples=1000)
settings.register_profile("brief", settings.get_profile("thorough"), max_examples=25)
settings.load_profile("brief")  # `nox -s soak` chooses the other one

ALL_ONCE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.once\b", re.MULTILINE)
EAGER = getattr(asyncio, "eager_task_factory", None)  # since Python 3.12


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module whose tests are all marked `once`, where those are left out."""
    if collection_path.suffix != ".py" or "not once" not in config.option.markexpr:
        return None
    return ALL_ONCE.search(collection_path.read_text(encoding="utf-8")) is not None or None


@pytest.fixture(scope="module", autouse=True)
def quick_collection() -> None:
    """Exclude older objects when the tests of a module look for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_tls_context() -> Iterator[None]:
    """Make the default TLS context of httpx's clients once: each one takes 20 ms of the CPU."""
    make_once = cache(httpx.create_ssl_context)
    with patch("httpx._transports.default.create_ssl_context", make_once):
        yield


@pytest.fixture(scope="session", autouse=True)
def exact_pauses() -> Iterator[None]:
    """Lengthen no pause of an inbox at random."""
    with patch("webex_webhooks_async.handling.failures._random", lambda: 0.0):
        yield


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's proxies: the tests call this machine only."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server, for all tests of a process that need one."""
    with running_postgres(settings={"autovacuum": "off"}) as server:  # it takes time from the tests
        yield server


@pytest.fixture
def schema() -> str:
    """Name a schema that no other test uses."""
    return f"inbox_{uuid4().hex}"


@pytest.fixture
def database(postgres: PostgresServer, schema: str) -> Database:
    """Choose a schema of the server for the tables of a test."""
    return Database(postgres, schema)


@pytest.fixture(params=["lazy", "eager"] if EAGER else ["lazy"])
async def tasks(request: pytest.FixtureRequest) -> AsyncGenerator[None]:
    """Run a test with tasks that start later, and with tasks that start at once."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(EAGER if request.param == "eager" else None)
    yield
    loop.set_task_factory(None)


@pytest.fixture(params=["httpx", "aiohttp"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test twice: with the default connection pool, and with an `AiohttpTransport`."""
    name: str = request.param
    if name == "aiohttp":
        monkeypatch.setattr(ConnectionPool, "to", _over_aiohttp)
    return name


def _over_aiohttp(_base_url: httpx.URL) -> AiohttpTransport:
    return AiohttpTransport()
