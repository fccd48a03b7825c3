from typing import Any

import pytest

from webex_webhooks_async.notifications.deduplication import MemoryDeduplicator


class Clock:
    """A clock that stands still until a test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def test_a_key_is_claimed_once() -> None:
    """The first claim of a key is granted, all others are not."""
    deduplicator = MemoryDeduplicator()

    assert [await deduplicator.claim(key) for key in "abaab"] == [True, True, False, False, False]


async def test_a_released_key_can_be_claimed_again() -> None:
    """A released key can be claimed again, and releasing it twice does no harm."""
    deduplicator = MemoryDeduplicator()
    await deduplicator.claim("a")
    await deduplicator.release("a")
    await deduplicator.release("a")

    assert [await deduplicator.claim("a"), await deduplicator.claim("a")] == [True, False]


async def test_a_claim_is_forgotten_in_time() -> None:
    """A claim is remembered for `ttl` seconds, counted from the claim."""
    clock = Clock()
    deduplicator = MemoryDeduplicator(ttl=10, clock=clock)
    await deduplicator.claim("a")
    clock.now += 9.9

    assert [await deduplicator.claim("a"), await deduplicator.claim("b")] == [False, True]

    clock.now += 0.1

    assert [await deduplicator.claim("a"), await deduplicator.claim("b")] == [True, False]


async def test_the_oldest_claim_makes_room() -> None:
    """At most `max_entries` claims are remembered; the oldest is forgotten first."""
    deduplicator = MemoryDeduplicator(max_entries=2)

    claimed = [await deduplicator.claim(key) for key in ("a", "b", "c", "c", "b", "a")]

    assert claimed == [True, True, True, False, False, True]


async def test_a_copy_makes_no_room() -> None:
    """A claim that isn't granted displaces no other."""
    deduplicator = MemoryDeduplicator(max_entries=2)

    assert [await deduplicator.claim(key) for key in "abba"] == [True, True, False, False]


@pytest.mark.parametrize("ttl", [0, -1.0, float("nan")])
def test_a_time_to_live_is_positive(ttl: float) -> None:
    """A `ttl` that isn't positive is refused."""
    with pytest.raises(ValueError, match="ttl must be a positive number of seconds"):
        MemoryDeduplicator(ttl=ttl)


def test_limits_are_numbers() -> None:
    """A limit of another type is refused by name."""
    text: Any = "5"
    with pytest.raises(TypeError, match="ttl must be float or int, got str"):
        MemoryDeduplicator(ttl=text)
    with pytest.raises(TypeError, match="max_entries must be int, got str"):
        MemoryDeduplicator(max_entries=text)


@pytest.mark.parametrize("max_entries", [0, -1])
def test_a_bound_is_positive(max_entries: int) -> None:
    """A `max_entries` that isn't positive is refused."""
    with pytest.raises(ValueError, match="max_entries must be positive"):
        MemoryDeduplicator(max_entries=max_entries)
