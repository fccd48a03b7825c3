import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.testing.doubles import FakeClock
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.testing.samples import sample_notification
from webex_webhooks_async.testing.service.shared.persons import fake_person
from webex_webhooks_async.testing.service.shared.sample_data import sample_data

EVENTS = [
    (resource, event)
    for resource, watchable in CATALOG.items()
    if resource != Resource.ALL
    for event in sorted(watchable.events)
]


def sample(resource: str, event: str) -> dict[str, Any] | None:
    """Make a sample of what a fake person did."""
    return sample_data(resource, event, actor=fake_person(), now=FakeClock().now)


@pytest.mark.parametrize(("resource", "event"), EVENTS)
def test_samples_are_what_the_receiving_side_knows(resource: str, event: str) -> None:
    """A sample fits the data class of its resource, if it has one, and no two are equal."""
    body = sample_notification(resource, event)
    notification = parse_unverified_notification(body)
    unknown: Mapping[str, Any] = (
        {} if isinstance(notification.data, Mapping) else notification.data.extra
    )

    has_a_sample = sample(resource, event) is not None
    assert has_a_sample == (not isinstance(notification.data, dict))
    assert (notification.resource, notification.event) == (resource, event)
    assert unknown == {}, "a key of the sample has a field in models/notifications.py"
    assert body != sample_notification(resource, event)


def test_a_resource_that_is_not_known_has_no_sample() -> None:
    """A resource without documented data has no sample."""
    assert sample("whiteboards", "moved") is None


@pytest.mark.parametrize(
    ("event", "state"),
    [("created", "alerting"), ("updated", "connected"), ("deleted", "disconnected")],
)
def test_calls(event: str, state: str) -> None:
    """A call's state goes with what happened to it."""
    data = json.loads(sample_notification("telephony_calls", event))["data"]

    assert data["state"] == state


@pytest.mark.parametrize(
    ("event", "state"), [("created", "scheduled"), ("started", "inProgress"), ("ended", "ended")]
)
def test_meetings(event: str, state: str) -> None:
    """A meeting's state goes with what happened to it."""
    assert json.loads(sample_notification("meetings", event))["data"]["state"] == state


def test_participants() -> None:
    """Only a participant who left has a time of leaving."""
    joined, left = (
        json.loads(sample_notification("meetingParticipants", event))["data"]
        for event in ("joined", "left")
    )

    assert "leftTime" in left
    assert "leftTime" not in joined
