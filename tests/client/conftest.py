from collections.abc import AsyncGenerator

import pytest

from tests.support.keeping import webhooks_on
from webex_webhooks_async import Webhooks
from webex_webhooks_async.testing import Sandbox


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty sandbox."""
    return Sandbox()


@pytest.fixture
async def webhooks(sandbox: Sandbox) -> AsyncGenerator[Webhooks]:
    """The webhooks of a client of the sandbox."""
    async with webhooks_on(sandbox) as webhooks:
        yield webhooks
