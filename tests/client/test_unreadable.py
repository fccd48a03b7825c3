"""Webhooks that can't be read: they stop neither a list nor the other webhooks."""

import json
import logging
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.keeping import CARDS, MESSAGES, TOKEN
from tests.support.logs import Log
from webex_webhooks_async import DecodeError, NewWebhook, Webhooks, plan_webhooks, to_json
from webex_webhooks_async.testing import Sandbox


def item(wanted: NewWebhook, webhook_id: str = "W1", **odd: object) -> dict[str, Any]:
    """An item of a list, with some odd values; `None` is null."""
    return {**json.loads(to_json(wanted)), "id": webhook_id, "status": "active", **odd}


# Lists


async def test_a_list_leaves_out_what_it_cannot_read(
    sandbox: Sandbox, webhooks: Webhooks, caplog: Log
) -> None:
    """The others arrive, and one warning names the ids and what doesn't fit, without values."""
    no_url = item(MESSAGES, "W3")
    del no_url["targetUrl"]
    sandbox.fail(
        body={
            "items": [
                item(MESSAGES, "W1"),
                item(MESSAGES, "W2", name=None, secret="a canary"),
                no_url,
                item(MESSAGES, "W4", id=4, resource=["messages"]),
                "W5",
                item(MESSAGES, "W6"),
            ]
        }
    )
    page = await webhooks.list()
    assert [each.id for each in page.items] == ["W1", "W6"]
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "webhooks that can't be read are left out of a list: "
        "$.items[1].name: expected a string, got null (in the webhook with the id 'W2'); "
        "$.items[2].targetUrl: missing (in the webhook with the id 'W3'); "
        "$.items[3].id: expected a string, got a number, "
        "$.items[3].resource: expected a string, got an array "
        "(in the webhook without an id that can be read); "
        "$.items[4]: expected an object, got a string "
        "(in the webhook without an id that can be read)"
    )


async def test_a_list_warns_once_a_page(sandbox: Sandbox, webhooks: Webhooks, caplog: Log) -> None:
    """A warning names ten webhooks at most, and says how many more there are."""
    sandbox.fail(body={"items": [item(MESSAGES, f"W{n}", name=n) for n in range(100)]})
    assert [each async for each in webhooks.list()] == []
    [record] = caplog.records
    assert record.getMessage().count("$.items[") == 10
    assert record.getMessage().endswith("(in the webhook with the id 'W9') and 90 more")


async def test_an_id_is_shown_on_one_short_line_without_the_token(
    sandbox: Sandbox, webhooks: Webhooks, caplog: Log
) -> None:
    """An id from elsewhere is redacted and cut, in the log and in the error."""
    odd = item(MESSAGES, f"W-{TOKEN}\n" + "x" * 100_000, event=None)
    sandbox.fail(body={"items": [odd]}, method="GET")
    with pytest.raises(DecodeError) as caught:
        await webhooks.ensure([MESSAGES])
    shown = caplog.text, str(caught.value), repr(caught.value)
    assert sum(map(len, shown)) < 5_000
    assert ["with the id 'W-***" in each for each in shown[:2]] == [True, True]
    assert TOKEN not in "".join(shown)
    assert [len(each.getMessage().splitlines()) for each in caplog.records] == [1]


async def test_optional_fields_that_do_not_fit_leave_nothing_out(
    sandbox: Sandbox, webhooks: Webhooks, caplog: Log
) -> None:
    """An optional field that doesn't fit is None, and its value is kept."""
    sandbox.fail(body={"items": [item(MESSAGES, created="yesterday", orgId=7)]})
    [webhook] = (await webhooks.list()).items
    assert (webhook.created, webhook.org_id) == (None, None)
    assert webhook.extra == {"created": "yesterday", "orgId": 7}
    assert caplog.records == []


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": {}}, [], "<html>"])
async def test_a_page_without_items_is_an_error(
    sandbox: Sandbox, webhooks: Webhooks, body: dict[str, object] | list[object] | str
) -> None:
    """What isn't a page at all is a DecodeError, not an empty list."""
    sandbox.fail(body=body, method="GET")
    with pytest.raises(DecodeError):
        await webhooks.list()


# Ensure


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        ({"targetUrl": None}, r"\$\.items\[1\]\.targetUrl: expected a string"),
        ({"resource": 1}, r"\$\.items\[1\]\.resource: expected a string"),
        ({"event": {}}, r"\$\.items\[1\]\.event: expected a string"),
        ({"id": None}, r"\$\.items\[1\]\.id: expected a string"),
        ({"filter": []}, "filter: does not fit"),
        ({"ownedBy": 1}, "ownedBy: does not fit"),
        ({"status": True}, "status: does not fit"),
        ({"secret": 42}, "secret: does not fit"),
    ],
    ids=str,
)
async def test_a_wanted_webhook_that_cannot_be_read_changes_nothing(
    sandbox: Sandbox, webhooks: Webhooks, odd: dict[str, object], problem: str
) -> None:
    """It isn't replaced, a readable duplicate isn't deleted, and the error names it."""
    items = [item(CARDS, "W0"), item(MESSAGES, "W1", **odd), item(MESSAGES, "W2")]
    sandbox.fail(body={"items": items}, method="GET", times=None)
    with pytest.raises(DecodeError, match=problem) as caught:
        await webhooks.ensure([CARDS, MESSAGES], prune="bot:")
    assert caught.value.__notes__ == [
        "no webhook that can't be read is changed; delete it by its id"
    ]
    assert ("W1" in str(caught.value)) is ("id" not in odd)
    assert {each.method for each in sandbox.requests} == {"GET"}


async def test_others_that_cannot_be_read_do_not_matter(
    sandbox: Sandbox, webhooks: Webhooks, caplog: Log
) -> None:
    """Those of other names, or without one, stop nothing, and pruning leaves them alone."""
    items = [
        item(CARDS, "W1", event=None),
        item(CARDS, "W2", name="bot:old", secret=1),
        item(CARDS, "W3", name="another's", filter=1),
        item(MESSAGES, "W4", name=None),
    ]
    sandbox.fail(body={"items": items}, method="GET")
    result = await webhooks.ensure([MESSAGES], prune="bot:")
    assert [each.action for each in result.changes] == ["create"]
    assert [each.method for each in sandbox.requests if each.method != "GET"] == ["POST"]
    assert "'W4'" in caplog.text


async def test_a_plan_of_webhooks_that_do_not_fit_is_refused(
    sandbox: Sandbox, webhooks: Webhooks
) -> None:
    """The function `plan`, too, compares only what could be read."""
    sandbox.fail(body={"items": [item(MESSAGES, "W1", filter=1)]}, method="GET")
    page = await webhooks.list()
    with pytest.raises(DecodeError, match=r"^filter: does not fit .*'W1'"):
        plan_webhooks([MESSAGES], page.items)
    assert plan_webhooks([CARDS], page.items, prune="bot:").pending[0].name == "bot:cards"


async def test_watch_tries_again_at_its_next_turn(
    sandbox: Sandbox, webhooks: Webhooks, caplog: Log
) -> None:
    """A webhook that can't be read is logged at ERROR; when it can be read again, all is well."""
    sandbox.fail(body={"items": [item(MESSAGES, "W1", event=None)]}, method="GET", times=2)
    async with aclosing(webhooks.watch([MESSAGES], every=60)) as watching:
        result = await anext(watching)
    assert [each.action for each in result.changes] == ["create"]
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    message = (
        "reconciliation failed: $.items[0].event: expected a string, got null "
        "(in the webhook with the id 'W1') (if the class is yours, correct the type, or give a "
        "default to what can be absent or null); retrying in 60 s"
    )
    assert [each.getMessage() for each in errors] == [message] * 2
