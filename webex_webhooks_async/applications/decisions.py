"""Asks functions of the user's that decide something."""

import inspect
from collections.abc import Callable
from typing import Any


async def decision(name: str, function: Callable[[Any], object], subject: object) -> bool:
    """Ask a plain or an async function of the user's about something."""
    decided = function(subject)
    if inspect.isawaitable(decided):
        decided = await decided
    if not isinstance(decided, bool):
        raise TypeError(f"{name} must return True or False, got {type(decided).__name__}")
    return decided
