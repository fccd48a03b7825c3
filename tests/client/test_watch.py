import asyncio
import logging
import warnings
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.support.clocks import QuickClock, StoppedClock
from tests.support.keeping import CARDS, MESSAGES, SECRET, webhooks_on
from tests.support.wire import until
from webex_webhooks_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    NewWebhook,
    PermissionDeniedError,
    RetryPolicy,
    WebhookPlanWarning,
    Webhooks,
    WebhookUpdate,
)
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import WebhookPlanResult

pytestmark = pytest.mark.once


@frozen
class Watched:
    """A running watch and its surroundings."""

    sandbox: Sandbox
    others: Webhooks  # of another client
    clock: StoppedClock
    results: list[WebhookPlanResult]
    task: "asyncio.Task[None]"

    async def turn_ends(self) -> None:
        """Wait until the watch sleeps or has ended."""
        await until(lambda: self.clock.sleepers > 0 or self.task.done())

    async def later(self, seconds: float) -> None:
        """Advance the clock, and wait for the turn of the watch."""
        self.clock.advance(seconds)
        await asyncio.sleep(0)
        await self.turn_ends()

    async def switch_off(self) -> None:
        """Switch the first webhook off, as Webex does after too many failures."""
        webhook = self.sandbox.webhooks[0]
        await self.others.update(webhook.id, WebhookUpdate.of(webhook, status="inactive"))

    @property
    def actions(self) -> list[list[tuple[str, str]]]:
        """Action and name of each change, by result."""
        return [[(each.action, each.name) for each in result.changes] for result in self.results]

    @property
    def statuses(self) -> list[str | None]:
        """The status of each existing webhook."""
        return [webhook.status for webhook in self.sandbox.webhooks]


@asynccontextmanager
async def watch_of(
    sandbox: Sandbox, *wanted: NewWebhook, every: float = 100.0, prune: str | None = None
) -> AsyncGenerator[Watched]:
    """A watch after its first turn; its client retries nothing."""
    clock = StoppedClock()
    results: list[WebhookPlanResult] = []
    async with (
        webhooks_on(sandbox, clock=clock, retry=RetryPolicy.none()) as webhooks,
        webhooks_on(sandbox) as others,
        aclosing(webhooks.watch(wanted, every=every, prune=prune)) as watching,
    ):

        async def collect() -> None:
            async for result in watching:
                results.append(result)  # noqa: PERF401 - each is needed as soon as it is yielded

        task = asyncio.create_task(collect())
        watched = Watched(sandbox, others, clock, results, task)
        try:
            await watched.turn_ends()
            yield watched
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def watched(sandbox: Sandbox) -> AsyncGenerator[Watched]:
    """A watch of two webhooks, every hundred seconds."""
    async with watch_of(sandbox, MESSAGES, CARDS) as watched:
        yield watched


async def test_it_yields_only_when_something_was_changed(watched: Watched) -> None:
    """The first turn comes at once; a later one lists once, and may have nothing to yield."""
    assert watched.actions == [[("create", "bot:messages"), ("create", "bot:cards")]]
    assert tuple(watched.results[0].webhooks.values()) == watched.sandbox.webhooks
    before = len(watched.sandbox.requests)
    await watched.later(99.0)
    assert len(watched.sandbox.requests) == before
    await watched.later(1.0)
    assert [each.method for each in watched.sandbox.requests[before:]] == ["GET"]
    assert len(watched.results) == 1
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    await watched.later(100.0)
    assert watched.actions[1:] == [[("create", "bot:messages")]]
    assert watched.results[1].webhooks.keys() == {"bot:messages", "bot:cards"}


async def test_it_prunes(sandbox: Sandbox) -> None:
    """A webhook that isn't wanted and has the prefix is deleted."""
    async with watch_of(sandbox, MESSAGES, prune="bot:") as watched:
        await watched.others.create(CARDS)
        await watched.later(100.0)
        assert watched.actions[1:] == [[("delete", "bot:cards")]]


async def test_the_default_interval_is_five_minutes(sandbox: Sandbox) -> None:
    """Without `every`, a turn starts every 300 seconds."""
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
        ({"drop": True}, 100.0),
        *(({"status": each}, 100.0) for each in (500, 503, 429)),
        *(({"status": each, "retry_after": 1_000_000}, 100.0) for each in (503, 423)),
        ({"status": 429, "retry_after": 50}, 100.0),
        ({"status": 429, "retry_after": 3000}, 3000.0),
        ({"status": 429, "retry_after": 1_000_000}, 3600.0),
        ({"body": "<html>"}, 100.0),
    ],
    ids=str,
)
async def test_it_survives_an_outage(
    watched: Watched, fault: dict[str, Any], pause: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure is a warning, or an error if unreadable; a 429 alone delays the next turn."""
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    watched.sandbox.fail(**fault)
    await watched.later(100.0)
    assert (watched.clock.slept[-1], len(watched.results)) == (pause, 1)
    [record] = [
        each
        for each in caplog.records
        if each.levelno >= logging.WARNING and "all requests pause" not in each.getMessage()
    ]
    assert record.levelno == (logging.ERROR if "body" in fault else logging.WARNING)
    assert record.getMessage().startswith("reconciliation failed: GET /v1/webhooks: ")
    assert ("$: not JSON" in record.getMessage()) == ("body" in fault)
    assert record.getMessage().endswith(f"; retrying in {pause:g} s")
    await watched.later(pause)
    assert watched.actions[1:] == [[("create", "bot:messages")]]


async def test_it_survives_an_outage_at_the_start(sandbox: Sandbox) -> None:
    """A bot may start while Webex can't be reached."""
    sandbox.fail(drop=True, times=2)
    async with watch_of(sandbox, MESSAGES) as watched:
        await watched.later(100.0)
        assert watched.results == []
        await watched.later(100.0)
        assert watched.actions == [[("create", "bot:messages")]]


async def test_changes_before_an_outage_are_yielded_after_it(sandbox: Sandbox) -> None:
    """The next result has the changes of a turn that failed halfway."""
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
async def test_permanent_failures_are_raised(
    watched: Watched, status: int, expected: type[APIError]
) -> None:
    """A revoked token, a missing scope or a wrong filter needs a person, so the watch ends."""
    watched.sandbox.fail(status=status)
    await watched.later(100.0)
    with pytest.raises(expected):
        await watched.task


async def test_no_secret_is_logged(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """An error message that echoes a secret is logged without it."""
    caplog.set_level(logging.DEBUG)
    await watched.others.delete(watched.sandbox.webhooks[0].id)
    watched.sandbox.fail(status=500, body={"message": f"broken: {SECRET}"}, method="POST")
    await watched.later(100.0)
    assert ("broken: ***" in caplog.text, SECRET in caplog.text) == (True, False)


# Reactivation


async def test_a_webhook_that_was_switched_off_is_reactivated(watched: Watched) -> None:
    """At the next turn; one that is switched off again stays off for five minutes."""
    await watched.switch_off()
    await watched.later(100.0)
    assert watched.actions[1:] == [[("reactivate", "bot:messages")]]
    assert watched.statuses == ["active", "active"]
    await watched.switch_off()
    await watched.later(100.0)
    await watched.later(100.0)
    assert (len(watched.results), watched.statuses) == (2, ["inactive", "active"])
    await watched.later(100.0)
    assert watched.actions[2:] == [[("reactivate", "bot:messages")]]
    assert watched.statuses == ["active", "active"]


async def test_a_webhook_that_waits_delays_no_other(watched: Watched) -> None:
    """While one webhook waits, others are created, and results have all of them."""
    await watched.switch_off()
    await watched.later(100.0)
    await watched.switch_off()
    await watched.others.delete(watched.sandbox.webhooks[1].id)
    await watched.later(100.0)
    assert watched.actions[2:] == [[("create", "bot:cards")]]
    assert watched.results[2].webhooks["bot:messages"] == watched.sandbox.webhooks[0]


async def test_a_reactivation_that_failed_does_not_count(watched: Watched) -> None:
    """The next turn tries it again, without the five minutes."""
    await watched.switch_off()
    watched.sandbox.fail(status=500, method="PUT", times=100)
    await watched.later(100.0)
    watched.sandbox.clear_faults()
    await watched.later(100.0)
    assert watched.actions[1:] == [[("reactivate", "bot:messages")]]
    assert watched.statuses == ["active", "active"]


async def test_a_reactivation_in_a_turn_that_fails_counts(sandbox: Sandbox) -> None:
    """The five minutes also start when the rest of the turn fails."""
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
    """Cancelled between two turns, it ends at once and leaves no task behind."""
    watched.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watched.task
    assert (watched.clock.sleepers, asyncio.all_tasks()) == (0, {asyncio.current_task()})


async def test_it_stops_within_a_turn(sandbox: Sandbox) -> None:
    """Cancelled while it waits for a response, it ends at once, and its client still works."""
    asked = asyncio.Event()

    async def never_respond() -> None:
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()

    async with webhooks_on(sandbox, before=never_respond) as webhooks:
        task = asyncio.create_task(anext(webhooks.watch([MESSAGES])))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await webhooks.ensure([MESSAGES])
    assert [webhook.name for webhook in sandbox.webhooks] == ["bot:messages"]


async def test_it_can_be_closed_after_a_result(sandbox: Sandbox) -> None:
    """A watch that is closed sends nothing more."""
    async with webhooks_on(sandbox) as webhooks:
        async with aclosing(webhooks.watch([MESSAGES])) as watching:
            await anext(watching)
        before = len(sandbox.requests)
        with pytest.raises(StopAsyncIteration):
            await anext(watching)
    assert len(sandbox.requests) == before


# Mistakes


@pytest.mark.parametrize(
    ("wanted", "options", "message"),
    [
        *(([MESSAGES], {"every": each}, "every must be ") for each in (0.0, -1.0, "300")),
        *(([MESSAGES], {"every": float(each)}, "every must be ") for each in ("inf", "nan")),
        ([MESSAGES, MESSAGES], {}, "wanted twice"),
        ([MESSAGES], {"prune": ""}, "prune is empty"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_arguments_are_checked_at_the_call(
    sandbox: Sandbox, wanted: list[NewWebhook], options: dict[str, Any], message: str
) -> None:
    """Not after the first turn."""
    async with webhooks_on(sandbox) as webhooks:
        with pytest.raises((TypeError, ValueError), match=message):
            webhooks.watch(wanted, **options)


async def test_each_warning_comes_once(sandbox: Sandbox) -> None:
    """At the caller's line: of what is wanted, and of another webhook with the same events."""
    firehose = evolve(MESSAGES, resource="all", event="all", filter=None)
    with warnings.catch_warnings(record=True, action="always") as caught:
        async with watch_of(sandbox, firehose) as watched:
            assert len(caught) == 1
            await watched.others.create(evolve(firehose, name="another's"))
            await watched.later(100.0)
            await watched.later(100.0)
    assert [(each.category, each.filename) for each in caught] == [
        (WebhookPlanWarning, __file__)
    ] * 2
