"""Settings of the whole suite."""

import gc
import os

import httpx
import pytest
from hypothesis import settings

from webex_webhooks_async import AiohttpTransport
from webex_webhooks_async.client.transports.pool import ConnectionPool

# A machine under load is slow: time is pytest-timeout's to watch. Hypothesis' own settings for CI,
# which it takes there by itself (the same examples every time), stay in force.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="module", autouse=True)
def quick_collection() -> None:
    """Leave out what was there before a module when its tests look for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies of the machine away: what the tests call is on it."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["httpx", "aiohttp"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test twice: what a client makes for itself is an `AiohttpTransport` the second time."""
    name: str = request.param
    if name == "aiohttp":
        monkeypatch.setattr(ConnectionPool, "to", _over_aiohttp)
    return name


def _over_aiohttp(_base_url: httpx.URL) -> AiohttpTransport:
    return AiohttpTransport()
