"""Checks of arguments: a wrong one is an error at once, and the error names it.

That is a `TypeError` for a value of another type, and a `ValueError` for one that can't be used.
"""

import inspect
import ipaddress
import math
import re
from collections.abc import Iterable
from datetime import timedelta
from types import NoneType
from urllib.parse import SplitResult, urlsplit

CENTURY = 36_525 * 86_400.0
"""Seconds; no duration is longer, so that each time is one that any database can hold."""

HIGHEST_PORT = 65_535


def check_type(name: str, value: object, *expected: type) -> None:
    """Check that an argument is an instance of one of the types; a boolean isn't an ``int``."""
    if isinstance(value, expected) and not isinstance(value, (bool, type)):
        return
    given = type(value).__name__
    if isinstance(value, type):  # not an instance of itself
        given = f"the class {value.__name__}: pass an instance"
    names = " or ".join(each.__name__ for each in expected if each is not NoneType)
    raise TypeError(f"{name} must be {names}, got {given}")


def check_inherits(name: str, value: object, base: type) -> None:
    """Check that an argument is an instance of a class that others inherit from."""
    if not isinstance(value, (base, type)):
        given, wanted = type(value).__name__, base.__name__
        raise TypeError(
            f"{name} must inherit from {wanted}, and {given} doesn't: write class {given}({wanted})"
        )
    check_type(name, value, base)


def check_flag(name: str, value: object) -> None:
    """Check that an argument is a boolean: the text "false" would be true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def check_count(name: str, number: int) -> None:
    """Check that an argument is a positive number of something."""
    check_type(name, number, int)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")


def seconds_of(name: str, given: float | timedelta, *, or_zero: bool = False) -> float:
    """Return the seconds of a duration, which is positive, or zero where it may be."""
    check_type(name, given, float, int, timedelta)
    try:
        seconds = given.total_seconds() if isinstance(given, timedelta) else float(given)
    except OverflowError:
        seconds = math.inf
    if not (0 < seconds <= CENTURY or (or_zero and seconds == 0)):
        raise ValueError(
            f"{name} must be a {'' if or_zero else 'positive '}number of seconds, such as 30, or a "
            f"timedelta{', not negative' if or_zero else ''}, of a century at most, got {seconds:g}"
        )
    return seconds


def check_port(port: int) -> None:
    """Check that an argument is the number of a port."""
    check_type("port", port, int)
    if not 0 <= port <= HIGHEST_PORT:
        raise ValueError(f"port must be from 0 (any free one) to {HIGHEST_PORT}, got {port}")


def check_text(name: str, text: object) -> bytes:
    """Check that an argument is text that requests and signatures can hold, and return its UTF-8.

    The errors don't show the text.
    """
    if not isinstance(text, str):
        check_type(name, text, str)
    try:
        return str(text).encode()
    except UnicodeEncodeError:
        pass
    # Outside of the except block: a UnicodeEncodeError holds the text.
    raise ValueError(
        f"{name} is not valid Unicode, probably because it was read from bytes that aren't "
        "UTF-8, as os.environ does without an error; write it in UTF-8 there"
    )


def check_not_empty(name: str, text: str) -> str:
    """Check that an argument is text, and not empty, and return it."""
    check_text(name, text)
    if not text:
        raise ValueError(f"{name} is empty")
    return text


def check_url(name: str, value: str) -> None:
    """Check that an argument is an absolute http(s) URL."""
    check_text(name, value)
    if absolute_url(value) is None:
        raise ValueError(f"{name} must be an absolute http(s) URL, got {value!r}")


def absolute_url(text: str) -> SplitResult | None:
    """The parts of an absolute http(s) URL; `None` if the text isn't one."""
    try:
        parts = urlsplit(text)
        is_absolute = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _port = parts.port  # raises when it isn't a number or out of range
    except ValueError:
        return None
    return parts if is_absolute and " " not in text and text.isprintable() else None


def check_keywords(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Check that keyword arguments are known; for one that is nearly right, the error names it."""
    known = frozenset(known)
    for name in given:
        if name not in known:
            right = re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)
            from difflib import get_close_matches  # noqa: PLC0415 - it is for an error alone

            meant = [right] if right in known else get_close_matches(name, known)
            hint = f": write {meant[0]}" if meant else ""
            raise TypeError(f"{what} has no argument {name!r}{hint}")


def is_async_function(function: object) -> bool:
    """Whether it is an async function, or an object with an async ``__call__``."""
    return any(map(inspect.iscoroutinefunction, (function, type(function).__call__)))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself: ``localhost``, or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
