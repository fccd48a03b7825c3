import asyncio
from collections.abc import AsyncGenerator

import pytest

EAGER = getattr(asyncio, "eager_task_factory", None)  # since Python 3.12


@pytest.fixture(params=["lazy", "eager"] if EAGER else ["lazy"])
async def tasks(request: pytest.FixtureRequest) -> AsyncGenerator[None]:
    """Run a test with tasks that start later, and with tasks that start at once."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(EAGER if request.param == "eager" else None)
    yield
    loop.set_task_factory(None)
