import io
import json
import re
from pathlib import Path

import pytest

from tests.cli.commands import ServedWebex, terminal
from tests.cli.conftest import Invoke


class Typist(io.StringIO):
    """A keyboard on which someone types."""

    def isatty(self) -> bool:
        """As a keyboard is."""
        return True


def test_list_in_a_pipe(webex: ServedWebex, invoke: Invoke) -> None:
    """In a pipe a webhook is one line, with all of it, and nothing else is printed."""
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
    """JSON has the wire's names, and whether there is a secret, but not the secret."""
    webhook = webex.create(secret="a-canary-secret")

    done = invoke("list", "--json")

    (document,) = json.loads(done.out)
    assert (document["id"], document["targetUrl"]) == (webhook.id, "https://example.com/webex")
    assert document["hasSecret"] is True
    assert "a-canary" not in done.out + done.err


def test_list_with_secrets(webex: ServedWebex, invoke: Invoke) -> None:
    """Secrets are in the JSON when they are asked for by name."""
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
    """The organization's webhooks are asked for as such."""
    webex.create()
    webex.create(name="org", owned_by="org")

    done = invoke("list", "--owned-by", "org", "--json")

    assert [each["name"] for each in json.loads(done.out)] == ["org"]


@pytest.mark.usefixtures("webex")
def test_list_of_nothing(invoke: Invoke) -> None:
    """That there are none is told to people; programs get an empty list."""
    told, document = invoke("list"), invoke("list", "--json")

    assert (told.out, told.err) == ("", "There are no webhooks.\n")
    assert json.loads(document.out) == []


def test_get(webex: ServedWebex, invoke: Invoke) -> None:
    """One webhook is shown field by field; its secret is not."""
    webhook = webex.create(filter="roomId=Y2lz", secret="a-canary-secret")

    done = invoke("get", webhook.id)

    fields = dict(re.split(r"  +", line) for line in done.out.splitlines())
    assert fields["id"] == webhook.id
    assert fields["watches"] == "messages created"
    assert fields["filter"] == "roomId=Y2lz"
    assert fields["secret"] == "set, not shown"
    assert (done.exit_code, done.err) == (0, "")


def test_get_with_the_secret(webex: ServedWebex, invoke: Invoke) -> None:
    """The secret is shown when it is asked for by name."""
    webhook = webex.create(secret="a-canary-secret")

    assert "a-canary-secret" in invoke("get", webhook.id, "--show-secret").out


def test_get_as_json(webex: ServedWebex, invoke: Invoke) -> None:
    """JSON is one object, and nothing else is on standard output."""
    webhook = webex.create()

    document = json.loads(invoke("get", webhook.id, "--json").out)

    assert (document["id"], document["hasSecret"]) == (webhook.id, False)


@pytest.mark.usefixtures("webex")
def test_get_what_is_not_there(invoke: Invoke) -> None:
    """A refusal is one line on standard error, with the tracking id, and exit code 1."""
    done = invoke("get", "nothing", "--json")

    assert (done.exit_code, done.out) == (1, "")
    assert re.fullmatch(
        r"error: GET /v1/webhooks/nothing: 404 Not Found: .+ \(tracking id ROUTER_[0-9A-F-]+\)\n",
        done.err,
    )


@pytest.mark.usefixtures("webex")
def test_an_empty_id(invoke: Invoke) -> None:
    """An id that is empty, as of a variable that isn't set, is wrong usage."""
    done = invoke("get", "")

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith('error: Invalid value "" for WEBHOOK_ID')


def test_create(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """A webhook is made of all options, the secret's from a file, without its newline."""
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")

    done = invoke(
        *("create", "--name", "bot:messages", "--target-url", "https://example.com/webex"),
        *("--resource", "messages", "--event", "created", "--filter", "roomId=Y2lz"),
        *("--owned-by", "org", "--secret-file", str(secret), "--json", "--show-secret"),
    )

    (made,) = webex.sandbox.webhooks
    assert (made.name, made.target_url) == ("bot:messages", "https://example.com/webex")
    assert (made.resource, made.event, made.filter) == ("messages", "created", "roomId=Y2lz")
    assert (made.owned_by, made.secret) == ("org", "from a file")
    document = json.loads(done.out)
    assert (document["id"], document["secret"]) == (made.id, "from a file")


def test_create_with_a_secret_of_the_environment(webex: ServedWebex, invoke: Invoke) -> None:
    """A secret from the environment is sent, and not shown."""
    done = invoke(
        *("create", "--name", "bot", "--target-url", "https://example.com/webex"),
        *("--resource", "messages", "--event", "created", "--secret-env", "SECRET"),
    )

    assert [each.secret for each in webex.sandbox.webhooks] == ["a-canary-secret"]
    assert "a-canary" not in done.out + done.err


def test_create_what_webex_refuses(webex: ServedWebex, invoke: Invoke) -> None:
    """What Webex refuses is told in its words."""
    done = invoke(
        *("create", "--name", "bot", "--target-url", "https://example.com/webex"),
        *("--resource", "messages", "--event", "updated"),
    )

    assert (done.exit_code, done.out, webex.names) == (1, "", [])
    assert "400 Bad Request: Invalid event for resource messages: updated" in done.err


def test_create_for_no_url(webex: ServedWebex, invoke: Invoke) -> None:
    """What can't be a webhook is wrong usage, and nothing is sent."""
    done = invoke(
        *("create", "--name", "bot", "--target-url", "example.com"),
        *("--resource", "messages", "--event", "created"),
    )

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert "target_url must be an absolute http(s) URL, got 'example.com'" in done.err


def test_update(webex: ServedWebex, invoke: Invoke) -> None:
    """What is named changes; what isn't stays, the secret too."""
    webhook = webex.create(secret="a-canary-secret")

    done = invoke(
        *("update", webhook.id, "--name", "new", "--target-url", "https://example.com/new"),
    )

    (updated,) = webex.sandbox.webhooks
    assert (updated.name, updated.target_url) == ("new", "https://example.com/new")
    assert updated.secret == "a-canary-secret"
    assert (done.exit_code, "https://example.com/new" in done.out) == (0, True)


def test_update_of_status_and_secret(webex: ServedWebex, invoke: Invoke) -> None:
    """Status and secret change alone, too."""
    webhook = webex.create()

    invoke("update", webhook.id, "--status", "inactive", "--secret-env", "SECRET")

    (updated,) = webex.sandbox.webhooks
    assert (updated.status, updated.secret) == ("inactive", "a-canary-secret")


def test_update_of_nothing(webex: ServedWebex, invoke: Invoke) -> None:
    """An update that names nothing is wrong usage, and nothing is sent."""
    done = invoke("update", "some-id")

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert "name what shall change" in done.err


def test_update_to_no_url(webex: ServedWebex, invoke: Invoke) -> None:
    """A target that is no URL is wrong usage, and changes nothing."""
    webhook = webex.create()

    done = invoke("update", webhook.id, "--target-url", "example.com")

    assert done.exit_code == 2
    assert webex.sandbox.webhooks == (webhook,)


def test_delete(webex: ServedWebex, invoke: Invoke) -> None:
    """Several go at once, one that is named twice is deleted once, and others stay."""
    first, second, _ = (webex.create(name=name) for name in ("first", "second", "third"))

    done = invoke("delete", first.id, second.id, first.id, "--yes")

    assert sorted(done.out.splitlines()) == sorted([f"deleted {first.id}", f"deleted {second.id}"])
    assert (done.exit_code, done.err, webex.names) == (0, "", ["third"])


def test_delete_in_part(webex: ServedWebex, invoke: Invoke) -> None:
    """One that can't be deleted doesn't keep the others, and makes the exit code 1."""
    webhook = webex.create()

    done = invoke("delete", "nothing", webhook.id, "--yes", "--json")

    assert json.loads(done.out) == [
        {"id": "nothing", "deleted": False},
        {"id": webhook.id, "deleted": True},
    ]
    assert (done.exit_code, webex.names) == (1, [])
    assert done.err.startswith("error: DELETE /v1/webhooks/nothing: 404 Not Found")


def test_delete_with_nobody_to_ask(webex: ServedWebex, invoke: Invoke) -> None:
    """Without a terminal and without --yes nothing is deleted."""
    webhook = webex.create()

    done = invoke("delete", webhook.id)

    assert (done.exit_code, done.out, webex.names) == (2, "", [webhook.name])
    assert "pass --yes" in done.err


@pytest.mark.parametrize(
    ("answer", "left"), [("y\n", 0), ("Yes\n", 0), ("\n", 1), ("no\n", 1), ("", 1)]
)
def test_delete_asks(
    webex: ServedWebex, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    """On a terminal the webhooks are shown, and go only if the answer is yes."""
    webhook = webex.create()
    monkeypatch.setattr("sys.stdin", Typist(answer))

    done = invoke("delete", webhook.id)

    assert webhook.name in done.err
    assert "Delete this webhook? [y/N]" in done.err
    assert (done.exit_code, len(webex.names)) == (left, left)


def test_delete_asks_on_a_terminal(webex: ServedWebex) -> None:
    """On a real terminal, too, for several."""
    first, second = (webex.create(name=name) for name in ("first", "second"))

    with terminal("delete", first.id, second.id) as screen:
        screen.wait_for(r"Delete these 2 webhooks\? \[y/N\] ")
        screen.type("y\n")
        exit_code = screen.finish()

    assert (exit_code, webex.names) == (0, [])


def test_ctrl_c_at_the_question(webex: ServedWebex) -> None:
    """Ctrl-C at the question deletes nothing, and leaves no traceback."""
    webhook = webex.create()

    with terminal("delete", webhook.id) as screen:
        screen.wait_for(r"\[y/N\] ")
        exit_code = screen.insist("\x03")

    assert (exit_code, webex.names) == (130, [webhook.name])
    assert "Traceback" not in screen.seen
