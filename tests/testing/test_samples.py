import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import verify
from webex_webhooks_async.testing import sample_notification, signed_request

URL = "https://example.com/hook"
SECRET = "s3cret"

EVENTS = [
    (resource, event)
    for resource, watchable in CATALOG.items()
    if resource != Resource.ALL
    for event in sorted(watchable.events)
]


def test_the_envelope_of_a_sample() -> None:
    """It has each member of a real one; given values replace those, and None leaves a key out."""
    sample = json.loads(sample_notification("messages", "created"))
    given = json.loads(
        sample_notification(
            "messages",
            "created",
            data={"roomId": "R", "roomType": None},
            name="mine",
            createdBy=None,
            futureMember=[1],
        )
    )

    envelope = "id name targetUrl resource event orgId createdBy appId ownedBy status created"
    assert sample.keys() == {*envelope.split(), "actorId", "data"}
    assert given.keys() == {*sample, "futureMember"} - {"createdBy"}
    assert given["data"].keys() == sample["data"].keys() - {"roomType"}
    assert (given["name"], given["futureMember"], given["data"]["roomId"]) == ("mine", [1], "R")


@pytest.mark.parametrize(("resource", "event"), EVENTS)
def test_samples_are_what_the_receiving_side_knows(resource: str, event: str) -> None:
    """A sample fits the data class of its resource, if it has one, and no two are equal."""
    body = sample_notification(resource, event)
    notification = parse_unverified_notification(body)
    unknown: Mapping[str, Any] = (
        {} if isinstance(notification.data, Mapping) else notification.data.extra
    )

    assert (notification.resource, notification.event) == (resource, event)
    assert unknown == {}, "a key of the sample has a field in models/notification_data.py"
    assert body != sample_notification(resource, event)


@pytest.mark.parametrize(
    ("resource", "event", "state"),
    [
        ("telephony_calls", "created", "alerting"),
        ("telephony_calls", "updated", "connected"),
        ("telephony_calls", "deleted", "disconnected"),
        ("meetings", "created", "scheduled"),
        ("meetings", "started", "inProgress"),
        ("meetings", "ended", "ended"),
        ("meetingParticipants", "joined", "joined"),
        ("meetingParticipants", "left", "end"),
    ],
)
def test_states(resource: str, event: str, state: str) -> None:
    """A state goes with what happened, and only a participant who left has a time of leaving."""
    data = json.loads(sample_notification(resource, event))["data"]

    assert data["state"] == state
    assert ("leftTime" in data) == (event == "left")


def test_a_signed_request() -> None:
    """The request is a POST of the raw bytes as JSON, signed if there is a secret."""
    body = sample_notification("messages", "created")

    request = signed_request(URL, body, SECRET)

    assert (request.method, str(request.url), request.content) == ("POST", URL, body)
    assert request.headers["Content-Type"] == "application/json;charset=UTF-8"
    verify(body, request.headers, secrets=SECRET)
    with pytest.raises(SignatureError, match="no signature"):
        verify(body, signed_request(URL, body, None).headers, secrets=SECRET)
    with pytest.raises(ValueError, match="secret"):
        signed_request(URL, b"{}", "")
    with pytest.raises(httpx.InvalidURL):
        signed_request("http://a:b", b"{}", SECRET)
