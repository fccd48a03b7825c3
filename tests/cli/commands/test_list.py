import asyncio
import json
import re
import signal
import threading

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex, process, served
from tests.support.wire import PATIENCE


def test_list_in_a_pipe(webex: ServedWebex, invoke: Invoke) -> None:
    """In a pipe each webhook is one complete line, and nothing else is printed."""
    first = webex.create()
    second = webex.create(name="bot:cards", resource="attachmentActions", filter="roomId=Y2lz")

    done = invoke("list")

    header, *rows = [re.split(r"  +", line) for line in done.out.splitlines()]
    assert header == ["NAME", "STATUS", "WATCHES", "TARGET", "FILTER", "ID"]
    assert rows == [
        ["bot:messages", "active", "messages created", "https://example.com/webex", first.id],
        [
            "bot:cards",
            "active",
            "attachmentActions created",
            "https://example.com/webex",
            "roomId=Y2lz",
            second.id,
        ],
    ]
    assert (done.exit_code, done.err) == (0, "")


def test_list_as_json(webex: ServedWebex, invoke: Invoke) -> None:
    """JSON has Webex's names, and whether a secret is set, but not the secret."""
    webhook = webex.create(secret="a-canary-secret")

    done = invoke("list", "--json")

    (document,) = json.loads(done.out)
    assert (document["id"], document["targetUrl"]) == (webhook.id, "https://example.com/webex")
    assert document["hasSecret"] is True
    assert "a-canary" not in done.out + done.err


def test_list_with_secrets(webex: ServedWebex, invoke: Invoke) -> None:
    """--show-secret includes the secrets in the JSON."""
    webex.create(secret="a-canary-secret")

    done = invoke("list", "--json", "--show-secret")

    assert [each["secret"] for each in json.loads(done.out)] == ["a-canary-secret"]


def test_list_with_secrets_in_a_table(webex: ServedWebex, invoke: Invoke) -> None:
    """The table has no secrets, and asking for them there is wrong usage."""
    done = invoke("list", "--show-secret")

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())


def test_list_has_every_page(webex: ServedWebex, invoke: Invoke) -> None:
    """The pages are followed to the last one."""
    for number in range(101):
        webex.create(name=f"bot:{number}")

    done = invoke("list", "--json")

    assert [each["name"] for each in json.loads(done.out)] == webex.names


def test_list_of_the_organization(webex: ServedWebex, invoke: Invoke) -> None:
    """--owned-by org lists the organization's webhooks."""
    webex.create()
    webex.create(name="org", owned_by="org")

    done = invoke("list", "--owned-by", "org", "--json")

    assert [each["name"] for each in json.loads(done.out)] == ["org"]


@pytest.mark.usefixtures("webex")
def test_list_of_nothing(invoke: Invoke) -> None:
    """An empty list is a sentence for people, and an empty array in JSON."""
    table, document = invoke("list"), invoke("list", "--json")

    assert (table.out, table.err) == ("", "There are no webhooks.\n")
    assert json.loads(document.out) == []


def test_ctrl_c_while_webex_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C doesn't wait for a response."""
    arrived = threading.Event()

    async def hang(*_: object) -> None:
        arrived.set()
        await asyncio.Event().wait()

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
    with served(hang) as origin, process("list", "--base-url", f"{origin}/v1") as running:
        assert arrived.wait(PATIENCE)
        exit_code = running.end(signal.SIGINT)

    assert exit_code == 128 + signal.SIGINT
