import json

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import served_bot
from webex_webhooks_async import verify
from webex_webhooks_async.notifications.parsing import parse_unverified_notification


def test_a_sample(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot gets, through no proxy, a notification signed as Webex signs; its response is shown."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with served_bot("thanks,\x1b[2J\nbot", 202) as bot:
        done = invoke("trigger", "messages", "created", "--to", bot.url, "--secret-env", "SECRET")

    (request,), (body,) = bot.requests, bot.bodies
    verify(body, request.headers, "a-canary-secret")
    notification = parse_unverified_notification(body)
    assert (notification.resource, notification.event) == ("messages", "created")
    assert "messages created by" in done.out
    assert done.out.endswith("→ 202 Accepted\n  thanks,\\x1b[2J\n  bot\n")
    assert (done.exit_code, done.err, "a-canary" in done.out) == (0, "", False)


def test_values(invoke: Invoke) -> None:
    """Any value can be set, as text or as JSON, at any path."""
    with served_bot("") as bot:
        invoke(
            *("trigger", "telephony_calls", "created", "--to", bot.url, "--secret-env", "SECRET"),
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
        done = invoke("trigger", "mesages", "Created", "--to", bot.url, "--secret-env", "SECRET")

    assert (done.exit_code, json.loads(bot.bodies[0])["resource"]) == (0, "mesages")
    assert done.err.splitlines() == [
        "warning: the resource 'mesages' is unknown: did you mean 'messages'?",
        "warning: the event 'Created' is unknown: did you mean 'created'?",
    ]


def test_a_bot_that_refuses(invoke: Invoke) -> None:
    """A response that isn't a success makes the exit code 1."""
    with served_bot("", 500) as bot:
        done = invoke("trigger", "messages", "created", "--to", bot.url, "--secret-env", "SECRET")

    assert (done.exit_code, done.err) == (1, "")
    assert done.out.endswith("→ 500 Internal Server Error\n")


def test_a_bot_that_is_not_there(invoke: Invoke) -> None:
    """A failed connection is one line, without the credentials in the bot's URL."""
    done = invoke(
        *("trigger", "messages", "created", "--to", "http://me:canary@127.0.0.1:1/x?key=canary"),
        *("--secret-env", "SECRET"),
    )

    assert (done.exit_code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("error: POST http://127.0.0.1:1/x: ConnectError: ")


@pytest.mark.parametrize("value", ["roomId=Y2lz", "roomId:=1"])
def test_a_value_beside_the_data(invoke: Invoke, value: str) -> None:
    """A new key of the notification itself gets a warning that points to its data."""
    with served_bot("") as bot:
        done = invoke(
            *("trigger", "messages", "created", "--to", bot.url, "--secret-env", "SECRET"),
            *("--set", value, "--set", "name=known", "--set", "data.new=1"),
        )

    assert done.err == "warning: --set roomId adds roomId beside data: did you mean data.roomId?\n"
    assert "roomId" in json.loads(bot.bodies[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "data.roomId"), "--set takes a path and a value, such as data.roomId=Y2lz"),
        (("--set", "data..x=1"), "--set takes a path and a value, such as data.roomId=Y2lz"),
        (("--set", "name.x=1"), "--set name.x=1: name isn't an object"),
        (("--set", "name:=x"), "--set name: what follows := must be JSON: $: not JSON ("),
        (("--set", "x:=NaN"), "--set x: what follows := must be JSON: $: a number is not finite\n"),
        (("--set", "x:=" + "[" * 90_000), "--set x: what follows := must be JSON: $: nested too"),
        (("--to", "localhost:80"), "--to must be an absolute http(s) URL"),
        (("--to", "ftp://127.0.0.1/"), "--to must be an absolute http(s) URL"),
        (("--to", "http://xn--.com/"), "--to must be an absolute http(s) URL\n"),
    ],
)
def test_wrong_usage(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    """Invalid arguments are wrong usage, and nothing is sent."""
    target = () if "--to" in arguments else ("--to", "http://127.0.0.1:1")

    done = invoke("trigger", "messages", "created", *arguments, *target, "--secret-env", "SECRET")

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


@pytest.mark.parametrize("words", [("all", "created"), ("", "created")])
def test_what_is_no_event(invoke: Invoke, words: tuple[str, str]) -> None:
    """`all` and an empty word are wrong usage: no notification has them."""
    done = invoke("trigger", *words, "--to", "http://127.0.0.1:1", "--secret-env", "SECRET")

    assert (done.exit_code, done.out) == (2, "")


def test_a_path_without_end(invoke: Invoke) -> None:
    """A value that is nested too deeply for every Python is one line on standard error."""
    done = invoke(
        *("trigger", "messages", "created", "--to", "http://127.0.0.1:1", "--secret-env", "SECRET"),
        *("--set", f"{'.'.join('a' * 1_000_000)}=1"),
    )

    assert (done.exit_code, done.out) == (1, "")
    assert done.err.endswith("error: it is nested too deeply to be printed\n")
