"""The files that commands take: input (- is standard input), what a message has, and tokens."""

import errno
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

from webex_webhooks_async.cli.console import stderr
from webex_webhooks_async.cli.running import CommandError, UsageError, usage_errors
from webex_webhooks_async.client.environment import WEBEX_CLIENT_ID, WEBEX_CLIENT_SECRET
from webex_webhooks_async.errors import DecodeError

STDIN = Path("-")
"""Standard input. It is this object alone: the path of ./- is equal, and a file."""

if TYPE_CHECKING:
    from webex_webhooks_async.client.auth import TokenProvider
    from webex_webhooks_async.client.oauth import Tokens
    from webex_webhooks_async.models.files import File

_LARGEST = 10_000_000  # bytes of a file; /dev/zero would fill the memory


def _input_file(_: object, tokens: Sequence[Token]) -> Path:
    text = tokens[0].value
    if text == "-":
        return STDIN
    if text.startswith("-"):
        raise ValueError(f"there is no option {text}; a file of that name is ./{text}")
    return Path(text)


InputFile = Annotated[Path, Parameter(allow_leading_hyphen=True, converter=_input_file)]
"""A file to read; - is standard input."""


def read_text(path: Path) -> str:
    """The text of a file; - is standard input."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)} must be text in UTF-8") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; - is standard input."""
    if path is STDIN:
        if sys.stdin is None:
            raise UsageError("standard input is closed: pass a file instead")
        if sys.stdin.isatty():
            stderr().print("Reading standard input. Ctrl-D ends it.", style="dim")
        content = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
        except OSError as error:
            raise UsageError(f"can't read {path}: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise UsageError(f"{name_of(path)} is larger than 10 MB")
    return content


def read_file(path: Path, place: str) -> "File":
    """A file to send; `place` is what named it, for errors."""
    from webex_webhooks_async.models.files import File  # noqa: PLC0415 - no help text needs it

    if not path.is_file():
        raise UsageError(f"{place}: '{path}' isn't a file")
    try:
        with usage_errors(place):
            return File.from_path(path)
    except OSError as error:
        raise UsageError(f"{place}: '{path}' can't be read ({error.strerror})") from error


def name_of(path: Path) -> str:
    """How an error names a file that was read."""
    return "standard input" if path is STDIN else str(path)


def read_token(path: Path) -> "TokenProvider":
    """The token of a file; renewed tokens are written back."""
    content = read_text(path).strip()
    if not content.startswith("{"):
        from webex_webhooks_async.client.auth import StaticToken  # noqa: PLC0415 - no help text needs it

        with usage_errors(str(path)):
            return StaticToken(content)
    from webex_webhooks_async.client.oauth import RefreshingToken, Tokens  # noqa: PLC0415 - no help text needs it
    from webex_webhooks_async.serialization.converter import from_json  # noqa: PLC0415 - no help text needs it

    try:
        tokens = from_json(content, Tokens)
    except DecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    client_id, client_secret = client_credentials()
    with usage_errors(str(path)):
        return RefreshingToken.from_tokens(
            tokens,
            client_id=client_id,
            client_secret=client_secret,
            on_refresh=partial(write_tokens, path),
        )


def write_tokens(path: Path, tokens: "Tokens") -> None:
    """Write tokens to a file that only its owner can read, all at once or not at all."""
    content = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    with _new_file_beside(path, CommandError) as (file, replace):
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
        replace()


def check_that_tokens_can_be_written(path: Path) -> None:
    """Try it, before a code is spent on tokens that would be lost."""
    with _new_file_beside(path, UsageError):
        pass


@contextmanager
def _new_file_beside(
    path: Path, failure: type[Exception]
) -> Generator[tuple[IO[str], Callable[[], None]]]:
    """A new file, and what puts it in the place of another one; without that it is deleted."""
    try:
        target = _target(path)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                yield file, lambda: os.replace(temporary, target)  # noqa: PTH105 - its name is text
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108 - the same
    except OSError as error:
        raise failure(f"can't write the tokens to {path}: {error.strerror}") from error


def _target(path: Path) -> Path:
    """Return the file to replace: the one that a link leads to, and no device like /dev/null."""
    target = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(target.stat().st_mode):
            raise OSError(errno.EINVAL, "it isn't a regular file")
    return target


def client_credentials() -> tuple[str, str]:
    """The client id and the client secret of the integration, from the environment."""
    names = (WEBEX_CLIENT_ID, WEBEX_CLIENT_SECRET)
    client_id, client_secret = (os.environ.get(name, "") for name in names)
    if not (client_id and client_secret):
        raise UsageError(
            f"set {WEBEX_CLIENT_ID} and {WEBEX_CLIENT_SECRET} to the client id and the client "
            "secret of the integration: they renew its tokens"
        )
    return client_id, client_secret
