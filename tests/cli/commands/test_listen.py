import json
import re
import signal
import socket
import subprocess
from contextlib import AbstractContextManager

import httpx
import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import (
    COMMAND,
    Process,
    ServedWebex,
    process,
    served_bot,
    terminal,
)
from tests.support.wire import PATIENCE
from webex_webhooks_async import verify
from webex_webhooks_async.testing import Delivery, signed_request

IT_LISTENS = "^Listening; .+ Ctrl-C ends it.$"


@pytest.fixture
def port() -> str:
    """A port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def listen(port: str, *arguments: str) -> AbstractContextManager[Process]:
    """Listen to a Webex that reaches the port."""
    public_url = f"http://127.0.0.1:{port}/webex"
    return process("listen", "--public-url", public_url, "--port", port, *arguments)


def send(delivery: Delivery, secret: str | None = None) -> int:
    """Send what was delivered again, or a forged one; return the status of the answer."""
    with httpx.Client(trust_env=False) as http_client:
        if secret is not None:
            return http_client.send(signed_request(delivery.url, delivery.body, secret)).status_code
        return http_client.post(
            delivery.url, content=delivery.body, headers=delivery.headers
        ).status_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_sandbox(number: signal.Signals) -> None:
    """Without an account something happens by itself, until it is stopped."""
    with process("listen", "--sandbox", "--port", "0") as running:
        running.line(running.err, IT_LISTENS)
        running.line(running.out, r"^\d\d:\d\d:\d\d memberships created by \S+@example.com$")
        running.line(running.out, r"^ +roomId +\S+$")
        exit_code = running.end(number)
        running.line(running.err, "^Deleted its webhooks.$")

    assert exit_code == 0


def test_a_sandbox_on_a_terminal() -> None:
    """On a terminal Ctrl-C is the way to end it."""
    with terminal("listen", "--sandbox", "--port", "0") as screen:
        screen.wait_for("memberships created")
        screen.type("\x03")
        exit_code = screen.finish()

    assert (exit_code, "Deleted its webhooks." in screen.seen) == (0, True)
    assert "Traceback" not in screen.seen


def test_what_happens_in_a_sandbox() -> None:
    """Something happens to each resource that is watched."""
    with process(
        *("listen", "--sandbox", "--port", "0", "--json"),
        *("--resource", "rooms", "--event", "updated"),
    ) as running:
        notification = json.loads(running.line(running.out, ".+")[0])

    assert (notification["resource"], notification["event"]) == ("rooms", "updated")


def test_a_sandbox_whose_reader_has_seen_enough() -> None:
    """A pipe that is closed ends it, too, without a traceback."""
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} listen --sandbox --port 0 --json | head -1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert json.loads(done.stdout)["resource"] == "memberships"
    assert "Traceback" not in done.stderr


def test_listen_and_forward(webex: ServedWebex, port: str) -> None:
    """What Webex sends is printed, and passed on as it came; all else is turned away."""
    webex.create(name="of others", resource="meetings")
    with (
        served_bot("thanks") as bot,
        listen(port, "--forward-to", bot.url, "--secret-env", "SECRET") as running,
    ):
        running.line(running.err, IT_LISTENS)
        watched = [(each.resource, each.event) for each in webex.sandbox.webhooks[1:]]
        delivery = webex.emit("messages", "created", {"personEmail": "me@example.com"})
        running.line(running.out, "messages created by me@example.com$")
        running.line(running.out, "^→ 200 OK$")
        running.line(running.out, "^  thanks$")
        again, forged = send(delivery), send(delivery, secret="a guess")
        running.line(running.err, "^✗ refused a request: the signature was made of another body")
        webex.emit("attachmentActions", "created")
        running.line(running.out, "attachmentActions created by")
        running.line(running.out, "^→ 200 OK$")
        exit_code = running.end(signal.SIGINT)

    assert watched == [("all", "all"), ("attachmentActions", "created")]
    assert (again, forged) == (204, 401)
    passed_on, body = bot.requests[0], bot.bodies[0]
    verify(body, passed_on.headers, "a-canary-secret")
    assert (len(bot.requests), body) == (2, delivery.body)
    assert {**passed_on.headers, "host": ""} == {**delivery.headers, "host": ""}
    assert (exit_code, webex.names) == (0, ["of others"])


def test_json(webex: ServedWebex, port: str) -> None:
    """Programs get a notification a line as Webex sent it, and the bot's answers elsewhere."""
    with (
        served_bot("sorry", 500) as bot,
        listen(port, "--json", "--forward-to", bot.url) as running,
    ):
        running.line(running.err, IT_LISTENS)
        delivery = webex.emit("rooms", "updated")
        line = running.line(running.out, ".+")[0]
        running.line(running.err, "^→ 500 Internal Server Error$")

    assert json.loads(line) == json.loads(delivery.body)


def test_a_bot_that_is_not_there(webex: ServedWebex, port: str) -> None:
    """That the bot doesn't answer is told, and is no failure to Webex."""
    with listen(port, "--forward-to", "http://127.0.0.1:1/x") as running:
        running.line(running.err, IT_LISTENS)
        delivery = webex.emit("rooms", "updated")
        running.line(running.err, "^✗ POST http://127.0.0.1:1/x: ConnectError: ")
        exit_code = running.end(signal.SIGTERM)

    assert (delivery.status_code, exit_code, webex.names) == (204, 0, [])


def test_several(webex: ServedWebex, port: str) -> None:
    """Each event of each resource has a webhook, with a secret that is made up."""
    with listen(
        *(port, "--resource", "messages", "--resource", "memberships"),
        *("--event", "created", "--event", "deleted"),
    ) as running:
        running.line(running.err, IT_LISTENS)
        webhooks = webex.sandbox.webhooks

    assert [(each.resource, each.event) for each in webhooks] == [
        ("messages", "created"),
        ("messages", "deleted"),
        ("memberships", "created"),
        ("memberships", "deleted"),
    ]
    assert {len(each.secret or "") > 30 for each in webhooks} == {True}


def test_a_webhook_that_is_refused(webex: ServedWebex, invoke: Invoke) -> None:
    """When one can't be made, those before it are deleted."""
    done = invoke(
        *("listen", "--public-url", "https://example.com", "--port", "0"),
        *("--resource", "rooms", "--resource", "messages", "--event", "updated"),
    )

    assert (done.exit_code, done.out, webex.names) == (1, "", [])
    assert "Invalid event for resource messages: updated" in done.err


def test_a_webhook_that_is_gone_already(webex: ServedWebex, port: str, invoke: Invoke) -> None:
    """What someone else deleted meanwhile is no error."""
    with listen(port) as running:
        running.line(running.err, IT_LISTENS)
        invoke("delete", "--yes", *(each.id for each in webex.sandbox.webhooks))
        exit_code = running.end(signal.SIGINT)

    assert exit_code == 0


def test_a_webhook_that_can_not_be_deleted(webex: ServedWebex, port: str) -> None:
    """What may be left is told, by the name to look for, and the exit code is 1."""
    with listen(port) as running:
        running.line(running.err, IT_LISTENS)
        webex.sandbox.fail(status=403, times=None)
        exit_code = running.end(signal.SIGINT)
        name = running.line(running.err, "names begin with '(.+)' may be left;")[1]

    assert exit_code == 1
    assert [each.startswith(f"{name} ") for each in webex.names] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "pass the URL at which Webex reaches this machine with --public-url"),
        (("--event", "created", "--sandbox"), "--event needs the --resource that it happens to"),
        (("--resource", "", "--sandbox"), 'Invalid value "" for --resource'),
        (
            ("--sandbox", "--public-url", "https://example.com"),
            "--sandbox and --public-url exclude each other",
        ),
        (("--public-url", "example.com"), 'Invalid value "example.com" for --public-url'),
        (("--public-url", "https://example.com"), "there is no access token"),
        (("--sandbox", "--secret-env", "UNSET"), "there is no secret in"),
    ],
)
def test_wrong_usage(invoke: Invoke, arguments: tuple[str, ...], told: str) -> None:
    """What makes no sense is wrong usage, and nothing is served."""
    done = invoke("listen", *arguments)

    assert (done.exit_code, done.out) == (2, "")
    assert re.match(f"error: {re.escape(told)}", done.err)
