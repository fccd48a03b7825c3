"""Settings of the whole suite."""

import os

import pytest
from hypothesis import settings

# A machine under load is slow: time is pytest-timeout's to watch. Hypothesis' own settings for CI,
# which it takes there by itself (the same examples every time), stay in force.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies of the machine away: what the tests call is on it."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
