from pathlib import Path

import pytest

from tests.bot.doubles import Handlers, Webex
from tests.bot.talking import Talk
from tests.support.clocks import Time
from webex_webhooks_async import Client
from webex_webhooks_async.handling import inbox_worker
from webex_webhooks_async.testing import Sandbox


@pytest.fixture
def webex(webex_sandbox: Sandbox, webex_client: Client) -> Webex:
    """A local Webex, and a client that calls it."""
    return Webex(webex_sandbox, webex_client)


@pytest.fixture
def handlers() -> Handlers:
    """Handlers to register."""
    return Handlers()


@pytest.fixture
def talk(webex: Webex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """A bot that asks, and people to answer."""
    webex.sandbox.raise_handler_errors = False
    time = Time()
    monkeypatch.setattr(inbox_worker, "_sleep", time.sleep)
    return Talk(webex, tmp_path / "inbox.db", time)
