import asyncio
import logging
import warnings
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.support.clocks import QuickClock, StoppedClock
from tests.support.keeping import Interference, webhooks_on
from webex_webhooks_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    NewWebhook,
    PermissionDeniedError,
    Result,
    RetryPolicy,
    WebhookPlanWarning,
    Webhooks,
    WebhookUpdate,
)
from webex_webhooks_async.testing import Sandbox

SECRET = "a secret"

MESSAGES = NewWebhook(
    name="bot:messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
    secret=SECRET,
)
CARDS = evolve(MESSAGES, name="bot:cards", resource="attachmentActions")


@frozen
class Watched:
    """A watch under way, and what is around it.

    Attributes:
        sandbox: The Webex that it watches.
        others: Its webhooks, for what others do to them.
        clock: The time of the watch.
        results: What it has yielded so far.
        task: The watch.
    """

    sandbox: Sandbox
    others: Webhooks
    clock: StoppedClock
    results: list[Result]
    task: "asyncio.Task[None]"

    async def round_ends(self) -> None:
        """Wait until the watch waits, or has ended."""
        for _ in range(10_000):
            if self.clock.sleepers or self.task.done():
                return
            await asyncio.sleep(0)
        raise AssertionError("the watch neither waits nor ends")

    async def later(self, seconds: float) -> None:
        """Let time pass, and the watch do what it does then."""
        self.clock.advance(seconds)
        await asyncio.sleep(0)
        await self.round_ends()

    async def switch_off(self) -> None:
        """Do to the first webhook what Webex does after too many failures."""
        webhook = self.sandbox.webhooks[0]
        await self.others.update(webhook.id, WebhookUpdate.of(webhook, status="inactive"))

    @property
    def actions(self) -> list[list[tuple[str, str]]]:
        """What was done to which name, by result."""
        return [[(each.action, each.name) for each in result.changes] for result in self.results]

    @property
    def statuses(self) -> list[str | None]:
        """The statuses of the webhooks that are there."""
        return [webhook.status for webhook in self.sandbox.webhooks]


@asynccontextmanager
async def watch_of(
    sandbox: Sandbox, *wanted: NewWebhook, every: float = 100.0, prune: str | None = None
) -> AsyncGenerator[Watched]:
    """A watch that has done its first round. Nothing is retried, so it takes its own measures."""
    clock = StoppedClock()
    results: list[Result] = []
    async with (
        webhooks_on(sandbox, clock=clock, retry=RetryPolicy.none()) as webhooks,
        webhooks_on(sandbox) as others,
        aclosing(webhooks.watch(wanted, every=every, prune=prune)) as watching,
    ):

        async def collect() -> None:
            async for result in watching:
                results.append(result)  # noqa: PERF401 - each is to be seen when it comes

        task = asyncio.create_task(collect())
        watched = Watched(sandbox, others, clock, results, task)
        try:
            await watched.round_ends()
            yield watched
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty Webex."""
    return Sandbox()


@pytest.fixture
async def watched(sandbox: Sandbox) -> AsyncGenerator[Watched]:
    """A watch for two webhooks, every hundred seconds."""
    async with watch_of(sandbox, MESSAGES, CARDS) as watched:
        yield watched


async def test_it_starts_at_once(watched: Watched) -> None:
    """The first round comes before any waiting, and yields what it did."""
    assert watched.actions == [[("create", "bot:messages"), ("create", "bot:cards")]]
    assert tuple(watched.results[0].webhooks.values()) == watched.sandbox.webhooks


async def test_it_yields_only_when_something_was_changed(watched: Watched) -> None:
    """Round after round nothing comes, until something had to be done."""
    await watched.later(100.0)
    await watched.later(100.0)
    assert len(watched.results) == 1
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    await watched.later(100.0)
    assert watched.actions[1:] == [[("create", "bot:messages")]]
    assert watched.results[1].webhooks.keys() == {"bot:messages", "bot:cards"}


async def test_it_looks_every_so_often(watched: Watched) -> None:
    """Between two looks it sends nothing."""
    before = len(watched.sandbox.requests)
    await watched.later(99.0)
    assert len(watched.sandbox.requests) == before
    await watched.later(1.0)
    assert [each.method for each in watched.sandbox.requests[before:]] == ["GET"]


async def test_it_prunes(sandbox: Sandbox) -> None:
    """What comes under the prefix goes again."""
    async with watch_of(sandbox, MESSAGES, prune="bot:") as watched:
        await watched.others.create(CARDS)
        await watched.later(100.0)
        assert watched.actions[1:] == [[("delete", "bot:cards")]]


async def test_it_looks_every_five_minutes_unless_told_otherwise(sandbox: Sandbox) -> None:
    """The default is 300 seconds."""
    clock = QuickClock()
    async with (
        webhooks_on(sandbox, clock=clock) as webhooks,
        aclosing(webhooks.watch([MESSAGES])) as watching,
    ):
        await anext(watching)
        await webhooks.delete(sandbox.webhooks[0].id)
        await anext(watching)
    assert clock.slept == [300.0]


# Outages


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        pytest.param({"drop": True}, 100.0, id="no answer"),
        pytest.param({"status": 500}, 100.0, id="500"),
        pytest.param({"status": 503}, 100.0, id="503"),
        pytest.param({"status": 429}, 100.0, id="429"),
        pytest.param({"status": 429, "retry_after": 50}, 100.0, id="429 for a while"),
        pytest.param({"status": 429, "retry_after": 3600}, 3600.0, id="429 for long"),
        pytest.param({"status": 423, "retry_after": 200}, 200.0, id="423"),
    ],
)
async def test_it_survives_an_outage(
    watched: Watched, fault: dict[str, Any], pause: float, caplog: pytest.LogCaptureFixture
) -> None:
    """What passes is waited for, as long as Webex asks, and logged; then all is mended."""
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    watched.sandbox.fail(**fault)
    await watched.later(100.0)
    assert (watched.clock.slept[-1], len(watched.results)) == (pause, 1)
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "webhooks could not be kept: GET /v1/webhooks: " in record.getMessage()
    await watched.later(pause)
    assert watched.actions[1:] == [[("create", "bot:messages")]]


async def test_it_survives_an_outage_at_the_start(sandbox: Sandbox) -> None:
    """A bot may start before Webex can be reached."""
    sandbox.fail(drop=True, times=2)
    async with watch_of(sandbox, MESSAGES) as watched:
        await watched.later(100.0)
        assert watched.results == []
        await watched.later(100.0)
        assert watched.actions == [[("create", "bot:messages")]]


async def test_what_was_changed_before_an_outage_is_told_after_it(sandbox: Sandbox) -> None:
    """A round that breaks off in the middle has changed something: the next result has it."""
    sandbox.fail(status=500, method="DELETE")
    async with webhooks_on(sandbox) as others:
        await others.create(evolve(MESSAGES, name="bot:old"))
    async with watch_of(sandbox, MESSAGES, prune="bot:") as watched:
        assert watched.results == []
        await watched.later(100.0)
        assert watched.actions == [[("create", "bot:messages"), ("delete", "bot:old")]]
        await watched.later(100.0)
        assert len(watched.results) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, BadRequestError), (401, AuthenticationError), (403, PermissionDeniedError)],
)
async def test_what_does_not_pass_is_raised(
    watched: Watched, status: int, expected: type[APIError]
) -> None:
    """A token that was revoked, a scope that is missing, a wrong filter: someone has to mend it."""
    watched.sandbox.fail(status=status)
    await watched.later(100.0)
    with pytest.raises(expected):
        await watched.task


async def test_what_nobody_can_read_is_raised(watched: Watched) -> None:
    """An answer that doesn't fit is no outage."""
    watched.sandbox.fail(body="<html>")
    await watched.later(100.0)
    with pytest.raises(DecodeError):
        await watched.task


async def test_no_secret_is_logged(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """An outage's message that echoes a secret is logged without it."""
    caplog.set_level(logging.DEBUG)
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    watched.sandbox.fail(status=500, body={"message": f"broken: {SECRET}"}, method="POST")
    await watched.later(100.0)
    assert ("broken: ***" in caplog.text, SECRET in caplog.text) == (True, False)


# Re-activation


async def test_what_was_switched_off_comes_back(watched: Watched) -> None:
    """A webhook that Webex switched off is re-activated at the next round."""
    await watched.switch_off()
    await watched.later(100.0)
    assert watched.actions[1:] == [[("reactivate", "bot:messages")]]
    assert watched.statuses == ["active", "active"]


async def test_it_waits_before_it_reactivates_again(watched: Watched) -> None:
    """What goes off again right after it was re-activated stays off until five minutes are over."""
    await watched.switch_off()
    await watched.later(100.0)
    await watched.switch_off()
    await watched.later(100.0)
    await watched.later(100.0)
    assert (len(watched.results), watched.statuses) == (2, ["inactive", "active"])
    await watched.later(100.0)
    assert watched.actions[2:] == [[("reactivate", "bot:messages")]]
    assert watched.statuses == ["active", "active"]


async def test_while_it_waits_it_does_all_else(watched: Watched) -> None:
    """A webhook that has to wait holds up no other one, and is still told of."""
    await watched.switch_off()
    await watched.later(100.0)
    await watched.switch_off()
    await watched.others.delete(watched.sandbox.webhooks[1].id)
    await watched.later(100.0)
    assert watched.actions[2:] == [[("create", "bot:cards")]]
    assert watched.results[2].webhooks["bot:messages"] == watched.sandbox.webhooks[0]


async def test_a_reactivation_in_a_round_that_breaks_off_counts(sandbox: Sandbox) -> None:
    """It waits also after a re-activation that an outage kept it from telling."""
    async with watch_of(sandbox, MESSAGES, CARDS) as watched:
        await watched.switch_off()
        await watched.others.delete(sandbox.webhooks[1].id)
        sandbox.fail(status=500, method="POST")
        await watched.later(100.0)
        await watched.switch_off()
        await watched.later(100.0)
        assert watched.actions[1:] == [[("reactivate", "bot:messages"), ("create", "bot:cards")]]
        assert watched.statuses == ["inactive", "active"]


# The end


async def test_it_stops_while_it_waits(watched: Watched) -> None:
    """Cancelled between two rounds, it ends at once and leaves nothing behind."""
    watched.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watched.task
    assert (watched.clock.sleepers, asyncio.all_tasks()) == (0, {asyncio.current_task()})


async def test_it_stops_within_a_round(sandbox: Sandbox) -> None:
    """Cancelled while it waits for an answer, it ends at once, and its client goes on working."""
    asked = asyncio.Event()

    async def never_answer() -> None:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()

    async with webhooks_on(sandbox, interference=Interference(before=never_answer)) as webhooks:
        task = asyncio.create_task(anext(webhooks.watch([MESSAGES])))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await webhooks.ensure([MESSAGES])
    assert [webhook.name for webhook in sandbox.webhooks] == ["bot:messages"]


async def test_whoever_has_seen_enough_may_leave(sandbox: Sandbox) -> None:
    """A watch that is closed after a result sends nothing more."""
    async with webhooks_on(sandbox) as webhooks:
        async with aclosing(webhooks.watch([MESSAGES])) as watching:
            await anext(watching)
        before = len(sandbox.requests)
        with pytest.raises(StopAsyncIteration):
            await anext(watching)
    assert len(sandbox.requests) == before


# Mistakes


@pytest.mark.parametrize("every", [0.0, -1.0, float("inf"), float("nan")])
async def test_every_is_a_number_of_seconds(sandbox: Sandbox, every: float) -> None:
    """Whatever is no time to wait is refused at the call."""
    async with webhooks_on(sandbox) as webhooks:
        with pytest.raises(ValueError, match="every must be a positive number of seconds"):
            webhooks.watch([MESSAGES], every=every)


async def test_every_is_a_number(sandbox: Sandbox) -> None:
    """Text is refused at the call, and not after the first round."""
    every: Any = "300"
    async with webhooks_on(sandbox) as webhooks:
        with pytest.raises(TypeError, match="every must be float or int, got str"):
            webhooks.watch([MESSAGES], every=every)


async def test_what_cannot_be_planned_is_refused_at_the_call(sandbox: Sandbox) -> None:
    """A name that is wanted twice, and an empty prefix, don't wait for the first round."""
    async with webhooks_on(sandbox) as webhooks:
        with pytest.raises(ValueError, match="wanted twice"):
            webhooks.watch([MESSAGES, MESSAGES])
        with pytest.raises(ValueError, match="prune is empty"):
            webhooks.watch([MESSAGES], prune="")


async def test_a_warning_comes_once(sandbox: Sandbox) -> None:
    """A list that can't work as meant is told at the call, and not at each round."""
    firehose = evolve(MESSAGES, resource="all", event="all")
    with warnings.catch_warnings(record=True, action="always") as caught:
        async with watch_of(sandbox, firehose) as watched:
            await watched.later(100.0)
            assert watched.results != []
    assert [(each.category, each.filename) for each in caught] == [(WebhookPlanWarning, __file__)]
