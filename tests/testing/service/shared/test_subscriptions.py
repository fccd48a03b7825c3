from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.testing.doubles import webhook
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.testing.service.shared.subscriptions import (
    matches,
    problems_of_subscription,
)


@pytest.mark.parametrize(
    "fields",
    [
        {"resource": "all", "event": "all"},
        {"resource": "all", "event": "created"},
        {"resource": "attachmentActions", "event": "all"},
        {"resource": "messages", "event": "created", "filter": "roomId=R&hasFiles=true"},
        {"resource": "messages", "event": "reacted"},  # an event that is new
        {"resource": "whiteboards", "event": "created", "filter": "color=red"},  # a new resource
        {"resource": "rooms", "event": "migrated"},
        {"resource": "meetings", "event": "started", "filter": "hostEmail=a", "owned_by": "org"},
        {"resource": "videoMeshAlerts", "event": "triggered", "owned_by": "org"},
        {"filter": "roomId=a=="},
        {"resource": "telephony_queue", "event": "updated", "filter": "x=y"},  # undocumented
    ],
)
def test_accepted(fields: dict[str, str]) -> None:
    """What Webex accepts is accepted, and so is what it may have added."""
    assert list(problems_of_subscription(webhook(**fields))) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event": "updated"}, "Invalid event for resource messages: updated"),
        ({"resource": "all", "event": "migrated"}, "Invalid event for resource all: migrated"),
        ({"filter": "roomid=R"}, "Invalid value for filter: roomid"),
        ({"filter": "roomId"}, "Invalid value for filter: roomId"),
        ({"filter": "roomId="}, "Invalid value for filter: roomId="),
        ({"filter": "=R"}, "Invalid value for filter: =R"),
        ({"filter": "roomId=R&"}, "Invalid value for filter: roomId=R&"),
        ({"resource": "whiteboards", "filter": "color"}, "Invalid value for filter: color"),
        (
            {"resource": "rooms", "event": "migrated", "filter": "type=group"},
            "Invalid value for filter: type",
        ),
        (
            {"resource": "all", "event": "all", "filter": "roomId=R"},
            "Invalid value for filter: roomId",
        ),
        (
            {"resource": "meetings", "filter": "hostEmail=a"},
            "Filter hostEmail requires ownedBy=org",
        ),
        (
            {"resource": "controlHubAlerts"},
            "Resource controlHubAlerts requires ownedBy=org",
        ),
    ],
)
def test_refused(fields: dict[str, str], problem: str) -> None:
    """A webhook that Webex refuses is refused, with the reason."""
    assert [problem] == list(problems_of_subscription(webhook(**fields)))


@pytest.mark.parametrize(
    ("watched", "happening", "expected"),
    [
        ("messages created", "messages created", True),
        ("messages created", "messages deleted", False),
        ("messages created", "rooms created", False),
        ("messages all", "messages deleted", True),
        ("rooms all", "rooms updated", True),
        ("rooms all", "rooms migrated", False),
        ("rooms migrated", "rooms migrated", True),
        ("meetings all", "meetings started", True),
        ("all all", "messages created", True),
        ("all all", "memberships deleted", True),
        ("all all", "rooms updated", True),
        ("all all", "rooms migrated", False),
        ("all all", "attachmentActions created", False),
        ("all all", "meetings created", False),
        ("all all", "whiteboards created", False),
        ("all created", "rooms created", True),
        ("all created", "rooms updated", False),
        ("whiteboards moved", "whiteboards moved", True),
        ("whiteboards all", "whiteboards moved", True),
    ],
)
def test_watched_events(watched: str, happening: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """A webhook gets its own events; the firehose is of three resources and three events."""
    watched_resource, watched_event = watched.split()
    resource, event = happening.split()
    watching = webhook(resource=watched_resource, event=watched_event)

    assert matches(watching, resource, event, {}) == expected


FILTERED: list[tuple[str, dict[str, Any], bool]] = [
    ("roomId=R", {"roomId": "R"}, True),
    ("roomId=R", {"roomId": "Q"}, False),
    ("roomId=R", {}, False),
    ("roomId=None", {"roomId": None}, False),
    ("roomId=R&personId=P", {"roomId": "R", "personId": "P"}, True),
    ("roomId=R&personId=P", {"roomId": "R", "personId": "Q"}, False),
    ("roomId=a==", {"roomId": "a=="}, True),
    ("isLocked=true", {"isLocked": True}, True),
    ("isLocked=false", {"isLocked": False}, True),
    ("isLocked=true", {"isLocked": False}, False),
    ("isLocked=false", {}, False),
    ("meetingNumber=7", {"meetingNumber": 7}, True),
    ("mentionedPeople=P", {"mentionedPeople": ["Q", "P"]}, True),
    ("mentionedPeople=P", {"mentionedPeople": ["Q"]}, False),
    ("mentionedPeople=me", {"mentionedPeople": ["BOT"]}, True),
    ("mentionedPeople=me", {"mentionedPeople": ["me"]}, False),
    ("mentionedPeople=me", {}, False),
    ("hasFiles=true", {"files": ["https://files/1"]}, True),
    ("hasFiles=true", {}, False),
    ("hasFiles=false", {"files": []}, True),
    ("hasAttachments=true", {"attachments": [{}]}, True),
    ("hasAttachments=false", {}, True),
    ("number=+15550001", {"remoteParty": {"number": "+15550001"}}, True),
    ("number=+15550001", {"remoteParty": {"number": "+15550002"}}, False),
    ("number=+15550001", {"remoteParty": "withheld"}, False),
    ("personId=P", {"personId": "P", "remoteParty": {"personId": "Q"}}, True),
]


@pytest.mark.parametrize(("filter_", "data", "expected"), FILTERED)
def test_filters(filter_: str, data: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a table
    """Every condition of a filter must hold for the data."""
    assert expected == matches(webhook(filter=filter_), "messages", "created", data)


def test_nobody_is_mentioned_for_a_webhook_that_nobody_made() -> None:
    """Without a creator, ``me`` matches nobody."""
    nobodys = webhook(filter="mentionedPeople=me", created_by=None)

    assert not matches(nobodys, "messages", "created", {"mentionedPeople": [None]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
KEYS = sorted(CATALOG["messages"].filters | {"remoteParty", "files"})


@given(
    filter_=st.lists(st.sampled_from(KEYS), min_size=1).map("=x&".join).map("{}=x".format),
    data=st.dictionaries(st.sampled_from(KEYS), JSON),
)
def test_any_data_can_be_filtered(filter_: str, data: dict[str, Any]) -> None:
    """For any data, a filter matches or it doesn't; nothing is raised."""
    assert matches(webhook(filter=filter_), "messages", "created", data) in {True, False}
