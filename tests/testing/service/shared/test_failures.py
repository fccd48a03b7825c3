from tests.testing.doubles import FakeClock
from webex_webhooks_async.testing.service.shared.failures import MAX_FAILURES, FailureTracker


def fail(failures: FailureTracker, times: int) -> list[bool]:
    """Let attempts for one webhook fail, and return which of them switch it off."""
    return [failures.attempt_failed("W1") for _ in range(times)]


def test_so_many_failures_switch_off() -> None:
    """The hundredth failure within five minutes switches a webhook off, none before."""
    failures = FailureTracker(FakeClock())

    assert fail(failures, 100) == [False] * 99 + [True]


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


def test_after_a_reactivation_one_failure_is_too_many() -> None:
    """Within five minutes of being switched on again, one failure switches off."""
    clock = FakeClock()
    failures = FailureTracker(clock)

    failures.reactivated("W1")
    clock.advance(minutes=5)

    assert fail(failures, 1) == [True]


def test_five_minutes_after_a_reactivation_all_is_as_before() -> None:
    """Later, it takes a hundred failures again, and earlier ones don't count."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES)
    failures.reactivated("W1")
    clock.advance(minutes=5, seconds=1)

    assert fail(failures, 100) == [False] * 99 + [True]


def test_a_deleted_webhook_is_forgotten() -> None:
    """Nothing is kept of a deleted webhook."""
    failures = FailureTracker(FakeClock())
    fail(failures, MAX_FAILURES - 1)
    failures.reactivated("W1")

    failures.forget("W1")

    assert fail(failures, 1) == [False]
