import json
from pathlib import Path

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex


def test_create(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """All options are sent; a secret from a file is sent without its newline."""
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


def test_create_with_a_typo(invoke: Invoke, webex: ServedWebex) -> None:
    """A word that is probably misspelled gets a warning, and is sent all the same."""
    done = invoke(
        *("create", "--name", "bot", "--target-url", "https://example.com/webex"),
        *("--resource", "mesages", "--event", "created"),
    )

    assert b'"resource":"mesages"' in webex.sandbox.requests[0].body.replace(b" ", b"")
    assert done.err.startswith("warning: the resource 'mesages' is unknown: did you mean 'mess")


def test_create_for_no_url(webex: ServedWebex, invoke: Invoke) -> None:
    """Invalid fields are wrong usage, and nothing is sent."""
    done = invoke(
        *("create", "--name", "bot", "--target-url", "example.com"),
        *("--resource", "messages", "--event", "created"),
    )

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert "target_url must be an absolute http(s) URL, got 'example.com'" in done.err
