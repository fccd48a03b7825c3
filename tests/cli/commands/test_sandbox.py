import json
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

from tests.cli.harness import COMMAND, Running, thread
from tests.support.wire import PATIENCE, unused_port
from tests.testing.doubles import NEW
from webex_webhooks_async.testing.delivering.chaos import Chaos

pytestmark = pytest.mark.once

START = ("sandbox", "--port", "0")
BOT = {"Authorization": "Bearer a-canary-token"}


def test_the_page() -> None:
    """It says where the page is, and serves it there; with --no-page it does neither."""
    with thread(*START) as running:
        url = running.err.line("Open (http://127.0.0.1:[0-9]+/) in a browser")[1]
        page = httpx.get(url, trust_env=False)
    with thread(*START, "--no-page") as running:
        base_url = running.out.line("^http://.+$")[0]
        without = httpx.get(base_url.removesuffix("v1"), trust_env=False)
        hint = running.err.line(".+")[0] + running.err.line(".+")[0]

    assert (page.status_code, "<title>Webex sandbox</title>" in page.text) == (200, True)
    assert (without.status_code, "browser" in hint) == (501, False)


def test_a_sandbox() -> None:
    """It prints the base URL, what to set for a bot, then each request, until it is stopped."""
    with thread(*START) as running:
        base_url = running.out.line("^http://127.0.0.1:[0-9]+/v1$")[0]
        response = httpx.get(f"{base_url}/webhooks?max=3", headers=BOT, trust_env=False)
        tracking_id = response.headers["trackingid"]
        running.out.line(rf"\d\d:\d\d:\d\d GET    /v1/webhooks\?max=3 200 OK {tracking_id}$")
        hints = [running.err.line("^export ([^ ]+)=([^ ]+)$") for _ in range(4)]
        exit_code = running.end()

    settings = {hint[1]: hint[2] for hint in hints}
    assert len(settings.pop("WEBEX_WEBHOOK_SECRET")) > 30
    assert settings == {
        "WEBEX_BASE_URL": base_url,
        "WEBEX_ACCESS_TOKEN": "anything",
        "WEBEX_TARGET_URL": "http://127.0.0.1:8000",
    }
    assert (response.json(), exit_code) == ({"items": []}, 0)


@contextmanager
def sandbox(*arguments: str, person: str = "") -> Generator[tuple[Running, httpx.Client]]:
    """Run it, and a client that calls it."""
    with thread(*START, *arguments) as running, httpx.Client(trust_env=False) as webex:
        webex.base_url = running.out.line('http://[^"]+')[0]
        webex.headers = {"Authorization": f"Bearer person:{person}"} if person else BOT
        yield running, webex


def test_what_comes_of_a_request() -> None:
    """It prints why one was refused, the client's tracking id, and that nobody watches."""
    options = ("--bot-name", "Lunch", "--bot-email", "lunch@webex.bot", "--org", "O1")
    with sandbox(*options, person="ann@example.com") as (running, webex):
        bot = webex.get("/people/me", headers=BOT).json()
        ann = webex.get("/people/me").json()
        webex.get("/organizations", headers={"TrackingID": "bot_1"})
        refused = running.out.line("GET +(/v1/organizations .+)$")[1]
        webex.post("/messages", json={"toPersonEmail": "lunch@webex.bot", "text": "Hello"})
        running.out.line("POST   /v1/messages 200 OK")
        below = running.out.line("→ +(.+)$")[1]

    assert (bot["displayName"], bot["emails"]) == ("Lunch", ["lunch@webex.bot"])
    assert (bot["orgId"], ann["orgId"]) == ("O1", "O1")
    assert re.fullmatch(
        r"/v1/organizations 501 Not Implemented ROUTER_[0-9A-F-]+ \(sent TrackingID bot_1\) "
        "The sandbox doesn't have GET /v1/organizations; errors lists what it has\\.",
        refused,
    )
    assert below == "no active webhook watches rooms created, messages created"


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ((), r"not sent, because .+ with --allow-remote \(its own message\)$"),
        (("--allow-remote",), "ConnectError: "),
    ],
)
def test_a_webhook_on_another_host(arguments: tuple[str, ...], outcome: str) -> None:
    """Other hosts are called only with --allow-remote; without it, the output names the option."""
    target = f"http://0.0.0.0:{unused_port()}/"  # an address of this machine that isn't loopback
    with sandbox(*arguments) as (running, webex):
        webex.post("/webhooks", json={**NEW, "targetUrl": target})
        webex.post("/messages", json={"toPersonEmail": "ann@example.com", "text": "Hello"})
        running.out.line(f"→ +messages created {target} {outcome}")


def test_json() -> None:
    """With --json each line is an object, first the URL; no secret and no token is in them."""
    target = f"http://127.0.0.1:{unused_port()}/?canary"
    with thread(*START, "--json") as running, httpx.Client(headers=BOT, trust_env=False) as webex:
        lines = [running.out.line(".+")[0]]
        webex.base_url = json.loads(lines[0])["url"]
        webex.post("/webhooks", json={**NEW, "targetUrl": target, "secret": "a-canary"})
        webex.post("/messages", json={"toPersonEmail": "ann@example.com", "text": "Hello"})
        lines += [running.out.line(".+")[0] for _ in range(3)]
        webex.post("/rooms", json={"title": "Lunch"})
        webex.post("/webhooks", json={**NEW, "event": "craeted"})
        lines += [running.out.line(".+")[0] for _ in range(4)]

    documents = [json.loads(line) for line in lines]
    assert [each["kind"] for each in documents] == [
        *("sandbox", "request", "request", "delivery", "request", "log", "log", "request")
    ]
    _, created, _, delivery, _, nothing, misspelled, _ = documents
    assert (created["method"], created["path"], created["status"]) == ("POST", "/v1/webhooks", 200)
    assert (delivery["url"], delivery["status"]) == (target.partition("?")[0], None)
    assert delivery["error"] == "nothing listens there: is your bot running?"
    assert delivery["notification"]["resource"] == "messages"
    assert nothing["text"] == "no active webhook watches rooms created, memberships created"
    assert misspelled["text"] == (
        "the event 'craeted' of the webhook 'Messages' isn't known: is it misspelled?"
    )
    assert ("canary" in "".join(lines), running.err.lines.empty()) == (False, True)


def test_chaos() -> None:
    """With --chaos, the number decides what becomes of each delivery."""
    seed = next(each for each in range(1_000) if Chaos(each).next().times == 0)
    with sandbox("--chaos", f"{seed}") as (running, webex):
        webex.post("/webhooks", json=NEW)
        webex.post("/messages", json={"toPersonEmail": "ann@example.com", "text": "Hello"})
        lines = [running.out.line(".+")[0] for _ in range(3)]

    assert lines[2].endswith(f"lost on its way, by chaos={seed} (its own message)")


def test_a_strict_sandbox() -> None:
    """Tokens expire, refresh tokens are used once, the client has a secret, and data an owner."""
    form = {"grant_type": "refresh_token", "client_id": "C1", "refresh_token": "R1"}
    options = ("--token-life", "60", "--rotate", "--client-secret", "S1", "--private")
    with sandbox(*options) as (_, webex):
        wrong, first, again = (
            webex.post("/access_token", data={**form, "client_secret": secret})
            for secret in ("S2", "S1", "S1")
        )
        times = {"start": "2026-12-02T10:00:00Z", "end": "2026-12-02T11:00:00Z"}
        meeting = webex.post("/meetings", json={"title": "Lunch", **times}).json()["id"]
        ann = {"Authorization": "Bearer person:ann@example.com"}
        of_another = webex.get(f"/meetings/{meeting}", headers=ann)

    assert (wrong.json()["error"], first.json()["expires_in"]) == ("invalid_client", 60)
    assert again.json()["error"] == "invalid_grant"
    assert of_another.status_code == 404


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_token_and_no_secret_is_printed(options: tuple[str, ...]) -> None:
    """Tokens and secrets are redacted in a path, a query, an error and a notification, too."""
    with sandbox(*options) as (running, webex):
        webex.get("/messages/a-canary-token")
        webex.get("/rooms", params={"teamId": "a-canary-token", "client_secret": "canary-2"})
        names = {
            "name": "a-canary-token",
            "targetUrl": f"http://127.0.0.1:{unused_port()}/a-canary",
        }
        for resource in ("messages", "memberships"):
            hook = {**NEW, **names, "resource": resource, "secret": "a-canary"}
            webex.post("/webhooks", json=hook)
        webex.post("/messages", json={"toPersonEmail": "ann@example.com", "markdown": "<@all>"})
        webex.post("/rooms", json={"title": "a-canary-token"})
        lines = [running.out.line(".+")[0] for _ in range(9)]

    assert "no message has the id '***'" in lines[0]
    assert "GET /v1/rooms ignores client_secret" in lines[1]
    assert "teamId=***&client_secret=***" in lines[2]
    assert "canary" not in "".join(lines)


def test_a_reader_that_knows_the_base_url() -> None:
    """It goes on when a program that reads its output has closed the pipe."""
    with subprocess.Popen(
        [COMMAND, "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as popen:
        assert popen.stdout
        base_url = popen.stdout.readline().strip()
        popen.stdout.close()
        statuses = [
            httpx.get(f"{base_url}/webhooks", trust_env=False).status_code for _ in range(2)
        ]
        popen.send_signal(signal.SIGINT)
        _, printed = popen.communicate(timeout=PATIENCE)

    assert (statuses, popen.returncode) == ([401, 401], 0)
    assert "Traceback" not in printed
