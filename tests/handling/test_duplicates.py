from typing import Any

import pytest

from tests.support.clocks import Time
from tests.support.refusals import refused
from webex_webhooks_async.handling.duplicates import Claim, MemoryDeduplicator


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
    clock = Time()
    deduplicator = MemoryDeduplicator(ttl=10, clock=clock.now_in_seconds)
    await deduplicator.claim("a")
    clock.seconds += 100

    assert await granted(deduplicator, "a") == ""
    await deduplicator.confirm("a")
    clock.seconds += 9.9

    assert await granted(deduplicator, "ab") == "b"
    clock.seconds += 0.1

    assert await granted(deduplicator, "ab") == "a"


@pytest.mark.parametrize(("claimed", "granted_"), [("abccba", "abca"), ("abba", "ab")])
async def test_the_oldest_key_makes_room(claimed: str, granted_: str) -> None:
    """At most `max_entries` keys are remembered, the oldest is forgotten first, for no copy."""
    assert await granted(MemoryDeduplicator(max_entries=2), claimed) == granted_


async def test_what_is_being_handled_is_never_forgotten() -> None:
    """A key that is neither confirmed nor released is remembered beyond `max_entries`."""
    deduplicator = MemoryDeduplicator(max_entries=1)

    assert await granted(deduplicator, "ab", done=False) == "ab"
    assert await granted(deduplicator, "cdab") == "cd"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, "ValueError: ttl must be a positive number of seconds"),
        ({"ttl": float("nan")}, "ValueError: ttl must be a positive number of seconds"),
        ({"ttl": "5"}, "TypeError: ttl must be float or int, got str"),
        ({"max_entries": 0}, "ValueError: max_entries must be at least 1, got 0"),
        ({"max_entries": "5"}, "TypeError: max_entries must be int, got str"),
    ],
)
def test_a_limit_is_a_positive_number(options: dict[str, Any], error: str) -> None:
    """Another limit is refused by name."""
    with refused(error):
        MemoryDeduplicator(**options)
