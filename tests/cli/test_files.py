import json
import os
import resource
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex
from webex_webhooks_async import Tokens
from webex_webhooks_async.cli.files import check_that_tokens_can_be_written, write_tokens
from webex_webhooks_async.cli.running import CommandError

pytestmark = pytest.mark.once

TOKENS = Tokens(access_token="a-canary-access", refresh_token="a-canary-refresh", expires_in=1)
DOCUMENT = {"access_token": "a-canary-access", "refresh_token": "a-canary-refresh"}


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a token file, and the integration that its tokens are of."""
    monkeypatch.setenv("WEBEX_CLIENT_ID", "C1")
    monkeypatch.setenv("WEBEX_CLIENT_SECRET", "a-canary-client-secret")
    return tmp_path / "tokens.json"


def test_write(token_file: Path) -> None:
    """Only its owner can read it, whatever it was before; of a link, the target is replaced."""
    token_file.write_text("old")
    token_file.chmod(0o644)
    link = token_file.with_name("link.json")
    link.symlink_to(token_file)

    write_tokens(link, TOKENS)

    assert (link.is_symlink(), json.loads(token_file.read_text())) == (True, DOCUMENT)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert {*token_file.parent.iterdir()} == {token_file, link}


def test_what_is_written_survives_a_crash(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens are on the disk before they replace the old ones."""
    token_file.write_text("old")
    at_the_time: list[tuple[bool, str]] = []

    def note(descriptor: int) -> None:
        at_the_time.append((os.fstat(descriptor).st_size > 0, token_file.read_text()))

    monkeypatch.setattr("os.fsync", note)
    write_tokens(token_file, TOKENS)

    assert at_the_time == [(True, "old")]


@contextmanager
def full_disk() -> Generator[None]:
    """Let no file grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_write_where_it_is_impossible(token_file: Path) -> None:
    """A failure names the file, and leaves nothing behind."""
    with full_disk(), pytest.raises(CommandError, match=f"tokens to {token_file}: File too large"):
        write_tokens(token_file, TOKENS)
    check_that_tokens_can_be_written(token_file)
    assert list(token_file.parent.iterdir()) == []
    token_file.mkdir()

    for other in (token_file, Path(os.devnull)):
        with pytest.raises(CommandError, match=f"the tokens to {other}: it isn't a regular file"):
            write_tokens(other, TOKENS)
    with pytest.raises(CommandError, match="No such file or directory"):
        write_tokens(token_file / "nowhere" / "tokens.json", TOKENS)

    assert list(token_file.parent.iterdir()) == [token_file]


def test_renewal(webex: ServedWebex, invoke: Invoke, token_file: Path) -> None:
    """An access token that Webex rejects is renewed and stored; if it can't be, it is an error."""
    write_tokens(token_file, TOKENS)
    webex.sandbox.revoke("a-canary-access")
    with full_disk():
        refused = invoke("list", "--token-file", str(token_file))

    done = invoke("list", "--token-file", str(token_file))

    tokens = json.loads(token_file.read_text())
    assert (done.exit_code, tokens["refresh_token"]) == (0, "a-canary-refresh")
    authorization = webex.sandbox.requests[-1].headers["authorization"]
    assert authorization == f"Bearer {tokens['access_token']}"
    assert "a-canary-access" not in authorization
    assert (refused.exit_code, refused.out) == (1, "")
    assert refused.err.endswith(f"write the tokens to {token_file}: File too large\n")
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't read {}: No such file or directory"),
        (b"", "{}: an access token is one or more visible ASCII characters"),
        (b"a canary", "{}: an access token is one or more visible ASCII characters"),
        (b"\xff\xfe", "{} must be text in UTF-8"),
        (b"{", "{}: $: not JSON"),
        (b"{}", "{}: $.refresh_token: missing"),
        (b'{"access_token": "a b", "refresh_token": "canary"}', "{}: "),
    ],
)
def test_a_file_without_usable_tokens(
    invoke: Invoke, token_file: Path, content: bytes | None, message: str
) -> None:
    """A missing file, or one without usable tokens, is wrong usage; its content isn't shown."""
    if content is not None:
        token_file.write_bytes(content)

    done = invoke("list", "--token-file", str(token_file))

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message.replace('{}', str(token_file))}")
    assert "canary" not in done.err
