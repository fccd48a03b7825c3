import asyncio
import json
import logging
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, cast

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.support.clocks import QuickClock
from tests.support.keeping import CARDS, MESSAGES, SECRET, webhooks_on
from tests.support.logs import Log
from tests.support.wire import WEBHOOK
from webex_webhooks_async import (
    AuthenticationError,
    BadRequestError,
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
    plan_webhooks,
    to_json,
)
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import WebhookAction, WebhookChange

# The webhooks of most tests have one target URL.
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:every event of")]

ELSEWHERE = "https://elsewhere.example.com/hook"


async def made(webhooks: Webhooks, wanted: NewWebhook, status: str = "active") -> Webhook:
    """Create a webhook beforehand."""
    webhook = await webhooks.create(wanted)
    return await webhooks.update(webhook.id, WebhookUpdate.of(webhook, status=status))


def actions(changes: Sequence[WebhookChange]) -> list[tuple[str, str]]:
    """Action and name of each change."""
    return [(change.action, change.name) for change in changes]


def methods(sandbox: Sandbox, start: int = 0) -> list[str]:
    """The method of each request, from this number on."""
    return [request.method for request in sandbox.requests[start:]]


def names(sandbox: Sandbox) -> list[str]:
    """The name of each existing webhook."""
    return [webhook.name for webhook in sandbox.webhooks]


NO_RESPONSE: list[dict[str, Any]] = [
    {"drop": True},
    *({"status": each} for each in (502, 503, 504)),
]
"""Faults after which nobody knows whether a request was executed."""


# What it does


async def test_missing_webhooks_are_created(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """Each wanted webhook that doesn't exist is created, with all its settings."""
    result = await webhooks.ensure([MESSAGES, CARDS])
    assert actions(result.changes) == [("create", "bot:messages"), ("create", "bot:cards")]
    assert result.webhooks == dict(
        zip(["bot:messages", "bot:cards"], sandbox.webhooks, strict=True)
    )
    assert plan_webhooks([MESSAGES, CARDS], sandbox.webhooks).pending == ()


async def test_where_all_is_as_wanted_one_list_is_sent(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The second run sends one GET, and its result has the webhooks."""
    first = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    before = len(sandbox.requests)
    second = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    assert methods(sandbox, before) == ["GET"]
    assert (second.changes, second.webhooks) == ((), first.webhooks)


@pytest.mark.parametrize(
    ("status", "wanted", "action"),
    [
        pytest.param("active", {"target_url": ELSEWHERE}, "update", id="target URL"),
        pytest.param("active", {"secret": "a new secret"}, "update", id="secret"),
        pytest.param("inactive", {"target_url": ELSEWHERE}, "reactivate", id="and switched off"),
    ],
)
async def test_changeable_differences_are_updated_in_place(
    sandbox: Sandbox, webhooks: Webhooks, status: str, wanted: dict[str, Any], action: str
) -> None:
    """One PUT corrects all differences, and the webhook keeps its id."""
    existing = await made(webhooks, MESSAGES, status)
    before = len(sandbox.requests)
    result = await webhooks.ensure([evolve(MESSAGES, **wanted)])
    expected = evolve(existing, **wanted, status="active")
    assert (methods(sandbox, before), sandbox.webhooks) == (["GET", "PUT"], (expected,))
    assert actions(result.changes) == [(action, "bot:messages")]
    assert result.webhooks == {"bot:messages": expected}


async def test_a_secret_survives_an_update_that_wants_none(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """An update sends the existing secret, as a PUT without one might remove it."""
    await made(webhooks, MESSAGES)
    await webhooks.ensure([evolve(MESSAGES, secret=None, target_url=ELSEWHERE)])
    assert json.loads(sandbox.requests[-1].body) == {
        "name": "bot:messages",
        "targetUrl": ELSEWHERE,
        "secret": SECRET,
        "status": "active",
    }


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(evolve(MESSAGES, resource="memberships", filter=None), id="resource"),
        pytest.param(evolve(MESSAGES, owned_by="org"), id="owner"),
    ],
)
async def test_fixed_differences_replace_the_webhook(
    sandbox: Sandbox, webhooks: Webhooks, wanted: NewWebhook
) -> None:
    """Another resource, event, filter or owner needs a new webhook; then the old one is deleted."""
    old = await made(webhooks, MESSAGES)
    before = len(sandbox.requests)
    result = await webhooks.ensure([wanted])
    assert [each for each in methods(sandbox, before) if each != "GET"] == ["POST", "DELETE"]
    assert actions(result.changes) == [("replace", "bot:messages")]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert result.webhooks["bot:messages"].id != old.id


async def test_duplicates_are_removed(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """Of several webhooks of one name, the one that needs the least change is kept."""
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    best = await made(webhooks, MESSAGES)
    await made(webhooks, MESSAGES, status="inactive")
    result = await webhooks.ensure([MESSAGES])
    assert sandbox.webhooks == (best,)
    assert actions(result.changes) == [("delete", "bot:messages"), ("delete", "bot:messages")]


async def test_every_page_is_read(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """A webhook on a later page is found."""
    for number in range(120):
        await webhooks.create(evolve(CARDS, name=f"another's {number}"))
    await made(webhooks, MESSAGES)
    before = len(sandbox.requests)
    result = await webhooks.ensure([MESSAGES])
    assert (methods(sandbox, before), result.changes) == (["GET", "GET"], ())


async def test_pruning_deletes_only_under_the_prefix(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """Pruning deletes last, and only webhooks whose names start with the prefix."""
    for name in ["bot:old", "bot", "another's bot:"]:
        await made(webhooks, evolve(CARDS, name=name))
    before = len(sandbox.requests)
    result = await webhooks.ensure([MESSAGES, CARDS], prune="bot:")
    assert names(sandbox) == ["bot", "another's bot:", "bot:messages", "bot:cards"]
    assert methods(sandbox, before) == ["GET", "POST", "POST", "GET", "DELETE"]
    assert actions(result.changes)[2:] == [("delete", "bot:old")]


async def test_wrong_arguments_are_refused_before_anything_is_sent(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A name that is wanted twice and an empty prefix send no request."""
    for operation in (webhooks.ensure, webhooks.plan):
        with pytest.raises(ValueError, match="'bot:messages' is wanted twice"):
            await operation([MESSAGES, MESSAGES])
        with pytest.raises(TypeError, match="wanted is a coroutine, as of"):
            await operation(cast("Any", asyncio.sleep(0)))
        with pytest.raises(TypeError, match="prune must be str, got int"):
            await operation([MESSAGES], prune=cast("Any", 5))
        with pytest.raises(ValueError, match="prune is empty, which would delete every"):
            await operation([MESSAGES], prune="")
    assert sandbox.requests == ()


async def test_a_plan_changes_nothing_until_it_is_applied(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Making a plan sends only a GET; applying it does what the plan says."""
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    before = len(sandbox.requests)
    plan = await webhooks.plan([MESSAGES, CARDS])
    assert (methods(sandbox, before), actions(plan.changes)) == (
        ["GET"],
        [("update", "bot:messages"), ("create", "bot:cards")],
    )
    result = await plan.apply()
    assert result.changes == plan.changes
    assert sandbox.webhooks == tuple(result.webhooks.values())


async def test_organization_webhooks_are_listed_where_one_is_wanted(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Both lists are read, and a webhook in both isn't a duplicate."""
    wanted = [evolve(MESSAGES, owned_by="org"), CARDS]
    await webhooks.ensure(wanted)
    result = await webhooks.ensure(wanted)
    await webhooks.ensure([CARDS])
    assert [each.query for each in sandbox.requests[-3:]] == ["", "ownedBy=org", ""]
    assert result.changes == ()


async def test_a_secret_that_is_not_returned_is_in_the_result(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Where a response leaves the secret out, the result has the one that was sent."""
    body = {**WEBHOOK, "name": "bot:messages"}
    sandbox.fail(body=body, method="POST")
    result = await webhooks.ensure([MESSAGES])
    assert result.webhooks["bot:messages"].secret == SECRET

    await made(webhooks, MESSAGES)
    sandbox.fail(body=body, method="PUT")
    result = await webhooks.ensure([evolve(MESSAGES, target_url=ELSEWHERE, secret=None)])
    assert result.webhooks["bot:messages"].secret == SECRET


# When others change webhooks at the same time


async def test_plans_are_values(webhooks: Webhooks) -> None:
    """Plans with the same changes are equal, and their reprs show these alone."""
    one, same = [await webhooks.plan([MESSAGES]) for _ in range(2)]

    assert one == same
    assert repr(one) == f"WebhookPlan(changes={one.changes!r})"


async def test_a_webhook_that_was_deleted_meanwhile_is_created(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """An update whose webhook is gone leads to a new webhook."""
    existing = await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    plan = await webhooks.plan([MESSAGES])
    await webhooks.delete(existing.id)
    result = await plan.apply()
    expected = WebhookChange(
        action=WebhookAction.CREATE, name="bot:messages", wanted=MESSAGES, reason="missing"
    )
    assert (result.changes, list(result.webhooks.values())) == ((expected,), list(sandbox.webhooks))


async def test_a_webhook_that_others_deleted_counts_as_deleted(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A delete whose webhook is gone has done its work."""
    existing = await made(webhooks, MESSAGES)
    plan = await webhooks.plan([], prune="bot:")
    await webhooks.delete(existing.id)
    result = await plan.apply()
    assert actions(result.changes) == [("delete", "bot:messages")]


async def test_runs_that_want_different_things_leave_one(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Where two runs delete what the other one keeps, the last one creates a webhook."""
    await made(webhooks, MESSAGES)
    await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    here = await webhooks.plan([MESSAGES])
    elsewhere = await webhooks.plan([evolve(MESSAGES, target_url=ELSEWHERE)])
    await here.apply()
    result = await elsewhere.apply()
    assert actions(result.changes) == [("delete", "bot:messages"), ("create", "bot:messages")]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert sandbox.webhooks[0].target_url == ELSEWHERE


async def test_runs_that_replace_each_others_webhooks_end(sandbox: Sandbox) -> None:
    """From the third look on, a run keeps what another run wants."""
    theirs = evolve(MESSAGES, event="deleted")

    async def replace_it_again() -> None:
        if methods(sandbox)[-1:] == ["DELETE"]:
            await others.delete(sandbox.webhooks[0].id)
            await others.create(theirs)

    async with (
        webhooks_on(sandbox) as others,
        webhooks_on(sandbox, before=replace_it_again) as ours,
    ):
        await others.create(theirs)
        result = await ours.ensure([MESSAGES])
    assert actions(result.changes) == [("replace", "bot:messages")] * 2
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert sandbox.webhooks[0].event == "deleted"


async def test_a_created_webhook_that_no_list_shows_yet_is_not_created_again(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Where the list lags behind, the webhook is looked up by its id."""
    sandbox.fail(body={"items": []}, method="GET", times=2)
    result = await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET", "GET"]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)


async def test_a_deleted_webhook_that_the_list_still_shows_is_not_deleted_again(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Where the list lags behind, a deleted duplicate doesn't count."""
    await made(webhooks, MESSAGES)
    await made(webhooks, MESSAGES)
    page = {"items": [json.loads(to_json(each)) for each in sandbox.webhooks]}
    sandbox.fail(body=page, method="GET", times=2)
    before = len(sandbox.requests)
    await webhooks.ensure([MESSAGES])
    assert methods(sandbox, before) == ["GET", "DELETE", "GET"]
    assert names(sandbox) == ["bot:messages"]


async def test_a_service_that_never_shows_what_it_creates_ends_a_run(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A run creates twenty webhooks of a name at most, and then takes the last one as it is."""
    body = json.loads(to_json(await made(webhooks, MESSAGES)))
    await webhooks.delete(body["id"])
    sandbox.fail(body=body, method="POST", times=None)
    before = len(sandbox.requests)
    result = await webhooks.ensure([MESSAGES])
    assert Counter(methods(sandbox, before))["POST"] == 20
    assert result.webhooks["bot:messages"].id == body["id"]


async def test_a_service_that_invents_a_duplicate_in_each_list_ends_a_run(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A run lists twenty times at most, and deletes what it saw."""
    body = json.loads(to_json(await made(webhooks, MESSAGES)))
    for number in range(30):
        duplicate = {**body, "id": f"invented-{number}", "created": "2999-01-01T00:00:00Z"}
        sandbox.fail(body={"items": [body, duplicate]}, method="GET")
    before = len(sandbox.requests)
    result = await webhooks.ensure([MESSAGES])
    assert Counter(methods(sandbox, before)) == {"GET": 20, "DELETE": 20}
    assert result.webhooks["bot:messages"].id == body["id"]


# When responses are lost


@pytest.mark.parametrize("fault", [*NO_RESPONSE, {"status": 409}, {"body": "<html>"}], ids=str)
@pytest.mark.parametrize("retry", [RetryPolicy(), RetryPolicy.none()], ids=["retries", "none"])
async def test_a_create_whose_response_was_lost_leaves_one(
    sandbox: Sandbox, fault: dict[str, Any], retry: RetryPolicy
) -> None:
    """A webhook that exists although its create failed is found, and not created again."""
    sandbox.fail(**fault, execute=True, method="POST")
    async with webhooks_on(sandbox, retry=retry) as webhooks:
        result = await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET"]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert actions(result.changes) == [("create", "bot:messages")]


@pytest.mark.parametrize("fault", NO_RESPONSE, ids=str)
async def test_a_create_that_was_not_executed_is_sent_again(
    sandbox: Sandbox, webhooks: Webhooks, fault: dict[str, Any]
) -> None:
    """A webhook that isn't found after a lost response is created again, however often."""
    sandbox.fail(**fault, method="POST")
    sandbox.fail(**fault, method="POST", execute=True)
    result = await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", "GET", "POST", "GET"]
    assert names(sandbox) == ["bot:messages"]
    assert actions(result.changes) == [("create", "bot:messages")]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_create_is_sent_as_often_as_the_retry_policy_says(
    sandbox: Sandbox, attempts: int
) -> None:
    """A create whose responses are all lost is sent with a backoff, and its error is raised."""
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
    ("fault", "expected", "looks"),
    [
        ({"status": 400}, BadRequestError, 0),
        ({"status": 500}, ServerError, 0),
        ({"status": 409}, ConflictError, 1),
        ({"body": "<html>"}, DecodeError, 1),
    ],
)
async def test_a_create_that_will_not_succeed_is_not_sent_again(
    sandbox: Sandbox,
    webhooks: Webhooks,
    fault: dict[str, Any],
    expected: type[WebexError],
    looks: int,
) -> None:
    """It is raised with a note that names the webhook, once it can't be there all the same."""
    sandbox.fail(**fault, method="POST")
    with pytest.raises(expected) as caught:
        await webhooks.ensure([MESSAGES])
    assert methods(sandbox) == ["GET", "POST", *["GET"] * looks]
    assert caught.value.__notes__ == ["while trying to create webhook 'bot:messages'"]


async def test_an_error_of_one_keeps_no_other_from_being_made(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The others are made, then the first error is raised and names them; nothing is pruned."""
    old = await made(webhooks, evolve(MESSAGES, name="bot:old"))
    replaced = await made(webhooks, evolve(CARDS, filter="roomId=1"))
    moved = evolve(MESSAGES, name="bot:moved")
    await made(webhooks, evolve(moved, target_url=ELSEWHERE))
    sandbox.fail(status=400, method="POST", times=2)
    with pytest.raises(BadRequestError) as caught:
        await webhooks.ensure([CARDS, MESSAGES, moved, evolve(CARDS, name="bot:new")], prune="bot:")
    assert caught.value.__notes__[0] == "while trying to replace webhook 'bot:cards'"
    assert caught.value.__notes__[1].startswith("create 'bot:messages' failed too: POST ")
    assert caught.value.__notes__[2:] == ["done before: update 'bot:moved', create 'bot:new'"]
    assert names(sandbox) == ["bot:old", "bot:cards", "bot:moved", "bot:new"]
    assert sandbox.webhooks[:2] == (old, replaced)


@pytest.mark.parametrize("fault", [{"status": 401}, {"drop": True}], ids=["401", "no response"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_an_error_that_is_not_of_one_webhook_ends_a_run(
    sandbox: Sandbox, fault: dict[str, Any], method: str
) -> None:
    """After a 401 or without a response no other webhook is tried."""
    async with webhooks_on(sandbox, retry=RetryPolicy.none()) as webhooks:
        await made(webhooks, evolve(CARDS, target_url=ELSEWHERE))
        wanted = [CARDS, MESSAGES] if method == "PUT" else [MESSAGES, CARDS]
        sandbox.fail(**fault, method=method, times=None)
        before = len(sandbox.requests)
        with pytest.raises((AuthenticationError, TransportError)) as caught:
            await webhooks.ensure(wanted)
    assert [each for each in methods(sandbox, before) if each != "GET"] == [method]
    assert len(caught.value.__notes__) == 1


async def test_a_double_delivery_is_warned_about(sandbox: Sandbox, webhooks: Webhooks) -> None:
    """A warning at the caller's line names an active webhook that brings the same events."""
    await made(webhooks, evolve(MESSAGES, name="off"), status="inactive")
    await made(webhooks, evolve(MESSAGES, name="of another room", filter="roomId=1"))
    await made(webhooks, evolve(MESSAGES, name="bot:pruned"))
    other = await made(webhooks, evolve(MESSAGES, name="another's"))
    with warnings.catch_warnings(record=True, action="always") as caught:
        await webhooks.ensure([MESSAGES], prune="bot:")
        await webhooks.plan([MESSAGES])
        plan_webhooks([MESSAGES], sandbox.webhooks)
    message = (
        "every event of 'bot:messages' arrives twice: the webhook \"another's\" with the id "
        f"{other.id!r} has the same target URL, resource, event and filter; delete it"
    )
    warned = [(each.category, str(each.message), each.filename) for each in caught]
    assert warned == [(WebhookPlanWarning, message, __file__)] * 3


async def test_a_webhook_that_the_plan_deletes_is_not_taken_for_a_created_one(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """A lost create isn't found in a duplicate that existed before."""
    for _ in range(2):
        await made(webhooks, evolve(MESSAGES, target_url=ELSEWHERE))
    plan = await webhooks.plan([MESSAGES])
    kept, duplicate = (change.existing for change in plan.changes)
    assert kept is not None
    assert duplicate is not None
    await webhooks.delete(kept.id)
    await webhooks.update(duplicate.id, WebhookUpdate.of(duplicate, target_url=MESSAGES.target_url))
    sandbox.fail(drop=True, method="POST")
    before = len(sandbox.requests)
    await plan.apply()
    assert methods(sandbox, before) == ["PUT", "DELETE", "GET", "POST", "GET", "POST", "GET"]
    assert names(sandbox) == ["bot:messages"]


@pytest.mark.parametrize("fault", NO_RESPONSE, ids=str)
async def test_a_replacement_whose_response_was_lost_deletes_the_old_webhook_last(
    sandbox: Sandbox, webhooks: Webhooks, fault: dict[str, Any]
) -> None:
    """The old webhook stays until the new one is found; the result has both changes."""
    await made(webhooks, evolve(MESSAGES, event="deleted"))
    sandbox.fail(**fault, method="POST", times=2)
    sandbox.fail(**fault, execute=True, method="POST")
    before = len(sandbox.requests)
    result = await webhooks.ensure([MESSAGES])
    assert methods(sandbox, before) == ["GET", *["POST", "GET"] * 3, "DELETE", "GET"]
    assert sandbox.webhooks == (result.webhooks["bot:messages"],)
    assert actions(result.changes) == [("replace", "bot:messages"), ("delete", "bot:messages")]


async def test_a_lost_create_for_an_organization_is_looked_up_there(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """Looking again also lists the organization's webhooks where one of them is wanted."""
    sandbox.fail(drop=True, execute=True, method="POST")
    await webhooks.ensure([evolve(MESSAGES, owned_by="org")])
    queries_of_a_list = ["", "ownedBy=org"]
    assert [request.query for request in sandbox.requests] == [
        *queries_of_a_list,
        "",
        *queries_of_a_list,
    ]


async def test_no_secret_is_shown(sandbox: Sandbox, webhooks: Webhooks, caplog: Log) -> None:
    """No plan, result, error or log record shows a secret."""
    caplog.set_level(logging.DEBUG)
    await made(webhooks, evolve(MESSAGES, secret="another of the secrets"))
    plan = await webhooks.plan([MESSAGES])
    result = await plan.apply()
    sandbox.fail(status=400, body={"message": f"bad: {SECRET}"}, method="POST")
    with pytest.raises(BadRequestError) as caught:
        await webhooks.ensure([evolve(MESSAGES, name="bot:more")])
    shown = f"{plan} {plan!r} {result!r} {caught.value!r} {caught.value.__notes__} {caplog.text}"
    assert ("secret " in shown, SECRET in shown, "another of" in shown) == (True, False, False)


# When a run is cancelled


async def run_is_cancelled(
    sandbox: Sandbox, wanted: list[NewWebhook], at: int, *, executed: bool
) -> bool:
    """Start a run and cancel it at its n-th request, before or after that is executed."""
    numbers = iter(range(1, 10_000))

    async def cancel_in_time() -> None:
        if next(numbers) == at:
            run.cancel()
            await asyncio.sleep(0)

    before, after = (None, cancel_in_time) if executed else (cancel_in_time, None)
    async with webhooks_on(sandbox, before=before, after=after) as webhooks:
        run = asyncio.create_task(webhooks.ensure(wanted, prune="bot:"))
        [outcome] = await asyncio.gather(run, return_exceptions=True)
    return isinstance(outcome, asyncio.CancelledError)


@pytest.mark.parametrize("executed", [True, False], ids=["executed", "not executed"])
async def test_the_next_run_completes_a_cancelled_one(*, executed: bool) -> None:
    """At whichever request a run is cancelled, the next one leaves the wanted webhooks."""
    wanted = [MESSAGES, CARDS, evolve(CARDS, name="bot:update"), evolve(CARDS, name="bot:twice")]
    cancelled = 0
    for at in range(1, 30):
        sandbox = Sandbox()
        async with webhooks_on(sandbox) as webhooks:
            await made(webhooks, evolve(MESSAGES, event="deleted"))
            await made(webhooks, evolve(CARDS, name="bot:update"), status="inactive")
            for name in ["bot:twice", "bot:twice", "bot:old", "another's"]:
                await made(webhooks, evolve(CARDS, name=name))
            is_cancelled = await run_is_cancelled(sandbox, wanted, at, executed=executed)
            cancelled += is_cancelled
            await webhooks.ensure(wanted, prune="bot:")
            plan = await webhooks.plan(wanted, prune="bot:")
        expected = {"bot:messages", "bot:cards", "bot:update", "bot:twice", "another's"}
        assert (plan.pending, Counter(names(sandbox))) == ((), Counter(expected))
        if not is_cancelled:
            break
    # list; create two, update one; delete the replaced one and the duplicate; list; prune one
    assert cancelled == 1 + 3 + 2 + 1 + 1


# Whatever happens


def a_fault(method: st.SearchStrategy[str], **fault: object) -> st.SearchStrategy[dict[str, Any]]:
    """A fault that is applied to some requests."""
    return st.fixed_dictionaries(
        {"method": method, "times": st.integers(1, 5), "execute": st.booleans()}
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

# Only what an honest service does: no 404 for a webhook that exists, no 200 for a DELETE that
# wasn't executed, no 429 for a request that was.
any_method = st.sampled_from(["POST", "PUT", "DELETE", "GET"])
troubles = st.lists(
    st.one_of(
        a_fault(any_method, drop=True),
        *(a_fault(any_method, status=status) for status in (409, 500, 502, 503, 504)),
        a_fault(any_method, status=429, retry_after=1, execute=False),
        a_fault(any_method, status=429, retry_after=3600, execute=False),
        a_fault(st.sampled_from(["POST", "PUT", "GET"]), body="<html>"),
    ),
    max_size=2,
)


class Deployments(RuleBasedStateMachine):
    """Webhooks change, and runs of `ensure` fail."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = Sandbox()
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.close()

    def run(self, step: Callable[[Webhooks], Awaitable[object]]) -> None:
        """Take a step; faults that are left don't affect the next one."""

        async def take() -> None:
            async with webhooks_on(self.sandbox) as webhooks:
                await step(webhooks)

        self.runner.run(take())
        self.sandbox.clear_faults()

    @rule(others=lists_of_others, chance=chances)
    def others_interfere(self, others: list[tuple[NewWebhook, str]], chance: Random) -> None:
        """Others delete some webhooks and create some."""

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
        """A run, or the next one if it fails, leaves nothing to do, and others as they were."""
        wanted_names = {each.name for each in wanted}

        def others() -> list[Webhook]:
            return [
                each
                for each in self.sandbox.webhooks
                if each.name not in wanted_names and not (prune and each.name.startswith(prune))
            ]

        async def run(webhooks: Webhooks) -> None:
            for trouble in troubles:
                self.sandbox.fail(**trouble)
            try:
                result = await webhooks.ensure(wanted, prune=prune)
            except WebexError:
                self.sandbox.clear_faults()
                result = await webhooks.ensure(wanted, prune=prune)
            self.sandbox.clear_faults()
            there = {each.name: each for each in self.sandbox.webhooks}
            assert {name: there[name] for name in wanted_names} == result.webhooks

            before = len(self.sandbox.requests)
            plan = await webhooks.plan(wanted, prune=prune)
            result = await webhooks.ensure(wanted, prune=prune)
            assert (plan.pending, result.changes) == ((), ())
            assert {*methods(self.sandbox, before)} == {"GET"}

        unchanged = others()
        self.run(run)
        assert others() == unchanged
        expected = [*wanted_names, *(each.name for each in unchanged)]
        assert Counter(names(self.sandbox)) == Counter(expected)


TestDeployments = Deployments.TestCase
TestDeployments.settings = settings(
    stateful_step_count=8,
    max_examples=settings().max_examples // 5,  # each is some hundred requests
)
