import asyncio
import json
import logging
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.support.clocks import QuickClock
from tests.support.keeping import Interference, webhooks_on
from webex_webhooks_async import (
    Action,
    APIError,
    BadRequestError,
    Change,
    ConflictError,
    DecodeError,
    NewWebhook,
    RetryPolicy,
    ServerError,
    TransportError,
    WebexError,
    Webhook,
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
    filter="roomType=direct",
    secret=SECRET,
)
CARDS = NewWebhook(
    name="bot:cards",
    target_url="https://example.com/hook",
    resource="attachmentActions",
    event="created",
)
ELSEWHERE = "https://elsewhere.example.com/hook"


@pytest.fixture
def sandbox() -> Sandbox:
    """An empty Webex."""
    return Sandbox()


@pytest.fixture
async def webhooks(sandbox: Sandbox) -> AsyncGenerator[Webhooks]:
    """Its webhooks."""
    async with webhooks_on(sandbox) as webhooks:
        yield webhooks


async def made(webhooks: Webhooks, wanted: NewWebhook, status: str = "active") -> Webhook:
    """A webhook that was there before."""
    webhook = await webhooks.create(wanted)
    return await webhooks.update(webhook.id, WebhookUpdate.of(webhook, status=status))


class Log:
    """What a sandbox is asked from now on."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._start = len(sandbox.requests)

    @property
    def methods(self) -> list[str]:
        """The method of each request."""
        return [request.method for request in self._sandbox.requests[self._start :]]

    @property
    def queries(self) -> list[str]:
        """The query of each request."""
        return [request.query for request in self._sandbox.requests[self._start :]]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The body of each request that has one."""
        requests = self._sandbox.requests[self._start :]
        return [json.loads(request.body) for request in requests if request.body]


def actions(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """What is done to which name."""
    return [(change.action, change.name) for change in changes]


def methods(sandbox: Sandbox) -> list[str]:
    """The method of each request."""
    return [request.method for request in sandbox.requests]


def names(sandbox: Sandbox) -> list[str]:
    """The names of what is there."""
    return [webhook.name for webhook in sandbox.webhooks]


# What it does


async def test_what_is_missing_is_made(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """Each wanted webhook that isn't there is made, with all that it shall be."""
    result = await webhooks.ensure([MESSAGES, CARDS])
    assert actions(result.changes) == [("create", "bot:messages"), ("create", "bot:cards")]
    assert result.webhooks == dict(
        zip(["bot:messages", "bot:cards"], sandbox.webhooks, strict=True)
    )
    live = result.webhooks["bot:messages"]
    assert live == evolve(
        live,
        name=MESSAGES.name,
        target_url=MESSAGES.target_url,
        resource=MESSAGES.resource,
        event=MESSAGES.event,
        filter=MESSAGES.filter,
        secret=SECRET,
    )


async def test_where_all_is_as_wanted_only_a_list_is_asked_for(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The second run sends nothing but a GET, and still tells what is there."""
    first = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    log = Log(sandbox)
    second = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    assert (log.methods, second.changes, second.webhooks) == (["GET"], (), first.webhooks)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(evolve(MESSAGES, target_url=ELSEWHERE), id="target URL"),
        pytest.param(evolve(MESSAGES, secret="a new secret"), id="secret"),
    ],
)
async def test_what_can_change_is_changed_in_place(
    sandbox: Sandbox, webhooks: Webhooks, wanted: NewWebhook
) -> None:
    """Another target URL or secret is one PUT, and the webhook keeps its id."""
    existing = await made(webhooks, MESSAGES)
    log = Log(sandbox)
    result = await webhooks.ensure([wanted])
    expected = evolve(existing, target_url=wanted.target_url, secret=wanted.secret)
    assert (log.methods, sandbox.webhooks) == (["GET", "PUT"], (expected,))
    assert actions(result.changes) == [("update", "bot:messages")]
    assert result.webhooks == {"bot:messages": expected}


async def test_a_secret_that_nobody_asked_for_survives_an_update(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Whether a PUT without a secret keeps the old one isn't known, so the old one is sent."""
    await made(webhooks, MESSAGES)
    log = Log(sandbox)
    await webhooks.ensure([evolve(MESSAGES, secret=None, target_url=ELSEWHERE)])
    assert log.bodies == [
        {"name": "bot:messages", "targetUrl": ELSEWHERE, "secret": SECRET, "status": "active"}
    ]


async def test_what_was_switched_off_comes_back(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """An inactive webhook is re-activated, and what else differs goes with it, in one PUT."""
    existing = await made(webhooks, MESSAGES, status="inactive")
    log = Log(sandbox)
    result = await webhooks.ensure([evolve(MESSAGES, target_url=ELSEWHERE)])
    expected = evolve(existing, target_url=ELSEWHERE, status="active")
    assert (log.methods, sandbox.webhooks) == (["GET", "PUT"], (expected,))
    assert actions(result.changes) == [("reactivate", "bot:messages")]


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(evolve(MESSAGES, resource="memberships", filter=None), id="resource"),
        pytest.param(evolve(MESSAGES, event="deleted"), id="event"),
        pytest.param(evolve(MESSAGES, filter="roomType=group"), id="filter"),
        pytest.param(evolve(MESSAGES, owned_by="org"), id="owner"),
    ],
)
async def test_what_is_fixed_is_replaced(
    sandbox: Sandbox, webhooks: Webhooks, wanted: NewWebhook
) -> None:
    """Another resource, event, filter or owner takes a new webhook; then the old one goes."""
    old = await made(webhooks, MESSAGES)
    log = Log(sandbox)
    result = await webhooks.ensure([wanted])
    assert [each for each in log.methods if each != "GET"] == ["POST", "DELETE"]
    assert actions(result.changes) == [("replace", "bot:messages")]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert result.webhooks["bot:messages"].id != old.id


async def test_twins_are_reduced_to_one(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """Of several webhooks of one name that stays which takes the least change."""
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    best = await made(webhooks, MESSAGES)
    await made(webhooks, MESSAGES, status="inactive")
    result = await webhooks.ensure([MESSAGES])
    assert sandbox.webhooks == (best,)
    assert actions(result.changes) == [("delete", "bot:messages"), ("delete", "bot:messages")]


async def test_every_page_is_looked_through(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """A webhook on a later page is no less there."""
    for number in range(120):
        await webhooks.create(evolve(CARDS, name=f"another's {number}"))
    await made(webhooks, MESSAGES)
    log = Log(sandbox)
    result = await webhooks.ensure([MESSAGES])
    assert (log.methods, result.changes) == (["GET", "GET"], ())


async def test_what_is_not_wanted_goes_under_the_prefix_alone(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Pruning deletes last, and what another one's webhook is called doesn't matter to it."""
    for name in ["bot:old", "bot", "another's bot:"]:
        await made(webhooks, evolve(CARDS, name=name))
    log = Log(sandbox)
    result = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    assert names(sandbox) == ["bot", "another's bot:", "bot:messages", "bot:cards"]
    assert log.methods == ["GET", "POST", "POST", "DELETE"]
    assert actions(result.changes)[2:] == [("delete", "bot:old")]


async def test_nothing_wanted_with_a_prefix_clears_up(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """An empty list and a prefix take all webhooks of a program away."""
    await webhooks.ensure([MESSAGES, CARDS])
    await webhooks.ensure([], prune="bot:")
    assert sandbox.webhooks == ()


@pytest.mark.parametrize(
    ("wanted", "prune"), [([MESSAGES, MESSAGES], None), ([MESSAGES], "")], ids=["twice", "prune"]
)
async def test_a_mistake_is_told_before_anything_is_sent(
    sandbox: Sandbox, webhooks: Webhooks, wanted: list[NewWebhook], prune: str | None
) -> None:
    """A name that is wanted twice, and an empty prefix, are refused with nothing sent."""
    with pytest.raises(ValueError, match=r"twice|empty"):
        await webhooks.ensure(wanted, prune)
    with pytest.raises(ValueError, match=r"twice|empty"):
        await webhooks.plan(wanted, prune)
    assert sandbox.requests == ()


async def test_a_plan_is_carried_out_when_it_is_applied(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The same in two steps: a plan sends GETs alone, applying it does what it says."""
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    log = Log(sandbox)
    plan = await webhooks.plan([MESSAGES, CARDS])
    assert (log.methods, actions(plan.changes)) == (
        ["GET"],
        [("update", "bot:messages"), ("create", "bot:cards")],
    )
    result = await plan.apply()
    assert result.changes == plan.changes
    assert sandbox.webhooks == tuple(result.webhooks.values())


async def test_warnings_point_to_the_caller(webhooks: Webhooks) -> None:
    """A list that can't work as meant is told where it was written."""
    firehose = evolve(CARDS, resource="all", event="all")
    with warnings.catch_warnings(record=True, action="always") as caught:
        await webhooks.ensure([firehose])
        await webhooks.plan([firehose])
    assert [(each.category, each.filename) for each in caught] == [
        (WebhookPlanWarning, __file__)
    ] * 2


async def test_organization_webhooks_are_asked_for_where_one_is_wanted(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Both lists are read then, and what is in both isn't taken for two."""
    wanted = [evolve(MESSAGES, owned_by="org"), CARDS]
    await webhooks.ensure(wanted)
    log = Log(sandbox)
    result = await webhooks.ensure(wanted)
    await webhooks.ensure([CARDS])
    assert (log.queries, result.changes) == (["", "ownedBy=org", ""], ())


async def test_a_secret_that_is_not_returned_is_known_all_the_same(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Where an answer leaves the secret out, the result has the one that was sent."""
    answer = {
        "id": "W1",
        "name": "bot:messages",
        "targetUrl": ELSEWHERE,
        "resource": "messages",
        "event": "created",
    }
    sandbox.fail(body=answer, method="POST")
    result = await webhooks.ensure([MESSAGES])
    assert result.webhooks["bot:messages"].secret == SECRET

    await made(webhooks, MESSAGES)
    sandbox.fail(body=answer, method="PUT")
    result = await webhooks.ensure([evolve(MESSAGES, target_url=ELSEWHERE, secret=None)])
    assert result.webhooks["bot:messages"].secret == SECRET


# When others are at it too


@pytest.mark.parametrize("status", [404, 410])
async def test_what_was_deleted_meanwhile_is_made_anew(
    sandbox: Sandbox, webhooks: Webhooks, status: int
) -> None:
    """An update that finds its webhook gone makes another one."""
    existing = await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    plan = await webhooks.plan([MESSAGES])
    await webhooks.delete(existing.id)
    sandbox.fail(status=status, method="PUT")
    result = await plan.apply()
    expected = Change(
        action=Action.CREATE, name="bot:messages", wanted=MESSAGES, reason="deleted meanwhile"
    )
    assert (result.changes, list(result.webhooks.values())) == (
        (expected,),
        list(sandbox.webhooks),
    )


@pytest.mark.parametrize("status", [404, 410])
async def test_what_was_deleted_by_others_is_deleted(
    sandbox: Sandbox, webhooks: Webhooks, status: int
) -> None:
    """A delete that finds nothing is done."""
    existing = await made(webhooks, MESSAGES)
    plan = await webhooks.plan([], prune="bot:")
    await webhooks.delete(existing.id)
    sandbox.fail(status=status, method="DELETE")
    result = await plan.apply()
    assert actions(result.changes) == [("delete", "bot:messages")]


async def test_runs_that_want_different_things_do_not_leave_nothing(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Each of two runs deletes what the other one keeps; the last one sees that, and mends it."""
    await made(webhooks, MESSAGES)
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    here = await webhooks.plan([MESSAGES])
    elsewhere = await webhooks.plan([evolve(MESSAGES, target_url=ELSEWHERE)])
    await here.apply()
    result = await elsewhere.apply()
    assert actions(result.changes) == [("delete", "bot:messages"), ("create", "bot:messages")]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert sandbox.webhooks[0].target_url == ELSEWHERE


async def test_what_two_runs_make_double_is_settled_by_the_next(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Two first runs at once make two of each; the next two at once leave the same one of each."""
    plans = [await webhooks.plan([MESSAGES, CARDS]) for _ in range(2)]
    await asyncio.gather(*(plan.apply() for plan in plans))
    assert Counter(names(sandbox)) == {"bot:messages": 2, "bot:cards": 2}
    results = await asyncio.gather(*(webhooks.ensure([MESSAGES, CARDS]) for _ in range(2)))
    assert Counter(names(sandbox)) == {"bot:messages": 1, "bot:cards": 1}
    assert results[0].webhooks == results[1].webhooks


# When answers get lost


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"drop": True}, id="no answer"),
        pytest.param({"status": 502}, id="502"),
        pytest.param({"status": 503}, id="503"),
        pytest.param({"status": 504}, id="504"),
        pytest.param({"status": 409}, id="409"),
        pytest.param({"body": "<html>"}, id="not JSON"),
    ],
)
@pytest.mark.parametrize("retry", [RetryPolicy(), RetryPolicy.none()], ids=["retries", "none"])
async def test_a_create_whose_answer_was_lost_does_not_make_two(
    sandbox: Sandbox, fault: dict[str, Any], retry: RetryPolicy
) -> None:
    """A create that was carried out without saying so is found, and not sent again."""
    sandbox.fail(**fault, carry_out=True, method="POST")
    async with webhooks_on(sandbox, retry=retry) as webhooks:
        result = await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET"]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert actions(result.changes) == [("create", "bot:messages")]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"drop": True}, id="no answer"),
        pytest.param({"status": 502}, id="502"),
        pytest.param({"status": 503}, id="503"),
        pytest.param({"status": 504}, id="504"),
    ],
)
async def test_a_create_that_was_not_carried_out_is_sent_again(
    sandbox: Sandbox, webhooks: Webhooks, fault: dict[str, Any]
) -> None:
    """What isn't found after a lost answer is sent again; and looked up again, if that is lost."""
    sandbox.fail(**fault, method="POST")
    sandbox.fail(**fault, method="POST", carry_out=True)
    await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET", "POST", "GET"]
    assert names(sandbox) == ["bot:messages"]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_create_is_sent_as_often_as_the_retry_policy_says(
    sandbox: Sandbox, attempts: int
) -> None:
    """A create whose answers are all lost is raised in the end, and waited for in between."""
    clock = QuickClock()
    retry = RetryPolicy(attempts=attempts, base_delay=2.0)
    sandbox.fail(drop=True, method="POST", times=None)
    async with webhooks_on(sandbox, retry=retry, clock=clock) as webhooks:
        with pytest.raises(TransportError):
            await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", *["POST", "GET"] * attempts]
    assert [seconds <= 2.0**number for number, seconds in enumerate(clock.slept, start=1)] == [
        True
    ] * attempts


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param({"status": 409}, ConflictError, id="409"),
        pytest.param({"body": "<html>"}, DecodeError, id="not JSON"),
    ],
)
async def test_a_create_that_is_neither_done_nor_lost_is_not_sent_again(
    sandbox: Sandbox, webhooks: Webhooks, fault: dict[str, Any], expected: type[WebexError]
) -> None:
    """A conflict with another webhook, and a success that nobody can read, are raised."""
    sandbox.fail(**fault, method="POST")
    with pytest.raises(expected):
        await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("status", "expected"), [(400, BadRequestError), (500, ServerError)], ids=["400", "500"]
)
async def test_a_create_that_is_refused_is_raised(
    sandbox: Sandbox, webhooks: Webhooks, status: int, expected: type[APIError]
) -> None:
    """What Webex refuses is raised at once, and says which webhook it was."""
    sandbox.fail(status=status, method="POST")
    with pytest.raises(expected) as caught:
        await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST"]
    assert caught.value.__notes__ == ["on the way to create webhook 'bot:messages'"]


async def test_what_goes_is_not_taken_for_what_was_made(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A lost create isn't found in a webhook that was there before, and that the plan deletes."""
    twins = [await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE)) for _ in range(2)]
    plan = await webhooks.plan([MESSAGES])
    updated = plan.changes[0].existing
    (twin,) = (each for each in twins if each != updated)
    assert updated is not None
    await webhooks.delete(updated.id)
    await webhooks.update(twin.id, WebhookUpdate.of(twin, target_url=MESSAGES.target_url))
    sandbox.fail(drop=True, method="POST")
    log = Log(sandbox)
    await plan.apply()
    assert log.methods == ["PUT", "POST", "GET", "POST", "DELETE", "GET"]
    assert names(sandbox) == ["bot:messages"]


async def test_a_lost_create_for_an_organization_is_looked_up_there(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The lookup, too, asks for the organization's webhooks where one of them is wanted."""
    sandbox.fail(drop=True, carry_out=True, method="POST")
    await webhooks.ensure([evolve(MESSAGES, owned_by="org")])
    queries_of_a_list = ["", "ownedBy=org"]
    assert [request.query for request in sandbox.requests] == [
        *queries_of_a_list,
        "",
        *queries_of_a_list,
    ]


async def test_no_secret_is_shown(
    sandbox: Sandbox, webhooks: Webhooks, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither plan, result, error nor log shows a secret."""
    caplog.set_level(logging.DEBUG)
    await made(webhooks, evolve(MESSAGES, secret="another of the secrets"))
    plan = await webhooks.plan([MESSAGES])
    result = await plan.apply()
    sandbox.fail(status=400, body={"message": f"bad: {SECRET}"}, method="POST")
    with pytest.raises(BadRequestError) as caught:
        await webhooks.ensure([evolve(MESSAGES, name="bot:more")])
    shown = f"{plan} {plan!r} {result!r} {caught.value!r} {caught.value.__notes__} {caplog.text}"
    assert ("secret " in shown, SECRET in shown, "another of" in shown) == (True, False, False)


# When a run dies


@frozen
class Death:
    """A run is cancelled at its n-th request.

    Attributes:
        at: Which request, from 1.
        done: Whether it was carried out.
    """

    at: int
    done: bool

    def interference(self) -> Interference:
        """What happens on the way."""
        numbers = iter(range(1, 10_000))

        async def die_in_time() -> None:
            if next(numbers) == self.at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)

        return Interference(after=die_in_time) if self.done else Interference(before=die_in_time)


async def run_that_dies(sandbox: Sandbox, death: Death, wanted: list[NewWebhook]) -> bool:
    """Whether a run died before it was through."""
    async with webhooks_on(sandbox, interference=death.interference()) as webhooks:
        run = asyncio.create_task(webhooks.ensure(wanted, prune="bot:"))
        [outcome] = await asyncio.gather(run, return_exceptions=True)
    return isinstance(outcome, asyncio.CancelledError)


@pytest.mark.parametrize("done", [True, False], ids=["carried out", "not carried out"])
async def test_the_next_run_completes_one_that_dies_anywhere(*, done: bool) -> None:
    """Wherever a run is cancelled, at whichever request, the next one ends as if it hadn't been."""
    wanted = [MESSAGES, CARDS, evolve(CARDS, name="bot:update"), evolve(CARDS, name="bot:twins")]
    deaths = 0
    for at in range(1, 30):
        sandbox = Sandbox()
        async with webhooks_on(sandbox) as webhooks:
            await made(webhooks, evolve(MESSAGES, event="deleted"))
            await made(webhooks, evolve(CARDS, name="bot:update"), status="inactive")
            for name in ["bot:twins", "bot:twins", "bot:old", "another's"]:
                await made(webhooks, evolve(CARDS, name=name))
            died = await run_that_dies(sandbox, Death(at, done), wanted)
            deaths += died
            await webhooks.ensure(wanted, prune="bot:")
            plan = await webhooks.plan(wanted, prune="bot:")
        expected = {"bot:messages", "bot:cards", "bot:update", "bot:twins", "another's"}
        assert (plan.pending, Counter(names(sandbox))) == ((), Counter(expected))
        if not died:
            break
    # list; create twice, update; delete the replaced one, the twin and the pruned one; look at
    # what is left of the two that were thinned
    assert deaths == 1 + 3 + 3 + 2


# Whatever happens


def a_fault(method: st.SearchStrategy[str], **fault: object) -> st.SearchStrategy[dict[str, Any]]:
    """A fault that strikes some requests."""
    return st.fixed_dictionaries(
        {"method": method, "times": st.integers(1, 5), "carry_out": st.booleans()}
        | {name: st.just(value) for name, value in fault.items()}
    )


wanted_webhooks = st.builds(
    NewWebhook,
    name=st.sampled_from(["bot:a", "bot:b", "c"]),
    target_url=st.sampled_from([MESSAGES.target_url, ELSEWHERE]),
    resource=st.just("messages"),
    event=st.sampled_from(["created", "deleted"]),
    filter=st.sampled_from(["roomId=R1&personId=P1", "personId=P1&roomId=R1", None]),
    secret=st.sampled_from([None, "one", "two"]),
    owned_by=st.sampled_from([None, "creator", "org"]),
)
lists_of_wanted = st.lists(wanted_webhooks, min_size=1, unique_by=lambda each: each.name)
lists_of_others = st.lists(
    st.tuples(wanted_webhooks, st.sampled_from(["active", "inactive"])), max_size=5
)
prefixes = st.sampled_from([None, "bot:", "bot:b"])
chances = st.randoms(use_true_random=False)

# Only what a service without lies does: no 404 for what is there, no 200 for a DELETE that wasn't
# carried out, no 429 for what was.
any_method = st.sampled_from(["POST", "PUT", "DELETE", "GET"])
troubles = st.lists(
    st.one_of(
        a_fault(any_method, drop=True),
        *(a_fault(any_method, status=status) for status in (409, 500, 502, 503, 504)),
        a_fault(any_method, status=429, retry_after=1, carry_out=False),
        a_fault(any_method, status=429, retry_after=3600, carry_out=False),
        a_fault(st.sampled_from(["POST", "PUT", "GET"]), body="<html>"),
    ),
    max_size=2,
)


class Deployments(RuleBasedStateMachine):
    """Webhooks come, go and change, and runs are made, interfered with and broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = Sandbox()
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        """Close the event loop."""
        self.runner.close()

    def run(
        self,
        step: Callable[[Webhooks], Awaitable[object]],
        interference: Interference = Interference(),  # noqa: B008 - frozen
    ) -> None:
        """Take a step, with no faults left over to the next one."""

        async def take() -> None:
            async with webhooks_on(self.sandbox, interference=interference) as webhooks:
                await step(webhooks)

        self.runner.run(take())
        self.sandbox.clear_faults()

    @rule(others=lists_of_others, chance=chances)
    def others_interfere(self, others: list[tuple[NewWebhook, str]], chance: Random) -> None:
        """Some webhooks go, and others come."""

        async def interfere(webhooks: Webhooks) -> None:
            for webhook in self.sandbox.webhooks:
                if chance.random() < 0.5:
                    await webhooks.delete(webhook.id)
            for wanted, status in others:
                await made(webhooks, wanted, status)

        self.run(interfere)

    @rule(wanted=lists_of_wanted, prune=prefixes, troubles=troubles)
    def deploy(
        self, wanted: list[NewWebhook], prune: str | None, troubles: list[dict[str, Any]]
    ) -> None:
        """A run that succeeds, whatever it met, leaves nothing to do; one that fails, the next."""

        async def run(webhooks: Webhooks) -> None:
            for trouble in troubles:
                self.sandbox.fail(**trouble)
            try:
                result = await webhooks.ensure(wanted, prune)
            except WebexError:
                self.sandbox.clear_faults()
                result = await webhooks.ensure(wanted, prune)
            self.sandbox.clear_faults()
            await self.check(webhooks, wanted, prune)
            assert {each.name: each for each in self.wanted_of(wanted)} == result.webhooks

        with self.strangers_untouched(wanted, prune):
            self.run(run)

    @rule(
        wanted=lists_of_wanted,
        prune=prefixes,
        death=st.builds(Death, at=st.integers(1, 9), done=st.booleans()),
    )
    def deploy_dies(self, wanted: list[NewWebhook], prune: str | None, death: Death) -> None:
        """A run is broken off."""

        async def run(webhooks: Webhooks) -> None:
            task = asyncio.create_task(webhooks.ensure(wanted, prune))
            await asyncio.gather(task, return_exceptions=True)

        with self.strangers_untouched(wanted, prune):
            self.run(run, death.interference())

    @rule(wanted=lists_of_wanted, prune=prefixes, chance=chances)
    def deploy_twice_at_once(
        self, wanted: list[NewWebhook], prune: str | None, chance: Random
    ) -> None:
        """Two runs at once both end well, and the next one leaves one of each."""

        async def run(webhooks: Webhooks) -> None:
            await asyncio.gather(*(webhooks.ensure(wanted, prune) for _ in range(2)))
            assert {each.name for each in self.wanted_of(wanted)} == {each.name for each in wanted}
            await webhooks.ensure(wanted, prune)
            await self.check(webhooks, wanted, prune)

        with self.strangers_untouched(wanted, prune):
            self.run(run, hesitation(chance))

    @rule(one=lists_of_wanted, other=lists_of_wanted, chance=chances)
    def deploy_two_versions_at_once(
        self, one: list[NewWebhook], other: list[NewWebhook], chance: Random
    ) -> None:
        """Two runs that want different things of one name end well, and never leave nothing."""

        async def run(webhooks: Webhooks) -> None:
            await asyncio.gather(webhooks.ensure(one), webhooks.ensure(other))

        self.run(run, hesitation(chance))
        assert {each.name for each in (*one, *other)} <= set(names(self.sandbox))

    async def check(self, webhooks: Webhooks, wanted: list[NewWebhook], prune: str | None) -> None:
        """Nothing is left to do, and finding that out takes GETs alone."""
        log = Log(self.sandbox)
        plan = await webhooks.plan(wanted, prune)
        result = await webhooks.ensure(wanted, prune)
        assert (plan.pending, result.changes, set(log.methods)) == ((), (), {"GET"})
        pruned = [each for each in names(self.sandbox) if prune and each.startswith(prune)]
        assert Counter(each.name for each in self.wanted_of(wanted)) == Counter(
            each.name for each in wanted
        )
        assert set(pruned) <= {each.name for each in wanted}

    def wanted_of(self, wanted: list[NewWebhook]) -> list[Webhook]:
        """What is there of what is wanted."""
        wanted_names = {each.name for each in wanted}
        return [each for each in self.sandbox.webhooks if each.name in wanted_names]

    @contextmanager
    def strangers_untouched(self, wanted: list[NewWebhook], prune: str | None) -> Generator[None]:
        """What is none of a run's business is the same after it."""
        wanted_names = {each.name for each in wanted}

        def strangers() -> list[Webhook]:
            return [
                each
                for each in self.sandbox.webhooks
                if each.name not in wanted_names and not (prune and each.name.startswith(prune))
            ]

        before = strangers()
        yield
        assert strangers() == before


def hesitation(chance: Random) -> Interference:
    """What lets others go first, now and then."""

    async def hesitate() -> None:
        for _ in range(chance.choice([0, 0, 1, 5, 20])):
            await asyncio.sleep(0)

    return Interference(before=hesitate, after=hesitate)


TestDeployments = Deployments.TestCase
TestDeployments.settings = settings(max_examples=100, stateful_step_count=12)
