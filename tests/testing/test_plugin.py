import subprocess
import sys

import pytest

from tests.support.wire import PATIENCE

pytest_plugins = ["pytester"]

USERS_TESTS = """
import os

import asyncio
import pytest
from webex_webhooks_async import Client, NewWebhook, SQLiteInbox
from webex_webhooks_async.testing import Sandbox

clients = []
http_clients = []

class Watched(Sandbox):
    def http_client(self):
        http_clients.append(super().http_client())
        return http_clients[-1]

@pytest.fixture
def webex_sandbox() -> Sandbox:
    return Watched()

@pytest.mark.{marker}
async def test_offline(webex_client: Client, webex_sandbox: Sandbox) -> None:
    clients.append(webex_client)
    for host in ("bot.example.com", "192.0.2.1"):
        await webex_client.webhooks.create(
            NewWebhook(
                name=host, target_url=f"https://{host}/", resource="messages", event="created"
            )
        )
    for delivery in await webex_sandbox.say("Hello"):
        assert delivery.error.startswith("not sent, because ")
    assert len(webex_sandbox.deliveries) == 2

@pytest.mark.{marker}
async def test_it_was_closed() -> None:
    with pytest.raises(RuntimeError, match="this client is closed"):
        await clients[0].webhooks.list()
    assert [each.is_closed for each in http_clients] == [True]

@pytest.mark.{marker}
async def test_inbox(webex_inbox: SQLiteInbox) -> None:
    assert await webex_inbox.put("key", b"body")  # each test has its own, which is empty
    assert (await webex_inbox.take()).body == b"body"
    same = SQLiteInbox(os.environ["WEBEX_INBOX"])  # as `Bot.from_env` makes it
    assert not await same.put("key", b"body")
    await same.aclose()

def test_an_event_loop_of_its_own(webex_client: Client, webex_sandbox: Sandbox) -> None:
    async def use() -> None:
        await webex_client.webhooks.list()

    asyncio.run(use())
    assert len(webex_sandbox.requests) == 1
"""


@pytest.mark.parametrize(
    ("marker", "arguments"),
    [
        (
            "asyncio",
            # Without the scope pytest-asyncio warns.
            ["-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function"],
        ),
        pytest.param("anyio", ["-p", "no:asyncio", "-k", "not trio"], marks=pytest.mark.once),
    ],
    ids=["pytest-asyncio", "anyio"],
)
def test_any_plugin_for_asyncio(
    pytester: pytest.Pytester, marker: str, arguments: list[str]
) -> None:
    """The fixtures work with each plugin and without one, close the client, and stay offline."""
    pytester.makepyfile(USERS_TESTS.replace("{marker}", marker))
    in_order = ["-p", "no:cacheprovider", "-p", "no:randomly"]  # the second test looks at the first

    # Without the second one, it warns of the plugins that this process has loaded.
    warnings = ["-W", "error", "-W", "ignore::pytest.PytestAssertRewriteWarning"]

    result = pytester.runpytest_inprocess(*warnings, *in_order, *arguments)

    assert (result.ret, result.parseoutcomes()["passed"]) == (0, 4)


def test_loading_the_plugin_loads_nothing_else() -> None:
    """A pytest run that doesn't use the fixtures doesn't pay for them."""
    source = "import sys, webex_webhooks_async.testing.plugin; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout.split()

    assert {"asyncio", "attrs", "cattrs", "httpx", "starlette", "uvicorn"}.isdisjoint(loaded)
