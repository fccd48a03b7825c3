"""The data that travels between Webex and a program, and the words that Webex uses for it.

All models keep unknown keys, and optional values that don't fit, in ``extra``, by their names in
JSON. The docstrings of `Notification` and `Webhook` alone describe it. A field for a list is empty
where JSON has none, or null. They have no slots, because attrs makes a frozen instance with slots
by a call for each attribute.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
from attrs import field

EXTRA = "extra"
"""The name of the field."""

JSON_KEY = "webex_webhooks_async.json_key"
"""In the metadata of an attrs field: its key in JSON, where that isn't its name in camelCase."""

_MARK = f"{__name__}.is_ours"


def extra_field() -> Any:  # noqa: ANN401 - as attrs.field itself, so that it fits every annotation
    """Make the field ``extra``: unknown keys of the JSON, and optional values that didn't fit.

    A model that has it tolerates both. The field's repr shows the keys alone, because a value may
    be a secret.
    """
    return field(
        factory=_new_extra,
        hash=False,
        repr=lambda extra: f"<{', '.join(extra)}>",
        metadata={_MARK: True},
    )


_new_extra: Callable[[], dict[str, Any]] = dict  # dict[str, Any] itself is slower to call


def has_extra(cls: type[Any]) -> bool:
    """Whether a class has the field ``extra`` of `extra_field`."""
    return attrs.has(cls) and any(_MARK in each.metadata for each in attrs.fields(cls))


def wire_name(name: str) -> str:
    """``target_url`` as ``targetUrl``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def format_datetime(moment: datetime) -> str:
    """An aware datetime as Webex writes it: ``2022-04-07T09:17:23.164Z``."""
    text = moment.isoformat(
        timespec="microseconds" if moment.microsecond % 1000 else "milliseconds"
    )
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
