"""The handler of a README in the field, as a receiver, and what that handler gets wrong.

The README of the Go SDK for Webex reads a bare SHA-1 digest from ``X-Webex-Signature``, compares
it with ``==``, and only if the header is there; then it looks for messages that were created, and
for memberships.
"""

from collections.abc import Mapping

import pytest

from tests.notifications.doubles import MESSAGE_DATA, SECRET, body_of, signed
from webex_webhooks_async.models.notifications import MembershipData, MessageData, Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.notifications.receiver import Receiver
from webex_webhooks_async.notifications.signatures import verify

BODY = body_of()
SPARK_SIGNATURE = signed(BODY)[1]["X-Spark-Signature"]


def the_receiver(told: list[str]) -> Receiver:
    """The handler in ten lines."""
    receiver = Receiver(SECRET)

    @receiver.on(Resource.MESSAGES, Event.CREATED)
    async def message(notification: Notification[MessageData]) -> None:
        told.append(f"{notification.data.person_email} wrote in {notification.data.room_id}")

    @receiver.on(Resource.MEMBERSHIPS)
    async def membership(notification: Notification[MembershipData]) -> None:
        told.append(f"{notification.data.person_email} {notification.event}")

    return receiver


@pytest.mark.parametrize(
    ("resource", "event", "expected"),
    [
        ("messages", "created", ["matt@example.com wrote in ROOM"]),
        ("messages", "deleted", []),
        ("memberships", "deleted", ["matt@example.com deleted"]),
        ("rooms", "created", []),
    ],
)
async def test_it_does_what_the_handler_does(
    resource: str, event: str, expected: list[str]
) -> None:
    """Messages that were created and memberships are handled, the rest is let be."""
    told: list[str] = []
    body, headers = signed(body_of(MESSAGE_DATA, resource=resource, event=event))

    assert await the_receiver(told).handle(body, headers) == 204
    assert told == expected


@pytest.mark.parametrize("name", ["X-Webex-Signature", "X-Spark-Signature"])
async def test_it_reads_the_header_of_the_handler(name: str) -> None:
    """A bare SHA-1 digest proves a request in the README's header as well as in Cisco's."""
    told: list[str] = []

    assert await the_receiver(told).handle(BODY, {name: SPARK_SIGNATURE}) == 204
    assert len(told) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Webex-Signature": ""}, {"X-Other": SPARK_SIGNATURE}])
async def test_a_missing_header_is_not_accepted(headers: Mapping[str, str]) -> None:
    """Who leaves the signature out is turned away; the handler takes him for Webex."""
    told: list[str] = []

    assert await the_receiver(told).handle(BODY, headers) == 401
    assert told == []


async def test_the_comparison_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are compared whole and in constant time; the handler stops at the first letter."""
    compared: list[tuple[int, int]] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append((len(expected), len(given)))
        return False

    monkeypatch.setattr(f"{verify.__module__}.hmac.compare_digest", compare)
    for guess in ("0" * 40, SPARK_SIGNATURE[:39] + "g", SPARK_SIGNATURE):
        assert await the_receiver([]).handle(BODY, {"X-Webex-Signature": guess}) == 401

    assert compared == [(20, 20), (20, 20)]
