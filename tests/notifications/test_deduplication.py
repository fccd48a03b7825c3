from typing import Any

import pytest

from tests.notifications.doubles import SetClock
from webex_webhooks_async.notifications.deduplication import Claim, MemoryDeduplicator


async def granted(deduplicator: MemoryDeduplicator, keys: str, *, done: bool = True) -> str:
    """Claim each of the keys, confirm what is granted, and return those keys."""
    ours = ""
    for key in keys:
        if await deduplicator.claim(key) is Claim.GRANTED:
            ours += key
            if done:
                await deduplicator.confirm(key)
    return ours


async def test_a_key_is_done_as_soon_as_it_is_granted() -> None:
    """It has no leases: a copy of what is being handled counts as a duplicate."""
    deduplicator = MemoryDeduplicator()

    assert [await deduplicator.claim("a") for _ in range(2)] == [Claim.GRANTED, Claim.DONE]


async def test_a_key_is_forgotten_in_time() -> None:
    """A key is remembered for `ttl` seconds, counted from its confirmation."""
    clock = SetClock()
    deduplicator = MemoryDeduplicator(ttl=10, clock=clock)
    await deduplicator.claim("a")
    clock.seconds += 100

    assert await granted(deduplicator, "a") == ""

    await deduplicator.confirm("a")
    clock.seconds += 9.9

    assert await granted(deduplicator, "ab") == "b"

    clock.seconds += 0.1

    assert await granted(deduplicator, "ab") == "a"


async def test_the_oldest_key_makes_room() -> None:
    """At most `max_entries` keys are remembered; the oldest is forgotten first."""
    assert await granted(MemoryDeduplicator(max_entries=2), "abccba") == "abca"


async def test_a_copy_makes_no_room() -> None:
    """A claim that isn't granted displaces no other."""
    assert await granted(MemoryDeduplicator(max_entries=2), "abba") == "ab"


async def test_what_is_being_handled_is_never_forgotten() -> None:
    """A key that is neither confirmed nor released is remembered beyond `max_entries`."""
    deduplicator = MemoryDeduplicator(max_entries=1)

    assert await granted(deduplicator, "ab", done=False) == "ab"
    assert await granted(deduplicator, "cdab") == "cd"


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


def test_a_bound_is_positive() -> None:
    """A `max_entries` that isn't positive is refused."""
    with pytest.raises(ValueError, match="max_entries must be positive, got 0"):
        MemoryDeduplicator(max_entries=0)
