import logging
from typing import Any

import httpx
import pytest

from tests.testing.doubles import CARD, created
from webex_webhooks_async.testing.service.cards import remarks_on

SUBMIT = {"type": "Action.Submit", "title": "Order"}


def card(**members: object) -> dict[str, Any]:
    """A card that has these members."""
    return {**CARD, "content": {**CARD["content"], **members}}


@pytest.mark.parametrize(
    ("members", "remarks"),
    [
        ({}, ()),
        ({"version": "latest", "actions": [SUBMIT] * 5}, ()),
        (
            {"version": "1.10"},
            ("Webex supports cards up to version 1.3, and this one has version 1.10",),
        ),
        (
            {"body": [{"type": "ActionSet", "actions": [SUBMIT] * 6}], "actions": [SUBMIT] * 7},
            ("Webex supports up to 5 actions in a list, and this card has more",),
        ),
        (
            {
                "actions": [
                    {
                        "type": "Action.ShowCard",
                        "card": {"type": "AdaptiveCard", "body": [{"type": "Table"}]},
                    },
                    {"type": "Action.Execute"},
                ]
            },
            (
                "Webex doesn't support Action.Execute, which this card has",
                "Webex doesn't support Table, which this card has",
            ),
        ),
    ],
)
async def test_remarks(
    api: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    members: dict[str, object],
    remarks: tuple[str, ...],
) -> None:
    """What Webex documents as unsupported, or as beyond its limits, is taken with a warning."""
    with caplog.at_level(logging.WARNING, "webex_webhooks_async"):
        message = await created(
            api, "/messages", toPersonEmail="a@example.com", text="t", attachments=[card(**members)]
        )

    assert caplog.messages == [f"the card of the message {message['id']}: {x}" for x in remarks]
    assert remarks_on(message["attachments"]) == remarks
