"""The files that commands take: input (- is standard input), tokens, and wanted webhooks."""

import errno
import json
import os
import re
import stat
import sys
import tempfile
import tomllib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, cast

import attrs
from attrs import frozen
from cyclopts import Parameter, Token

from webex_webhooks_async.cli.console import stderr
from webex_webhooks_async.cli.running import CommandError, UsageError, usage_errors
from webex_webhooks_async.client.auth import RefreshingToken, StaticToken, TokenProvider, Tokens
from webex_webhooks_async.client.environment import CLIENT_ID, CLIENT_SECRET
from webex_webhooks_async.converters import from_json
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.models.webhooks import NewWebhook

STDIN = Path("-")
"""Standard input. It is this object alone: the path of ./- is equal, and a file."""

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
    """The text of a file; - is standard input.

    Raises:
        UsageError: It can't be read, or isn't UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name_of(path)} must be text in UTF-8") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; - is standard input.

    Raises:
        UsageError: It can't be read, or is larger than 10 MB.
    """
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


def name_of(path: Path) -> str:
    """How an error names a file that was read."""
    return "standard input" if path is STDIN else str(path)


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
        CommandError: The file can't be written.
    """
    content = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    with _new_file_beside(path, CommandError) as (file, replace):
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
        replace()


def check_that_tokens_can_be_written(path: Path) -> None:
    """Try it, before a code is spent on tokens that would be lost.

    Raises:
        UsageError: The file can't be written.
    """
    with _new_file_beside(path, UsageError):
        pass


@contextmanager
def _new_file_beside(
    path: Path, failure: type[Exception]
) -> Generator[tuple[IO[str], Callable[[], None]]]:
    """A new file, and what puts it in the place of another one; without that it is deleted."""
    try:
        target = Path(os.path.realpath(path))  # replaces what a link leads to, not the link
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(target.stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                yield file, lambda: os.replace(temporary, target)  # noqa: PTH105 - its name is text
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108 - the same
    except OSError as error:
        raise failure(f"can't write the tokens to {path}: {error.strerror}") from error


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


_KEY = "webhooks"
_FIELDS = attrs.fields_dict(NewWebhook)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@frozen
class WantedFile:
    """What a file describes.

    Attributes:
        webhooks: The webhooks.
        redact: Hides the values of its variables; names, which identify webhooks, aren't hidden.
    """

    webhooks: Sequence[NewWebhook]
    redact: Redactor


def read_wanted(path: Path) -> WantedFile:
    """The webhooks that a file describes; - is standard input.

    ::

        [[webhooks]]
        name = "bot:messages"
        target_url = "https://example.com/webex"
        resource = "messages"
        event = "created"
        secret = "${WEBHOOK_SECRET}"

    Raises:
        UsageError: The file can't be read, or has another form; the text has the path of the key.
    """
    text = read_text(path)
    with usage_errors(name_of(path)):
        try:
            tables = _tables(tomllib.loads(text))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        webhooks = [_webhook(f"{_KEY}[{index}]", table) for index, table in enumerate(tables)]
    return WantedFile(webhooks, Redactor(tuple(_hidden(tables))))


class _FormError(ValueError):
    """The file has another form than it should have."""


def _tables(document: Mapping[str, Any]) -> list[object]:
    for key in document:
        if key != _KEY:
            raise _FormError(f"{key}: unknown key; a webhook is a table [[{_KEY}]]")
    if _KEY not in document:
        raise _FormError(f"there are no webhooks; if that is intended, write {_KEY} = []")
    tables = document[_KEY]
    if not isinstance(tables, list):
        raise _FormError(f"{_KEY}: expected tables, such as [[{_KEY}]]")
    return cast("list[object]", tables)


def _webhook(path: str, table: object) -> NewWebhook:
    if not isinstance(table, dict):
        raise _FormError(f"{path}: expected a table")
    members = cast("dict[str, Any]", table)
    for key in members:
        if key not in _FIELDS:
            raise _FormError(f"{path}.{key}: unknown key; known are {', '.join(_FIELDS)}")
    for name, field in _FIELDS.items():
        if field.default is attrs.NOTHING and name not in members:
            raise _FormError(f"{path}.{name}: missing")
    values = {key: _text(f"{path}.{key}", value) for key, value in members.items()}
    try:
        return NewWebhook(**values)
    except ValueError as error:  # it has the value, which may have a secret in it
        text = str(error)
        for key, value in values.items():
            text = text.replace(repr(value), repr(members[key]))
        raise _FormError(f"{path}: {text}") from None


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise _FormError(f"{path}: expected text in quotes")
    if "${" in _VARIABLE.sub("", value):
        raise _FormError(f"{path}: write a variable as ${{NAME}}; this one is unclosed or misnamed")
    return _VARIABLE.sub(lambda variable: _variable(path, variable[1]), value)


def _variable(path: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise _FormError(f"{path}: the environment variable {name} is unset or empty")
    return value


def _hidden(tables: Iterable[object]) -> Iterator[str]:
    """The values of the variables, but those in names."""
    for table in tables:
        for key, value in cast("dict[str, str]", table).items():
            if key != "name":
                yield from (os.environ[variable[1]] for variable in _VARIABLE.finditer(value))
