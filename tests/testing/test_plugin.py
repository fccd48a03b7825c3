import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 100  # seconds

LOOP_SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]
"""Without it pytest-asyncio warns."""


USERS_TESTS = """
import pytest
from webex_webhooks_async import Client, NewWebhook
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
async def test_create(webex_client: Client, webex_sandbox: Sandbox) -> None:
    clients.append(webex_client)
    await webex_client.webhooks.create(
        NewWebhook(name="n", target_url="https://t", resource="messages", event="created")
    )
    assert len(webex_sandbox.webhooks) == 1

@pytest.mark.{marker}
async def test_it_was_closed() -> None:
    with pytest.raises(RuntimeError, match="this client is closed"):
        await clients[0].webhooks.list()
    assert [each.is_closed for each in http_clients] == [True]
"""

NOT_ASYNCIO = """
import asyncio

async def use(webex_client):
    await webex_client.webhooks.list()

def test_list(webex_client, webex_sandbox) -> None:
    asyncio.run(use(webex_client))
    assert len(webex_sandbox.requests) == 1
"""


def run_pytest(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module with pytest in a process of its own, with warnings as errors."""
    (folder / "test_users.py").write_text(source)
    in_order = ["-p", "no:cacheprovider", "-p", "no:randomly"]  # the second test looks at the first
    command = [sys.executable, "-m", "pytest", "-W", "error", *in_order, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    ("marker", "arguments"),
    [
        ("asyncio", ["-o", "asyncio_mode=strict", *LOOP_SCOPE]),
        pytest.param("anyio", ["-p", "no:asyncio", "-k", "not trio"], marks=pytest.mark.once),
    ],
    ids=["pytest-asyncio", "anyio"],
)
def test_any_plugin_for_asyncio(tmp_path: Path, marker: str, arguments: list[str]) -> None:
    """The fixtures work with each plugin, and the client is closed after each test."""
    result = run_pytest(tmp_path, USERS_TESTS.replace("{marker}", marker), *arguments)

    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


def test_no_plugin_for_asyncio(tmp_path: Path) -> None:
    """The fixtures work in a test that runs its own event loop."""
    result = run_pytest(tmp_path, NOT_ASYNCIO, "-p", "no:asyncio", "-p", "no:anyio")

    assert result.returncode == 0, result.stdout


def test_loading_the_plugin_loads_nothing_else() -> None:
    """A pytest run that doesn't use the fixtures doesn't pay for them."""
    source = "import sys, webex_webhooks_async.testing.plugin; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout.split()

    assert {"asyncio", "attrs", "cattrs", "httpx", "starlette", "uvicorn"}.isdisjoint(loaded)


NO_NETWORK = """
import asyncio
import socket
import pytest

def refuse(*args, **kwargs):
    raise AssertionError(f"the network was used: {args}")

@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "gethostbyname", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
"""

OFFLINE_TESTS = """
from webex_webhooks_async import NewWebhook

async def test_a_bot(webex_client, webex_sandbox):
    for host in ("bot.example.com", "192.0.2.1"):
        await webex_client.webhooks.create(
            NewWebhook(
                name=host, target_url=f"https://{host}/", resource="messages", event="created"
            )
        )
    for delivery in await webex_sandbox.say("Hello"):
        assert delivery.error.startswith("not sent, because ")
    assert len(webex_sandbox.deliveries) == 2

async def test_the_guard_works():
    import httpx
    async with httpx.AsyncClient() as client:
        try:
            await client.get("http://bot.example.com/")
        except (AssertionError, httpx.TransportError) as error:
            assert "the network was used" in repr(error) + repr(error.__cause__)
        else:
            raise RuntimeError("nothing guards the network")
"""


def test_the_fixtures_use_no_network(tmp_path: Path) -> None:
    """A test that uses the fixtures makes no DNS look-up and no connection."""
    (tmp_path / "conftest.py").write_text(NO_NETWORK)

    result = run_pytest(tmp_path, OFFLINE_TESTS, "-o", "asyncio_mode=auto", *LOOP_SCOPE)

    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout
