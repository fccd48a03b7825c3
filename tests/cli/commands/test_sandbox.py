import re
import signal
import subprocess

import httpx
import pytest

from tests.cli.harness import COMMAND, PATIENCE, process
from tests.support.wire import unused_port
from tests.testing.doubles import NEW

pytestmark = pytest.mark.once


def test_the_page() -> None:
    """It says where the page is, and serves it there; with --no-page it does neither."""
    with process("sandbox", "--port", "0") as running:
        url = running.line(running.err, "Open (http://127.0.0.1:[0-9]+/) in a browser")[1]
        page = httpx.get(url, trust_env=False)
    with process("sandbox", "--port", "0", "--no-page") as running:
        base_url = running.line(running.out, "^http://.+$")[0]
        without = httpx.get(base_url.removesuffix("v1"), trust_env=False)
        hint = running.line(running.err, ".+")[0] + running.line(running.err, ".+")[0]

    assert (page.status_code, "<title>Webex sandbox</title>" in page.text) == (200, True)
    assert (without.status_code, "browser" in hint) == (501, False)


def test_a_sandbox() -> None:
    """It prints the base URL, then each request, until it is stopped."""
    with process("sandbox", "--port", "0") as running:
        base_url = running.line(running.out, "^http://127.0.0.1:[0-9]+/v1$")[0]
        response = httpx.get(
            f"{base_url}/webhooks?max=3", headers={"Authorization": "Bearer x"}, trust_env=False
        )
        tracking_id = response.headers["trackingid"]
        running.line(
            running.out, rf"\d\d:\d\d:\d\d GET    /v1/webhooks\?max=3 200 OK {tracking_id}$"
        )
        hint = running.line(running.err, "export (.+)$")[1]
        exit_code = running.end(signal.SIGTERM)

    assert response.json() == {"items": []}
    assert hint == f"WEBEX_BASE_URL={base_url} WEBEX_ACCESS_TOKEN=anything"
    assert exit_code == 0


def test_a_refused_request() -> None:
    """It prints why a request was refused, and the tracking id that the client sent."""
    with process("sandbox", "--port", "0") as running, httpx.Client(trust_env=False) as webex:
        webex.base_url = running.line(running.out, "^http://.+$")[0]
        webex.headers = {"Authorization": "Bearer x", "TrackingID": "bot_1"}
        webex.get("/licenses")
        line = running.line(running.out, "GET +(.+)$")[1]

    assert re.fullmatch(
        r"/v1/licenses 501 Not Implemented ROUTER_[0-9A-F-]+ \(sent TrackingID bot_1\) "
        "The sandbox doesn't have GET /v1/licenses; errors lists what it has\\.",
        line,
    )


def test_nobody_watches() -> None:
    """Below a request whose event no webhook watches, it says so."""
    with process("sandbox", "--port", "0") as running, httpx.Client(trust_env=False) as webex:
        webex.base_url = running.line(running.out, "^http://.+$")[0]
        webex.headers = {"Authorization": "Bearer person:ann@example.com"}
        webex.post("/messages", json={"toPersonEmail": "sandbox@webex.bot", "text": "Hello"})
        running.line(running.out, "POST   /v1/messages 200 OK")
        line = running.line(running.out, "→ +(.+)$")[1]
        running.end(signal.SIGTERM)

    assert line == "no active webhook watches messages created"


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [((), "not sent, because .+ with --allow-remote$"), (("--allow-remote",), "ConnectError: ")],
)
def test_a_webhook_on_another_host(arguments: tuple[str, ...], outcome: str) -> None:
    """Other hosts are called only with --allow-remote; without it, the output names the option."""
    target = f"http://0.0.0.0:{unused_port()}/"  # an address of this machine that isn't loopback
    with (
        process("sandbox", "--port", "0", *arguments) as running,
        httpx.Client(headers={"Authorization": "Bearer x"}, trust_env=False) as webex,
    ):
        webex.base_url = running.line(running.out, "^http://.+$")[0]
        webex.post("/webhooks", json={**NEW, "targetUrl": target})
        webex.post("/messages", json={"toPersonEmail": "ann@example.com", "text": "Hello"})
        running.line(running.out, f"→ +{target} {outcome}")


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
