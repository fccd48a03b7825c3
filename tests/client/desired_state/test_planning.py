import itertools
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async import (
    Action,
    Change,
    Event,
    NewWebhook,
    OwnedBy,
    Plan,
    Resource,
    Status,
    Webhook,
    WebhookPlanWarning,
    plan,
)

LONG_AGO = datetime(2015, 10, 18, tzinfo=UTC)

WANTED = NewWebhook(
    name="bot:messages",
    target_url="https://example.com/hook",
    resource=Resource.MESSAGES,
    event=Event.CREATED,
    filter="roomId=R1&personEmail=ann@example.com",
    secret="the wanted secret",
)


THERE = Webhook(
    id="W1",
    name=WANTED.name,
    target_url=WANTED.target_url,
    resource=WANTED.resource,
    event=WANTED.event,
    filter=WANTED.filter,
    secret=WANTED.secret,
    status=Status.ACTIVE,
    created=LONG_AGO,
)


def actions(of: Plan) -> list[tuple[str, str | None]]:
    """What is done about which webhook."""
    return [
        (change.action, change.existing.id if change.existing else None) for change in of.changes
    ]


def test_what_is_missing_is_created() -> None:
    """A wanted webhook that isn't there is made."""
    expected = Change(action=Action.CREATE, name=WANTED.name, wanted=WANTED, reason="there is none")
    assert plan([WANTED], []).changes == (expected,)


@pytest.mark.parametrize(
    ("differences", "action", "reason"),
    [
        pytest.param({}, Action.KEEP, "as wanted", id="equal"),
        pytest.param({"status": None}, Action.KEEP, "as wanted", id="no status counts as active"),
        pytest.param({"status": "paused"}, Action.KEEP, "as wanted", id="a status of tomorrow"),
        pytest.param({"owned_by": "creator"}, Action.KEEP, "as wanted", id="the default owner"),
        pytest.param({"owned_by": ""}, Action.KEEP, "as wanted", id="an empty owner"),
        pytest.param(
            {"filter": "personEmail=ann@example.com&roomId=R1"},
            Action.KEEP,
            "as wanted",
            id="a filter in another order",
        ),
        pytest.param(
            {"target_url": "https://old.example.com"},
            Action.UPDATE,
            "other target URL",
            id="target URL",
        ),
        pytest.param({"secret": "old"}, Action.UPDATE, "other secret", id="secret"),
        pytest.param({"secret": None}, Action.UPDATE, "other secret", id="no secret"),
        pytest.param(
            {"secret": None, "target_url": "https://old.example.com"},
            Action.UPDATE,
            "other target URL and secret",
            id="target URL and secret",
        ),
        pytest.param({"status": "inactive"}, Action.REACTIVATE, "switched off", id="inactive"),
        pytest.param(
            {"status": "inactive", "secret": "old"},
            Action.REACTIVATE,
            "switched off, and other secret",
            id="inactive and more",
        ),
        pytest.param(
            {"resource": "rooms"},
            Action.REPLACE,
            "other resource, fixed for a webhook's life",
            id="resource",
        ),
        pytest.param(
            {"event": "deleted"},
            Action.REPLACE,
            "other event, fixed for a webhook's life",
            id="event",
        ),
        pytest.param(
            {"filter": None},
            Action.REPLACE,
            "other filter, fixed for a webhook's life",
            id="filter",
        ),
        pytest.param(
            {"owned_by": "org"},
            Action.REPLACE,
            "other owner, fixed for a webhook's life",
            id="owner",
        ),
        pytest.param(
            {"event": "deleted", "filter": "", "status": "inactive", "secret": "old"},
            Action.REPLACE,
            "other event and filter, fixed for a webhook's life",
            id="several",
        ),
    ],
)
def test_what_is_there_is_mended_by_the_least_change(
    differences: dict[str, Any], action: Action, reason: str
) -> None:
    """A webhook is kept, updated in place, re-activated or replaced, by what differs."""
    existing = evolve(THERE, **differences)
    expected = Change(
        action=action, name=WANTED.name, wanted=WANTED, existing=existing, reason=reason
    )
    assert plan([WANTED], [existing]).changes == (expected,)


@pytest.mark.parametrize(
    ("wanted", "existing"),
    [
        pytest.param({"secret": None}, {"secret": "of theirs"}, id="a secret while none is wanted"),
        pytest.param({"filter": None}, {"filter": ""}, id="an empty filter is none"),
        pytest.param({"owned_by": "creator"}, {"owned_by": None}, id="no owner is the default one"),
    ],
)
def test_what_is_not_wanted_otherwise_is_kept(
    wanted: dict[str, Any], existing: dict[str, Any]
) -> None:
    """What says the same in other words, and a secret that nobody asked for, is left alone."""
    state = evolve(WANTED, **wanted)
    assert actions(plan([state], [evolve(THERE, **{**wanted, **existing})])) == [("keep", "W1")]


OTHER_TARGET = {"target_url": "https://old.example.com"}
OTHER_EVENT = {"event": "deleted"}
OFF = {"status": "inactive"}
YOUNGER = {"created": LONG_AGO + timedelta(days=1)}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(OTHER_TARGET, YOUNGER, "B", id="equal before older"),
        pytest.param(OTHER_EVENT, OTHER_TARGET | YOUNGER, "B", id="updated before replaced"),
        pytest.param(OFF, OTHER_TARGET | YOUNGER, "B", id="active before inactive"),
        pytest.param(OTHER_EVENT, OFF | YOUNGER, "B", id="re-activated before replaced"),
        pytest.param(YOUNGER, {}, "B", id="older"),
        pytest.param({"created": None}, YOUNGER, "B", id="one whose age is known"),
        pytest.param({}, {}, "A", id="by id"),
    ],
)
def test_of_twins_the_one_that_takes_the_least_change_stays(
    first: dict[str, Any], second: dict[str, Any], kept: str
) -> None:
    """Of two webhooks of one name one stays: the better one, the older one, whatever the order."""
    twins = [evolve(THERE, **first, id="A"), evolve(THERE, **second, id="B")]
    gone = ({"A", "B"} - {kept}).pop()
    expected = Change(
        action=Action.DELETE,
        name=WANTED.name,
        existing=next(each for each in twins if each.id == gone),
        reason="another one has its name",
    )
    for existing in itertools.permutations(twins):
        keeping, *rest = plan([WANTED], existing).changes
        assert (keeping.existing and keeping.existing.id, rest) == (kept, [expected])


webhooks = st.lists(
    st.builds(
        Webhook,
        id=st.text(min_size=1),
        name=st.sampled_from([WANTED.name, "bot:old", "bot", "another's"]),
        target_url=st.sampled_from([WANTED.target_url, "https://old.example.com"]),
        resource=st.just(WANTED.resource),
        event=st.sampled_from(["created", "deleted"]),
        filter=st.just(WANTED.filter),
        secret=st.sampled_from([WANTED.secret, "old", None]),
        status=st.sampled_from(["active", "inactive", None]),
        created=st.sampled_from([None, LONG_AGO, LONG_AGO + timedelta(days=1)]),
    ),
    unique_by=lambda webhook: webhook.id,
)


@given(existing=webhooks, data=st.data())
def test_runs_at_the_same_time_choose_the_same_twin(
    existing: list[Webhook], data: st.DataObject
) -> None:
    """Whoever sees but some of the twins, and among them the one that stays, lets it stay too."""
    chosen = plan([WANTED], existing).changes[0]
    seen = [each for each in existing if each == chosen.existing or data.draw(st.booleans())]
    assert plan([WANTED], seen).changes[0] == chosen


@given(existing=webhooks, prune=st.sampled_from([None, "bot:", "bot"]))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    existing: list[Webhook], prune: str | None
) -> None:
    """What a plan leads to takes no other plan, and all else is as it was."""
    after = {each.id: each for each in existing}
    for change in plan([WANTED], existing, prune).changes:
        if change.existing is not None and change.action is not Action.KEEP:
            del after[change.existing.id]
        if change.wanted is not None and change.action is not Action.KEEP:
            after["mended"] = evolve(THERE, id="mended")
    assert not plan([WANTED], after.values(), prune).pending
    assert [each for each in existing if each in after.values() and each.name != WANTED.name] == [
        each
        for each in existing
        if each.name != WANTED.name and not (prune and each.name.startswith(prune))
    ]


def test_a_webhook_that_is_listed_twice_is_no_twin() -> None:
    """Pages that shift while they are read show a webhook twice; it isn't deleted for that."""
    assert actions(plan([WANTED], [THERE, THERE])) == [("keep", "W1")]


def test_what_is_not_wanted_is_not_touched() -> None:
    """Without a prefix, webhooks of other names have no part in a plan."""
    assert actions(plan([WANTED], [THERE, evolve(THERE, id="W2", name="bot:messages2")])) == [
        ("keep", "W1")
    ]


def test_pruning_deletes_by_prefix() -> None:
    """What isn't wanted goes if its name starts with the prefix, and only then."""
    existing = [
        evolve(THERE, id="1", name="bot:"),
        evolve(THERE, id="2", name="bot:old"),
        evolve(THERE, id="3", name="Bot:old"),
        evolve(THERE, id="4", name="a bot:old"),
        evolve(THERE, id="5", name="bot"),
    ]
    deleted = plan([], existing, prune="bot:").changes
    reason = "not wanted, and its name begins with 'bot:'"
    assert [(each.action, each.existing, each.wanted, each.reason) for each in deleted] == [
        (Action.DELETE, existing[0], None, reason),
        (Action.DELETE, existing[1], None, reason),
    ]


def test_what_is_wanted_comes_before_what_goes() -> None:
    """A plan lists what is wanted, in the order given, and after it what is deleted."""
    cards = evolve(WANTED, name="bot:cards")
    existing = [
        evolve(THERE, id="old", name="bot:old"),
        evolve(THERE, id="1"),
        evolve(THERE, id="2"),
        evolve(THERE, id="3"),
    ]
    assert actions(plan([cards, WANTED], existing, prune="bot:")) == [
        ("create", None),
        ("keep", "1"),
        ("delete", "old"),
        ("delete", "2"),
        ("delete", "3"),
    ]


def test_pending_leaves_out_what_is_kept() -> None:
    """The changes that take a request are those that keep nothing."""
    made = plan([WANTED], [THERE, evolve(THERE, id="W2")])
    assert [change.action for change in made.pending] == [Action.DELETE]


def test_one_name_wanted_twice_is_refused() -> None:
    """Webhooks are matched by name, so a name can be wanted once only."""
    with pytest.raises(ValueError, match="'bot:messages' is wanted twice"):
        plan([WANTED, evolve(WANTED, event="deleted")], [])


def test_an_empty_prefix_is_refused() -> None:
    """Each name starts with an empty prefix, so pruning by it would delete everything."""
    with pytest.raises(ValueError, match="prune is empty"):
        plan([WANTED], [], prune="")


def test_a_plan_prints_as_a_table() -> None:
    """Printed, a plan has a line for each webhook, in columns."""
    cards = evolve(WANTED, name="bot:cards")
    old = evolve(THERE, id="W2", name="bot:an older one")
    assert str(plan([cards, WANTED], [evolve(THERE, status="inactive"), old], prune="bot:")) == (
        "action      name              reason\n"
        "create      bot:cards         there is none\n"
        "reactivate  bot:messages      switched off\n"
        "delete      bot:an older one  not wanted, and its name begins with 'bot:'"
    )


def test_an_empty_plan_prints_as_an_empty_table() -> None:
    """Where nothing is wanted and nothing goes, the table has its head alone."""
    assert str(plan([], [])) == "action  name  reason"


def test_a_name_cannot_break_the_table() -> None:
    """Names come from the service: what would move a terminal's cursor is shown, not sent there."""
    existing = [evolve(THERE, name="bot:\x1b[2J\nkeep")]
    assert str(plan([], existing, prune="bot:\x1b")) == (
        "action  name                 reason\n"
        r"delete  'bot:\x1b[2J\nkeep'  not wanted, and its name begins with 'bot:\x1b'"
    )


@given(existing=webhooks)
def test_no_secret_is_shown(existing: list[Webhook]) -> None:
    """Neither printed nor as a repr does a plan show a secret."""
    secret = "5ecret"
    wanted = evolve(WANTED, secret=secret)
    made = plan([wanted], [evolve(each, secret=secret * 2) for each in existing], "bot:")
    assert secret not in f"{made} {made!r}"


async def test_a_pure_plan_cannot_be_applied() -> None:
    """A plan that knows no client says where to get one that does."""
    with pytest.raises(RuntimeError, match=r"client\.webhooks\.plan\(\)"):
        await plan([WANTED], []).apply()


def watching(
    resource: str,
    filter: str | None = None,  # noqa: A002 - as the field itself
    owned_by: str | None = None,
) -> NewWebhook:
    """A wanted webhook for a resource."""
    return evolve(
        WANTED, name=resource, resource=resource, event="all", filter=filter, owned_by=owned_by
    )


FIREHOSE = watching("all")
CARDS = watching("attachmentActions")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param([FIREHOSE], "'all' brings .* but no card submissions", id="firehose"),
        pytest.param(
            [watching("meetings", filter="state=ended&hostEmail=ann@example.com")],
            "'meetings' filters by hostEmail, which needs owned_by='org'",
            id="org-only filter",
        ),
        pytest.param(
            [watching("convergedRecordings", filter="ownerId=P1", owned_by="creator")],
            "'convergedRecordings' filters by ownerId, which needs owned_by='org'",
            id="org-only filter of a creator",
        ),
        pytest.param(
            [watching("videoMeshAlerts")],
            "'videoMeshAlerts' watches videoMeshAlerts, which needs owned_by='org'",
            id="org-only resource",
        ),
        pytest.param(
            [watching("telephony_queueMonitoring")],
            r"'telephony_queueMonitoring' watches .*, which sends nothing unless an interest is "
            r"registered: await client\.post\('telephony/webhookInterestRegistrations', "
            r"json=\{'interests': \[\{'resource': 'Queue Monitoring'\}\]\}\)",
            id="without an interest",
        ),
    ],
)
def test_what_cannot_work_as_meant_is_told(wanted: list[NewWebhook], message: str) -> None:
    """A list that Webex takes or refuses in silence, and that can't work, is warned about once."""
    with pytest.warns(WebhookPlanWarning, match=message) as caught:
        plan(wanted, [])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param([FIREHOSE, CARDS], id="firehose and cards"),
        pytest.param([watching("messages")], id="all events of one resource"),
        pytest.param(
            [watching("meetings", filter="hostEmail=ann@example.com", owned_by=OwnedBy.ORG)],
            id="org-only filter of an org",
        ),
        pytest.param([watching("videoMeshAlerts", owned_by="org")], id="org-only resource"),
        pytest.param([watching("messages", filter="personEmail=ownerId")], id="a value, no key"),
        pytest.param([watching("holograms", filter="ownerId=P1")], id="a resource of tomorrow"),
    ],
)
def test_what_works_is_not_warned_about(wanted: list[NewWebhook]) -> None:
    """There is no false alarm."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        plan(wanted, [])
    assert caught == []


def test_several_firehoses_are_told_once() -> None:
    """One hint does for all firehoses."""
    with pytest.warns(WebhookPlanWarning) as caught:
        plan([FIREHOSE, evolve(FIREHOSE, name="another")], [])
    assert len(caught) == 1
