from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex
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


@pytest.mark.parametrize("line", ["list", "listen --public-url https://example.com --port 0"])
def test_no_token(invoke: Invoke, line: str) -> None:
    """Without a token, the error says how to pass one, and nothing is served."""
    done = invoke(*line.split())

    assert (done.exit_code, done.out) == (2, "")
    assert done.err == (
        "error: there is no access token: set WEBEX_ACCESS_TOKEN, "
        "or pass a file with --token-file\n"
    )


def test_an_empty_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as unset, as in the library."""
    monkeypatch.setenv("WEBEX_BASE_URL", "")

    _, of_webex, _ = app.app.parse_args(["list", "--token-file", "x"])
    _, of_sandbox, _ = app.app.parse_args(["chat", "Hello"])

    assert of_webex.kwargs["connection"].base_url == "https://webexapis.com/v1"
    assert of_sandbox.kwargs["base_url"] == "http://127.0.0.1:8900/v1"
