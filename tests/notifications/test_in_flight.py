import asyncio
import logging

import pytest

from tests.notifications.doubles import (
    DownError,
    FailingDeduplicator,
    HeldDeduplicator,
    HeldLeases,
)
from tests.support.wire import until
from webex_webhooks_async.notifications.deduplication import InFlight

pytestmark = pytest.mark.usefixtures("tasks")


async def cancel(task: "asyncio.Task[object]") -> None:
    """Cancel a task, and wait until it is cancelled."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_claim_that_is_granted_at_the_same_moment_is_released() -> None:
    """A request that is cancelled just after its claim was granted leaves no claim."""
    deduplicator = HeldDeduplicator()
    deduplicator.may_return.set()
    in_flight = InFlight(deduplicator)
    claiming = asyncio.create_task(in_flight.claim("a"))
    await until(lambda: deduplicator.claimed == {"a"})
    await cancel(claiming)
    await until(lambda: not in_flight.unfinished)

    assert (deduplicator.calls, deduplicator.claimed) == (["claim", "release"], set())


@pytest.mark.parametrize("kind", [HeldDeduplicator, HeldLeases])
async def test_a_cancelled_request_releases_nothing_of_others(
    caplog: pytest.LogCaptureFixture, kind: type[HeldDeduplicator]
) -> None:
    """A claim that isn't granted isn't released: someone else holds it."""
    deduplicator = kind()
    deduplicator.claimed.add("a")
    in_flight = InFlight(deduplicator)
    claiming = asyncio.create_task(in_flight.claim("a"))
    await until(lambda: deduplicator.calls == ["claim"])
    await cancel(claiming)
    deduplicator.may_return.set()
    await until(lambda: not in_flight.unfinished)

    assert (deduplicator.calls, deduplicator.claimed) == (["claim"], {"a"})
    assert caplog.records == []


@pytest.mark.parametrize("error", [DownError(), asyncio.CancelledError()])
async def test_a_claim_that_fails_for_a_cancelled_request_claims_nothing(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """The package alone logs that the deduplicator failed, and mentions no claim."""
    caplog.set_level(logging.DEBUG, logger="asyncio")
    deduplicator = FailingDeduplicator("claim", error=error)
    deduplicator.may_return.clear()
    in_flight = InFlight(deduplicator)
    claiming = asyncio.create_task(in_flight.claim("a"))
    await until(lambda: deduplicator.calls == ["claim"])
    await cancel(claiming)
    deduplicator.may_return.set()
    await until(lambda: not in_flight.unfinished)

    assert [record.getMessage() for record in caplog.records] == [
        "the deduplicator failed for a request that was cancelled"
    ]


@pytest.mark.parametrize("done", [True, False])
async def test_a_finish_goes_on_when_its_request_is_cancelled(*, done: bool) -> None:
    """A claim is finished however often its request is cancelled meanwhile."""
    deduplicator = HeldDeduplicator()
    deduplicator.may_return.set()
    in_flight = InFlight(deduplicator)
    await in_flight.claim("a")
    deduplicator.may_return.clear()
    finish = in_flight.confirm if done else in_flight.release
    finishing = asyncio.create_task(finish("a"))
    await until(lambda: len(deduplicator.calls) == 2)
    await cancel(finishing)
    deduplicator.may_return.set()
    await until(lambda: not in_flight.unfinished)

    assert deduplicator.calls == ["claim", "confirm" if done else "release"]
    assert deduplicator.claimed == ({"a"} if done else set())
