import json
import re
import signal
from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex, Typist, terminal
from webex_webhooks_async import to_json

WANTED = (
    *("--name", "bot", "--target-url", "https://example.com/webex"),
    *("--resource", "messages", "--event", "created"),
)


def test_list_in_a_pipe(webex: ServedWebex, invoke: Invoke) -> None:
    """In a pipe each webhook is one complete line; an empty list is a sentence for people alone."""
    nothing, no_documents = invoke("list"), invoke("list", "--json")
    first = webex.create()
    second = webex.create(name="bot:cards", resource="attachmentActions", filter="roomId=Y2lz")

    done = invoke("list")

    header, *rows = [re.split(r"  +", line) for line in done.out.splitlines()]
    url = "https://example.com/webex"
    assert (nothing.out, nothing.err) == ("", "There are no webhooks.\n")
    assert json.loads(no_documents.out) == []
    assert header == ["NAME", "STATUS", "WATCHES", "TARGET", "FILTER", "ID"]
    assert rows == [
        ["bot:messages", "active", "messages created", url, first.id],
        ["bot:cards", "active", "attachmentActions created", url, "roomId=Y2lz", second.id],
    ]
    assert (done.exit_code, done.err) == (0, "")


def test_list_as_json(webex: ServedWebex, invoke: Invoke) -> None:
    """JSON is in ASCII, has Webex's names and whether a secret is set; the secret if asked for."""
    name = f"Café [bold]:smile: \x1b {'x' * 20_000}"
    webhook = webex.create(name=name, secret="a-canary-secret")

    done, shown = invoke("list", "--json"), invoke("list", "--json", "--show-secret")
    org = webex.create(name="org", ownedBy="org")
    of_org = invoke("list", "--owned-by", "org", "--json")

    (document,) = json.loads(done.out)
    assert (document["id"], document["name"]) == (webhook.id, name)
    assert (document["targetUrl"], done.out.isascii()) == ("https://example.com/webex", True)
    assert document["hasSecret"] is True
    assert "a-canary" not in done.out + done.err
    assert [each["secret"] for each in json.loads(shown.out)] == ["a-canary-secret"]
    assert [each["id"] for each in json.loads(of_org.out)] == [org.id]


def test_get(webex: ServedWebex, invoke: Invoke) -> None:
    """One webhook is shown field by field, or as JSON, without its secret; an error is one line."""
    webhook = webex.create(filter="roomId=Y2lz", secret="a-canary-secret")

    done, as_json = invoke("get", webhook.id), invoke("get", webhook.id, "--json")
    absent, without = invoke("get", "nothing", "--json"), invoke("get", webex.create(name="2").id)

    fields = dict(re.split(r"  +", line) for line in done.out.splitlines())
    document = json.loads(as_json.out)
    assert (fields["id"], fields["watches"]) == (webhook.id, "messages created")
    assert (fields["filter"], fields["secret"]) == ("roomId=Y2lz", "set, not shown")
    assert (document["id"], document["hasSecret"]) == (webhook.id, True)
    assert (done.exit_code, done.err, "canary" in done.out + as_json.out) == (0, "", False)
    assert re.search("secret +none: nothing proves", without.out)
    assert (absent.exit_code, absent.out) == (1, "")
    assert re.fullmatch(
        r"error: GET /v1/webhooks/nothing: 404 Not Found: .+ \(tracking id ROUTER_[0-9A-F-]+\)\n",
        absent.err,
    )


@pytest.mark.parametrize("secret", [4_217_421_742, ["canary"]])
def test_a_secret_that_is_not_text(webex: ServedWebex, invoke: Invoke, secret: object) -> None:
    """A secret in another type than documented is one all the same; unknown members are shown."""
    webhook = webex.create()
    document = {**json.loads(to_json(webhook)), "secret": secret, "new": [1]}
    webex.sandbox.fail(body=document, times=3)

    done, as_json = invoke("get", webhook.id), invoke("get", webhook.id, "--json")

    assert re.search("secret +set, not shown\n", done.out)
    assert json.loads(as_json.out).items() >= {"hasSecret": True, "new": [1]}.items()
    assert "new         [1]\n" in done.out
    assert json.dumps(secret) not in done.out + as_json.out
    assert json.dumps(secret) in invoke("get", webhook.id, "--show-secret").out


def test_create(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """All options are sent; a secret from a file is sent without its newline."""
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")

    done = invoke(
        *("create", *WANTED, "--filter", "roomId=Y2lz", "--owned-by", "org"),
        *("--secret-file", str(secret), "--json", "--show-secret"),
    )

    (made,) = webex.sandbox.webhooks
    assert (made.name, made.target_url) == ("bot", "https://example.com/webex")
    assert (made.resource, made.event, made.filter) == ("messages", "created", "roomId=Y2lz")
    assert (made.owned_by, made.secret) == ("org", "from a file")
    document = json.loads(done.out)
    assert (document["id"], document["secret"]) == (made.id, "from a file")


def test_update(webex: ServedWebex, invoke: Invoke) -> None:
    """The given fields change; all others stay, also the secret."""
    webhook = webex.create(secret="old")

    done = invoke("update", webhook.id, "--name", "new", "--target-url", "https://example.com/new")
    (moved,), sent = webex.sandbox.webhooks, json.loads(webex.sandbox.requests[-1].body)
    invoke("update", webhook.id, "--status", "inactive", "--secret-env", "SECRET")
    (off,) = webex.sandbox.webhooks

    assert (moved.name, moved.target_url) == ("new", "https://example.com/new")
    assert (moved.status, moved.secret) == ("active", "old")
    assert (sent["status"], sent["secret"]) == ("active", "old")  # a PUT may lose what it lacks
    assert (off.name, off.status, off.secret) == ("new", "inactive", "a-canary-secret")
    assert (done.exit_code, "https://example.com/new" in done.out) == (0, True)


def test_delete(webex: ServedWebex, invoke: Invoke) -> None:
    """Several are deleted, each once, also where one of them can't be, and others stay."""
    first, second, third, _ = (webex.create(name=name) for name in ("1", "2", "3", "4"))

    done = invoke("delete", first.id, second.id, first.id, "--yes")
    in_part = invoke("delete", "nothing", third.id, "--yes", "--json")

    assert sorted(done.out.splitlines()) == sorted([f"deleted {first.id}", f"deleted {second.id}"])
    assert (done.exit_code, done.err) == (0, "")
    assert json.loads(in_part.out) == [
        {"id": "nothing", "deleted": False},
        {"id": third.id, "deleted": True},
    ]
    assert in_part.err.startswith("error: DELETE /v1/webhooks/nothing: 404 Not Found")
    assert (in_part.exit_code, webex.names) == (1, ["4"])


def test_a_name_in_place_of_an_id(webex: ServedWebex, invoke: Invoke) -> None:
    """A name that one webhook has is as good as its id; an id comes first."""
    other = webex.create(name="other / one")
    webex.create(name=other.id)  # its name is the id of the other one

    shown = [invoke("get", given, "--json").out for given in (other.name, other.id)]
    updated = invoke("update", other.name, "--status", "inactive", "--json")
    deleted = invoke("delete", other.name, "--yes", "--json")

    assert [json.loads(each)["id"] for each in shown] == [other.id, other.id]
    assert json.loads(updated.out).items() >= {"id": other.id, "status": "inactive"}.items()
    assert json.loads(deleted.out) == [{"id": other.id, "deleted": True}]
    assert webex.names == [other.id]


def test_a_name_that_several_have(webex: ServedWebex, invoke: Invoke) -> None:
    """A name of several webhooks is an error that lists their ids, and nothing changes."""
    ids = [webex.create(name="bot").id for _ in range(2)]

    for arguments in (["get"], ["update", "--name", "new"], ["delete", "--yes"]):
        done = invoke(*arguments, "bot")
        assert (done.exit_code, done.out) == (1, "")
        assert done.err == (
            f"error: several webhooks have the name 'bot': pass one of {', '.join(ids)}\n"
        )
    assert webex.names == ["bot", "bot"]


@pytest.mark.parametrize(("typed", "left"), [("Yes\n", 0), ("\n", 1), ("", 1)])
def test_delete_asks(webex: ServedWebex, invoke: Invoke, typed: str, left: int) -> None:
    """On a terminal the webhooks are shown, and are deleted only after a yes."""
    webhook = webex.create()

    done = invoke("delete", webhook.name, stdin=Typist(typed))

    assert webhook.id in done.err
    assert "Delete this webhook? [y/N]" in done.err
    assert (done.exit_code, len(webex.names)) == (left, left)


def test_ctrl_c_at_the_question(webex: ServedWebex) -> None:
    """On a real terminal it asks once for several webhooks; Ctrl-C deletes none of them."""
    first, second = (webex.create(name=name) for name in ("first", "second"))

    with terminal("delete", first.id, second.id) as screen:
        screen.wait_for(r"Delete these 2 webhooks\? \[y/N\] ")
        screen.type("\x03")
        exit_code = screen.finish()

    assert (exit_code, webex.names) == (-signal.SIGINT, ["first", "second"])
    assert "Traceback" not in screen.seen
