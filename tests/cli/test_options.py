from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex
from webex_webhooks_async.cli import app


def test_the_token_of_a_file(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """A token file overrides the environment; a newline at its end is ignored."""
    invoke("list")
    file = tmp_path / "token"
    file.write_text("of-a-file\n")

    done = invoke("list", "--token-file", str(file))

    assert done.exit_code == 0
    assert [each.headers["authorization"] for each in webex.sandbox.requests] == [
        "Bearer a-canary-token",
        "Bearer of-a-file",
    ]


@pytest.mark.parametrize(
    ("token", "options", "message"),
    [
        (
            "",
            (),
            "there is no access token: set WEBEX_ACCESS_TOKEN, or pass a file with --token-file\n",
        ),
        ("a-canary-token", ("--base-url", "http://example.com/v1"), "base_url must be https"),
    ],
)
def test_no_token_or_no_way_for_it(
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    """Without a token, and with a base URL that anyone could listen to, it is wrong usage."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", token)

    done = invoke("list", *options)

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert "canary" not in done.err


def test_an_empty_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as unset, as in the library."""
    monkeypatch.setenv("WEBEX_BASE_URL", "")

    _, bound, _ = app.app.parse_args(["list", "--token-file", "x"])

    assert bound.kwargs["connection"].url == "https://webexapis.com/v1"


CREATE = (
    *("create", "--name", "bot", "--target-url", "https://example.com"),
    *("--resource", "messages", "--event", "created"),
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--secret-env", "UNSET"), "there is no secret in the environment variable UNSET"),
        (("--secret-file", "/dev/null"), "there is no secret in /dev/null"),
        (("--secret-file", "/nowhere"), "can't read /nowhere: No such file or directory"),
        (
            ("--secret-env", "SECRET", "--secret-file", "/dev/null"),
            "--secret-env and --secret-file exclude each other",
        ),
    ],
)
def test_a_secret_that_is_not_there(
    invoke: Invoke, arguments: tuple[str, ...], message: str
) -> None:
    """An option for a secret that leads to none is wrong usage, and doesn't count as no secret."""
    done = invoke(*CREATE, *arguments)

    assert (done.exit_code, done.out, done.err) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete", "W1", "W\udcff", "--yes"], "is not valid Unicode"),
        (["delete", "W1", "", "--yes"], "MORE_IDS is empty"),
        (
            ["trigger", "messages", "created", "--to", "http://127.0.0.1:9", "--secret-env", "BAD"],
            "the secret in the environment variable BAD is not valid Unicode",
        ),
    ],
)
def test_text_that_is_no_text(
    webex: ServedWebex,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """An argument whose bytes aren't UTF-8 is wrong usage, and nothing is sent."""
    monkeypatch.setenv("BAD", "hush\udcff")

    done = invoke(*arguments)

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert message in " ".join(done.err.replace("│", " ").split())
    assert "hush" not in done.err
