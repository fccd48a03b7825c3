"""Token files: a plain access token, or an integration's tokens in JSON, which are renewed."""

import json
import os
import tempfile
from functools import partial
from pathlib import Path

from webex_webhooks_async.cli.failures import RefusedError, UsageError, usage_errors
from webex_webhooks_async.cli.input_files import read_text
from webex_webhooks_async.client.auth import RefreshingToken, StaticToken, TokenProvider, Tokens
from webex_webhooks_async.client.environment import CLIENT_ID, CLIENT_SECRET
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.serialization import from_json


def read_token(path: Path) -> TokenProvider:
    """The token of a file; renewed tokens are written back.

    Raises:
        UsageError: The file has no usable token, or the variables that renew it are missing.
    """
    content = read_text(path).strip()
    if not content.startswith("{"):
        with usage_errors(str(path)):
            return StaticToken(content)
    try:
        tokens = from_json(content, Tokens)
    except DecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    client_id, client_secret = client_credentials()
    with usage_errors(str(path)):
        return RefreshingToken(
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token,
            on_refresh=partial(write_tokens, path),
        )


def write_tokens(path: Path, tokens: Tokens) -> None:
    """Write tokens to a file that only its owner can read, all at once or not at all.

    Raises:
        RefusedError: The file can't be written.
    """
    content = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    target = path.resolve()  # replaces what a link leads to, not the link
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, target)  # noqa: PTH105 - its name is text
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108 - the same
            raise
    except OSError as error:
        raise RefusedError(f"can't write the tokens to {path}: {error.strerror}") from error


def client_credentials() -> tuple[str, str]:
    """The client id and the client secret of the integration, from the environment.

    Raises:
        UsageError: One is missing.
    """
    names = (CLIENT_ID, CLIENT_SECRET)
    client_id, client_secret = (os.environ.get(name, "") for name in names)
    if not (client_id and client_secret):
        raise UsageError(
            f"set {CLIENT_ID} and {CLIENT_SECRET} to the client id and the client secret of the "
            "integration: they renew its tokens"
        )
    return client_id, client_secret
