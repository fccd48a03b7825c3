import asyncio
import logging
import tracemalloc
from typing import Any
from unittest.mock import AsyncMock

import pytest

from tests.notifications.doubles import (
    DownError,
    FailingDeduplicator,
    HeldDeduplicator,
    HeldLeases,
)
from tests.support.wire import until
from webex_webhooks_async.notifications.deduplication import Claim, MemoryDeduplicator
from webex_webhooks_async.notifications.in_flight import InFlight

pytestmark = pytest.mark.usefixtures("tasks")


async def cancel(task: "asyncio.Task[object]") -> None:
    """Cancel a task, and wait until it is cancelled."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class TestClaims:
    """Which calls a deduplicator gets."""

    async def test_a_claim_is_confirmed_or_released(self) -> None:
        """A claim is confirmed when the notification is done, and released when it isn't."""
        deduplicator = HeldDeduplicator()
        deduplicator.may_return.set()
        in_flight = InFlight(deduplicator)
        for key, done in (("a", True), ("b", False)):
            await in_flight.claim(key)
            await in_flight.finish(key, done=done)

        assert deduplicator.calls == ["claim", "confirm", "claim", "release"]
        assert deduplicator.claimed == {"a"}

    async def test_without_a_deduplicator_every_claim_is_granted(self) -> None:
        """Nothing is remembered, not even what is in flight."""
        in_flight = InFlight(None)

        assert [await in_flight.claim("a") for _ in range(2)] == [Claim.GRANTED] * 2

        for done in (True, False):
            await in_flight.finish("a", done=done)

    async def test_memory_stays_bounded(self) -> None:
        """After 50,000 distinct notifications no more is held than after the first 1,000."""
        in_flight = InFlight(MemoryDeduplicator(max_entries=1000))

        async def handle(numbers: range) -> int:
            for number in numbers:
                await in_flight.claim(f"{number:064}")
                await in_flight.finish(f"{number:064}", done=True)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            first = await handle(range(2_000))
            last = await handle(range(2_000, 50_000))
        finally:
            tracemalloc.stop()

        assert last < first + 20_000

    async def test_a_memory_deduplicator_needs_no_task(self) -> None:
        """A claim in memory creates no task, which would cost more than all the rest."""
        in_flight = InFlight(MemoryDeduplicator())
        before = asyncio.all_tasks()
        claiming = in_flight.claim("a")

        with pytest.raises(StopIteration) as ended:  # it never waits for the event loop
            claiming.send(None)

        assert ended.value.value is Claim.GRANTED

        with pytest.raises(StopIteration):
            in_flight.finish("a", done=True).send(None)

        assert asyncio.all_tasks() == before


class TestFailures:
    """What a failed call of the deduplicator leaves behind."""

    @pytest.mark.parametrize("returned", [True, False, None, 0, "granted", "done"])
    async def test_a_claim_is_a_claim(self, returned: object) -> None:
        """Whatever else a deduplicator returns is an error that says what to return."""
        deduplicator: Any = AsyncMock()
        deduplicator.claim.return_value = returned

        with pytest.raises(TypeError, match=f"claim returned {returned!r}, which isn't a Claim"):
            await InFlight(deduplicator).claim("a")

    async def test_a_claim_that_cannot_be_released_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If a claim stays behind, the log says so, and nothing is raised."""
        in_flight = InFlight(FailingDeduplicator("release"))
        await in_flight.claim("a")
        await in_flight.finish("a", done=False)

        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "a claim could not be released" in caplog.text

    async def test_what_is_done_but_not_confirmed_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If a notification that is done can't be remembered, the log says so."""
        in_flight = InFlight(FailingDeduplicator("confirm"))
        await in_flight.claim("a")
        await in_flight.finish("a", done=True)

        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "a copy of it may be handled again" in caplog.text

    async def test_what_a_claim_waits_for_may_be_cancelled(self) -> None:
        """A claim whose connection is cancelled has failed; the request isn't cancelled."""
        deduplicator = FailingDeduplicator("claim", error=asyncio.CancelledError())
        in_flight = InFlight(deduplicator)

        with pytest.raises(RuntimeError, match="what the deduplicator waited for was cancelled"):
            await in_flight.claim("a")

    @pytest.mark.parametrize(("fails", "done"), [("release", False), ("confirm", True)])
    async def test_what_a_finish_waits_for_may_be_cancelled(
        self, caplog: pytest.LogCaptureFixture, fails: str, *, done: bool
    ) -> None:
        """If its connection is cancelled, finishing a claim has failed, which is logged."""
        deduplicator = FailingDeduplicator(fails, error=asyncio.CancelledError())
        in_flight = InFlight(deduplicator)
        await in_flight.claim("a")
        await in_flight.finish("a", done=done)

        assert [record.levelname for record in caplog.records] == ["ERROR"]


class TestCancellation:
    """What a cancelled request leaves behind."""

    async def test_a_claim_for_a_cancelled_request_is_released(self) -> None:
        """A claim that is granted all the same is released, though nobody waits for it."""
        deduplicator = HeldDeduplicator()
        in_flight = InFlight(deduplicator)
        claiming = asyncio.create_task(in_flight.claim("a"))
        await until(lambda: deduplicator.calls == ["claim"])
        await cancel(claiming)
        deduplicator.may_return.set()
        await until(lambda: not in_flight.unfinished)

        assert (deduplicator.calls, deduplicator.claimed) == (["claim", "release"], set())

    async def test_a_claim_that_is_granted_at_the_same_moment_is_released(self) -> None:
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
        self, caplog: pytest.LogCaptureFixture, kind: type[HeldDeduplicator]
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
        self, caplog: pytest.LogCaptureFixture, error: BaseException
    ) -> None:
        """The log reports that the deduplicator failed, and mentions no claim."""
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
    async def test_a_finish_goes_on_when_its_request_is_cancelled(self, *, done: bool) -> None:
        """A claim is finished however often its request is cancelled meanwhile."""
        deduplicator = HeldDeduplicator()
        deduplicator.may_return.set()
        in_flight = InFlight(deduplicator)
        await in_flight.claim("a")
        deduplicator.may_return.clear()
        finishing = asyncio.create_task(in_flight.finish("a", done=done))
        await until(lambda: len(deduplicator.calls) == 2)
        await cancel(finishing)
        deduplicator.may_return.set()
        await until(lambda: not in_flight.unfinished)

        assert deduplicator.calls == ["claim", "confirm" if done else "release"]
        assert deduplicator.claimed == ({"a"} if done else set())

    async def test_a_cancelled_request_is_no_error_of_the_event_loop(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A call that fails after its request was cancelled is logged by the package alone."""
        caplog.set_level(logging.DEBUG, logger="asyncio")
        deduplicator = FailingDeduplicator("claim")
        deduplicator.may_return.clear()
        in_flight = InFlight(deduplicator)
        claiming = asyncio.create_task(in_flight.claim("a"))
        await until(lambda: deduplicator.calls == ["claim"])
        await cancel(claiming)
        deduplicator.may_return.set()
        await until(lambda: not in_flight.unfinished)

        assert {record.name for record in caplog.records} == {"webex_webhooks_async"}
