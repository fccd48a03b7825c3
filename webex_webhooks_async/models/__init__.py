"""The data that travels between Webex and a program, and the words that Webex uses for it.

All models keep unknown keys, and optional values that don't fit, in ``extra``, by their names in
JSON. The docstrings of `Notification` and `Webhook` alone describe it.
"""

from collections.abc import Callable
from typing import Any

import attrs
from attrs import field

EXTRA = "extra"
"""The name of the field."""

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
