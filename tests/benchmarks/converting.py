"""Converting between JSON and classes."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.benchmarks.by_hand import plain_cattrs, verify_strongest
from tests.benchmarks.harness import Round, counted
from tests.benchmarks.sender import SECRET, body_of
from tests.benchmarks.server import WEBHOOK
from webex_webhooks_async import (
    MessageData,
    Notification,
    Webhook,
    from_json,
    parse_notification,
    sign,
    to_json,
)

BODY = body_of(0)
HEADERS = sign(BODY, SECRET)


UNKNOWN = WEBHOOK | {
    "version": 2,
    "lastDelivery": {"status": 204, "at": "2024-05-17T09:30:00.000Z"},
    "labels": ["bot", "production"],
    "paused": False,
}
"""A webhook with keys that no field has."""


@asynccontextmanager
async def repeating(convert: Callable[[], object]) -> AsyncGenerator[Round]:
    """A round converts this many times."""

    async def play(count: int) -> None:
        for _ in range(count):
            convert()

    yield play


def writing(document: dict[str, Any]) -> AbstractAsyncContextManager[Round]:
    """Write a webhook."""
    webhook = from_json(json.dumps(document), Webhook)
    return repeating(lambda: to_json(webhook))


def writing_by_hand(document: dict[str, Any]) -> AbstractAsyncContextManager[Round]:
    """Write the same with plain cattrs."""
    webhook = from_json(json.dumps(document), Webhook)
    unstructure = plain_cattrs().unstructure
    if not webhook.extra:
        return repeating(lambda: json.dumps(unstructure(webhook), separators=(",", ":")).encode())

    def write() -> bytes:
        members = {**webhook.extra, **unstructure(webhook)}
        return json.dumps(members, separators=(",", ":")).encode()

    return repeating(write)


def parsing(_: str) -> AbstractAsyncContextManager[Round]:
    """Verify, and parse into types."""
    return repeating(lambda: parse_notification(BODY, HEADERS, secrets=SECRET))


def parsing_by_hand(_: str) -> AbstractAsyncContextManager[Round]:
    """Verify, and parse into the same types with plain cattrs."""
    converter = plain_cattrs()
    message: Any = Notification[MessageData]

    def parse() -> object:
        verify_strongest(BODY, HEADERS["X-Spark-Signature"], HEADERS["X-Webex-Signature"])
        return converter.structure(json.loads(BODY), message)

    return repeating(parse)


CASES = (
    counted(
        "to_json / cattrs by hand",
        lambda _: writing(WEBHOOK),
        lambda _: writing_by_hand(WEBHOOK),
        count=500,
        at_most=1.11,
    ),
    counted(
        "to_json with unknown keys / cattrs by hand",
        lambda _: writing(UNKNOWN),
        lambda _: writing_by_hand(UNKNOWN),
        count=500,
        at_most=1.11,
    ),
    counted("parse / by hand", parsing, parsing_by_hand, 500, 1.05),
)
