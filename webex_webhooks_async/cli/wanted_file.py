"""Wanted webhooks in a TOML file; secrets in it come from the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import attrs

from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.input_files import name_of, read_text
from webex_webhooks_async.models.webhooks import NewWebhook

_KEY = "webhooks"
_FIELDS = attrs.fields_dict(NewWebhook)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def read_wanted(path: Path) -> list[NewWebhook]:
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
    try:
        return _webhooks(tomllib.loads(read_text(path)))
    except (tomllib.TOMLDecodeError, _FormError) as error:
        raise UsageError(f"{name_of(path)}: {error}") from error


class _FormError(Exception):
    """The file has another form than it should have."""


def _webhooks(document: Mapping[str, Any]) -> list[NewWebhook]:
    return [_webhook(f"{_KEY}[{index}]", table) for index, table in enumerate(_tables(document))]


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
    except ValueError as error:
        raise _FormError(f"{path}: {error}") from error


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
