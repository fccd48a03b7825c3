import asyncio
import json

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.cli.harness import Invoke, ServedWebex, failing, served, served_bot
from webex_webhooks_async import verify
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.cli.running_sandbox import call_sandbox
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.testing.requests import SANDBOX_HEADER

pytestmark = pytest.mark.once

ROOMS_IN_A_SANDBOX = ("trigger", "rooms", "updated", "--sandbox")
IN_A_SANDBOX = ("trigger", "messages", "created", "--sandbox")
NOWHERE = "http://127.0.0.1:1"


def to(url: str, resource: str = "messages", event: str = "created") -> tuple[str, ...]:
    """The arguments with which it sends a notification to a bot."""
    return ("trigger", resource, event, "--to", url, "--secret-env", "SECRET")


def test_a_sample(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot gets, through no proxy, a notification signed as Webex signs; its response is shown."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with served_bot("thanks,\x1b[2J\nbot", 202) as bot:
        done = invoke(*to(bot.url))

    (request,), (body,) = bot.requests, bot.bodies
    verify(body, request.headers, secrets="a-canary-secret")
    notification = parse_unverified_notification(body)
    assert (notification.resource, notification.event) == ("messages", "created")
    assert "messages created by" in done.out
    assert done.out.endswith("→ 202 Accepted\n  thanks,\\x1b[2J\n  bot\n")
    assert (done.exit_code, done.err, "a-canary" in done.out) == (0, "", False)


def test_json(invoke: Invoke) -> None:
    """With --json it prints one document: the notification, and the bot's response."""
    with served_bot("sorry", 500) as bot:
        done = invoke(*to(bot.url, "rooms"), "--json")

    assert json.loads(done.out) == {
        "notification": json.loads(bot.bodies[0]),
        "status": 500,
        "body": "sorry",
        "problem": None,
    }
    assert (done.exit_code, done.err) == (1, "")


def test_a_handler_that_fails(webex: ServedWebex, invoke: Invoke) -> None:
    """What a handler raised is shown, and makes the exit code 1."""
    with served(failing("a-canary-secret")) as url:
        sent = invoke(*to(url, "rooms"))
        webex.create(targetUrl=url, resource="rooms", event="all", secret="a-canary-secret")
        reported = invoke(*ROOMS_IN_A_SANDBOX)

    assert sent.out.endswith("→ 500 Internal Server Error\n✗ a handler raised KeyError: 'dish'\n")
    assert reported.out == "→ a handler raised KeyError: 'dish'\n"
    assert (sent.exit_code, reported.exit_code) == (1, 1)


def test_a_sandbox(webex: ServedWebex, invoke: Invoke) -> None:
    """With --sandbox, an event happens in the sandbox, and the bots' responses are shown."""
    with served_bot("") as bot, served_bot("", 500) as other:
        webex.create(targetUrl=bot.url)
        done = invoke(*IN_A_SANDBOX, "--set", "data.text=Hello")
        webex.create(targetUrl=other.url)
        webex.create(targetUrl="http://127.0.0.1:1/")
        failed, as_json = invoke(*IN_A_SANDBOX), invoke(*IN_A_SANDBOX, "--json")

    (message, *_) = webex.sandbox.messages
    notified = json.loads(bot.bodies[0])["data"]
    assert (message.id, message.text) == (notified["id"], "Hello")
    assert (done.exit_code, done.out, done.err) == (0, "→ 200 OK\n", "")
    ok, refused, unreachable = failed.out.splitlines()
    assert (ok, refused) == ("→ 200 OK", "→ 500 Internal Server Error")
    assert unreachable == "→ nothing listens there: is your bot running?"
    outcomes = [each["statusCode"] for each in json.loads(as_json.out)["deliveries"]]
    assert (failed.exit_code, as_json.exit_code, outcomes) == (1, 1, [200, 500, None])


def test_the_owner_of_an_event(webex: ServedWebex, invoke: Invoke) -> None:
    """With --owner only that person's webhooks are notified; where nobody is, it says so."""
    with served_bot("") as bot:
        webex.create(targetUrl=bot.url, resource="rooms", event="updated")
        of_the_bot = invoke(*ROOMS_IN_A_SANDBOX, "--owner", webex.sandbox.bot.id)
        of_ann = invoke(*ROOMS_IN_A_SANDBOX, "--owner", "ann@example.com")

    assert (of_the_bot.exit_code, of_the_bot.out) == (0, "→ 200 OK\n")
    assert (of_ann.exit_code, of_ann.out) == (0, "→ no active webhook watches rooms updated\n")


def test_what_is_no_sandbox(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is reported to what isn't a sandbox, or doesn't respond as one, and no token."""
    asked: list[str] = []
    tokens: list[str | None] = []
    headers: dict[str, str] = {}
    answers = iter([b"{}", b"no JSON"])

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["method"])
        tokens.append(Request(scope).headers.get("authorization"))
        if scope["method"] == "GET":
            await Response(headers=headers)(scope, receive, send)
        elif (answer := next(answers, None)) is not None:
            await Response(answer, 400)(scope, receive, send)
        else:
            await asyncio.Event().wait()

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
    with served(service) as origin:
        command = (*IN_A_SANDBOX, "--base-url", f"{origin}/v1")
        no_sandbox = invoke(*command)
        headers.update(SANDBOX_HEADER)
        odd, not_json = (invoke(*command).err for _ in range(2))
        with pytest.raises(CommandError, match=f"at {origin} did not respond within 0.5 s"):
            asyncio.run(call_sandbox(origin, "emit", {}, seconds=0.5))

    assert (no_sandbox.exit_code, no_sandbox.out) == (1, "")
    assert f"the service at {origin}/v1 isn't a sandbox: start one" in no_sandbox.err
    assert "doesn't respond as a sandbox of this release does\n" in odd
    assert not_json == odd
    assert asked == ["GET", *["GET", "POST"] * 3]
    assert {*tokens} == {None}


def test_values(invoke: Invoke) -> None:
    """Any value can be set, as text or as JSON, at any path."""
    with served_bot("") as bot:
        invoke(
            *to(bot.url, "telephony_calls"),
            *("--set", "name=mine=yours", "--set", "data.muted:=true"),
            *("--set", "data.remoteParty.number=+1", "--set", "data.new.place:=[1]"),
        )

    notification = json.loads(bot.bodies[0])
    data = notification["data"]
    assert (notification["name"], data["muted"]) == ("mine=yours", True)
    assert data["remoteParty"].items() > {("number", "+1")}
    assert data["new"] == {"place": [1]}


def test_a_word_that_is_nearly_known(invoke: Invoke) -> None:
    """A typo gets a warning that names the word, and the sample is sent all the same."""
    with served_bot("") as bot:
        done = invoke(*to(bot.url, "mesages", "Created"))

    assert (done.exit_code, json.loads(bot.bodies[0])["resource"]) == (0, "mesages")
    assert done.err.splitlines() == [
        "warning: the resource 'mesages' is unknown: did you mean 'messages'?",
        "warning: the event 'Created' is unknown: did you mean 'created'?",
    ]


def test_a_bot_that_is_not_there(invoke: Invoke) -> None:
    """A failed connection is one line, without the credentials in the bot's URL."""
    done = invoke(*to("http://me:canary@127.0.0.1:1/x?key=canary"))

    assert (done.exit_code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("error: POST http://127.0.0.1:1/x: nothing listens there: is ")


@pytest.mark.parametrize("value", ["roomId=Y2lz", "roomId:=1"])
def test_a_value_beside_the_data(invoke: Invoke, value: str) -> None:
    """A new key of the notification itself gets a warning that points to its data."""
    with served_bot("") as bot:
        done = invoke(*to(bot.url), "--set", value, "--set", "name=known", "--set", "data.new=1")

    assert done.err == "warning: --set roomId adds roomId beside data: did you mean data.roomId?\n"
    assert "roomId" in json.loads(bot.bodies[0])


def test_a_path_without_end(invoke: Invoke) -> None:
    """A value that is nested too deeply for every Python is one line on standard error."""
    done = invoke(*to(NOWHERE), "--set", f"{'.'.join('a' * 200_000)}=1")

    assert (done.exit_code, done.out) == (1, "")
    assert done.err.endswith("error: it is nested too deeply to be printed\n")
