import json
import re
from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex, Typist, plain

pytestmark = pytest.mark.once

MESSAGES = """
[[webhooks]]
name = "bot:messages"
target_url = "https://${HOST}/webex"
resource = "messages"
event = "created"
secret = "${SECRET}"
"""
WANTED = f"""{MESSAGES}
[[webhooks]]
name = "bot:cards"
target_url = "https://example.com/webex"
resource = "attachmentActions"
event = "created"
"""


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of two webhooks, and the variables that it may name."""
    monkeypatch.setenv("HOST", "example.com")
    monkeypatch.setenv("EMPTY", "")
    file = tmp_path / "webhooks.toml"
    file.write_text(WANTED)
    return str(file)


def rows(text: str) -> list[list[str]]:
    """The cells of a table."""
    return [re.split(r"  +", line.rstrip()) for line in text.splitlines()]


def test_ensure(webex: ServedWebex, invoke: Invoke, wanted: str) -> None:
    """The plan is printed and applied; a second run has nothing to change."""
    webex.create(name="bot:messages", targetUrl="https://example.com/old")

    first, second = invoke("ensure", wanted), invoke("ensure", wanted)

    assert rows(first.out) == [
        ["ACTION", "NAME", "REASON"],
        ["update", "bot:messages", "target URL and secret differ"],
        ["create", "bot:cards", "missing"],
        ["✓ updated bot:messages"],
        ["✓ created bot:cards"],
    ]
    assert rows(second.out) == [
        ["ACTION", "NAME", "REASON"],
        ["keep", "bot:messages", "as wanted"],
        ["keep", "bot:cards", "as wanted"],
        ["✓ nothing to change"],
    ]
    assert {first.exit_code, second.exit_code} == {0}
    assert "a-canary" not in first.out + first.err
    assert webex.names == ["bot:messages", "bot:cards"]


def test_ensure_of_everything_that_can_change(
    webex: ServedWebex, invoke: Invoke, wanted: str
) -> None:
    """Webhooks are re-activated, replaced and deleted as needed, and each is reported."""
    off = webex.create(name="bot:messages", secret="a-canary-secret")
    webex.create(name="bot:cards", resource="rooms")
    webex.create(name="bot:old")
    invoke("update", off.id, "--status", "inactive")

    done = invoke("ensure", wanted, "--prune", "bot:")

    assert done.out.splitlines()[-3:] == [
        "✓ re-activated bot:messages",
        "✓ replaced bot:cards",
        "✓ deleted bot:old",
    ]


def test_check(webex: ServedWebex, invoke: Invoke, wanted: str) -> None:
    """--check changes nothing; it exits with 3 if something would change, with 1 if Webex fails."""
    before = invoke("ensure", wanted, "--check")
    names = webex.names
    invoke("ensure", wanted)
    webex.create(name="bot:old")
    after = invoke("ensure", wanted, "--check")
    pruned = invoke("ensure", wanted, "--check", "--json", "--prune", "bot:")
    webex.sandbox.fail(status=403)
    failed = invoke("ensure", wanted, "--check")

    assert [each.exit_code for each in (before, after, pruned, failed)] == [3, 0, 3, 1]
    assert [row[0] for row in rows(before.out)] == ["ACTION", "create", "create"]
    assert [row[0] for row in rows(after.out)] == ["ACTION", "keep", "keep"]
    document = json.loads(pruned.out)
    assert (document["planned"][-1]["action"], document["done"]) == ("delete", [])
    assert (names, "bot:old" in webex.names) == ([], True)


def test_standard_input(
    webex: ServedWebex, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """- reads the file from standard input, at any position among the options; ./- is a file."""
    for arguments in (("-", "--check"), ("--dry-run", "-"), ("-",)):
        invoke("ensure", *arguments, piped=WANTED.encode())
    monkeypatch.chdir(Path(wanted).rename(Path(wanted).with_name("-")).parent)

    assert webex.names == ["bot:messages", "bot:cards"]
    assert invoke("ensure", "./-", "--check").exit_code == 0


@pytest.mark.usefixtures("webex", "wanted")
def test_errors_in_standard_input(invoke: Invoke) -> None:
    """Errors name standard input."""
    twice = WANTED.replace("cards", "messages")
    for text, message in (
        (b"\xff", "standard input must be text in UTF-8"),
        (b"webhooks = 1", "standard input: webhooks: expected tables"),
        (twice.encode(), "standard input: 'bot:messages' is wanted twice"),
    ):
        done = invoke("ensure", "-", piped=text)

        assert (done.exit_code, done.out) == (2, "")
        assert done.err.startswith(f"error: {message}")


def test_ensure_as_json(webex: ServedWebex, invoke: Invoke, wanted: str) -> None:
    """JSON has what was planned and what was done, and nothing else is printed."""
    webhook = webex.create(name="bot:messages", secret="a-canary-secret")

    dry = json.loads(invoke("ensure", wanted, "--dry-run", "--json").out)
    document = json.loads(invoke("ensure", wanted, "--json").out)

    keep = {"action": "keep", "name": "bot:messages", "id": webhook.id, "reason": "as wanted"}
    create = {"action": "create", "name": "bot:cards", "id": None, "reason": "missing"}
    assert dry == {"planned": [keep, create], "done": []}
    assert document == {"planned": [keep, create], "done": [create]}


def test_ensure_that_fails(webex: ServedWebex, invoke: Invoke, wanted: str) -> None:
    """An error names the change during which it was raised, and what was done all the same."""
    webex.sandbox.fail(status=403, method="POST")

    done = invoke("ensure", wanted)

    assert done.exit_code == 1
    assert "403 Forbidden" in done.err
    assert done.err.endswith(
        "(while trying to create webhook 'bot:messages') (done before: create 'bot:cards')\n"
    )


def test_a_secret_in_a_url_is_not_shown(
    webex: ServedWebex, invoke: Invoke, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of a variable is hidden in what Webex says about a webhook, but not in a name."""
    url = "https://bot.example.com/?key=${SECRET}"
    monkeypatch.setenv("BOT", "lunch-bot")
    named = WANTED.replace('name = "bot:', 'name = "${BOT}:')
    Path(wanted).write_text(re.sub('target_url = ".*?"', f'target_url = "{url}"', named))
    refused = {"message": "bad target https://bot.example.com/?key=a-canary-secret"}
    webex.sandbox.fail(status=400, method="POST", body=refused, times=2)
    monkeypatch.setenv("PLACE", "not a URL")
    done = invoke("ensure", wanted)
    Path(wanted).write_text(Path(wanted).read_text().replace("https://bot", "${PLACE}"))
    unusable = invoke("ensure", wanted)

    assert (done.exit_code, unusable.exit_code) == (1, 2)
    assert "bad target https://bot.example.com/?key=***" in done.err
    assert "(while trying to create webhook 'lunch-bot:messages')" in done.err
    assert unusable.err.endswith("got '***.example.com/?key=***'\n")
    assert "canary" not in f"{done} {unusable}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "9" * 5_000, "Exceeds the limit"),
        ("#" * 10_000_001, "is larger than 10 MB"),
    ],
    ids=["deep", "digits", "large"],
)
def test_a_hostile_file(invoke: Invoke, wanted: str, content: str, problem: str) -> None:
    """A file that no person wrote is one line on standard error."""
    Path(wanted).write_text(content)

    done = invoke("ensure", wanted)

    assert (done.exit_code, done.err.count("\n")) == (2, 1)
    assert problem in done.err


def test_on_a_terminal(
    webex: ServedWebex, invoke: Invoke, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not be intended gets a warning on a line of its own, and no word is cut."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    name = f"bot:{'x' * 100}"
    Path(wanted).write_text(MESSAGES.replace("bot:messages", name).replace("messages", "all"))

    done = invoke("ensure", wanted)

    out, err = map(plain, (done.out, done.err))
    assert (done.exit_code, webex.names) == (0, [name])
    assert out.splitlines()[:4] == ["ACTION", "create", f"  {name}", "  missing"]
    assert any(line.startswith(f"warning: '{name}' brings") for line in err.splitlines())


def test_a_file_that_is_typed(webex: ServedWebex, invoke: Invoke) -> None:
    """On a terminal, standard input is announced, so that nobody waits without knowing why."""
    done = invoke("ensure", "-", stdin=Typist("webhooks = []\n"))

    assert done.err.startswith("Reading standard input. Ctrl-D ends it.\n")
    assert (done.exit_code, webex.names) == (0, [])


def test_every_field(webex: ServedWebex, invoke: Invoke, wanted: str) -> None:
    """Every field is read."""
    more = 'filter = "roomId=Y2lz"\nowned_by = "org"\n'
    Path(wanted).write_text(f"{MESSAGES}{more}")

    assert invoke("ensure", wanted).exit_code == 0
    (made,) = webex.sandbox.webhooks
    assert (made.name, made.target_url) == ("bot:messages", "https://example.com/webex")
    assert (made.resource, made.event, made.filter) == ("messages", "created", "roomId=Y2lz")
    assert (made.secret, made.owned_by) == ("a-canary-secret", "org")


NO_TABLES = "expected tables, such as [[webhooks]]; if none is intended, write webhooks = []"
UNSET = "webhooks[0].target_url: the environment variable {} is unset or empty"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[webhooks", "Expected ']]' at the end of an array declaration (at end of document)"),
        ("[[webhook]]", "webhook: unknown key; a webhook is a table [[webhooks]]"),
        ("", f"webhooks: {NO_TABLES}"),
        ("[webhooks]", f"webhooks: {NO_TABLES}"),
        ("webhooks = [1]", "webhooks[0]: expected a table"),
        (
            f"{MESSAGES}url = 1\n[[webhooks]]\nname = 'x'\nevent = 1",
            (
                "webhooks[0]: unknown key url; known are name, target_url, resource, event, "
                "filter, secret, owned_by; webhooks[1].target_url: missing; "
                "webhooks[1].resource: missing; webhooks[1].event: expected text in quotes"
            ),
        ),
        (MESSAGES.replace("HOST", "UNSET"), UNSET.format("UNSET")),
        (MESSAGES.replace("HOST", "EMPTY"), UNSET.format("EMPTY")),
        (
            MESSAGES.replace("${HOST}", "${HOST"),
            "webhooks[0].target_url: write a variable as ${NAME}; this one is unclosed or misnamed",
        ),
        (
            MESSAGES.replace("https://${HOST}/webex", "example.com"),
            "webhooks[0]: target_url must be an absolute http(s) URL, got 'example.com'",
        ),
    ],
)
def test_what_is_wrong(invoke: Invoke, wanted: str, text: str, problem: str) -> None:
    """An error names the file and every problem with the path of its key, and shows no secret."""
    Path(wanted).write_text(text)

    done = invoke("ensure", wanted)

    assert (done.exit_code, done.err) == (2, f"error: {wanted}: {problem}\n")
