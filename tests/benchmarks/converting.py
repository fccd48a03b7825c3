"""Converting between JSON and classes."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.benchmarks.by_hand import plain_cattrs, verify_strongest
from tests.benchmarks.harness import Case, Round
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


def repeats(convert: Callable[[], object]) -> Round:
    """Return a round that converts this many times."""

    async def play(count: int) -> None:
        for _ in range(count):
            convert()

    return play


@asynccontextmanager
async def own_writing(_: str) -> AsyncGenerator[Round]:
    """Write a webhook."""
    webhook = from_json(json.dumps(WEBHOOK), Webhook)
    yield repeats(lambda: to_json(webhook))


@asynccontextmanager
async def writing_by_hand(_: str) -> AsyncGenerator[Round]:
    """Write the same with plain cattrs."""
    webhook = from_json(json.dumps(WEBHOOK), Webhook)
    converter = plain_cattrs()
    yield repeats(
        lambda: json.dumps(converter.unstructure(webhook), separators=(",", ":")).encode()
    )


UNKNOWN = WEBHOOK | {
    "version": 2,
    "lastDelivery": {"status": 204, "at": "2024-05-17T09:30:00.000Z"},
    "labels": ["bot", "production"],
    "paused": False,
}
"""A webhook with keys that no field has."""


@asynccontextmanager
async def own_writing_of_unknown_keys(_: str) -> AsyncGenerator[Round]:
    """Write a webhook with unknown keys."""
    webhook = from_json(json.dumps(UNKNOWN), Webhook)
    yield repeats(lambda: to_json(webhook))


@asynccontextmanager
async def writing_of_unknown_keys_by_hand(_: str) -> AsyncGenerator[Round]:
    """Write the same with plain cattrs."""
    webhook = from_json(json.dumps(UNKNOWN), Webhook)
    converter = plain_cattrs()

    def write() -> bytes:
        members = {**webhook.extra, **converter.unstructure(webhook)}
        return json.dumps(members, separators=(",", ":")).encode()

    yield repeats(write)


@asynccontextmanager
async def own_parsing(_: str) -> AsyncGenerator[Round]:
    """Verify, and parse into types."""
    yield repeats(lambda: parse_notification(BODY, HEADERS, secrets=SECRET))


@asynccontextmanager
async def parsing_by_hand(_: str) -> AsyncGenerator[Round]:
    """Verify, and parse into the same types with plain cattrs."""
    converter = plain_cattrs()
    message: Any = Notification[MessageData]

    def parse() -> object:
        verify_strongest(BODY, HEADERS["X-Spark-Signature"], HEADERS["X-Webex-Signature"])
        return converter.structure(json.loads(BODY), message)

    yield repeats(parse)


CASES = (
    Case(
        name="to_json / cattrs by hand",
        ours=own_writing,
        peer=writing_by_hand,
        count=2000,
        at_most=1.15,
    ),
    Case(
        name="to_json with unknown keys / cattrs by hand",
        ours=own_writing_of_unknown_keys,
        peer=writing_of_unknown_keys_by_hand,
        count=2000,
        at_most=1.3,
    ),
    Case(
        name="parse / by hand",
        ours=own_parsing,
        peer=parsing_by_hand,
        count=2000,
        at_most=1.12,
    ),
)
