import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async import APIError, TransportError
from webex_webhooks_async.client.responses import api_error_type
from webex_webhooks_async.client.retries import (
    RetryPolicy,
    backoff,
    delay_before_next,
    parse_retry_after,
)
from webex_webhooks_async.validation import CENTURY

pytestmark = pytest.mark.once

NOW = datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy(attempts=3, base_delay=4.0, max_delay=60.0)

METHODS = ["GET", "PUT", "DELETE", "POST", "PATCH"]

# With a jitter of a half, the first backoff is half of the base delay.
RAISED = None
BACKED_OFF = 2.0

TABLE = [
    # status, Retry-After, then: GET, PUT, DELETE, and POST and PATCH
    (429, "7", 7.0, 7.0, 7.0, 7.0),
    (429, None, BACKED_OFF, BACKED_OFF, BACKED_OFF, BACKED_OFF),
    (429, "rand(30),add(30)", BACKED_OFF, BACKED_OFF, BACKED_OFF, BACKED_OFF),
    (429, "Thu, 29 Feb 2024 12:00:09 GMT", 9.0, 9.0, 9.0, 9.0),
    (429, "0", 0.0, 0.0, 0.0, 0.0),
    (429, "60", 60.0, 60.0, 60.0, 60.0),
    (429, "61", RAISED, RAISED, RAISED, RAISED),
    (429, "3600", RAISED, RAISED, RAISED, RAISED),
    (423, "7", 7.0, 7.0, 7.0, 7.0),
    (423, "rand(30),add(30)", BACKED_OFF, BACKED_OFF, BACKED_OFF, BACKED_OFF),
    (423, "3600", RAISED, RAISED, RAISED, RAISED),
    (423, None, RAISED, RAISED, RAISED, RAISED),
    (502, None, BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    (503, None, BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    (503, "7", 7.0, 7.0, 7.0, RAISED),
    (503, "rand(30),add(30)", BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    (503, "61", RAISED, RAISED, RAISED, RAISED),
    (502, "7", BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    (504, None, BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    (500, None, BACKED_OFF, RAISED, RAISED, RAISED),
    (None, None, BACKED_OFF, BACKED_OFF, BACKED_OFF, RAISED),
    *(
        (status, "7", RAISED, RAISED, RAISED, RAISED)
        for status in (302, 400, 401, 403, 404, 405, 409, 410, 415, 428, 501, 505, 507, 520, 599)
    ),
]


seconds_of_delay = st.floats(0.0, CENTURY)
policies = st.builds(
    RetryPolicy, attempts=st.integers(1), base_delay=seconds_of_delay, max_delay=seconds_of_delay
)


def decide(  # noqa: PLR0913 - the facts that the decision rests on
    method: str = "GET",
    status: int | None = 503,
    retry_after: str | None = None,
    *,
    policy: RetryPolicy = POLICY,
    attempt: int = 1,
    jitter: float = 0.5,
) -> float | None:
    """Decide about one attempt."""
    return delay_before_next(
        policy,
        failure(status, method, parse_retry_after(retry_after, NOW)),
        attempt=attempt,
        has_retry_after=retry_after is not None,
        jitter=jitter,
    )


def failure(
    status: int | None, method: str = "GET", retry_after: float | None = None
) -> APIError | TransportError:
    """The error of a response with this status, or of none."""
    if status is None:
        return TransportError("no response", method)
    return api_error_type(status)(status, method=method, retry_after=retry_after)


@pytest.mark.parametrize(("status", "retry_after", "get", "put", "delete", "post"), TABLE)
def test_each_outcome_is_repeated_or_raised(  # noqa: PLR0913, PLR0917 - a row of the table
    status: int | None,
    retry_after: str | None,
    get: float | None,
    put: float | None,
    delete: float | None,
    post: float | None,
) -> None:
    """Each outcome is retried or raised for each method as the table says, up to `attempts`."""
    for method, delay in zip(METHODS, (get, put, delete, post, post), strict=True):
        assert decide(method, status, retry_after) == delay
        again = decide(method, status, retry_after, attempt=POLICY.attempts - 1)
        assert (again is None) == (delay is None)
        for attempt in (POLICY.attempts, POLICY.attempts + 1):
            assert decide(method, status, retry_after, attempt=attempt) is None
        assert decide(method, status, retry_after, policy=RetryPolicy.none()) is None


def test_backoff_doubles_up_to_the_longest_delay() -> None:
    """Each backoff may be twice as long as the one before, and is at most the maximum."""
    policy = RetryPolicy(attempts=9, base_delay=0.5, max_delay=10.0)

    delays = [decide(policy=policy, attempt=attempt, jitter=0.5) for attempt in range(1, 9)]

    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


@given(policies, st.integers(1), st.floats(0.0, 1.0, exclude_max=True))
def test_jitter_is_full(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    """A backoff is a share of the longest wait, which stays within its bounds and grows."""
    longest = backoff(policy, attempt, 1.0)

    assert backoff(policy, attempt, jitter) == jitter * longest
    assert min(policy.base_delay, policy.max_delay) <= longest <= policy.max_delay
    assert longest <= backoff(policy, attempt + 1, 1.0)


@given(
    policies,
    st.sampled_from(METHODS),
    st.none() | st.integers(100, 599),
    st.none() | st.text() | st.integers(0).map(str),
    st.integers(1, 5),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_delay_is_never_longer_than_the_longest(  # noqa: PLR0913, PLR0917 - all that counts
    policy: RetryPolicy,
    method: str,
    status: int | None,
    retry_after: str | None,
    attempt: int,
    jitter: float,
) -> None:
    """Whatever the outcome, no wait is longer than the policy allows."""
    delay = decide(method, status, retry_after, policy=policy, attempt=attempt, jitter=jitter)

    assert delay is None or 0.0 <= delay <= policy.max_delay


def test_the_default_policy_is_the_documented_one() -> None:
    """Four attempts, from half a second up to a minute."""
    half, minute = timedelta(milliseconds=500), timedelta(minutes=1)

    assert RetryPolicy() == RetryPolicy(attempts=4, base_delay=half, max_delay=minute)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        *(({"attempts": each}, ValueError) for each in (0, -1)),
        *(
            ({name: each}, ValueError)
            for name in ("base_delay", "max_delay")
            for each in (-0.1, math.inf, -math.inf, math.nan)
        ),
        *(({"attempts": each}, TypeError) for each in (2.0, "2", None, True)),
        *(
            ({name: each}, TypeError)
            for name in ("base_delay", "max_delay")
            for each in ("2", None, True)
        ),
    ],
    ids=str,
)
def test_an_unsound_policy_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """At least one attempt, and finite delays; the error names the argument."""
    (name,) = options
    with pytest.raises(error, match=rf"^{name} must be "):
        RetryPolicy(**options)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30\t", 30.0),
        ("30\x1f", 30.0),
        ("0030", 30.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("9" * 300, float("9" * 300)),
        ("Thu, 29 Feb 2024 12:01:30 GMT", 90.0),
        ("Thu, 29 Feb 2024 12:01:30 -0000", 90.0),
        ("Thu, 29 Feb 2024 13:01:30 +0100", 90.0),
        ("Thursday, 29-Feb-24 12:01:30 GMT", 90.0),
        ("Thu Feb 29 12:01:30 2024", 90.0),
        ("Thu, 29 Feb 2024 11:00:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    """The header holds seconds, or an HTTP date in any of its forms; a past date is 0 seconds."""
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", "rand(30),add(30)", "soon", "-1", "+1", "1e3", "0x10", "1_000", "1,5"),
        *(".5", "5.", "²", "٣", "nan", "inf", "9" * 400, "9" * 5000, "30\x1f40", "\ud800"),
        "Thu, 99 Feb 2024 12:01:30 GMT",
        "Thu, 29 Feb 2024",
        "Thu, 29 Feb 99999 12:01:30 GMT",
        "Thu, 29 Feb 2024 12:01:30 +9999999999",
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_anything_else_is_none(value: str | None) -> None:
    """A header that is neither is `None`, so that the backoff is used."""
    assert parse_retry_after(value, NOW) is None


texts_of_numbers = st.integers(-1, 99_999).map(str) | st.sampled_from(
    ["", "²", "9" * 400, "9" * 5000]
)
like_dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Thu", "Thursday", ""]),
    texts_of_numbers,
    st.sampled_from(["Feb", "February", "02", ""]),
    *[texts_of_numbers] * 4,
    st.sampled_from(["GMT", "-0000", "+0100", "+2400", "-9999", "EST", ""]) | st.text(),
)
like_numbers = st.lists(
    st.sampled_from(["0", "9", ".", "-", "²", "\x1f", "\t", "\xa0", "\n"]), max_size=5
).map("".join)


@given(
    st.text(st.characters(exclude_categories=())) | like_numbers | like_dates,
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-12))])),
)
def test_no_retry_after_is_too_odd(value: str, now: datetime) -> None:
    """Any text gives a finite number of seconds or `None`, at any time, and raises nothing."""
    seconds = parse_retry_after(value, now)

    assert seconds is None or 0.0 <= seconds < math.inf
