import asyncio
import tracemalloc

import pytest

from tests.notifications.doubles import DownError, FailingDeduplicator, HeldDeduplicator
from tests.support.wire import until
from webex_webhooks_async.errors import InProgressError
from webex_webhooks_async.notifications.deduplication import MemoryDeduplicator
from webex_webhooks_async.notifications.in_flight import InFlight


async def test_what_is_in_hand_is_known_after_it_was_forgotten() -> None:
    """A copy of what is being handled isn't granted, even if the deduplicator forgot the claim."""
    claims = InFlight(MemoryDeduplicator(max_entries=1))
    await claims.claim("a")
    await claims.claim("b")

    assert not await claims.claim("a")

    await claims.settle("a", done=True)

    assert await claims.claim("a")


async def test_what_someone_else_handles_is_not_ours() -> None:
    """Two receivers that share a deduplicator handle a notification once between them."""
    shared = MemoryDeduplicator()
    ours, theirs = InFlight(shared), InFlight(shared)

    assert [await ours.claim("a"), await theirs.claim("a")] == [True, False]

    await ours.settle("a", done=False)

    assert [await theirs.claim("a"), await ours.claim("a")] == [True, False]


async def test_a_deduplicator_that_is_down_leaves_nothing_behind() -> None:
    """After a claim that failed, the key can be claimed."""
    deduplicator = FailingDeduplicator("claim")
    claims = InFlight(deduplicator)
    with pytest.raises(DownError):
        await claims.claim("a")
    deduplicator.fails.clear()

    assert await claims.claim("a")


async def test_a_claim_that_cannot_be_given_back_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """If a claim stays behind, the log says so, and nothing is raised."""
    claims = InFlight(FailingDeduplicator("release"))
    await claims.claim("a")
    await claims.settle("a", done=False)

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a claim could not be given back" in caplog.text


async def test_without_a_deduplicator_every_claim_is_granted() -> None:
    """Nothing is remembered, not even what is in hand."""
    claims = InFlight(None)

    assert [await claims.claim("a"), await claims.claim("a")] == [True, True]

    for done in (True, False):
        await claims.settle("a", done=done)


async def test_memory_stays_where_the_bound_says() -> None:
    """After 50,000 distinct notifications no more is held than after the first 1,000."""
    claims = InFlight(MemoryDeduplicator(max_entries=1000))

    async def handle(numbers: range) -> int:
        for number in numbers:
            await claims.claim(f"{number:064}")
            await claims.settle(f"{number:064}", done=True)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = await handle(range(2_000))
        last = await handle(range(2_000, 50_000))
    finally:
        tracemalloc.stop()

    assert last < first + 20_000


async def cancel(task: "asyncio.Task[object]") -> None:
    """Cancel a task, and wait until it has ended so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_request_that_is_cancelled_while_it_claims() -> None:
    """A claim that was made all the same is given back, though nobody waits for it any more."""
    deduplicator = HeldDeduplicator()
    claims = InFlight(deduplicator)
    claiming = asyncio.create_task(claims.claim("a"))
    await until(lambda: deduplicator.asked == ["claim"])
    await cancel(claiming)

    assert not await claims.claim("a")

    deduplicator.answers.set()
    await until(lambda: not claims.being_settled)

    assert deduplicator.claimed == set()
    assert await claims.claim("a")


async def test_a_cancelled_request_gives_back_nothing_of_others() -> None:
    """A claim that wasn't granted isn't given back: it is someone else's."""
    deduplicator = HeldDeduplicator()
    deduplicator.claimed.add("a")
    claims = InFlight(deduplicator)
    claiming = asyncio.create_task(claims.claim("a"))
    await until(lambda: deduplicator.asked == ["claim"])
    await cancel(claiming)
    deduplicator.answers.set()
    await until(lambda: not claims.being_settled)

    assert (deduplicator.asked, deduplicator.claimed) == (["claim"], {"a"})


async def test_a_request_that_is_cancelled_while_it_gives_back() -> None:
    """A claim is given back however often the request is cancelled meanwhile."""
    deduplicator = HeldDeduplicator()
    deduplicator.answers.set()
    claims = InFlight(deduplicator)
    await claims.claim("a")
    deduplicator.answers.clear()
    settling = asyncio.create_task(claims.settle("a", done=False))
    await until(lambda: deduplicator.asked == ["claim", "release"])
    await cancel(settling)
    deduplicator.answers.set()
    await until(lambda: not claims.being_settled)

    assert deduplicator.claimed == set()
    assert await claims.claim("a")


class HeldLeases(HeldDeduplicator):
    """Leases over a network: it does at once what it is asked, and tells it later.

    Attributes:
        confirmed: What is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.confirmed: set[str] = set()

    async def claim(self, key: str) -> bool:
        """Lease the key."""
        granted = await super().claim(key)
        if not granted and key not in self.confirmed:
            raise InProgressError
        return granted

    async def confirm(self, key: str) -> None:
        """Remember the key as done."""
        self.asked.append("confirm")
        await self.answers.wait()
        self.confirmed.add(key)


class FailingLeases(FailingDeduplicator):
    """Leases that can't be confirmed."""

    async def confirm(self, key: str) -> None:
        """Fail."""
        raise DownError


async def test_what_is_done_is_confirmed() -> None:
    """A lease is confirmed when the notification is done, and given back when it isn't."""
    deduplicator = HeldLeases()
    deduplicator.answers.set()
    claims = InFlight(deduplicator)
    for key, done in (("a", True), ("b", False)):
        await claims.claim(key)
        await claims.settle(key, done=done)

    assert (deduplicator.confirmed, deduplicator.claimed) == ({"a"}, {"a"})
    assert [await claims.claim("a"), await claims.claim("b")] == [False, True]


async def test_a_copy_of_what_is_in_hand_is_no_copy_yet() -> None:
    """Where another may have to do it, a copy of what is being handled isn't taken for handled."""
    deduplicator = HeldLeases()
    deduplicator.answers.set()
    claims = InFlight(deduplicator)
    await claims.claim("a")
    deduplicator.claimed.clear()  # as when the lease expires

    with pytest.raises(InProgressError):
        await claims.claim("a")


async def test_a_lease_of_another_leaves_nothing_behind() -> None:
    """What another was handling can be claimed when that one has given up."""
    deduplicator = HeldLeases()
    deduplicator.answers.set()
    deduplicator.claimed.add("a")
    claims = InFlight(deduplicator)
    with pytest.raises(InProgressError):
        await claims.claim("a")
    deduplicator.claimed.clear()

    assert await claims.claim("a")


async def test_what_is_done_but_not_confirmed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """If it can't be remembered that something was done, the log says so, and nothing is raised."""
    claims = InFlight(FailingLeases())
    await claims.claim("a")
    await claims.settle("a", done=True)

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a copy of it may be handled again" in caplog.text
    assert await claims.claim("a")


async def test_a_cancelled_request_has_nothing_to_give_back_of_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When nobody waits any more, a lease that is another's is no event."""
    deduplicator = HeldLeases()
    deduplicator.claimed.add("a")
    claims = InFlight(deduplicator)
    claiming = asyncio.create_task(claims.claim("a"))
    await until(lambda: deduplicator.asked == ["claim"])
    await cancel(claiming)
    deduplicator.answers.set()
    await until(lambda: not claims.being_settled)

    assert (deduplicator.asked, deduplicator.claimed) == (["claim"], {"a"})
    assert caplog.records == []


async def test_a_request_that_is_cancelled_while_it_confirms() -> None:
    """What is done is confirmed however often the request is cancelled meanwhile."""
    deduplicator = HeldLeases()
    deduplicator.answers.set()
    claims = InFlight(deduplicator)
    await claims.claim("a")
    deduplicator.answers.clear()
    settling = asyncio.create_task(claims.settle("a", done=True))
    await until(lambda: deduplicator.asked == ["claim", "confirm"])
    await cancel(settling)
    deduplicator.answers.set()
    await until(lambda: not claims.being_settled)

    assert deduplicator.confirmed == {"a"}
    assert not await claims.claim("a")
