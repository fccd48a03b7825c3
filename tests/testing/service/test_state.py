from tests.testing.doubles import FakeClock
from webex_webhooks_async.testing.service.state import MAX_FAILURES, FailureTracker


def fail(failures: FailureTracker, times: int) -> list[bool]:
    """Let attempts for one webhook fail, and return which of them switch it off."""
    return [failures.attempt_failed("W1") for _ in range(times)]


def test_old_failures_do_not_count() -> None:
    """Failures that are longer ago than five minutes are forgotten one by one."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES - 1)
    clock.advance(minutes=5, seconds=1)

    assert fail(failures, 100) == [False] * 99 + [True]


def test_failures_of_five_minutes_count() -> None:
    """A failure exactly five minutes ago still counts."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES - 1)
    clock.advance(minutes=5)

    assert fail(failures, 1) == [True]


def test_webhooks_are_counted_apart() -> None:
    """One webhook's failures don't harm another."""
    failures = FailureTracker(FakeClock())
    fail(failures, MAX_FAILURES - 1)

    assert not failures.attempt_failed("W2")
