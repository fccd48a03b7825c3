"""Fixtures for pytest, found by it through the entry point.

Every pytest run loads this module wherever the package is installed, so it imports nothing heavy.
The fixtures aren't asynchronous, so they serve tests under any plugin for asyncio, in any mode.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webex_webhooks_async.client.client import Client
    from webex_webhooks_async.testing import Sandbox


@pytest.fixture
def webex_sandbox() -> "Sandbox":
    """A fresh embedded Webex."""
    from webex_webhooks_async.testing import Sandbox  # noqa: PLC0415 - only who uses it pays

    return Sandbox()


@pytest.fixture
def webex_client(webex_sandbox: "Sandbox") -> "Iterator[Client]":
    """A client that calls `webex_sandbox`; it is closed after the test."""
    import asyncio  # noqa: PLC0415 - only who uses it pays

    from webex_webhooks_async.client.client import Client  # noqa: PLC0415 - likewise

    http_client = webex_sandbox.http_client()
    client = Client("sandbox-token", http_client=http_client)
    yield client
    # The test's own event loop is gone, or not ours to use.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(http_client.aclose())
    loop.close()
