import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import PurePath
from types import ModuleType

import pytest

from tests.examples.serving import EXAMPLES, Import, Run, import_again, settings_of
from tests.support.stage import Stage, stage
from webex_webhooks_async.testing import Sandbox


@pytest.fixture
async def base_url(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[str]:
    """Serve the sandbox, and name it in the environment, with what else a bot reads there."""
    async with webex_sandbox.serve() as url:
        for name, value in settings_of(url).items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture
def import_example(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Import:
    """Import a program that calls the sandbox, with further settings in its environment."""

    def import_it(path: str, **settings: str) -> ModuleType:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return import_again(EXAMPLES / path, monkeypatch)

    return import_it


@pytest.fixture
def run_example(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a program, with further settings in its environment."""

    @asynccontextmanager
    async def run_it(path: str, **settings: str) -> AsyncGenerator[ModuleType]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        async with webex_sandbox.run(str(EXAMPLES / path)):
            yield sys.modules[PurePath(path).stem]

    return run_it


@pytest.fixture
async def bot(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Stage]:
    """Set up where a bot of several processes runs; its parameter is further settings."""
    async with stage(**getattr(request, "param", {})) as empty:
        for name, value in empty.settings.items():
            monkeypatch.setenv(name, value)
        yield empty
