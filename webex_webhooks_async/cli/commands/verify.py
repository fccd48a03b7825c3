"""The command verify."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.failures import RefusedError, UsageError
from webex_webhooks_async.cli.input_files import STDIN, InputFile, read_bytes
from webex_webhooks_async.cli.options import NO_SECRET, SecretSource
from webex_webhooks_async.cli.rendering.consoles import print_approval, stdout
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, verify

_STRONGEST_FIRST = sorted(SignatureAlgorithm, reverse=True)


def command(
    body: InputFile = STDIN,
    /,
    *,
    header: Annotated[tuple[str, ...], Parameter(name=("--header", "-H"))],
    secret: SecretSource = NO_SECRET,
) -> None:
    r"""Check the signature of a request, and say which algorithm decided.

    $ webex-webhooks verify body.json --secret-env WEBHOOK_SECRET \
        -H "X-Spark-Signature: 01e0cb6a53731b9615b483335d77d97023410c72"

    The body must have its original bytes: an added newline makes the check fail.

    Args:
        body: The file with the body of the request; - reads standard input.
        header: A header of the request, written as for curl; once for each.
        secret: The secret of the webhook.
    """
    key = secret.require()
    content = read_bytes(body)
    headers = [_pair(each) for each in header]
    algorithm = _deciding(content, headers, key, _STRONGEST_FIRST)
    print_approval(stdout(), f"the {_name(algorithm)} signature matches the body and the secret")


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
    """The algorithm of the strongest signature, which is right.

    Raises:
        RefusedError: It is wrong, or there is none.
    """
    algorithm, *weaker = algorithms
    try:
        verify(body, headers, secret, minimum=algorithm)
    except SignatureError as error:
        if error.reason == "too_weak":
            return _deciding(body, headers, secret, weaker)
        which = f" ({_name(algorithm)} decides)" if error.reason == "mismatch" else ""
        raise RefusedError(f"{error}{which}") from None
    return algorithm


def _name(algorithm: SignatureAlgorithm) -> str:
    return algorithm.name.replace("SHA", "SHA-")
