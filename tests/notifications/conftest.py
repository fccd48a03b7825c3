import asyncio
from collections.abc import AsyncGenerator

import pytest

FACTORIES = {
    "lazy": None,
    "eager": getattr(asyncio, "eager_task_factory", None),  # since Python 3.12
}


@pytest.fixture(params=[name for name, each in FACTORIES.items() if name == "lazy" or each])
async def tasks(request: pytest.FixtureRequest) -> AsyncGenerator[str, None]:
    """Run a test with tasks that start later, and with tasks that start at once."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(FACTORIES[request.param])
    yield request.param
    loop.set_task_factory(None)
