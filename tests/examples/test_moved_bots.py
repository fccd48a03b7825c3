"""The pages docs/how-to/move/*.md: their calls, and the bots that were moved."""

import ast
import asyncio
import inspect
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests

import webex_webhooks_async
from tests.bot.doubles import CARD
from tests.examples.serving import EXAMPLES, SECRET, TARGET_URL, Run
from webex_webhooks_async import (
    Bot,
    Client,
    File,
    Message,
    MessageContext,
    NewWebhook,
    SubmissionContext,
    sign,
)
from webex_webhooks_async.testing import Sandbox, sample_notification
from webex_webhooks_async.types import AsyncPaginator

pytestmark = pytest.mark.once

PAGES = EXAMPLES.parent / "how-to" / "move"
OTHER = "a-secret-of-another-webhook"
ANN = "ann@example.com"
BOB = "bob@example.com"
EVE = "eve@elsewhere.example"
# In a group room, a bot may only list the messages that mention it.
LISTS_ALL = re.compile(r"(?:list\(\"messages\"|messages\.list\()(?!.*mentionedPeople)")
ATTACHMENT = {"contentType": "application/vnd.microsoft.card.adaptive", "content": CARD}


async def talk(sandbox: Sandbox, *texts: str) -> list[tuple[str, bool]]:
    """Write to the bot and fill in its card; return what it wrote, and whether into a thread."""
    for text in texts:
        await sandbox.say(text, person=ANN)
    (card,) = (message for message in sandbox.messages if message.attachments)
    await sandbox.submit(card.id, {"dish": "Pasta"}, person=ANN)
    replies = (each for each in sandbox.messages if each.person_id == sandbox.bot.id)
    return [(str(each.text), each.parent_id is not None) for each in replies]


LUNCH = [
    ("Ordered: two pizzas", True),
    ("What would you like?", True),
    ("order: Order lunch.\nmenu: Choose from the menu.", True),
    ("Ordered: Pasta", True),
]


@pytest.mark.parametrize("name", ["webexpythonsdk", "wxc_sdk"])
async def test_a_bot_moved_from_an_sdk(name: str, webex_sandbox: Sandbox, run_example: Run) -> None:
    """The moved bot knows its commands and its card, and replies in threads."""
    async with run_example(f"moved_from_{name}.py", WEBEX_TARGET_URL=f"{TARGET_URL}/"):
        assert await talk(webex_sandbox, "Order two pizzas", "menu", "What?") == LUNCH


async def test_a_bot_moved_from_webex_bot(webex_sandbox: Sandbox, run_example: Run) -> None:
    """The moved bot ignores strangers, takes the card as it was, and deletes it afterwards."""
    async with run_example("moved_from_webex_bot.py"):
        await intrude(webex_sandbox, {"dish": "All of it", "callback_keyword": "order"})
        written = await talk(webex_sandbox, "Order two pizzas", "menu")

    assert written == [("Ordered: two pizzas", True), ("Ordered: Pasta", False)]


async def test_a_bot_moved_from_webexteamsbot(webex_sandbox: Sandbox, run_example: Run) -> None:
    """The moved bot ignores who isn't approved, and writes into the room."""
    commands = "/order: Order lunch.\n/menu: Choose from the menu."
    async with run_example("moved_from_webexteamsbot.py"):
        await intrude(webex_sandbox, {"dish": "All of it"})
        written = await talk(webex_sandbox, "/order two pizzas", "/menu", "What?")

    assert written == [
        ("Ordered: two pizzas", False),
        ("What would you like?", False),
        (f"I understand the following commands:\n{commands}", False),
        ("Ordered: Pasta", False),
    ]


async def intrude(sandbox: Sandbox, inputs: Mapping[str, str]) -> None:
    """Let a stranger write to the bot, and submit a card."""
    await sandbox.say("What?", person=EVE)
    (message,) = sandbox.messages
    submitted = {
        "personId": message.person_id,
        "messageId": message.id,
        "roomId": message.room_id,
        "inputs": inputs,
    }
    await sandbox.emit("attachmentActions", "created", data=submitted)


@pytest.fixture
def in_a_kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is a menu."""
    (tmp_path / "menu.pdf").write_bytes(b"%PDF")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_a_kitchen")
@pytest.mark.parametrize("name", ["webexpythonsdk", "webex-bot", "wxc-sdk", "others"])
async def test_the_calls_here(name: str, base_url: str, webex_sandbox: Sandbox) -> None:
    """What the tables name as the calls of this package works, in a handler of a bot."""
    start = r"\(?await |async for |\[each|client\.|parse_|context\.|message\.|room\.|to_json"
    snippets = calls(name, 1, start)
    names = await world(webex_sandbox, base_url)
    await run_in_handlers(snippets, webex_sandbox, base_url, names)

    assert len(snippets) >= 8


@pytest.mark.usefixtures("in_a_kitchen")
async def test_the_calls_of_webexpythonsdk(base_url: str, webex_sandbox: Sandbox) -> None:
    """What the table names as the calls of webexpythonsdk works."""
    names = await world(webex_sandbox, base_url)
    sdk = import_module("webexpythonsdk")  # which has no types
    names |= vars(sdk) | {"api": sdk.WebexAPI("a-token", f"{base_url}/")}
    snippets = calls("webexpythonsdk", 0, r"api\.|for \w+ in api|requests\.get|WebhookEvent")
    for snippet in snippets:
        await asyncio.to_thread(run_on_webexpythonsdk, snippet, names)

    assert len(snippets) > 25


@pytest.mark.parametrize(("status", "attempts"), [(429, 2), (502, 1), (503, 1)])
async def test_the_retries_of_webexpythonsdk(
    status: int,
    attempts: int,
    base_url: str,
    webex_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It repeats a request after a 429 alone, as the page and the comparison say."""
    sdk = import_module("webexpythonsdk")
    monkeypatch.setattr("webexpythonsdk.restsession.time", Mock())  # it sleeps a second or more
    api = sdk.WebexAPI("a-token", f"{base_url}/")
    webex_sandbox.fail(status=status, retry_after=0)
    with suppress(sdk.ApiError), warnings.catch_warnings(action="ignore"):
        await asyncio.to_thread(api.people.me)

    assert len(webex_sandbox.requests) == attempts


def page(name: str) -> str:
    """The text of a page."""
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def calls(name: str, column: int, start: str) -> list[str]:
    """The code in a column of a page's tables that begins like this, deletions last."""
    rows = re.findall(r"^\| (.*`.*) \| (.*`.*) \|$", page(name), re.MULTILINE)
    code = [each for row in rows for each in re.findall(r"`([^`]+)`", row[column])]
    kept = [each for each in code if re.match(start, each) and "..." not in each]
    return sorted(
        kept, key=lambda each: (".delete(" in each, "rooms" in each and ".delete(" in each)
    )


async def world(sandbox: Sandbox, base_url: str) -> dict[str, Any]:
    """Let everything exist that the names in the tables stand for."""
    body = sample_notification("messages", "created")
    async with Client("a-token", base_url=base_url) as client:
        webhook, _ = [
            await client.webhooks.create(
                NewWebhook(
                    name=name, target_url=TARGET_URL, resource="attachmentActions", event="all"
                )
            )
            for name in ("one", "other")
        ]
        page = await client.webhooks.list(max=1)
        me = await client.get("people/me")
        room = await client.post("rooms", json={"title": "Kitchen"})
        team = await client.post("teams", json={"name": "Lunch"})
        member = {"roomId": room["id"], "personEmail": ANN}
        membership = await client.post("memberships", json=member)
        message = await client.post("messages", json={"roomId": room["id"], "text": "Hi"})
        card = {"roomId": room["id"], "text": "Menu", "attachments": [ATTACHMENT]}
        menu = await client.post("messages", json=card, into=Message)
        submitted, _ = await sandbox.submit(menu.id, {"dish": "Pasta"}, person=ANN)
        await sandbox.say("Look", person=BOB, files=[File("look.txt", b"Here")])
        look = await client.get("messages", sandbox.messages[-1].id)
    return {
        **{name: getattr(webex_webhooks_async, name) for name in dir(webex_webhooks_async)},
        "asyncio": asyncio,
        "datetime": datetime,
        "re": re,
        "requests": requests,
        "UTC": UTC,
        "url": TARGET_URL,
        "token": "a-token",
        "secret": OTHER,
        "email": BOB,
        "body": body,
        "headers": sign(body, OTHER),
        "content": b"Soup",
        "page": page,
        "card": CARD,
        "attachment": ATTACHMENT,
        "message": menu,
        "room": room,
        **dict.fromkeys(("client_id", "client_secret", "refresh_token"), "of-an-integration"),
        "webhook": webhook,
        "webhook_id": webhook.id,
        "room_id": room["id"],
        "direct_id": look["roomId"],
        "team_id": team["id"],
        "membership_id": membership["id"],
        "message_id": message["id"],
        "person_id": me["id"],
        "action_id": json.loads(submitted.body)["data"]["id"],
        "file_url": look["files"][0],
    }


async def run_in_handlers(
    snippets: Iterable[str], sandbox: Sandbox, base_url: str, names: Mapping[str, Any]
) -> None:
    """Run each snippet in a handler of a message, or of a submitted card if it is about one."""
    snippet = ""
    ran: list[str] = []

    async def run(context: MessageContext | SubmissionContext) -> None:
        source = f"{snippet} pass" if snippet.endswith(":") else snippet
        mode = "exec" if source.startswith("async for") else "eval"
        room = names["direct_id"] if LISTS_ALL.search(source) else names["room_id"]
        code = compile(source, "a table", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        own = {"room_id": room, "context": context, "client": context.client, "bot": bot}
        result = eval(code, {**names, **own})  # noqa: S307 - the page's own
        if inspect.iscoroutine(result):
            result = await result
        if isinstance(result, AsyncPaginator):
            await result
        ran.append(snippet)

    client = Client("a-token", base_url=base_url)
    bot = Bot(client, SECRET, target_url=TARGET_URL)
    bot.message()(run)
    bot.submission()(run)
    sandbox.deliver_to(bot)
    async with client, bot:
        for snippet in snippets:
            if re.search(r"context\.(inputs|action|message_id)", snippet):
                await sandbox.submit(names["message"].id, {"dish": "Pasta"}, person=ANN)
            else:
                await sandbox.say("Hello", person=ANN)
            assert ran[-1:] == [snippet]


def run_on_webexpythonsdk(snippet: str, names: Mapping[str, Any]) -> None:
    """Run a snippet that isn't asynchronous."""
    room = names["direct_id"] if LISTS_ALL.search(snippet) else names["room_id"]
    namespace = {**names, "room_id": room}
    if snippet.endswith(":"):
        exec(f"{snippet} pass", namespace)  # noqa: S102 - the page's own
    else:
        result = eval(snippet, namespace)  # noqa: S307 - the page's own
        if type(result).__name__ == "GeneratorContainer":
            list(result)
