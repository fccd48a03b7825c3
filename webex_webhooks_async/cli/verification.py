"""The command verify: whether a request that was kept comes from Webex."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.failures import RefusedError, UsageError
from webex_webhooks_async.cli.options import NO_SECRET, SecretSource, read_bytes
from webex_webhooks_async.cli.rendering.consoles import print_approval, stdout
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm
from webex_webhooks_async.notifications.signatures import verify as verify_signature

_STRONGEST_FIRST = sorted(SignatureAlgorithm, reverse=True)


def verify(
    body: Path | None = None,
    /,
    *,
    header: Annotated[tuple[str, ...], Parameter(name=("--header", "-H"))],
    secret: SecretSource = NO_SECRET,
) -> None:
    r"""Check the signature of a request, and say which one decided.

    $ webex-webhooks verify body.json --secret-env WEBHOOK_SECRET \
        -H "X-Spark-Signature: 01e0cb6a53731b9615b483335d77d97023410c72"

    It must be the body's bytes as they came: a newline at the end is a byte too many.

    Args:
        body: The file that the body is in; without it, standard input.
        header: A header of the request, as curl takes it; once for each. Others do no harm.
        secret: The key that the webhook was made with.
    """
    key = secret.require()
    content = _read_stdin() if body is None else read_bytes(body)
    headers = [_pair(each) for each in header]
    algorithm = _deciding(content, headers, key, _STRONGEST_FIRST)
    print_approval(
        stdout(), f"the {_name(algorithm)} signature decides, and it was made with the secret"
    )


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise UsageError("standard input is closed: name the file that the body is in")
    return sys.stdin.buffer.read()


def _pair(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise UsageError(f"a header is a name, a colon and a value, got {header!r}")
    return name.strip(), value.strip()


def _deciding(
    body: bytes,
    headers: Sequence[tuple[str, str]],
    secret: str,
    algorithms: Sequence[SignatureAlgorithm],
) -> SignatureAlgorithm:
    """The algorithm of the strongest signature there is, which is right.

    Raises:
        RefusedError: It is wrong, or there is none.
    """
    algorithm, *weaker = algorithms
    try:
        verify_signature(body, headers, secret, minimum=algorithm)
    except SignatureError as error:
        if error.reason == "too_weak":
            return _deciding(body, headers, secret, weaker)
        which = f" ({_name(algorithm)} decides)" if error.reason == "mismatch" else ""
        raise RefusedError(f"{error}{which}") from None
    return algorithm


def _name(algorithm: SignatureAlgorithm) -> str:
    return algorithm.name.replace("SHA", "SHA-")
