"""Warns of resources and events that are probably misspelled."""

import operator
import sys
import warnings
from collections.abc import Iterable
from itertools import starmap, takewhile
from string import ascii_lowercase, ascii_uppercase
from types import FrameType

from webex_webhooks_async.models.vocabulary import Event, Resource


def warn_if_misspelled(resource: str | None, event: str | None) -> None:
    """Warn of a resource or an event that `did_you_mean` takes for a known one."""
    for kind, word, known in (("resource", resource, Resource), ("event", event, Event)):
        if word is not None and word not in known.__members__.values():
            meant = did_you_mean(word, known)
            if meant is not None:
                warn_user(f"the {kind} {word!r} is unknown: did you mean {meant!r}?")


def warn_user(message: str) -> None:
    """Issue a `UserWarning` that names the caller's line outside of this package."""
    warnings.warn(message, stacklevel=_level_of_the_user())


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is one typo away from, if there is one.

    One typo is a letter missing, added, changed or swapped with its neighbour. Case and underscores
    don't count. A word that is known itself has no typo.

    >>> did_you_mean("mesages", Resource)
    'messages'
    >>> did_you_mean("attachment_actions", Resource)
    'attachmentActions'
    """
    candidates = [str(each) for each in known]
    if word in candidates:
        return None
    plain = word.translate(_PLAIN)
    return next(
        (each for each in candidates if _is_at_most_one_typo_away(plain, each.translate(_PLAIN))),
        None,
    )


# Not str.lower, which makes two letters of some: of İ, for example.
_PLAIN = str.maketrans(ascii_uppercase, ascii_lowercase, "_")


def _is_at_most_one_typo_away(word: str, known: str) -> bool:
    same = sum(takewhile(bool, starmap(operator.eq, zip(word, known, strict=False))))
    ours, theirs = word[same:], known[same:]  # from the first difference on
    return (
        ours == theirs
        or ours == theirs[1:]  # missing
        or ours[1:] == theirs  # added
        or ours[1:] == theirs[1:]  # changed
        or (ours[1:2] + ours[:1] == theirs[:2] and ours[2:] == theirs[2:])  # swapped
    )


def _level_of_the_user() -> int:
    """The `stacklevel` with which the caller's warning names the first line outside of us."""
    # Not inspect.currentframe, whose module takes long to import.
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    level = 1
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
        level += 1
    return level


# attrs and cattrs call the models, from their own modules or from code that they generate.
_OUR_PACKAGES = frozenset({"webex_webhooks_async", "attr", "attrs", "cattrs"})
_GENERATED = ("<attrs generated", "<cattrs generated")


def _is_ours(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package in _OUR_PACKAGES or frame.f_code.co_filename.startswith(_GENERATED)
