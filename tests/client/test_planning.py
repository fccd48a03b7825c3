import itertools
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async import (
    Event,
    NewWebhook,
    OwnedBy,
    Resource,
    Webhook,
    WebhookPlanWarning,
    WebhookStatus,
    plan_webhooks,
)
from webex_webhooks_async.types import WebhookAction, WebhookChange, WebhookPlan

LONG_AGO = datetime(2015, 10, 18, tzinfo=UTC)

# The webhooks of most tests have one target URL.
pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:every event of")]

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
    status=WebhookStatus.ACTIVE,
    created=LONG_AGO,
)


def actions(of: WebhookPlan) -> list[tuple[str, str | None]]:
    """What the plan does about which webhook."""
    return [
        (change.action, change.existing.id if change.existing else None) for change in of.changes
    ]


OLD_URL = {"target_url": "https://old.example.com"}
OTHER_ORDER = {"filter": "personEmail=ann@example.com&roomId=R1"}
OFF = {"status": "inactive"}
FIXED = "differs and can't be changed"


@pytest.mark.parametrize(
    ("differences", "action", "reason"),
    [
        *((each, WebhookAction.KEEP, "as wanted") for each in ({}, OTHER_ORDER)),
        *(({"status": each}, WebhookAction.KEEP, "as wanted") for each in (None, "paused")),
        *(({"owned_by": each}, WebhookAction.KEEP, "as wanted") for each in ("creator", "")),
        (OLD_URL, WebhookAction.UPDATE, "target URL differs"),
        *(({"secret": each}, WebhookAction.UPDATE, "secret differs") for each in ("old", None)),
        ({**OLD_URL, "secret": None}, WebhookAction.UPDATE, "target URL and secret differ"),
        (OFF, WebhookAction.REACTIVATE, "switched off"),
        ({**OFF, "secret": "old"}, WebhookAction.REACTIVATE, "switched off, and secret differs"),
        ({"resource": "rooms"}, WebhookAction.REPLACE, f"resource {FIXED}"),
        ({"event": "deleted"}, WebhookAction.REPLACE, f"event {FIXED}"),
        ({"filter": None}, WebhookAction.REPLACE, f"filter {FIXED}"),
        ({"owned_by": "org"}, WebhookAction.REPLACE, f"owner {FIXED}"),
        (
            {"event": "deleted", "filter": "", **OFF, "secret": "old"},
            WebhookAction.REPLACE,
            "event and filter differ and can't be changed",
        ),
    ],
    ids=str,
)
def test_an_existing_webhook_gets_the_least_change(
    differences: dict[str, Any], action: WebhookAction, reason: str
) -> None:
    """What differs decides whether a webhook is kept, updated, reactivated or replaced."""
    existing = evolve(THERE, **differences)
    expected = WebhookChange(
        action=action, name=WANTED.name, wanted=WANTED, existing=existing, reason=reason
    )
    assert plan_webhooks([WANTED], [existing]).changes == (expected,)


@pytest.mark.parametrize(
    ("wanted", "existing"),
    [
        pytest.param({"secret": None}, {"secret": "theirs"}, id="a secret while none is wanted"),
        pytest.param({"filter": None}, {"filter": ""}, id="an empty filter means no filter"),
        pytest.param(
            {"owned_by": "creator"}, {"owned_by": None}, id="no owner means the default owner"
        ),
    ],
)
def test_equal_settings_in_other_words_are_kept(
    wanted: dict[str, Any], existing: dict[str, Any]
) -> None:
    """A setting that means the same, and a secret where none is wanted, cause no change."""
    state = evolve(WANTED, **wanted)
    assert actions(plan_webhooks([state], [evolve(THERE, **{**wanted, **existing})])) == [
        ("keep", "W1")
    ]


OTHER_EVENT = {"event": "deleted"}
YOUNGER = {"created": LONG_AGO + timedelta(days=1)}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(OLD_URL, YOUNGER, "B", id="equal before older"),
        pytest.param(OTHER_EVENT, OLD_URL | YOUNGER, "B", id="updated before replaced"),
        pytest.param(OFF, OLD_URL | YOUNGER, "B", id="active before inactive"),
        pytest.param(OTHER_EVENT, OFF | YOUNGER, "B", id="reactivated before replaced"),
        pytest.param(YOUNGER, {}, "B", id="older"),
        pytest.param({"created": None}, YOUNGER, "B", id="one whose age is known"),
        pytest.param({}, {}, "A", id="by id"),
    ],
)
def test_the_duplicate_that_needs_the_least_change_is_kept(
    first: dict[str, Any], second: dict[str, Any], kept: str
) -> None:
    """The least change decides, then the age, then the id, whatever the order of the list."""
    duplicates = [evolve(THERE, **first, id="A"), evolve(THERE, **second, id="B")]
    deleted = ({"A", "B"} - {kept}).pop()
    expected = WebhookChange(
        action=WebhookAction.DELETE,
        name=WANTED.name,
        existing=next(each for each in duplicates if each.id == deleted),
        reason="a duplicate",
    )
    for existing in itertools.permutations(duplicates):
        keeping, *rest = plan_webhooks([WANTED], existing).changes
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
def test_runs_at_the_same_time_choose_the_same_duplicate(
    existing: list[Webhook], data: st.DataObject
) -> None:
    """A run that sees only some of the duplicates still keeps the one that all of them keep."""
    chosen = plan_webhooks([WANTED], existing).changes[0]
    seen = [each for each in existing if each == chosen.existing or data.draw(st.booleans())]
    assert plan_webhooks([WANTED], seen).changes[0] == chosen


@given(existing=webhooks, prune=st.sampled_from([None, "bot:", "bot"]))
def test_an_applied_plan_leaves_nothing_to_do(existing: list[Webhook], prune: str | None) -> None:
    """After a plan nothing is pending, and all other webhooks are unchanged."""
    after = {each.id: each for each in existing}
    for change in plan_webhooks([WANTED], existing, prune=prune).changes:
        if change.existing is not None and change.action is not WebhookAction.KEEP:
            del after[change.existing.id]
        if change.wanted is not None and change.action is not WebhookAction.KEEP:
            after["changed"] = evolve(THERE, id="changed")
    assert not plan_webhooks([WANTED], after.values(), prune=prune).pending
    assert [each for each in existing if each in after.values() and each.name != WANTED.name] == [
        each
        for each in existing
        if each.name != WANTED.name and not (prune and each.name.startswith(prune))
    ]


def test_a_webhook_that_is_listed_twice_is_not_a_duplicate() -> None:
    """Pages that shift while they are read show a webhook twice; it stays."""
    assert actions(plan_webhooks([WANTED], [THERE, THERE])) == [("keep", "W1")]


def test_wanted_webhooks_come_before_deletions() -> None:
    """A plan lists the wanted webhooks in the order given, and then the deletions."""
    cards = evolve(WANTED, name="bot:cards")
    existing = [
        evolve(THERE, id="old", name="bot:old"),
        evolve(THERE, id="1"),
        evolve(THERE, id="2"),
        evolve(THERE, id="3"),
    ]
    assert actions(plan_webhooks([cards, WANTED], existing, prune="bot:")) == [
        ("create", None),
        ("keep", "1"),
        ("delete", "old"),
        ("delete", "2"),
        ("delete", "3"),
    ]


def test_a_plan_prints_as_a_table() -> None:
    """Printed, a plan has a line for each webhook, in columns."""
    cards = evolve(WANTED, name="bot:cards")
    old = evolve(THERE, id="W2", name="bot:an older one")
    assert str(
        plan_webhooks([cards, WANTED], [evolve(THERE, status="inactive"), old], prune="bot:")
    ) == (
        "action      name              reason\n"
        "create      bot:cards         missing\n"
        "reactivate  bot:messages      switched off\n"
        "delete      bot:an older one  not wanted, and its name starts with 'bot:'"
    )


def test_a_name_cannot_break_the_table() -> None:
    """Names come from the service: control characters are escaped."""
    existing = [evolve(THERE, name="bot:\x1b[2J\nkeep")]
    assert str(plan_webhooks([], existing, prune="bot:\x1b")) == (
        "action  name               reason\n"
        r"delete  bot:\x1b[2J\nkeep  not wanted, and its name starts with 'bot:\x1b'"
    )


async def test_a_pure_plan_cannot_be_applied() -> None:
    """The error says how to get a plan that can be applied."""
    with pytest.raises(RuntimeError, match=r"client\.webhooks\.plan\(\)"):
        await plan_webhooks([WANTED], []).apply()


def watching(resource: str, **fields: str) -> NewWebhook:
    """A wanted webhook for all events of a resource."""
    of_all: dict[str, Any] = {"name": resource, "resource": resource, "event": "all"}
    return evolve(WANTED, **{**of_all, "filter": None, **fields})


FIREHOSE = watching("all")
CARDS = watching("attachmentActions")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([FIREHOSE], "'all' brings .* but no card submissions"),
        ([FIREHOSE, evolve(FIREHOSE, name="another")], "no card submissions"),
        *(
            (
                [watching("meetings", filter=f"state=ended&{each}=ann@example.com")],
                f"'meetings' filters by {each}, which needs owned_by='org'",
            )
            for each in ("hostEmail", "hostUserId")
        ),
        (
            [watching("convergedRecordings", filter="ownerId=P1", owned_by="creator")],
            "'convergedRecordings' filters by ownerId, which needs owned_by='org'",
        ),
        (
            [watching("videoMeshAlerts")],
            "'videoMeshAlerts' watches videoMeshAlerts, which needs owned_by='org'",
        ),
        (
            [watching("telephony_queueMonitoring")],
            (
                r"'telephony_queueMonitoring' watches .*, which sends nothing unless an interest is"
                r" registered: await client\.post\('telephony/webhookInterestRegistrations', "
                r"json=\{'interests': \[\{'resource': 'Queue Monitoring'\}\]\}\)"
            ),
        ),
        ([watching("telephony_hookstatus")], r"\[\{'resource': 'Hook Status'\}\]"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_list_that_cannot_work_is_warned_about(wanted: list[NewWebhook], message: str) -> None:
    """Wanted webhooks that can't work as meant cause one warning, at the caller's line."""
    with pytest.warns(WebhookPlanWarning, match=message) as caught:
        plan_webhooks(wanted, [])
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
        pytest.param([watching("messages", filter="personEmail=ownerId")], id="a value, not a key"),
        pytest.param([watching("holograms", filter="ownerId=P1")], id="an unknown resource"),
    ],
)
def test_a_list_that_works_causes_no_warning(wanted: list[NewWebhook]) -> None:
    """Wanted webhooks that can work cause no warning."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        plan_webhooks(wanted, [])
    assert caught == []
