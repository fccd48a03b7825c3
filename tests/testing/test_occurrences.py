import json
import math
from typing import Any

import pytest

from tests.testing.doubles import FakeClock, webhook
from webex_webhooks_async.testing.occurrences import Occurrence, encode
from webex_webhooks_async.testing.people import Person


def occurrence(
    resource: str = "messages",
    event: str = "created",
    data: dict[str, Any] | None = None,
    actor: Person | None = None,
) -> Occurrence:
    """Let something happen."""
    return Occurrence.of(resource, event, data, actor=actor, now=FakeClock().now)


def test_the_notification() -> None:
    """The envelope is the webhook's, without its secret, and says what happened and who did it."""
    happened = occurrence(data={"roomId": "R"}, actor=Person.made_up("P"))
    watching = webhook(
        resource="all", event="all", filter="roomId=R", secret="s3cret", status="active", org_id="O"
    )

    assert happened.notification_for(watching) == {
        "id": "W1",
        "name": "Messages",
        "targetUrl": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
        "filter": "roomId=R",
        "status": "active",
        "ownedBy": "creator",
        "createdBy": "BOT",
        "orgId": "O",
        "actorId": "P",
        "data": happened.data,
    }


def test_data_is_laid_over_a_sample() -> None:
    """What is given wins, what isn't given comes from the sample, and None leaves a key out."""
    data = occurrence(data={"roomId": "R", "mentionedPeople": ["P"], "personEmail": None}).data

    assert data.keys() == {
        "id",
        "roomId",
        "roomType",
        "personId",
        "created",
        "mentionedPeople",
    }
    assert (data["roomId"], data["mentionedPeople"]) == ("R", ["P"])


def test_data_of_a_resource_that_is_not_known() -> None:
    """Where there is no sample, what is given is all; nothing given, there is an id."""
    assert occurrence("whiteboards", "moved", {"color": "red"}).data == {"color": "red"}
    assert occurrence("whiteboards", "moved").data.keys() == {"id"}


@pytest.mark.parametrize(("resource", "event"), [("all", "created"), ("messages", "all")])
def test_something_concrete_happens(resource: str, event: str) -> None:
    """A notification never says ``all``."""
    with pytest.raises(ValueError, match="concrete"):
        occurrence(resource, event)


@pytest.mark.parametrize(
    ("resource", "data"),
    [("messages", {"personId": "P"}), ("rooms", {"creatorId": "P"})],
)
def test_who_is_named_by_the_data_did_it(resource: str, data: dict[str, str]) -> None:
    """Without an actor, it was the person whom the data name."""
    assert occurrence(resource, data=data).actor_id == "P"


def test_who_did_it_is_in_the_sample() -> None:
    """A sample names the actor as the person."""
    actor = Person.made_up()

    data = occurrence(actor=actor).data

    assert (data["personId"], data["personEmail"]) == (actor.id, actor.email)


def test_nobody_does_an_alert() -> None:
    """An alert has no actor, unless one is given."""
    alert = occurrence("videoMeshAlerts", "triggered")
    someones = occurrence("videoMeshAlerts", "triggered", actor=Person.made_up("P"))

    assert "actorId" not in alert.notification_for(webhook())
    assert someones.notification_for(webhook())["actorId"] == "P"


def test_encode() -> None:
    """A body is compact JSON."""
    assert encode({"a": [1, "é"]}) == b'{"a":[1,"\\u00e9"]}'
    assert json.loads(encode({"a": "é"})) == {"a": "é"}


def test_only_json_is_encoded() -> None:
    """What JSON doesn't have is refused."""
    with pytest.raises(ValueError, match="JSON"):
        encode({"a": math.nan})
