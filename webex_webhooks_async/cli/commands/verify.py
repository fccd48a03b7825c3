"""The command verify."""

from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.console import print_approval, stdout
from webex_webhooks_async.cli.files import STDIN, InputFile, read_bytes
from webex_webhooks_async.cli.options import NO_SECRET, SecretSource
from webex_webhooks_async.cli.running import CommandError, UsageError
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.notifications.signatures import verify


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
    try:
        algorithm = verify(content, headers, secrets=key)
    except SignatureError as error:
        raise CommandError(str(error)) from None
    name = algorithm.name.replace("SHA", "SHA-")
    print_approval(stdout(), f"the {name} signature matches the body and the secret")


def _pair(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise UsageError(f"a header is a name, a colon and a value, got {header!r}")
    return name.strip(), value.strip()
