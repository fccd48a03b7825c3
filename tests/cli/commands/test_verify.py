from pathlib import Path

import pytest

from tests.cli.harness import Invoke
from webex_webhooks_async.notifications.signatures import sign

pytestmark = pytest.mark.once

BODY = b'{"a":1}'
HEADERS = sign(BODY, "a-canary-secret")
SPARK = f"X-Spark-Signature: {HEADERS['X-Spark-Signature']}"
WEBEX = f"X-Webex-Signature: {HEADERS['X-Webex-Signature']}"
SHA256 = WEBEX.partition(",")[0]
HOST = "Host: example.com"
ANOTHER = (
    "error: the signature is of another body or made with another secret: use the webhook's "
    "secret, and pass the body on unchanged"
)


@pytest.fixture
def body(tmp_path: Path) -> str:
    """A file with a body."""
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    return str(file)


@pytest.mark.parametrize(
    ("headers", "exit_code", "message"),
    [
        ((SPARK,), 0, "✓ the SHA-1 signature matches the body and the secret"),
        ((SPARK, SHA256, HOST), 0, "✓ the SHA-256 signature matches the body and the secret"),
        ((SPARK, WEBEX), 0, "✓ the SHA-512 signature matches the body and the secret"),
        ((HOST,), 1, "error: the request has no signature: give the webhook a secret"),
        ((SPARK, "X-Webex-Signature: " + "0" * 128), 1, ANOTHER),
        (("x",), 2, "error: a header is a name, a colon and a value, got 'x'"),
    ],
)
def test_signatures(
    invoke: Invoke, body: str, headers: tuple[str, ...], exit_code: int, message: str
) -> None:
    """The strongest signature decides, and is named; standard error says why the check fails."""
    options = [word for header in headers for word in ("-H", header)]

    done = invoke("verify", body, *options, "--secret-env", "SECRET")

    printed = f"{message}\n"
    assert done.exit_code == exit_code
    assert (done.out, done.err) == (("", printed) if exit_code else (printed, ""))


@pytest.mark.parametrize(("more", "exit_code"), [(b"", 0), (b"\n", 1)])
def test_bytes_in_a_pipe(invoke: Invoke, more: bytes, exit_code: int) -> None:
    """The bytes of a body in a pipe aren't changed."""
    done = invoke("verify", "--header", SPARK, "--secret-env", "SECRET", piped=BODY + more)

    assert done.exit_code == exit_code
