"""Which requests are sent again, and when; no I/O, no clock.

==========================================  =====================  ===============================
outcome                                     GET, PUT, DELETE       POST
==========================================  =====================  ===============================
429; 423 with Retry-After                   after Retry-After      after Retry-After
502, 503, 504 (and 500 for GET)             backed off             raised: it may have been done
no answer (connect, read, reset, timeout)   backed off             raised: it may have been done
anything else                               raised                 raised
==========================================  =====================  ===============================
"""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Self

import attrs
from attrs import field, frozen

from webex_webhooks_async.validation import check_type


def _whole(_policy: object, attribute: "attrs.Attribute[int]", value: object) -> None:
    check_type(attribute.name, value, int)


def _number(_policy: object, attribute: "attrs.Attribute[float]", value: object) -> None:
    check_type(attribute.name, value, float, int)


_finite = [_number, attrs.validators.ge(0.0), attrs.validators.lt(math.inf)]


@frozen
class RetryPolicy:
    """How often a request is sent, and how long to wait in between.

    The wait before attempt n + 1 is random between 0 and ``base_delay * 2 ** (n - 1)`` seconds
    (full jitter), unless the service says how long.

    Attributes:
        attempts: How often one request is sent at most, the first time included.
        base_delay: Seconds; where the backoff starts.
        max_delay: Seconds; where the backoff ends. A longer Retry-After isn't slept but raised.

    Raises:
        ValueError: `attempts` is below 1, or a delay is negative or infinite.
        TypeError: `attempts` is no whole number, or a delay is no number.
    """

    attempts: int = field(default=4, validator=[_whole, attrs.validators.ge(1)])
    base_delay: float = field(default=0.5, validator=_finite)
    max_delay: float = field(default=60.0, validator=_finite)

    @classmethod
    def none(cls) -> Self:
        """Every request is sent once."""
        return cls(attempts=1)

    def backoff(self, attempt: int, jitter: float) -> float:
        """Seconds to wait after attempt number `attempt`, with a random `jitter` in [0, 1)."""
        doublings = min(attempt - 1, 64)  # enough for any delay, and no overflow
        return jitter * min(self.max_delay, self.base_delay * 2.0**doublings)


def delay_before_next(  # noqa: PLR0913 - the facts that the decision rests on
    policy: RetryPolicy,
    *,
    method: str,
    attempt: int,
    status_code: int | None,
    retry_after: str | None,
    now: datetime,
    jitter: float,
) -> float | None:
    """Seconds to wait before this request is sent again, or `None`: it isn't, raise its error.

    Args:
        policy: How often and how long.
        method: The HTTP method, in capitals.
        attempt: How often it was sent, from 1.
        status_code: Of the answer; `None` when none came.
        retry_after: The header's text, if there was one.
        now: To compare an HTTP date with; aware.
        jitter: Random, in [0, 1).
    """
    if attempt >= policy.attempts:
        return None
    if status_code == HTTPStatus.TOO_MANY_REQUESTS or (
        status_code == HTTPStatus.LOCKED and retry_after is not None
    ):
        seconds = parse_retry_after(retry_after, now)
        if seconds is None:
            return policy.backoff(attempt, jitter)
        return seconds if seconds <= policy.max_delay else None
    repeatable = (may_have_been_done(status_code) and method not in {"POST", "PATCH"}) or (
        status_code == HTTPStatus.INTERNAL_SERVER_ERROR and method == "GET"
    )
    return policy.backoff(attempt, jitter) if repeatable else None


def may_have_been_done(status_code: int | None) -> bool:
    """Whether an attempt with this outcome may have been carried out: nobody knows."""
    return status_code in {None, 502, 503, 504}


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, or `None` when it says nothing that can be followed.

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
