import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex
from webex_webhooks_async import Tokens
from webex_webhooks_async.cli.failures import RefusedError
from webex_webhooks_async.cli.token_file import write_tokens

TOKENS = Tokens(access_token="a-canary-access", refresh_token="a-canary-refresh", expires_in=1)
DOCUMENT = {"access_token": "a-canary-access", "refresh_token": "a-canary-refresh"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a token file, and the integration that its tokens are of."""
    monkeypatch.setenv("WEBEX_CLIENT_ID", "C1")
    monkeypatch.setenv("WEBEX_CLIENT_SECRET", "a-canary-client-secret")
    return tmp_path / "tokens.json"


def test_write(file: Path) -> None:
    """The file has only the two tokens, and only its owner can read it, whatever it was before."""
    file.write_text("old")
    file.chmod(0o644)

    write_tokens(file, TOKENS)

    assert json.loads(file.read_text()) == DOCUMENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_write_to_a_link(file: Path) -> None:
    """The target of a link is replaced, not the link."""
    link = file.with_name("link.json")
    link.symlink_to(file)

    write_tokens(link, TOKENS)

    assert (link.is_symlink(), json.loads(file.read_text())) == (True, DOCUMENT)


def test_write_where_it_is_impossible(file: Path) -> None:
    """A failure names the file, and leaves nothing behind."""
    file.mkdir()

    with pytest.raises(RefusedError, match=f"can't write the tokens to {file}: Is a directory"):
        write_tokens(file, TOKENS)
    with pytest.raises(RefusedError, match="No such file or directory"):
        write_tokens(file / "nowhere" / "tokens.json", TOKENS)

    assert list(file.parent.iterdir()) == [file]


def test_the_tokens_of_login(webex: ServedWebex, invoke: Invoke, file: Path) -> None:
    """A command reads the access token from a file of login."""
    write_tokens(file, TOKENS)

    done = invoke("list", "--token-file", str(file))

    assert done.exit_code == 0
    assert webex.sandbox.requests[0].headers["authorization"] == "Bearer a-canary-access"


def test_renewal(webex: ServedWebex, invoke: Invoke, file: Path) -> None:
    """An access token that Webex rejects is renewed, and the new tokens are stored."""
    write_tokens(file, TOKENS)
    webex.sandbox.revoke("a-canary-access")

    done = invoke("list", "--token-file", str(file))

    tokens = json.loads(file.read_text())
    assert (done.exit_code, tokens["refresh_token"]) == (0, "a-canary-refresh")
    authorization = webex.sandbox.requests[-1].headers["authorization"]
    assert authorization == f"Bearer {tokens['access_token']}"
    assert "a-canary-access" not in authorization
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_renewal_that_can_not_be_stored(
    webex: ServedWebex, invoke: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New tokens that can't be stored are an error that names the file."""
    write_tokens(file, TOKENS)
    webex.sandbox.revoke("a-canary-access")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", fail)
    done = invoke("list", "--token-file", str(file))

    assert (done.exit_code, done.out) == (1, "")
    assert done.err == f"error: can't write the tokens to {file}: No space left on device\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "{}: $: not JSON"),
        ("{}", "{}: $.access_token: missing"),
        ('{"access_token": "a b", "refresh_token": "canary"}', "{}: "),
    ],
)
def test_a_file_that_makes_no_sense(invoke: Invoke, file: Path, content: str, message: str) -> None:
    """A file without usable tokens is wrong usage; its content isn't shown."""
    file.write_text(content)

    done = invoke("list", "--token-file", str(file))

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message.replace('{}', str(file))}")
    assert "canary" not in done.err


def test_without_the_integration(
    invoke: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens of an integration can't be renewed without its id and its secret."""
    write_tokens(file, TOKENS)
    monkeypatch.delenv("WEBEX_CLIENT_SECRET")

    done = invoke("list", "--token-file", str(file))

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith("error: set WEBEX_CLIENT_ID and WEBEX_CLIENT_SECRET")
