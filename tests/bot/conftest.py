from pathlib import Path

import pytest

from tests.bot.doubles import Handlers, Webex
from tests.bot.talking import Talk
from tests.support.clocks import Time, timed
from webex_webhooks_async import Bot, Client
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
def talk(webex: Webex, tmp_path: Path) -> Talk:
    """A bot that asks, and people to answer."""
    webex.sandbox.raise_handler_errors = False
    time = Time()
    webex.bots = timed(Bot, sleep=time.sleep)
    return Talk(webex, tmp_path / "inbox.db", time)
