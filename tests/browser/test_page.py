"""The page of the sandbox in a real Chromium, used by mouse and by keyboard."""

import base64
import hashlib
import json
import re
import shlex
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, expect
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from tests.browser.conftest import (
    CARD,
    MICROSOFTS,
    Stage,
    button,
    choice,
    field,
    from_npm,
    opened,
    staged,
)
from tests.cli.harness import card_of, served
from tests.support.wire import unused_port
from tests.testing.doubles import BOT
from webex_webhooks_async import Receiver
from webex_webhooks_async.notifications.identity import key_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.testing.page_server.web_app import INTEGRITY, RENDERER

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

WITH_AND_WITHOUT = pytest.mark.parametrize("renderer", [MICROSOFTS, None], ids=["renderer", "form"])


def lists(page: Page, name: str) -> Locator:
    """The items of a list."""
    return page.get_by_role("list", name=name, exact=True).locator("> li")


def say(page: Page, text: str) -> None:
    """Write a message with the mouse."""
    page.get_by_role("textbox", name="Message", exact=True).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def expect_reply(page: Page, text: str) -> None:
    """Wait until the last message has this text."""
    expect(lists(page, "Messages").last).to_contain_text(text)


def last_delivery(page: Page, count: int) -> Locator:
    """The latest of this many deliveries; before all have come, another would take its place."""
    expect(lists(page, "Deliveries")).to_have_count(count)
    return lists(page, "Deliveries").first


def tab_to(page: Page, target: Locator) -> None:
    """Reach an element with the Tab key."""
    handle = target.element_handle()
    for _ in range(300):
        if page.evaluate("element => document.activeElement === element", handle):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key doesn't reach {target}")


def violations(page: Page) -> list[Any]:
    """What axe-core finds. It comes by the debugger: the policy of the page keeps scripts out."""
    debugger: Any = page.context.new_cdp_session(page)
    debugger.send("Runtime.evaluate", {"expression": from_npm("axe-core", "axe.min.js").decode()})
    expression = "axe.run().then(found => JSON.stringify(found.violations))"
    outcome = debugger.send(
        "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
    )
    found: list[Any] = json.loads(outcome["result"]["value"])
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


@pytest.mark.usefixtures("bot")
def test_by_mouse(page: Page, stage: Stage) -> None:
    """One talks to the bot at once, submits its card, and sends a delivery again."""
    expect(page.get_by_label("You are")).to_have_value("you@example.com")
    say(page, "Hello")
    expect_reply(page, "You said: Hello")
    say(page, "A card, please")
    page.get_by_label("Dish").select_option("Pasta")
    page.get_by_label("A note for the kitchen").fill("No onions")
    page.get_by_role("button", name="Order").click()
    expect_reply(
        page, '{"action": "order", "dish": "pasta", "note": "No onions", "vegan": "false"}'
    )

    before = 6  # of three messages or submissions, and of what the bot wrote about each
    last_delivery(page, before).locator("summary").click()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("Sent again: 204 No Content")).to_be_visible()
    expect(lists(page, "Deliveries")).to_have_count(before + 1)
    first, again = stage.sandbox.deliveries[before - 1 :]
    assert (again.body, again.headers) == (first.body, first.headers)


def test_an_ignored_parameter(page: Page, stage: Stage) -> None:
    """A request with a parameter that is ignored says so, and doesn't count as failed."""
    httpx.get(f"{stage.base_url}/rooms?hidden=true", headers=BOT, trust_env=False)
    request = lists(page, "Requests").filter(has_text="ignores hidden")
    expect(request).to_contain_text("its query parameters are teamId, type, sortBy, max, cursor")
    expect(page.get_by_label("Failed (0)")).to_be_visible()


@pytest.mark.usefixtures("bot")
def test_traffic(page: Page) -> None:
    """A row says who did what; a click on a message leaves its rows; what failed stands out."""
    state = page.locator("#webhooks")
    expect(state).to_have_text("2 active webhooks")
    say(page, "Hello")
    expect_reply(page, "You said: Hello")
    say(page, "fail")
    expect(page.get_by_text("Delivery failed: 500 Internal Server Error")).to_be_visible()
    expect(state).to_contain_text("The bot's last delivery failed")
    requests, deliveries = lists(page, "Requests"), lists(page, "Deliveries")
    expect(deliveries.first).to_contain_text("You: fail")
    expect(requests).to_have_count(5)  # of the fixture's two webhooks, and of two messages
    reply = requests.filter(has_text="The bot replied to you: You said: Hello")
    expect(reply).to_contain_text("POST /v1/messages")
    reply.locator("summary").click()
    expect(reply.get_by_role("region", name="Response")).to_contain_text(
        '"text": "You said: Hello"'
    )

    page.get_by_text("Hello", exact=True).click()
    expect(requests.filter(visible=True)).to_have_count(2)  # it was read, and replied to
    expect(deliveries.filter(visible=True)).to_have_count(1)
    expect(page.get_by_text("Only “You: Hello”")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Failed (1)").check()
    expect(deliveries.filter(visible=True)).to_have_text([re.compile("You: fail.*500", re.DOTALL)])
    expect(requests.filter(visible=True)).to_have_count(0)
    page.get_by_label("Failed (1)").uncheck()
    say(page, "Hello again")
    expect(state).to_have_text("The bot answered its last delivery · 2 active webhooks")

    page.get_by_label("You are").select_option("Another person…")
    page.get_by_label("Address").fill("ann@example.com")
    page.get_by_role("button", name="Switch").click()
    expect(reply).to_have_count(0)  # "you" is somebody else now
    read = requests.filter(has_text="The bot read you@example.com's message: Hello again")
    expect(read).to_have_count(1)


@pytest.mark.usefixtures("bot")
def test_a_handler_that_fails(page: Page, stage: Stage) -> None:
    """What a handler raised is shown below the message and in its row; what is raised late, too."""
    stage.create(targetUrl=f"http://127.0.0.1:{unused_port()}", name="another", secret="a-secret")
    say(page, "fail")
    outcome = lists(page, "Messages").first
    raised = "Your bot's handler failed: RuntimeError: fail"
    expect(outcome).to_contain_text(f"Delivery failed: 500 Internal Server Error. {raised}")

    say(page, "Hello")
    hello = lists(page, "Messages").filter(has_text="Hello").first
    expect(hello).to_contain_text("1 of 2 deliveries failed: nothing listens there")

    late = Receiver("a-secret", respond_within=0)

    @late.on("messages", "created")
    async def order(_notification: object) -> None:
        raise KeyError("dish")

    stage.sandbox.deliver_to(late)
    say(page, "lunch")
    lunch = lists(page, "Messages").filter(has_text="lunch").last
    expect(lunch).to_contain_text("Your bot's handler failed: KeyError: 'dish'")
    expect(lists(page, "Deliveries").first).to_contain_text("204")
    expect(lists(page, "Deliveries").first).to_contain_text("KeyError: 'dish'")
    expect(page.locator("#webhooks")).to_contain_text(
        "The bot's handler failed at its last delivery"
    )


@pytest.mark.usefixtures("bot")
def test_the_outcome_of_each_attempt(page: Page, stage: Stage) -> None:
    """What the program of `dev` reports stands below its message, as text, until it has worked."""
    say(page, "lunch")
    expect_reply(page, "You said: lunch")
    shown = page.locator("#webhooks")
    expect(shown).to_have_text("The bot answered its last delivery · 2 active webhooks")
    delivery = stage.sandbox.deliveries[0]
    notification = parse_unverified_notification(delivery.body)
    key, about = key_of(notification, delivery.body), json.loads(delivery.body)["data"]["id"]
    then, error = "attempt 1 of 5, again in 1.2 s", "KeyError: '<b>dish' in lunch, bot.py:12"
    outcome = {"key": key, "about": about, "error": error, "then": then, "isFinal": False}
    events = stage.sandbox._events  # pyright: ignore[reportPrivateUsage] - as `dev` calls it

    stage.portal.call(events.report_outcome, outcome)
    stage.portal.call(events.report_outcome, {**outcome, "key": "caught-up", "isFinal": True})
    below, row = lists(page, "Messages").first, lists(page, "Deliveries").last
    expect(below).to_contain_text(f"{error}, {then}")
    expect(row).to_contain_text(f"{error}, {then}")
    expect(shown).to_have_text("2 failed in the bot, 1 to be tried again · 2 active webhooks")
    expect(page.get_by_label("Failed (1)")).to_be_visible()
    page.reload()
    expect(row).to_contain_text(f"{error}, {then}")

    for each in (key, "caught-up", "another"):
        stage.portal.call(events.report_work, each)
    expect(below).to_contain_text(f"Worked now, after {error}")
    expect(row).not_to_contain_text("KeyError")
    answered = "The bot answered its last delivery · 2 active webhooks"
    expect(shown).to_have_text(answered)
    assert violations(page) == []

    late = {**outcome, "error": "", "then": "put off for 30 s: the <b>model is out"}
    stage.portal.call(events.report_outcome, late)
    expect(below).to_contain_text("Your bot's handler is put off for 30 s: the <b>model is out")
    expect(page.get_by_label("Failed (0)")).to_be_visible()
    expect(shown).to_have_text(answered)
    stage.portal.call(events.report_work, key)
    expect(below).not_to_contain_text("put off")


def test_a_webhook_that_is_switched_off(page: Page, stage: Stage) -> None:
    """Below a message that the bot isn't notified of, it says so, and what to do."""
    with served(Receiver("a-secret")) as url:
        hook = stage.create(targetUrl=url, secret="a-secret")
        stage.create(targetUrl=url, secret="a-secret", resource="attachmentActions")
        say(page, "Hello")
        expect(lists(page, "Deliveries")).to_have_count(1)
        off = {"name": hook.name, "targetUrl": url, "status": "inactive"}
        path, headers = f"{stage.base_url}/webhooks/{hook.id}", {"Authorization": "Bearer a-token"}
        assert httpx.put(path, json=off, headers=headers, trust_env=False).is_success
        say(page, "Are you there?")

    is_off = "The bot's webhook of messages is switched off after so many failures: restart the bot"
    expect(lists(page, "Messages").last).to_contain_text(is_off)
    expect(page.get_by_text(is_off)).to_have_count(2)  # there, and above the traffic


@pytest.mark.usefixtures("bot")
def test_a_card_is_edited(page: Page, stage: Stage) -> None:
    """The JSON of a card is changed and sent as the bot; what isn't a card says why, and stays."""
    say(page, "A card, please")
    page.get_by_role("button", name="Edit the card as JSON").click()
    text = page.get_by_role("textbox", name="The card as JSON")
    original = text.input_value()
    for wrong, reason in [("{", "This isn't JSON"), ("{}", 'type must be "AdaptiveCard"')]:
        text.fill(wrong)
        expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text(reason)
        page.get_by_role("button", name="Send as the bot").click()
    page.keyboard.press("Escape")
    count = len(stage.sandbox.requests)
    page.get_by_role("button", name="Edit the card as JSON").click()
    expect(text).to_have_value("{}")  # what was typed
    page.get_by_role("button", name="Undo the changes").click()
    expect(text).to_have_value(original)
    text.fill(original.replace("Not today", "Tomorrow"))
    expect(page.get_by_role("group", name="Preview")).to_contain_text("Tomorrow")
    page.get_by_role("button", name="Send as the bot").click()
    lists(page, "Messages").get_by_role("button", name="Tomorrow").click()
    expect_reply(page, "Submitted:")
    assert stage.submitted() == [{"action": "skip", "dish": "soup", "vegan": "false"}]
    recorded = stage.sandbox.requests[count:]
    assert [each.path for each in recorded if each.method == "POST"] == ["/v1/messages"]


def test_a_new_event(page: Page, stage: Stage) -> None:
    """Any event is reported with data that follow it, by the keyboard, to an owner, or forged."""
    with served(Receiver("a-secret")) as url:
        stage.create(targetUrl=url, resource="meetings", event="ended", secret="a-secret")
        tab_to(page, page.get_by_role("button", name="New event"))
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        event = dialog.get_by_role("combobox", name="Event", exact=True)
        expect(event).to_have_value("ended")  # which the webhook watches
        data = dialog.get_by_role("textbox", name="Data")
        expect(data).to_have_value(re.compile('"state": "ended"'))
        data.fill('{"title": "Standup"}')
        send = dialog.get_by_role("button", name="Send the event")
        send.click()
        expect(dialog.get_by_text("1 delivery: 204 No Content")).to_be_visible()
        dialog.get_by_label("Sign wrongly").check()
        send.click()
        refused = "1 delivery: 401 Unauthorized: refused, as it should"
        expect(dialog.get_by_text(refused)).to_be_visible()
        dialog.get_by_label("Owner").select_option("By the data, else everybody")
        dialog.get_by_role("combobox", name="Resource", exact=True).select_option("Another word…")
        dialog.get_by_label("Resource: another word").fill("reactions")
        data.fill("[]")
        send.click()
        expect(dialog.get_by_text("The data must be a JSON object.")).to_be_visible()
        data.fill("{}")
        send.click()
        expect(dialog.get_by_text("No active webhook watches this")).to_be_visible()
        page.keyboard.press("Escape")
        expect(lists(page, "Deliveries").first).to_contain_text("401, refused, as it should")
        expect(page.get_by_label("Failed (0)")).to_be_disabled()
        page.get_by_label("Filter by words").fill("HOSTEMAIL Should")
        expect(lists(page, "Deliveries").filter(visible=True)).to_have_count(1)
        page.get_by_label("Filter by words").fill("lunch")
        expect(lists(page, "Deliveries").filter(visible=True)).to_have_count(0)


def test_what_waits(page: Page, stage: Stage) -> None:
    """The page shows the program's inbox as text, and the keyboard makes an entry due."""
    pressed = stage.report_waiting(
        {"what": "job <b>remind</b>"}, {"key": "R", "state": "running"}, {"key": "D"}
    )
    expect(lists(page, "Waiting")).to_have_count(3)
    waiting, running, other = lists(page, "Waiting").all()
    expect(waiting).to_contain_text(re.compile(r"^scheduled job <b>remind</b> .*10 Dec.*Now$"))
    expect(running.get_by_role("button")).to_have_count(0)
    now = page.get_by_role("button", name="Now: job <b>remind</b>")
    tab_to(page, now)
    page.keyboard.press("Enter")
    expect(waiting).to_contain_text("asking")
    expect(now).to_be_focused()
    with page.expect_response("**/now"):
        other.get_by_role("button").dblclick()  # which makes it due once
    stage.report_waiting()
    expect(page.get_by_role("heading", name="Waiting")).to_be_hidden()
    assert pressed == ["K", "D"]


def test_who_authorizes(page: Page, stage: Stage) -> None:
    """Who is sent to the sandbox to authorize chooses there who to be, or names somebody else."""
    stage.post("messages", toPersonEmail="ann@example.com", text="Hello")

    async def callback(scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode()
        await HTMLResponse(f"<h1>Back</h1><p>{query}</p>")(scope, receive, send)

    def ask(origin: str) -> None:
        asking = {"response_type": "code", "client_id": "C1", "redirect_uri": origin, "state": "S1"}
        page.goto(str(httpx.URL(f"{stage.base_url}/authorize", params=asking)))
        expect(page.get_by_role("heading", name="Who authorizes C1?")).to_be_visible()

    with served(callback) as origin:
        ask(origin)
        page.get_by_role("link", name="Ann <ann@example.com>").click()
        expect(page.get_by_text(re.compile("code=.+&state=S1"))).to_be_visible()
        ask(origin)
        page.get_by_label("Somebody else").fill("bob@example.com")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_text(re.compile("code=.+&state=S1"))).to_be_visible()


@pytest.mark.usefixtures("bot")
def test_copies(page: Page, stage: Stage) -> None:
    """A request is copied as a command, a conversation as a test; a secret is refused."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copied(button: Locator) -> str:
        said = page.get_by_role("status").filter(has_text=re.compile("^Copied$"))
        expect(said).to_have_count(0)  # of the one before
        button.click()
        expect(said).to_have_count(1)
        text: str = page.evaluate("navigator.clipboard.readText()")
        return text

    say(page, "It's $HOME")
    expect_reply(page, "You said: It's $HOME")
    code = copied(page.get_by_role("button", name="Copy as a test"))
    assert code.startswith("async def test_it_s_home(bot, webex_sandbox):")
    say(page, "And now")
    expect_reply(page, "You said: And now")
    code = copied(page.get_by_role("button", name="Test from here, “And now”"))
    assert code.startswith("async def test_and_now(bot, webex_sandbox):")
    reply = lists(page, "Requests").filter(has_text="The bot replied to you: You said: It's $HOME")
    reply.locator("summary").click()
    command = copied(reply.get_by_role("button", name="Copy as curl"))
    _, _, method, url, *options = shlex.split(command.replace("\\\n", ""))
    headers = dict(each.split(": ") for each in options[1:-2:2])
    response = httpx.request(method, url, content=options[-1], headers=headers, trust_env=False)
    assert response.json()["text"] == "You said: It's $HOME"
    expect(lists(page, "Messages")).to_have_count(5)

    hook = {"name": "x", "resource": "messages", "event": "created"}
    stage.post("webhooks", targetUrl="http://127.0.0.1:9", secret="another-secret", **hook)
    latest = lists(page, "Requests").filter(has_text="The bot created the webhook x")
    latest.locator("summary").click()
    latest.get_by_role("button", name="Copy as curl").click()
    expect(latest).to_contain_text("it has a secret")

    httpx.request("X&ID", f"{stage.base_url}/people/me", trust_env=False)
    strange = lists(page, "Requests").filter(has_text="X&ID")
    strange.locator("summary").click()
    command = copied(strange.get_by_role("button", name="Copy as curl"))
    assert shlex.split(command.replace("\\\n", ""))[:3] == ["curl", "-X", "X&ID"]
    assert "-X 'X&ID'" in command


@pytest.mark.usefixtures("bot")
def test_a_refused_reply(page: Page) -> None:
    """The bot's next message is refused, once, and the bot copes with that."""
    page.get_by_role("button", name="Refuse the next reply").click()
    expect(page.get_by_role("button", name="The next reply gets a 429")).to_be_visible()
    say(page, "Hello")
    expect_reply(page, "You said: Hello")
    refused = lists(page, "Requests").filter(has_text="The bot couldn't reply to you")
    expect(refused).to_contain_text("429")
    expect(page.get_by_role("button", name="Refuse the next reply")).to_be_visible()


def test_before_a_bot_has_a_webhook(page: Page, stage: Stage) -> None:
    """Until a bot has a webhook, the page has its settings to copy; one without one is noticed."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    settings: str = page.evaluate("navigator.clipboard.readText()")
    lines = dict(each.removeprefix("export ").split("=") for each in settings.splitlines())
    assert lines.pop("WEBEX_WEBHOOK_SECRET")
    assert lines == {
        "WEBEX_BASE_URL": stage.base_url,
        "WEBEX_ACCESS_TOKEN": "anything",
        "WEBEX_TARGET_URL": "http://127.0.0.1:8000",
    }
    stage.post("messages", toPersonEmail="you@example.com", text="Hello")
    missing = page.get_by_text("A bot called, but made no webhook: set WEBEX_TARGET_URL")
    expect(missing).to_have_count(2)
    stage.create(targetUrl="http://127.0.0.1:9")
    expect(page.locator("#webhooks")).to_have_text("1 active webhook")
    expect(page.locator("#welcome")).to_be_hidden()


def test_a_program_that_does_not_run(page: Page, stage: Stage) -> None:
    """The traceback of the bot's program is shown until it runs."""
    report = stage.sandbox._events.report_program  # pyright: ignore[reportPrivateUsage] - dev does it
    traceback = page.get_by_role("region", name="Traceback")
    stage.portal.call(report, "Traceback:\n  <b>NameError</b>")
    expect(traceback).to_have_text("Traceback: <b>NameError</b>")
    expect(page.locator("#welcome")).to_be_hidden()
    stage.portal.call(report, "")
    expect(traceback).to_be_hidden()


@pytest.mark.usefixtures("bot")
def test_persons_and_rooms_by_mouse(page: Page, stage: Stage) -> None:
    """One becomes another person, makes a room, and talks there to the bot that is mentioned."""
    say(page, "Hello")
    expect_reply(page, "You said: Hello")
    page.get_by_label("You are").select_option("Another person…")
    page.get_by_label("Address").fill("ann@example.com")
    page.get_by_role("button", name="Switch").click()
    expect(lists(page, "Messages")).to_have_count(0)

    page.get_by_role("button", name="New room").click()
    page.get_by_label("Title", exact=True).fill("Lunch <b>club</b>")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Mention the bot")).to_be_visible()  # the new room is open
    say(page, "*What* is_on [today]?")
    expect_reply(page, "You said: Sandbox Bot *What* is_on [today]?")
    page.get_by_label("Mention the bot").uncheck()
    say(page, "Nobody hears this")
    expect_reply(page, "Nobody hears this")
    rooms = lists(page, "Rooms")
    expect(rooms).to_have_count(2)
    expect(rooms.last).to_contain_text("Lunch <b>club</b>")

    page.get_by_label("You are").select_option("you@example.com")
    expect(rooms.last).to_contain_text("write to join")
    expect_reply(page, "You said: Hello")
    rooms.last.click()
    expect(page.locator("#members")).to_have_text("Ann, Sandbox Bot")
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator("#members")).to_have_text("Ann, Sandbox Bot, you")
    page.get_by_role("button", name="Leave", exact=True).click()
    expect(rooms.last).to_contain_text("write to join")
    assert [each.text for each in stage.sandbox.messages if each.room_type == "group"] == [
        "Sandbox Bot *What* is_on [today]?",
        "You said: Sandbox Bot *What* is_on [today]?",
        "Nobody hears this",
    ]


@pytest.mark.usefixtures("bot")
def test_by_keyboard_alone(page: Page, stage: Stage) -> None:
    """All of it can be done with the keyboard."""
    stage.post("rooms", "you@example.com", title="Lunch")
    stage.post("messages", "ann@example.com", toPersonEmail="sandbox@webex.bot", text="Hi")
    tab_to(page, page.get_by_role("textbox", name="Message", exact=True))
    page.keyboard.type("A card, please")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("A note for the kitchen"))
    page.keyboard.type("No onions")
    tab_to(page, page.get_by_role("button", name="Order"))
    page.keyboard.press("Enter")
    expect_reply(page, '"note": "No onions"')

    delivery = last_delivery(page, 6)
    tab_to(page, delivery.locator("summary"))
    page.keyboard.press("Enter")
    tab_to(page, delivery.get_by_role("button", name="Send again"))
    page.keyboard.press("Space")
    expect(page.get_by_text("Sent again: 204 No Content")).to_be_visible()

    tab_to(page, lists(page, "Rooms").get_by_role("button", name="Lunch"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lunch")).to_be_visible()
    tab_to(page, page.get_by_label("You are"))
    page.keyboard.type("Ann")
    expect_reply(page, "Hi")


def test_what_one_is_about_to_do(page: Page, stage: Stage) -> None:
    """What one types or presses goes on while messages, and the connection, come and go."""
    stage.post("rooms", "you@example.com", title="Lunch")
    earlier = stage.post("messages", toPersonEmail="you@example.com", text="earlier")
    card(stage)
    page.get_by_label("A note for the kitchen").focus()
    page.keyboard.type("No on")
    url = f"{stage.base_url}/messages/{earlier['id']}"
    httpx.delete(url, headers={"Authorization": "Bearer the-bot"}, trust_env=False)
    expect(lists(page, "Messages")).to_have_count(1)
    deletion = lists(page, "Requests").filter(has_text="The bot deleted a message")
    deletion.locator("summary").click()
    page.get_by_label("A note for the kitchen").focus()
    stage.cut_off()
    expect(page.get_by_role("status").first).to_contain_text("The sandbox has ended")
    expect(page.get_by_role("status").first).to_have_text("Connected")
    expect(deletion.get_by_text("TrackingID", exact=True)).to_be_visible()
    page.keyboard.type("ions")
    expect(page.get_by_label("A note for the kitchen")).to_have_value("No onions")

    lists(page, "Rooms").get_by_role("button", name="Lunch").hover()
    page.mouse.down()
    stage.post("messages", toPersonEmail="you@example.com", text="later")
    expect_reply(page, "later")
    page.mouse.up()
    expect(page.get_by_role("heading", name="Lunch")).to_be_visible()


@pytest.mark.usefixtures("bot")
def test_a_thread(page: Page, stage: Stage) -> None:
    """A direct room has the order in which things were said, and marks what is in a thread."""
    say(page, "A thread")
    messages = lists(page, "Messages")
    expect(messages).to_have_count(2)
    expect(messages.last).to_contain_text("In the thread of “A thread”")
    messages.last.get_by_role("button", name="Reply to “You said: A thread”").click()
    say(page, "Another thread")
    expect(messages).to_have_count(4)
    expect(messages.last).to_contain_text("You said: Another thread")

    assert {each.parent_id for each in stage.sandbox.messages[1:]} == {stage.sandbox.messages[0].id}


def test_how_it_is_read(page: Page, stage: Stage) -> None:
    """A text that its card has stands there once; a link skips to the message; all is reached."""
    question = card_of({"type": "TextBlock", "text": "Which day?"}, actions=[button("Monday")])
    to = {"toPersonEmail": "you@example.com"}
    stage.post("messages", **to, text="Which day?", attachments=[question])
    shown = page.get_by_text("Which day?", exact=True).filter(visible=True)
    expect(shown).to_have_count(1)
    broken = {"type": "Nothing", "body": [{"type": "TextBlock", "text": "Broken"}]}
    attachment = {"contentType": question["contentType"], "content": broken}
    stage.emit_message(text="Broken", attachments=[attachment])
    expect(page.get_by_text("Broken", exact=True)).to_be_visible()

    page.get_by_role("link", name="Skip to the message").press("Enter")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_focused()

    for number in range(200):
        stage.post("messages", **to, text=f"number {number}")
    expect(lists(page, "Messages").last).to_contain_text("number 199")
    expect(shown).to_have_count(0)
    page.get_by_role("button", name="Earlier messages").click()
    expect(lists(page, "Messages")).to_have_count(203)
    expect(shown).to_have_count(1)

    stage.portal.call(stage.sandbox._events.report_program, "ValueError")  # pyright: ignore[reportPrivateUsage] - as `dev` calls it
    expect(page.locator("#webhooks")).to_have_text("The program doesn't run")
    page.set_viewport_size({"width": 390, "height": 700})
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []


SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]


@pytest.mark.usefixtures("bot")
def test_without_the_renderer(browser: Browser, stage: Stage) -> None:
    """Where the renderer can't be loaded, a form shows texts, facts, inputs and buttons."""
    with opened(browser, stage.url) as page:
        say(page, "A card, please")
        card = page.get_by_role("group", name="Card")
        expect(card).to_contain_text("Lunch on Friday")
        expect(card.get_by_role("definition")).to_have_text("Canteen")
        card.get_by_label("Dish").select_option("Pasta")
        card.get_by_label("Vegan").check()
        card.get_by_role("button", name="Not today").click()
        expect_reply(page, '{"action": "skip", "dish": "pasta", "note": "", "vegan": "true"}')


COUNT = {"type": "Column", "items": [field("Number", "count", "How many", value=2)]}
BESIDE = {"type": "Column", "items": [{"type": "TextBlock", "text": "a column"}]}
MORE = {
    "type": "AdaptiveCard",
    "body": [field("Text", "more", "Anything else")],
    "actions": [button("Send it", name="x", n=1)],
}
ALL_INPUTS = card_of(
    {"type": "ColumnSet", "columns": [COUNT, BESIDE]},
    field("Date", "day", "Day", value="2026-11-25"),
    field("Time", "hour", "Hour", value="12:30"),
    field("Text", "name", "Name", isRequired=True),
    choice("sizes", "Sizes", "Small", "Large", isMultiSelect=True, value="small"),
    choice("color", "Color", "Red", "Blue", style="expanded"),
    actions=[{"type": "Action.ShowCard", "title": "More", "card": MORE}],
)


@WITH_AND_WITHOUT
def test_every_input(browser: Browser, stage: Stage, renderer: bytes | None) -> None:
    """With and without the renderer the same is submitted; an inner card scrolls into view."""
    with opened(
        browser, stage.url, renderer=renderer, viewport={"width": 360, "height": 500}
    ) as page:
        card(stage, ALL_INPUTS)
        page.get_by_role("button", name="More").click()
        expect(page.get_by_role("button", name="Send it")).to_be_in_viewport(ratio=1)
        page.get_by_label("Anything else").fill("Salt")
        page.get_by_role("button", name="Send it").click()
        page.get_by_label("Name").fill("Ann")
        page.get_by_label("Large").check()
        page.get_by_label("Blue").check()
        page.get_by_role("button", name="Send it").click()
        expect(page.get_by_text("Submitted")).to_be_visible()

    submitted = {
        "count": "2",
        "day": "2026-11-25",
        "hour": "12:30",
        "name": "Ann",
        "sizes": "small,large",
        "color": "blue",
        "more": "Salt",
        "n": 1,
    }
    assert stage.submitted() == [submitted]  # and nothing without a name, which is required


def test_the_renderer_is_the_one_of_npm(browser: Browser, stage: Stage) -> None:
    """The integrity is that of the npm package; anything else isn't run, and is done without."""
    digest = base64.b64encode(hashlib.sha384(MICROSOFTS).digest()).decode()
    assert f"sha384-{digest}" == INTEGRITY

    with opened(browser, stage.url, renderer=b"window.ran = true;" + MICROSOFTS) as page:
        card(stage)
        expect(page.get_by_role("button", name="Order")).to_be_visible()
        assert page.evaluate("[window.ran, window.AdaptiveCards]") == [None, None]


def test_the_renderer_is_loaded_when_a_card_appears(page: Page, stage: Stage) -> None:
    """Without a card, nothing is asked of another host."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    stage.post("messages", toPersonEmail="you@example.com", text="Hello")
    expect_reply(page, "Hello")
    assert [url for url in asked if not url.startswith(stage.url)] == []

    card(stage)
    expect(page.get_by_role("button", name="Order")).to_be_visible()
    assert [url for url in asked if not url.startswith(stage.url)] == [RENDERER]


def card(stage: Stage, content: Any = CARD, **members: object) -> None:  # noqa: ANN401 - JSON
    """Let the bot post a card to the person that the page begins with."""
    text: dict[str, Any] = {"text": "A card", **members}
    stage.post("messages", toPersonEmail="you@example.com", attachments=[content], **text)


def test_a_card_that_is_not_valid(page: Page, stage: Stage) -> None:
    """It is shown as its JSON, with the reason."""
    wrong: dict[str, object] = {
        "body must be an array": {},
        "body[0] must be an object with a type": ["x"],
    }
    contents = [{"type": "AdaptiveCard", "version": "1.3", "body": each} for each in wrong.values()]
    for content in contents:
        card(stage, {"contentType": CARD["contentType"], "content": content})

    for reason in wrong:
        expect(page.get_by_text(reason)).to_be_visible()
    regions = page.get_by_role("region", name="The card as JSON").all()
    assert [json.loads(each.inner_text())["content"] for each in regions] == contents


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("width", "scheme", "renderer"),
    [  # each width, and both schemes with and without the renderer
        (360, "dark", None),
        (800, "light", MICROSOFTS),
        (1600, "dark", MICROSOFTS),
        (1600, "light", None),
    ],
    ids=["360-dark", "800-light", "1600-dark", "1600-light"],
)
def test_everyone_can_use_it(
    browser: Browser,
    stage: Stage,
    scheme: Literal["light", "dark"],
    width: int,
    renderer: bytes | None,
) -> None:
    """Axe finds no violation at any width, light or dark, and nothing is cut off at the side."""
    with opened(
        browser,
        stage.url,
        renderer=renderer,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    ) as page:
        expect(page.locator("#title")).not_to_be_empty()  # it is read after the page
        assert violations(page) == []
        say(page, "A card, please, and a thread")
        expect(page.get_by_role("button", name="Order")).to_be_visible()
        say(page, "fail")
        expect(page.get_by_text("Delivery failed: 500")).to_be_visible()
        stage.report_waiting({"state": "failed", "due": None, "error": "no " * 200})
        for view in ("Rooms", "Conversation", "Traffic"):
            button = page.get_by_role("navigation").get_by_role("button", name=view)
            if button.is_visible():
                button.click()
            for name in ("Requests", "Deliveries"):
                if lists(page, name).first.is_visible():
                    lists(page, name).first.locator("summary").click()
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            opener = {"Conversation": "Edit the card as JSON", "Traffic": "New event"}.get(view)
            if opener and page.get_by_role("button", name=opener).is_visible():
                page.get_by_role("button", name=opener).click()
                expect(page.get_by_role("dialog")).to_be_visible()
                assert violations(page) == []
                page.keyboard.press("Escape")
        if width == 1600:
            for name in ("Rooms", "Messages", "Requests", "Deliveries"):
                expect(page.get_by_role("list", name=name, exact=True)).to_be_visible()


HOSTILE = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    "<svg onload='window.ran = 3'><a href='javascript:window.ran = 4'>a link</a>"
    "<iframe srcdoc='<script>parent.ran = 5</script>'></iframe><b onclick='window.ran = 6'>bold</b>"
    "<style>body { display: none }</style><form action=/x><button>Send</button></form>"
)


@WITH_AND_WITHOUT
def test_nothing_hostile_runs(browser: Browser, stage: Stage, renderer: bytes | None) -> None:
    """What bots write can't run a script, wherever it stands."""
    with opened(browser, stage.url, renderer=renderer) as page:
        dialogs: list[str] = []

        def dismiss(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", dismiss)
        stage.post("rooms", "you@example.com", title=HOSTILE)
        stage.emit_message(html=HOSTILE)
        stage.post("messages", toPersonEmail="you@example.com", text=HOSTILE)
        stage.post("messages", toPersonEmail="you@example.com", markdown=HOSTILE)
        stage.post(
            "messages",
            toPersonEmail="you@example.com",
            text="A file",
            files=["http://127.0.0.1/%3Cimg%20src=x%20onerror=alert(1)%3E"],
        )
        hostile: list[dict[str, Any]] = [
            {"type": "TextBlock", "text": f"{HOSTILE} [a link](javascript:window.ran=7)"},
            {"type": "Image", "url": "javascript:window.ran=8", "altText": HOSTILE},
            {
                "type": "Container",
                "items": [{"type": "TextBlock", "text": "press"}],
                "selectAction": {"type": "Action.OpenUrl", "url": "javascript:window.ran=9"},
            },
            {"type": "Input.Text", "id": HOSTILE, "label": HOSTILE, "value": HOSTILE},
            {"type": HOSTILE},
        ]
        open_url = {"type": "Action.OpenUrl", "title": "Open", "url": "javascript:window.ran=10"}
        card(stage, card_of(*hostile, actions=[open_url]))
        expect(page.get_by_text("press", exact=True)).to_be_visible()
        page.evaluate("document.querySelectorAll('.messages *').forEach(each => each.click?.())")

        assert page.evaluate("window.ran") is None
        assert (dialogs, page.url) == ([], stage.url)
        assert page.locator("main :is(script, iframe, style, svg)").count() == 0
        assert page.locator("[href^='javascript:' i], [src^='javascript:' i]").count() == 0
        assert page.evaluate("getComputedStyle(document.body).display") == "flex"


def test_long_and_foreign_text(browser: Browser, stage: Stage) -> None:
    """10,000 characters and right-to-left text are shown, and don't widen the page."""
    words, hebrew = "x" * 7_000, "שלום עולם"
    with opened(browser, stage.url, viewport={"width": 360, "height": 800}) as page:
        stage.post("messages", toPersonEmail="you@example.com", text=words)
        stage.emit_message(text="y" * 10_000, html=None)
        stage.post("messages", toPersonEmail="you@example.com", text=hebrew)
        expect_reply(page, hebrew)

        assert page.get_by_text("y" * 10_000).count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        direction = "element => getComputedStyle(element).direction"
        assert page.get_by_text(hebrew, exact=True).evaluate(direction) == "rtl"


def test_another_origin(browser: Browser, stage: Stage) -> None:
    """A page of another origin can neither read nor post, and can't frame the page."""
    attack = f"""<iframe src="{stage.url}"></iframe><script type="module">
      const headers = {{Authorization: "Bearer person:you@example.com"}};
      const body = JSON.stringify({{toPersonEmail: "sandbox@webex.bot", text: "forged"}});
      const outcomes = [];
      for (const [path, options] of [
        ["sandbox/v1/messages", {{method: "POST", body, headers}}],
        ["v1/messages", {{method: "POST", body, headers}}],
        ["sandbox/redeliver", {{method: "POST", body: "{{}}"}}],
        ["sandbox/fault", {{method: "POST", body: '{{"isOn": true}}'}}],
        ["sandbox/events", {{}}],
        ...["GET", "HEAD", "POST"].map((method) => ["v1/people/me", {{method, mode: "no-cors"}}]),
      ]) await fetch("{stage.url}" + path, options).then((it) => it.text()).then(
        () => outcomes.push("read"), () => outcomes.push("refused"));
      window.outcomes = outcomes;
    </script>"""

    async def evil(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(attack)(scope, receive, send)

    def is_refusal(message: ConsoleMessage) -> bool:
        return "frame-ancestors" in message.text

    with served(evil) as origin, opened(browser, origin) as page:
        with page.expect_console_message(is_refusal):
            page.reload()
        page.wait_for_function("window.outcomes?.length === 8")
        outcomes = page.evaluate("window.outcomes")

    # The page may not read what comes after `no-cors`, so it can't know that it was refused.
    assert outcomes == ["refused"] * 5 + ["read"] * 3
    assert stage.sandbox.messages == ()
    assert not [each for each in stage.sandbox.requests if "sec-fetch-site" in each.headers]


def test_many_messages_and_requests(page: Page, stage: Stage) -> None:
    """Of many messages and requests the page has the last 200; so has it after a reload."""
    for number in range(300):
        stage.post("messages", toPersonEmail="you@example.com", text=f"message {number}")
    expect_reply(page, "message 299")
    expect(lists(page, "Requests")).to_have_count(200)
    assert lists(page, "Messages").count() == 200

    page.reload()
    expect_reply(page, "message 299")
    expect(lists(page, "Requests")).to_have_count(200)
    assert lists(page, "Messages").count() == 200
    say(page, "One more")
    expect_reply(page, "One more")


def test_a_sandbox_that_starts_again(browser: Browser) -> None:
    """The end of the sandbox is noticed, and so is another one in its place, without a reload."""
    port = unused_port()
    with staged(port) as first:
        first.post("messages", toPersonEmail="you@example.com", text="from the first")
        page_of = opened(browser, first.url)
        page = page_of.__enter__()
        expect_reply(page, "from the first")
    status = page.get_by_role("status")
    expect(status.first).to_contain_text("The sandbox has ended")
    with staged(port) as second:
        expect(status.first).to_have_text("Connected")
        expect(page.get_by_role("alert")).to_contain_text("has started again")
        expect(lists(page, "Messages")).to_have_count(0)
        second.post("messages", toPersonEmail="you@example.com", text="from the second")
        expect_reply(page, "from the second")
        page_of.__exit__(None, None, None)


def test_a_bot_that_does_not_respond(browser: Browser) -> None:
    """It is shown below the message and among the deliveries, once the time is over."""

    async def silent(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with staged(delivery_timeout=0.2) as stage, served(silent) as url:
        stage.create(targetUrl=url)
        with opened(browser, stage.url) as page:
            say(page, "Hello?")
            reason = "no response within 0.2 seconds"
            expect(page.get_by_text(f"Delivery failed: {reason}")).to_be_visible()
            expect(lists(page, "Deliveries").first).to_contain_text("no response")


def test_files(page: Page, stage: Stage) -> None:
    """A file goes with a message; its name, size and picture are shown, and it can be saved."""
    name = "<img src=x onerror=alert(1)> pícture.png"
    file: Any = {"name": name, "mimeType": "image/png", "buffer": PICTURE}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"With {name}")).to_be_visible()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("img", name=name)).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    assert download.value.path().read_bytes() == PICTURE
    assert [each.path for each in stage.sandbox.requests] == []


def test_an_error_of_the_sandbox(page: Page, stage: Stage) -> None:
    """A refused request opens with its reason, without its token; a refused message stays."""
    headers = {"Authorization": "Bearer a-canary"}
    httpx.get(f"{stage.base_url}/nothing", headers=headers, trust_env=False)
    lists(page, "Requests").first.locator("summary").click()
    expect(lists(page, "Requests").first).to_contain_text("doesn't have GET /v1/nothing")
    expect(lists(page, "Requests").first).to_contain_text("Bearer ***")
    assert "canary" not in page.content()

    say(page, "x" * 7_440)
    expect(page.get_by_role("alert")).to_contain_text("7439")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("x" * 7_440)


def test_an_edit(page: Page, stage: Stage) -> None:
    """An edit and a deletion are shown at once, and one can delete one's own message."""
    message = stage.post("messages", toPersonEmail="you@example.com", text="earlier")
    expect_reply(page, "earlier")
    url, headers = f"{stage.base_url}/messages/{message['id']}", {"Authorization": "Bearer the-bot"}
    edit = {"roomId": message["roomId"], "markdown": "**first**"}
    httpx.put(url, json=edit, headers=headers, trust_env=False)
    expect(page.locator("strong", has_text="first")).to_be_visible()
    expect(page.get_by_text("edited")).to_be_visible()
    say(page, "a slip")
    page.get_by_role("button", name="Delete “a slip” of You").click()
    expect(lists(page, "Messages")).to_have_count(1)
    httpx.delete(url, headers=headers, trust_env=False)
    expect(lists(page, "Messages")).to_have_count(0)
