import asyncio
import json
import os
import re
import signal
import threading
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.cli.harness import Finished, Invoke, ServedWebex, Typist, served, served_bot, thread
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async import to_json, verify
from webex_webhooks_async.cli.listen.tunnels import Agents, find_tunnel
from webex_webhooks_async.testing import signed_request

pytestmark = pytest.mark.once

IT_LISTENS = "Listening at .+ Ctrl-C ends it.$"


@pytest.fixture
def port() -> str:
    """A port that is free."""
    return str(unused_port())


def at(port: str) -> tuple[str, ...]:
    """The arguments with which it listens to a sandbox that reaches the port."""
    return ("--public-url", f"http://127.0.0.1:{port}/webex", "--port", port)


@pytest.mark.parametrize(
    ("options", "count", "shown"),
    [
        ((), 2, r"\d\d:\d\d:\d\d #[12] (memberships|messages) created by \S+@example.com$"),
        (("--json", "--resource", "rooms", "--event", "updated"), 1, '"resource": "rooms", "event'),
    ],
)
def test_a_sandbox(options: tuple[str, ...], count: int, shown: str) -> None:
    """With --sandbox, samples arrive of what is watched, until Ctrl-C."""
    with thread("listen", "--sandbox", "--port", "0", *options) as running:
        for _ in range(count):
            running.out.line(shown)
        exit_code = running.end()
        running.err.line("^Deleted its webhooks.$")

    assert exit_code == 0


def test_listen_and_forward(webex: ServedWebex, invoke: Invoke, port: str) -> None:
    """Genuine notifications are printed and forwarded unchanged; all others are refused."""
    webex.create(name="of others", resource="meetings")
    with (
        served_bot("thanks") as bot,
        thread("listen", *at(port), "--forward-to", bot.url, "--secret-env", "SECRET") as running,
    ):
        running.err.line(IT_LISTENS)
        watched = [(each.resource, each.event) for each in webex.sandbox.webhooks[1:]]
        delivery = webex.emit("messages", "created", data={"personEmail": "me@example.com"})
        running.out.line("messages created by me@example.com$")
        running.out.line("^→ #1 messages created: 200 OK$")
        running.out.line("^  thanks$")
        again = webex.portal.call(webex.sandbox.redeliver, delivery)
        with httpx.Client(trust_env=False) as stranger:
            forged = stranger.send(signed_request(delivery.url, delivery.body, "a guess"))
        running.err.line("^✗ refused a request: the signature is of another body")
        webex.emit("attachmentActions", "created")
        running.out.line("attachmentActions created by")
        running.out.line("^→ #2 attachmentActions created: 200 OK$")
        invoke("delete", "--yes", webex.sandbox.webhooks[1].id)
        exit_code = running.end()

    assert watched == [("all", "all"), ("attachmentActions", "created")]
    assert (again.status_code, forged.status_code) == (204, 401)
    passed_on, body = bot.requests[0], bot.bodies[0]
    verify(body, passed_on.headers, secrets="a-canary-secret")
    assert (len(bot.requests), body) == (2, delivery.body)
    assert {**passed_on.headers, "host": ""} == {**delivery.headers, "host": ""}
    assert (exit_code, webex.names) == (0, ["of others"])


def test_json(webex: ServedWebex, port: str) -> None:
    """Standard output has a notification a line; responses go to standard error."""
    with (
        served_bot("sorry", 500) as bot,
        thread("listen", *at(port), "--json", "--forward-to", bot.url) as running,
    ):
        running.err.line(IT_LISTENS)
        delivery = webex.emit("rooms", "updated")
        line = running.out.line(".+")[0]
        running.err.line("^→ #1 rooms updated: 500 Internal Server Error$")

    assert json.loads(line) == json.loads(delivery.body)


def test_a_bot_that_is_not_there(webex: ServedWebex, port: str) -> None:
    """A bot that doesn't respond is reported, and Webex gets a success."""
    with thread("listen", *at(port), "--forward-to", "http://127.0.0.1:1/x") as running:
        running.err.line(IT_LISTENS)
        delivery = webex.emit("rooms", "updated")
        running.err.line("^✗ #1 rooms updated: POST http://127.0.0.1:1/x: nothing listens there")
        exit_code = running.end()

    assert (delivery.status_code, exit_code, webex.names) == (204, 0, [])


def test_a_webhook_that_is_refused(webex: ServedWebex, invoke: Invoke) -> None:
    """If one can't be created, the ones before it are deleted."""
    done = invoke(
        *("listen", "--public-url", "https://example.com", "--port", "0"),
        *("--resource", "rooms", "--resource", "messages", "--event", "updated"),
    )

    assert (done.exit_code, done.out, webex.names) == (1, "", [])
    assert "Invalid event for resource messages: updated" in done.err


def briefly(*arguments: str, **options: Any) -> Finished:  # noqa: ANN401 - of `thread`
    """Listen until it is up, and end it then as a signal does."""
    with thread("listen", *arguments, **options) as running:
        running.err.line(IT_LISTENS)
        exit_code = running.end()
    return Finished(exit_code, running.out.text, running.err.text)


def test_several(port: str, webex: ServedWebex) -> None:
    """Each event of each resource has a webhook, with a random secret; a typo gets one warning."""
    done = briefly(
        *at(port),
        *("--resource", "mesages", "--resource", "memberships"),
        *("--event", "created", "--event", "deleted"),
    )

    created = [json.loads(each.body) for each in webex.sandbox.requests if each.method == "POST"]
    assert (done.exit_code, webex.names) == (0, [])
    assert [(each["resource"], each["event"]) for each in created] == [
        ("mesages", "created"),
        ("mesages", "deleted"),
        ("memberships", "created"),
        ("memberships", "deleted"),
    ]
    assert [len(each["secret"]) > 30 for each in created] == [True] * 4
    assert done.err.count("warning: the resource 'mesages' is unknown: did you mean 'messa") == 1


@pytest.mark.parametrize(
    ("delay", "seconds"), [(0, PATIENCE), (600, 0.2)], ids=["refuses", "hangs"]
)
def test_a_webhook_that_can_not_be_deleted(
    webex: ServedWebex, port: str, delay: float, seconds: float
) -> None:
    """If Webex refuses or hangs at the end, it names the webhooks that may be left."""
    webex.sandbox.fail(status=403, delay=delay, times=None, method="DELETE")

    done = briefly(*at(port), tidy_seconds=seconds)

    named = re.search("names begin with '(.+)' may be left;", done.err)
    assert named
    assert done.exit_code == 1
    assert [each.startswith(f"{named[1]} ") for each in webex.names] == [True, True]


@pytest.fixture
def ngrok(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports at which it looks for ngrok, none by default, and for no other tunnel."""
    ports: list[int] = []
    agents = Agents(ngrok=ports, cloudflared=(), seconds=PATIENCE)
    find = partial(find_tunnel, agents=agents)
    monkeypatch.setattr("webex_webhooks_async.cli.commands.listen.find_tunnel", find)
    return ports


def test_a_tunnel_that_runs(webex: ServedWebex, port: str, ngrok: list[int]) -> None:
    """A tunnel that leads to the port is found and checked; neither sees the token."""
    seen: list[tuple[bytes, bytes]] = []

    async def public(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await PlainTextResponse("another server")(scope, receive, send)

    async def agent(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        tunnel = {"url": public_url, "upstream": {"url": f"http://localhost:{port}"}}
        await JSONResponse({"endpoints": [tunnel]})(scope, receive, send)

    with served(public) as public_url, served(agent) as origin:
        ngrok.append(httpx.URL(origin).port or 0)
        done = briefly("--port", port)

    found, warning, *_ = done.err.splitlines()
    assert found == f"Found {public_url} (ngrok, leads to http://localhost:{port})."
    assert warning == (
        f"warning: a request to {public_url} did not arrive here: another server responds there "
        f"(200 OK): does the URL lead to port {port}?"
    )
    assert (done.exit_code, done.out, webex.names) == (0, "", [])
    created = [json.loads(each.body) for each in webex.sandbox.requests if each.method == "POST"]
    assert {each["targetUrl"] for each in created} == {public_url}
    assert seen
    assert b"canary" not in b"".join(name + value for name, value in seen)


@pytest.mark.usefixtures("ngrok")
def test_no_tunnel(webex: ServedWebex, invoke: Invoke) -> None:
    """Without a tunnel the error says what to do, and nothing is sent to Webex."""
    done = invoke("listen", "--port", "8080")

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert done.err == (
        "error: no tunnel leads to port 8080: start one, such as `ngrok http 8080`; or pass the "
        "port that a tunnel leads to with --port, or the public URL with --public-url; or use "
        "--sandbox, which needs neither a tunnel nor an account\n"
    )


def test_a_url_that_leads_here(webex: ServedWebex, port: str) -> None:
    """A URL that leads here gets no warning, and is shown without its credentials."""
    done = briefly("--public-url", f"http://a:canary@127.0.0.1:{port}/x", "--port", port)

    here = f"Listening at http://127.0.0.1:{port}, where http://127.0.0.1:{port}/x leads."
    assert done.err == f"{here} Ctrl-C ends it.\nDeleted its webhooks.\n"
    assert (done.exit_code, done.out, webex.names) == (0, "", [])


@pytest.mark.usefixtures("webex")
@pytest.mark.parametrize("secret", [(), ("--secret-env", "SECRET")])
def test_forwarding_without_the_secret(port: str, secret: tuple[str, ...]) -> None:
    """Without the bot's secret it says what the bot will respond, and how to pass the secret."""
    done = briefly(*at(port), "--forward-to", f"http://127.0.0.1:{port}/", *secret)

    assert (
        "warning: your bot will respond 401 Unauthorized: the notifications are signed with a "
        "random secret; pass the bot's secret with --secret-env or --secret-file\n" in done.err
    ) is not bool(secret)


LEFT_OVER = "webex-webhooks listen 0123abcd all all"


def test_webhooks_that_are_left_over(webex: ServedWebex, port: str) -> None:
    """Those of a `listen` that was killed are shown with what deletes them; a terminal asks."""
    left = webex.create(name=LEFT_OVER)
    webex.create(name="of others")
    shown = json.loads(to_json(left))
    hostile = shown | {"id": "-x\x1b[2J; rm -rf ~"}
    webex.sandbox.fail(body={"items": [shown, hostile]}, method="GET")

    done = briefly(*at(port))

    assert done.err.startswith("warning: webhooks of another `listen` exist; it was killed, or")
    assert (
        f"\nDelete them with: webex-webhooks delete --yes -- {left.id} '-x\\x1b[2J; rm -rf ~'\n"
    ) in done.err
    assert LEFT_OVER in done.err
    assert (done.exit_code, webex.names) == (0, [LEFT_OVER, "of others"])

    for typed, names in (("\n", [LEFT_OVER, "of others"]), ("y\n", ["of others"])):
        done = briefly(*at(port), stdin=Typist(typed))

        assert "Was it killed? Delete them? [y/N]" in done.err
        assert (done.exit_code, webex.names) == (0, names)


def test_ctrl_c_while_webex_hangs_at_the_start(
    port: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it creates its webhooks, Ctrl-C ends it, and it says which may be left."""

    async def webex(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            hangs.set()
            os.kill(os.getpid(), signal.SIGINT)
        if hangs.is_set():
            await asyncio.Event().wait()
        await JSONResponse({"items": []})(scope, receive, send)

    hangs = threading.Event()
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
    with served(webex) as origin:
        done = invoke("listen", *at(port), "--base-url", f"{origin}/v1")

    assert done.exit_code == 128 + signal.SIGINT
    assert re.search(
        "^error: webhooks whose names begin with '.+' may be left;", done.err, re.MULTILINE
    )


def test_ctrl_c_while_the_bot_hangs(webex: ServedWebex, port: str) -> None:
    """A bot that doesn't respond, such as one in a debugger, doesn't delay the end."""

    async def hang(*_: object) -> None:
        arrived.set()
        await asyncio.Event().wait()

    arrived = threading.Event()
    with served(hang) as url, thread("listen", *at(port), "--forward-to", url) as running:
        running.err.line(IT_LISTENS)
        webex.emit("rooms", "updated")
        assert arrived.wait(PATIENCE)
        exit_code = running.end()

    assert (exit_code, webex.names) == (0, [])
    assert running.err.lines.get(timeout=PATIENCE) == "Deleted its webhooks."
    assert running.err.lines.empty()
