import asyncio
import io
import re
import signal
from typing import Any
from unittest.mock import Mock

import pytest
import respx
from rich.console import Console

from tests.cli.harness import Invoke, ServedWebex, plain, thread
from webex_webhooks_async.cli.commands.demo import Narrator
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


def test_the_tour(invoke: Invoke) -> None:
    """Each step says what it does, with its code and requests; in a pipe without colours."""
    done = invoke("demo")

    out = re.sub(r" +$", "", done.out, flags=re.MULTILINE)
    steps = re.findall(r"^(\d+)  (.+?) ─+$", out, re.MULTILINE)
    assert steps == [
        ("1", "A bot"),
        ("2", "Someone writes to the bot"),
        ("3", "The person submits the card"),
        ("4", "Receive notifications"),
        ("5", "Someone writes a message"),
        ("6", "Forge a notification"),
        ("7", "Send the first one again"),
        ("8", "List the webhooks"),
        ("9", "Create a webhook"),
        ("10", "Get it by its id"),
        ("11", "Update it"),
        ("12", "Create some more, for other resources"),
        ("13", "List page by page"),
        ("14", "Meet an error"),
        ("15", "Wait after a 429"),
        ("16", "Delete the webhooks"),
    ]
    for promised in (
        r"✓ the bot replied: Lunch\? \[dish\] \(Order\)\n",
        r"→ POST /v1/messages +200 OK\n +✓ the bot replied: One pizza, please!\n",
        r"return await client\.webhooks\.list\(max=10\)\n +→ GET /v1/webhooks\?max=10 +200 OK",
        r"→ GET /v1/webhooks\?max=2&cursor=\S+ +200 OK\n +page 2: demo rooms",
        r"✗ NotFoundError: GET \S+: 404 Not Found: [^(]+\(tracking id\s+ROUTER_[0-9A-F-]+\)",
        r"429 Too Many Requests\n +waiting 1 s, as Webex asks\n +→ GET /v1/webhooks/\S+ +200 OK",
        r"→ DELETE /v1/webhooks/\S+ +204 No Content",
        r"✓ verified: \S+@example\.com wrote a message\n +← POST \S+ +204 No Content",
        r"X-Spark-Signature +[0-9a-f]{40}\n +X-Webex-Signature +SHA-256=",
        r"✗ refused a request: the signature is of another [^←]+← POST \S+ +401 Unauthorized",
        r"← POST \S+ +204 No Content\n +✓ handled 1 time, responded twice",
    ):
        assert re.search(promised, out), promised
    assert (done.exit_code, done.err, "\x1b" in done.out) == (0, "", False)
    assert max(map(len, done.out.splitlines())) == 80


def test_on_a_terminal(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it has colours, and fits into a narrow one."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(Sandbox, "fail", Mock())  # nothing to wait for
    monkeypatch.setattr("webex_webhooks_async.cli.commands.demo._PAUSE", 0)

    done = invoke("demo")

    assert (done.exit_code, bool(re.search(r"\x1b\[(1;)?36m", done.out))) == (0, True)
    assert max(map(len, plain(done.out).splitlines())) == 60


def test_live(webex: ServedWebex, invoke: Invoke) -> None:
    """With --live, webhooks of its own name are created and deleted, and no others."""
    theirs = [webex.create(name=f"{number} of others").name for number in range(5)]

    done = invoke("demo", "--live")

    created = [each.body for each in webex.sandbox.requests if each.method == "POST"][len(theirs) :]
    assert (done.exit_code, done.err, webex.names) == (0, "", theirs)
    assert [b'"webex-webhooks demo ' in body for body in created] == [True] * 4
    assert "0 of others" in done.out
    assert "page 3: 4 of others, webex-webhooks demo" in done.out
    assert "page 4" not in done.out
    assert "Delete the webhooks" in done.out
    assert "Receive notifications" not in done.out
    assert "canary" not in done.out


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 403, "method": "PUT"}, "PUT /v1/webhooks/"),
        ({"drop": True, "execute": True, "method": "POST"}, "POST /v1/webhooks: "),
    ],
    ids=["refused", "response-lost"],
)
def test_live_after_an_error(
    webex: ServedWebex, invoke: Invoke, fault: dict[str, Any], message: str
) -> None:
    """After an error its webhooks are deleted too, also one whose response was lost."""
    webex.create(name="of others")
    webex.sandbox.fail(**fault)

    done = invoke("demo", "--live")

    assert (done.exit_code, webex.names) == (1, ["of others"])
    assert done.err.startswith(f"error: {message}")


def test_live_after_a_signal(webex: ServedWebex) -> None:
    """After a signal its webhooks are deleted, and the exit code is the one that shells expect."""
    webex.sandbox.fail(delay=60, method="PUT")

    with thread("demo", "--live") as running:
        running.out.line("^4  Update it")
        exit_code = running.end()

    assert (exit_code, webex.names) == (128 + signal.SIGTERM, [])


async def step_of_an_example(places: list[str]) -> None:
    """Put something somewhere. It may be found there."""
    for place in places:
        await asyncio.sleep(0)
        places.append(place)


async def test_a_step() -> None:
    """A step has a headline, an explanation and its code, at most 100 columns wide."""
    printed = io.StringIO()
    await Narrator(Console(file=printed, width=200)).step(step_of_an_example)

    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    assert max(map(len, lines)) == 100
    assert lines[1].rstrip(" ─") == "1  Put something somewhere"
    assert lines[2:] == [
        "   It may be found there.",
        "   for place in places:",
        "       await asyncio.sleep(0)",
        "       places.append(place)",
    ]


async def test_a_narrated_client() -> None:
    """Each request and its response are one line, which fits; what Webex sends is shown as is."""
    printed = io.StringIO()
    narrator = Narrator(Console(file=printed, width=200, force_terminal=True))
    async with narrator.narrated_client(trust_env=False) as http_client, respx.mock:
        respx.get(path="/").respond(429, headers={"Retry-After": "[/x]\x1b[2J"})
        respx.get().respond(418)
        await http_client.get(f"http://example.com/{'x' * 200}?y=1")
        await http_client.get("https://example.com/")

    teapot, _, waiting = plain(printed.getvalue()).splitlines()
    assert teapot.startswith("   → GET /xxxx")
    assert teapot.endswith("… 418 I'm a Teapot")
    assert waiting.strip() == "waiting [/x]\\x1b[2J s, as Webex asks"
