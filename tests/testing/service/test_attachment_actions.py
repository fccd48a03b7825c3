from typing import Any

import pytest

from tests.testing.doubles import (
    ANN,
    BOB,
    BOT,
    CARD,
    Api,
    card_for_ann,
    created,
    kinds,
    notifications_of,
)
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

INPUTS = {"color": "red", "sizes": "1,2"}


async def test_submit(api: Api) -> None:
    """Who submits a card over HTTP gets the action, and both sides can read its inputs."""
    message = await card_for_ann(api)

    action = await created(
        api, "/attachment/actions", ANN, type="submit", messageId=message, inputs=INPUTS
    )

    ann = (await api.get("/people/me", headers=ANN)).json()
    expected = {"type": "submit", "messageId": message, "inputs": INPUTS, "personId": ann["id"]}
    assert action == {**action, **expected}
    assert action.keys() == {"id", "type", "messageId", "inputs", "personId", "roomId", "created"}
    for who in (BOT, ANN):
        read = await api.get(f"/attachment/actions/{action['id']}", headers=who)
        assert read.json() == action
    others = await api.get(f"/attachment/actions/{action['id']}", headers=BOB)
    assert others.status_code == 404


async def test_what_a_card_submits_over_http(api: Api) -> None:
    """Over HTTP, what is sent is kept as it is: inputs anywhere in the card, and data."""
    content: dict[str, Any] = {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "Input.Text", "id": "dish", "value": "soup"}],
        "actions": [
            {"type": "Action.Submit", "title": "Order", "data": {"do": "order"}},
            {
                "type": "Action.ShowCard",
                "card": {"type": "AdaptiveCard", "body": [{"type": "Input.Toggle", "id": "vegan"}]},
            },
        ],
    }
    message = await card_for_ann(api, {**CARD, "content": content})
    inputs = {"vegan": "true", "do": "something else"}
    action = {"type": "submit", "messageId": message, "inputs": inputs}

    submitted = await created(api, "/attachment/actions", ANN, **action)
    refused = await api.post(
        "/attachment/actions", json={**action, "inputs": {"whta": "1"}}, headers=ANN
    )

    assert submitted["inputs"] == inputs
    assert refused.json()["message"] == (
        "the card submits no 'whta'; it submits: 'dish', 'do', 'vegan'"
    )


async def test_a_card_of_ones_own(api: Api, webex_sandbox: Sandbox) -> None:
    """Who wrote a card can submit it, over HTTP as in a test, and is notified of that."""
    notified = await notifications_of(webex_sandbox, api, "attachmentActions")
    message = await card_for_ann(api)
    fields = {"type": "submit", "messageId": message, "inputs": INPUTS}

    action = await created(api, "/attachment/actions", **fields)
    await webex_sandbox.submit(message, {"color": "red"}, person=webex_sandbox.bot)

    assert (action["personId"], action["inputs"]) == (webex_sandbox.bot.id, INPUTS)
    assert kinds(notified) == ["attachmentActions created"] * 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"type": "open"}, 400),
        ({"type": None}, 400),
        ({"inputs": "red"}, 400),
        ({"inputs": None}, 400),
        ({"inputs": {"colour": "red"}}, 400),
        ({"messageId": "nope"}, 404),
    ],
)
async def test_what_is_refused(api: Api, changes: dict[str, object], status: int) -> None:
    """An action needs a type, a message and inputs."""
    fields = {"type": "submit", "messageId": await card_for_ann(api), "inputs": INPUTS}

    response = await api.post("/attachment/actions", json={**fields, **changes}, headers=ANN)

    assert response.status_code == status


async def test_a_message_without_a_card(api: Api) -> None:
    """Nothing can be submitted."""
    plain = await created(api, "/messages", ANN, toPersonEmail="sandbox@webex.bot", text="Hello")
    fields = {"type": "submit", "messageId": plain["id"], "inputs": {}}
    response = await api.post("/attachment/actions", json=fields, headers=ANN)

    assert response.status_code == 400
