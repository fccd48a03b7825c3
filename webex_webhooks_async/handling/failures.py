"""What becomes of a failed attempt: when the handlers run again, or that they don't."""

import random
from collections.abc import Callable, Mapping

from attrs import frozen

from webex_webhooks_async.errors import GiveUpError, RateLimitError, RetryLaterError
from webex_webhooks_async.handling.suspension import NoAnswerError, exceptions_in
from webex_webhooks_async.inbox.entries import InboxEntry

LONGEST_PAUSE = 3600.0
"""Seconds after which what has failed, or was put off, runs again at the latest."""
_LONGEST_DELAY = 0.25  # of a pause: what failed at the same time runs again at different times
_MINUTE = 60.0

_random: Callable[[], float] = random.random  # tests replace it


class TooEarly(BaseException):
    """A submission may answer a question whose card is still being sent."""


TOO_EARLY_SECONDS = 1.0
"""After so many seconds, what came too early is looked at again."""


@frozen
class Release:
    """A notification that is given back."""

    again_in: float
    is_of_outage: bool = False  # whether an outage is the reason
    holds: bool = False  # whether it holds up its line meanwhile


@frozen
class Failure:
    """A failed attempt, and what becomes of the notification."""

    error: BaseException
    # after how many seconds its handlers run again; with None, it is kept as failed
    again_in: float | None
    words: str = ""  # what is said of it in the log


@frozen
class Wait:
    """A notification whose handler has asked questions."""

    # their ids, by the names of the records that will have the answers
    questions: Mapping[str, int]


@frozen
class PutOff:
    """A notification whose handlers run later, because a service is out; no failure is counted."""

    error: RetryLaterError  # what said so
    again_in: float  # after how many seconds they run again
    holds: bool  # whether it holds up its line


Outcome = Failure | PutOff | Release | Wait | None
"""What becomes of an attempt; `None` is its completion."""


def failure_of(
    entry: InboxEntry, attempts: int, error: BaseException, final: str = "", *, waited: float = 0.0
) -> Failure:
    """Return what becomes of a notification whose handlers have failed, so many seconds ago.

    `final` says why no other attempt follows, whatever their number.
    """
    number = entry.failures + 1
    what = final or f"attempt {number} of {attempts}"
    if final or number >= attempts:
        return Failure(error, None, f": {what}, kept as failed")
    pause = 4.0 ** min(number - 1, 9)
    for each in exceptions_in(error, RateLimitError):
        pause = max(pause, (each.retry_after or 0) - waited)
    for later in exceptions_in(error, RetryLaterError):
        pause = max(pause, later.after)
    pause = min(pause, LONGEST_PAUSE) * (1 + _LONGEST_DELAY * _random())
    return Failure(error, pause, f": {what}, again in {_rounded(pause):g} s")


def put_off(error: BaseException, *, holds: bool) -> PutOff | None:
    """Return that handlers run later, if one asked for it and nothing else was raised."""
    errors = exceptions_in(error, BaseException)
    late = exceptions_in(error, RetryLaterError)
    if len(late) < len(errors):
        return None
    longest = max(late, key=lambda each: each.after)
    pause = longest.after * (1 + _LONGEST_DELAY * _random())
    return PutOff(longest, min(pause, LONGEST_PAUSE), holds)


def _rounded(seconds: float) -> float:
    return round(seconds, 1 if seconds < _MINUTE else 0)


def is_final(error: BaseException) -> bool:
    """Whether an error isn't tried again: somebody gave up, or somebody else hasn't answered."""
    unanswered = any(each.is_failure for each in exceptions_in(error, NoAnswerError))
    return unanswered or bool(exceptions_in(error, GiveUpError))


def expiry_of(entry: InboxEntry) -> Exception:
    """Return the failure of a notification that isn't handled any more: it may kill its process."""
    times = f"its lease has expired {entry.expiries} times"
    return RuntimeError(
        f"{times}: its process was killed or hung, probably because of it; if its handler blocks "
        "the event loop, await asyncio.to_thread there"
    )
