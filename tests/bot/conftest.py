import pytest

from tests.bot.doubles import Handlers, Webex
from webex_webhooks_async import Client
from webex_webhooks_async.testing import Sandbox


@pytest.fixture
def webex(webex_sandbox: Sandbox, webex_client: Client) -> Webex:
    """A local Webex, and a client that calls it."""
    return Webex(webex_sandbox, webex_client)


@pytest.fixture
def handlers() -> Handlers:
    """Handlers to register."""
    return Handlers()
