"""Wanted webhooks in a TOML file; what is secret in them comes from the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import attrs

from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.options import read_text
from webex_webhooks_async.models.webhooks import NewWebhook

_KEY = "webhooks"
_FIELDS = attrs.fields_dict(NewWebhook)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def read_wanted(path: Path) -> list[NewWebhook]:
    """The webhooks that a file wants.

    ::

        [[webhooks]]
        name = "bot:messages"
        target_url = "https://example.com/webex"
        resource = "messages"
        event = "created"
        secret = "${WEBHOOK_SECRET}"

    Raises:
        UsageError: It can't be read, or isn't of that form; the text has the path of the key.
    """
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    try:
        return [
            _webhook(f"{_KEY}[{index}]", table) for index, table in enumerate(_tables(document))
        ]
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _tables(document: Mapping[str, Any]) -> list[object]:
    for key in document:
        if key != _KEY:
            raise UsageError(f"{key}: unknown; a webhook is a table [[{_KEY}]]")
    if _KEY not in document:
        raise UsageError(f"it wants nothing; if that is meant, write {_KEY} = []")
    tables = document[_KEY]
    if not isinstance(tables, list):
        raise UsageError(f"{_KEY}: expected tables, such as [[{_KEY}]]")
    return cast("list[object]", tables)


def _webhook(path: str, table: object) -> NewWebhook:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: expected a table")
    members = cast("dict[str, Any]", table)
    for key in members:
        if key not in _FIELDS:
            raise UsageError(f"{path}.{key}: unknown; known are {', '.join(_FIELDS)}")
    for name, field in _FIELDS.items():
        if field.default is attrs.NOTHING and name not in members:
            raise UsageError(f"{path}.{name}: missing")
    values = {key: _text(f"{path}.{key}", value) for key, value in members.items()}
    try:
        return NewWebhook(**values)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{path}: expected text in quotes")
    if "${" in _VARIABLE.sub("", value):
        raise UsageError(f"{path}: a variable is ${{NAME}}; this one has no end, or an odd name")
    return _VARIABLE.sub(lambda variable: _variable(path, variable[1]), value)


def _variable(path: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"{path}: the environment variable {name} is unset or empty")
    return value
