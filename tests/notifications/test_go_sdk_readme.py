"""The handler in another SDK's README, written as a receiver, and what that handler gets wrong.

The README of the Go SDK for Webex reads a bare SHA-1 digest from ``X-Webex-Signature``, compares
it with ``==``, and only if the header is present. Then it handles created messages, and
memberships.
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


def the_receiver(handled: list[str]) -> Receiver:
    """The same handler in ten lines."""
    receiver = Receiver(SECRET)

    @receiver.on(Resource.MESSAGES, Event.CREATED)
    async def message(notification: Notification[MessageData]) -> None:
        handled.append(f"{notification.data.person_email} wrote in {notification.data.room_id}")

    @receiver.on(Resource.MEMBERSHIPS)
    async def membership(notification: Notification[MembershipData]) -> None:
        handled.append(f"{notification.data.person_email} {notification.event}")

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
    """Created messages and memberships are handled; everything else is ignored."""
    handled: list[str] = []
    body, headers = signed(body_of(MESSAGE_DATA, resource=resource, event=event))

    assert await the_receiver(handled).handle(body, headers) == 204
    assert handled == expected


@pytest.mark.parametrize("name", ["X-Webex-Signature", "X-Spark-Signature"])
async def test_it_reads_the_header_of_the_handler(name: str) -> None:
    """A bare SHA-1 digest proves a request in the README's header as well as in Cisco's."""
    handled: list[str] = []

    assert await the_receiver(handled).handle(BODY, {name: SPARK_SIGNATURE}) == 204
    assert len(handled) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Webex-Signature": ""}, {"X-Other": SPARK_SIGNATURE}])
async def test_a_missing_header_is_not_accepted(headers: Mapping[str, str]) -> None:
    """A request without a signature gets a 401; the other handler accepts it."""
    handled: list[str] = []

    assert await the_receiver(handled).handle(BODY, headers) == 401
    assert handled == []


async def test_the_comparison_reveals_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are compared whole and in constant time; the handler stops at the first letter."""
    compared: list[tuple[int, int]] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append((len(expected), len(given)))
        return False

    monkeypatch.setattr(f"{verify.__module__}.hmac.compare_digest", compare)
    for guess in ("0" * 40, SPARK_SIGNATURE[:39] + "g", SPARK_SIGNATURE):
        assert await the_receiver([]).handle(BODY, {"X-Webex-Signature": guess}) == 401

    assert compared == [(20, 20), (20, 20)]
