"""Fixtures for pytest, which finds them through the entry point.

Every pytest run loads this module wherever the package is installed, so it imports nothing heavy.
The fixtures aren't asynchronous, so they work with any plugin for asyncio, in any mode.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from webex_webhooks_async.client.client import Client
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox
    from webex_webhooks_async.testing import Sandbox, WebexClock


@pytest.fixture
def webex_sandbox() -> "Iterator[Sandbox]":
    """A fresh local Webex simulator. It never contacts another machine.

    At the end of the test it raises what handlers raised after the response, from an inbox or in
    a job, if no `next_reply` has raised it.
    """
    from webex_webhooks_async.testing import Sandbox  # noqa: PLC0415 - only its users pay

    sandbox = Sandbox()
    yield sandbox
    sandbox._replies.raise_unseen()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - a fixture ends what it begins


@pytest.fixture
def webex_client(webex_sandbox: "Sandbox") -> "Iterator[Client]":
    """A client that calls `webex_sandbox`; it is closed after the test."""
    import asyncio  # noqa: PLC0415 - only its users pay

    from webex_webhooks_async.client.client import Client  # noqa: PLC0415 - the same

    http_client = webex_sandbox.http_client()
    client = Client("sandbox-token", http_client=http_client)
    yield client
    # The test's own event loop may be closed by now.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(http_client.aclose())
    loop.close()


@pytest.fixture
def webex_clock(webex_sandbox: "Sandbox") -> "Iterator[WebexClock]":
    """The time of the test, which stands still until the test advances it.

    It is that of `webex_inbox`, of the inbox of ``WEBEX_INBOX``, of an integration whose variables
    name files, of `webex_sandbox`, and of ``context.now()``. Without this fixture, time is real.
    """
    from webex_webhooks_async.client.limiter import Clock  # noqa: PLC0415 - only its users pay
    from webex_webhooks_async.testing import WebexClock  # noqa: PLC0415 - the same

    clock = WebexClock(webex_sandbox)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "now", staticmethod(clock.now))
        yield clock


@pytest.fixture
def webex_inbox(tmp_path: "Path") -> "Iterator[SQLiteInbox]":
    """A `SQLiteInbox` in the `tmp_path` of the test, for a bot that asks or has jobs.

    ``WEBEX_INBOX`` is its file during the test, so a bot of `Bot.from_env` has an inbox there.
    """
    import asyncio  # noqa: PLC0415 - only its users pay

    from webex_webhooks_async.applications.inboxes import seconds  # noqa: PLC0415 - the same
    from webex_webhooks_async.client.environment import WEBEX_INBOX  # noqa: PLC0415 - the same
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox  # noqa: PLC0415 - the same

    path = tmp_path / "webex-inbox.db"
    inbox = SQLiteInbox(path, clock=seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WEBEX_INBOX, str(path))
        yield inbox
    loop = asyncio.new_event_loop()  # as above
    loop.run_until_complete(inbox.aclose())
    loop.close()
