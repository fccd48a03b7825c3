"""Which requests are repeated, and when; no I/O, no clock.

=============================================  ====================  ============================
outcome                                        GET, PUT, DELETE      POST, PATCH
=============================================  ====================  ============================
429; 423 with Retry-After                      after Retry-After     after Retry-After
503 with Retry-After                           after Retry-After     raised: may be processed
502, 503, 504 (and 500 for GET)                after a backoff       raised: may be processed
no response (connect, read, reset, timeout)    after a backoff       raised: may be processed
anything else                                  raised                raised
=============================================  ====================  ============================

A Retry-After that can't be read counts as none for how long to wait, and one that is longer than
`RetryPolicy.max_delay` is raised.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Self

from attrs import field, frozen

from webex_webhooks_async import errors
from webex_webhooks_async.validation import check_count, seconds_of

_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_HEEDED = frozenset({423, 429, 503})  # where Retry-After sets the wait

_LONGEST_PAUSE = 3600.0  # seconds; Cisco's own sample asks for so many


def _base_delay(given: float | timedelta) -> float:
    return seconds_of("base_delay", given, or_zero=True)


def _max_delay(given: float | timedelta) -> float:
    return seconds_of("max_delay", given, or_zero=True)


@frozen(kw_only=True)
class RetryPolicy:
    """How often a request is sent, and how long to wait in between.

    The wait before attempt n + 1 is random between 0 and ``base_delay * 2 ** (n - 1)`` seconds
    (full jitter), unless the response has a Retry-After.

    Attributes:
        attempts: The largest number of attempts for one request, the first one included.
        base_delay: Seconds, also passed as a `timedelta`; the upper bound of the first wait.
        max_delay: In the same way, the upper bound of every wait. A longer Retry-After is raised
            instead.

    Raises:
        ValueError: `attempts` is below 1, or a delay is negative or longer than a century.
        TypeError: `attempts` isn't an `int`, or a delay isn't a number or a `timedelta`.
    """

    attempts: int = 4
    base_delay: float = field(default=0.5, converter=_base_delay)
    max_delay: float = field(default=60.0, converter=_max_delay)

    def __attrs_post_init__(self) -> None:
        check_count("attempts", self.attempts)

    @classmethod
    def none(cls) -> Self:
        """A policy that sends every request once."""
        return cls(attempts=1)


def backoff(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    """Seconds to wait after attempt number `attempt` (from 1), for a `jitter` in [0, 1)."""
    doublings = min(attempt - 1, 64)  # enough for any delay, and no overflow
    return jitter * min(policy.max_delay, policy.base_delay * 2.0**doublings)


def delay_before_next(
    policy: RetryPolicy,
    error: errors.APIError | errors.TransportError,
    *,
    attempt: int,
    has_retry_after: bool,
    jitter: float,
) -> float | None:
    """Seconds to wait before the request is repeated; `None` when its error is raised.

    `attempt` is the number of the one that failed, from 1, and `jitter` random, in [0, 1). A header
    that can't be read is in no error, so `has_retry_after` says whether it is there.
    """
    if attempt >= policy.attempts or not _is_repeatable(error, has_retry_after=has_retry_after):
        return None
    retry_after = None
    if isinstance(error, errors.APIError) and error.status_code in _HEEDED:
        retry_after = error.retry_after
    if retry_after is None:
        return backoff(policy, attempt, jitter)
    return retry_after if retry_after <= policy.max_delay else None


def _is_repeatable(
    error: errors.APIError | errors.TransportError, *, has_retry_after: bool
) -> bool:
    match error:
        case errors.RateLimitError():
            return True
        case errors.LockedError():
            return has_retry_after
        case errors.ResponseTooLargeError():
            return False
        case errors.ServerError(status_code=HTTPStatus.INTERNAL_SERVER_ERROR):
            return error.method == "GET"
        case _:
            return error.method in _IDEMPOTENT and may_have_been_processed(error)


def may_have_been_processed(error: errors.WebexError) -> bool:
    """Whether the server may have processed a request with this error, as nobody can tell."""
    return isinstance(error, errors.TransportError) or (
        isinstance(error, errors.ServerError) and error.status_code in {502, 503, 504}
    )


def pause_wanted(error: Exception) -> float:
    """Seconds for which Webex wants to be left alone, an hour at most; 0 if it hasn't said so."""
    seconds = error.retry_after if isinstance(error, errors.APIError) else None
    return min(seconds or 0.0, _LONGEST_PAUSE)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, or `None` if it can't be read.

    It holds seconds or an HTTP date; ``rand(30),add(30)`` was seen as well.
    """
    if value is None:
        return None
    text = value.strip()  # of more than float() strips
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # an HTTP date is in GMT, also where it says -0000
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
