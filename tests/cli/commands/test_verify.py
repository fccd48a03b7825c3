import io
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from webex_webhooks_async.notifications.signatures import sign

BODY = b'{"a":1}'
HEADERS = sign(BODY, "a-canary-secret")
SPARK = f"X-Spark-Signature: {HEADERS['X-Spark-Signature']}"
WEBEX = f"X-Webex-Signature: {HEADERS['X-Webex-Signature']}"
SHA256 = WEBEX.partition(",")[0]


@pytest.fixture
def body(tmp_path: Path) -> str:
    """A file with a body."""
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    return str(file)


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        ((SPARK,), "SHA-1"),
        ((SPARK, SHA256, "Host: example.com"), "SHA-256"),
        ((SPARK, WEBEX), "SHA-512"),
    ],
)
def test_a_right_signature(
    invoke: Invoke, body: str, headers: tuple[str, ...], algorithm: str
) -> None:
    """The strongest signature decides, and is named."""
    options = [option for header in headers for option in ("-H", header)]

    done = invoke("verify", body, *options, "--secret-env", "SECRET")

    assert (done.exit_code, done.err) == (0, "")
    assert done.out == (f"✓ the {algorithm} signature matches the body and the secret\n")


@pytest.mark.parametrize(
    ("headers", "exit_code", "message"),
    [
        (
            ("Host: example.com",),
            1,
            "the request has no signature: does the webhook have a secret?",
        ),
        (
            (SPARK, "X-Webex-Signature: " + "0" * 128),
            1,
            "the signature is of another body or made with another secret",
        ),
        (("x",), 2, "a header is a name, a colon and a value, got 'x'"),
    ],
)
def test_a_wrong_signature(
    invoke: Invoke, body: str, headers: tuple[str, ...], exit_code: int, message: str
) -> None:
    """Standard error says why the check fails, or what isn't a header."""
    options = [option for header in headers for option in ("--header", header)]

    done = invoke("verify", body, *options, "--secret-env", "SECRET")

    assert (done.exit_code, done.out, done.err) == (exit_code, "", f"error: {message}\n")


@pytest.mark.parametrize(("more", "exit_code"), [(b"", 0), (b"\n", 1)])
def test_bytes_in_a_pipe(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, more: bytes, exit_code: int
) -> None:
    """The bytes of a body in a pipe aren't changed."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BODY + more)))

    assert invoke("verify", "--header", SPARK, "--secret-env", "SECRET").exit_code == exit_code
