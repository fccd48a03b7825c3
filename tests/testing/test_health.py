from tests.testing.doubles import FakeClock
from webex_webhooks_async.testing.health import MAX_FAILURES, Health


def fail(health: Health, times: int) -> list[bool]:
    """Let so many attempts of one webhook fail, and tell which of them switch it off."""
    return [health.attempt_failed("W1") for _ in range(times)]


def test_so_many_failures_switch_off() -> None:
    """The hundredth failure within five minutes switches a webhook off, none before."""
    health = Health(FakeClock())

    assert fail(health, 100) == [False] * 99 + [True]


def test_old_failures_do_not_count() -> None:
    """Failures that are longer ago than five minutes are forgotten one by one."""
    clock = FakeClock()
    health = Health(clock)
    fail(health, MAX_FAILURES - 1)
    clock.advance(minutes=5, seconds=1)

    assert fail(health, 100) == [False] * 99 + [True]


def test_failures_of_five_minutes_count() -> None:
    """A failure exactly five minutes ago still counts."""
    clock = FakeClock()
    health = Health(clock)
    fail(health, MAX_FAILURES - 1)
    clock.advance(minutes=5)

    assert fail(health, 1) == [True]


def test_webhooks_are_counted_apart() -> None:
    """One webhook's failures don't harm another."""
    health = Health(FakeClock())
    fail(health, MAX_FAILURES - 1)

    assert not health.attempt_failed("W2")


def test_after_a_reactivation_one_failure_is_too_many() -> None:
    """Within five minutes of being switched on again, one failure switches off."""
    clock = FakeClock()
    health = Health(clock)

    health.reactivated("W1")
    clock.advance(minutes=5)

    assert fail(health, 1) == [True]


def test_five_minutes_after_a_reactivation_all_is_as_before() -> None:
    """Later, it takes a hundred failures again, and those from before don't count."""
    clock = FakeClock()
    health = Health(clock)
    fail(health, MAX_FAILURES)
    health.reactivated("W1")
    clock.advance(minutes=5, seconds=1)

    assert fail(health, 100) == [False] * 99 + [True]


def test_a_deleted_webhook_is_forgotten() -> None:
    """Nothing is kept of a webhook that is gone."""
    health = Health(FakeClock())
    fail(health, MAX_FAILURES - 1)
    health.reactivated("W1")

    health.forget("W1")

    assert fail(health, 1) == [False]
