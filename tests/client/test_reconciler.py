"""Runs at the same time: whatever the order of their requests, one webhook of each name is left."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Sequence
from datetime import timedelta
from itertools import chain, cycle
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.clocks import START, QuickClock
from tests.support.keeping import CARDS, MESSAGES
from webex_webhooks_async import (
    NewWebhook,
    NotFoundError,
    RetryPolicy,
    TransportError,
    Webhook,
    Webhooks,
    WebhookUpdate,
    plan_webhooks,
)
from webex_webhooks_async.client.planning import DesiredState
from webex_webhooks_async.client.reconciler import Reconciler
from webex_webhooks_async.types import WebhookPlanResult

pytestmark = pytest.mark.once

ANOTHER_URL = evolve(MESSAGES, target_url="https://elsewhere.example.com/hook")
ANOTHER_EVENT = evolve(MESSAGES, event="deleted")
VERSIONS = (MESSAGES, ANOTHER_URL, ANOTHER_EVENT)

MOST_REQUESTS = 60
"""No run sends more while up to three others do the same, in whichever order."""

Schedule = tuple[Sequence[int], Sequence[int]]
"""Which run sends its next request: at first, and after that, over and over."""


@frozen
class Service:
    """Stores webhooks as Webex does."""

    milliseconds: Sequence[int] = ()  # when the first ones are created
    ascending: bool = True  # whether ids grow
    webhooks: dict[str, Webhook] = field(factory=dict[str, Webhook])
    numbers: dict[str, int] = field(factory=dict[str, int])  # of each webhook that was ever created

    def add(self, wanted: NewWebhook, status: str = "active") -> Webhook:
        number = len(self.numbers)
        early = number < len(self.milliseconds)
        milliseconds = self.milliseconds[number] if early else 1_000 * (number + 1)
        created = Webhook(
            id=f"W{number if self.ascending else 999 - number:03}",
            name=wanted.name,
            target_url=wanted.target_url,
            resource=wanted.resource,
            event=wanted.event,
            filter=wanted.filter,
            secret=wanted.secret,
            status=status,
            created=START + timedelta(milliseconds=milliseconds),
        )
        self.numbers[created.id] = number
        self.webhooks[created.id] = created
        return created

    def existing(self, webhook_id: str) -> Webhook:
        if webhook_id not in self.webhooks:
            raise NotFoundError(404)
        return self.webhooks[webhook_id]

    @property
    def left(self) -> Counter[str]:
        """How many webhooks of each name there are."""
        return Counter(each.name for each in self.webhooks.values())


class Run(Webhooks):
    """The operations of one run. Before each request, other runs may go on."""

    def __init__(self, service: Service, lost: Sequence[str] = ()) -> None:
        self._service = service
        self._lost = iter(lost)
        self.requests: Counter[str] = Counter()

    async def create(self, webhook: NewWebhook) -> Webhook:
        await self._turn("create")
        lost = next(self._lost, "no")
        if lost == "not executed":
            raise TransportError("no response")
        created = self._service.add(webhook)
        if lost == "executed":
            raise TransportError("no response")
        return created

    async def get(self, webhook_id: str) -> Webhook:
        await self._turn("get")
        return self._service.existing(webhook_id)

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        await self._turn("update")
        updated = evolve(
            self._service.existing(webhook_id),
            target_url=update.target_url,
            secret=update.secret,
            status=update.status,
        )
        self._service.webhooks[webhook_id] = updated
        return updated

    async def delete(self, webhook_id: str) -> None:
        await self._turn("delete")
        del self._service.webhooks[self._service.existing(webhook_id).id]

    async def _scan(self, owned_by: str | None) -> AsyncGenerator[Webhook]:  # type: ignore[override] # as the reconciler reads it
        """List the webhooks, two a page; between two pages, other runs may go on."""
        numbers, after = self._service.numbers, -1
        while True:
            await self._turn("list")
            page = [each for each in self._service.webhooks.values() if numbers[each.id] > after]
            for webhook in page[:2]:
                yield webhook
            if len(page) < 2:
                return
            after = numbers[page[1].id]

    async def _turn(self, request: str) -> None:
        self.requests[request] += 1
        assert self.requests.total() <= MOST_REQUESTS
        await asyncio.sleep(0)  # the scheduler chooses who goes on


async def ensure(operations: Run, wanted: Sequence[NewWebhook]) -> WebhookPlanResult:
    """Run `ensure`, again and again until it doesn't fail."""
    while True:  # bounded by the operations
        reconciler = Reconciler(operations, retry=RetryPolicy(attempts=2), clock=QuickClock())
        try:
            return await reconciler.apply(await reconciler.plan(DesiredState.of(wanted, None)))
        except TransportError:
            pass


def interleaved(
    runs: Sequence[Coroutine[Any, Any, WebhookPlanResult]], schedule: Schedule
) -> list[WebhookPlanResult]:
    """Let the runs send one request each as scheduled, until all have ended."""
    results: dict[int, WebhookPlanResult] = {}
    first, then = schedule
    turns = chain(first, cycle(then))
    while unfinished := [each for each in range(len(runs)) if each not in results]:
        index = unfinished[next(turns) % len(unfinished)]
        try:
            runs[index].send(None)
        except StopIteration as stop:
            results[index] = stop.value
    return [results[index] for index in range(len(runs))]


whose_turn = st.integers(0, 3)
schedules = st.tuples(
    st.lists(whose_turn, max_size=60), st.lists(whose_turn, min_size=1, max_size=8)
)
services = st.builds(
    Service,
    milliseconds=st.just(()) | st.lists(st.sampled_from([0, 1]), max_size=12),
    ascending=st.booleans(),
)
lost_responses = st.lists(st.sampled_from(["no", "executed", "not executed"]), max_size=4)
existing_webhooks = st.lists(
    st.tuples(st.sampled_from(VERSIONS), st.sampled_from(["active", "inactive"])), max_size=3
)


@given(count=st.integers(2, 4), schedule=schedules, service=services)
def test_first_starts_at_the_same_time_leave_one_of_each(
    count: int, schedule: Schedule, service: Service
) -> None:
    """Runs that want the same create it, see the duplicates, and keep the same one of each."""
    wanted = [MESSAGES, CARDS]
    operations = [Run(service) for _ in range(count)]
    results = interleaved([ensure(each, wanted) for each in operations], schedule)
    assert service.left == {"bot:messages": 1, "bot:cards": 1}
    assert plan_webhooks(wanted, service.webhooks.values()).pending == ()
    if not service.milliseconds:
        remaining = {each.name: each for each in service.webhooks.values()}
        assert [result.webhooks for result in results] == [remaining] * count
    assert max(each.requests["create"] for each in operations) == 2


@given(
    wanted=st.lists(st.sampled_from(VERSIONS), min_size=2, max_size=4),
    schedule=schedules,
    service=services,
    existing=existing_webhooks,
    lost=st.tuples(*[lost_responses] * 4),
)
@example(  # in lockstep, each would delete the other's webhook forever
    wanted=[MESSAGES, ANOTHER_EVENT],
    schedule=([], [0, 1]),
    service=Service(),
    existing=[],
    lost=[[], []],
)
def test_runs_that_want_different_things_leave_one(
    wanted: list[NewWebhook],
    schedule: Schedule,
    service: Service,
    existing: list[tuple[NewWebhook, str]],
    lost: Sequence[Sequence[str]],
) -> None:
    """Whatever exists before and whichever responses are lost, one wanted webhook is left."""
    for each, status in existing:
        service.add(each, status)
    operations = [Run(service, losses) for _, losses in zip(wanted, lost, strict=False)]
    runs = [ensure(each, [want]) for each, want in zip(operations, wanted, strict=True)]
    interleaved(runs, schedule)
    assert service.left == {"bot:messages": 1}
    assert any(plan_webhooks([each], service.webhooks.values()).pending == () for each in wanted)
