"""Runs at the same time: whatever the order of their requests, one webhook of each name is left."""

from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle
from typing import Any

from attrs import evolve, field, frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.clocks import QuickClock
from webex_webhooks_async import (
    NewWebhook,
    NotFoundError,
    Result,
    RetryPolicy,
    TransportError,
    Webhook,
    WebhookUpdate,
    plan,
)
from webex_webhooks_async.client.planning import DesiredState
from webex_webhooks_async.client.reconciler import Reconciler

START = datetime(2024, 5, 17, 9, 30, tzinfo=UTC)

MESSAGES = NewWebhook(
    name="bot:messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
    secret="a secret",
)
CARDS = evolve(MESSAGES, name="bot:cards", resource="attachmentActions")
ANOTHER_URL = evolve(MESSAGES, target_url="https://elsewhere.example.com/hook")
ANOTHER_EVENT = evolve(MESSAGES, event="deleted")
VERSIONS = (MESSAGES, ANOTHER_URL, ANOTHER_EVENT)

MOST_REQUESTS = 60
"""No run sends more while up to three others do the same, in whichever order."""


class Turn:
    """Awaited, it lets the scheduler choose who goes on."""

    def __await__(self) -> Generator[None]:
        """Go on when it is this one's turn."""
        yield


class TurnClock(QuickClock):
    """A clock without waits: each request waits for its turn anyway."""

    async def sleep(self, seconds: float) -> None:
        """Take the time as passed."""
        self.slept.append(seconds)


@frozen
class Births:
    """When webhooks are created, and which ids they get.

    Attributes:
        milliseconds: When the first ones are created; each later one a second after the previous.
        ascending: Whether ids grow.
    """

    milliseconds: Sequence[int] = ()
    ascending: bool = True

    def created(self, number: int) -> datetime:
        """When the webhook of this number is created."""
        early = number < len(self.milliseconds)
        return START + timedelta(
            milliseconds=self.milliseconds[number] if early else 1_000 * (number + 1)
        )

    def webhook_id(self, number: int) -> str:
        """The id of the webhook of this number."""
        return f"W{number if self.ascending else 999 - number:03}"


@frozen
class Service:
    """Stores webhooks as Webex does; each request is one step.

    Attributes:
        births: When webhooks are created.
        webhooks: The webhooks, by number, in the order of creation.
    """

    births: Births
    webhooks: dict[str, Webhook] = field(factory=dict[str, Webhook])
    numbers: dict[str, int] = field(factory=dict[str, int])

    def add(self, webhook: NewWebhook, status: str = "active") -> Webhook:
        """Store a new webhook."""
        number = len(self.numbers)
        created = Webhook(
            id=self.births.webhook_id(number),
            name=webhook.name,
            target_url=webhook.target_url,
            resource=webhook.resource,
            event=webhook.event,
            secret=webhook.secret,
            status=status,
            created=self.births.created(number),
        )
        self.numbers[created.id] = number
        self.webhooks[created.id] = created
        return created

    def page(self, after: int) -> list[Webhook]:
        """The next two webhooks after this number."""
        return [each for each in self.webhooks.values() if self.numbers[each.id] > after][:2]


class Operations:
    """The operations of one run. Before each request, other runs may go on.

    Args:
        service: The service.
        lost: For each create whether its response is lost, and whether it was executed.
    """

    def __init__(self, service: Service, lost: Sequence[str] = ()) -> None:
        self._service = service
        self._lost = iter(lost)
        self.requests: Counter[str] = Counter()

    async def create(self, webhook: NewWebhook) -> Webhook:
        """Create a webhook."""
        await self._turn("create")
        lost = next(self._lost, "no")
        if lost == "not executed":
            raise TransportError("no response")
        created = self._service.add(webhook)
        if lost == "executed":
            raise TransportError("no response")
        return created

    async def get(self, webhook_id: str) -> Webhook:
        """Get a webhook."""
        await self._turn("get")
        return self._existing(webhook_id)

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Update a webhook."""
        await self._turn("update")
        updated = evolve(
            self._existing(webhook_id),
            target_url=update.target_url,
            secret=update.secret,
            status=update.status,
        )
        self._service.webhooks[webhook_id] = updated
        return updated

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        await self._turn("delete")
        del self._service.webhooks[self._existing(webhook_id).id]

    async def scan(self, owned_by: str | None) -> AsyncGenerator[Webhook]:
        """List the webhooks, two a page; between two pages, other runs may go on."""
        after = -1
        while True:
            await self._turn("list")
            page = self._service.page(after)
            for webhook in page:
                yield webhook
            if len(page) < 2:
                return
            after = self._service.numbers[page[-1].id]

    async def _turn(self, request: str) -> None:
        self.requests[request] += 1
        assert self.requests.total() <= MOST_REQUESTS
        await Turn()

    def _existing(self, webhook_id: str) -> Webhook:
        if webhook_id not in self._service.webhooks:
            raise NotFoundError(404)
        return self._service.webhooks[webhook_id]


async def ensure(operations: Operations, wanted: Sequence[NewWebhook]) -> Result:
    """Run `ensure`, again and again until it doesn't fail."""
    while True:  # bounded by the operations
        reconciler = Reconciler(
            operations,
            operations.scan,
            DesiredState.of(wanted, None),
            retry=RetryPolicy(attempts=2),
            clock=TurnClock(),
        )
        try:
            return await reconciler.apply(await reconciler.plan())
        except TransportError:
            pass


@frozen
class Schedule:
    """Which run sends its next request.

    Attributes:
        turns: Whose turn it is at first.
        rhythm: Whose turn it is after that, over and over.
    """

    turns: Sequence[int]
    rhythm: Sequence[int]


def interleaved(runs: Sequence[Coroutine[Any, None, Result]], schedule: Schedule) -> list[Result]:
    """Let the runs send one request each as scheduled, until all have ended."""
    results: dict[int, Result] = {}
    turns = chain(schedule.turns, cycle(schedule.rhythm))
    while unfinished := [each for each in range(len(runs)) if each not in results]:
        index = unfinished[next(turns) % len(unfinished)]
        try:
            runs[index].send(None)
        except StopIteration as stop:
            results[index] = stop.value
    return [results[index] for index in range(len(runs))]


def left(webhooks: Iterable[Webhook]) -> Counter[str]:
    """How many webhooks of each name are left."""
    return Counter(each.name for each in webhooks)


whose_turn = st.integers(0, 3)
schedules = st.builds(
    Schedule,
    turns=st.lists(whose_turn, max_size=60),
    rhythm=st.lists(whose_turn, min_size=1, max_size=8),
)
births = st.builds(
    Births,
    milliseconds=st.just(()) | st.lists(st.sampled_from([0, 1]), max_size=12),
    ascending=st.booleans(),
)
lost_responses = st.lists(st.sampled_from(["no", "executed", "not executed"]), max_size=4)
existing_webhooks = st.lists(
    st.tuples(st.sampled_from(VERSIONS), st.sampled_from(["active", "inactive"])), max_size=3
)


@given(count=st.integers(2, 4), schedule=schedules, births=births)
@settings(max_examples=100)
def test_first_starts_at_the_same_time_leave_one_of_each(
    count: int, schedule: Schedule, births: Births
) -> None:
    """Runs that want the same create it, see the duplicates, and keep the same one of each."""
    service = Service(births)
    wanted = [MESSAGES, CARDS]
    operations = [Operations(service) for _ in range(count)]
    results = interleaved([ensure(each, wanted) for each in operations], schedule)
    assert left(service.webhooks.values()) == {"bot:messages": 1, "bot:cards": 1}
    assert plan(wanted, service.webhooks.values()).pending == ()
    if not births.milliseconds:
        remaining = {each.name: each for each in service.webhooks.values()}
        assert [result.webhooks for result in results] == [remaining] * count
    assert max(each.requests["create"] for each in operations) == 2


@given(
    wanted=st.lists(st.sampled_from(VERSIONS), min_size=2, max_size=4),
    schedule=schedules,
    births=births,
    existing=existing_webhooks,
    lost=st.tuples(*[lost_responses] * 4),
)
@example(  # in lockstep, each would delete the other's webhook forever
    wanted=[MESSAGES, ANOTHER_EVENT],
    schedule=Schedule([], [0, 1]),
    births=Births(),
    existing=[],
    lost=[[], []],
)
@settings(max_examples=200)
def test_runs_that_want_different_things_leave_one(
    wanted: list[NewWebhook],
    schedule: Schedule,
    births: Births,
    existing: list[tuple[NewWebhook, str]],
    lost: Sequence[Sequence[str]],
) -> None:
    """Whatever exists before and whichever responses are lost, one wanted webhook is left."""
    service = Service(births)
    for each, status in existing:
        service.add(each, status)
    operations = [Operations(service, losses) for _, losses in zip(wanted, lost, strict=False)]
    runs = [ensure(each, [want]) for each, want in zip(operations, wanted, strict=True)]
    interleaved(runs, schedule)
    assert left(service.webhooks.values()) == {"bot:messages": 1}
    assert any(plan([each], service.webhooks.values()).pending == () for each in wanted)
